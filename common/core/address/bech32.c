#include "core/address/bech32.h"

#include "core/address/base32.h"

#define CHECKSUM_CHARACTERS 6
#define BECH32_CONSTANT 1u           /* BIP 173 */
#define BECH32M_CONSTANT 0x2bc830a3u /* BIP 350 */

/* One step of the checksum: multiplies by x modulo the generator and adds a value. */
static uint32_t checksum_step(uint32_t state, unsigned value)
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

enum address_outcome bech32_decode(const char *hrp, struct span text,
                                   struct bech32_program *program_r)
{
    char lower[BASE32_TEXT_MAX];
    uint8_t values[BASE32_TEXT_MAX];
    size_t length;
    enum address_outcome outcome = base32_lower_case(text, lower);
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
        int value = base32_value(lower[separator + i]);
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
    outcome =
        base32_to_bytes(values + 1, count - 1, program_r->data, BECH32_PROGRAM_BYTES_MAX, &length);
    if (outcome != ADDRESS_OK)
        return outcome;
    program_r->length = (uint8_t)length;
    if (length < 2)
        return ADDRESS_BAD_LENGTH;
    if (program_r->version == 0 && program_r->length != 20 && program_r->length != 32)
        return ADDRESS_BAD_LENGTH;
    return ADDRESS_OK;
}

void bech32_encode(const char *hrp, const struct bech32_program *program,
                   char text_r[ADDRESS_TEXT_BYTES])
{
    size_t prefix = strlen(hrp), at = prefix + 1;
    uint32_t state = checksum_of_hrp(hrp, prefix);
    uint8_t values[BASE32_TEXT_MAX];
    ASSERT(program->length <= BECH32_PROGRAM_BYTES_MAX && program->version <= 16 && prefix <= 10);
    memcpy(text_r, hrp, prefix);
    text_r[prefix] = '1';
    text_r[at++] = base32_character(program->version);
    state = checksum_step(state, program->version);
    size_t count = base32_from_bytes(program->data, program->length, values);
    for (size_t i = 0; i < count; i++) {
        text_r[at++] = base32_character(values[i]);
        state = checksum_step(state, values[i]);
    }
    for (int i = 0; i < CHECKSUM_CHARACTERS; i++)
        state = checksum_step(state, 0);
    state ^= program->version == 0 ? BECH32_CONSTANT : BECH32M_CONSTANT;
    for (int i = 0; i < CHECKSUM_CHARACTERS; i++)
        text_r[at++] = base32_character(state >> 5 * (5 - i) & 31);
    text_r[at] = '\0';
}
