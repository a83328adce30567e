/* What the notifier's two files share: its lanes, which take turns at what is due, and one
 * delivery. */
#pragma once
#include "services/auth/notifier.h"

#include "core/network/network.h"
#include "record/notice/notice_record.h"

#include <pthread.h>

enum {
    NOTIFIER_NETWORKS_MAX = 64,
    NOTIFIER_LANES = 5,
    NOTIFIER_SECRET_BYTES = 64,
    NOTIFIER_REASON_BYTES = 160,
};

/* One thread's share of the work at a time. Lane 0 is the letters'. */
struct notifier_lane {
    struct worker_job job;
    struct notifier *notifier;
    struct store *store; /* of whoever runs it */
    enum notice_channel channel;
    bool running, again; /* the loop's */
    bool away;           /* the store, to the last look */
    /* Of whom it tries a webhook; under the notifier's lock. */
    bool holds;
    uint64_t held;
    /* lane 0's */
    uint64_t tidy_due_ms;                /* when what is old is forgotten next */
    uint64_t failures;                   /* in a row, of the mail server as a whole, … */
    uint64_t not_before_ns;              /* … which is left alone until then (loop_clock_ns) */
    char trouble[NOTIFIER_REASON_BYTES]; /* why; "": none */
    bool said;                           /* the loop's: that there is some */
};

struct notifier {
    struct notifier_options options;
    struct network inside[NOTIFIER_NETWORKS_MAX];
    struct webhook_settings webhook, operator_webhook;
    struct mail_settings mail;
    uint8_t operator_secret[NOTIFIER_SECRET_BYTES];
    size_t operator_secret_length;
    struct worker *letters, *webhooks;
    struct notifier_lane lanes[NOTIFIER_LANES];
    struct loop_timer timer;
    _Atomic bool ending;
    pthread_mutex_t lock;
    _Atomic bool testing; /* a lane tries a webhook out because its owner asked for it */
    struct {
        struct metric *sent[2], *given_up[2], *withheld[2], *failures[2], *switched_off, *waiting;
    } metrics; /* by channel, letters first */
};

/* On the lane's thread: sees to one that is due. True where it may go on with the next; false where
 * the store failed. */
MUST_CHECK bool notifier_carry(struct notifier_lane *lane, struct notice *notice,
                               struct error *error);
/* The mail server answers, or nothing waits for it that could tell. */
void notifier_forget_trouble(struct notifier_lane *lane);
