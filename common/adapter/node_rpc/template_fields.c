#include "adapter/node_rpc/template_inside.h"

#include "core/difficulty/difficulty.h"

enum { RULES_MAX = 64, RULE_BYTES = 64 };

static enum scan_outcome read_number(struct template_reader *reader, struct scan *scan,
                                     enum field field, int64_t min, int64_t max, int64_t *value_r)
{
    enum scan_outcome outcome = scan_integer(scan, value_r);
    if (outcome == SCAN_OTHER)
        return template_refuse_field(reader, field, "is no integer");
    if (outcome == SCAN_OK && (*value_r < min || *value_r > max))
        return template_refuse_field(reader, field, "is absurd");
    return outcome;
}

/* A string of exactly 2·length hex digits; SCAN_OTHER where it is something else. */
static enum scan_outcome read_hex(struct scan *scan, uint8_t *bytes_r, size_t length)
{
    struct scan_string text;
    enum scan_outcome outcome = scan_text(scan, &text);
    if (outcome != SCAN_OK)
        return outcome;
    return hex_decode((const char *)text.inside.data, text.inside.length, bytes_r, length)
               ? SCAN_OK
               : SCAN_OTHER;
}

/* A hash as RPC shows it, turned round into internal order. */
enum scan_outcome template_read_hash(struct scan *scan, uint8_t hash_r[32])
{
    uint8_t shown[32];
    enum scan_outcome outcome = read_hex(scan, shown, sizeof shown);
    if (outcome == SCAN_OK)
        bytes_reverse(shown, sizeof shown, hash_r);
    return outcome;
}

/* Hex of any even length up to a bound, into the arena. */
static enum scan_outcome read_blob(struct template_reader *reader, struct scan *scan,
                                   size_t bytes_max, struct span *bytes_r)
{
    struct scan_string text;
    enum scan_outcome outcome = scan_text(scan, &text);
    if (outcome != SCAN_OK)
        return outcome;
    size_t length = text.inside.length / 2;
    if (text.inside.length % 2 != 0 || length > bytes_max)
        return SCAN_OTHER;
    uint8_t *bytes = arena_take(reader->arena, length);
    if (bytes == NULL)
        return template_refuse(reader, "it does not fit into the memory set aside");
    if (!hex_decode((const char *)text.inside.data, text.inside.length, bytes, length))
        return SCAN_OTHER;
    *bytes_r = span_of(bytes, length);
    return SCAN_OK;
}

static bool rule_is_known(const struct coin_profile *coin, const char *rule)
{
    for (size_t i = 0; i < COIN_GBT_RULES_MAX && coin->gbt_rules[i] != NULL; i++)
        if (strcmp(rule, coin->gbt_rules[i]) == 0)
            return true;
    return false;
}

/* A rule behind "!" must be understood by whoever mines (BIP 9, BIP 23). */
static enum scan_outcome read_rules(struct template_reader *reader, struct scan *scan)
{
    enum scan_outcome outcome = scan_take(scan, '[');
    if (outcome != SCAN_OK)
        return outcome == SCAN_BAD ? template_refuse(reader, "\"rules\" is no list of at most 64")
                                   : outcome;
    for (unsigned i = 0;; i++) {
        struct scan_string text;
        char c, rule[RULE_BYTES];
        if ((outcome = scan_peek(scan, &c)) != SCAN_OK)
            return outcome;
        if (c == ']') {
            scan->at++;
            return SCAN_OK;
        }
        if (i == RULES_MAX)
            return template_refuse(reader, "\"rules\" is no list of at most 64");
        if (i > 0 && (outcome = scan_take(scan, ',')) != SCAN_OK)
            return outcome;
        outcome = scan_text(scan, &text);
        if (outcome == SCAN_OTHER)
            return template_refuse(reader, "a rule is no text");
        if (outcome != SCAN_OK)
            return outcome;
        bool fits = scan_copy(&text, rule, sizeof rule);
        if (text.inside.length > 0 && text.inside.data[0] == '\\' && !fits)
            return template_refuse(reader, "a rule is absurd");
        if (fits ? rule[0] == '!' && !rule_is_known(reader->coin, rule + 1)
                 : text.inside.data[0] == '!')
            return template_refuse(reader,
                                   "it demands a rule that the coin's profile does not know");
    }
}

static enum scan_outcome read_bits(struct template_reader *reader, struct scan *scan)
{
    uint8_t bytes[4];
    enum scan_outcome outcome = read_hex(scan, bytes, sizeof bytes);
    if (outcome == SCAN_OTHER)
        return template_refuse(reader, "\"bits\" is no compact target");
    if (outcome != SCAN_OK)
        return outcome;
    reader->template.bits = load_be32(bytes);
    if (!difficulty_target_from_bits(reader->template.bits, &reader->template.network_target))
        return template_refuse(reader, "\"bits\" is no compact target");
    return SCAN_OK;
}

