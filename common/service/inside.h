/* What the files of the skeleton share, and the hosts' way in. Services see service.h only. */
#pragma once
#include "service/service.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SERVICE_DEGRADED_MAX = 16, SERVICE_REASON_BYTES = 512, SERVICE_INSTANCE_BYTES = 33 };

struct service_arguments {
    const char *config;   /* NULL: none */
    const char *data_dir; /* NULL: as set */
    const char *instance; /* may point into host_name */
    char host_name[SERVICE_INSTANCE_BYTES];
    bool check_config;
    bool print_example;
    bool print_help;
    bool print_version;
};

/* How long what a process needs may be away before it is not ready: a blip is not worth that
 * whoever routes to it looks elsewhere. */
enum { SERVICE_NEED_MS = 3000 };

struct service_degradation {
    char what[64];
    uint64_t since_ms;                 /* the loop's clock */
    char reason[SERVICE_REASON_BYTES]; /* "": not degraded, the place is free */
};

struct admin;
struct heartbeat;

struct service_life {
    char *config;   /* NULL: none; --config */
    char *data_dir; /* NULL: as set; --data */
    const struct service_definition *definition;
    _Atomic bool stopping;
    pthread_mutex_t interrupt_mutex; /* the two below */
    void (*interrupt)(void *context);
    void *interrupt_context;
    bool ready;
    char waiting_for[64]; /* during service_wait_for */
    char waiting_reason[SERVICE_REASON_BYTES];
    struct service_degradation degraded[SERVICE_DEGRADED_MAX];
    struct loop_timer alive; /* tells the supervisor that the loop turns, where it asks for that */
    struct loop_source signals; /* signalfd; fd -1 where the host brings them */
    struct admin *admin;
    struct heartbeat *heartbeat;
    struct metric *beats_answered;
    struct metric *beats_lost;
    void *host; /* of the host that runs it, where it has more to offer than main() */
};

/* False with one sentence for an argument that is not known. */
MUST_CHECK bool arguments_parse(int argc, char **argv, struct service_arguments *arguments_r,
                                struct error *error);
void arguments_print_help(const struct service_definition *definition);
extern const char *const service_version;

/* In this order, by a host. `service_prepare` reads arguments and settings and opens the log; it
 * prints what it was asked to print, or the sentence; false: exit with *exit_r. It starts no
 * thread and opens nothing that a fork would harm. */
MUST_CHECK bool service_prepare(struct service *service,
                                const struct service_definition *definition, int argc, char **argv,
                                int *exit_r);
/* Folders, limits, loop, metrics, admin port, bus; with `take_signals` SIGTERM, SIGINT and SIGHUP
 * come by the loop. False: the sentence is printed, exit with *exit_r. */
MUST_CHECK bool service_open(struct service *service, bool take_signals, int *exit_r);
/* Runs the definition's `run` and returns its exit code. */
int service_run(struct service *service);
/* Undoes both; harmless after either failed. */
void service_close(struct service *service);

/* service.data_dir and its run/, for this user alone. service_open makes them too. */
MUST_CHECK bool service_make_folders(const struct service *service, struct error *error);

/* The orderly end; from any thread while the loop lives. */
void service_stop(struct service *service);

/* "starting", "running", "degraded" or "stopping", as enum wire_state. */
uint8_t service_state(const struct service *service);
/* What keeps it from being ready or whole, in words, one line each; returns the length. */
size_t service_describe(const struct service *service, char *text_r, size_t bytes);
/* Whether it can do its work now, or could until a moment ago. */
bool service_is_ready(const struct service *service);
/* The reason of the first degradation, or NULL. */
const struct service_degradation *service_first_degraded(const struct service *service);

/* The admin port. NULL and *error on failure. */
MUST_CHECK struct admin *admin_create(struct service *service, const char *address,
                                      struct error *error);
const char *admin_bound(const struct admin *admin);
void admin_destroy(struct admin *admin);

void heartbeat_destroy(struct heartbeat *heartbeat);

/* One datagram to NOTIFY_SOCKET, as systemd's sd_notify(3) says; nothing where it is not set. */
void notify_supervisor(const char *format, ...) PRINTF_LIKE(1, 2);
/* How often the supervisor wants to be told WATCHDOG=1, in milliseconds, several times within its
 * patience; 0: not at all (sd_watchdog_enabled(3)). */
uint64_t notify_alive_ms(void);
