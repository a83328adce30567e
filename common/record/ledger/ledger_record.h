/* The ledger as the store keeps it: posting sets, their entries, the balances that follow from
 * them, and the snapshots that blocks were shared by. Payout alone writes; everybody may read.
 *
 * A set's header is inserted under the next sequence (its id), so the log has no gaps and no two
 * writers can both have a place in it: the one that gets STORE_EXISTS was not alone. A set is open
 * until all its entries are durable, then closed, then applied (every balance has taken it in).
 * Only closed and applied sets count; at most the newest set is not applied. Entries and balances
 * are written in any number of repeats with the same result: a set's entries lie in records of
 * many, whose ids are the set and the first account in them; a balance knows the newest set it took
 * in. Why many lie in one record: decisions/017.
 *
 * Blocking, like the store; one thread at a time per store handle. Structs hold no memory of others
 * unless said. */
#pragma once
#include "core/ledger/ledger.h"
#include "core/pplns/pplns.h"
#include "port/store.h"
#include "port/window.h"

extern const struct store_collection set_collection;
extern const struct store_collection entry_collection;
extern const struct store_collection balance_collection;
extern const struct store_collection snapshot_collection;
extern const struct store_collection snapshot_part_collection;

/* What these records look like, as a number in the store. Format 1 kept each leg and each balance
 * in a record of its own. */
enum { LEDGER_FORMAT_NONE = 0, LEDGER_FORMAT = 2 };
extern const struct store_collection format_collection;
/* STORE_DONE: with LEDGER_FORMAT_NONE where no ledger was begun. STORE_FAILED with *error. */
MUST_CHECK enum store_outcome ledger_format_get(struct store *store, uint32_t *format_r,
                                                struct error *error);
/* States LEDGER_FORMAT: when all of the ledger is in it. STORE_DONE, STORE_UNKNOWN, STORE_FAILED.
 */
MUST_CHECK enum store_outcome ledger_format_put(struct store *store, struct error *error);
/* For who reads the ledger: false with *error where it is in another format. */
MUST_CHECK bool ledger_format_check(struct store *store, struct error *error);

enum set_state {
    SET_OPEN = 1,    /* not all entries are durable: does not count */
    SET_CLOSED = 2,  /* counts; some balances may still lack it */
    SET_APPLIED = 3, /* every balance has it */
};

/* A posting set's header. */
struct set_record {
    uint64_t seq; /* 1, 2, … without gaps */
    enum set_state state;
    struct ledger_cause cause;
    struct ledger_digest digest;
    uint64_t event_sequence; /* the reward event it answers; 0 for payments */
    uint64_t epoch;          /* of the leader that opened it */
    uint64_t time_ms;        /* unix, when it was opened */
    uint64_t version;        /* the store's; as read */
};

/* STORE_DONE (durable, version filled); STORE_EXISTS when the sequence is taken, by a rival or by
 * an insert of ours whose answer got lost: read it; STORE_UNKNOWN, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome set_insert(struct store *store, struct set_record *set,
                                         struct error *error);
/* Moves it to the next state as read: STORE_DONE, STORE_CONFLICT, STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome set_advance(struct store *store, struct set_record *set,
                                          enum set_state to, struct error *error);
/* STORE_DONE, STORE_MISSING, or STORE_FAILED with *error: by sequence; by cause; the newest; the
 * newest that answers a reward event. */
MUST_CHECK enum store_outcome set_get(struct store *store, uint64_t seq, struct set_record *set_r,
                                      struct error *error);
MUST_CHECK enum store_outcome set_of_cause(struct store *store, const struct ledger_cause *cause,
                                           struct set_record *set_r, struct error *error);
MUST_CHECK enum store_outcome set_newest(struct store *store, struct set_record *set_r,
                                         struct error *error);
MUST_CHECK enum store_outcome set_newest_of_events(struct store *store, struct set_record *set_r,
                                                   struct error *error);
/* In order of sequence, all from `first` on; false ends the walk. The visitor must not call the
 * store. */
typedef bool (*set_visitor)(void *context, const struct set_record *set);
MUST_CHECK enum store_outcome set_walk(struct store *store, uint64_t first, set_visitor visit,
                                       void *context, struct error *error);

