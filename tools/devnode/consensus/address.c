#include "tools/devnode/consensus/address.h"
#include "tools/devnode/consensus/hash.h"

#include <ctype.h>

#define PREFIX "bcrt"
#define VERSION_P2PKH 111
#define VERSION_P2SH 196

static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char base32[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/* Decodes to exactly 25 bytes: version, hash, checksum. */
static bool base58_decode(const char *text, uint8_t bytes_r[25])
{
    memset(bytes_r, 0, 25);
    size_t zeros = strspn(text, "1");
    for (const char *p = text; *p != 0; p++) {
        const char *digit = strchr(base58, *p);
        if (digit == NULL)
            return false;
        unsigned carry = (unsigned)(digit - base58);
        for (size_t i = 25; i-- > 0;) {
            carry += 58U * bytes_r[i];
            bytes_r[i] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0)
            return false;
    }
    size_t leading = 0;
    while (leading < 25 && bytes_r[leading] == 0)
        leading++;
    return leading == zeros;
}

static bool decode_base58check(const char *text, struct address *address_r)
{
    uint8_t bytes[25];
    uint8_t check[32];
    if (strlen(text) > 36 || !base58_decode(text, bytes))
        return false;
    hash_sha256d(span_of(bytes, 21), check);
    if (memcmp(check, bytes + 21, 4) != 0)
        return false;
    uint8_t *s = address_r->script;
    address_r->witness_version = -1;
    if (bytes[0] == VERSION_P2PKH) {
        memcpy(s, "\x76\xa9\x14", 3);
        memcpy(s + 3, bytes + 1, 20);
        memcpy(s + 23, "\x88\xac", 2);
        address_r->script_bytes = 25;
        address_r->is_script = false;
    } else if (bytes[0] == VERSION_P2SH) {
        memcpy(s, "\xa9\x14", 2);
        memcpy(s + 2, bytes + 1, 20);
        s[22] = 0x87;
        address_r->script_bytes = 23;
        address_r->is_script = true;
    } else {
        return false;
    }
    return true;
}

static uint32_t polymod(uint32_t state, uint8_t value)
{
    static const uint32_t generator[5] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                           0x2a1462b3 };
    uint32_t top = state >> 25;
    state = (state & 0x1ffffff) << 5 ^ value;
    for (int i = 0; i < 5; i++)
        if ((top >> i & 1) != 0)
            state ^= generator[i];
    return state;
}

static uint32_t polymod_prefix(void)
{
    uint32_t state = 1;
    for (const char *p = PREFIX; *p != 0; p++)
        state = polymod(state, (uint8_t)(*p >> 5));
    state = polymod(state, 0);
    for (const char *p = PREFIX; *p != 0; p++)
        state = polymod(state, *p & 31);
    return state;
}

static uint32_t checksum_constant(int version)
{
    return version == 0 ? 1 : 0x2bc830a3;
}

static bool decode_bech32(const char *text, struct address *address_r)
{
    uint8_t values[90];
    size_t length = strlen(text);
    size_t prefix = strlen(PREFIX) + 1;
    bool lower = false;
    bool upper = false;
    if (length > 90 || length < prefix + 7)
        return false;
    for (size_t i = 0; i < length; i++) {
        lower = lower || islower((unsigned char)text[i]);
        upper = upper || isupper((unsigned char)text[i]);
        char c = (char)tolower((unsigned char)text[i]);
        if (i < prefix) {
            if (c != (PREFIX "1")[i])
                return false;
            continue;
        }
        const char *digit = strchr(base32, c);
        if (digit == NULL)
            return false;
        values[i - prefix] = (uint8_t)(digit - base32);
    }
    if (lower && upper)
        return false;
    size_t count = length - prefix;
    uint32_t state = polymod_prefix();
    for (size_t i = 0; i < count; i++)
        state = polymod(state, values[i]);
    int version = values[0];
    if (version > 16 || state != checksum_constant(version))
        return false;
    uint8_t program[64];
    size_t program_bytes = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 1; i < count - 6; i++) {
        bits = bits << 5 | values[i];
        held += 5;
        if (held >= 8) {
            held -= 8;
            program[program_bytes++] = (uint8_t)(bits >> held);
        }
    }
    if (held >= 5 || (bits & ((1U << held) - 1)) != 0)
        return false;
    if (program_bytes < 2 || program_bytes > 40 ||
        (version == 0 && program_bytes != 20 && program_bytes != 32))
        return false;
    address_r->script[0] = (uint8_t)(version == 0 ? 0 : 0x50 + version);
    address_r->script[1] = (uint8_t)program_bytes;
    memcpy(address_r->script + 2, program, program_bytes);
    address_r->script_bytes = program_bytes + 2;
    address_r->witness_version = version;
    address_r->is_script = program_bytes == 32 && version == 0;
    return true;
}

