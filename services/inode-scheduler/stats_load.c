/* What the store has of the series (stats_page.h) is taken in. */
#include "services/inode-scheduler/stats_page.h"

#include "service/log.h"

#include <inttypes.h>

static void read_totals(struct series *series, const uint8_t *at)
{
    series->since_ms = load_le64(at + 16);
    series->last_ms = load_le64(at + 24);
    series->accepted = load_le64(at + 32);
    series->accepted_work = (u128)load_le64(at + 48) << 64 | load_le64(at + 40);
}

static struct series *find(struct stats *stats, uint64_t account, uint64_t worker)
{
    return stats->table[stats_place(stats, account, worker)];
}

/* The pool's totals, and how many workers were active in its minutes: of the oldest this is the
 * only word (count_active). */
static void read_head(struct stats *stats, const struct store_record *record)
{
    const uint8_t *at = record->values[STATS_F_ENTRIES].bytes.data;
    stats->expected = stats_double_of(record->values[STATS_F_EXPECTED].integer);
    read_totals(stats->pool, at);
    at += TOTALS_BYTES;
    for (size_t i = 0; i < ACTIVE_SLOTS; i++, at += ACTIVE_BYTES)
        stats->minutes[i] = (struct active){ .span = load_le32(at), .workers = load_le32(at + 4) };
}

static void read_totals_page(struct stats *stats, struct span entries)
{
    for (size_t at = 0; at < entries.length && stats->count < STATS_SERIES_MAX;
         at += TOTALS_BYTES) {
        const uint8_t *entry = entries.data + at;
        struct series *series = stats_take(stats, load_le64(entry), load_le64(entry + 8), 0);
        if (series != NULL)
            read_totals(series, entry);
    }
}

/* Whose series a slot is of: NULL where that gave way to another since, or is a later one of its
 * name that began after the slot. The totals say so, unless they are lost or older than the page:
 * then it is taken in. */
static struct series *owner(struct stats *stats, size_t page, const uint8_t *entry, bool pool,
                            uint64_t end_ms)
{
    uint64_t account = load_le64(entry), worker = load_le64(entry + 8);
    struct series *series = pool ? stats->pool : find(stats, account, worker);
    const struct stats_page *totals = &stats->pages[pool ? PAGE_HEAD : page_of_totals(account)];
    bool newer = window_position_compare(&totals->kept, &stats->pages[page].kept) < 0;
    if (!totals->damaged && !newer)
        return series != NULL && end_ms > series->since_ms ? series : NULL;
    if (series == NULL && stats->count < STATS_SERIES_MAX)
        series = stats_take(stats, account, worker, 0);
    return series;
}

static void read_slots(struct stats *stats, size_t page, struct span entries)
{
    const struct ring *ring = stats_ring_of(page);
    uint32_t span = stats->pages[page].span;
    uint64_t end_ms = ((uint64_t)span + 1) * ring->length_ms;
    for (size_t at = 0; at < entries.length; at += ENTRY_BYTES) {
        const uint8_t *entry = entries.data + at;
        struct series *series = owner(stats, page, entry, at == 0, end_ms);
        if (series == NULL)
            continue;
        struct slot *slot = stats_slot_of(series, ring, span);
        if (slot->span != 0 && (int32_t)(span - slot->span) < 0)
            continue; /* a worker's ring of hours is shorter than the pages reach */
        *slot = (struct slot){ .span = span,
                               .shares = load_le32(entry + 16),
                               .work_low = load_le64(entry + 20),
                               .work_high = load_le32(entry + 28) };
    }
}

static bool on_page(void *context, const struct store_record *record)
{
    struct stats *stats = context;
    size_t number;
    if (!stats_page_number(record, &number))
        return true;
    /* Who leads may have written it since it was looked at. */
    struct stats_page *page = &stats->pages[number];
    page->version = record->version;
    page->damaged = !stats_page_is_sound(record, number);
    if (page->damaged)
        return true;
    page->kept = stats_page_position(record, STATS_F_HIGH);
    stats_raise(&page->kept, stats->through);
    const struct ring *ring = stats_ring_of(number);
    struct span entries = record->values[STATS_F_ENTRIES].bytes;
    uint32_t span = (uint32_t)record->values[STATS_F_SPAN].integer;
    page->span = span;
    if (number == PAGE_HEAD)
        read_head(stats, record);
    else if (ring == NULL)
        read_totals_page(stats, entries);
    if (ring == NULL)
        return true;
    if (span == 0)
        return true;
    read_slots(stats, number, entries);
    struct active *active = stats_active_of(stats, ring, span);
    if (active != NULL && active->span <= span) {
        if (active->span != span) /* else the head said, which is later */
            active->workers = (uint32_t)record->values[STATS_F_WORKERS].integer;
        active->span = span;
        active->expected = stats_double_of(record->values[STATS_F_EXPECTED].integer);
    }
    if (ring->first_page == PAGE_HOURS && (int32_t)(span - stats->newest_hour) > 0)
        stats->newest_hour = span;
    return true;
}

/* What is active in a minute hangs on the ten minutes before, whose pages may be older or newer: it
 * is counted anew, but for the oldest, whose ten minutes the rings do not reach. */
