/* Transactions: decoding, encoding, ids, sizes and the checks that need nothing but the
 * transaction. A decoded transaction owns its memory (tx_destroy) and never changes after decoding
 * except through the builder functions. One thread at a time for one transaction.
 * Formats: Bitcoin's own, with BIP144's witness form. */
#pragma once
#include "tools/devnode/consensus/buffer.h"

#define COIN INT64_C(100000000)
#define MONEY_MAX (INT64_C(21000000) * COIN)

struct outpoint {
    uint8_t txid[32]; /* internal byte order */
    uint32_t index;
};

struct tx_input {
    struct outpoint previous;
    struct buffer script;
    uint32_t sequence;
    struct buffer *witness; /* stack items, bottom first */
    size_t witness_count;
};

struct tx_output {
    int64_t value;
    struct buffer script;
};

struct tx {
    uint32_t version;
    struct tx_input *inputs;
    size_t input_count;
    struct tx_output *outputs;
    size_t output_count;
    uint32_t lock_time;
    uint8_t txid[32];   /* as of the last tx_finish */
    uint8_t wtxid[32];  /* the same */
    size_t base_bytes;  /* without witness */
    size_t total_bytes; /* with witness */
};

/* Reads one transaction; NULL where the bytes are none. With `allow_witness` false a witness form
 * is not recognised (an unsigned transaction without inputs needs that). Caller owns. */
struct tx *tx_read(struct reader *reader, bool allow_witness);
/* The same for bytes that must be one transaction exactly; tries both forms. */
struct tx *tx_decode(struct span bytes);
struct tx *tx_clone(const struct tx *tx);
void tx_destroy(struct tx *tx);

void tx_encode(const struct tx *tx, bool with_witness, struct buffer *buffer);
/* Computes ids and sizes again after the fields were changed. */
void tx_finish(struct tx *tx);

/* Builder: fields are copied. After the last one call tx_finish. */
struct tx *tx_create(uint32_t version, uint32_t lock_time);
struct tx_input *tx_add_input(struct tx *tx, const struct outpoint *previous, uint32_t sequence);
void tx_add_output(struct tx *tx, int64_t value, struct span script);
/* Appends one item to an input's witness. */
void tx_add_witness(struct tx_input *input, struct span item);

bool tx_is_coinbase(const struct tx *tx);
bool tx_has_witness(const struct tx *tx);
static inline size_t tx_weight(const struct tx *tx)
{
    return 3 * tx->base_bytes + tx->total_bytes;
}
static inline size_t tx_vsize(const struct tx *tx)
{
    return (tx_weight(tx) + 3) / 4;
}
/* Legacy signature operations of all scripts, counted as Bitcoin's GetLegacySigOpCount. */
size_t tx_legacy_sigops(const struct tx *tx);

/* NULL where the transaction is sound by itself, else Bitcoin Core's reject reason. */
const char *tx_check(const struct tx *tx);
/* BIP113: whether the lock time is past for a block at `height` over `median_time_past`. */
bool tx_is_final(const struct tx *tx, uint32_t height, uint32_t median_time_past);
