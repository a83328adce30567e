#include "core/address/cashaddr.h"

#include "core/address/base32.h"

enum {
    CHECKSUM_CHARACTERS = 8,
    PREFIX_CHARACTERS_MAX = 16,
    PAYLOAD_BYTES_MAX = 33, /* a version byte and a hash */
    VALUES_MAX = (PAYLOAD_BYTES_MAX * 8 + 4) / 5 + CHECKSUM_CHARACTERS,
    SHORTEST = (21 * 8 + 4) / 5 + CHECKSUM_CHARACTERS, /* without a prefix: longer than base58's */
};

/* One step of the BCH code over GF(32): multiplies by x modulo the generator, adds a value. */
static uint64_t step(uint64_t state, unsigned value)
{
    static const uint64_t generator[5] = { 0x98f2bc8e61, 0x79b76d99e2, 0xf33e5fb3c4, 0xae2eabe2a8,
                                           0x1e4f43e470 };
    unsigned top = (unsigned)(state >> 35);
    state = (state & 0x07ffffffff) << 5 ^ value;
    for (int i = 0; i < 5; i++)
        if ((top >> i & 1) != 0)
            state ^= generator[i];
    return state;
}

static uint64_t of_prefix(const char *prefix, size_t length)
{
    uint64_t state = 1;
    for (size_t i = 0; i < length; i++)
        state = step(state, (unsigned)(uint8_t)prefix[i] & 31);
    return step(state, 0);
}

bool cashaddr_is_like(struct span text)
{
    return text.length >= SHORTEST ||
           (text.length > 0 && memchr(text.data, ':', text.length) != NULL);
}

/* The version byte: a zero, four bits of type, three of the hash's size. */
static enum address_outcome read_payload(const uint8_t *payload, size_t length,
                                         struct cashaddr *cashaddr_r)
{
    if (length == 0 || (length - 1 != 20 && length - 1 != 32))
        return ADDRESS_BAD_LENGTH;
    unsigned kind = payload[0] >> 3 & 15, type = kind & 1, size = payload[0] & 7;
    if (kind > 3 || payload[0] >> 7 != 0)
        return ADDRESS_BAD_VERSION;
    if (size != (length - 1 == 20 ? 0u : 3u) || (type == CASHADDR_KEY && length - 1 != 20))
        return ADDRESS_BAD_LENGTH;
    cashaddr_r->type = type == CASHADDR_KEY ? CASHADDR_KEY : CASHADDR_SCRIPT;
    cashaddr_r->length = (uint8_t)(length - 1);
    memcpy(cashaddr_r->hash, payload + 1, length - 1);
    return ADDRESS_OK;
}

enum address_outcome cashaddr_decode(const char *prefix, struct span text,
                                     struct cashaddr *cashaddr_r)
{
    char lower[BASE32_TEXT_MAX];
    uint8_t values[VALUES_MAX], payload[PAYLOAD_BYTES_MAX];
    enum address_outcome outcome = base32_lower_case(text, lower);
    if (outcome != ADDRESS_OK)
        return outcome;
    const char *colon = memchr(lower, ':', text.length);
    size_t at = colon != NULL ? (size_t)(colon - lower) + 1 : 0, count = text.length - at, length;
    bool ours = colon == NULL || (at - 1 == strlen(prefix) && memcmp(lower, prefix, at - 1) == 0);
    if (at > PREFIX_CHARACTERS_MAX + 1 || count <= CHECKSUM_CHARACTERS || count > VALUES_MAX)
        return ADDRESS_BAD_LENGTH;
    uint64_t checksum =
        colon != NULL ? of_prefix(lower, at - 1) : of_prefix(prefix, strlen(prefix));
    for (size_t i = 0; i < count; i++) {
        int value = base32_value(lower[at + i]);
        if (value < 0)
            return ADDRESS_BAD_CHARACTER;
        values[i] = (uint8_t)value;
        checksum = step(checksum, values[i]);
    }
    if (checksum != 1)
        return ADDRESS_BAD_CHECKSUM;
    if (!ours)
        return ADDRESS_WRONG_NETWORK;
    outcome =
        base32_to_bytes(values, count - CHECKSUM_CHARACTERS, payload, sizeof payload, &length);
    if (outcome != ADDRESS_OK)
        return outcome;
    return read_payload(payload, length, cashaddr_r);
}

void cashaddr_encode(const char *prefix, const struct cashaddr *cashaddr,
                     char text_r[ADDRESS_TEXT_BYTES])
{
    size_t at = strlen(prefix);
    uint8_t values[VALUES_MAX];
    ASSERT(at <= PREFIX_CHARACTERS_MAX && (cashaddr->length == 20 || cashaddr->length == 32));
    uint8_t payload[PAYLOAD_BYTES_MAX] = { (uint8_t)((unsigned)cashaddr->type << 3 |
                                                     (cashaddr->length == 20 ? 0u : 3u)) };
    memcpy(payload + 1, cashaddr->hash, cashaddr->length);
    uint64_t state = of_prefix(prefix, at);
    memcpy(text_r, prefix, at);
    text_r[at++] = ':';
    size_t count = base32_from_bytes(payload, cashaddr->length + 1u, values);
    for (size_t i = 0; i < count; i++) {
        text_r[at++] = base32_character(values[i]);
        state = step(state, values[i]);
    }
    for (int i = 0; i < CHECKSUM_CHARACTERS; i++)
        state = step(state, 0);
    state ^= 1;
    for (int i = 0; i < CHECKSUM_CHARACTERS; i++)
        text_r[at++] =
            base32_character((unsigned)(state >> 5 * (CHECKSUM_CHARACTERS - 1 - i)) & 31);
    text_r[at] = '\0';
}
