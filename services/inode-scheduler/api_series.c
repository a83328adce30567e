/* Hashrates with their statistical error, over spans and point by point. They live in memory, so
 * no store is asked except for who an account is. */
#include "services/inode-scheduler/api.h"

#include <math.h>

static const char *const span_names[STATS_SPANS] = { "1m", "10m", "1h", "1d" };

json_t *api_rates(const struct stats_sums *sums, uint64_t now_ms)
{
    json_t *rates = json_object();
    for (int span = 0; span < STATS_SPANS; span++)
        json_object_set_new(rates, span_names[span],
                            api_number(stats_rate(sums, (enum stats_span)span, now_ms)));
    return rates;
}

/* Shares of one difficulty arrive as a Poisson process: of n there are n ± √n, so the work they
 * stand for is known to 1/√n of itself (one standard deviation). Where difficulties were mixed this
 * is a little too small. */
static json_t *error_of(uint64_t shares)
{
    return shares == 0 ? json_null() : json_real(1 / sqrt((double)shares));
}

json_t *api_rate_errors(const struct stats_sums *sums)
{
    json_t *errors = json_object();
    for (int span = 0; span < STATS_SPANS; span++)
        json_object_set_new(errors, span_names[span], error_of(sums->shares[span]));
    return errors;
}

void api_add_rates(json_t *document, const struct stats_sums *sums, uint64_t now_ms)
{
    json_object_set_new(document, "shares_accepted", json_integer((json_int_t)sums->accepted));
    json_object_set_new(document, "last_share", json_integer((json_int_t)(sums->last_ms / 1000)));
    json_object_set_new(document, "hashrate",
                        api_number(stats_rate(sums, STATS_TEN_MINUTES, now_ms)));
    json_object_set_new(document, "hashrates", api_rates(sums, now_ms));
    json_object_set_new(document, "hashrate_errors", api_rate_errors(sums));
}

json_t *api_worker(uint64_t id, const char *name, const struct stats_sums *sums, uint64_t now_ms)
{
    json_t *worker = json_pack("{s:s, s:o}", "name", name, "id", api_id(id));
    api_add_rates(worker, sums, now_ms);
    return worker;
}

static json_t *series_of(const struct stats_point *points, size_t count, bool hours, uint64_t now)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct stats_point *point = &points[i];
        u128 rate = point->length_ms == 0 ? 0 : point->work * 1000 / point->length_ms;
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:o, s:o}", "time",
                                              (json_int_t)(point->time_ms / 1000), "seconds",
                                              (json_int_t)(point->length_ms / 1000), "shares",
                                              (json_int_t)point->shares, "hashrate",
                                              api_number(rate), "error", error_of(point->shares)));
    }
    return json_pack("{s:i, s:o, s:I}", "step", hours ? 3600 : 60, "points", list, "last_updated",
                     (json_int_t)(now / 1000));
}

static json_t *series_read(struct api_read *read, uint64_t account, uint64_t worker, bool hours)
{
    struct stats_point points[STATS_HOURS_MAX];
    uint64_t now = loop_unix_ms();
    size_t count = stats_series(read->scheduler->stats, account, worker, hours, now, points);
    return series_of(points, count, hours, now);
}

/* ?step=3600: by the hour; else by the minute. */
static bool wants_hours(const struct http_exchange *exchange)
{
    return api_query_number(exchange, "step", 60, 3600) == 3600;
}

/* How many blocks were found in the point's minute or hour; -1 where they were not counted. */
static json_int_t blocks_at(const struct scheduler_summary *summary, uint64_t time_ms, bool hours)
{
    uint64_t length_ms = hours ? 3600 * 1000 : 60 * 1000;
    uint64_t newest = summary->counted_ms / length_ms, at = time_ms / length_ms;
    if (!summary->known || at > newest)
        return summary->known ? 0 : -1; /* it began after the last look */
    if (newest - at >= (hours ? STATS_HOURS_MAX : STATS_MINUTES_MAX))
        return -1;
    return (hours ? summary->hours : summary->minutes)[newest - at];
}

/* The pool's points also say how many workers were active, how many blocks were found, and how
 * many the work was worth. */
void api_pool_series(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    struct stats_point points[STATS_HOURS_MAX];
    bool hours = wants_hours(exchange);
    http_keep(exchange, API_POOL_KEEP_MS);
    uint64_t now = loop_unix_ms();
    size_t count = stats_series(scheduler->stats, 0, 0, hours, now, points);
    json_t *answer = series_of(points, count, hours, now),
           *list = json_object_get(answer, "points");
    for (size_t i = 0; i < count; i++) {
        json_t *point = json_array_get(list, i);
        json_int_t blocks = blocks_at(&scheduler->summary, points[i].time_ms, hours);
        bool known = points[i].workers > 0 || points[i].shares == 0;
        json_object_set_new(point, "workers",
                            known ? json_integer(points[i].workers) : json_null());
        json_object_set_new(point, "blocks", blocks < 0 ? json_null() : json_integer(blocks));
        json_object_set_new(point, "expected_blocks", json_real(points[i].expected));
    }
    api_reply_tagged(exchange, answer);
}

static void account_series_read(struct api_read *read)
{
    struct account account;
    if (api_find_account(read, &account))
        read->document = series_read(read, account.id, 0, wants_hours(read->exchange));
}

void api_account_series(void *context, struct http_exchange *exchange)
{
    api_read_begin(context, exchange, http_segment(exchange, 0), account_series_read);
}

struct sought {
    const char *name;
    uint64_t id; /* 0: not found */
};

static bool on_worker(void *context, const struct account_worker *worker)
{
    struct sought *sought = context;
    if (strcmp(worker->name, sought->name) == 0)
        sought->id = worker->id;
    return sought->id == 0;
}

static void worker_series_read(struct api_read *read)
{
    struct account account;
    struct sought sought = { .name = http_segment(read->exchange, 1) };
    if (!api_find_account(read, &account) ||
        worker_walk(read->scheduler->api_store, account.id, NULL, 0, on_worker, &sought,
                    &read->error) != STORE_DONE)
        return;
    if (sought.id == 0) {
        read->status = 404;
        error_fill(&read->error, ERROR_INVALID, "the account has no worker of this name");
        return;
    }
    read->document = series_read(read, account.id, sought.id, wants_hours(read->exchange));
}

void api_worker_series(void *context, struct http_exchange *exchange)
{
    api_read_begin(context, exchange, http_segment(exchange, 0), worker_series_read);
}
