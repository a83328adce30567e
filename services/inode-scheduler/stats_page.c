#include "services/inode-scheduler/stats_page.h"

#include "service/log.h"

#include <stdlib.h>

static const struct store_field fields[STATS_F_COUNT] = {
    [STATS_F_FORM] = { "form", STORE_INT, false },
    [STATS_F_SPAN] = { "span", STORE_INT, false },
    [STATS_F_HIGH] = { "upto_high", STORE_INT, false },
    [STATS_F_LOW] = { "upto_low", STORE_INT, false },
    [STATS_F_THROUGH_HIGH] = { "through_high", STORE_INT, false },
    [STATS_F_THROUGH_LOW] = { "through_low", STORE_INT, false },
    [STATS_F_WORKERS] = { "workers", STORE_INT, false },
    [STATS_F_EXPECTED] = { "expected", STORE_INT, false }, /* the bits of a double */
    [STATS_F_CHECK] = { "check_sum", STORE_INT, false },
    [STATS_F_ENTRIES] = { "entries", STORE_BYTES, false },
};
const struct store_collection stats_collection = { "series", fields, STATS_F_COUNT };

static const struct ring rings[] = {
    { FINE_MS, PAGE_FINE, FINE_SLOTS },
    { COARSE_MS, PAGE_COARSE, COARSE_SLOTS },
    { HOUR_MS, PAGE_HOURS, STATS_HOURS_MAX },
};

const struct ring *stats_ring_of(size_t page)
{
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++)
        if (page >= rings[i].first_page && page < rings[i].first_page + rings[i].slots)
            return &rings[i];
    return NULL;
}

struct slot *stats_slot_of(struct series *series, const struct ring *ring, uint32_t span)
{
    if (ring->first_page == PAGE_FINE)
        return &series->fine[span % FINE_SLOTS];
    if (ring->first_page == PAGE_COARSE)
        return &series->coarse[span % COARSE_SLOTS];
    return &series->hours[span % series->hours_count];
}

struct active *stats_active_of(struct stats *stats, const struct ring *ring, uint32_t span)
{
    if (ring->first_page == PAGE_COARSE)
        return &stats->minutes[span % ACTIVE_SLOTS];
    return ring->first_page == PAGE_HOURS ? &stats->hours[span % STATS_HOURS_MAX] : NULL;
}

int64_t stats_check_of(const struct store_record *record)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t field = 0; field < STATS_F_CHECK; field++)
        sum = (sum ^ (uint64_t)record->values[field].integer) * UINT64_C(0x100000001b3);
    struct span entries = record->values[STATS_F_ENTRIES].bytes;
    for (size_t i = 0; i < entries.length; i++)
        sum = (sum ^ entries.data[i]) * UINT64_C(0x100000001b3);
    return (int64_t)sum;
}

bool stats_page_is_sound(const struct store_record *record, size_t page)
{
    const struct ring *ring = stats_ring_of(page);
    struct span entries = record->values[STATS_F_ENTRIES].bytes;
    uint64_t span = (uint64_t)record->values[STATS_F_SPAN].integer;
    if (record->values[STATS_F_FORM].integer != STATS_FORM || span > UINT32_MAX ||
        record->values[STATS_F_CHECK].integer != stats_check_of(record) ||
        entries.length > STATS_PAGE_BYTES_MAX)
        return false;
    if (page == PAGE_HEAD)
        return span == 0 && entries.length == HEAD_BYTES;
    if (ring == NULL)
        return span == 0 && entries.length % TOTALS_BYTES == 0;
    return entries.length % ENTRY_BYTES == 0 &&
           (span == 0 || span % ring->slots == page - ring->first_page);
}

bool stats_page_number(const struct store_record *record, size_t *page_r)
{
    char *end;
    *page_r = strtoul(record->id, &end, 10);
    return *end == '\0' && *page_r < PAGES;
}

static bool on_version(void *context, const struct store_record *record)
{
    struct stats *stats = context;
    size_t number;
    if (!stats_page_number(record, &number))
        return true;
    struct stats_page *page = &stats->pages[number];
    page->version = record->version;
    page->damaged = !stats_page_is_sound(record, number);
    if (page->damaged) {
        log_warn("series.page_lost", "page=%s", record->id);
        return true;
    }
    page->kept = stats_page_position(record, STATS_F_HIGH);
    stats_raise(&stats->through, stats_page_position(record, STATS_F_THROUGH_HIGH));
    return true;
}

bool stats_look(struct stats *stats, struct store *store, struct error *error)
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
            stats_raise(&page->newest, stats->through);
        else
            stats_raise(&page->kept, stats->through);
    }
    stats->keeping.know_versions = true;
    stats->keeping.runs = false;
    return true;
}
