#include "tests/flow/series_look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MINUTE_MS = 60000,
    HOUR_MS = 60 * MINUTE_MS,
    POINTS = STATS_HOURS_MAX,
    SERIES_MAX = 1 + SERIES_ACCOUNTS + SERIES_WORKERS,
};

struct series_ground ground;

/* One series as the API has it. */
struct look {
    char name[300];
    uint64_t account, worker; /* 0: all */
    uint64_t from_ms, to_ms;  /* it was answered in between */
    int64_t accepted, spans[STATS_SPANS];
    struct point {
        int64_t time, seconds, shares;
        double rate;
    } points[2][POINTS]; /* by the minute, by the hour */
    size_t counts[2];
};
static struct look before[SERIES_MAX], now[SERIES_MAX];
static size_t before_count, now_count;

bool series_wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ground.problem, sizeof ground.problem, format, arguments);
    va_end(arguments);
    return false;
}

uint64_t series_unix_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* --- the window --------------------------------------------------------------------------- */

static bool keep(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
                 const struct window_share *list, size_t count)
{
    (void)context;
    (void)lease_id;
    (void)sequence;
    ground.newest = first;
    assert_true(ground.share_count + count <= SERIES_SHARES_MAX);
    memcpy(ground.shares + ground.share_count, list, count * sizeof *list);
    ground.share_count += count;
    return true;
}

struct window_reader *series_open_window(void)
{
    char url[128];
    struct error error;
    snprintf(url, sizeof url, "unix:%s/run/redis.sock", ground.pool.data);
    struct window_reader *reader =
        window_redis_reader_open(&(struct window_redis_options){ .url = url }, &error);
    if (reader == NULL)
        fail_msg("%s", error.text);
    return reader;
}

void series_read_window(void)
{
    struct error error;
    struct window_totals totals;
    struct window_reader *reader = series_open_window();
    ground.share_count = 0;
    if (!window_walk_on(reader, NULL, keep, NULL, &error) ||
        !window_totals_read(reader, &totals, &error))
        fail_msg("the window cannot be read: %s", error.text);
    window_reader_close(reader);
    assert_int_equal(totals.accepted, ground.share_count); /* nothing was trimmed */
}

void series_lose_window(void)
{
    struct error error;
    uint64_t removed;
    const struct window_position end = { .high = UINT64_MAX };
    struct window_reader *reader = series_open_window();
    if (!window_trim(reader, &end, &removed, &error))
        fail_msg("%s", error.text);
    ground.share_count = 0;
    if (!window_walk_on(reader, NULL, keep, NULL, &error))
        fail_msg("%s", error.text);
    assert_int_equal(ground.share_count, 0);
    window_reader_close(reader);
}

static bool is_of(const struct window_share *share, const struct look *look)
{
    return (look->account == 0 || share->account == look->account) &&
           (look->worker == 0 || share->worker == look->worker);
}

/* --- the API ------------------------------------------------------------------------------ */

static json_t *get(const char *path)
{
    json_t *answer;
    long status = pool_ask(ground.api_port, path, NULL, NULL, &answer);
    if (status == 200)
        return answer;
    json_decref(answer);
    return NULL;
}

static int64_t int_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static uint64_t id_at(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "id"));
    return text == NULL ? 0 : strtoull(text, NULL, 16);
}

/* A rate's error is 1/√shares: so many they were. A rate and its error stand and fall together. */
static bool take_rates(struct look *look, const json_t *rates, const json_t *errors)
{
    static const char *const names[STATS_SPANS] = { "1m", "10m", "1h", "1d" };
    for (int span = 0; span < STATS_SPANS; span++) {
        const json_t *rate = json_object_get(rates, names[span]);
        const json_t *error = json_object_get(errors, names[span]);
        double value = json_number_value(error);
        if (!json_is_number(rate) || error == NULL ||
            json_is_null(error) != (json_number_value(rate) == 0))
            return series_wrong("%s: no rate over %s, or none with an error", look->name,
                                names[span]);
        look->spans[span] = json_is_null(error) ? 0 : llround(1 / (value * value));
    }
    return true;
}

