#include "services/inode-scheduler/stats.h"

#include "service/log.h"
#include "services/inode-scheduler/places.h"

#include <pthread.h>
#include <stdlib.h>

/* A series is three rings: 6 slots of 10 s for the minute, 120 of 60 s for ten minutes and the
 * hour, and slots of an hour: 168 for the pool and an account, 24 for a worker. A slot is known by
 * the number of its time span since the epoch, so that an old one is seen to be old. A worker takes
 * 4 KB, an account 7 KB: 90 MB where the bound is met by accounts of one worker.
 *
 * Beside the pool's series stands how many workers were active by the minute and by the hour. A
 * worker is counted where its own ring shows that it was not yet, so it does not matter in which
 * order the window is read. */
enum {
    FINE_SLOTS = 6,
    FINE_MS = 10000,
    COARSE_SLOTS = STATS_MINUTES_MAX,
    COARSE_MS = 60000,
    WORKER_HOURS = 24,
    ACTIVE_MINUTES = 10, /* so long after a share a worker counts as active */
    ACTIVE_SLOTS = COARSE_SLOTS + ACTIVE_MINUTES,
    TABLE_SLOTS = 2 * STATS_SERIES_MAX,
    HOUR_MS = 3600 * 1000,
};
/* After a restart the last hour is read again whatever it takes, and further back until the rings
 * are full or so many shares were read: some seconds. */
enum { READ_BACK_SHARES = 8 << 20 };
const unsigned stats_span_seconds[STATS_SPANS] = { 60, 600, 3600, 86400 };
/* of the ring that a span is summed from */
static const unsigned slot_seconds[STATS_SPANS] = { 10, 60, 60, 3600 };

struct slot {
    uint32_t span; /* time / length of a slot, cut to 32 bits; 0: empty */
    uint32_t shares;
    uint64_t work_low, work_high; /* two halves, so that a slot has 24 bytes */
};

static u128 work_of_slot(const struct slot *slot)
{
    return (u128)slot->work_high << 64 | slot->work_low;
}

/* How many workers were active in a span of the pool, and what its work was worth. */
struct active {
    uint32_t span; /* as a slot's */
    uint32_t workers;
    double expected;
};

struct series {
    uint64_t account, worker;
    uint64_t since_ms, last_ms;
    uint64_t accepted;
    u128 accepted_work;
    struct slot fine[FINE_SLOTS];
    struct slot coarse[COARSE_SLOTS];
    uint32_t hours_count;
    struct slot hours[];
};

struct stats {
    struct places *places;       /* NULL: none are noted */
    stats_batch_visitor visitor; /* NULL: nobody is told */
    void *visitor_context;
    pthread_mutex_t lock;
    struct series *pool;
    struct active minutes[ACTIVE_SLOTS], hours[STATS_HOURS_MAX];
    uint32_t newest_hour; /* of any share */
    double expected;
    double network;                                   /* what a block takes now; 0: not known */
    struct stats_network networks[STATS_NETWORK_MAX]; /* newest first */
    size_t networks_count;
    struct series *table[TABLE_SLOTS]; /* open addressing; NULL: empty */
    size_t count;
    struct window_totals totals;
    bool totals_known;
    uint64_t read_ms;
    /* the worker's own */
    bool began;
    bool have_last;
    struct window_position last;     /* the newest batch read */
    uint64_t hour_ago_ms, oldest_ms; /* of interest at the start */
    uint64_t read_back;              /* shares */
    bool unnamed;                    /* the window's history, when last asked for */
};

