/* The series of stats.h in the store. A record is a page: the pool's totals (the head), the totals
 * of some accounts, or one slot of a ring, with what every series has in it. Each says up to which
 * batch of the window it is counted, so pages need not be written at once: who reads them counts a
 * share in those pages only that do not have it.
 *
 * A page that is past is written once more and then rests. That it is whole although its own place
 * in the window is long gone is said by the head, which is the last of a round: everything up to
 * where the window was when the round began is in the pages. Each page also repeats what the head
 * said before, so that even a damaged head costs no more than itself.
 *
 * A page is at most STATS_PAGE_BYTES_MAX, in truth 512 KB of slots or 896 KB of totals with all
 * series full; all of them 155 MB. What is written a minute is 5 MB then, and some KB in a small
 * pool. */
#include "services/inode-scheduler/stats_inside.h"

#include "record/leader/leader.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FORM = 1,
    TOTALS_BYTES = 56,
    ACTIVE_BYTES = 8,
    HEAD_BYTES = TOTALS_BYTES + ACTIVE_SLOTS * ACTIVE_BYTES,
    ENTRY_BYTES = 32,
    PAGES_A_CALL = 32,
};

enum {
    F_FORM,
    F_SPAN,
    F_HIGH,
    F_LOW,
    F_THROUGH_HIGH,
    F_THROUGH_LOW,
    F_WORKERS,
    F_EXPECTED,
    F_CHECK,
    F_ENTRIES,
    F_COUNT
};
static const struct store_field fields[F_COUNT] = {
    [F_FORM] = { "form", STORE_INT, false },
    [F_SPAN] = { "span", STORE_INT, false },
    [F_HIGH] = { "upto_high", STORE_INT, false },
    [F_LOW] = { "upto_low", STORE_INT, false },
    [F_THROUGH_HIGH] = { "through_high", STORE_INT, false },
    [F_THROUGH_LOW] = { "through_low", STORE_INT, false },
    [F_WORKERS] = { "workers", STORE_INT, false },
    [F_EXPECTED] = { "expected", STORE_INT, false }, /* the bits of a double */
    [F_CHECK] = { "check_sum", STORE_INT, false },
    [F_ENTRIES] = { "entries", STORE_BYTES, false },
};
const struct store_collection stats_collection = { "series", fields, F_COUNT };

/* One of the three rings, and where a page lies in it. */
struct ring {
    uint64_t length_ms;
    size_t first_page, slots;
};
static const struct ring rings[] = {
    { FINE_MS, PAGE_FINE, FINE_SLOTS },
    { COARSE_MS, PAGE_COARSE, COARSE_SLOTS },
    { HOUR_MS, PAGE_HOURS, STATS_HOURS_MAX },
};

/* NULL: the page is one of totals. */
static const struct ring *ring_of(size_t page)
{
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++)
        if (page >= rings[i].first_page && page < rings[i].first_page + rings[i].slots)
            return &rings[i];
    return NULL;
}

static struct slot *slot_of(struct series *series, const struct ring *ring, uint32_t span)
{
    if (ring->first_page == PAGE_FINE)
        return &series->fine[span % FINE_SLOTS];
    if (ring->first_page == PAGE_COARSE)
        return &series->coarse[span % COARSE_SLOTS];
    return &series->hours[span % series->hours_count];
}

/* Of the pool beside the page; NULL where it has none. */
static struct active *active_of(struct stats *stats, const struct ring *ring, uint32_t span)
{
    if (ring->first_page == PAGE_COARSE)
        return &stats->minutes[span % ACTIVE_SLOTS];
    return ring->first_page == PAGE_HOURS ? &stats->hours[span % STATS_HOURS_MAX] : NULL;
}

