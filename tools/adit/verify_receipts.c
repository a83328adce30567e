/* Receipts: each signed by a validator, and together held against a proof. What they add up to is a
 * lower bound of what the account did in the window; a proof of less is an omission, with the
 * pool's own signatures for evidence. */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/token_sodium/token.h"
#include "core/receipt/link.h"

enum {
    RECEIPTS_MAX = 10000000,
    KEYS_MAX = 64,
    LINKS_MAX = 1024,
    CHAIN_KEYS_MAX = VERIFY_KEYS_MAX + KEYS_MAX + 2 * LINKS_MAX,
    PAGES_MAX = 100000,
    MARGIN_MS = 600000
};

struct gathered {
    struct receipt_claim *claims;
    uint16_t *signers; /* of each claim: its key's place in chain_keys */
    size_t count, capacity;
    bool signed_by[CHAIN_KEYS_MAX];                 /* those that count */
    uint8_t announced[KEYS_MAX][RECEIPT_KEY_BYTES]; /* by the pools that were asked */
    size_t announced_count;
    struct receipt_link links[LINKS_MAX]; /* whose signatures are right */
    size_t link_count;
    size_t bad_links;
    /* Keys that were met, and those that belong to a chain with a given (or announced) one. */
    uint8_t chain_keys[CHAIN_KEYS_MAX][RECEIPT_KEY_BYTES];
    bool chain_known[CHAIN_KEYS_MAX];
    size_t chain_count;
    size_t bad;     /* whose path or signature is wrong */
    size_t foreign; /* of other accounts, or of keys not given */
};

/* Its place among the keys that were met; CHAIN_KEYS_MAX where there are too many. */
static size_t meet_key(struct gathered *gathered, const uint8_t key[RECEIPT_KEY_BYTES])
{
    size_t i = 0;
    while (i < gathered->chain_count &&
           memcmp(gathered->chain_keys[i], key, RECEIPT_KEY_BYTES) != 0)
        i++;
    if (i == gathered->chain_count && i < CHAIN_KEYS_MAX) {
        memcpy(gathered->chain_keys[i], key, RECEIPT_KEY_BYTES);
        gathered->chain_known[i] = false;
        gathered->chain_count++;
    }
    return i;
}

static void trust_key(struct gathered *gathered, const uint8_t key[RECEIPT_KEY_BYTES])
{
    size_t place = meet_key(gathered, key);
    if (place < CHAIN_KEYS_MAX)
        gathered->chain_known[place] = true;
}

/* Once every link was read: which keys follow, or precede, one that is trusted. */
static void follow_links(struct gathered *gathered)
{
    receipt_links_follow(gathered->links, gathered->link_count,
                         (const uint8_t(*)[RECEIPT_KEY_BYTES])gathered->chain_keys,
                         gathered->chain_count, gathered->chain_known);
}

static bool key_is_given(const struct verify *verify, const uint8_t key[RECEIPT_KEY_BYTES])
{
    for (size_t i = 0; i < verify->key_count; i++)
        if (memcmp(verify->keys[i], key, RECEIPT_KEY_BYTES) == 0)
            return true;
    return false;
}

/* Of given keys and those that are in a chain with one; with none given, of all. */
static void drop_foreign(const struct verify *verify, struct gathered *gathered)
{
    size_t left = 0;
    for (size_t i = 0; i < verify->key_count; i++)
        trust_key(gathered, verify->keys[i]);
    for (size_t i = 0; verify->key_count == 0 && i < gathered->announced_count; i++)
        trust_key(gathered, gathered->announced[i]);
    follow_links(gathered);
    for (size_t i = 0; i < gathered->count; i++) {
        uint16_t signer = gathered->signers[i];
        if (verify->key_count > 0 && !gathered->chain_known[signer]) {
            gathered->foreign++;
            continue;
        }
        gathered->signed_by[signer] = true;
        gathered->claims[left++] = gathered->claims[i];
    }
    gathered->count = left;
}

/* Both keys must have signed; then both are keys that were met. */
static void take_link(struct gathered *gathered, struct span bytes)
{
    struct receipt_link link;
    uint8_t digest[RECEIPT_HASH_BYTES];
    bool good = receipt_link_decode(bytes, &link);
    if (good) {
        receipt_link_digest(&link, digest);
        struct span digested = span_of(digest, sizeof digest);
        good = token_verify_bytes(link.from, digested, link.from_signature) &&
               token_verify_bytes(link.to, digested, link.to_signature);
    }
    gathered->bad_links += !good;
    for (size_t i = 0; good && i < gathered->link_count; i++)
        good = memcmp(&gathered->links[i], &link, sizeof link) != 0; /* one is told often */
    if (!good || gathered->link_count == LINKS_MAX)
        return;
    gathered->links[gathered->link_count++] = link;
    (void)meet_key(gathered, link.from);
    (void)meet_key(gathered, link.to);
}

