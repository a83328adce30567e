/* core/proof against vectors that another program made; the page's verify.js is held to the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/proof_json/proof_json.h"
#include "tests/vectors/consensus_vectors.h"

#include <stdio.h>
#include <stdlib.h>

static const char *name_of(enum proof_outcome outcome)
{
    static const char *const names[] = {
#define X(name, text) #name,
        PROOF_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

static void check_proof(const struct vectors *v)
{
    const char *hex = vectors_get(v, "data"), *fair = vectors_find(v, "fair");
    size_t length;
    uint8_t *bytes = vectors_unhex(hex, strlen(hex), &length), again[PROOF_BYTES_MAX];
    struct proof proof;
    bool read = proof_decode(span_of(bytes, length), &proof);
    assert_string_equal(name_of(read ? proof_check(&proof) : PROOF_MALFORMED),
                        vectors_get(v, "expect"));
    if (read) {
        assert_int_equal(proof_encode(&proof, again), length);
        assert_memory_equal(again, bytes, length);
    }
    if (fair != NULL)
        assert_int_equal(proof_fair_amount(&proof), vectors_number(v, "fair"));
    if (fair != NULL)
        assert_int_equal(proof_rounding(&proof), vectors_number(v, "rounding"));
    if (vectors_find(v, "worth") != NULL)
        assert_int_equal(proof_stretch_worth(&proof.statement), vectors_number(v, "worth"));
    free(bytes);
}

static void check_statement(const struct vectors *v, struct proof_statement *last)
{
    uint8_t bytes[PROOF_STATEMENT_BYTES], head[32], expected[32];
    struct proof_statement statement;
    vectors_bytes(v, "data", bytes, sizeof bytes);
    vectors_bytes(v, "head", expected, sizeof expected);
    assert_true(proof_statement_decode(span_of(bytes, sizeof bytes), &statement));
    assert_int_equal(proof_check_statement(&statement), PROOF_OK);
    proof_head(&statement, head);
    assert_memory_equal(head, expected, sizeof head);
    if (statement.number > 1)
        assert_int_equal(proof_check_next(last, &statement), PROOF_OK);
    *last = statement;
}

static void check_commitment(const struct vectors *v)
{
    const char *hex = vectors_get(v, "script");
    size_t length;
    uint8_t *script = vectors_unhex(hex, strlen(hex), &length), head[32], expected[32];
    uint32_t number;
    bool read = proof_commitment_read(span_of(script, length), &number, head);
    assert_int_equal(read, vectors_find(v, "head") != NULL);
    if (read) {
        vectors_bytes(v, "head", expected, sizeof expected);
        assert_memory_equal(head, expected, sizeof head);
        assert_int_equal(number, vectors_number(v, "number"));
    }
    free(script);
}

static void every_vector_holds(void **state)
{
    struct vectors vectors;
    struct proof_statement last = { .number = 0 };
    size_t seen = 0;
    (void)state;
    for (vectors_open_file(&vectors, "proofs.txt"); vectors_next(&vectors); seen++)
        if (vectors_is(&vectors, "proof"))
            check_proof(&vectors);
        else if (vectors_is(&vectors, "statement"))
            check_statement(&vectors, &last);
        else if (vectors_is(&vectors, "commitment"))
            check_commitment(&vectors);
        else
            fail_msg("line %u is of no known kind", vectors.line);
    vectors_close(&vectors);
    assert_true(seen > 50);
}

/* The checked-in document is what the API would say of its own bytes. */
static void the_document_is_as_the_api_writes_it(void **state)
{
    char path[4096];
    struct proof proof;
    struct error error;
    (void)state;
    const char *source = getenv("ADIT_SOURCE");
    snprintf(path, sizeof path, "%s/tests/vectors/proof_document.json",
             source == NULL ? "." : source);
    json_t *document = json_load_file(path, 0, NULL);
    assert_non_null(document);
    assert_true(proof_json_read(document, &proof, &error));
    json_t *again = proof_json_of(&proof);
    assert_true(json_equal(document, again));
    json_decref(again);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_holds),
        cmocka_unit_test(the_document_is_as_the_api_writes_it),
    };
    return cmocka_run_group_tests_name("proof vectors", tests, NULL, NULL);
}