static bool take_points(struct look *look, const char *path, bool hours)
{
    char step[400];
    snprintf(step, sizeof step, "%s?step=%u", path, hours ? 3600 : 60);
    json_t *answer = get(step), *list = json_object_get(answer, "points"), *at;
    size_t i;
    look->counts[hours] = 0;
    json_array_foreach(list, i, at)
    {
        struct point *point = &look->points[hours][look->counts[hours]++];
        const json_t *error = json_object_get(at, "error");
        *point = (struct point){ .time = int_at(at, "time"),
                                 .seconds = int_at(at, "seconds"),
                                 .shares = int_at(at, "shares"),
                                 .rate = json_number_value(json_object_get(at, "hashrate")) };
        double wanted = 1 / sqrt((double)point->shares);
        if (json_is_null(error) != (point->shares == 0) ||
            (point->shares > 0 && fabs(json_number_value(error) - wanted) > 1e-9))
            look->counts[hours] = SIZE_MAX;
    }
    json_decref(answer);
    if (look->counts[hours] == SIZE_MAX)
        return series_wrong("%s: a point's error is not that of its shares", step);
    return look->counts[hours] > 0 ? true : series_wrong("%s: no points", step);
}

static bool finish(struct look *look, const char *path)
{
    bool ok = take_points(look, path, false) && take_points(look, path, true);
    look->to_ms = series_unix_ms();
    return ok;
}

static struct look *begin_look(const char *name, const char *worker)
{
    assert_true(now_count < SERIES_MAX);
    struct look *look = &now[now_count++];
    *look = (struct look){ .from_ms = series_unix_ms() };
    snprintf(look->name, sizeof look->name, "%s%s%s", name, worker[0] != '\0' ? "." : "", worker);
    return look;
}

static bool look_at_pool(void)
{
    struct look *look = begin_look("pool", "");
    json_t *answer = get("/api/v1/pool/statistics");
    const json_t *statistics = json_object_get(answer, "share_statistics");
    bool ok = int_at(statistics, "last_updated") > 0 &&
              take_rates(look, json_object_get(answer, "hashrate"),
                         json_object_get(answer, "hashrate_errors"));
    if (!ok && int_at(statistics, "last_updated") == 0)
        series_wrong("the series are not read yet");
    look->accepted = int_at(statistics, "valid_shares");
    json_decref(answer);
    return ok && finish(look, "/api/v1/pool/series");
}

static bool look_at_worker(const char *account, uint64_t id, const json_t *worker)
{
    char path[400];
    const char *name = json_string_value(json_object_get(worker, "name"));
    struct look *look = begin_look(account, name != NULL ? name : "?");
    look->account = id;
    look->worker = id_at(worker);
    look->accepted = int_at(worker, "shares_accepted");
    snprintf(path, sizeof path, "/api/v1/accounts/%s/workers/%s/series", account,
             name != NULL ? name : "?");
    return take_rates(look, json_object_get(worker, "hashrates"),
                      json_object_get(worker, "hashrate_errors")) &&
           finish(look, path);
}

static bool look_at_account(const char *name)
{
    char path[400];
    struct look *look = begin_look(name, "");
    snprintf(path, sizeof path, "/api/v1/accounts/%s", name);
    json_t *answer = get(path), *worker;
    look->account = id_at(answer);
    look->accepted = int_at(answer, "shares_accepted");
    bool ok = look->account != 0 ? take_rates(look, json_object_get(answer, "hashrates"),
                                              json_object_get(answer, "hashrate_errors"))
                                 : series_wrong("%s is not known", name);
    json_decref(answer);
    snprintf(path, sizeof path, "/api/v1/accounts/%s/series", name);
    ok = ok && finish(look, path);
    snprintf(path, sizeof path, "/api/v1/accounts/%s/workers", name);
    uint64_t from_ms = series_unix_ms();
    answer = ok ? get(path) : NULL;
    size_t i;
    json_array_foreach(json_object_get(answer, "workers"), i, worker)
    {
        ok = ok && look_at_worker(name, look->account, worker);
        now[now_count - 1].from_ms = from_ms;
    }
    json_decref(answer);
    return ok;
}

/* Takes what the API says into `now`: the pool first, then each account and its workers. */
bool series_look(void)
{
    now_count = 0;
    bool ok = look_at_pool();
    for (size_t i = 0; ok && i < SERIES_ACCOUNTS; i++)
        ok = look_at_account(ground.accounts[i]);
    if (ok && now_count != 1 + SERIES_ACCOUNTS + SERIES_WORKERS)
        return series_wrong("%zu series are known", now_count);
    return ok;
}

/* --- comparing ---------------------------------------------------------------------------- */