static void take_links(struct gathered *gathered, const json_t *document)
{
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(document, "key_links"), index, entry)
    {
        uint8_t bytes[RECEIPT_LINK_BYTES];
        size_t length = 0;
        bool read = proof_json_bytes(entry, bytes, sizeof bytes, &length);
        take_link(gathered, span_of(bytes, read ? length : 0));
    }
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
    size_t signer = meet_key(gathered, receipt->slice.key);
    if (signer == CHAIN_KEYS_MAX ||
        (verify->source != NULL && receipt->share.account != verify->proof.leaf.account)) {
        gathered->foreign++;
        return;
    }
    if (gathered->count == gathered->capacity) {
        gathered->capacity = gathered->capacity == 0 ? 256 : 2 * gathered->capacity;
        gathered->claims = realloc(gathered->claims, gathered->capacity * sizeof *gathered->claims);
        gathered->signers =
            realloc(gathered->signers, gathered->capacity * sizeof *gathered->signers);
        ASSERT(gathered->claims != NULL && gathered->signers != NULL);
    }
    gathered->signers[gathered->count] = (uint16_t)signer;
    gathered->claims[gathered->count++] =
        (struct receipt_claim){ receipt->share, receipt->slice.version, receipt->slice.history };
}

static bool take_document(const struct verify *verify, struct gathered *gathered,
                          const json_t *document, const char *source, struct error *error)
{
    const json_t *list = json_object_get(document, "receipts");
    if (!json_is_array(list))
        return error_set(error, ERROR_INVALID, "%s holds no receipts", source);
    take_links(gathered, document);
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

/* What is known of a key that signed. `chained`: with none given, whether it is in a chain with one
 * that the pool announces. */
static const char *standing_of(const struct verify *verify, const struct gathered *gathered,
                               const uint8_t key[RECEIPT_KEY_BYTES], bool chained)
{
    if (verify->key_count > 0)
        return key_is_given(verify, key) ? "" : ", in a chain of keys with one that you gave";
    for (size_t i = 0; i < gathered->announced_count; i++)
        if (memcmp(gathered->announced[i], key, RECEIPT_KEY_BYTES) == 0)
            return ", which the pool announces: compare it with what others are shown";
    if (chained)
        return ", in a chain of keys with one that the pool announces";
    return gathered->announced_count > 0
               ? ", which the pool does not announce now: one of before, or not its own"
               : ": compare it with the one the pool announces";
}

static void tell_signers(const struct verify *verify, const struct gathered *gathered)
{
    char key[2 * RECEIPT_KEY_BYTES + 1];
    if (gathered->foreign > 0)
        verify_note("%zu receipts are of other accounts or keys", gathered->foreign);
    for (size_t i = 0; i < gathered->chain_count; i++) {
        if (!gathered->signed_by[i])
            continue;
        hex_encode(span_of(gathered->chain_keys[i], RECEIPT_KEY_BYTES), key);
        verify_note(
            "signed by key %s%s", key,
            standing_of(verify, gathered, gathered->chain_keys[i], gathered->chain_known[i]));
    }
}

/* A key has one successor. Two are a validator restored from a copy, or somebody else's hand. */
static void tell_links(struct verify *verify, const struct gathered *gathered)
{
    char key[2 * RECEIPT_KEY_BYTES + 1];
    if (gathered->bad_links > 0)
        verify_bad(verify, VERIFY_WRONG, "keys: %zu links are not signed as they say",
                   gathered->bad_links);
    for (size_t i = 0; i < gathered->link_count; i++)
        for (size_t k = 0; k < i; k++) {
            if (memcmp(gathered->links[i].from, gathered->links[k].from, RECEIPT_KEY_BYTES) != 0 ||
                memcmp(gathered->links[i].to, gathered->links[k].to, RECEIPT_KEY_BYTES) == 0)
                continue;
            hex_encode(span_of(gathered->links[i].from, RECEIPT_KEY_BYTES), key);
            verify_note("key %s says that two keys follow it: ask the pool why", key);
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
    drop_foreign(verify, gathered);
    add_up(verify, gathered, &tally);
    u128_format(tally.work, signed_for);
    u128_format(verify->proof.leaf.sums.work, proven);
    if (gathered->bad > 0)
        verify_bad(verify, VERIFY_WRONG, "receipts: %zu are not signed as they say", gathered->bad);
    tell_links(verify, gathered);
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
    struct gathered *gathered = calloc(1, sizeof *gathered);
    bool ok = true;
    ASSERT(gathered != NULL);
    for (size_t i = 0; ok && i < verify->receipt_count; i++) {
        const char *source = verify->receipts[i];
        if (verify_is_url(source) && strchr(source, '?') == NULL && verify->source != NULL) {
            ok = take_url(verify, gathered, source, error);
            ask_announced(gathered, source);
            continue;
        }
        json_t *document = verify_json(source, error);
        ok = document != NULL && take_document(verify, gathered, document, source, error);
        json_decref(document);
    }
    if (ok)
        tell(verify, gathered);
    free(gathered->claims);
    free(gathered->signers);
    free(gathered);
    return ok;
}
