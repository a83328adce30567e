/* A new job on its way to everybody. First every session takes its step, so that each miner's lines
 * are ready before the first is sent: the job's text is one for all, a changed difficulty goes into
 * the connection's own output. Then the texts are sent, some connections a round, so that shares
 * are answered in between; where other text comes first for a connection, the job goes ahead of it.
 * A newer job takes the place of one that was not sent yet.
 *
 * A new tip, and the first job with transactions on it, go out as quickly as they can. A job that
 * only refreshes the one before is spread over stratum.refresh_spread_ms, so that not all miners
 * begin anew, nor answer, at once. One thread. */
#pragma once
#include "loop/loop.h"

struct connection;
struct gateway;
struct stratum_effect;

struct broadcast {
    struct loop_task prepare;
    struct loop_task send;
    bool prepare_deferred;
    bool send_deferred;
    bool preparing;
    size_t next; /* place of the connection that is next */
    size_t left; /* places to be looked at */
    uint64_t since_ns;
    uint64_t spread_ms; /* 0: as quickly as it can */
    struct loop_timer pause;
};

void broadcast_init(struct gateway *gateway);
/* What waits for its turn never gets it. */
void broadcast_stop(struct gateway *gateway);
/* There is a new current job. */
void broadcast_begin(struct gateway *gateway);
static inline bool broadcast_is_under_way(const struct broadcast *broadcast)
{
    return broadcast->prepare_deferred || broadcast->send_deferred;
}
/* Part of it waits for its turn in the spread; broadcast_catch_up brings it forward. */
static inline bool broadcast_is_spreading(const struct broadcast *broadcast)
{
    return loop_timer_running(&broadcast->pause);
}

/* Carries out a STRATUM_SEND_JOB: at once, or with everybody's. */
void broadcast_send_job(struct gateway *gateway, struct connection *connection,
                        const struct stratum_effect *effect);
/* Before other text goes to this connection: a job that waits for its turn is sent. */
void broadcast_catch_up(struct gateway *gateway, struct connection *connection);
/* The same, for receipt_feed.h; context is the gateway. */
void broadcast_before_receipts(void *context, struct connection *connection);
