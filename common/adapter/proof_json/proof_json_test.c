#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/proof_json/proof_json.h"

static struct proof make(void)
{
    struct proof proof = {
        .statement = { .number = 3,
                       .height = 9,
                       .reward = 100,
                       .fee = 1,
                       .accounts = 2,
                       .root = { .sums = { (u128)1 << 100, 99 } },
                       .newest = { UINT64_MAX, 2, 3 },
                       .scheme = "pplns" },
        .leaf = { .kind = PROOF_NAME_ACCOUNT, .name = "alice", .name_bytes = 5, .sums = { 5, 6 } },
        .place = 1,
        .path_length = 1
    };
    proof.statement.block_hash[31] = 0xab;
    return proof;
}

static void a_document_reads_back_as_what_it_was_made_of(void **state)
{
    struct proof proof = make(), read;
    uint8_t one[PROOF_BYTES_MAX], other[PROOF_BYTES_MAX];
    struct error error;
    json_t *document = proof_json_of(&proof);
    (void)state;
    const json_t *statement = json_object_get(document, "statement");
    assert_string_equal(json_string_value(json_object_get(statement, "work")),
                        "1267650600228229401496703205376");
    assert_int_equal(json_string_value(json_object_get(statement, "block"))[0], 'a');
    json_object_set_new(document, "remark", json_string("of no interest"));
    assert_true(proof_json_read(document, &read, &error));
    size_t length = proof_encode(&proof, one);
    assert_int_equal(proof_encode(&read, other), length);
    assert_memory_equal(one, other, length);
    struct proof_statement alone;
    assert_true(proof_json_read_statement(statement, &alone, &error));
    assert_int_equal(alone.number, 3);
    json_decref(document);
}

/* Words that differ from the bytes are what a cheat would show. */
static void words_that_are_not_in_the_bytes_are_refused(void **state)
{
    static const char *const lies[] = {
        "{\"place\": 0}",
        "{\"leaf\": {\"work\": \"6\"}}",
        "{\"leaf\": {\"name\": \"626f62\"}}",
        "{\"statement\": {\"reward\": \"101\"}}",
        "{\"statement\": {\"newest\": {\"low\": \"1\"}}}",
        "{\"statement\": {\"number\": 3}}",
        "{\"path\": []}",
        "{\"bytes\": \"00\"}",
        "{\"bytes\": 1}",
        "{\"bytes\": \"0\"}",
        "{\"format\": \"adit-proof/2\"}",
        "{\"leaf\": 1}",
    };
    struct proof proof = make(), read;
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct error error = { .text = "" };
        json_t *document = proof_json_of(&proof), *lie = json_loads(lies[i], 0, NULL);
        assert_non_null(lie);
        assert_int_equal(json_object_update_recursive(document, lie), 0);
        assert_false(proof_json_read(document, &read, &error));
        assert_true(error.text[0] != '\0');
        json_decref(lie);
        json_decref(document);
    }
    struct error error;
    assert_false(proof_json_read(NULL, &read, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_reads_back_as_what_it_was_made_of),
        cmocka_unit_test(words_that_are_not_in_the_bytes_are_refused),
    };
    return cmocka_run_group_tests_name("proof_json", tests, NULL, NULL);
}
