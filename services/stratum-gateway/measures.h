/* What the gateway shows of itself: counters and gauges of /metrics, some of them in the heartbeat.
 * Registered once; any thread may update. */
#pragma once
#include "core/share/outcome.h"
#include "service/metrics.h"

struct measures {
    struct metric *miners;      /* authorised or mining connections */
    struct metric *connections; /* open ones */
    struct metric *accepted;
    struct metric *rejected;
    struct metric *outcomes[SHARE_OUTCOMES_COUNT];
    struct metric *connected;   /* since the start */
    struct metric *turned_away; /* the pool was full */
    struct metric *closed_slow; /* did not read */
    struct metric *lines;
    struct metric *rubbish;        /* closed for what they sent */
    struct metric *closed_rejects; /* every share was rejected */
    struct metric *blocks;
    struct metric *raised; /* sessions asked to send fewer shares */
    struct metric *held; /* shares waiting for their verdicts */
    struct metric *batches;
    struct metric *retries;
    struct metric *given_up;
    struct metric *hedged;
    struct metric *kept;
    struct metric *kept_bytes;
    struct metric *replayed;
    struct metric *replay_aside;
    struct metric *replay_refused;
    struct metric *probes;
    struct metric *validators; /* healthy ones */
    struct metric *jobs;
    struct metric *resumed; /* sessions */
    struct metric *leases;
    struct metric *traces, *traces_dropped; /* of rejected shares */
    struct metric *authorisations;
    struct metric *conduct_warned;
    struct metric *conduct_paused;
    struct metric *conduct_slowed;
    struct metric *conduct_thrown_out;
    struct metric *conduct_banned;
    struct metric *conduct_refused;
    struct metric *extranonces_out;     /* connects refused for want of an extranonce */
    struct metric_histogram *answer;    /* from a submit to its answer */
    struct metric_histogram *broadcast; /* from a job's arrival to its last miner */
};

void measures_register(struct measures *measures, struct metrics *metrics);
void measures_count(struct measures *measures, enum share_outcome outcome);
