/* The pool's news: what can happen that somebody wants to hear of without asking, and how it is
 * told. One list of kinds, and one way to write down a block, a payment and what became of it, for
 * whoever tells: the live stream, and the lists of the API, so that a number in an event is the
 * number of the list. Where the news come from is durable: blocks from the log of reward events
 * (record/event), payments from their records (record/payment), work from the window's series.
 *
 * Pure: values in, documents out, each a new reference that is the caller's. Any thread. */
#pragma once
#include "record/block/block.h"
#include "record/payment/payment_record.h"
#include "services/inode-scheduler/api_values.h"

/* X(name, text): the text is an event's name. Those behind NEWS_ACCOUNT concern one account. */
#define NEWS_KINDS(X)                                                                              \
    X(NEWS_JOB, "job")         /* miners were given another job */                                 \
    X(NEWS_SHARES, "shares")   /* the pool's rates, every second */                                \
    X(NEWS_STATUS, "status")   /* the pool or one of its parts is in another state */              \
    X(NEWS_BLOCK, "block")     /* a block of ours was found, matured or orphaned */                \
    X(NEWS_PAYMENT, "payment") /* a payment was sent, confirmed, reopened or given up */           \
    X(NEWS_ACCOUNT, "account") /* an account's rates */                                            \
    X(NEWS_WORKERS, "workers") /* its workers' rates */                                            \
    X(NEWS_WORKER, "worker")   /* one of its workers went silent or came back */                   \
    X(NEWS_PAID, "paid")       /* what a payment gives it */

enum news_kind {
#define X(name, text) name,
    NEWS_KINDS(X)
#undef X
        NEWS_KINDS_COUNT
};

/* Static. */
const char *news_name(enum news_kind kind);
/* False where `name` is none. */
MUST_CHECK bool news_from_name(struct span name, enum news_kind *kind_r);

/* A block as the list of blocks has it. */
json_t *news_block(const struct block_record *block);
/* A payment as a whole: number, state, txid, amount, receivers. */
json_t *news_payment(const struct payment_record *payment);
/* What it gives one account, as the account's list of payments has it. */
json_t *news_paid(const struct payment_record *payment, const struct payment_output *output);

/* What a payment's move is to those who wait for it: "sent" (a node has it), "confirmed" (paid),
 * "reopened" (a reorganisation undid that), "voided" (given up); static. NULL: nothing that anybody
 * waits for. `before` is 0 for one that was not known. */
const char *news_of_payment(enum payment_state before, enum payment_state now);

/* A worker without an accepted share for so long counts as silent. */
enum { NEWS_SILENT_MS = 600 * 1000 };
