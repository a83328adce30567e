#include "core/address/address.h"
#include "core/address/base58.h"
#include "core/address/bech32.h"
#include "core/address/cashaddr.h"

#define TEXT_CHARACTERS_MAX 90
#define HASH_BYTES 20

enum {
    OP_0 = 0x00,
    OP_1 = 0x51,
    OP_16 = 0x60,
    OP_DUP = 0x76,
    OP_EQUAL = 0x87,
    OP_EQUALVERIFY = 0x88,
    OP_HASH160 = 0xa9,
    OP_HASH256 = 0xaa,
    OP_CHECKSIG = 0xac,
};

static const uint8_t p2pkh_head[3] = {OP_DUP, OP_HASH160, HASH_BYTES};
static const uint8_t p2pkh_tail[2] = {OP_EQUALVERIFY, OP_CHECKSIG};
static const uint8_t p2sh_head[2] = {OP_HASH160, HASH_BYTES};
static const uint8_t p2sh_tail[1] = {OP_EQUAL};
/* Bitcoin Cash since May 2023: a script by 32 bytes (CHIP-2022-05) */
static const uint8_t p2sh32_head[2] = {OP_HASH256, 32};

const char *address_outcome_text(enum address_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        ADDRESS_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

static void script_append(struct output_script *script, const uint8_t *data, size_t length)
{
    ASSERT(length <= sizeof script->data - script->length);
    memcpy(script->data + script->length, data, length);
    script->length = (uint8_t)(script->length + length);
}

static void put_key_hash(struct output_script *script, const uint8_t hash[HASH_BYTES])
{
    script_append(script, p2pkh_head, sizeof p2pkh_head);
    script_append(script, hash, HASH_BYTES);
    script_append(script, p2pkh_tail, sizeof p2pkh_tail);
}

static void put_script_hash(struct output_script *script, const uint8_t *hash, size_t length)
{
    if (length == HASH_BYTES)
        script_append(script, p2sh_head, sizeof p2sh_head);
    else
        script_append(script, p2sh32_head, sizeof p2sh32_head);
    script_append(script, hash, length);
    script_append(script, p2sh_tail, sizeof p2sh_tail);
}

static enum address_outcome parse_cashaddr(const struct coin_profile *coin, struct span text,
                                           struct output_script *script)
{
    struct cashaddr cashaddr;
    enum address_outcome outcome = cashaddr_decode(coin->cashaddr_prefix, text, &cashaddr);
    if (outcome != ADDRESS_OK)
        return outcome;
    if (cashaddr.type == CASHADDR_KEY)
        put_key_hash(script, cashaddr.hash);
    else
        put_script_hash(script, cashaddr.hash, cashaddr.length);
    return ADDRESS_OK;
}

static enum address_outcome parse_base58(const struct coin_profile *coin, struct span text,
                                         struct output_script *script)
{
    uint8_t payload[BASE58_PAYLOAD_BYTES];
    enum address_outcome outcome = base58check_decode(text, payload);
    if (outcome != ADDRESS_OK)
        return outcome;
    if (payload[0] == coin->p2pkh_version) {
        put_key_hash(script, payload + 1);
        return ADDRESS_OK;
    }
    if (payload[0] == coin->p2sh_version || payload[0] == coin->p2sh_version_legacy) {
        put_script_hash(script, payload + 1, HASH_BYTES);
        return ADDRESS_OK;
    }
    return ADDRESS_WRONG_NETWORK;
}

static enum address_outcome parse_bech32(const struct coin_profile *coin, struct span text,
                                         struct output_script *script)
{
    struct bech32_program program;
    enum address_outcome outcome = bech32_decode(coin->bech32_hrp, text, &program);
    if (outcome != ADDRESS_OK)
        return outcome;
    uint8_t head[2] = {program.version == 0 ? OP_0 : (uint8_t)(OP_1 - 1 + program.version),
                       program.length};
    script_append(script, head, sizeof head);
    script_append(script, program.data, program.length);
    return ADDRESS_OK;
}

static bool begins_like(const char *prefix, char mark, struct span text)
{
    size_t length = prefix != NULL ? strlen(prefix) : 0;
    if (prefix == NULL || text.length <= length || text.data[length] != (uint8_t)mark)
        return false;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = text.data[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)prefix[i])
            return false;
    }
    return true;
}

bool address_is_prefixed_text(const struct coin_profile *coin, struct span text)
{
    return begins_like(coin->bech32_hrp, '1', text) ||
           begins_like(coin->cashaddr_prefix, ':', text);
}