/* All of them, by the text of their cause: equal ones are neighbours. */
MUST_CHECK enum store_outcome set_walk_causes(struct store *store, set_visitor visit, void *context,
                                              struct error *error);

/* One leg of a set, as kept. */
struct entry_record {
    uint64_t seq;
    struct ledger_leg leg;
    struct ledger_link link;
};

/* Writes all legs (closed, in canonical order) of a set that is open, however often, each with its
 * account's link, which follows from the balances: those have taken in all sets before it.
 * STORE_DONE when every one is durable; STORE_CONFLICT where a balance has taken in this set
 * already: somebody else closed it; STORE_UNKNOWN, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome entry_insert_all(struct store *store, uint64_t seq,
                                               const struct ledger_leg *legs, size_t count,
                                               struct error *error);
/* The same with the links given: for stores that are converted. */
MUST_CHECK enum store_outcome entry_insert_linked(struct store *store, uint64_t seq,
                                                  const struct ledger_leg *legs,
                                                  const struct ledger_link *links, size_t count,
                                                  struct error *error);
/* The legs of one set in canonical order into legs_r, and where links_r is not NULL their links;
 * STORE_DONE with *count_r, also where there are none; STORE_FAILED with *error, also where there
 * are more than capacity. */
MUST_CHECK enum store_outcome entry_read_all(struct store *store, uint64_t seq,
                                             struct ledger_leg *legs_r, struct ledger_link *links_r,
                                             size_t capacity, size_t *count_r, struct error *error);
typedef bool (*entry_visitor)(void *context, const struct entry_record *entry);
/* One account's entries, newest first, at most `limit` (0: all), with seq ≤ newest (0: no bound):
 * those that its balance has taken in, so all of them count. The list is followed from the balance
 * on, one look at a set each. */
MUST_CHECK enum store_outcome entry_walk_account(struct store *store,
                                                 const struct ledger_account *account,
                                                 uint64_t newest, size_t limit, entry_visitor visit,
                                                 void *context, struct error *error);
/* Every entry of the sets from `first` on, by set. */
MUST_CHECK enum store_outcome entry_walk(struct store *store, uint64_t first, entry_visitor visit,
                                         void *context, struct error *error);

/* Entries of format 1, as entry_read_all has them; whether they are what their set's header says is
 * for the caller to see. Declare entry_1_collection before. */
extern const struct store_collection entry_1_collection;
MUST_CHECK enum store_outcome entry_1_read_all(struct store *store, uint64_t seq,
                                               struct ledger_leg *legs_r, size_t capacity,
                                               size_t *count_r, struct error *error);

/* What one account has. */
struct balance_record {
    struct ledger_account account;
    struct ledger_balance amounts;
    uint64_t version; /* the store's, of the page it lies in; 0: not there yet */
    bool misindexed;  /* its page's index says that there is more, or less, to pay than there is */
};

/* STORE_DONE; STORE_MISSING with a zero balance of version 0 (an account that never had anything);
 * STORE_FAILED with *error. */
MUST_CHECK enum store_outcome balance_get(struct store *store, const struct ledger_account *account,
                                          struct balance_record *balance_r, struct error *error);
/* Takes the legs of a closed set, whose cause is of this kind, into the balances they name, however
 * often: those that have it are left alone. STORE_DONE when all have it. STORE_CONFLICT when
 * another wrote at the same time: read anew and do it again. STORE_FAILED (also, with
 * ERROR_INVALID, where a miner would go below zero) and STORE_UNKNOWN with *error. */
MUST_CHECK enum store_outcome balance_apply_all(struct store *store, uint64_t seq,
                                                enum ledger_cause_kind cause,
                                                const struct ledger_leg *legs, size_t count,
                                                struct error *error);
/* What the entries of a set link to, by what the balances have taken in: one for each leg.
 * STORE_DONE; STORE_CONFLICT where one has taken in this set or a newer one; STORE_FAILED. */
MUST_CHECK enum store_outcome balance_links(struct store *store, uint64_t seq,
                                            const struct ledger_leg *legs, size_t count,
                                            struct ledger_link *links_r, struct error *error);
/* Writes other amounts over a balance as it was read (version 0: it was not there): STORE_DONE, or
 * STORE_CONFLICT where it is not that any more, STORE_UNKNOWN, STORE_FAILED. For rebuilding and
 * converting alone. */
