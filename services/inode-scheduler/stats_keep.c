/* What changed of the series is written to the store, page by page (stats_page.h). */
#include "services/inode-scheduler/stats_page.h"

#include "record/leader/leader.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGES_A_CALL = 32 };

static size_t write_totals(const struct series *series, uint8_t *at)
{
    store_le64(at, series->account);
    store_le64(at + 8, series->worker);
    store_le64(at + 16, series->since_ms);
    store_le64(at + 24, series->last_ms);
    store_le64(at + 32, series->accepted);
    store_le64(at + 40, (uint64_t)series->accepted_work);
    store_le64(at + 48, (uint64_t)(series->accepted_work >> 64));
    return TOTALS_BYTES;
}

/* 32 bits of shares of at most 64 bits of work: 96 bits hold it. */
static size_t write_slot(const struct series *series, const struct slot *slot, uint8_t *at)
{
    store_le64(at, series->account);
    store_le64(at + 8, series->worker);
    store_le32(at + 16, slot->shares);
    store_le64(at + 20, slot->work_low);
    store_le32(at + 28, (uint32_t)slot->work_high);
    return ENTRY_BYTES;
}

static size_t write_head(const struct stats *stats, uint8_t *bytes)
{
    uint8_t *at = bytes + write_totals(stats->pool, bytes);
    for (size_t i = 0; i < ACTIVE_SLOTS; i++, at += ACTIVE_BYTES) {
        store_le32(at, stats->minutes[i].span);
        store_le32(at + 4, stats->minutes[i].workers);
    }
    return HEAD_BYTES;
}

static size_t write_page(struct stats *stats, size_t number, uint8_t *bytes)
{
    const struct ring *ring = stats_ring_of(number);
    uint32_t span = stats->pages[number].span;
    if (number == PAGE_HEAD)
        return write_head(stats, bytes);
    if (ring != NULL && span == 0)
        return 0;
    /* The pool's stands first, always. */
    struct slot none = { .span = span };
    size_t used = 0;
    if (ring != NULL) {
        const struct slot *slot = stats_slot_of(stats->pool, ring, span);
        used = write_slot(stats->pool, slot->span == span ? slot : &none, bytes);
    }
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        struct series *series = stats->table[i];
        if (series == NULL)
            continue;
        if (ring == NULL) {
            if (page_of_totals(series->account) == number)
                used += write_totals(series, bytes + used);
        } else if (stats_slot_of(series, ring, span)->span == span) {
            used += write_slot(series, stats_slot_of(series, ring, span), bytes + used);
        }
    }
    return used;
}

static enum store_outcome save(struct stats *stats, size_t number, struct store *store,
                               uint8_t *bytes, struct error *error)
{
    struct stats_page *page = &stats->pages[number];
    const struct ring *ring = stats_ring_of(number);
    struct window_position upto = stats->last;
    /* The head says that the round is over. */
    const struct window_position through =
        number == PAGE_HEAD ? stats->keeping.through : stats->through;
    const struct active *active = ring == NULL ? NULL : stats_active_of(stats, ring, page->span);
    bool fits = active != NULL && active->span == page->span;
    double expected = number == PAGE_HEAD ? stats->expected : fits ? active->expected : 0;
    char id[16];
    snprintf(id, sizeof id, "%03zu", number);
    struct store_write write = {
        .verb = page->version == 0 ? STORE_INSERT : STORE_REPLACE,
        .collection = &stats_collection,
        .record = { .id = id,
                    .version = page->version,
                    .values = { [STATS_F_FORM] = store_int(STATS_FORM),
                                [STATS_F_SPAN] = store_int(page->span),
                                [STATS_F_HIGH] = store_int((int64_t)upto.high),
                                [STATS_F_LOW] = store_int((int64_t)upto.low),
                                [STATS_F_THROUGH_HIGH] = store_int((int64_t)through.high),
                                [STATS_F_THROUGH_LOW] = store_int((int64_t)through.low),
                                [STATS_F_WORKERS] = store_int(fits ? active->workers : 0),
                                [STATS_F_EXPECTED] = store_int(stats_bits_of(expected)),
                                [STATS_F_ENTRIES] = store_bytes(
                                    span_of(bytes, write_page(stats, number, bytes))) } }
    };
    write.record.values[STATS_F_CHECK] = store_int(stats_check_of(&write.record));
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    if (outcome == STORE_DONE)
        outcome = write.outcome;
    if (outcome != STORE_DONE)
        return outcome;
    page->version++;
    page->kept = upto;
    page->damaged = false;
    if (number == PAGE_HEAD)
        stats->through = through;
    return STORE_DONE;
}

/* What another wrote further than we have read is left alone. */
static bool changed(const struct stats *stats, size_t number)
{
    const struct stats_page *page = &stats->pages[number];
    return window_position_compare(&page->kept, &stats->last) <= 0 &&
           (page->damaged || window_position_compare(&page->newest, &page->kept) > 0);
}

static bool run(struct stats *stats, struct store *store, uint8_t *bytes, struct error *error)
{
    for (unsigned written = 0; written < PAGES_A_CALL; stats->keeping.page--) {
        size_t number = stats->keeping.page;
        if (changed(stats, number)) {
            enum store_outcome outcome = save(stats, number, store, bytes, error);
            written++;
            if (outcome != STORE_DONE) {
                stats->keeping.know_versions = outcome == STORE_FAILED;
                return outcome == STORE_FAILED || outcome == STORE_UNKNOWN
                           ? false
                           : error_set(error, ERROR_REFUSED,
                                       "another scheduler keeps page %zu of the series", number);
            }
        }
        if (number == PAGE_HEAD) {
            stats->keeping.runs = false;
            return true;
        }
    }
    return true;
}

void stats_keep_every(struct stats *stats, uint64_t period_ms)
{
    stats->keeping.period_ms = period_ms;
}

bool stats_keep(struct stats *stats, struct store *store, const char *role, uint64_t epoch,
                uint64_t now_ms, struct error *error)
{
    if (!stats->have_last || !stats->began)
        return true; /* there is nothing */
    if (!stats->keeping.runs && now_ms - stats->keeping.saved_ms < stats->keeping.period_ms)
        return true;
    switch (leader_still(store, role, epoch, error)) {
    case STORE_DONE:
        break;
    case STORE_CONFLICT: /* it will be told, and may lead again */
        stats->keeping.know_versions = stats->keeping.runs = false;
        return true;
    default:
        return false;
    }
    if (stats->keeping.epoch != epoch) /* another led before */
        stats->keeping.know_versions = false;
    stats->keeping.epoch = epoch;
    if (!stats->keeping.know_versions && !stats_look(stats, store, error))
        return false;
    if (!stats->keeping.runs) {
        stats->keeping.runs = true;
        stats->keeping.page = PAGES - 1;
        stats->keeping.through = stats->last;
        stats->keeping.saved_ms = now_ms;
    }
    uint8_t *bytes = malloc(STATS_PAGE_BYTES_MAX);
    ASSERT(bytes != NULL);
    bool ok = run(stats, store, bytes, error);
    free(bytes);
    return ok;
}
