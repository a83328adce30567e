/* The validators as the dispatcher sees them: who is connected, who answers, who has room. A
 * validator that fails is tried seldom while others serve, and often while there is no other. One
 * thread. Owns the connections. */
#pragma once
#include "port/bus.h"

enum {
    VALIDATORS_MAX = 64,
    VALIDATORS_IN_FLIGHT_MAX = 16, /* batches at one of them */
    VALIDATORS_URL_BYTES = 256,
    /* between tries of one that failed: each may cost a batch the time-out */
    VALIDATORS_BACKOFF_MIN_MS = 100,
    VALIDATORS_BACKOFF_MAX_MS = 10000,
};

struct validator {
    struct validators *all;
    struct bus_client *client;
    char url[VALIDATORS_URL_BYTES];
    unsigned in_flight;  /* the dispatcher's */
    unsigned backoff_ms; /* 0: healthy */
    uint64_t failed_ms;
    uint64_t again_ms;  /* when an unhealthy one may be tried */
    uint64_t paused_ms; /* until when it wants nothing */
    bool up;
    bool leaving; /* gets nothing more, and is closed when nothing of it is under way */
};

struct validators {
    struct loop *loop;
    struct bus *bus;
    struct validator *list[VALIDATORS_MAX];
    size_t count;
    void (*on_up)(void *context); /* one more can be asked */
    void *context;
};

void validators_init(struct validators *validators, struct loop *loop, struct bus *bus,
                     void (*on_up)(void *context), void *context);
/* Requests still under way end as BUS_CLOSED on the way. */
void validators_deinit(struct validators *validators);

/* The addresses to use from now on: new ones are connected, missing ones leave. */
void validators_set(struct validators *validators, const char (*urls)[VALIDATORS_URL_BYTES],
                    size_t count);
/* Closes those that left and have nothing under way. Not inside a callback of the bus. */
void validators_sweep(struct validators *validators);

/* Who gets the next batch: a failing one that may be tried; else, of the healthy ones with room,
 * the one with the fewest under way. NULL where there is none now. */
struct validator *validators_choose(const struct validators *validators);

/* It did not answer as it should; it did; it wants nothing for a while. */
void validator_failed(struct validator *validator, const char *why);
void validator_answered(struct validator *validator);
void validator_paused(struct validator *validator, uint64_t pause_ms);

unsigned validators_healthy(const struct validators *validators);
unsigned validators_staying(const struct validators *validators);