static void count_active(struct stats *stats)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < COARSE_SLOTS; i++)
        if (stats->pages[PAGE_COARSE + i].span > newest)
            newest = stats->pages[PAGE_COARSE + i].span;
    if (newest < COARSE_SLOTS)
        return;
    /* The head may be of later than these pages: what it says of them is left aside. */
    uint32_t first = newest - COARSE_SLOTS + ACTIVE_MINUTES;
    for (size_t i = 0; i < ACTIVE_SLOTS; i++)
        if (stats->minutes[i].span >= first)
            stats->minutes[i].workers = 0;
    for (uint32_t at = first; at < newest + ACTIVE_MINUTES; at++) {
        struct active *active = &stats->minutes[at % ACTIVE_SLOTS];
        if (active->span != at)
            *active = (struct active){ .span = at };
        for (size_t i = 0; i < TABLE_SLOTS; i++)
            active->workers += stats->table[i] != NULL && stats->table[i]->worker != 0 &&
                               stats_was_active(stats->table[i], at, at + 1);
    }
}

/* Of a series whose totals are lost: what its hours have. */
static void restore_totals(struct series *series)
{
    if (series->accepted != 0)
        return;
    series->since_ms = 0;
    for (size_t i = 0; i < series->hours_count; i++) {
        const struct slot *slot = &series->hours[i];
        uint64_t begin_ms = (uint64_t)slot->span * HOUR_MS;
        if (slot->span == 0)
            continue;
        series->accepted += slot->shares;
        series->accepted_work += work_of_slot(slot);
        if (series->since_ms == 0 || begin_ms < series->since_ms)
            series->since_ms = begin_ms;
        if (begin_ms > series->last_ms)
            series->last_ms = begin_ms;
    }
    for (size_t i = 0; i < COARSE_SLOTS; i++)
        if ((uint64_t)series->coarse[i].span * COARSE_MS > series->last_ms)
            series->last_ms = (uint64_t)series->coarse[i].span * COARSE_MS;
}

static void restore(struct stats *stats)
{
    uint64_t begin_ms = UINT64_MAX; /* within the first hour */
    for (size_t i = PAGE_TOTALS; i < PAGE_FINE; i++)
        for (size_t j = 0; j < TABLE_SLOTS && stats->pages[i].damaged; j++)
            if (stats->table[j] != NULL && page_of_totals(stats->table[j]->account) == i)
                restore_totals(stats->table[j]);
    if (!stats->pages[PAGE_HEAD].damaged)
        return;
    restore_totals(stats->pool);
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        const struct series *series = stats->table[i];
        if (series != NULL && series->since_ms / HOUR_MS == stats->pool->since_ms / HOUR_MS)
            begin_ms = series->since_ms < begin_ms ? series->since_ms : begin_ms;
        if (series != NULL && series->last_ms > stats->pool->last_ms)
            stats->pool->last_ms = series->last_ms;
    }
    if (begin_ms != UINT64_MAX)
        stats->pool->since_ms = begin_ms;
    for (size_t i = 0; i < STATS_HOURS_MAX; i++)
        stats->expected += stats->hours[i].expected;
}

/* From where they were read into, whose place in the window is theirs from then on. */
static void move_in(struct stats *stats, struct stats *fresh)
{
    struct series *pool = stats->pool;
    ASSERT(stats->count == 0);
    pthread_mutex_lock(&stats->lock);
    stats->pool = fresh->pool;
    memcpy(stats->table, fresh->table, sizeof stats->table);
    memcpy(stats->minutes, fresh->minutes, sizeof stats->minutes);
    memcpy(stats->hours, fresh->hours, sizeof stats->hours);
    stats->count = fresh->count;
    stats->newest_hour = fresh->newest_hour;
    stats->expected = fresh->expected;
    pthread_mutex_unlock(&stats->lock);
    fresh->pool = pool;
    memset(fresh->table, 0, sizeof fresh->table);
    memcpy(stats->pages, fresh->pages, sizeof stats->pages);
    for (size_t i = 0; i < PAGES; i++)
        stats->pages[i].upto = stats->pages[i].damaged ? fresh->through : stats->pages[i].kept;
    stats->through = stats->last = fresh->through;
    stats->have_last = stats->loaded = true;
}

bool stats_load(struct stats *stats, struct store *store, struct error *error)
{
    const struct store_query all = { .field = "id" };
    const struct window_position none = { 0 };
    ASSERT(!stats->began && !stats->loaded);
    /* Apart, so that nobody waits for the store, or sees half of it. */
    struct stats *fresh = stats_create(0);
    bool ok = stats_look(fresh, store, error);
    if (ok && window_position_compare(&fresh->through, &none) != 0) { /* a round was once ended */
        ok = store_find(store, &stats_collection, &all, on_page, fresh, error) == STORE_DONE;
        if (ok) {
            restore(fresh);
            count_active(fresh);
            log_info("series.loaded", "series=%zu accepted=%" PRIu64, fresh->count,
                     fresh->pool->accepted);
            move_in(stats, fresh);
        }
    }
    stats_destroy(fresh);
    return ok;
}
