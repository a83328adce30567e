/* Workers that fell silent. core/notice says when that is told; here it is found out for whom, and
 * which they are. All that is due for an account goes into one notice, however many they are. */
#include "services/inode-scheduler/teller_inside.h"

#include "record/account/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    NAMES_MAX = 12,
    NAMES_BYTES_MAX = 2000, /* as JSON: the notice holds them */
    EVERY_MS = 5000,
};

/* Those of one account, oldest first. */
struct silent {
    const struct stats_last *last;
    size_t count;
};

static struct silent of_account(const struct teller_sight *sight, uint64_t account)
{
    size_t low = 0, high = sight->last_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sight->last[middle].account < account)
            low = middle + 1;
        else
            high = middle;
    }
    struct silent silent = { sight->last + low, 0 };
    while (low + silent.count < sight->last_count && silent.last[silent.count].account == account)
        silent.count++;
    return silent;
}

/* Those that fell silent after `after_ms` and up to `until_ms`. */
static struct silent between(struct silent all, uint64_t after_ms, uint64_t until_ms)
{
    while (all.count > 0 && all.last[0].last_ms <= after_ms) {
        all.last++;
        all.count--;
    }
    while (all.count > 0 && all.last[all.count - 1].last_ms > until_ms)
        all.count--;
    return all;
}

/* As it is stored; in memory once it was read, because none but us writes it while we lead. */
static enum store_outcome watch_of(struct teller *teller, uint64_t account,
                                   struct notice_watch_record **watch_r, struct error *error)
{
    size_t low = 0, high = teller->watch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (teller->watches[middle].account < account)
            low = middle + 1;
        else
            high = middle;
    }
    *watch_r = &teller->watches[low];
    if (low < teller->watch_count && teller->watches[low].account == account)
        return STORE_DONE;
    struct notice_watch_record fresh;
    enum store_outcome outcome = notice_watch_get(teller->options.store, account, &fresh, error);
    if (outcome != STORE_DONE)
        return outcome;
    if (teller->watch_count == teller->watch_room) {
        teller->watch_room = teller->watch_room == 0 ? 64 : 2 * teller->watch_room;
        teller->watches = realloc(teller->watches, teller->watch_room * sizeof *teller->watches);
        ASSERT(teller->watches != NULL);
    }
    memmove(&teller->watches[low + 1], &teller->watches[low],
            (teller->watch_count - low) * sizeof *teller->watches);
    teller->watches[low] = fresh;
    teller->watch_count++;
    *watch_r = &teller->watches[low];
    return STORE_DONE;
}

