/* How far an account was told of its workers' silences (core/notice); the scheduler that leads
 * writes it. Blocking, like the store; one thread at a time a handle. */
#pragma once
#include "core/notice/notice.h"
#include "port/store.h"

extern const struct store_collection notice_watch_collection;

struct notice_watch_record {
    uint64_t account;
    struct notice_watch watch;
    uint64_t version; /* 0: never told */
};

/* STORE_DONE, with an empty one where there is none; STORE_FAILED. */
MUST_CHECK enum store_outcome notice_watch_get(struct store *store, uint64_t account,
                                               struct notice_watch_record *watch_r,
                                               struct error *error);
/* STORE_CONFLICT where another changed it. */
MUST_CHECK enum store_outcome
notice_watch_save(struct store *store, struct notice_watch_record *watch, struct error *error);
