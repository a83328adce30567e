/* The series of stats.h in their table: found, made, and who gives way where there is no room. */
#include "services/inode-scheduler/stats_inside.h"

#include <stdlib.h>

static size_t bytes_of(size_t hours)
{
    return sizeof(struct series) + hours * sizeof(struct slot);
}

static size_t place_of(uint64_t account, uint64_t worker)
{
    uint64_t mixed = (account ^ worker * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return (size_t)((mixed ^ mixed >> 29) % TABLE_SLOTS);
}

size_t stats_place(const struct stats *stats, uint64_t account, uint64_t worker)
{
    size_t at = place_of(account, worker);
    while (stats->table[at] != NULL &&
           (stats->table[at]->account != account || stats->table[at]->worker != worker))
        at = (at + 1) % TABLE_SLOTS;
    return at;
}

static void remove_at(struct stats *stats, size_t at)
{
    stats->bytes -= bytes_of(stats->table[at]->hours_count);
    free(stats->table[at]);
    stats->table[at] = NULL;
    stats->count--;
    /* Those behind it that would not be found any more move up. */
    for (size_t next = (at + 1) % TABLE_SLOTS; stats->table[next] != NULL;
         next = (next + 1) % TABLE_SLOTS) {
        struct series *series = stats->table[next];
        stats->table[next] = NULL;
        stats->table[stats_place(stats, series->account, series->worker)] = series;
    }
}

/* Of the series looked at: how many an account has, and its worker that was silent for longest. */
struct crowd {
    uint64_t account;
    size_t count, oldest; /* a place in the table; TABLE_SLOTS: none of a worker */
};
enum { LOOKED_AT = 256, CROWD_SLOTS = 2 * LOOKED_AT };

static bool is_older(const struct stats *stats, size_t at, size_t than)
{
    return than == TABLE_SLOTS || stats->table[at]->last_ms < stats->table[than]->last_ms;
}

static struct crowd *count_crowd(struct crowd *crowds, const struct stats *stats, size_t at)
{
    const struct series *series = stats->table[at];
    size_t slot = (size_t)(series->account % CROWD_SLOTS);
    while (crowds[slot].count != 0 && crowds[slot].account != series->account)
        slot = (slot + 1) % CROWD_SLOTS;
    struct crowd *crowd = &crowds[slot];
    if (crowd->count++ == 0) {
        crowd->account = series->account;
        crowd->oldest = TABLE_SLOTS;
    }
    if (series->worker != 0 && is_older(stats, at, crowd->oldest))
        crowd->oldest = at;
    return crowd;
}

/* One gives way, of some under a hand that goes round: where the bound is met by many more than
 * have room, each of their shares would else look through all of them. Where one account has a
 * crowd of them (one that names its workers anew again and again, whether it means harm or not),
 * its worker that was silent for longest; else who was silent for longest of all. */
static void remove_one(struct stats *stats)
{
    struct crowd crowds[CROWD_SLOTS] = { 0 }, *largest = NULL;
    size_t oldest = TABLE_SLOTS, seen = 0;
    for (size_t looked = 0; looked < LOOKED_AT || seen == 0; looked++) {
        size_t at = stats->hand++ % TABLE_SLOTS;
        if (stats->table[at] == NULL)
            continue;
        struct crowd *crowd = count_crowd(crowds, stats, at);
        if (largest == NULL || crowd->count > largest->count)
            largest = crowd;
        if (is_older(stats, at, oldest))
            oldest = at;
        seen++;
    }
    bool crowded = largest->count > seen / STATS_CROWD && largest->oldest != TABLE_SLOTS;
    remove_at(stats, crowded ? largest->oldest : oldest);
    stats->dropped++;
}

static struct series *make(size_t hours)
{
    struct series *series = calloc(1, bytes_of(hours));
    if (series != NULL)
        series->hours_count = (uint32_t)hours;
    return series;
}

struct series *stats_take(struct stats *stats, uint64_t account, uint64_t worker, uint64_t now_ms)
{
    size_t at = stats_place(stats, account, worker);
    if (stats->table[at] != NULL)
        return stats->table[at];
    if (stats->count == STATS_SERIES_MAX) {
        remove_one(stats);
        at = stats_place(stats, account, worker);
    }
    struct series *series = make(worker == 0 ? STATS_HOURS_MAX : WORKER_HOURS);
    if (series == NULL)
        return NULL;
    series->account = account;
    series->worker = worker;
    series->since_ms = now_ms;
    stats->table[at] = series;
    stats->count++;
    stats->bytes += bytes_of(series->hours_count);
    return series;
}

struct stats *stats_create(uint64_t now_ms)
{
    struct stats *stats = calloc(1, sizeof *stats);
    ASSERT(stats != NULL);
    pthread_mutex_init(&stats->lock, NULL);
    stats->pool = make(STATS_HOURS_MAX);
    ASSERT(stats->pool != NULL);
    stats->pool->since_ms = now_ms;
    stats->keeping.period_ms = STATS_KEEP_MS;
    return stats;
}

void stats_destroy(struct stats *stats)
{
    if (stats == NULL)
        return;
    for (size_t i = 0; i < TABLE_SLOTS; i++)
        free(stats->table[i]);
    free(stats->pool);
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}
