/* The skeleton all five processes share: arguments, settings, log, signals, admin port, heartbeat,
 * orderly stop. A service's main.c defines `service_definition` and its `run`; whether it lives in
 * a plain process (host_plain) or beside Kore's HTTP worker (host_kore, which gives it a thread of
 * its own) is decided by what it links. */
#pragma once
#include "loop/loop.h"
#include "port/bus.h"
#include "service/log.h"
#include "service/metrics.h"
#include "service/settings.h"

/* What a process exits with; documented in docs/operations.md. */
enum service_exit {
    SERVICE_EXIT_OK = 0,
    SERVICE_EXIT_STORE = 1,     /* the database did not answer within startup.deadline_s */
    SERVICE_EXIT_NODE = 2,      /* no node did */
    SERVICE_EXIT_WINDOW = 3,    /* redis.window did not */
    SERVICE_EXIT_PEER = 4,      /* a process of ours did not */
    SERVICE_EXIT_SETTINGS = 64, /* a broken setting or argument */
    SERVICE_EXIT_PORT = 65,     /* an address cannot be bound */
    SERVICE_EXIT_BUG = 70,
};

struct service {
    const char *name;     /* "stratum-gateway" */
    const char *instance; /* from --instance, default "1" */
    uint64_t boot_id;     /* random, once per process start */
    uint64_t started_ms;  /* unix */
    struct settings settings;
    struct loop *loop;
    struct bus *bus;           /* nng */
    struct metrics *metrics;   /* what /metrics and the heartbeat show */
    uint8_t receipt_key[32];   /* a validator's public one, for its heartbeats; zeros: none */
    void *context;             /* whatever `run` puts here for `reload` */
    struct service_life *life; /* the skeleton's own */
};

struct service_definition {
    const char *name;
    /* the setting that holds this process's admin address */
    const char *(*admin_address)(const struct settings *settings);
    /* its HTTP address where Kore hosts it, else NULL */
    const char *(*http_address)(const struct settings *settings);
    /* and the reverse proxies that say there whose question they pass on; NULL: none */
    const struct settings_list *(*http_proxies)(const struct settings *settings);
    /* Opens what it needs, calls service_ready, runs the loop, undoes in reverse. Its return value
     * is the process's exit code. The loop ends (loop_run returns) at SIGTERM or SIGINT. */
    int (*run)(struct service *service);
    /* SIGHUP, on the loop; may be NULL */
    void (*reload)(struct service *service);
    /* What of service_degraded's it cannot do its work without, ended by NULL; NULL: nothing. Where
     * one of them has been away for some seconds /readyz says 503. */
    const char *const *needs;
    /* miners wait for what its threads do (loop/slice.h) */
    bool prompt;
};
extern const struct service_definition service_definition;

/* The settings as file and environment say now, for `reload`: service->settings stays what the
 * process was started with. False with one sentence; else the caller ends them by
 * settings_deinit. */
MUST_CHECK bool service_read_settings(const struct service *service, struct settings *settings_r,
                                      struct error *error);

/* Logs the one sentence of *error and returns `code`, so that `return service_fail(…)` reads as
 * the failure. */
int service_fail(struct service *service, enum service_exit code, const struct error *error);

/* Tries `attempt` until it succeeds or startup.deadline_s has passed, saying once a second in the
 * log and in /readyz what it waits for; returns early (false) when the process is told to stop. */
MUST_CHECK bool service_wait_for(struct service *service, const char *what,
                                 bool (*attempt)(void *context, struct error *error), void *context,
                                 struct error *error);

/* A call is about to be made on the loop's thread that may last: where the process is told to stop
 * by another thread (a host that brings the signals itself), that calls `interrupt`, at once where
 * it was told already. NULL, before `context` ends: nothing is to be interrupted any more. */
void service_set_interrupt(struct service *service, void (*interrupt)(void *context),
                           void *context);

/* From here on /readyz answers 200, heartbeats say running, and the supervisor (sd_notify) knows.
 */
void service_ready(struct service *service);

/* Something is away (reason) or back (NULL); shown in health, /readyz and heartbeats. */
void service_degraded(struct service *service, const char *what, const char *reason);

/* True once SIGTERM or SIGINT came. */
bool service_stopping(const struct service *service);

/* Starts the heartbeat to inode-scheduler: once a second, with the counters of service->metrics.
 * `lease_id` (may be NULL) is read at each beat; `on_reply` (may be NULL) gets the decoded reply.
 */
struct wire_heartbeat_reply;
void service_heartbeat(struct service *service, const uint64_t *lease_id,
                       void (*on_reply)(void *context, const struct wire_heartbeat_reply *reply),
                       void *context);
