/* What the pool's own logs give cause to: blocks found, audits that differ, payouts paused. */
#include "services/inode-scheduler/teller_inside.h"

#include "record/event/event.h"
#include "record/notice/audit_report.h"
#include "record/switch/switch.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    EVENTS_MAX = 64,          /* at one look */
    AGAIN_MS = 23 * 3600000u, /* a difference that stays is told again after so long */
};

struct found {
    struct wire_reward_event events[EVENTS_MAX];
    size_t count;
    uint64_t last; /* the newest sequence that was looked at */
    size_t looked;
};

/* Only a block's first appearance is news; coming back after a reorganisation is not. */
static bool on_event(void *context, const struct wire_reward_event *event)
{
    struct found *found = context;
    found->last = event->sequence;
    if (event->kind == WIRE_REWARD_FOUND && event->generation == 1)
        found->events[found->count++] = *event;
    return ++found->looked < EVENTS_MAX;
}

/* Who found it is told that, and not the same again as a block of the pool by the same channel. */
struct block_channels {
    uint32_t own, found;
};

static struct block_channels channels_of(const struct teller *teller,
                                         const struct teller_subscriber *subscriber,
                                         const struct wire_reward_event *event)
{
    uint32_t own = subscriber->account == event->account
                       ? teller_channels(teller, subscriber, NOTICE_BLOCK_OWN)
                       : 0;
    uint32_t found = teller_channels(teller, subscriber, NOTICE_BLOCK_FOUND);
    return (struct block_channels){ own, found & ~own };
}

static size_t count_block(const struct teller *teller, const struct wire_reward_event *event)
{
    size_t count = 0;
    for (size_t i = 0; i < teller->subscriber_count; i++) {
        struct block_channels channels = channels_of(teller, &teller->subscribers[i], event);
        count += teller_count(channels.own | channels.found);
    }
    return count;
}

static enum store_outcome tell_block(struct teller *teller, const struct wire_reward_event *event,
                                     const struct teller_sight *sight, struct error *error)
{
    const struct coin_profile *coin = teller->options.coin;
    uint8_t shown[32];
    char hash[65], cause[NOTICE_CAUSE_BYTES];
    bytes_reverse(event->block_hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), hash);
    snprintf(cause, sizeof cause, "block:%s", hash);
    enum store_outcome outcome = teller_room(teller, count_block(teller, event), error);
    for (size_t i = 0; i < teller->subscriber_count && outcome == STORE_DONE; i++) {
        const struct teller_subscriber *subscriber = &teller->subscribers[i];
        struct block_channels channels = channels_of(teller, subscriber, event);
        if ((channels.own | channels.found) == 0)
            continue;
        json_t *data = json_pack("{s:s, s:I, s:s, s:o, s:i, s:s}", "account", subscriber->name,
                                 "height", (json_int_t)event->height, "hash", hash, "reward",
                                 teller_money(event->reward), "exponent", (int)coin->decimals,
                                 "ticker", coin->ticker);
        outcome = teller_add(teller, subscriber, NOTICE_BLOCK_OWN, channels.own, cause, data, sight,
                             error);
        if (outcome == STORE_DONE)
            outcome = teller_add(teller, subscriber, NOTICE_BLOCK_FOUND, channels.found, cause,
                                 data, sight, error);
        json_decref(data);
    }
    return outcome == STORE_DONE ? teller_flush(teller, error) : outcome;
}

enum store_outcome teller_follow_events(struct teller *teller, const struct teller_sight *sight,
                                        struct error *error)
{
    struct store *store = teller->options.store;
    struct found found = { .count = 0 };
    uint64_t newest;
    enum store_outcome outcome = event_newest(store, &newest, error);
    if (outcome == STORE_DONE)
        outcome = teller_begin(teller, &teller->events, "events", newest, error);
    if (outcome != STORE_DONE || newest <= teller->events.number)
        return outcome;
    outcome = event_walk(store, teller->events.number, EVENTS_MAX, on_event, &found, error);
    if (outcome == STORE_DONE && found.count > 0)
        outcome = teller_subscribe(teller, error);
    for (size_t i = 0; i < found.count && outcome == STORE_DONE; i++) {
        outcome = tell_block(teller, &found.events[i], sight, error);
        if (outcome == STORE_DONE)
            outcome = teller_move(teller, &teller->events, found.events[i].sequence, error);
    }
    return outcome == STORE_DONE ? teller_move(teller, &teller->events, found.last, error)
                                 : outcome;
}

