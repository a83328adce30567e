/* Receipts: each signed by a validator, and together held against a proof. What they add up to is a
 * lower bound of what the account did in the window; a proof of less is an omission, with the
 * pool's own signatures for evidence. */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/token_sodium/token.h"
#include "core/receipt/receipt.h"

enum { RECEIPTS_MAX = 10000000, KEYS_MAX = 64, PAGES_MAX = 100000, MARGIN_MS = 600000 };

struct gathered {
    struct receipt_claim *claims;
    size_t count, capacity;
    uint8_t keys[KEYS_MAX][RECEIPT_KEY_BYTES];
    size_t key_count;
    uint8_t announced[KEYS_MAX][RECEIPT_KEY_BYTES]; /* by the pools that were asked */
    size_t announced_count;
    size_t bad;     /* whose path or signature is wrong */
    size_t foreign; /* of other accounts, or of keys not given */
};

static bool key_is_wanted(const struct verify *verify, const uint8_t key[RECEIPT_KEY_BYTES])
{
    for (size_t i = 0; i < verify->key_count; i++)
        if (memcmp(verify->keys[i], key, RECEIPT_KEY_BYTES) == 0)
            return true;
    return verify->key_count == 0;
}

static void note_key(struct gathered *gathered, const uint8_t key[RECEIPT_KEY_BYTES])
{
    for (size_t i = 0; i < gathered->key_count; i++)
        if (memcmp(gathered->keys[i], key, RECEIPT_KEY_BYTES) == 0)
            return;
    if (gathered->key_count < KEYS_MAX)
        memcpy(gathered->keys[gathered->key_count++], key, RECEIPT_KEY_BYTES);
}

static void take(const struct verify *verify, struct gathered *gathered,
                 const struct receipt *receipt)
{
    uint8_t digest[RECEIPT_HASH_BYTES];
    receipt_slice_digest(&receipt->slice, digest);
    if (!receipt_check(receipt) ||
        !token_verify_bytes(receipt->slice.key, span_of(digest, sizeof digest),
                            receipt->slice.signature)) {
        gathered->bad++;
        return;
    }
    if (!key_is_wanted(verify, receipt->slice.key) ||
        (verify->source != NULL && receipt->share.account != verify->proof.leaf.account)) {
        gathered->foreign++;
        return;
    }
    note_key(gathered, receipt->slice.key);
    if (gathered->count == gathered->capacity) {
        gathered->capacity = gathered->capacity == 0 ? 256 : 2 * gathered->capacity;
        gathered->claims = realloc(gathered->claims, gathered->capacity * sizeof *gathered->claims);
        ASSERT(gathered->claims != NULL);
    }
    gathered->claims[gathered->count++] =
        (struct receipt_claim){ receipt->share, receipt->slice.version, receipt->slice.history };
}

static bool take_document(const struct verify *verify, struct gathered *gathered,
                          const json_t *document, const char *source, struct error *error)
{
    const json_t *list = json_object_get(document, "receipts");
    if (!json_is_array(list))
        return error_set(error, ERROR_INVALID, "%s holds no receipts", source);
    for (size_t i = 0; i < json_array_size(list); i++) {
        uint8_t bytes[RECEIPT_BYTES_MAX];
        struct receipt receipt;
        size_t length;
        if (gathered->count == RECEIPTS_MAX)
            return error_set(error, ERROR_FULL, "there are too many receipts");
        if (!proof_json_bytes(json_array_get(list, i), bytes, sizeof bytes, &length) ||
            !receipt_decode(span_of(bytes, length), &receipt))
            return error_set(error, ERROR_INVALID, "%s: receipt %zu is none", source, i + 1);
        take(verify, gathered, &receipt);
    }
    return true;
}

/* All pages of all validators, of the time of the proof's window. */
static bool take_url(const struct verify *verify, struct gathered *gathered, const char *url,
                     struct error *error)
{
    const struct proof_statement *statement = &verify->proof.statement;
    uint64_t begin = statement->oldest.high > MARGIN_MS ? statement->oldest.high - MARGIN_MS : 0;
    uint64_t end = statement->newest.high + MARGIN_MS;
    json_int_t validators = 1;
    for (json_int_t i = 0; i < validators; i++) {
        uint64_t from = begin, place = 0;
        bool more = true;
        for (size_t page = 0; more && page < PAGES_MAX; page++) {
            char address[1200];
            snprintf(address, sizeof address,
                     "%s?validator=%d&from=%" PRIu64 "&place=%" PRIu64 "&to=%" PRIu64, url, (int)i,
                     from, place, end);
            json_t *document = verify_json(address, error);
            if (document == NULL || !take_document(verify, gathered, document, address, error)) {
                json_decref(document);
                return false;
            }
            validators = json_integer_value(json_object_get(document, "validators"));
            more = json_is_true(json_object_get(document, "more"));
            from = (uint64_t)json_integer_value(json_object_get(document, "next_ms"));
            place = (uint64_t)json_integer_value(json_object_get(document, "next_place"));
            json_decref(document);
        }
    }
    return true;
}

/* Newer versions first, where they speak of one position. */
static int compare_positions(const void *left, const void *right)
{
    const struct receipt_claim *a = left, *b = right;
    int by = proof_position_compare(&a->share.position, &b->share.position);
    return by != 0 ? by : b->version - a->version;
}

/* A validator that was replaced by a newer one may have signed for a place in both versions: the
 * older says nothing more. */
