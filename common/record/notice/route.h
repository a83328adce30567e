/* What deliveries to an account by a channel have come to (core/notice says what follows from it);
 * written by who delivers. Blocking, like the store; one thread at a time a handle. */
#pragma once
#include "core/notice/notice.h"
#include "port/store.h"

extern const struct store_collection notice_route_collection;

struct notice_route_record {
    uint64_t account;
    enum notice_channel channel;
    struct notice_route route;
    uint64_t version; /* 0: nothing was ever delivered or tried */
};

/* STORE_DONE, with an empty one where there is none or it is damaged; STORE_FAILED. */
MUST_CHECK enum store_outcome notice_route_get(struct store *store, uint64_t account,
                                               enum notice_channel channel,
                                               struct notice_route_record *route_r,
                                               struct error *error);
/* STORE_CONFLICT where another changed it. */
MUST_CHECK enum store_outcome
notice_route_save(struct store *store, struct notice_route_record *route, struct error *error);
