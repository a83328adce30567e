/* What the leading scheduler does to the records of validators and pools: claims them for its
 * epoch, takes in lists and those that register themselves, notes who was heard, and lets scores
 * fade by numbered turns. Every function may be cut off anywhere and called again.
 *
 * Blocking, like the store: one thread. STORE_CONFLICT everywhere means that another leads;
 * STORE_UNKNOWN and STORE_FAILED, with *error, that it is to be done again. */
#pragma once
#include "core/coin/coin.h"
#include "record/member/member.h"
#include "record/turn/turn.h"
#include "services/inode-scheduler/member_list.h"

#define BOOKS_DECAY "decay"
#define BOOKS_VALIDATOR_DECAY "validator_decay"

enum {
    BOOKS_SILENT_MS = 3600 * 1000, /* one of our own that is silent for so long is gone */
};

struct books {
    struct store *store;
    const char *role; /* whose leadership */
    uint64_t epoch;
    uint32_t own_stake;
};

/* Writes our epoch into every record, and our own pool's record. */
MUST_CHECK enum store_outcome books_begin(const struct books *books, const char *pool,
                                          const char *pool_name, struct error *error);

/* Takes a checked list in: what it names is listed, what it does not name any more is gone.
 * NULL: the source is down, and what it named is stale. Then the stakes of our own are dealt out,
 * as far as the list leaves room. */
MUST_CHECK enum store_outcome books_take_list(const struct books *books,
                                              const struct member_list *list, uint64_t now_ms,
                                              struct error *error);

/* One of our own says who it is. Where a list names its key, it is that one. */
struct books_own {
    uint8_t key[MEMBER_KEY_BYTES];
    const char *instance;
    const char *wallet; /* canonical, or "" */
    uint64_t now_ms;
};
MUST_CHECK enum store_outcome books_hello(const struct books *books, const struct books_own *own,
                                          struct error *error);

/* Changes a record as `change` says, which sees it as it is now and answers whether anything is to
 * be written; done again where it moved meanwhile. *member_r: as it is afterwards. STORE_MISSING
 * where there is none. */
typedef bool (*books_change)(void *context, struct member *member);
MUST_CHECK enum store_outcome books_update(const struct books *books, enum member_kind kind,
                                           const char *id, books_change change, void *context,
                                           struct member *member_r, struct error *error);

/* Lets the scores of a kind fade where their turn has come, and ends a turn that was cut off.
 * *turn_r (may be NULL): the newest turn. */
MUST_CHECK enum store_outcome books_decay(const struct books *books, enum member_kind kind,
                                          uint64_t interval_ms, uint64_t now_ms,
                                          struct turn *turn_r, struct error *error);
