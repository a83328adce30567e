#include "adapter/node_rpc/testing/template_jansson.h"

#include "core/transaction/transaction.h"
#include "core/difficulty/difficulty.h"
#include "core/pow/sha256.h"

#include <limits.h>
#include <stdlib.h>

/* No coin here issues more than 2^53 base units in all, and JSON readers agree up to there. */
#define VALUE_MAX ((json_int_t)1 << 53)

static bool refuse(struct error *error, const char *what)
{
    return error_set(error, ERROR_INVALID, "its template is refused: %s", what);
}

static bool read_number(const json_t *document, const char *key, json_int_t min, json_int_t max,
                        json_int_t *value_r, struct error *error)
{
    const json_t *value = json_object_get(document, key);
    if (!json_is_integer(value))
        return error_set(error, ERROR_INVALID,
                         "its template is refused: \"%s\" is missing or no integer", key);
    *value_r = json_integer_value(value);
    if (*value_r < min || *value_r > max)
        return error_set(error, ERROR_INVALID,
                         "its template is refused: \"%s\" is %lld, outside %lld to %lld", key,
                         (long long)*value_r, (long long)min, (long long)max);
    return true;
}

/* A hash as RPC shows it, turned round into internal order. */
static bool read_hash(const json_t *value, uint8_t hash_r[32])
{
    uint8_t shown[32];
    if (!json_is_string(value) ||
        !hex_decode(json_string_value(value), json_string_length(value), shown, sizeof shown))
        return false;
    bytes_reverse(shown, sizeof shown, hash_r);
    return true;
}

static bool read_hex(const json_t *value, size_t bytes_max, struct arena *arena,
                     struct span *bytes_r)
{
    if (!json_is_string(value) || json_string_length(value) % 2 != 0 ||
        json_string_length(value) / 2 > bytes_max)
        return false;
    size_t length = json_string_length(value) / 2;
    uint8_t *bytes = arena_take(arena, length);
    if (bytes == NULL || !hex_decode(json_string_value(value), 2 * length, bytes, length))
        return false;
    *bytes_r = span_of(bytes, length);
    return true;
}

/* A rule behind "!" must be understood by whoever mines (BIP 9, BIP 23). */
static bool read_rules(const json_t *document, const struct coin_profile *coin, struct error *error)
{
    const json_t *rules = json_object_get(document, "rules");
    if (rules == NULL)
        return true;
    if (!json_is_array(rules) || json_array_size(rules) > 64)
        return refuse(error, "\"rules\" is no list of at most 64");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const char *rule = json_string_value(json_array_get(rules, i));
        if (rule == NULL)
            return refuse(error, "a rule is no text");
        bool known = rule[0] != '!';
        for (size_t j = 0; !known && j < COIN_GBT_RULES_MAX && coin->gbt_rules[j] != NULL; j++)
            known = strcmp(rule + 1, coin->gbt_rules[j]) == 0;
        if (!known)
            return refuse(error, "it demands a rule that the coin's profile does not know");
    }
    const json_t *challenge = json_object_get(document, "signet_challenge");
    if (challenge != NULL &&
        (!json_is_string(challenge) || strcmp(json_string_value(challenge), "51") != 0))
        return refuse(error, "blocks of this signet need its issuer's signature");
    return true;
}

static bool read_head(const json_t *document, struct block_template *template, struct error *error)
{
    json_int_t height, version, value, cur_time, min_time;
    if (!read_number(document, "height", 1, INT32_MAX, &height, error) ||
        !read_number(document, "version", INT32_MIN, UINT32_MAX, &version, error) ||
        !read_number(document, "coinbasevalue", 0, VALUE_MAX, &value, error) ||
        !read_number(document, "curtime", 1, UINT32_MAX, &cur_time, error) ||
        !read_number(document, "mintime", 0, UINT32_MAX, &min_time, error))
        return false;
    if (min_time > cur_time)
        return refuse(error, "\"mintime\" is after \"curtime\"");
    if (!read_hash(json_object_get(document, "previousblockhash"), template->prev_hash))
        return refuse(error, "\"previousblockhash\" is no hash");
    template->height = (uint32_t)height;
    template->version = (uint32_t)version;
    template->coinbase_value = (uint64_t)value;
    template->cur_time = (uint32_t)cur_time;
    template->min_time = (uint32_t)min_time;
    return true;
}