static int64_t bits_of(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(int64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* FNV-1a over all fields but itself: it finds what was cut or overwritten, it does not guard
 * against who may write to the store. */
static int64_t check_of(const struct store_record *record)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t field = 0; field < F_CHECK; field++)
        sum = (sum ^ (uint64_t)record->values[field].integer) * UINT64_C(0x100000001b3);
    struct span entries = record->values[F_ENTRIES].bytes;
    for (size_t i = 0; i < entries.length; i++)
        sum = (sum ^ entries.data[i]) * UINT64_C(0x100000001b3);
    return (int64_t)sum;
}

static bool is_sound(const struct store_record *record, size_t page)
{
    const struct ring *ring = ring_of(page);
    struct span entries = record->values[F_ENTRIES].bytes;
    uint64_t span = (uint64_t)record->values[F_SPAN].integer;
    if (record->values[F_FORM].integer != FORM || span > UINT32_MAX ||
        record->values[F_CHECK].integer != check_of(record) ||
        entries.length > STATS_PAGE_BYTES_MAX)
        return false;
    if (page == PAGE_HEAD)
        return span == 0 && entries.length == HEAD_BYTES;
    if (ring == NULL)
        return span == 0 && entries.length % TOTALS_BYTES == 0;
    return entries.length % ENTRY_BYTES == 0 &&
           (span == 0 || span % ring->slots == page - ring->first_page);
}

static bool number_of(const struct store_record *record, size_t *page_r)
{
    char *end;
    *page_r = strtoul(record->id, &end, 10);
    return *end == '\0' && *page_r < PAGES;
}

static struct window_position position_of(const struct store_record *record, size_t high)
{
    return (struct window_position){ .high = (uint64_t)record->values[high].integer,
                                     .low = (uint64_t)record->values[high + 1].integer };
}

static void raise(struct window_position *position, struct window_position to)
{
    if (window_position_compare(&to, position) > 0)
        *position = to;
}

/* --- what the store has ------------------------------------------------------------------- */

static bool on_version(void *context, const struct store_record *record)
{
    struct stats *stats = context;
    size_t number;
    if (!number_of(record, &number))
        return true;
    struct stats_page *page = &stats->pages[number];
    page->version = record->version;
    page->damaged = !is_sound(record, number);
    if (page->damaged) {
        log_warn("series.page_lost", "page=%s", record->id);
        return true;
    }
    page->kept = position_of(record, F_HIGH);
    raise(&stats->through, position_of(record, F_THROUGH_HIGH));
    return true;
}