static enum store_outcome describe(struct teller *teller, const struct stats_last *last,
                                   json_t **worker_r, struct error *error)
{
    struct account_worker worker = { .name = "" };
    enum store_outcome outcome =
        worker_get(teller->options.store, last->account, last->worker, &worker, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return outcome;
    char time[32];
    time_t seconds = (time_t)(last->last_ms / 1000);
    struct tm parts;
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    *worker_r = json_pack("{s:o, s:s}", "name", teller_text(worker.name), "last_share", time);
    return STORE_DONE;
}

static enum store_outcome tell(struct teller *teller, const struct teller_subscriber *subscriber,
                               struct silent silent, const char *cause, uint64_t until_ms,
                               const struct teller_sight *sight, struct error *error)
{
    json_t *workers = json_array();
    enum store_outcome outcome = STORE_DONE;
    size_t bytes = 0;
    for (size_t i = 0; i < silent.count && i < NAMES_MAX && bytes < NAMES_BYTES_MAX; i++) {
        json_t *worker;
        outcome = describe(teller, &silent.last[i], &worker, error);
        if (outcome != STORE_DONE)
            break;
        bytes += json_dumpb(worker, NULL, 0, JSON_COMPACT);
        json_array_append_new(workers, worker);
    }
    json_t *data =
        json_pack("{s:s, s:o, s:I, s:I}", "account", subscriber->name, "workers", workers, "count",
                  (json_int_t)silent.count, "after_s", (json_int_t)(subscriber->after_ms / 1000));
    if (outcome == STORE_DONE)
        outcome = teller_add(teller, subscriber, NOTICE_WORKER_OFFLINE,
                             teller_channels(teller, subscriber, NOTICE_WORKER_OFFLINE), cause,
                             data, sight, error);
    json_decref(data);
    for (size_t i = 0; i < teller->batch_count; i++)
        teller->batch[i].until_ms = until_ms;
    return outcome == STORE_DONE ? teller_flush(teller, error) : outcome;
}

/* Who was killed between a notice and the note of it left the notice: how far that went stands in
 * it, and what this one tells by another channel goes no further. */
static enum store_outcome told_before(struct teller *teller, uint64_t account, const char *cause,
                                      uint64_t *until_ms, struct error *error)
{
    for (int channel = NOTICE_LETTER; channel <= NOTICE_WEBHOOK; channel++) {
        struct notice before,
            name = { .account = account, .channel = (enum notice_channel)channel };
        notice_name(&name, cause);
        enum store_outcome outcome = notice_get(teller->options.store, name.id, &before, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return outcome;
        if (outcome == STORE_DONE && before.until_ms < *until_ms)
            *until_ms = before.until_ms;
    }
    return STORE_DONE;
}

static enum store_outcome look_at(struct teller *teller, const struct teller_subscriber *subscriber,
                                  const struct teller_sight *sight, struct error *error)
{
    const struct notice_patience patience = { subscriber->after_ms, teller->options.quiet_ms };
    uint64_t now_ms = sight->read_ms, until_ms = notice_horizon_ms(&patience, now_ms);
    char cause[NOTICE_CAUSE_BYTES];
    struct silent all = of_account(sight, subscriber->account);
    if (between(all, subscriber->from_ms, until_ms).count == 0)
        return STORE_DONE;
    struct notice_watch_record *record;
    enum store_outcome outcome = watch_of(teller, subscriber->account, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    struct notice_watch watch = record->watch;
    if (watch.until_ms < subscriber->from_ms)
        watch.until_ms = subscriber->from_ms;
    struct silent silent = between(all, watch.until_ms, until_ms);
    if (silent.count == 0 ||
        !notice_is_due(&watch, &patience, silent.last[0].last_ms, sight->steady_ms, now_ms))
        return STORE_DONE;
    snprintf(cause, sizeof cause, "offline:%" PRIu64, watch.until_ms);
    outcome = teller_room(
        teller, teller_count(teller_channels(teller, subscriber, NOTICE_WORKER_OFFLINE)), error);
    if (outcome == STORE_DONE)
        outcome = told_before(teller, subscriber->account, cause, &until_ms, error);
    silent = between(all, watch.until_ms, until_ms);
    if (outcome == STORE_DONE && silent.count > 0)
        outcome = tell(teller, subscriber, silent, cause, until_ms, sight, error);
    if (outcome != STORE_DONE)
        return outcome;
    notice_told(&watch, until_ms, now_ms);
    record->watch = watch;
    outcome = notice_watch_save(teller->options.store, record, error);
    if (outcome != STORE_DONE) { /* read anew at the next look */
        memmove(record, record + 1,
                (size_t)(teller->watches + teller->watch_count - record - 1) * sizeof *record);
        teller->watch_count--;
    }
    return outcome;
}

enum store_outcome teller_follow_silences(struct teller *teller, const struct teller_sight *sight,
                                          struct error *error)
{
    if (sight->read_ms == 0 || sight->steady_ms == UINT64_MAX || sight->last_count == 0)
        return STORE_DONE;
    /* Everybody is read for it, so not at every look; a clock set back does not stop it. */
    uint64_t due_ms = teller->silences_due_ms, now_ms = sight->now_ms;
    if (now_ms < due_ms && due_ms - now_ms <= EVERY_MS)
        return STORE_DONE;
    teller->silences_due_ms = now_ms + EVERY_MS;
    const uint32_t offline = notice_bit(NOTICE_WORKER_OFFLINE);
    enum store_outcome outcome = teller_subscribe(teller, error);
    for (size_t i = 0; i < teller->subscriber_count && outcome == STORE_DONE; i++) {
        const struct teller_subscriber *subscriber = &teller->subscribers[i];
        if (((subscriber->letters | subscriber->webhooks) & offline) != 0)
            outcome = look_at(teller, subscriber, sight, error);
    }
    return outcome;
}
