/* Receipts to the miners that asked for them (`adit.receipts.subscribe`): what validators have
 * signed of the session's account since, sent as `adit.receipt` notifications, one a share.
 *
 * Every RECEIPT_FEED_MS each of them is asked for at each validator, a page at a time. What a
 * validator signed while it was not to be reached comes when it is, if that is within
 * RECEIPT_FEED_BACK_MS; from one that came by another address some may come twice. Bounded: at
 * most RECEIPT_FEED_MAX sessions at a time are fed; to those beyond, the API gives the same. A
 * session whose connection is closed is forgotten. On the loop's thread. */
#pragma once
#include "service/metrics.h"
#include "service/peers/peers.h"
#include "services/stratum-gateway/connections.h"

enum { RECEIPT_FEED_MAX = 64, RECEIPT_FEED_MS = 5000, RECEIPT_FEED_BACK_MS = 60000 };

struct receipt_feed;

struct receipt_feed_options {
    struct loop *loop;
    struct bus *bus;
    const struct settings_list *validators; /* stratum.validators; borrowed for its life */
    uint64_t refresh_ms;                    /* how often it is looked at again */
    const struct connections *connections;
    struct metrics *metrics;
    /* Receipts are about to be written: what is more urgent (a job that waits) goes first. */
    void (*before)(void *context, struct connection *connection);
    void *context;
};

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct receipt_feed *receipt_feed_create(const struct receipt_feed_options *options,
                                                    struct error *error);
void receipt_feed_destroy(struct receipt_feed *feed);
/* The session of this connection asked; again changes nothing. */
void receipt_feed_add(struct receipt_feed *feed, const struct connection *connection);
