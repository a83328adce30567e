/* Validation tasks: submissions that others judged first. Asks inode-scheduler for one again and
 * again, judges it with what is told of it alone, reports what it found, signed. And tells gateways
 * who this validator is, so that its verdicts are put down to it. On the loop's thread: a slow hash
 * is one at a time, every now and then. */
#pragma once
#include "service/metrics.h"
#include "services/share-validator/identity.h"

struct rechecks_options {
    struct loop *loop;
    struct feed *feed; /* borrowed, as the rest */
    const struct validator_identity *identity;
    const char *instance;
    struct metrics *metrics;
    uint64_t period_ms; /* between two times of asking */
};

struct rechecks;

/* NULL and *error where there is no memory. */
MUST_CHECK struct rechecks *rechecks_create(const struct rechecks_options *options,
                                            struct error *error);
/* After the feed is closed: nothing of it is under way any more. NULL is nothing. */
void rechecks_destroy(struct rechecks *rechecks);
/* From now on nothing is asked or reported. */
void rechecks_stop(struct rechecks *rechecks);

/* A gateway's identity_request; `call` is taken. */
void rechecks_identify(struct rechecks *rechecks, struct bus_call *call, struct span message);
