/* Addresses: text to output script and back, exactly as consensus and BIP 13, 173 and 350 have it, and
 * the cashaddr specification where the coin has such.
 * Two texts of one destination (bech32 in upper and lower case) give one script and one canonical
 * text. Pure; no memory but the caller's; any thread. */
#pragma once
#include "core/coin/coin.h"

#define OUTPUT_SCRIPT_BYTES_MAX                                                                    \
    83                        /* the longest standard output script (OP_RETURN of 80 bytes)        \
                               */
#define ADDRESS_TEXT_BYTES 96 /* the longest address (90 characters, BIP 173) and a NUL */

struct output_script {
    uint8_t data[OUTPUT_SCRIPT_BYTES_MAX];
    uint8_t length;
};

static inline struct span output_script_span(const struct output_script *script)
{
    return span_of(script->data, script->length);
}

/* X(enum name, sentence for the person who typed it) */
#define ADDRESS_OUTCOMES(X)                                                                        \
    X(ADDRESS_OK, "the address is valid")                                                          \
    X(ADDRESS_EMPTY, "the address is empty")                                                       \
    X(ADDRESS_TOO_LONG, "the address is longer than any address")                                  \
    X(ADDRESS_BAD_CHARACTER, "the address contains a character that addresses do not use")         \
    X(ADDRESS_MIXED_CASE, "the address mixes upper and lower case")                                \
    X(ADDRESS_BAD_CHECKSUM, "the address has a typing error (its checksum is wrong)")              \
    X(ADDRESS_WRONG_NETWORK, "the address belongs to another network")                             \
    X(ADDRESS_BAD_LENGTH, "the address has a wrong length")                                        \
    X(ADDRESS_BAD_VERSION, "the address has an unknown witness version")                           \
    X(ADDRESS_BAD_PADDING, "the address is not encoded as it must be")                             \
    X(ADDRESS_WRONG_ENCODING, "the address uses the wrong one of bech32 and bech32m")

enum address_outcome {
#define X(name, text) name,
    ADDRESS_OUTCOMES(X)
#undef X
};

/* The sentence of an outcome, static. */
const char *address_outcome_text(enum address_outcome outcome);

/* ADDRESS_OK with the output script and the canonical text (NUL-terminated), or why not, with both
 * undefined. canonical_r may be NULL. */
MUST_CHECK enum address_outcome address_parse(const struct coin_profile *coin, struct span text,
                                              struct output_script *script_r,
                                              char canonical_r[ADDRESS_TEXT_BYTES]);

/* The canonical address of a script (P2PKH, P2SH, witness programs). False, with text_r undefined,
 * for scripts that have none. */
MUST_CHECK bool address_format(const struct coin_profile *coin, struct span script,
                               char text_r[ADDRESS_TEXT_BYTES]);

/* True where the text begins like a segwit address or cashaddr of the coin ("bc1…", "bitcoincash:…",
 * in either case), valid or not: it can be meant as nothing else. */
bool address_is_prefixed_text(const struct coin_profile *coin, struct span text);