enum address_outcome address_parse(const struct coin_profile *coin, struct span text,
                                   struct output_script *script_r,
                                   char canonical_r[ADDRESS_TEXT_BYTES])
{
    enum address_outcome outcome;
    if (text.length == 0)
        return ADDRESS_EMPTY;
    if (text.length > TEXT_CHARACTERS_MAX)
        return ADDRESS_TOO_LONG;
    memset(script_r, 0, sizeof *script_r);
    if (coin->cashaddr_prefix != NULL && cashaddr_is_like(text)) {
        outcome = parse_cashaddr(coin, text, script_r);
    } else if (begins_like(coin->bech32_hrp, '1', text)) {
        outcome = parse_bech32(coin, text, script_r);
    } else {
        outcome = parse_base58(coin, text, script_r);
        struct bech32_program foreign;
        if (outcome != ADDRESS_OK && outcome != ADDRESS_WRONG_NETWORK && coin->bech32_hrp != NULL &&
            bech32_decode(coin->bech32_hrp, text, &foreign) == ADDRESS_WRONG_NETWORK)
            outcome = ADDRESS_WRONG_NETWORK; /* a better sentence than "bad character" */
    }
    if (outcome == ADDRESS_OK && canonical_r != NULL) {
        bool has_address = address_format(coin, output_script_span(script_r), canonical_r);
        ASSERT(has_address);
    }
    return outcome;
}

static void format_base58(uint8_t version, const uint8_t *hash, char text_r[ADDRESS_TEXT_BYTES])
{
    uint8_t payload[BASE58_PAYLOAD_BYTES];
    payload[0] = version;
    memcpy(payload + 1, hash, HASH_BYTES);
    base58check_encode(payload, text_r);
}

/* A hash as the coin writes addresses of its kind. */
static void format_hash(const struct coin_profile *coin, bool is_script, const uint8_t *hash,
                        size_t length, char text_r[ADDRESS_TEXT_BYTES])
{
    struct cashaddr cashaddr = {.type = is_script ? CASHADDR_SCRIPT : CASHADDR_KEY,
                                .length = (uint8_t)length};
    if (coin->cashaddr_prefix == NULL) {
        format_base58(is_script ? coin->p2sh_version : coin->p2pkh_version, hash, text_r);
        return;
    }
    memcpy(cashaddr.hash, hash, length);
    cashaddr_encode(coin->cashaddr_prefix, &cashaddr, text_r);
}

static bool format_witness(const struct coin_profile *coin, struct span script,
                           char text_r[ADDRESS_TEXT_BYTES])
{
    if (script.length < 4 || script.length > 2 + BECH32_PROGRAM_BYTES_MAX ||
        script.data[1] != script.length - 2)
        return false;
    struct bech32_program program = {.length = script.data[1]};
    if (script.data[0] >= OP_1 && script.data[0] <= OP_16)
        program.version = (uint8_t)(script.data[0] - OP_1 + 1);
    else if (script.data[0] != OP_0 || (program.length != 20 && program.length != 32))
        return false;
    memcpy(program.data, script.data + 2, program.length);
    bech32_encode(coin->bech32_hrp, &program, text_r);
    return true;
}

bool address_format(const struct coin_profile *coin, struct span script,
                    char text_r[ADDRESS_TEXT_BYTES])
{
    const size_t p2pkh_bytes = sizeof p2pkh_head + HASH_BYTES + sizeof p2pkh_tail;
    const size_t p2sh_bytes = sizeof p2sh_head + HASH_BYTES + sizeof p2sh_tail;
    if (script.length == p2pkh_bytes && memcmp(script.data, p2pkh_head, sizeof p2pkh_head) == 0 &&
        memcmp(script.data + p2pkh_bytes - sizeof p2pkh_tail, p2pkh_tail, sizeof p2pkh_tail) == 0) {
        format_hash(coin, false, script.data + sizeof p2pkh_head, HASH_BYTES, text_r);
        return true;
    }
    if (script.length == p2sh_bytes && memcmp(script.data, p2sh_head, sizeof p2sh_head) == 0 &&
        script.data[p2sh_bytes - 1] == p2sh_tail[0]) {
        format_hash(coin, true, script.data + sizeof p2sh_head, HASH_BYTES, text_r);
        return true;
    }
    if (coin->cashaddr_prefix != NULL && script.length == sizeof p2sh32_head + 32 + 1 &&
        memcmp(script.data, p2sh32_head, sizeof p2sh32_head) == 0 &&
        script.data[script.length - 1] == p2sh_tail[0]) {
        format_hash(coin, true, script.data + sizeof p2sh32_head, 32, text_r);
        return true;
    }
    return coin->segwit && format_witness(coin, script, text_r);
}
