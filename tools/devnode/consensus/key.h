/* secp256k1 keys and ECDSA signatures, by libcrypto. Private keys are 32 bytes big-endian, public
 * keys 33 bytes compressed, signatures strict DER (BIP66) with a low S (BIP146). Pure functions;
 * any thread. For test coins: nothing here hides the key from a timing observer. */
#pragma once
#include "base/bytes.h"

#define SIGNATURE_BYTES_MAX 72

/* False where the private key is 0 or not below the group order. */
MUST_CHECK bool key_public(const uint8_t private_key[32], uint8_t public_r[33]);
/* The length of the signature over a 32-byte digest; the key must be valid. */
size_t key_sign(const uint8_t private_key[32], const uint8_t digest[32],
                uint8_t signature_r[SIGNATURE_BYTES_MAX]);
/* False where the public key (33 or 65 bytes) or the signature is malformed, S is high, or it does
 * not match. */
MUST_CHECK bool key_verify(struct span public_key, const uint8_t digest[32], struct span signature);