static int64_t shares_since(const struct look *look, int span, uint64_t at_ms)
{
    static const uint64_t length_ms[] = { 10000, MINUTE_MS, MINUTE_MS, HOUR_MS };
    static const unsigned slots[] = { 6, 10, 60, 24 };
    int64_t count = 0;
    for (size_t i = 0; i < ground.share_count; i++)
        count += is_of(&ground.shares[i], look) &&
                 at_ms / length_ms[span] - ground.shares[i].time_ms / length_ms[span] < slots[span];
    return count;
}

static bool agrees_by_points(const struct look *look, bool hours, int64_t all)
{
    int64_t step = hours ? 3600 : 60, sum = 0;
    for (size_t at = 0; at < look->counts[hours]; at++) {
        const struct point *point = &look->points[hours][at];
        u128 work = 0;
        int64_t count = 0;
        for (size_t i = 0; i < ground.share_count; i++)
            if (is_of(&ground.shares[i], look) &&
                (int64_t)(ground.shares[i].time_ms / 1000) / step == point->time / step) {
                work += ground.shares[i].work;
                count++;
            }
        sum += count;
        if (count != point->shares)
            return series_wrong(
                "%s: %" PRId64 " shares in the %s of %" PRId64 ", the window has %" PRId64,
                look->name, point->shares, hours ? "hour" : "minute", point->time, count);
        if (point->seconds == step && point->rate != (double)(uint64_t)(work / (uint64_t)step))
            return series_wrong("%s: the work of the %s of %" PRId64 " is another", look->name,
                                hours ? "hour" : "minute", point->time);
    }
    return sum == all ? true : series_wrong("%s: points are missing", look->name);
}

static bool agrees(const struct look *look)
{
    int64_t all = 0;
    for (size_t i = 0; i < ground.share_count; i++)
        all += is_of(&ground.shares[i], look);
    if (look->accepted != all)
        return series_wrong("%s: %" PRId64 " shares, the window has %" PRId64, look->name,
                            look->accepted, all);
    if (look->from_ms / 10000 != look->to_ms / 10000)
        return series_wrong("a span ended meanwhile"); /* looked at again */
    for (int span = 0; span < STATS_SPANS; span++)
        if (look->spans[span] != shares_since(look, span, look->to_ms))
            return series_wrong("%s: %" PRId64 " shares in the last %u s, the window has %" PRId64,
                                look->name, look->spans[span], stats_span_seconds[span],
                                shares_since(look, span, look->to_ms));
    return agrees_by_points(look, false, all) && agrees_by_points(look, true, all);
}

bool series_agree(void)
{
    for (size_t i = 0; i < now_count; i++)
        if (!agrees(&now[i]))
            return false;
    return true;
}

int64_t series_least(void)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < now_count; i++)
        least = now[i].accepted < least ? now[i].accepted : least;
    return least;
}

void series_remember(void)
{
    memcpy(before, now, sizeof before);
    before_count = now_count;
}

static const struct point *point_at(const struct look *look, bool hours, int64_t time)
{
    for (size_t i = 0; i < look->counts[hours]; i++)
        if (look->points[hours][i].time == time)
            return &look->points[hours][i];
    return NULL;
}

static bool is_kept(const struct look *was, const struct look *is, bool hours, bool same)
{
    for (size_t at = 0; at < was->counts[hours]; at++) {
        const struct point *old = &was->points[hours][at];
        const struct point *new = point_at(is, hours, old->time);
        bool closed = old->seconds == (hours ? 3600 : 60);
        if (new == NULL || new->shares < old->shares || (same && new->shares != old->shares) ||
            (same && closed && new->rate != old->rate))
            return series_wrong("%s: %" PRId64 " shares at %" PRId64 ", there were %" PRId64,
                                is->name, new == NULL ? -1 : new->shares, old->time, old->shares);
    }
    return true;
}

/* What was known before is known now, and no less; where nobody mined, it is the same. */
bool series_nothing_lost(bool same)
{
    for (size_t i = 0; i < before_count; i++) {
        const struct look *was = &before[i], *is = NULL;
        for (size_t at = 0; at < now_count; at++)
            if (strcmp(now[at].name, was->name) == 0)
                is = &now[at];
        if (is == NULL || is->accepted < was->accepted || (same && is->accepted > was->accepted))
            return series_wrong("%s has %" PRId64 " shares, had %" PRId64, was->name,
                                is == NULL ? -1 : is->accepted, was->accepted);
        if (!is_kept(was, is, false, same) || !is_kept(was, is, true, same))
            return false;
    }
    return true;
}
