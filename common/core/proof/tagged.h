/* Tagged hashes (BIP 340): sha256(sha256(tag) ‖ sha256(tag) ‖ message). The two of the tag fill one
 * block, so a copy of a state just begun saves it. Pure; the caller's memory; any thread. */
#pragma once
#include "core/pow/sha256.h"

/* Begins one; sha256_update and sha256_final do the rest. */
void proof_tagged_begin(struct sha256_state *state, const char *tag);
