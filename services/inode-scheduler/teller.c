#include "services/inode-scheduler/teller_inside.h"

#include "base/utf8.h"
#include "record/leader/leader.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct teller *teller_create(const struct teller_options *options)
{
    struct teller *teller = calloc(1, sizeof *teller);
    ASSERT(teller != NULL);
    teller->options = *options;
    teller->batch = calloc(NOTICE_BATCH_MAX, sizeof *teller->batch);
    ASSERT(teller->batch != NULL);
    return teller;
}

void teller_destroy(struct teller *teller)
{
    if (teller == NULL)
        return;
    free(teller->subscribers);
    free(teller->batch);
    free(teller->payment_memory);
    free(teller->watches);
    free(teller);
}

struct teller_counts teller_counts(const struct teller *teller)
{
    return teller->counts;
}

static int compare_last(const void *left, const void *right)
{
    const struct stats_last *a = left, *b = right;
    if (a->account != b->account)
        return a->account < b->account ? -1 : 1;
    if (a->last_ms != b->last_ms)
        return a->last_ms < b->last_ms ? -1 : 1;
    return a->worker < b->worker ? -1 : a->worker > b->worker;
}

void teller_sort(struct stats_last *last, size_t count)
{
    qsort(last, count, sizeof *last, compare_last);
}

static int compare_subscribers(const void *left, const void *right)
{
    const struct teller_subscriber *a = left, *b = right;
    return a->account < b->account ? -1 : a->account > b->account;
}

static bool on_preference(void *context, const struct notice_preference *preference)
{
    struct teller *teller = context;
    if (teller->subscriber_count == TELLER_SUBSCRIBERS_MAX) {
        if (!teller->too_many)
            log_error("teller.too_many", "subscribers=%d", TELLER_SUBSCRIBERS_MAX);
        teller->too_many = true;
        return false;
    }
    if (teller->subscriber_count == teller->subscriber_room) {
        teller->subscriber_room = teller->subscriber_room == 0 ? 64 : 2 * teller->subscriber_room;
        teller->subscribers =
            realloc(teller->subscribers, teller->subscriber_room * sizeof *teller->subscribers);
        ASSERT(teller->subscribers != NULL);
    }
    struct teller_subscriber *one = &teller->subscribers[teller->subscriber_count++];
    *one = (struct teller_subscriber){ .account = preference->account,
                                       .letters = preference->letters,
                                       .after_ms = preference->after_ms,
                                       .from_ms = preference->from_ms };
    if (preference->url[0] != '\0' && preference->off_ms == 0)
        one->webhooks = preference->webhooks;
    memcpy(one->name, preference->name, sizeof one->name);
    return true;
}

enum store_outcome teller_subscribe(struct teller *teller, struct error *error)
{
    teller->subscriber_count = 0;
    enum store_outcome outcome =
        notice_preference_walk(teller->options.store, on_preference, teller, error);
    qsort(teller->subscribers, teller->subscriber_count, sizeof *teller->subscribers,
          compare_subscribers);
    return outcome;
}

const struct teller_subscriber *teller_subscriber(const struct teller *teller, uint64_t account)
{
    const struct teller_subscriber key = { .account = account };
    return teller->subscriber_count == 0
               ? NULL
               : bsearch(&key, teller->subscribers, teller->subscriber_count, sizeof key,
                         compare_subscribers);
}

enum store_outcome teller_room(struct teller *teller, size_t count, struct error *error)
{
    size_t most = teller->options.waiting_max;
    if (!teller->know_waiting) {
        enum store_outcome outcome =
            notice_count_waiting(teller->options.store, most, &teller->waiting, error);
        if (outcome != STORE_DONE)
            return outcome;
        teller->know_waiting = true;
    }
    /* A cause that takes more than half of all the room goes when the other half is free: else one
     * notice that waits would hold it, and what comes behind it, for as long as any waits. */
    if ((count <= most && teller->waiting <= most - count) ||
        (count > most / 2 && teller->waiting <= most / 2))
        return STORE_DONE;
    if (!teller->said_full)
        log_error("teller.full", "waiting=%zu", teller->waiting);
    teller->counts.full = teller->said_full = true;
    return STORE_EXISTS;
}

enum store_outcome teller_flush(struct teller *teller, struct error *error)
{
    size_t fresh;
    enum store_outcome outcome =
        notice_insert_all(teller->options.store, teller->batch, teller->batch_count, &fresh, error);
    for (size_t i = 0; i < teller->batch_count; i++)
        teller->counts.made[teller->batch[i].channel == NOTICE_LETTER ? 0 : 1] +=
            teller->batch[i].version != 0;
    teller->waiting += fresh;
    teller->batch_count = 0;
    return outcome;
}

