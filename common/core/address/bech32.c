#include "core/address/bech32.h"

#define TEXT_CHARACTERS_MAX 90
#define CHECKSUM_CHARACTERS 6
#define BECH32_CONSTANT 1u           /* BIP 173 */
#define BECH32M_CONSTANT 0x2bc830a3u /* BIP 350 */

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static int value_of(uint8_t c)
{
    for (int i = 0; i < 32; i++)
        if (c == (uint8_t)alphabet[i])
            return i;
    return -1;
}

/* One step of the checksum: multiplies by x modulo the generator and adds a value. */
static uint32_t checksum_step(uint32_t state, unsigned value)
{
    static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                          0x2a1462b3};
    uint32_t top = state >> 25;
    state = (state & 0x1ffffff) << 5 ^ value;
    for (int i = 0; i < 5; i++)
        if ((top >> i & 1) != 0)
            state ^= generator[i];
    return state;
}

static uint32_t checksum_of_hrp(const char *hrp, size_t length)
{
    uint32_t state = 1;
    for (size_t i = 0; i < length; i++)
        state = checksum_step(state, (unsigned)(uint8_t)hrp[i] >> 5);
    state = checksum_step(state, 0);
    for (size_t i = 0; i < length; i++)
        state = checksum_step(state, (unsigned)(uint8_t)hrp[i] & 31);
    return state;
}

/* Copies the text in lower case. */
static enum address_outcome lower_case(struct span text, char lower_r[TEXT_CHARACTERS_MAX])
{
    bool upper = false, lower = false;
    if (text.length > TEXT_CHARACTERS_MAX)
        return ADDRESS_TOO_LONG;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c < 33 || c > 126)
            return ADDRESS_BAD_CHARACTER;
        lower |= c >= 'a' && c <= 'z';
        upper |= c >= 'A' && c <= 'Z';
        lower_r[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return upper && lower ? ADDRESS_MIXED_CASE : ADDRESS_OK;
}

/* Groups of five bits to bytes; what is left over must be fewer than five bits, all zero. */
static enum address_outcome regroup(const uint8_t *values, size_t count,
                                    struct bech32_program *program_r)
{
    unsigned bits = 0, held = 0;
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        held = (held << 5 | values[i]) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (length == BECH32_PROGRAM_BYTES_MAX)
                return ADDRESS_BAD_LENGTH;
            program_r->data[length++] = (uint8_t)(held >> bits);
        }
    }
    if (bits >= 5 || (held & ((1u << bits) - 1)) != 0)
        return ADDRESS_BAD_PADDING;
    program_r->length = (uint8_t)length;
    return length < 2 ? ADDRESS_BAD_LENGTH : ADDRESS_OK;
}

enum address_outcome bech32_decode(const char *hrp, struct span text,
                                   struct bech32_program *program_r)
{
    char lower[TEXT_CHARACTERS_MAX];
    uint8_t values[TEXT_CHARACTERS_MAX];
    enum address_outcome outcome = lower_case(text, lower);
    if (outcome != ADDRESS_OK)
        return outcome;
    size_t separator = text.length;
    while (separator > 0 && lower[separator - 1] != '1')
        separator--;
    /* separator is one past the last '1': a prefix of one character at least, then the checksum. */
    if (separator < 2 || text.length - separator < CHECKSUM_CHARACTERS)
        return ADDRESS_BAD_LENGTH;
    uint32_t checksum = checksum_of_hrp(lower, separator - 1);
    size_t count = text.length - separator;
    for (size_t i = 0; i < count; i++) {
        int value = value_of((uint8_t)lower[separator + i]);
        if (value < 0)
            return ADDRESS_BAD_CHARACTER;
        values[i] = (uint8_t)value;
        checksum = checksum_step(checksum, (unsigned)value);
    }
    if (checksum != BECH32_CONSTANT && checksum != BECH32M_CONSTANT)
        return ADDRESS_BAD_CHECKSUM;
    if (separator - 1 != strlen(hrp) || memcmp(lower, hrp, separator - 1) != 0)
        return ADDRESS_WRONG_NETWORK;
    count -= CHECKSUM_CHARACTERS;
    if (count < 1)
        return ADDRESS_BAD_LENGTH;
    if (values[0] > 16)
        return ADDRESS_BAD_VERSION;
    program_r->version = values[0];
    if (checksum != (program_r->version == 0 ? BECH32_CONSTANT : BECH32M_CONSTANT))
        return ADDRESS_WRONG_ENCODING;
    outcome = regroup(values + 1, count - 1, program_r);
    if (outcome != ADDRESS_OK)
        return outcome;
    if (program_r->version == 0 && program_r->length != 20 && program_r->length != 32)
        return ADDRESS_BAD_LENGTH;
    return ADDRESS_OK;
}

void bech32_encode(const char *hrp, const struct bech32_program *program,
                   char text_r[ADDRESS_TEXT_BYTES])
{
    size_t prefix = strlen(hrp), at = prefix + 1;
    uint32_t state = checksum_of_hrp(hrp, prefix);
    unsigned held = 0, bits = 0;
    ASSERT(program->length <= BECH32_PROGRAM_BYTES_MAX && program->version <= 16 && prefix <= 10);
    memcpy(text_r, hrp, prefix);
    text_r[prefix] = '1';
    text_r[at++] = alphabet[program->version];
    state = checksum_step(state, program->version);
    for (size_t i = 0; i < program->length || bits > 0;) {
        if (bits < 5 && i < program->length) {
            held = (held << 8 | program->data[i++]) & 0xffff;
            bits += 8;
        } else if (bits < 5) { /* the end: zeros fill the last group */
            held <<= 5 - bits;
            bits = 5;
        }
        bits -= 5;
        unsigned value = held >> bits & 31;
        text_r[at++] = alphabet[value];
        state = checksum_step(state, value);
    }
    for (int i = 0; i < CHECKSUM_CHARACTERS; i++)
        state = checksum_step(state, 0);
    state ^= program->version == 0 ? BECH32_CONSTANT : BECH32M_CONSTANT;
    for (int i = 0; i < CHECKSUM_CHARACTERS; i++)
        text_r[at++] = alphabet[state >> 5 * (5 - i) & 31];
    text_r[at] = '\0';
}
