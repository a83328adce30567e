/* A ring of signing keys: the one that signs now, those whose tokens may still live, and one that
 * is known already and will sign soon. It stands in one file (mode 600), a key a line: 64 hex
 * digits, the seed of RFC 8032, and from which second of unix time on the key signs (none: since
 * ever). Of two keys the later one signs; a key goes on verifying until the last token it signed is
 * dead. Every process that signs reads the file again when it has changed, so those that share it
 * act as one.
 *
 * Owns locked memory, which is wiped when freed. One thread. Reads no clock. */
#pragma once
#include "adapter/token_sodium/token.h"

struct token_ring;

/* The ring of a file, which is made with one key where there is none, that signs from `now_s` on.
 * NULL and *error. Caller owns. */
MUST_CHECK struct token_ring *token_ring_open(const char *path, uint64_t now_s,
                                              struct error *error);
void token_ring_close(struct token_ring *ring);

/* Reads the file again where it is another than the one read; *changed_r says so. False with
 * *error where it cannot be read or is no ring: the keys read before then stay in use. */
MUST_CHECK bool token_ring_refresh(struct token_ring *ring, bool *changed_r, struct error *error);

/* The key that signs at `now_s`. Borrowed until the ring is refreshed or closed. */
const struct token_signer *token_ring_signer(const struct token_ring *ring, uint64_t now_s);

/* From which second the newest of its keys signs (0: it is the only one, and does not say). Of two
 * rings of one deployment the later one has the higher number: each rotation raises it. */
uint64_t token_ring_generation(const struct token_ring *ring);

/* The keys that verify at `now_s`, tokens living `life_s`: the one that signs, those to come, and
 * those whose successor began less than a token's life and the leeway ago. */
void token_ring_verifier(const struct token_ring *ring, uint64_t now_s, uint64_t life_s,
                         struct token_verifier *verifier_r);

/* Adds a fresh key to the file, which signs from `from_s` on, and leaves out those that are dead at
 * `now_s`; with `alone` it leaves out all others, whose tokens are void from then on. (The file then says a
 * later second where one of those was to begin later: generations only grow; it is the only key, and
 * signs at once.) The new key's name in kid_r. False with *error: ERROR_FULL where there are too many already. Not to be called
 * by two at once. */
MUST_CHECK bool token_ring_rotate(const char *path, uint64_t now_s, uint64_t life_s,
                                  uint64_t from_s, bool alone, char kid_r[TOKEN_KID_BYTES],
                                  struct error *error);