uint32_t teller_channels(const struct teller *teller, const struct teller_subscriber *subscriber,
                         enum notice_kind kind)
{
    bool letter = subscriber != NULL ? (subscriber->letters & notice_bit(kind)) != 0
                                     : teller->options.operators_letters;
    bool webhook = subscriber != NULL ? (subscriber->webhooks & notice_bit(kind)) != 0
                                      : teller->options.operators_webhook;
    return (letter ? teller_bit(NOTICE_LETTER) : 0) | (webhook ? teller_bit(NOTICE_WEBHOOK) : 0);
}

size_t teller_count(uint32_t channels)
{
    return (size_t)__builtin_popcount(channels);
}

enum store_outcome teller_add(struct teller *teller, const struct teller_subscriber *subscriber,
                              enum notice_kind kind, uint32_t channels, const char *cause,
                              const json_t *data, const struct teller_sight *sight,
                              struct error *error)
{
    char body[NOTICE_BODY_BYTES] = "";
    size_t length = json_dumpb(data, body, sizeof body - 1, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (length == 0 || length >= sizeof body) {
        /* Who stopped here would stop at the same again, and so would whoever leads next. */
        log_error("teller.untellable", "cause=%s type=%s", cause, notice_type(kind));
        return STORE_DONE;
    }
    for (int channel = NOTICE_LETTER; channel <= NOTICE_WEBHOOK; channel++) {
        if ((channels & teller_bit((enum notice_channel)channel)) == 0)
            continue;
        if (teller->batch_count == NOTICE_BATCH_MAX) {
            enum store_outcome outcome = teller_flush(teller, error);
            if (outcome != STORE_DONE)
                return outcome;
        }
        struct notice *notice = &teller->batch[teller->batch_count++];
        memset(notice, 0, sizeof *notice);
        notice->account = subscriber != NULL ? subscriber->account : 0;
        notice->kind = kind;
        notice->channel = (enum notice_channel)channel;
        notice->created_ms = sight->now_ms;
        notice_name(notice, cause);
        memcpy(notice->body, body, length);
    }
    return STORE_DONE;
}

enum store_outcome teller_begin(struct teller *teller, struct notice_cursor *cursor,
                                const char *name, uint64_t from, struct error *error)
{
    if (cursor->version != 0)
        return STORE_DONE;
    cursor->name = name;
    enum store_outcome outcome = notice_cursor_get(teller->options.store, cursor, error);
    if (outcome != STORE_DONE || cursor->version != 0)
        return outcome;
    return teller_move(teller, cursor, from, error);
}

enum store_outcome teller_move(struct teller *teller, struct notice_cursor *cursor, uint64_t to,
                               struct error *error)
{
    if (cursor->version != 0 && cursor->number == to)
        return STORE_DONE;
    cursor->number = to;
    enum store_outcome outcome = notice_cursor_save(teller->options.store, cursor, error);
    if (outcome != STORE_DONE)
        cursor->version = 0;
    return outcome;
}

json_t *teller_money(uint64_t units)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, units);
    return json_string(text);
}

json_t *teller_text(const char *text)
{
    char kept[TELLER_TEXT_BYTES];
    return json_string(utf8_keep(text, strlen(text), kept, sizeof kept));
}

enum store_outcome teller_look(struct teller *teller, const struct teller_sight *sight,
                               struct error *error)
{
    static enum store_outcome (*const followers[])(struct teller *, const struct teller_sight *,
                                                   struct error *) = {
        teller_follow_audits,   teller_follow_pause,    teller_follow_events,
        teller_follow_payments, teller_follow_silences,
    };
    const struct teller_options *options = &teller->options;
    teller->counts.full = false;
    teller->know_waiting = false;
    enum store_outcome outcome = leader_still(options->store, options->role, options->epoch, error);
    for (size_t i = 0; i < sizeof followers / sizeof *followers; i++) {
        if (outcome != STORE_DONE)
            break;
        teller->batch_count = 0; /* what was left of a look that failed */
        outcome = followers[i](teller, sight, error);
        if (outcome == STORE_EXISTS) /* no room for this one; others may be smaller */
            outcome = STORE_DONE;
    }
    if (teller->said_full && !teller->counts.full && outcome == STORE_DONE) {
        log_info("teller.again", "waiting=%zu", teller->waiting);
        teller->said_full = false;
    }
    return outcome;
}
