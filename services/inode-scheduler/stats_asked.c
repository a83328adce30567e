/* What is asked of the series of stats.h: sums over spans, rates, points. From any thread. */
#include "services/inode-scheduler/stats_inside.h"

const unsigned stats_span_seconds[STATS_SPANS] = { 60, 600, 3600, 86400 };
/* of the ring that a span is summed from */
static const unsigned slot_seconds[STATS_SPANS] = { 10, 60, 60, 3600 };

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
    const struct series *series = stats->table[stats_place(stats, account, worker)];
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
        account == 0 ? stats->pool : stats->table[stats_place(stats, account, worker)];
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

struct stats_room stats_room(struct stats *stats)
{
    pthread_mutex_lock(&stats->lock);
    struct stats_room room = { stats->count, stats->bytes, stats->dropped };
    pthread_mutex_unlock(&stats->lock);
    return room;
}