static size_t place_of(uint64_t account, uint64_t worker)
{
    uint64_t mixed = (account ^ worker * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return (size_t)((mixed ^ mixed >> 29) % TABLE_SLOTS);
}

static size_t find(const struct stats *stats, uint64_t account, uint64_t worker)
{
    size_t at = place_of(account, worker);
    while (stats->table[at] != NULL &&
           (stats->table[at]->account != account || stats->table[at]->worker != worker))
        at = (at + 1) % TABLE_SLOTS;
    return at;
}

static void remove_at(struct stats *stats, size_t at)
{
    free(stats->table[at]);
    stats->table[at] = NULL;
    stats->count--;
    /* Those behind it that would not be found any more move up. */
    for (size_t next = (at + 1) % TABLE_SLOTS; stats->table[next] != NULL;
         next = (next + 1) % TABLE_SLOTS) {
        struct series *series = stats->table[next];
        stats->table[next] = NULL;
        stats->table[find(stats, series->account, series->worker)] = series;
    }
}

static void remove_silent(struct stats *stats)
{
    size_t oldest = TABLE_SLOTS;
    for (size_t i = 0; i < TABLE_SLOTS; i++)
        if (stats->table[i] != NULL &&
            (oldest == TABLE_SLOTS || stats->table[i]->last_ms < stats->table[oldest]->last_ms))
            oldest = i;
    if (oldest != TABLE_SLOTS)
        remove_at(stats, oldest);
}

static struct series *make(size_t hours)
{
    struct series *series = calloc(1, sizeof *series + hours * sizeof series->hours[0]);
    if (series != NULL)
        series->hours_count = (uint32_t)hours;
    return series;
}

static struct series *take(struct stats *stats, uint64_t account, uint64_t worker, uint64_t now_ms)
{
    size_t at = find(stats, account, worker);
    if (stats->table[at] != NULL)
        return stats->table[at];
    if (stats->count == STATS_SERIES_MAX) {
        remove_silent(stats);
        at = find(stats, account, worker);
    }
    struct series *series = make(worker == 0 ? STATS_HOURS_MAX : WORKER_HOURS);
    if (series == NULL)
        return NULL;
    series->account = account;
    series->worker = worker;
    series->since_ms = now_ms;
    stats->table[at] = series;
    stats->count++;
    return series;
}

/* Whether the share is the first of its slot. */
static bool add_slot(struct slot *slots, size_t count, uint64_t length_ms, uint64_t time_ms,
                     uint64_t work)
{
    uint32_t span = (uint32_t)(time_ms / length_ms);
    struct slot *slot = &slots[span % count];
    if ((int32_t)(span - slot->span) < 0 && slot->span != 0)
        return false; /* older than what the ring holds */
    bool first = slot->span != span;
    if (first)
        *slot = (struct slot){ .span = span };
    u128 sum = work_of_slot(slot) + work;
    slot->shares++;
    slot->work_low = (uint64_t)sum;
    slot->work_high = (uint64_t)(sum >> 64);
    return first;
}

static void count_in(struct active *slots, size_t count, uint32_t span, uint32_t workers,
                     double expected)
{
    struct active *slot = &slots[span % count];
    if ((int32_t)(span - slot->span) < 0 && slot->span != 0)
        return;
    if (slot->span != span)
        *slot = (struct active){ .span = span };
    slot->workers += workers;
    slot->expected += expected;
}

/* What a block took at that time; 0: not known. */
static double network_at(const struct stats *stats, uint64_t time_ms)
{
    double work = stats->network;
    for (size_t i = 0; i < stats->networks_count && stats->networks[i].time_ms >= time_ms; i++)
        work = stats->networks[i].work;
    return work > 0 || stats->networks_count == 0 ? work : stats->networks[0].work;
}

static void count_worth(struct stats *stats, const struct window_share *share)
{
    double network = network_at(stats, share->time_ms);
    double expected = network > 0 ? (double)share->work / network : 0;
    stats->expected += expected;
    count_in(stats->minutes, ACTIVE_SLOTS, (uint32_t)(share->time_ms / COARSE_MS), 0, expected);
    count_in(stats->hours, STATS_HOURS_MAX, (uint32_t)(share->time_ms / HOUR_MS), 0, expected);
}

static bool was_active(const struct series *worker, uint32_t minute, uint32_t but)
{
    for (uint32_t at = minute - ACTIVE_MINUTES + 1; at != minute + 1; at++)
        if (at != but && worker->coarse[at % COARSE_SLOTS].span == at)
            return true;
    return false;
}

/* The worker's first share in this minute. */
static void count_minutes(struct stats *stats, const struct series *worker, uint32_t minute)
{
    for (uint32_t at = minute; at != minute + ACTIVE_MINUTES; at++)
        if (!was_active(worker, at, minute))
            count_in(stats->minutes, ACTIVE_SLOTS, at, 1, 0);
}

/* The worker's first share in this hour, as far as its own ring reaches: further back, some of the
 * workers would not be counted. */
static void count_hour(struct stats *stats, uint32_t hour)
{
    if ((int32_t)(stats->newest_hour - hour) < WORKER_HOURS)
        count_in(stats->hours, STATS_HOURS_MAX, hour, 1, 0);
}

static void add(struct stats *stats, struct series *series, const struct window_share *share)
{
    if (series == NULL)
        return;
    if (series->accepted == 0 || share->time_ms < series->since_ms)
        series->since_ms = share->time_ms;
    if (share->time_ms > series->last_ms)
        series->last_ms = share->time_ms;
    series->accepted++;
    series->accepted_work += share->work;
    add_slot(series->fine, FINE_SLOTS, FINE_MS, share->time_ms, share->work);
    bool minute = add_slot(series->coarse, COARSE_SLOTS, COARSE_MS, share->time_ms, share->work);
    bool hour = add_slot(series->hours, series->hours_count, HOUR_MS, share->time_ms, share->work);
    if (series->worker != 0 && minute)
        count_minutes(stats, series, (uint32_t)(share->time_ms / COARSE_MS));
    if (series->worker != 0 && hour)
        count_hour(stats, (uint32_t)(share->time_ms / HOUR_MS));
}

static void add_batch(struct stats *stats, const struct window_share *shares, size_t count)
{
    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < count; i++) {
        uint32_t hour = (uint32_t)(shares[i].time_ms / HOUR_MS);
        if ((int32_t)(hour - stats->newest_hour) > 0 || stats->newest_hour == 0)
            stats->newest_hour = hour;
        count_worth(stats, &shares[i]);
        add(stats, stats->pool, &shares[i]);
        add(stats, take(stats, shares[i].account, 0, shares[i].time_ms), &shares[i]);
        if (shares[i].worker != 0)
            add(stats, take(stats, shares[i].account, shares[i].worker, shares[i].time_ms),
                &shares[i]);
    }
    pthread_mutex_unlock(&stats->lock);
}

