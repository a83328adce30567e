/* Spending rules for the two kinds of output devnode lets anybody spend: P2WPKH (BIP143) and
 * P2PKH, SIGHASH_ALL only. Every other kind can be paid to, and refuses to be spent: a small chain
 * is allowed to be stricter than Bitcoin, never laxer. Pure functions; any thread. */
#pragma once
#include "tools/devnode/consensus/tx.h"

bool script_is_p2wpkh(struct span script);
bool script_is_p2pkh(struct span script);
/* An output nobody can ever spend (OP_RETURN, or longer than a script may be). */
bool script_is_unspendable(struct span script);
/* Bitcoin Core's name for the kind of an output script. */
const char *script_type_name(struct span script);
/* The script as Bitcoin Core's asm text; text_r is appended to, without a NUL. */
void script_asm(struct span script, struct buffer *text_r);

/* Signs input `index` of tx, which spends an output of this script and value, with the key that
 * the script names; the caller has made sure that it does. tx_finish is the caller's. */
void script_sign_input(struct tx *tx, size_t index, struct span spent_script, int64_t spent_value,
                       const uint8_t private_key[32]);
/* NULL where the input's signature is good, else one phrase of why not. */
const char *script_verify_input(const struct tx *tx, size_t index, struct span spent_script,
                                int64_t spent_value);
