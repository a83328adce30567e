/* The store in memory, for tests and simulations: everything it holds goes when its last handle is
 * closed. Deterministic: the same calls give the same answers, and failures come exactly where they
 * were ordered. Handles of one memory may be used from several threads, one thread a handle. */
#pragma once
#include "port/store.h"

/* A new, empty memory and its first handle. Never NULL (out of memory aborts). Caller owns; ends by
 * store_close. */
struct store *store_fake_create(void);

/* Another handle on the same memory, as another process would have it. Caller owns. */
struct store *store_fake_share(struct store *store);

enum store_fake_fault {
    STORE_FAKE_FAIL,             /* STORE_FAILED, nothing was written */
    STORE_FAKE_UNKNOWN_DONE,     /* STORE_UNKNOWN, but it was carried out */
    STORE_FAKE_UNKNOWN_NOT_DONE, /* STORE_UNKNOWN, and it was not */
    STORE_FAKE_CONFLICT,         /* replace, delete: as if a rival had rewritten the record just
                                    before, with the same values; an insert is carried out */
};

/* The next `skip` writes of the memory (each write of a store_apply counts, whichever handle) go
 * well, the `times` after them meet the fault; then all is well again. SIZE_MAX: for ever.
 * Replaces what was ordered before; times 0 orders nothing. */
void store_fake_inject(struct store *store, enum store_fake_fault fault, size_t skip, size_t times);

/* Each write meets a fault with a chance of per_mille/1000, which one and when following from the
 * seed alone. per_mille 0 ends it. CONFLICT is among them. */
void store_fake_inject_random(struct store *store, uint64_t seed, unsigned per_mille);

/* While away, every call through any handle fails (STORE_FAILED, false) and changes nothing. */
void store_fake_away(struct store *store, bool away);

/* How many writes were asked for so far (with faults, without those made while away): for walking a
 * fault through every step of a procedure. */
size_t store_fake_writes(const struct store *store);

/* Aborts unless the memory's own order, counts and indexes agree. */
void store_fake_verify(const struct store *store);