/* Learns how far the store is, without taking in what is counted there. */
static bool look(struct stats *stats, struct store *store, struct error *error)
{
    const struct store_query all = { .field = "id" };
    for (size_t i = 0; i < PAGES; i++) {
        stats->pages[i].version = 0;
        stats->pages[i].damaged = false;
        stats->pages[i].kept = (struct window_position){ 0 };
    }
    stats->through = (struct window_position){ 0 };
    if (store_find(store, &stats_collection, &all, on_version, stats, error) != STORE_DONE)
        return false;
    for (size_t i = 0; i < PAGES; i++) {
        struct stats_page *page = &stats->pages[i];
        if (page->damaged) /* to be written anew */
            raise(&page->newest, stats->through);
        else
            raise(&page->kept, stats->through);
    }
    stats->keeping.know_versions = true;
    stats->keeping.runs = false;
    return true;
}

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
    const uint8_t *at = record->values[F_ENTRIES].bytes.data;
    stats->expected = double_of(record->values[F_EXPECTED].integer);
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
    const struct ring *ring = ring_of(page);
    uint32_t span = stats->pages[page].span;
    uint64_t end_ms = ((uint64_t)span + 1) * ring->length_ms;
    for (size_t at = 0; at < entries.length; at += ENTRY_BYTES) {
        const uint8_t *entry = entries.data + at;
        struct series *series = owner(stats, page, entry, at == 0, end_ms);
        if (series == NULL)
            continue;
        struct slot *slot = slot_of(series, ring, span);
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
    if (!number_of(record, &number))
        return true;
    /* Who leads may have written it since it was looked at. */
    struct stats_page *page = &stats->pages[number];
    page->version = record->version;
    page->damaged = !is_sound(record, number);
    if (page->damaged)
        return true;
    page->kept = position_of(record, F_HIGH);
    raise(&page->kept, stats->through);
    const struct ring *ring = ring_of(number);
    struct span entries = record->values[F_ENTRIES].bytes;
    uint32_t span = (uint32_t)record->values[F_SPAN].integer;
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
    struct active *active = active_of(stats, ring, span);
    if (active != NULL && active->span <= span) {
        if (active->span != span) /* else the head said, which is later */
            active->workers = (uint32_t)record->values[F_WORKERS].integer;
        active->span = span;
        active->expected = double_of(record->values[F_EXPECTED].integer);
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
    bool ok = look(fresh, store, error);
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

/* --- keeping ------------------------------------------------------------------------------ */

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
    const struct ring *ring = ring_of(number);
    uint32_t span = stats->pages[number].span;
    if (number == PAGE_HEAD)
        return write_head(stats, bytes);
    if (ring != NULL && span == 0)
        return 0;
    /* The pool's stands first, always. */
    struct slot none = { .span = span };
    size_t used = 0;
    if (ring != NULL) {
        const struct slot *slot = slot_of(stats->pool, ring, span);
        used = write_slot(stats->pool, slot->span == span ? slot : &none, bytes);
    }
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        struct series *series = stats->table[i];
        if (series == NULL)
            continue;
        if (ring == NULL) {
            if (page_of_totals(series->account) == number)
                used += write_totals(series, bytes + used);
        } else if (slot_of(series, ring, span)->span == span) {
            used += write_slot(series, slot_of(series, ring, span), bytes + used);
        }
    }
    return used;
}

static enum store_outcome save(struct stats *stats, size_t number, struct store *store,
                               uint8_t *bytes, struct error *error)
{
    struct stats_page *page = &stats->pages[number];
    const struct ring *ring = ring_of(number);
    struct window_position upto = stats->last;
    /* The head says that the round is over. */
    const struct window_position through =
        number == PAGE_HEAD ? stats->keeping.through : stats->through;
    const struct active *active = ring == NULL ? NULL : active_of(stats, ring, page->span);
    bool fits = active != NULL && active->span == page->span;
    double expected = number == PAGE_HEAD ? stats->expected : fits ? active->expected : 0;
    char id[16];
    snprintf(id, sizeof id, "%03zu", number);
    struct store_write write = {
        .verb = page->version == 0 ? STORE_INSERT : STORE_REPLACE,
        .collection = &stats_collection,
        .record = { .id = id,
                    .version = page->version,
                    .values = { [F_FORM] = store_int(FORM),
                                [F_SPAN] = store_int(page->span),
                                [F_HIGH] = store_int((int64_t)upto.high),
                                [F_LOW] = store_int((int64_t)upto.low),
                                [F_THROUGH_HIGH] = store_int((int64_t)through.high),
                                [F_THROUGH_LOW] = store_int((int64_t)through.low),
                                [F_WORKERS] = store_int(fits ? active->workers : 0),
                                [F_EXPECTED] = store_int(bits_of(expected)),
                                [F_ENTRIES] = store_bytes(
                                    span_of(bytes, write_page(stats, number, bytes))) } }
    };
    write.record.values[F_CHECK] = store_int(check_of(&write.record));
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

bool stats_keep(struct stats *stats, struct store *store, const char *role, uint64_t epoch,
                uint64_t now_ms, struct error *error)
{
    if (!stats->have_last || !stats->began)
        return true; /* there is nothing */
    if (!stats->keeping.runs && now_ms - stats->keeping.saved_ms < STATS_KEEP_MS)
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
    if (!stats->keeping.know_versions && !look(stats, store, error))
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
