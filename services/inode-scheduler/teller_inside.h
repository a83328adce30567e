/* What the teller's files share. */
#pragma once
#include "services/inode-scheduler/teller.h"

#include "record/notice/cursor.h"
#include "record/notice/notice_record.h"
#include "record/notice/preference.h"
#include "record/notice/watch.h"

#include <jansson.h>

enum {
    TELLER_SUBSCRIBERS_MAX = 65536, /* those beyond are told nothing, and the log says so */
    TELLER_PAYMENTS_MAX = 4096,     /* followed at once, from the oldest that is not sent yet */
    TELLER_TEXT_BYTES = 512,        /* what is longer is cut */
};

struct teller_subscriber {
    uint64_t account;
    uint32_t letters, webhooks;
    uint64_t after_ms, from_ms;
    char name[IDENTITY_CANONICAL_BYTES];
};

struct teller {
    struct teller_options options;
    struct teller_counts counts;
    struct teller_subscriber *subscribers; /* by account */
    size_t subscriber_count, subscriber_room;
    bool too_many;     /* subscribers; said once */
    bool said_full;    /* that there is no room */
    bool know_waiting; /* since this look's beginning */
    size_t waiting;
    struct notice *batch; /* NOTICE_BATCH_MAX of them */
    size_t batch_count;
    struct notice_cursor events, payments, audits, paused; /* as stored; version 0: not read yet */
    struct notice_cursor audits_told;  /* its number: when the last difference was found, in ms */
    uint8_t told[TELLER_PAYMENTS_MAX]; /* by number, beyond the cursor: enum told of payments */
    void *payment_memory;
    uint64_t silences_due_ms;            /* when they are looked at next */
    struct notice_watch_record *watches; /* that were read before, by account */
    size_t watch_count, watch_room;
};

/* Reads who wants anything, once a look. */
MUST_CHECK enum store_outcome teller_subscribe(struct teller *teller, struct error *error);
/* NULL where it wants nothing. */
const struct teller_subscriber *teller_subscriber(const struct teller *teller, uint64_t account);
/* Whether there is room for `count` notices more; in doubt it asks the store. STORE_EXISTS: none.
 */
MUST_CHECK enum store_outcome teller_room(struct teller *teller, size_t count, struct error *error);
/* A channel's bit in a set of channels. */
static inline uint32_t teller_bit(enum notice_channel channel)
{
    return UINT32_C(1) << channel;
}
/* The channels by which the subscriber wants the kind (NULL: those that operators have), and how
 * many a set has. */
uint32_t teller_channels(const struct teller *teller, const struct teller_subscriber *subscriber,
                         enum notice_kind kind);
size_t teller_count(uint32_t channels);
/* Puts one by each of the channels on its way; `data` stays the caller's, and what is NULL or too
 * long is logged and left out. teller_flush makes them durable. */
MUST_CHECK enum store_outcome teller_add(struct teller *teller,
                                         const struct teller_subscriber *subscriber,
                                         enum notice_kind kind, uint32_t channels,
                                         const char *cause, const json_t *data,
                                         const struct teller_sight *sight, struct error *error);
MUST_CHECK enum store_outcome teller_flush(struct teller *teller, struct error *error);

/* teller_causes.c */
MUST_CHECK enum store_outcome
teller_follow_events(struct teller *teller, const struct teller_sight *sight, struct error *error);
MUST_CHECK enum store_outcome
teller_follow_audits(struct teller *teller, const struct teller_sight *sight, struct error *error);
MUST_CHECK enum store_outcome
teller_follow_pause(struct teller *teller, const struct teller_sight *sight, struct error *error);
/* teller_payments.c */
MUST_CHECK enum store_outcome teller_follow_payments(struct teller *teller,
                                                     const struct teller_sight *sight,
                                                     struct error *error);
/* teller_silences.c */
MUST_CHECK enum store_outcome teller_follow_silences(struct teller *teller,
                                                     const struct teller_sight *sight,
                                                     struct error *error);
/* Reads a cursor the first time; where nothing was ever followed it begins at `from`, durably. */
MUST_CHECK enum store_outcome teller_begin(struct teller *teller, struct notice_cursor *cursor,
                                           const char *name, uint64_t from, struct error *error);
/* Moves it on; where another did so meanwhile it is read anew at the next look. */
MUST_CHECK enum store_outcome teller_move(struct teller *teller, struct notice_cursor *cursor,
                                          uint64_t to, struct error *error);
/* Base units as the API has them: decimal digits in a text. */
json_t *teller_money(uint64_t units);
/* A text of others, as what it is or made UTF-8. */
json_t *teller_text(const char *text);
