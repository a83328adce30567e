#include "services/inode-scheduler/stats_inside.h"

#include "service/log.h"
#include "services/inode-scheduler/places.h"

/* Where the store has no series yet, the last hour is read from the window whatever it takes, and
 * further back until the rings are full or so many shares were read: some seconds. */
enum { READ_BACK_SHARES = 8 << 20 };

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

/* What of a batch is counted: not what a page had when it was read from the store. */
struct counted {
    bool fine, coarse, hour;
};

/* Whether a share of that span is to be counted in the page, which is in it from then on. */
static bool page_takes(struct stats *stats, size_t number, uint32_t span,
                       const struct window_position *position)
{
    struct stats_page *page = &stats->pages[number];
    if ((int32_t)(span - page->span) < 0 && page->span != 0)
        return false; /* older than what the rings hold */
    if (page->span != span) {
        page->span = span;
        page->upto = (struct window_position){ 0 };
    }
    if (window_position_compare(position, &page->upto) <= 0)
        return false;
    if (window_position_compare(position, &page->newest) > 0)
        page->newest = *position;
    return true;
}

static void count_worth(struct stats *stats, const struct window_share *share,
                        const struct counted *counted, bool totals)
{
    double network = network_at(stats, share->time_ms);
    double expected = network > 0 ? (double)share->work / network : 0;
    if (totals)
        stats->expected += expected;
    if (counted->coarse)
        count_in(stats->minutes, ACTIVE_SLOTS, (uint32_t)(share->time_ms / COARSE_MS), 0, expected);
    if (counted->hour)
        count_in(stats->hours, STATS_HOURS_MAX, (uint32_t)(share->time_ms / HOUR_MS), 0, expected);
}

bool stats_was_active(const struct series *worker, uint32_t minute, uint32_t but)
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
        if (!stats_was_active(worker, at, minute))
            count_in(stats->minutes, ACTIVE_SLOTS, at, 1, 0);
}

/* The worker's first share in this hour, as far as its own ring reaches: further back, some of the
 * workers would not be counted. */
static void count_hour(struct stats *stats, uint32_t hour)
{
    if ((int32_t)(stats->newest_hour - hour) < WORKER_HOURS)
        count_in(stats->hours, STATS_HOURS_MAX, hour, 1, 0);
}

static void add_totals(struct series *series, const struct window_share *share)
{
    if (series->accepted == 0 || share->time_ms < series->since_ms)
        series->since_ms = share->time_ms;
    if (share->time_ms > series->last_ms)
        series->last_ms = share->time_ms;
    series->accepted++;
    series->accepted_work += share->work;
}

static void add(struct stats *stats, struct series *series, const struct window_share *share,
                const struct counted *counted, bool totals)
{
    if (series == NULL)
        return;
    if (totals)
        add_totals(series, share);
    if (counted->fine)
        add_slot(series->fine, FINE_SLOTS, FINE_MS, share->time_ms, share->work);
    bool minute = counted->coarse &&
                  add_slot(series->coarse, COARSE_SLOTS, COARSE_MS, share->time_ms, share->work);
    bool hour = counted->hour &&
                add_slot(series->hours, series->hours_count, HOUR_MS, share->time_ms, share->work);
    if (series->worker != 0 && minute)
        count_minutes(stats, series, (uint32_t)(share->time_ms / COARSE_MS));
    if (series->worker != 0 && hour)
        count_hour(stats, (uint32_t)(share->time_ms / HOUR_MS));
}

static void add_share(struct stats *stats, const struct window_position *position,
                      const struct window_share *share)
{
    uint32_t fine = (uint32_t)(share->time_ms / FINE_MS);
    uint32_t minute = (uint32_t)(share->time_ms / COARSE_MS);
    uint32_t hour = (uint32_t)(share->time_ms / HOUR_MS);
    const struct counted counted = {
        .fine = page_takes(stats, PAGE_FINE + fine % FINE_SLOTS, fine, position),
        .coarse = page_takes(stats, PAGE_COARSE + minute % COARSE_SLOTS, minute, position),
        .hour = page_takes(stats, PAGE_HOURS + hour % STATS_HOURS_MAX, hour, position),
    };
    bool head = page_takes(stats, PAGE_HEAD, 0, position);
    bool totals = page_takes(stats, page_of_totals(share->account), 0, position);
    if ((int32_t)(hour - stats->newest_hour) > 0 || stats->newest_hour == 0)
        stats->newest_hour = hour;
    count_worth(stats, share, &counted, head);
    add(stats, stats->pool, share, &counted, head);
    if (!counted.fine && !counted.coarse && !counted.hour && !totals)
        return; /* what gave way must not come back for nothing */
    add(stats, stats_take(stats, share->account, 0, share->time_ms), share, &counted, totals);
    if (share->worker != 0)
        add(stats, stats_take(stats, share->account, share->worker, share->time_ms), share,
            &counted, totals);
}

static void add_batch(struct stats *stats, const struct window_position *position,
                      const struct window_share *shares, size_t count)
{
    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < count; i++)
        add_share(stats, position, &shares[i]);
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
    add_batch(stats, &first, shares, count);
    stats->read_back += count;
    if (count == 0 || shares[0].time_ms >= stats->hour_ago_ms)
        return true;
    return shares[0].time_ms >= stats->oldest_ms && stats->read_back < READ_BACK_SHARES;
}

/* What came between what the store has and our start: nobody is told of it. */
static bool on_kept_batch(void *context, struct window_position first, uint64_t lease_id,
                          uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct stats *stats = context;
    (void)lease_id;
    (void)sequence;
    stats->last = first;
    add_batch(stats, &first, shares, count);
    return true;
}

static bool on_new_batch(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct stats *stats = context;
    stats->last = first;
    stats->have_last = true;
    add_batch(stats, &first, shares, count);
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

static bool read_first(struct stats *stats, struct window_reader *window, uint64_t now_ms,
                       struct error *error)
{
    uint64_t reach_ms = (uint64_t)STATS_HOURS_MAX * HOUR_MS;
    if (stats->loaded) {
        stats->began = window_walk_on(window, &stats->last, on_kept_batch, stats, error);
        return stats->began;
    }
    stats->hour_ago_ms = now_ms > HOUR_MS ? now_ms - HOUR_MS : 0;
    stats->oldest_ms = now_ms > reach_ms ? now_ms - reach_ms : 0;
    bool ok = window_walk_back(window, NULL, on_old_batch, stats, error);
    stats->began = ok || stats->have_last;
    return ok;
}

bool stats_read(struct stats *stats, struct window_reader *window, uint64_t now_ms,
                struct error *error)
{
    struct window_totals totals;
    struct window_state before = { .empty = true }, after = { .empty = true };
    const struct window_position last = stats->last;
    const bool had_last = stats->began && stats->have_last, notes = stats->places != NULL;
    bool ok = (!notes || window_state_read(window, &before, error)) &&
              window_totals_read(window, &totals, error);
    if (ok && !stats->began) {
        ok = read_first(stats, window, now_ms, error);
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
