/* Who is alive: heartbeats in, the state of each component and of the pool out. One lost beat is no
 * outage; a process that died is seen within 3 seconds. On the loop's thread. */
#pragma once
#include "loop/loop.h"
#include "wire/messages.h"

enum {
    HEALTH_INSTANCES_MAX = 256,
    HEALTH_COUNTERS_MAX = 64,
    /* Beats come once a second. One that is lost leaves a gap of two, two leave three; a process
     * that dies right after its beat is seen after this, any other sooner. */
    HEALTH_MISSED_MS = 2500,       /* then it is unhealthy */
    HEALTH_DEAD_MS = 15000,        /* then it is in error */
    HEALTH_FORGET_MS = 600 * 1000, /* then it is no part of the pool any more */
    HEALTH_TEXT_BYTES = 512,
    HEALTH_REMEMBER_DAYS = 7, /* how often it was started, though it is silent */
};

/* X(enum name, the process's name) */
#define HEALTH_COMPONENTS(X)                                                                       \
    X(HEALTH_GATEWAY, "stratum-gateway")                                                           \
    X(HEALTH_VALIDATOR, "share-validator")                                                         \
    X(HEALTH_SCHEDULER, "inode-scheduler")                                                         \
    X(HEALTH_AUTH, "auth")                                                                         \
    X(HEALTH_PAYOUT, "payout")

enum health_component {
#define X(name, text) name,
    HEALTH_COMPONENTS(X)
#undef X
        HEALTH_COMPONENT_COUNT
};
const char *health_component_name(enum health_component component);

enum health_status {
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY, /* silent for some seconds, or says itself that something is away */
    HEALTH_ERROR,     /* silent for long, or never seen */
};
const char *health_status_name(enum health_status status);

struct health_counter {
    char name[40];
    uint64_t value;
};

struct health_instance {
    enum health_component component;
    char instance[65];
    uint64_t boot_id;
    uint64_t started_ms; /* unix */
    uint64_t beat_ms;    /* the loop's clock */
    uint64_t beat_unix_ms;
    uint64_t unwell_unix_ms; /* since when it says itself that something is wrong; 0: it does not */
    uint8_t state;           /* enum wire_state */
    uint64_t lease_id;
    uint64_t error_count;
    char last_error[HEALTH_TEXT_BYTES];
    char admin_url[129];
    uint8_t receipt_key[32]; /* a validator's; zeros: it signs for nothing */
    unsigned restarts;       /* health_known's */
    struct health_counter counters[HEALTH_COUNTERS_MAX];
    size_t counters_count;
};

/* Starts of an instance, told by its heartbeats: each that comes under another boot id than the one
 * before is a start again, whoever made it (a supervisor, an orchestrator, a person), also one that
 * came while no scheduler heard it. A gateway that is upgraded in place keeps its boot id. */
struct health_known {
    enum health_component component;
    char instance[65];
    uint64_t boot_id;       /* the last */
    uint64_t first_boot_id; /* that this process has heard; 0: none yet */
    unsigned restarts;
    uint64_t seen_unix_ms;
};

struct health {
    struct loop *loop;
    struct health_known *known; /* HEALTH_INSTANCES_MAX; the longest silent makes room */
    size_t known_count;
    uint64_t changes; /* of a boot id or who is known, so far */
    bool recalled;
    uint64_t began_ms; /* the loop's clock */
    struct health_instance *instances;
    size_t count;
};

void health_init(struct health *health, struct loop *loop);
void health_deinit(struct health *health);
/* False when it is of no component of ours, or there are too many. */
bool health_beat(struct health *health, const struct wire_heartbeat *beat);
/* Joins what is kept: at first what was known before this process began, then what may be this
 * one's own. */
void health_recall(struct health *health, const struct health_known *list, size_t count);
/* What is to be known after it, HEALTH_INSTANCES_MAX at the most; how many. */
size_t health_list_known(const struct health *health, uint64_t now_unix_ms,
                         struct health_known *list_r);
/* Forgets who has been silent for long while others of its kind live. */
void health_tick(struct health *health);

enum health_status health_of_instance(const struct health *health,
                                      const struct health_instance *instance);
/* The worst of its instances where none is healthy, unhealthy where some are, else healthy. */
enum health_status health_of_component(const struct health *health,
                                       enum health_component component);
/* Instances of it that are healthy. */
size_t health_alive(const struct health *health, enum health_component component);
/* The sum of a counter over the live instances of a component. */
uint64_t health_sum(const struct health *health, enum health_component component,
                    const char *counter);
