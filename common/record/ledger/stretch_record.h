/* Stretches: pieces of the share window whose work the reserve bought, one after the other without
 * gap or overlap, and the fractions of base units that are carried from each to the next.
 *
 * A stretch is a header under the next number (insert-unless-it-exists orders writers, as it does
 * for posting sets) and its earnings in records of their own, durable before the header. It says
 * all that its posting set and the carries follow from. Carries are kept by account in 256 records,
 * each of which knows the newest stretch it took in, so that taking one in again changes nothing;
 * they are written before the stretch's set is posted, and a stretch is begun only when the one
 * before it is posted: so what a new stretch reads there is what the last one left.
 *
 * Blocking, like the store; one thread at a time per store handle. */
#pragma once
#include "core/reward/reward.h"
#include "port/store.h"
#include "port/window.h"

extern const struct store_collection stretch_collection;
extern const struct store_collection stretch_part_collection;
extern const struct store_collection carry_collection;

struct stretch_record {
    uint64_t number; /* 1, 2, … without gaps */
    bool first; /* work is bought from here on: what is older was, or will be, shared by blocks */
    bool last;  /* what is younger is shared by blocks */
    bool begin_empty;             /* nothing stood in the window where it begins */
    bool empty;                   /* nor where it ends */
    struct window_position begin; /* the end of the stretch before; of the first, its own end */
    struct window_position end;   /* its newest share */
    enum reward_scheme scheme;
    u128 network_work;         /* expected hashes of a block when it was bought */
    struct money block;        /* what a block was worth */
    struct money sample;       /* what the node's template would have paid then; 0: not asked */
    uint32_t fee_basis_points; /* of the default class */
    u128 fee_carry;            /* after it: the fee account's fraction */
    struct money fee;
    struct money spent; /* all amounts and the fee */
    uint64_t shares;
    uint32_t accounts;
    uint8_t hash[32]; /* SHA-256 over the packed earnings */
    uint64_t time_ms;
};

/* Keeps the earnings (ascending ids; carry is what is carried on), then the header: STORE_DONE;
 * STORE_EXISTS when the number is taken; STORE_UNKNOWN, STORE_FAILED with *error. Fills accounts
 * and hash. */
MUST_CHECK enum store_outcome stretch_insert(struct store *store, struct stretch_record *stretch,
                                             const struct reward_earning *earnings, size_t count,
                                             struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED: the newest; by number. */
MUST_CHECK enum store_outcome stretch_newest(struct store *store, struct stretch_record *stretch_r,
                                             struct error *error);
MUST_CHECK enum store_outcome stretch_get(struct store *store, uint64_t number,
                                          struct stretch_record *stretch_r, struct error *error);
/* All of it into earnings_r (stretch->accounts of them), ascending. STORE_DONE, or STORE_FAILED
 * with *error, also when they are not what the header's hash says. */
MUST_CHECK enum store_outcome stretch_earnings(struct store *store,
                                               const struct stretch_record *stretch,
                                               struct reward_earning *earnings_r,
                                               struct error *error);
typedef bool (*stretch_visitor)(void *context, const struct stretch_record *stretch);
/* In order of numbers, or against it. */
MUST_CHECK enum store_outcome stretch_walk(struct store *store, enum store_order order,
                                           stretch_visitor visit, void *context,
                                           struct error *error);

/* In order of numbers, those behind `after`, at most `limit`. */
MUST_CHECK enum store_outcome stretch_walk_after(struct store *store, uint64_t after, size_t limit,
                                                 stretch_visitor visit, void *context,
                                                 struct error *error);

/* Fills in what is carried so far for each earning (ascending ids): STORE_DONE, STORE_FAILED. */
MUST_CHECK enum store_outcome carry_read(struct store *store, struct reward_earning *earnings,
                                         size_t count, struct error *error);
/* Takes a stretch's earnings in, however often. STORE_DONE when all have it; STORE_CONFLICT when
 * another wrote at the same time: do it again; STORE_UNKNOWN, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome carry_apply(struct store *store, uint64_t number,
                                          const struct reward_earning *earnings, size_t count,
                                          struct error *error);
/* Every account's carry, by id. */
typedef bool (*carry_visitor)(void *context, uint64_t account, u128 carry);
MUST_CHECK enum store_outcome carry_walk(struct store *store, carry_visitor visit, void *context,
                                         struct error *error);
