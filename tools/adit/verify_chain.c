/* The chain of proofs as somebody was shown it: whole in itself, and holding the proof's statement.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATEMENTS_MAX = 1000000, PAGE = 500 };

static bool take(struct verify *verify, const json_t *entry, struct error *error)
{
    struct proof_statement statement;
    if (verify->count == STATEMENTS_MAX)
        return error_set(error, ERROR_FULL, "the chain of proofs is too long");
    if (!proof_json_read_statement(entry, &statement, error))
        return false;
    size_t count = verify->count + 1;
    verify->statements = realloc(verify->statements, count * sizeof *verify->statements);
    verify->heads = realloc(verify->heads, count * sizeof *verify->heads);
    ASSERT(verify->statements != NULL && verify->heads != NULL);
    verify->statements[verify->count] = statement;
    proof_head(&statement, verify->heads[verify->count]);
    verify->count = count;
    return true;
}

/* The statements of one document; their number in *taken_r. */
static bool take_page(struct verify *verify, const char *source, size_t *taken_r,
                      struct error *error)
{
    json_t *document = verify_json(source, error);
    if (document == NULL)
        return false;
    const json_t *list = json_object_get(document, "proofs");
    bool ok =
        json_is_array(list) || error_set(error, ERROR_INVALID, "%s is no chain of proofs", source);
    size_t i = 0;
    for (; ok && i < json_array_size(list); i++)
        ok = take(verify, json_array_get(list, i), error);
    *taken_r = i;
    json_decref(document);
    return ok;
}

static bool read_chain(struct verify *verify, struct error *error)
{
    size_t taken;
    if (!verify_is_url(verify->chain) || strchr(verify->chain, '?') != NULL)
        return take_page(verify, verify->chain, &taken, error);
    do {
        char url[1024];
        uint64_t after = verify->count == 0 ? 0 : verify->statements[verify->count - 1].number;
        snprintf(url, sizeof url, "%s?limit=%d&after=%" PRIu64, verify->chain, PAGE, after);
        if (!take_page(verify, url, &taken, error))
            return false;
    } while (taken == PAGE);
    return true;
}

static bool is_zero(const uint8_t bytes[PROOF_HASH_BYTES])
{
    uint8_t any = 0;
    for (size_t i = 0; i < PROOF_HASH_BYTES; i++)
        any |= bytes[i];
    return any == 0;
}

static bool is_unbroken(struct verify *verify)
{
    const struct proof_statement *first = &verify->statements[0];
    if (first->number == 1 && !is_zero(first->previous)) {
        verify_bad(verify, VERIFY_SPLIT, "chain: number 1 claims that there was one before it");
        return false;
    }
    for (size_t i = 0; i < verify->count; i++) {
        const struct proof_statement *statement = &verify->statements[i];
        enum proof_outcome outcome = proof_check_statement(statement);
        if (outcome != PROOF_OK) {
            verify_bad(verify, VERIFY_SPLIT, "chain: number %" PRIu64 ": %s", statement->number,
                       proof_outcome_text(outcome));
            return false;
        }
        if (i > 0 && proof_check_next(&verify->statements[i - 1], statement) != PROOF_OK) {
            verify_bad(verify, VERIFY_SPLIT,
                       "chain: number %" PRIu64 " does not follow number %" PRIu64,
                       statement->number, verify->statements[i - 1].number);
            return false;
        }
    }
    return true;
}

/* Bought work leaves no gap: a share between two stretches would be in none, and in no block's
 * window. Between two times of buying blocks are shared. */
static void check_stretches(struct verify *verify)
{
    const struct proof_statement *before = NULL;
    size_t count = 0;
    for (size_t i = 0; i < verify->count; i++) {
        const struct proof_statement *stretch = &verify->statements[i];
        if (proof_stretch_of(stretch) == 0)
            continue;
        count++;
        if (before != NULL && !proof_stretch_follows(before, stretch)) {
            verify_bad(verify, VERIFY_SPLIT,
                       "chain: stretch %" PRIu64 " does not begin where stretch %" PRIu64 " ended",
                       proof_stretch_of(stretch), proof_stretch_of(before));
            return;
        }
        before = stretch;
    }
    if (count > 1)
        verify_good("chain: %zu stretches of bought work follow each other", count);
}

bool verify_chain(struct verify *verify, struct error *error)
{
    if (!read_chain(verify, error))
        return false;
    if (verify->count == 0) {
        verify_bad(verify, VERIFY_SPLIT, "chain: it is empty, and so lacks the proof's statement");
        return true;
    }
    if (!is_unbroken(verify))
        return true;
    check_stretches(verify);
    const struct proof_statement *own = &verify->proof.statement;
    uint64_t first = verify->statements[0].number;
    uint64_t last = verify->statements[verify->count - 1].number;
    if (own->number < first || own->number > last) {
        verify_bad(verify, VERIFY_SPLIT,
                   "chain: numbers %" PRIu64 " to %" PRIu64 " do not hold the proof's %" PRIu64,
                   first, last, own->number);
        return true;
    }
    uint8_t head[PROOF_HASH_BYTES];
    proof_head(own, head);
    if (memcmp(head, verify->heads[own->number - first], sizeof head) != 0) {
        verify_bad(verify, VERIFY_SPLIT,
                   "chain: its number %" PRIu64
                   " is another statement than the proof's: two viewers were shown different ones",
                   own->number);
        return true;
    }
    verify->found_in_chain = true;
    verify_good("chain: numbers %" PRIu64 " to %" PRIu64 " follow one another, and %" PRIu64
                " is the proof's statement",
                first, last, own->number);
    return true;
}