static bool read_target(const json_t *document, struct block_template *template,
                        struct error *error)
{
    const json_t *bits = json_object_get(document, "bits");
    uint64_t compact;
    if (!json_is_string(bits) || json_string_length(bits) != 8 ||
        !hex_decode_u64(json_string_value(bits), 8, &compact) ||
        !difficulty_target_from_bits((uint32_t)compact, &template->network_target))
        return refuse(error, "\"bits\" is no compact target");
    template->bits = (uint32_t)compact;
    const json_t *target = json_object_get(document, "target");
    if (target == NULL)
        return true;
    uint8_t shown[32];
    if (!json_is_string(target) ||
        !hex_decode(json_string_value(target), json_string_length(target), shown, sizeof shown))
        return refuse(error, "\"target\" is no 256-bit number");
    if (u256_compare(u256_load_be(shown), template->network_target) != 0)
        return refuse(error, "\"target\" and \"bits\" contradict each other");
    return true;
}

struct reading {
    struct arena *arena;
    uint8_t *data; /* where the next transaction's bytes go */
    size_t left;
    bool mweb;
    bool witness_seen;
    bool unchecked; /* a transaction whose ids cannot be recomputed here */
    bool fees_known;
    uint64_t fees;
};

/* Reads one transaction, and into `wtxid` (same type, for the commitment) its witness id. */
static bool read_transaction(const json_t *entry, struct reading *reading,
                             struct template_transaction *transaction,
                             struct template_transaction *wtxid, struct error *error)
{
    const json_t *hex = json_object_get(entry, "data");
    size_t length = json_is_string(hex) ? json_string_length(hex) / 2 : 0;
    if (length == 0 || length > reading->left ||
        !hex_decode(json_string_value(hex), json_string_length(hex), reading->data, length))
        return refuse(error, "a transaction's \"data\" is no hex, or there is too much of it");
    transaction->data = span_of(reading->data, length);
    reading->data += length;
    reading->left -= length;
    const json_t *weight = json_object_get(entry, "weight");
    if (weight != NULL && (!json_is_integer(weight) || json_integer_value(weight) < 0 ||
                           json_integer_value(weight) > 4 * TEMPLATE_DATA_BYTES_MAX))
        return refuse(error, "a transaction's \"weight\" is absurd");
    transaction->weight = (uint32_t)json_integer_value(weight);

    const json_t *fee = json_object_get(entry, "fee");
    if (!json_is_integer(fee) || json_integer_value(fee) < 0)
        reading->fees_known = false;
    else if (json_integer_value(fee) > VALUE_MAX - (json_int_t)reading->fees)
        return refuse(error, "a transaction's \"fee\" is absurd");
    else
        reading->fees += (uint64_t)json_integer_value(fee);

    struct raw_transaction raw;
    if (!raw_transaction_read(transaction->data, &raw) || raw.bytes.length != length)
        return refuse(error, "a transaction's \"data\" is no transaction");
    const json_t *txid = json_object_get(entry, "txid");
    const json_t *hash = json_object_get(entry, "hash");
    if (!read_hash(txid != NULL ? txid : hash, transaction->txid))
        return refuse(error, "a transaction's \"txid\" is no hash");
    if (raw.other_flags) {
        if (!reading->mweb || !read_hash(hash, wtxid->txid))
            return refuse(error, "a transaction has flags that this coin does not know");
        reading->unchecked = true;
        return true;
    }
    uint8_t computed[32];
    raw_transaction_txid(&raw, computed);
    if (memcmp(computed, transaction->txid, sizeof computed) != 0)
        return refuse(error, "a transaction's \"txid\" is not the hash of its data");
    sha256d(transaction->data, wtxid->txid);
    reading->witness_seen = reading->witness_seen || raw.witness;
    return true;
}

/* BIP 141: sha256d(root of the witness ids, the coinbase's being 0 ‖ the reserved value, which is
 * 0 in our blocks) behind a fixed prefix. */
static bool check_commitment(const struct template_transaction *wtxids, size_t count,
                             struct span script)
{
    static const uint8_t prefix[6] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed };
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
    uint8_t pair[64] = { 0 };
    size_t branches_count = template_merkle_branches(wtxids, count, branches);
    uint8_t coinbase[32] = { 0 };
    template_merkle_root(coinbase, (const uint8_t(*)[TEMPLATE_HASH_BYTES])branches, branches_count,
                         pair);
    sha256d_pair(pair, pair);
    return script.length >= 38 && memcmp(script.data, prefix, sizeof prefix) == 0 &&
           memcmp(script.data + sizeof prefix, pair, 32) == 0;
}