static void drop_older(struct gathered *gathered)
{
    size_t left = 0;
    qsort(gathered->claims, gathered->count, sizeof *gathered->claims, compare_positions);
    for (size_t i = 0; i < gathered->count; i++) {
        const struct receipt_claim *claim = &gathered->claims[i];
        bool told = left > 0 && claim->version == 1 && gathered->claims[left - 1].version > 1 &&
                    proof_position_compare(&gathered->claims[left - 1].share.position,
                                           &claim->share.position) == 0;
        if (!told)
            gathered->claims[left++] = *claim;
    }
    gathered->count = left;
}

static void add_up(const struct verify *verify, struct gathered *gathered,
                   struct receipt_tally *tally_r)
{
    if (gathered->count > 0) {
        drop_older(gathered);
        qsort(gathered->claims, gathered->count, sizeof *gathered->claims, receipt_claim_compare);
    }
    receipt_tally(gathered->claims, gathered->count,
                  verify->source == NULL ? NULL : &verify->proof.statement, tally_r);
}

/* The keys that a pool's validators announce, where receipts come from its API. What cannot be had
 * is not announced: nothing is decided by it. */
static void ask_announced(struct gathered *gathered, const char *url)
{
    char address[1024];
    struct error ignored;
    const char *at = strstr(url, "/api/v1/accounts/");
    size_t length, index;
    json_t *entry;
    if (at == NULL || (size_t)(at - url) > sizeof address - 64)
        return;
    snprintf(address, sizeof address, "%.*s/api/v1/validators", (int)(at - url), url);
    json_t *document = verify_json(address, &ignored);
    json_array_foreach(json_object_get(document, "validators"), index,
                       entry) if (gathered->announced_count < KEYS_MAX &&
                                  proof_json_bytes(json_object_get(entry, "receipt_key"),
                                                   gathered->announced[gathered->announced_count],
                                                   RECEIPT_KEY_BYTES, &length) &&
                                  length == RECEIPT_KEY_BYTES) gathered->announced_count++;
    json_decref(document);
}

static const char *standing_of(const struct verify *verify, const struct gathered *gathered,
                               const uint8_t key[RECEIPT_KEY_BYTES])
{
    if (verify->key_count > 0)
        return "";
    for (size_t i = 0; i < gathered->announced_count; i++)
        if (memcmp(gathered->announced[i], key, RECEIPT_KEY_BYTES) == 0)
            return ", which the pool announces: compare it with what others are shown";
    return gathered->announced_count > 0
               ? ", which the pool does not announce now: one of before, or not its own"
               : ": compare it with the one the pool announces";
}

static void tell_signers(const struct verify *verify, const struct gathered *gathered)
{
    char key[2 * RECEIPT_KEY_BYTES + 1];
    if (gathered->foreign > 0)
        verify_note("%zu receipts are of other accounts or keys", gathered->foreign);
    for (size_t i = 0; i < gathered->key_count; i++) {
        hex_encode(span_of(gathered->keys[i], RECEIPT_KEY_BYTES), key);
        verify_note("signed by key %s%s", key, standing_of(verify, gathered, gathered->keys[i]));
    }
}

static void tell_repeats(struct verify *verify, const struct receipt_tally *tally)
{
    char moved[U128_TEXT_BYTES];
    u128_format(tally->moved_work, moved);
    if (tally->conflicts > 0)
        verify_bad(verify, VERIFY_WRONG,
                   "receipts: %zu shares are signed for under the names of others",
                   tally->conflicts);
    if (tally->again > 0)
        verify_note("%zu receipts are of shares that were kept again at another position, over %zu "
                    "histories of the pool's window; each share counts once",
                    tally->again, tally->histories);
    if (tally->moved > 0)
        verify_note("%zu shares of %s were kept again behind this window, when another server took "
                    "over: the proofs of later blocks must hold them",
                    tally->moved, moved);
}

static void tell(struct verify *verify, struct gathered *gathered)
{
    char signed_for[U128_TEXT_BYTES], proven[U128_TEXT_BYTES];
    struct receipt_tally tally;
    add_up(verify, gathered, &tally);
    u128_format(tally.work, signed_for);
    u128_format(verify->proof.leaf.sums.work, proven);
    if (gathered->bad > 0)
        verify_bad(verify, VERIFY_WRONG, "receipts: %zu are not signed as they say", gathered->bad);
    tell_signers(verify, gathered);
    tell_repeats(verify, &tally);
    if (verify->source == NULL)
        verify_good("receipts: %zu shares of %s expected hashes are signed for", tally.counted,
                    signed_for);
    else if (tally.work > verify->proof.leaf.sums.work)
        verify_bad(verify, VERIFY_OMITTED,
                   "receipts: the pool signed for %zu shares of %s in this window, but proves %s",
                   tally.counted, signed_for, proven);
    else
        verify_good("receipts: %zu shares of %s were signed for, all within the proven %s",
                    tally.counted, signed_for, proven);
}

bool verify_receipts(struct verify *verify, struct error *error)
{
    struct gathered gathered = { 0 };
    bool ok = true;
    for (size_t i = 0; ok && i < verify->receipt_count; i++) {
        const char *source = verify->receipts[i];
        if (verify_is_url(source) && strchr(source, '?') == NULL && verify->source != NULL) {
            ok = take_url(verify, &gathered, source, error);
            ask_announced(&gathered, source);
            continue;
        }
        json_t *document = verify_json(source, error);
        ok = document != NULL && take_document(verify, &gathered, document, source, error);
        json_decref(document);
    }
    if (ok)
        tell(verify, &gathered);
    free(gathered.claims);
    return ok;
}
