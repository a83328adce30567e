/* Signing for accepted shares. What the window kept is gathered into a slice; when that is old or
 * full it is hashed, signed and written on a thread of its own. The answer to a miner waits for
 * none of this, and a lone share costs one signature in its slice's time at the most.
 *
 * Bounded: SLICES_MAX slices wait to be signed, of RECEIPT_SHARES_MAX shares each; what comes
 * beyond is not signed for, and counted. On the loop's thread but for what is named above. */
#pragma once
#include "core/receipt/receipt.h"
#include "loop/worker.h"
#include "port/bus.h"
#include "port/window.h"
#include "service/metrics.h"
#include "wire/messages.h"

struct receipts_options {
    struct loop *loop;
    const char *folder;   /* borrowed, like the other texts */
    const char *key_file; /* made where there is none */
    uint64_t boot_id;
    unsigned slice_ms;
    uint64_t bytes_max; /* kept on disk */
    unsigned days;      /* for so long, where the bytes are enough */
    struct metrics *metrics;
    /* Slices cannot be written, or not be kept as long as promised (reason); or all is well again
     * (NULL). */
    void (*on_trouble)(void *context, const char *reason);
    void *context;
};

struct receipts;
/* NULL and *error where key or folder cannot be had. */
MUST_CHECK struct receipts *receipts_create(const struct receipts_options *options,
                                            struct error *error);
/* The public key that receipts are signed with. */
void receipts_key(const struct receipts *receipts, uint8_t key_r[RECEIPT_KEY_BYTES]);
/* Signs and writes what is gathered; NULL is nothing. */
void receipts_destroy(struct receipts *receipts);

/* A batch that the window has. */
struct receipts_batch {
    uint64_t lease_id, sequence;
    struct window_position first;        /* of its first credited share */
    uint64_t history;                    /* that holds it; 0: not known */
    const struct wire_share *shares;     /* borrowed, like the verdicts, while it is taken */
    const struct wire_verdict *verdicts; /* one a share */
    size_t count;
};
/* The batch's accepted shares are signed for soon. `receipts` may be NULL: then nothing is. */
void receipts_take(struct receipts *receipts, const struct receipts_batch *batch);
/* Answers a receipt_request; `call` is taken. Without receipts (NULL) it is dropped. */
void receipts_ask(struct receipts *receipts, struct bus_call *call, struct span message);
