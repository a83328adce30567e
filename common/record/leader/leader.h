/* Who leads a role ("scheduler", "payout"): one record per role whose epoch only grows, by
 * conditional update. Whoever takes it makes every earlier holder's epoch old for ever; a leader
 * that learns of a higher epoch steps down.
 *
 * A leader beats: it renews its record now and then. Who stands by watches the record by a clock of
 * its own, so the two need not agree on the time: where nothing moved for a lease's length, the
 * leader is dead, stopped or cut off, and the role may be taken. Taking it from one that lives is
 * safe too (its epoch is old from then on), it only costs a change of hands. The record also names
 * the leader's process (service/process), of which a watcher on the same machine knows the end at
 * once.
 *
 * Blocking, like the store. Nothing is kept; any thread, one at a time per store handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection leader_collection;

enum { LEADER_ROLE_BYTES_MAX = 32, LEADER_INSTANCE_BYTES = 80, LEADER_PROCESS_BYTES = 96 };

struct leader {
    uint64_t epoch; /* 1, 2, …; 0: nobody ever led */
    char instance[LEADER_INSTANCE_BYTES];
    uint64_t boot_id; /* of the process that took it */
    uint64_t taken_ms;
    uint64_t beat;                      /* raised by each renewal */
    bool released;                      /* it ended in order: the role is free at once */
    char process[LEADER_PROCESS_BYTES]; /* its name to others on its machine; "": it said none */
};

/* Takes the role: STORE_DONE with *epoch_r = one more than anybody had, durable. STORE_CONFLICT
 * when others took it at the same moment several times in a row; STORE_FAILED or STORE_UNKNOWN with
 * *error (an epoch may then have been used up; take again). `boot_id` is random per process: it
 * tells our own write, found after an unknown answer, from a rival's. */
MUST_CHECK enum store_outcome leader_take(struct store *store, const char *role,
                                          const char *instance, uint64_t boot_id, uint64_t now_ms,
                                          uint64_t *epoch_r, struct error *error);

/* Who takes a role, and as what it was found. */
struct leader_claim {
    const char *instance;
    uint64_t boot_id;
    uint64_t now_ms;       /* unix */
    const char *process;   /* "" where nothing can be said */
    uint64_t judged_epoch; /* the newest, 0: nobody's */
};
/* The same where `judged_epoch` is still the newest: STORE_CONFLICT at once where another took the
 * role since it was found free. */
MUST_CHECK enum store_outcome leader_take_as(struct store *store, const char *role,
                                             const struct leader_claim *claim, uint64_t *epoch_r,
                                             struct error *error);

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
    unsigned moves;    /* of this epoch's, seen */
};

/* One look, by who asks. */
struct leader_look {
    const char *instance;
    uint64_t boot_id;
    uint64_t began_ms, ended_ms; /* of leader_read, by a clock that never goes back */
    uint64_t lease_ms;
    bool process_ended; /* the leader's, for certain */
};

enum leader_watched {
    LEADER_HELD = 0, /* somebody leads, or did a moment ago */
    LEADER_LAPSED,   /* the role may be taken: nobody has it, it was released, its process ended, or
                        nothing moved for a lease's length */
    LEADER_NAMESAKE, /* a living process leads under this instance's name: one of the two was given
                        the wrong one */
};

/* Takes in what leader_read gave (NULL: nobody ever led). A time in which the watcher itself stood
 * still never counts: what is judged was read after it. Pure. */
MUST_CHECK enum leader_watched leader_watch_look(struct leader_watch *watch,
                                                 const struct leader *leader,
                                                 const struct leader_look *look);