static bool on_old_batch(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct stats *stats = context;
    (void)lease_id;
    (void)sequence;
    if (!stats->have_last) {
        stats->last = first;
        stats->have_last = true;
    }
    add_batch(stats, shares, count);
    stats->read_back += count;
    if (count == 0 || shares[0].time_ms >= stats->hour_ago_ms)
        return true;
    return shares[0].time_ms >= stats->oldest_ms && stats->read_back < READ_BACK_SHARES;
}

static bool on_new_batch(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct stats *stats = context;
    stats->last = first;
    stats->have_last = true;
    add_batch(stats, shares, count);
    if (stats->visitor != NULL)
        stats->visitor(stats->visitor_context, first, shares, count);
    if (stats->places != NULL)
        places_note(stats->places, lease_id, sequence, first, loop_unix_ms());
    return true;
}

void stats_note_places(struct stats *stats, struct places *places)
{
    stats->places = places;
}

/* The history of what was read between the two states; 0 where it changed, or where batches behind
 * the last one read before may have been trimmed unread. */
static uint64_t history_between(const struct window_state *before, const struct window_state *after,
                                const struct window_position *last)
{
    if (before->history != after->history)
        return 0;
    if (last != NULL && (after->empty || window_position_compare(&after->oldest, last) > 0))
        return 0;
    return after->history;
}

/* Said once each time it begins: without it no missing credit is ever held against a validator. */
static void note_history(struct stats *stats, const struct window_state *state)
{
    if (state->history == 0 && !stats->unnamed)
        log_warn("window.history", "reason=\"%s\"",
                 "the window does not name its history (INFO is refused): validators are not held "
                 "to the shares they signed for");
    stats->unnamed = state->history == 0;
}

void stats_network_is(struct stats *stats, double work)
{
    pthread_mutex_lock(&stats->lock);
    stats->network = work;
    pthread_mutex_unlock(&stats->lock);
}

void stats_network_was(struct stats *stats, const struct stats_network *list, size_t count)
{
    pthread_mutex_lock(&stats->lock);
    stats->networks_count = count < STATS_NETWORK_MAX ? count : STATS_NETWORK_MAX;
    memcpy(stats->networks, list, stats->networks_count * sizeof *list);
    pthread_mutex_unlock(&stats->lock);
}