MUST_CHECK enum store_outcome balance_put(struct store *store, const struct balance_record *read,
                                          const struct ledger_balance *amounts,
                                          struct error *error);
/* Writes balances as they are, with all that lie in the same pages, whatever these held before:
 * ascending accounts, and all of a page at once. STORE_DONE, STORE_CONFLICT, STORE_UNKNOWN,
 * STORE_FAILED. For converting alone. `still` is asked between the reading of a page and its
 * replacing, which is bound to what was read: so whoever leads next either wrote the page before,
 * and `still` says no, or writes it after, over what is known to be ours. */
MUST_CHECK enum store_outcome balance_put_all(struct store *store,
                                              const struct balance_record *balances, size_t count,
                                              bool (*still)(void *context, struct error *error),
                                              void *context, struct error *error);
/* Deletes up to `most` of the balances that format 1 kept, a record each; *count_r: how many there
 * were. Outcomes as of balance_put. For converting alone. */
MUST_CHECK enum store_outcome balance_1_delete(struct store *store, size_t most, size_t *count_r,
                                               struct error *error);
typedef bool (*balance_visitor)(void *context, const struct balance_record *balance);
/* All of them: the pool's own accounts, then miners by id; or those with `available` at least
 * `least`, in no order. */
MUST_CHECK enum store_outcome balance_walk(struct store *store, balance_visitor visit,
                                           void *context, struct error *error);
MUST_CHECK enum store_outcome balance_walk_available(struct store *store, int64_t least,
                                                     balance_visitor visit, void *context,
                                                     struct error *error);

/* How a block was shared: kept for good, so that any payout can be computed again. */
struct snapshot_record {
    uint8_t block_hash[32];
    uint32_t height;
    struct money reward;
    struct money fee;
    struct money unallocated;  /* the whole reward after fee where nobody had a share */
    struct money reserve;      /* the whole reward where the reserve buys the work */
    uint32_t fee_basis_points; /* of the default class; each part has its own */
    uint32_t window_percent;   /* 0: the window is not a multiple of the network's work */
    u128 network_work;
    u128 window_work;              /* what the window should hold */
    u128 filled;                   /* what it held */
    uint64_t shares;               /* counted, the boundary share among them */
    bool empty;                    /* no share at all stood before its end */
    struct window_position end;    /* its newest share */
    struct window_position oldest; /* its oldest, the boundary share */
    bool has_after;                /* nothing before and at `after` counts: the round began there */
    struct window_position after;
    uint64_t finder; /* the account whose share found it; 0: none */
    uint32_t accounts;
    uint8_t part_bytes; /* packed: 32, or 34 where not all pay fee_basis_points; the record's own */
    uint8_t hash[32];   /* SHA-256 over the packed parts */
    uint64_t time_ms;
    char scheme[16]; /* "pplns", … (core/reward) */
};

/* Keeps the parts (ascending ids, each with its fee), then the header, which makes it count:
 * STORE_DONE; STORE_EXISTS when this block has a snapshot already: that one counts, read it;
 * STORE_UNKNOWN, STORE_FAILED with *error. Fills snapshot->hash and snapshot->accounts. */
MUST_CHECK enum store_outcome snapshot_insert(struct store *store, struct snapshot_record *snapshot,
                                              const struct pplns_part *parts, size_t count,
                                              struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome snapshot_get(struct store *store, const uint8_t block_hash[32],
                                           struct snapshot_record *snapshot_r, struct error *error);
/* All parts of it into parts_r (snapshot->accounts of them; remainder is 0), ascending.
 * STORE_DONE, or STORE_FAILED with *error, also when they are not what the header's hash says. */
MUST_CHECK enum store_outcome snapshot_parts(struct store *store,
                                             const struct snapshot_record *snapshot,
                                             struct pplns_part *parts_r, struct error *error);
typedef bool (*snapshot_visitor)(void *context, const struct snapshot_record *snapshot);
/* From the highest down. */
MUST_CHECK enum store_outcome snapshot_walk_newest(struct store *store, snapshot_visitor visit,
                                                   void *context, struct error *error);
/* By height. */
MUST_CHECK enum store_outcome snapshot_walk(struct store *store, uint32_t least_height,
                                            snapshot_visitor visit, void *context,
                                            struct error *error);
