/* The audit trail: what happened to accounts that an owner or an operator wants to know of. Events
 * are only ever added; there is no function that changes or removes one.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection access_event_collection;

enum {
    EVENT_ID_BYTES = 51,
    EVENT_KIND_BYTES = 33,
    EVENT_ACTOR_BYTES = 41,
    EVENT_DETAIL_BYTES = 161
};

struct event {
    char id[EVENT_ID_BYTES]; /* account, time and a number: in an account's order of time */
    uint64_t account_id;     /* 0: of no account that is known */
    uint64_t time_ms;
    char kind[EVENT_KIND_BYTES];      /* "login", "login.failed", "address" … */
    char actor[EVENT_ACTOR_BYTES];    /* "owner", "key <id>", "operator", "machine", "unknown" */
    char client[ACCESS_CLIENT_BYTES]; /* the address it came from; "": this machine */
    char detail[EVENT_DETAIL_BYTES];  /* never a secret */
};

/* Adds it under a fresh id, from account, time and `number`, which is random. Adding it again under
 * the same number changes nothing. */
MUST_CHECK enum store_outcome access_event_append(struct store *store, struct event *event,
                                                  uint64_t number, struct error *error);
typedef bool (*access_event_visitor)(void *context, const struct event *event);
/* An account's events, or with `all` everybody's, the newest first, those older than `before_ms`
 * (0: from now on), at most `limit`. With past_id (an event's; may be NULL) before_ms is that
 * event's time, and those behind it are visited. */
MUST_CHECK enum store_outcome access_event_walk(struct store *store, uint64_t account_id, bool all,
                                                uint64_t before_ms, const char *past_id,
                                                size_t limit, access_event_visitor visitor,
                                                void *context, struct error *error);