void stats_tell_batches(struct stats *stats, stats_batch_visitor visitor, void *context)
{
    stats->visitor = visitor;
    stats->visitor_context = context;
}

bool stats_read(struct stats *stats, struct window_reader *window, uint64_t now_ms,
                struct error *error)
{
    struct window_totals totals;
    struct window_state before = { .empty = true }, after = { .empty = true };
    const struct window_position last = stats->last;
    const bool had_last = stats->have_last, notes = stats->places != NULL;
    bool ok = (!notes || window_state_read(window, &before, error)) &&
              window_totals_read(window, &totals, error);
    if (ok && !stats->began) {
        uint64_t reach_ms = (uint64_t)STATS_HOURS_MAX * HOUR_MS;
        stats->hour_ago_ms = now_ms > HOUR_MS ? now_ms - HOUR_MS : 0;
        stats->oldest_ms = now_ms > reach_ms ? now_ms - reach_ms : 0;
        ok = window_walk_back(window, NULL, on_old_batch, stats, error);
        stats->began = ok || stats->have_last;
    } else if (ok) {
        ok = window_walk_on(window, stats->have_last ? &stats->last : NULL, on_new_batch, stats,
                            error);
    }
    if (!ok || (notes && !window_state_read(window, &after, error)))
        return false;
    if (notes) {
        note_history(stats, &after);
        places_read_up_to(stats->places, now_ms,
                          history_between(&before, &after, had_last ? &last : NULL));
    }
    pthread_mutex_lock(&stats->lock);
    stats->totals = totals;
    stats->totals_known = true;
    stats->read_ms = now_ms;
    pthread_mutex_unlock(&stats->lock);
    return true;
}

static void sum_slots(const struct slot *slots, size_t count, uint64_t length_ms, size_t newest,
                      uint64_t now_ms, u128 *work_r, uint64_t *shares_r)
{
    uint32_t span = (uint32_t)(now_ms / length_ms);
    *work_r = 0;
    *shares_r = 0;
    for (size_t i = 0; i < count; i++)
        if (slots[i].span != 0 && span - slots[i].span < newest) {
            *work_r += work_of_slot(&slots[i]);
            *shares_r += slots[i].shares;
        }
}

static void sums_of(const struct series *series, uint64_t now_ms, struct stats_sums *sums_r)
{
    *sums_r = (struct stats_sums){ .accepted = series->accepted,
                                   .accepted_work = series->accepted_work,
                                   .since_ms = series->since_ms,
                                   .last_ms = series->last_ms };
    sum_slots(series->fine, FINE_SLOTS, FINE_MS, FINE_SLOTS, now_ms, &sums_r->work[STATS_MINUTE],
              &sums_r->shares[STATS_MINUTE]);
    sum_slots(series->coarse, COARSE_SLOTS, COARSE_MS, 10, now_ms, &sums_r->work[STATS_TEN_MINUTES],
              &sums_r->shares[STATS_TEN_MINUTES]);
    sum_slots(series->coarse, COARSE_SLOTS, COARSE_MS, 60, now_ms, &sums_r->work[STATS_HOUR],
              &sums_r->shares[STATS_HOUR]);
    sum_slots(series->hours, series->hours_count, HOUR_MS, 24, now_ms, &sums_r->work[STATS_DAY],
              &sums_r->shares[STATS_DAY]);
}

bool stats_of(struct stats *stats, uint64_t account, uint64_t worker, uint64_t now_ms,
              struct stats_sums *sums_r)
{
    pthread_mutex_lock(&stats->lock);
    const struct series *series = stats->table[find(stats, account, worker)];
    if (series != NULL)
        sums_of(series, now_ms, sums_r);
    else
        *sums_r = (struct stats_sums){ 0 };
    pthread_mutex_unlock(&stats->lock);
    return series != NULL;
}

