/* Just enough of a transaction's serialization (BIP 144) to know its id, its first input and its
 * outputs. Bounded by the bytes given; pure. Private to adapter/node_rpc. */
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
