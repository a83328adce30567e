/* Leases: a gateway's right to a block of extranonce1 values, granted durably at each start of its
 * process under an id that is never used twice.
 *
 * Ids are 1, 2, 3, …; granting is inserting the next id, so two schedulers that believe to lead
 * cannot both grant it: the one that gets STORE_EXISTS reads again and chooses again. A block of
 * values is free when no lease with `free_ms` in the future holds it: a live lease's is
 * LEASE_ALIVE, an ended one's is the time when the last job it could have mined is dead.
 *
 * Blocking, like the store. Nothing is kept; one thread at a time per store handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection lease_collection;

enum { LEASE_INSTANCE_BYTES = 80 };
#define LEASE_ALIVE INT64_MAX
#define LEASE_EXTRANONCE1_VALUES ((uint64_t)1 << 32) /* 4 bytes */

struct lease_record {
    uint64_t id;
    char instance[LEASE_INSTANCE_BYTES];
    uint64_t boot_id; /* of the gateway's process */
    uint64_t epoch;   /* of the scheduler that granted or ended it last */
    uint32_t first;   /* extranonce1 values [first, first + count) */
    uint32_t count;
    uint64_t granted_ms;
    uint64_t ended_ms; /* 0: alive */
    int64_t free_ms;   /* LEASE_ALIVE, or when its values may be granted again */
    uint64_t version;  /* the store's; as read */
};

/* The highest id ever granted; 0 where there is none. STORE_DONE, or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome lease_last_id(struct store *store, uint64_t *id_r,
                                            struct error *error);

/* Calls visit for each lease that is alive or not free again at now_ms, by id not ordered.
 * STORE_DONE, or STORE_FAILED with *error. */
typedef bool (*lease_visitor)(void *context, const struct lease_record *lease);
MUST_CHECK enum store_outcome lease_walk_held(struct store *store, uint64_t now_ms,
                                              lease_visitor visit, void *context,
                                              struct error *error);

/* Grants lease->id: STORE_DONE (durable), STORE_EXISTS when that id was granted before (by a rival,
 * or by ourselves when the answer got lost: compare what lease_get reads), STORE_UNKNOWN or
 * STORE_FAILED with *error. */
MUST_CHECK enum store_outcome lease_grant(struct store *store, struct lease_record *lease,
                                          struct error *error);

/* STORE_DONE with the lease, STORE_MISSING, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome lease_get(struct store *store, uint64_t id,
                                        struct lease_record *lease_r, struct error *error);

/* Ends a lease as read: its values are free again at free_ms. STORE_DONE with the new version in
 * *lease; STORE_CONFLICT when somebody changed it meanwhile; STORE_UNKNOWN or STORE_FAILED. */
MUST_CHECK enum store_outcome lease_end(struct store *store, struct lease_record *lease,
                                        uint64_t epoch, uint64_t now_ms, uint64_t free_ms,
                                        struct error *error);