void stats_of_pool(struct stats *stats, uint64_t now_ms, struct stats_pool *pool_r)
{
    pthread_mutex_lock(&stats->lock);
    *pool_r = (struct stats_pool){ .totals = stats->totals,
                                   .totals_known = stats->totals_known,
                                   .read_ms = stats->read_ms,
                                   .expected = stats->expected };
    sums_of(stats->pool, now_ms, &pool_r->sums);
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        const struct series *series = stats->table[i];
        if (series == NULL || now_ms - series->last_ms > 600 * 1000)
            continue;
        pool_r->accounts_active += series->worker == 0;
        pool_r->workers_active += series->worker != 0;
    }
    pthread_mutex_unlock(&stats->lock);
}

size_t stats_workers(struct stats *stats, uint64_t account, uint64_t now_ms,
                     struct stats_worker *workers_r, size_t capacity)
{
    size_t count = 0;
    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < TABLE_SLOTS && count < capacity; i++) {
        const struct series *series = stats->table[i];
        if (series == NULL || series->account != account || series->worker == 0)
            continue;
        workers_r[count].id = series->worker;
        sums_of(series, now_ms, &workers_r[count++].sums);
    }
    pthread_mutex_unlock(&stats->lock);
    return count;
}

size_t stats_last(struct stats *stats, struct stats_last last_r[STATS_SERIES_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < TABLE_SLOTS; i++) {
        const struct series *series = stats->table[i];
        if (series != NULL && series->worker != 0)
            last_r[count++] =
                (struct stats_last){ series->account, series->worker, series->last_ms };
    }
    pthread_mutex_unlock(&stats->lock);
    return count;
}

u128 stats_rate(const struct stats_sums *sums, enum stats_span span, uint64_t now_ms)
{
    uint64_t age = sums->since_ms < now_ms ? (now_ms - sums->since_ms) / 1000 : 0;
    /* The running slot is not over yet. */
    uint64_t seconds =
        stats_span_seconds[span] - slot_seconds[span] + now_ms / 1000 % slot_seconds[span];
    if (age < seconds)
        seconds = age < 10 ? 10 : age;
    return sums->work[span] / seconds;
}

size_t stats_series(struct stats *stats, uint64_t account, uint64_t worker, bool hours,
                    uint64_t now_ms, struct stats_point *points_r)
{
    size_t count = 0;
    pthread_mutex_lock(&stats->lock);
    const struct series *series =
        account == 0 ? stats->pool : stats->table[find(stats, account, worker)];
    uint64_t length_ms = hours ? HOUR_MS : COARSE_MS;
    size_t slots = series == NULL ? 0 : hours ? series->hours_count : COARSE_SLOTS;
    for (size_t back = slots; back-- > 0;) {
        uint64_t span = now_ms / length_ms - back;
        const struct slot *slot = &(hours ? series->hours : series->coarse)[(uint32_t)span % slots];
        uint64_t begin_ms = span * length_ms;
        uint64_t from_ms = begin_ms > series->since_ms ? begin_ms : series->since_ms;
        uint64_t end_ms = back == 0 ? now_ms : begin_ms + length_ms;
        bool known = slot->span == (uint32_t)span;
        const struct active *active = hours ? &stats->hours[(uint32_t)span % STATS_HOURS_MAX]
                                            : &stats->minutes[(uint32_t)span % ACTIVE_SLOTS];
        if (end_ms <= from_ms && !known)
            continue; /* nothing was looked at yet: not the same as no work */
        bool counted = account == 0 && active->span == (uint32_t)span;
        points_r[count++] =
            (struct stats_point){ .time_ms = begin_ms,
                                  .length_ms = end_ms > from_ms ? end_ms - from_ms : 0,
                                  .shares = known ? slot->shares : 0,
                                  .work = known ? work_of_slot(slot) : 0,
                                  .workers = counted ? active->workers : 0,
                                  .expected = counted ? active->expected : 0 };
    }
    pthread_mutex_unlock(&stats->lock);
    return count;
}

struct stats *stats_create(uint64_t now_ms)
{
    struct stats *stats = calloc(1, sizeof *stats);
    ASSERT(stats != NULL);
    pthread_mutex_init(&stats->lock, NULL);
    stats->pool = make(STATS_HOURS_MAX);
    ASSERT(stats->pool != NULL);
    stats->pool->since_ms = now_ms;
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