static bool read_transactions(const json_t *document, const struct coin_profile *coin,
                              struct arena *arena, struct block_template *template,
                              struct error *error)
{
    const json_t *list = json_object_get(document, "transactions");
    if (!json_is_array(list) || json_array_size(list) > TEMPLATE_TRANSACTIONS_MAX)
        return refuse(error, "\"transactions\" is no list, or longer than any block's");
    size_t count = json_array_size(list);
    size_t data_bytes = 0;
    for (size_t i = 0; i < count; i++)
        data_bytes += json_string_length(json_object_get(json_array_get(list, i), "data")) / 2;
    if (data_bytes > TEMPLATE_DATA_BYTES_MAX)
        return refuse(error, "its transactions are larger than any block");
    struct template_transaction *transactions = arena_take(arena, count * sizeof *transactions);
    struct template_transaction *wtxids = arena_take(arena, count * sizeof *wtxids);
    struct reading reading = {
        .arena = arena, .left = data_bytes, .mweb = coin->mweb, .fees_known = true
    };
    reading.data = arena_take(arena, data_bytes);
    if (transactions == NULL || wtxids == NULL || reading.data == NULL)
        return error_set(error, ERROR_FULL, "its template does not fit into memory set aside");
    for (size_t i = 0; i < count; i++)
        if (!read_transaction(json_array_get(list, i), &reading, &transactions[i], &wtxids[i],
                              error))
            return false;
    template->transactions = transactions;
    template->transactions_count = count;
    template->fees_known = reading.fees_known;
    template->fees = reading.fees_known ? reading.fees : 0;
    if (template->fees > template->coinbase_value)
        return refuse(error, "its fees exceed \"coinbasevalue\"");

    const json_t *commitment = json_object_get(document, "default_witness_commitment");
    if (commitment == NULL) {
        if (reading.witness_seen)
            return refuse(error, "it has witnesses and no \"default_witness_commitment\"");
        return true;
    }
    if (!coin->segwit)
        return refuse(error, "it has a witness commitment, which this coin does not know");
    if (!read_hex(commitment, TEMPLATE_COMMITMENT_BYTES_MAX, arena, &template->witness_commitment))
        return refuse(error, "\"default_witness_commitment\" is no hex of a commitment's length");
    if (!reading.unchecked && !check_commitment(wtxids, count, template->witness_commitment))
        return refuse(error, "\"default_witness_commitment\" does not fit its transactions");
    return true;
}

bool template_by_jansson(const json_t *document, const struct coin_profile *coin,
                         struct arena *arena, struct block_template *template_r,
                         const char **longpoll_id_r, struct error *error)
{
    *template_r = (struct block_template){ 0 };
    *longpoll_id_r = NULL;
    if (!json_is_object(document))
        return refuse(error, "it is no JSON object");
    if (!read_rules(document, coin, error) || !read_head(document, template_r, error) ||
        !read_target(document, template_r, error) ||
        !read_transactions(document, coin, arena, template_r, error))
        return false;
    const json_t *mweb = json_object_get(document, "mweb");
    if (mweb != NULL &&
        (!coin->mweb || !read_hex(mweb, TEMPLATE_EXTENSION_BYTES_MAX, arena, &template_r->mweb)))
        return refuse(error, "\"mweb\" is no hex, too long, or unknown to this coin");
    const json_t *longpoll = json_object_get(document, "longpollid");
    if (longpoll == NULL)
        return true;
    if (!json_is_string(longpoll) || json_string_length(longpoll) > TEMPLATE_LONGPOLL_BYTES_MAX)
        return refuse(error, "\"longpollid\" is no text of at most 512 bytes");
    *longpoll_id_r =
        arena_text(arena, span_of(json_string_value(longpoll), json_string_length(longpoll)));
    return *longpoll_id_r != NULL ||
           error_set(error, ERROR_FULL, "its template does not fit into memory set aside");
}

