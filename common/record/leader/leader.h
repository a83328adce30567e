/* Who leads a role ("scheduler", "payout"): one record per role whose epoch only grows, by
 * conditional update. Whoever takes it makes every earlier holder's epoch old for ever; a leader
 * that learns of a higher epoch steps down.
 *
 * A leader beats: it renews its record now and then. Who stands by watches the record by a clock of
 * its own, so the two need not agree on the time: where nothing moved for a lease's length, the
 * leader is dead, stopped or cut off, and the role may be taken. Taking it from one that lives is
 * safe too (its epoch is old from then on), it only costs a change of hands.
 *
 * Blocking, like the store. Nothing is kept; any thread, one at a time per store handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection leader_collection;

enum { LEADER_ROLE_BYTES_MAX = 32, LEADER_INSTANCE_BYTES = 80 };

struct leader {
    uint64_t epoch; /* 1, 2, …; 0: nobody ever led */
    char instance[LEADER_INSTANCE_BYTES];
    uint64_t boot_id; /* of the process that took it */
    uint64_t taken_ms;
    uint64_t beat; /* raised by each renewal */
    bool released; /* it ended in order: the role is free at once */
};

/* Takes the role: STORE_DONE with *epoch_r = one more than anybody had, durable. STORE_CONFLICT
 * when others took it at the same moment several times in a row; STORE_FAILED or STORE_UNKNOWN with
 * *error (an epoch may then have been used up; take again). `boot_id` is random per process: it
 * tells our own write, found after an unknown answer, from a rival's. */
MUST_CHECK enum store_outcome leader_take(struct store *store, const char *role,
                                          const char *instance, uint64_t boot_id, uint64_t now_ms,
                                          uint64_t *epoch_r, struct error *error);

/* The same where `judged_epoch` (0: nobody's) is still the newest: STORE_CONFLICT at once where
 * another took the role since it was found free. */
MUST_CHECK enum store_outcome leader_take_after(struct store *store, const char *role,
                                                const char *instance, uint64_t boot_id,
                                                uint64_t now_ms, uint64_t judged_epoch,
                                                uint64_t *epoch_r, struct error *error);

/* STORE_DONE while `epoch` is the role's newest, STORE_CONFLICT when another has taken it,
 * STORE_FAILED with *error when the store cannot say. */
MUST_CHECK enum store_outcome leader_still(struct store *store, const char *role, uint64_t epoch,
                                           struct error *error);

/* STORE_DONE with the holder, STORE_MISSING when nobody ever led, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome leader_read(struct store *store, const char *role,
                                          struct leader *leader_r, struct error *error);

/* Beats under `epoch`: STORE_DONE; STORE_CONFLICT when the role is another's by now; STORE_UNKNOWN,
 * STORE_FAILED with *error. */
MUST_CHECK enum store_outcome leader_renew(struct store *store, const char *role, uint64_t epoch,
                                           struct error *error);
/* The same, and says that the holder ends: whoever stands by need not wait. */
MUST_CHECK enum store_outcome leader_release(struct store *store, const char *role, uint64_t epoch,
                                             struct error *error);

/* What one that stands by has seen of a record. Zero-initialise. */
struct leader_watch {
    bool looked; /* once at least */
    uint64_t epoch, beat;
    uint64_t since_ms; /* unchanged since, by the watcher's own clock */
};

/* Takes in what leader_read gave (NULL: nobody ever led) at `now_ms` of a clock that never goes
 * back; true when the role may be taken: nobody has it, it was released, nothing moved for
 * `lease_ms`, or, at the first look, it is held under this very instance's name, whose process
 * therefore ended. Pure. */
MUST_CHECK bool leader_watch_lapsed(struct leader_watch *watch, const struct leader *leader,
                                    const char *instance, uint64_t now_ms, uint64_t lease_ms);
