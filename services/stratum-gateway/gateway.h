/* The gateway as a whole: what its parts hold and how they meet. The session machine decides, this
 * carries out: lines in, effects out; shares to the dispatcher, names to the authoriser, jobs to
 * everybody. Lives on main's stack; one thread. */
#pragma once
#include "service/service.h"
#include "services/stratum-gateway/authoriser.h"
#include "services/stratum-gateway/broadcast.h"
#include "services/stratum-gateway/connections.h"
#include "services/stratum-gateway/dispatcher.h"
#include "services/stratum-gateway/doors.h"
#include "services/stratum-gateway/extranonces.h"
#include "services/stratum-gateway/hash_budgets.h"
#include "services/stratum-gateway/job_feed.h"
#include "services/stratum-gateway/measures.h"
#include "services/stratum-gateway/resolver.h"
#include "services/stratum-gateway/receipt_feed.h"
#include "services/stratum-gateway/shedding.h"
#include "services/stratum-gateway/submissions.h"

struct gateway {
    struct service *service;
    struct loop *loop;
    const struct settings *settings;
    struct stratum_params params;
    struct measures measures;
    struct bus_client *scheduler;
    struct job_feed feed;
    struct dispatcher *dispatcher;
    struct resolver *resolver;
    struct authoriser *authoriser;
    struct hash_budgets hash_budgets;
    struct connections connections;
    struct submissions submissions;
    struct shedding shedding;
    struct receipt_feed *receipt_feed;
    struct doors doors;
    /* the lease */
    uint64_t lease_id; /* 0: none; read by the heartbeat */
    struct extranonces extranonces;
    bool lease_asked;
    uint64_t lease_epoch;
    uint64_t
        lease_beat_ms; /* before it, what a beat says of the lease may be older than the lease */
    struct loop_timer lease_timer;
    struct error lease_error; /* why there is none */
    struct broadcast broadcast;
    /* a second's ticks, in slices */
    struct loop_timer tick;
    unsigned tick_slice;
    uint64_t session_ids; /* counts on from a random start */
    size_t miners;        /* sessions in MINING */
    struct stratum_answers *spare_answers[256];
    unsigned spare_answers_count;
    bool stopping;
    struct stratum_effects effects;
};

/* Reads the settings and opens everything but the miners' port. False with one sentence and the
 * exit code it stands for. */
MUST_CHECK bool gateway_open(struct gateway *gateway, struct service *service,
                             enum service_exit *exit_r, struct error *error);
/* True once a lease is here: for service_wait_for. */
MUST_CHECK bool gateway_has_lease(void *context, struct error *error);
/* Lets miners in, at all ports. */
MUST_CHECK bool gateway_listen(struct gateway *gateway, struct error *error);
/* Takes over what of the settings may change while it runs: certificate and proxies. Where one of
 * them is wrong everything stays as it was, and the log says why. */
void gateway_reload(struct gateway *gateway);
/* After the loop: no new miners or lines; verdicts under way are waited for up to `deadline_ms`. */
void gateway_drain(struct gateway *gateway, uint64_t deadline_ms);
/* Undoes gateway_open; also after it failed. */
void gateway_close(struct gateway *gateway);

/* sessions.c: what the parts call. */
bool sessions_on_line(void *context, struct connection *connection, struct span line);
void sessions_on_long_line(void *context, struct connection *connection);
void sessions_on_closed(void *context, struct connection *connection, const char *reason);
void sessions_on_verdict(void *context, const struct dispatch_origin *origin,
                         const struct wire_share *share, const struct dispatch_result *result);
/* The answer to a share is known; its session may be gone. */
void sessions_judged(struct gateway *gateway, const struct dispatch_origin *origin,
                     enum share_outcome outcome);
void sessions_on_authorised(void *context, const struct authoriser_ticket *ticket,
                            const struct authoriser_result *result);
void sessions_on_job(void *context);
/* An event for a session and all that follows. */
void sessions_happen(struct gateway *gateway, struct connection *connection,
                     const struct stratum_event *event);
void sessions_on_tick(void *context);
void sessions_on_accept(void *context, const struct accepted *accepted);
/* All sessions get an extranonce1 of the new lease or are closed. */
void sessions_move(struct gateway *gateway);

/* lease.c */
void lease_begin(struct gateway *gateway);
void lease_on_beat(void *context, const struct wire_heartbeat_reply *reply);
