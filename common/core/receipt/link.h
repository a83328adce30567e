/* A link: the word of a key that receipts were signed with for the key that follows it.
 *
 *   bytes     "aKEY" 01 ‖ old[32] ‖ new[32] ‖ unix ms u64 ‖ signature[64] by old ‖ by new
 *   digest    H("adit/receipt/key", old ‖ new ‖ ms)       H as in core/proof; both sign it
 *
 * The old one says who follows it, so nobody else can; the new one says whom it follows, so that no
 * key is made a successor, or a predecessor, of another's. Who trusts one key of a chain may thus
 * follow it in both directions, on his own machine.
 *
 * Signatures are made and checked outside (adapter/token_sodium). Pure; the caller's memory; any
 * thread. */
#pragma once
#include "core/receipt/receipt.h"

enum {
    RECEIPT_LINK_BYTES = 5 + 2 * RECEIPT_KEY_BYTES + 8 + 2 * RECEIPT_SIGNATURE_BYTES,
    RECEIPT_LINKS_MAX = 64, /* of one chain that are kept and told, the newest */
};

struct receipt_link {
    uint8_t from[RECEIPT_KEY_BYTES], to[RECEIPT_KEY_BYTES];
    uint64_t time_ms; /* unix */
    uint8_t from_signature[RECEIPT_SIGNATURE_BYTES], to_signature[RECEIPT_SIGNATURE_BYTES];
};

void receipt_link_digest(const struct receipt_link *link, uint8_t digest_r[RECEIPT_HASH_BYTES]);
void receipt_link_encode(const struct receipt_link *link, uint8_t bytes_r[RECEIPT_LINK_BYTES]);
/* False for anything that receipt_link_encode does not write, and for a key that follows itself. */
MUST_CHECK bool receipt_link_decode(struct span bytes, struct receipt_link *link_r);

/* Which of `keys` belong to a chain with one that is `known` already: marks them, by links whose
 * signatures were found right, until there are no more. */
void receipt_links_follow(const struct receipt_link *links, size_t link_count,
                          const uint8_t (*keys)[RECEIPT_KEY_BYTES], size_t key_count, bool *known);