/* Whether the audit before said the same, and that was told a short while ago. */
static enum store_outcome is_known(struct teller *teller, const struct audit_report *report,
                                   bool *known_r, struct error *error)
{
    struct audit_report before;
    uint64_t told_ms = teller->audits_told.number;
    *known_r = false;
    enum store_outcome outcome =
        audit_report_get(teller->options.store, report->number - 1, &before, error);
    if (outcome == STORE_DONE)
        *known_r = before.differences == report->differences &&
                   strcmp(before.first, report->first) == 0 && report->time_ms >= told_ms &&
                   report->time_ms - told_ms < AGAIN_MS;
    return outcome == STORE_MISSING ? STORE_DONE : outcome;
}

static enum store_outcome tell_audit(struct teller *teller, uint64_t number,
                                     const struct teller_sight *sight, struct error *error)
{
    struct audit_report report;
    char cause[NOTICE_CAUSE_BYTES];
    bool known = false;
    enum store_outcome outcome = audit_report_get(teller->options.store, number, &report, error);
    if (outcome == STORE_MISSING) /* a number that nobody wrote under */
        return STORE_DONE;
    if (outcome == STORE_DONE && report.differences > 0)
        outcome = is_known(teller, &report, &known, error);
    if (outcome != STORE_DONE || report.differences == 0 || known)
        return outcome;
    snprintf(cause, sizeof cause, "audit:%" PRIu64, number);
    json_t *data = json_pack("{s:I, s:I, s:o, s:I}", "audit", (json_int_t)number, "differences",
                             (json_int_t)report.differences, "first", teller_text(report.first),
                             "time", (json_int_t)(report.time_ms / 1000));
    outcome = teller_add(teller, NULL, NOTICE_AUDIT, teller_channels(teller, NULL, NOTICE_AUDIT),
                         cause, data, sight, error);
    json_decref(data);
    if (outcome == STORE_DONE)
        outcome = teller_flush(teller, error);
    return outcome == STORE_DONE ? teller_move(teller, &teller->audits_told, report.time_ms, error)
                                 : outcome;
}

enum store_outcome teller_follow_audits(struct teller *teller, const struct teller_sight *sight,
                                        struct error *error)
{
    uint64_t newest;
    enum store_outcome outcome = audit_report_newest(teller->options.store, &newest, error);
    if (outcome == STORE_DONE)
        outcome = teller_begin(teller, &teller->audits, "audits", newest, error);
    if (outcome == STORE_DONE)
        outcome = teller_begin(teller, &teller->audits_told, "audits.told", 0, error);
    while (outcome == STORE_DONE && teller->audits.number < newest) {
        uint64_t next = teller->audits.number + 1;
        outcome = tell_audit(teller, next, sight, error);
        if (outcome == STORE_DONE)
            outcome = teller_move(teller, &teller->audits, next, error);
    }
    return outcome;
}

enum store_outcome teller_follow_pause(struct teller *teller, const struct teller_sight *sight,
                                       struct error *error)
{
    struct switch_record pause;
    char cause[NOTICE_CAUSE_BYTES];
    enum store_outcome outcome =
        switch_get(teller->options.store, SWITCH_PAYOUT_PAUSED, &pause, error);
    if (outcome == STORE_DONE)
        outcome = teller_begin(teller, &teller->paused, "paused", pause.changed_ms, error);
    if (outcome != STORE_DONE || teller->paused.number == pause.changed_ms)
        return outcome;
    if (pause.on) {
        snprintf(cause, sizeof cause, "paused:%" PRIu64, pause.changed_ms);
        json_t *data =
            json_pack("{s:o, s:o, s:I}", "by", teller_text(pause.by), "reason",
                      teller_text(pause.reason), "time", (json_int_t)(pause.changed_ms / 1000));
        outcome =
            teller_add(teller, NULL, NOTICE_PAUSED, teller_channels(teller, NULL, NOTICE_PAUSED),
                       cause, data, sight, error);
        json_decref(data);
        if (outcome == STORE_DONE)
            outcome = teller_flush(teller, error);
    }
    return outcome == STORE_DONE ? teller_move(teller, &teller->paused, pause.changed_ms, error)
                                 : outcome;
}
