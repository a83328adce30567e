/* A transaction's serialization (BIP 144) read: its id, what it spends, what it pays, its weight.
 * Borrows the bytes it was read from; bounded by them. Pure; any thread. */
#pragma once
#include "base/bytes.h"

struct raw_transaction {
    struct span bytes;   /* the whole */
    struct span inputs;  /* from the input count to the end of the last output */
    struct span outputs; /* from behind the output count to the end of the last */
    uint64_t inputs_count, outputs_count;
    bool witness;     /* marker and flag are there */
    bool other_flags; /* flags we do not know (an extension block's): its ids cannot be checked */
};

/* Reads one transaction from the front of `bytes`; false where it is not one. */
MUST_CHECK bool raw_transaction_read(struct span bytes, struct raw_transaction *transaction_r);
/* sha256d without the witness; needs !other_flags. */
void raw_transaction_txid(const struct raw_transaction *transaction, uint8_t txid_r[32]);
/* The outpoint an input spends; false beyond the last. */
MUST_CHECK bool raw_transaction_input(const struct raw_transaction *transaction, uint64_t index,
                                      uint8_t txid_r[32], uint32_t *output_r);
/* The sum of the outputs to a script; false where it does not fit 63 bits. */
MUST_CHECK bool raw_transaction_received(const struct raw_transaction *transaction,
                                         struct span script, uint64_t *amount_r);
/* A CompactSize from the front of *rest; false where it is cut. */
MUST_CHECK bool raw_count(struct span *rest, uint64_t *count_r);
/* Amount and script (borrowed from the bytes) of an output; false beyond the last. */
MUST_CHECK bool raw_transaction_output(const struct raw_transaction *transaction, uint64_t index,
                                       uint64_t *amount_r, struct span *script_r);
/* Three times the size without witness and once with it (BIP 141); needs !other_flags. */
uint64_t raw_transaction_weight(const struct raw_transaction *transaction);
/* The same transaction unsigned: without witness, each input's script empty. Needs !other_flags and
 * transaction->bytes.length bytes of room; returns how many it took, and where in them the outputs
 * begin, behind their count. */
size_t raw_transaction_unsigned(const struct raw_transaction *transaction, uint8_t *bytes_r,
                                size_t *outputs_at_r);
