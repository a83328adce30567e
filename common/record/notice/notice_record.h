/* Notices as the store keeps them: an outbox that outlives the process which wrote it. One record
 * is one notice to one account by one channel; its id is made of these and of its cause (a block's
 * hash, a payment's number, a silence's beginning, an audit's number), so whoever writes it again,
 * after a death or beside a rival, finds it there: no cause is told twice, and none is lost,
 * because what follows the causes goes on only when theirs is durable.
 *
 * Who delivers takes the notice first by putting its next try off, which one of several can; who
 * dies with it leaves it to be tried again then. A notice that is over is kept for a week, for its
 * reader to see what became of it, and because a late rival may still write it.
 *
 * Blocking, like the store; structs hold no memory of others; one thread at a time a handle. */
#pragma once
#include "core/notice/notice.h"
#include "port/store.h"

extern const struct store_collection notice_collection;
/* For store_declare: all collections of this folder. */
MUST_CHECK bool notice_declare(struct store *store, struct error *error);

enum {
    NOTICE_CAUSE_BYTES = 96,
    NOTICE_ID_BYTES = 128,
    NOTICE_RESULT_BYTES = 120,
    NOTICE_BODY_BYTES = 4096,
    NOTICE_KEPT_MS = 7 * 86400000, /* after its end */
};

/* X(enum name, stored value, text) */
#define NOTICE_STATES(X)                                                                           \
    X(NOTICE_WAITING, 1, "waiting")   /* to be tried, or tried again */                            \
    X(NOTICE_SENT, 2, "sent")         /* the other side has taken it */                            \
    X(NOTICE_GIVEN_UP, 3, "given up") /* after its last try, or because it has nowhere to go */    \
    X(NOTICE_WITHHELD, 4, "withheld") /* one too many for the day */

enum notice_state {
#define X(name, value, text) name = value,
    NOTICE_STATES(X)
#undef X
};

struct notice {
    char id[NOTICE_ID_BYTES];
    uint64_t account; /* 0: the operators */
    enum notice_kind kind;
    enum notice_channel channel;
    enum notice_state state;
    uint64_t due_ms;     /* its next try; once it is over: when it is forgotten */
    uint64_t created_ms; /* when what it tells of was noticed */
    uint64_t until_ms;   /* of silences: up to when they began */
    uint64_t tries;
    char result[NOTICE_RESULT_BYTES]; /* of the last try, for people */
    char body[NOTICE_BODY_BYTES];     /* what it tells, as a JSON object */
    uint64_t version;                 /* the store's; as read */
};

/* Static; "unknown" for a value that is none. */
const char *notice_state_name(enum notice_state state);
const char *notice_channel_name(enum notice_channel channel);

/* Fills its id; the cause has no more than NOTICE_CAUSE_BYTES - 1 printable characters. */
void notice_name(struct notice *notice, const char *cause);

/* As a waiting one, due at once. STORE_DONE, durable; STORE_EXISTS where it is there already, be it
 * over or not; STORE_UNKNOWN or STORE_FAILED with *error: do it again. */
MUST_CHECK enum store_outcome notice_insert(struct store *store, struct notice *notice,
                                            struct error *error);
/* Several at once. STORE_DONE when every one is there; *fresh_r counts those that were not. */
enum { NOTICE_BATCH_MAX = 64 };
MUST_CHECK enum store_outcome notice_insert_all(struct store *store, struct notice *notices,
                                                size_t count, size_t *fresh_r, struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome notice_get(struct store *store, const char *id,
                                         struct notice *notice_r, struct error *error);
/* The waiting one of this channel that has been due longest; STORE_MISSING where none is. One that
 * is damaged comes with kind 0, to be given up. */
MUST_CHECK enum store_outcome notice_due(struct store *store, enum notice_channel channel,
                                         uint64_t now_ms, struct notice *notice_r,
                                         struct error *error);
/* As read: STORE_DONE with the new version; STORE_CONFLICT where another changed it. */
MUST_CHECK enum store_outcome notice_save(struct store *store, struct notice *notice,
                                          struct error *error);
/* Deletes up to `limit` of those that are to be forgotten by now. STORE_DONE or STORE_FAILED. */
MUST_CHECK enum store_outcome notice_forget(struct store *store, uint64_t now_ms, size_t limit,
                                            struct error *error);
/* How many wait, `limit` at the most. */
MUST_CHECK enum store_outcome notice_count_waiting(struct store *store, size_t limit,
                                                   size_t *count_r, struct error *error);
/* Those of an account, newest first, `limit` (≥ 1) at the most. */
MUST_CHECK enum store_outcome notice_list(struct store *store, uint64_t account, size_t limit,
                                          struct notice *notices_r, size_t *count_r,
                                          struct error *error);