bool address_decode(const char *text, struct address *address_r)
{
    *address_r = (struct address){ .witness_version = -1 };
    return decode_bech32(text, address_r) || decode_base58check(text, address_r);
}

static void encode_base58check(uint8_t version, const uint8_t hash[20], char *text_r)
{
    uint8_t bytes[25];
    uint8_t check[32];
    char reversed[40];
    size_t length = 0;
    bytes[0] = version;
    memcpy(bytes + 1, hash, 20);
    hash_sha256d(span_of(bytes, 21), check);
    memcpy(bytes + 21, check, 4);
    for (;;) {
        unsigned rest = 0;
        bool all_zero = true;
        for (size_t i = 0; i < 25; i++) {
            rest = rest << 8 | bytes[i];
            bytes[i] = (uint8_t)(rest / 58);
            rest %= 58;
            all_zero = all_zero && bytes[i] == 0;
        }
        reversed[length++] = base58[rest];
        if (all_zero)
            break;
    }
    for (size_t i = 0; i < length; i++)
        text_r[i] = reversed[length - 1 - i];
    text_r[length] = 0;
}

static void encode_bech32(int version, struct span program, char *text_r)
{
    size_t at = (size_t)(stpcpy(text_r, PREFIX "1") - text_r);
    uint32_t state = polymod(polymod_prefix(), (uint8_t)version);
    text_r[at++] = base32[version];
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i <= program.length; i++) {
        if (i < program.length) {
            bits = bits << 8 | program.data[i];
            held += 8;
        } else if (held > 0) {
            bits <<= 5 - held;
            held = 5;
        }
        while (held >= 5) {
            held -= 5;
            uint8_t value = bits >> held & 31;
            state = polymod(state, value);
            text_r[at++] = base32[value];
        }
    }
    for (int i = 0; i < 6; i++)
        state = polymod(state, 0);
    state ^= checksum_constant(version);
    for (int i = 0; i < 6; i++)
        text_r[at++] = base32[state >> (5 * (5 - i)) & 31];
    text_r[at] = 0;
}

bool address_encode(struct span script, char text_r[ADDRESS_TEXT_BYTES])
{
    const uint8_t *s = script.data;
    if (script.length == 25 && memcmp(s, "\x76\xa9\x14", 3) == 0 &&
        memcmp(s + 23, "\x88\xac", 2) == 0) {
        encode_base58check(VERSION_P2PKH, s + 3, text_r);
        return true;
    }
    if (script.length == 23 && memcmp(s, "\xa9\x14", 2) == 0 && s[22] == 0x87) {
        encode_base58check(VERSION_P2SH, s + 2, text_r);
        return true;
    }
    if (script.length >= 4 && script.length <= 42 && s[1] == script.length - 2 &&
        (s[0] == 0 || (s[0] >= 0x51 && s[0] <= 0x60))) {
        if (s[0] == 0 && s[1] != 20 && s[1] != 32)
            return false;
        encode_bech32(s[0] == 0 ? 0 : s[0] - 0x50, span_of(s + 2, script.length - 2), text_r);
        return true;
    }
    return false;
}