static enum scan_outcome read_target(struct template_reader *reader, struct scan *scan)
{
    uint8_t shown[32];
    enum scan_outcome outcome = read_hex(scan, shown, sizeof shown);
    if (outcome == SCAN_OTHER)
        return template_refuse(reader, "\"target\" is no 256-bit number");
    if (outcome == SCAN_OK)
        reader->target = u256_load_be(shown);
    return outcome;
}

static enum scan_outcome read_longpoll(struct template_reader *reader, struct scan *scan)
{
    struct scan_string text;
    char id[TEMPLATE_LONGPOLL_BYTES_MAX + 1];
    enum scan_outcome outcome = scan_text(scan, &text);
    if (outcome == SCAN_OTHER || (outcome == SCAN_OK && !scan_copy(&text, id, sizeof id)))
        return template_refuse(reader, "\"longpollid\" is no text of at most 512 bytes");
    if (outcome != SCAN_OK)
        return outcome;
    reader->longpoll_id = arena_text(reader->arena, span_text(id));
    return reader->longpoll_id != NULL
               ? SCAN_OK
               : template_refuse(reader, "it does not fit into the memory set aside");
}

static enum scan_outcome read_challenge(struct template_reader *reader, struct scan *scan)
{
    uint8_t script[1];
    enum scan_outcome outcome = read_hex(scan, script, sizeof script);
    if (outcome == SCAN_OTHER || (outcome == SCAN_OK && script[0] != 0x51))
        return template_refuse(reader, "blocks of this signet need its issuer's signature");
    return outcome;
}

static enum scan_outcome read_prev_hash(struct template_reader *reader, struct scan *scan)
{
    enum scan_outcome outcome = template_read_hash(scan, reader->template.prev_hash);
    if (outcome == SCAN_OTHER)
        return template_refuse_field(reader, FIELD_previousblockhash, "is no hash");
    reader->tip_known = outcome == SCAN_OK;
    return outcome;
}

/* Where an optional blob is not one: what to say. */
static enum scan_outcome read_extras(struct template_reader *reader, struct scan *scan,
                                     enum field field)
{
    enum scan_outcome outcome;
    if (field == FIELD_mweb) {
        outcome = reader->coin->mweb ? read_blob(reader, scan, TEMPLATE_EXTENSION_BYTES_MAX,
                                                 &reader->template.mweb)
                                     : SCAN_OTHER;
        return outcome == SCAN_OTHER
                   ? template_refuse_field(reader, field,
                                           "is no hex, too long, or unknown to this coin")
                   : outcome;
    }
    if (!reader->coin->segwit)
        return template_refuse(reader,
                               "it has a witness commitment, which this coin does not know");
    outcome = read_blob(reader, scan, TEMPLATE_COMMITMENT_BYTES_MAX,
                        &reader->template.witness_commitment);
    return outcome == SCAN_OTHER
               ? template_refuse_field(reader, field, "is no hex of a commitment's length")
               : outcome;
}

/* The value of a member of the template; "transactions" is not one of those read here. */
enum scan_outcome template_read_field(struct template_reader *reader, struct scan *scan,
                                      enum field field)
{
    struct block_template *template = &reader->template;
    int64_t value = 0;
    enum scan_outcome outcome = SCAN_OK;
    switch (field) {
    case FIELD_version:
        outcome = read_number(reader, scan, field, INT32_MIN, UINT32_MAX, &value);
        template->version = (uint32_t)value;
        return outcome;
    case FIELD_coinbasevalue:
        outcome = read_number(reader, scan, field, 0, VALUE_MAX, &value);
        template->coinbase_value = (uint64_t)value;
        return outcome;
    case FIELD_mintime:
        outcome = read_number(reader, scan, field, 0, UINT32_MAX, &value);
        template->min_time = (uint32_t)value;
        return outcome;
    case FIELD_curtime:
        outcome = read_number(reader, scan, field, 1, UINT32_MAX, &value);
        template->cur_time = (uint32_t)value;
        return outcome;
    case FIELD_height:
        outcome = read_number(reader, scan, field, 1, INT32_MAX, &value);
        template->height = (uint32_t)value;
        return outcome;
    case FIELD_rules:
        return read_rules(reader, scan);
    case FIELD_previousblockhash:
        return read_prev_hash(reader, scan);
    case FIELD_longpollid:
        return read_longpoll(reader, scan);
    case FIELD_target:
        return read_target(reader, scan);
    case FIELD_bits:
        return read_bits(reader, scan);
    case FIELD_default_witness_commitment:
    case FIELD_mweb:
        return read_extras(reader, scan, field);
    case FIELD_signet_challenge:
        return read_challenge(reader, scan);
    case FIELD_transactions:
    case FIELDS_COUNT:
        break;
    }
    return scan_skip(scan);
}

enum field template_find_field(const char *name)
{
    static const char *const names[] = {
#define X(name) #name,
        FIELDS(X)
#undef X
    };
    for (unsigned i = 0; i < FIELDS_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum field)i;
    return FIELDS_COUNT;
}
