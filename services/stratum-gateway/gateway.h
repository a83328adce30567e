/* The gateway as a whole: what its parts hold and how they meet. The session machine decides, this
 * carries out: lines in, effects out; shares to the dispatcher, names to the authoriser, jobs to
 * everybody. Lives on main's stack; one thread. */
#pragma once
#include "adapter/coin_file/coin_file.h"
#include "service/resolver/resolver.h"
#include "service/service.h"
#include "services/stratum-gateway/ban_reports.h"
#include "services/stratum-gateway/audits.h"
#include "services/stratum-gateway/authoriser.h"
#include "services/stratum-gateway/broadcast.h"
#include "services/stratum-gateway/conducts.h"
#include "services/stratum-gateway/connections.h"
#include "services/stratum-gateway/dispatcher.h"
#include "services/stratum-gateway/doors.h"
#include "services/stratum-gateway/extranonce_pool.h"
#include "services/stratum-gateway/hash_budgets.h"
#include "services/stratum-gateway/job_feed.h"
#include "services/stratum-gateway/measures.h"
#include "services/stratum-gateway/names.h"
#include "services/stratum-gateway/parking.h"
#include "services/stratum-gateway/profiles.h"
#include "services/stratum-gateway/quirks_file.h"
#include "services/stratum-gateway/rejects.h"
#include "services/stratum-gateway/receipt_feed.h"
#include "services/stratum-gateway/shedding.h"
#include "services/stratum-gateway/submissions.h"
#include "services/stratum-gateway/upgrading.h"

/* A lease beyond the first: asked for when extranonces grow scarce, kept alive by asking again. */
struct further_lease {
    uint64_t boot_id;  /* 0: there is none */
    uint64_t lease_id; /* 0: not granted yet */
    bool asked;
    struct gateway *gateway;
};

struct gateway {
    struct service *service;
    struct loop *loop;
    const struct settings *settings;
    struct coin_file coin_file; /* where the coin's profile is a file */
    struct profiles profiles;
    struct quirks quirks;
    struct names names;
    struct parking parking;
    struct rejects *rejects; /* NULL: none are kept */
    struct parked resumed;   /* what a STRATUM_RESUMED under way points to */
    struct measures measures;
    struct bus_client *scheduler;
    struct job_feed feed;
    struct dispatcher *dispatcher;
    struct audits *audits; /* NULL: nothing is judged again */
    struct resolver *resolver;
    struct authoriser *authoriser;
    struct hash_budgets hash_budgets;
    struct conducts conducts;
    struct connections connections;
    struct submissions submissions;
    struct shedding shedding;
    struct receipt_feed *receipt_feed;
    struct doors doors;
    struct bus_server *control;
    struct ban_reports ban_reports;
    struct upgrading upgrading;
    /* the lease */
    uint64_t lease_id; /* 0: none; read by the heartbeat */
    struct extranonce_pool extranonces;
    struct further_lease further[EXTRANONCE_LEASES_MAX];
    uint64_t further_due_ms; /* when they are asked for again */
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
    uint64_t session_ids[64]; /* random ones, so that nobody resumes another's session */
    unsigned session_ids_left;
    size_t miners; /* sessions in MINING */
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
/* From here on rejected shares leave a trace. `log` is taken on success. */
MUST_CHECK bool gateway_keep_rejects(struct gateway *gateway, struct reject_log *log,
                                     struct error *error);
/* Lets miners in, at all ports. */
MUST_CHECK bool gateway_listen(struct gateway *gateway, struct error *error);
/* Takes over what of the settings may change while it runs: certificate and proxies. Where one of
 * them is wrong everything stays as it was, and the log says why. */
void gateway_reload(struct gateway *gateway);
/* After the loop: no new miners; those that are here are told to reconnect; then no lines any more,
 * and verdicts under way are waited for up to `deadline_ms`. */
void gateway_drain(struct gateway *gateway, uint64_t deadline_ms);
/* Undoes gateway_open; also after it failed. */
void gateway_close(struct gateway *gateway);

/* sessions.c: what the parts call. */
bool sessions_on_source(void *context, struct connection *connection);
bool sessions_on_line(void *context, struct connection *connection, struct span line);
void sessions_on_long_line(void *context, struct connection *connection);
void sessions_on_closed(void *context, struct connection *connection, const char *reason);
void sessions_on_verdict(void *context, const struct dispatch_origin *origin,
                         const struct wire_share *share, const struct dispatch_result *result);
/* The answer to a share is known; its session may be gone. */
void sessions_judged(struct gateway *gateway, const struct dispatch_origin *origin,
                     const struct wire_share *share, enum share_outcome outcome);
void sessions_on_authorised(void *context, const struct authoriser_ticket *ticket,
                            const struct authoriser_result *result);
void sessions_on_job(void *context);
/* An event for a session and all that follows. */
void sessions_happen(struct gateway *gateway, struct connection *connection,
                     const struct stratum_event *event);
void sessions_on_tick(void *context);
/* The context is the door. */
void sessions_on_accept(void *context, const struct accepted *accepted);
/* All sessions with an extranonce1 of a lease that is held no more get another or are closed. */
void sessions_move(struct gateway *gateway);

/* resuming.c: sessions between two connections. */
/* The connection of a session ends: true where it is kept with its extranonce1. */
MUST_CHECK bool resuming_keep(struct gateway *gateway, const struct connection *connection);
/* The session a miner named, if it is there and can go on: its extranonce1 is the connection's from
 * now on, whose own goes back. NULL where there is none. */
const struct stratum_session *resuming_take(struct gateway *gateway, struct connection *connection,
                                            uint64_t id);
/* Those whose time is over give their extranonce1 back. */
void resuming_tick(struct gateway *gateway);
/* A random id, never 0. */
uint64_t resuming_new_id(struct gateway *gateway);
/* An extranonce1 for a new session. */
MUST_CHECK bool resuming_new_extranonce(struct gateway *gateway, uint32_t *value_r,
                                        uint64_t *lease_r);

/* lease.c */
void lease_begin(struct gateway *gateway);
void lease_on_beat(void *context, const struct wire_heartbeat_reply *reply);
/* About once a second: asks for a further lease where values are scarce, and keeps those alive. */
void lease_tick(struct gateway *gateway);
