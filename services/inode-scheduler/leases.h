/* Leases of extranonce1 values, as the leader keeps them: granted durably one after the other,
 * alive as long as heartbeats name them, their values free again when every job that was alive at
 * their end is dead; then they end in the share window, too. None is granted before the window has
 * said which ids it knows. On the loop; store and window are asked on the records' worker. */
#pragma once
#include "loop/loop.h"
#include "loop/worker.h"
#include "port/bus.h"
#include "port/window.h"
#include "record/lease/lease.h"

struct leases;

enum {
    LEASES_HELD_MAX = 65536,
    LEASES_WAITING_MAX = 256,  /* requests not answered yet */
    LEASES_SILENCE_MS = 30000, /* without a heartbeat a lease ends */
};

struct leases_options {
    struct loop *loop;
    struct worker *worker; /* one thread, which owns `store` and `window` */
    struct store *store;
    struct window_reader *window; /* NULL: none */
    const char *role;
    uint64_t epoch;
    uint32_t values;     /* in a lease */
    uint64_t memory_ms;  /* how long a job may be mined on after it was retired */
    uint64_t silence_ms; /* 0: LEASES_SILENCE_MS */
    void (*on_deposed)(void *context);
    void *context;
};

/* Never NULL. Knows nothing yet. Caller owns. */
MUST_CHECK struct leases *leases_create(const struct leases_options *options);
/* Reads what is held; false with *error where the store cannot say. Blocking; on the worker's
 * thread, once, and nothing else of this is called meanwhile. */
MUST_CHECK bool leases_read(struct leases *leases, struct error *error);
/* From now on it grants and ends them: after leases_read. */
void leases_start(struct leases *leases);
/* After the worker is destroyed. */
void leases_destroy(struct leases *leases);

/* `call` is taken: answered when the lease is durable, or at once when it is refused. Asked again
 * with the same instance and boot id it is the same lease while that lives, and keeps it alive. */
void leases_request(struct leases *leases, struct bus_call *call, const char *instance,
                    uint64_t boot_id);
/* A heartbeat named it; false: not alive. */
bool leases_beat(struct leases *leases, uint64_t lease_id);
size_t leases_alive(const struct leases *leases);