bool template_same(const struct block_template *a, const struct block_template *b)
{
    if (a->height != b->height || memcmp(a->prev_hash, b->prev_hash, 32) != 0 ||
        a->version != b->version || a->bits != b->bits || a->cur_time != b->cur_time ||
        a->min_time != b->min_time || a->coinbase_value != b->coinbase_value ||
        a->fees_known != b->fees_known || a->fees != b->fees ||
        u256_compare(a->network_target, b->network_target) != 0 ||
        !span_equal(a->witness_commitment, b->witness_commitment) ||
        !span_equal(a->mweb, b->mweb) || a->transactions_count != b->transactions_count)
        return false;
    for (size_t i = 0; i < a->transactions_count; i++)
        if (!span_equal(a->transactions[i].data, b->transactions[i].data) ||
            memcmp(a->transactions[i].txid, b->transactions[i].txid, 32) != 0 ||
            a->transactions[i].weight != b->transactions[i].weight)
            return false;
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
    size_t count = template_merkle_branches(b->transactions, b->transactions_count, branches);
    return a->branches_known && count == a->branches_count &&
           memcmp(a->branches, branches, count * sizeof *branches) == 0;
}

struct both {
    struct template_space space;
    uint8_t ours[24 << 20], theirs[24 << 20];
};

/* Feeds it in up to six pieces, each time from other memory that ends where the text does. */
static enum template_step feed(struct template_reader *reader, const char *text, size_t length,
                               uint64_t seed)
{
    size_t cuts = seed % 6;
    size_t at = 0;
    for (; cuts > 0; cuts--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        at += (size_t)(seed >> 33) % (length - at + 1);
        char *part = malloc(at + 1);
        ASSERT(part != NULL);
        memcpy(part, text, at);
        (void)!template_reader_feed(reader, part, at, false);
        free(part);
    }
    char *whole = malloc(length > 0 ? length : 1);
    ASSERT(whole != NULL);
    memcpy(whole, text, length);
    enum template_step step = template_reader_feed(reader, whole, length, true);
    free(whole);
    return step;
}

/* What ours refuses and jansson need not: escapes where none belong, deep nesting, and a NUL, which
 * jansson 2.14 passes over behind a number. */
static bool is_left_open(const char *text, size_t length)
{
    unsigned brackets = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\' || text[i] == '\0')
            return true;
        brackets += text[i] == '[' || text[i] == '{';
    }
    return brackets > 500;
}

bool template_read_both(const char *text, size_t length, const struct coin_profile *coin,
                        uint64_t seed, struct block_template *template_r, struct error *error)
{
    static struct both *both;
    static struct template_reader reader;
    if (both == NULL)
        both = malloc(sizeof *both);
    ASSERT(both != NULL);
    struct arena arena = arena_over(both->ours, sizeof both->ours);
    template_reader_begin(&reader, coin, &arena, &both->space);
    enum template_step step = feed(&reader, text, length, seed);
    ASSERT(step != TEMPLATE_MORE);

    json_error_t trouble = { .line = 0 };
    struct block_template tree = { 0 };
    struct error why = { 0 };
    const char *longpoll = NULL;
    struct arena theirs = arena_over(both->theirs, sizeof both->theirs);
    json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &trouble);
    const json_t *result = json_object_get(document, "result");
    const json_t *refusal = json_object_get(document, "error");
    const json_t *id = json_object_get(document, "id");
    bool taken = json_is_object(result) && (refusal == NULL || json_is_null(refusal)) &&
                 (id == NULL || json_is_integer(id)) &&
                 template_by_jansson(result, coin, &theirs, &tree, &longpoll, &why);
    enum json_error_code code = document == NULL ? json_error_code(&trouble) : json_error_unknown;
    json_decref(document);
    if (step == TEMPLATE_WHOLE && !taken)
        ASSERT(code == json_error_duplicate_key || code == json_error_numeric_overflow);
    else if (step == TEMPLATE_WHOLE)
        ASSERT(template_same(&reader.template, &tree) &&
               (longpoll == NULL) == (reader.longpoll_id == NULL) &&
               (longpoll == NULL || strcmp(longpoll, reader.longpoll_id) == 0));
    else
        ASSERT(!taken || is_left_open(text, length));
    ASSERT((step == TEMPLATE_REFUSED) == (reader.error.text[0] != '\0'));
    *template_r = reader.template;
    *error = reader.error;
    return step == TEMPLATE_WHOLE;
}
