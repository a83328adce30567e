#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/tally.h"

#include "adapter/window_redis/window_redis.h"
#include "core/identity/identity.h"
#include "tools/load/record.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    /* Of the gateway's clock: a share's time may be that of its loop's round, which on a busy machine
     * can have begun long before the share was sent. */
    SLACK_US = 1000000,
    MINERS_MAX = 4096,
};

struct seen {
    struct record_line line;
    uint64_t worker, job;
    bool taken;
};

struct kept {
    uint64_t worker, job;
    uint64_t time_us;
    uint64_t lease, sequence;
};

struct batch_id {
    uint64_t lease, sequence;
};

struct lists {
    struct seen *seen;
    size_t seen_count, seen_room;
    struct kept *kept;
    size_t kept_count, kept_room;
    struct batch_id *batches;
    size_t batch_count, batch_room;
    uint64_t workers[MINERS_MAX];
    bool quiet;
};

static void PRINTF_LIKE(2, 3) broken(struct tally *tally, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (tally->problem[0] == '\0')
        vsnprintf(tally->problem, sizeof tally->problem, format, arguments);
    va_end(arguments);
}

static void *one_more(void *list, size_t count, size_t *room, size_t bytes)
{
    if (count < *room)
        return list;
    *room = *room == 0 ? 4096 : 2 * *room;
    void *larger = realloc(list, *room * bytes);
    assert_non_null(larger);
    return larger;
}

/* The ids that auth gives to the miners' names. */
static void name_workers(const struct pool_fixture *pool, uint64_t workers_r[MINERS_MAX])
{
    char path[128], text[80] = "", name[16];
    struct identity_key key;
    struct identity_account account;
    enum address_outcome ignored;
    snprintf(path, sizeof path, "%s/secret", pool->data);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_true(hex_decode(text, 64, key.bytes, sizeof key.bytes));
    const struct coin_profile *coin = coin_profile_find(span_text("devnet-sha256d"));
    assert_int_equal(identity_resolve(coin, span_text(pool->pool_address), &account, &ignored),
                     IDENTITY_OK);
    uint64_t account_id = identity_account_id(&key, &account);
    for (unsigned i = 0; i < MINERS_MAX; i++) {
        snprintf(name, sizeof name, "w%u", i);
        workers_r[i] = identity_worker_id(&key, account_id, span_text(name));
    }
}

static void read_record(struct lists *lists, const char *path, struct tally *tally)
{
    char text[256];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(text, sizeof text, file) != NULL) {
        struct seen seen = { .taken = false };
        if (!record_read(text, &seen.line) || seen.line.miner >= MINERS_MAX)
            fail_msg("the record has a line that is none: %s", text);
        seen.worker = lists->workers[seen.line.miner];
        assert_true(hex_decode_u64(seen.line.job, strlen(seen.line.job), &seen.job));
        if (seen.line.end != RECORD_ACCEPTED && seen.line.end != RECORD_LOST) {
            tally->refused++;
            tally->refused_low += seen.line.end == 23;
            continue; /* nothing of it may be in the window: it matches nothing */
        }
        *(seen.line.end == RECORD_LOST ? &tally->lost : &tally->accepted) += 1;
        lists->seen =
            one_more(lists->seen, lists->seen_count, &lists->seen_room, sizeof *lists->seen);
        lists->seen[lists->seen_count++] = seen;
    }
    fclose(file);
}

static bool keep(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
                 const struct window_share *shares, size_t count)
{
    struct lists *lists = context;
    (void)first;
    lists->batches =
        one_more(lists->batches, lists->batch_count, &lists->batch_room, sizeof *lists->batches);
    lists->batches[lists->batch_count++] = (struct batch_id){ lease_id, sequence };
    for (size_t i = 0; i < count; i++) {
        lists->kept =
            one_more(lists->kept, lists->kept_count, &lists->kept_room, sizeof *lists->kept);
        lists->kept[lists->kept_count++] = (struct kept){ .worker = shares[i].worker,
                                                          .job = shares[i].job_id,
                                                          .time_us = shares[i].time_ms * 1000,
                                                          .lease = lease_id,
                                                          .sequence = sequence };
    }
    return true;
}

static void read_window(const struct pool_fixture *pool, struct lists *lists, struct tally *tally)
{
    char url[128];
    struct error error;
    struct window_totals totals;
    snprintf(url, sizeof url, "unix:%s/run/redis.sock", pool->data);
    struct window_reader *reader =
        window_redis_reader_open(&(struct window_redis_options){ .url = url }, &error);
    if (reader == NULL || !window_walk_on(reader, NULL, keep, lists, &error) ||
        !window_totals_read(reader, &totals, &error)) {
        fail_msg("the window cannot be read: %s", error.text);
        return;
    }
    window_reader_close(reader);
    tally->window = lists->kept_count;
    tally->batches = lists->batch_count;
    /* Nothing was trimmed, and the totals are part of the same step. */
    if (totals.accepted != lists->kept_count)
        broken(tally, "the totals say %" PRIu64 ", the window holds %zu", totals.accepted,
               lists->kept_count);
}

static int by_id(const void *a, const void *b)
{
    const struct batch_id *x = a, *y = b;
    if (x->lease != y->lease)
        return x->lease < y->lease ? -1 : 1;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static void check_batches(struct lists *lists, struct tally *tally)
{
    if (lists->batch_count > 0)
        qsort(lists->batches, lists->batch_count, sizeof *lists->batches, by_id);
    for (size_t i = 1; i < lists->batch_count; i++)
        if (by_id(&lists->batches[i - 1], &lists->batches[i]) == 0)
            broken(tally, "batch %" PRIu64 " of lease %" PRIu64 " is in the window twice",
                   lists->batches[i].sequence, lists->batches[i].lease);
}

static int by_key(uint64_t worker_a, uint64_t job_a, uint64_t worker_b, uint64_t job_b)
{
    if (worker_a != worker_b)
        return worker_a < worker_b ? -1 : 1;
    return (job_a > job_b) - (job_a < job_b);
}

/* By worker and job, then by when its time begins. */
static int seen_by_begin(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int order = by_key(x->worker, x->job, y->worker, y->job);
    return order != 0 ? order
                      : (x->line.sent_us > y->line.sent_us) - (x->line.sent_us < y->line.sent_us);
}

static int kept_by_time(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    int order = by_key(x->worker, x->job, y->worker, y->job);
    return order != 0 ? order : (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

/* Of the open intervals the one that ends first; accepted ones first where two end alike. NULL:
 * none is open at that time. */
static struct seen *first_to_end(struct seen *from, const struct seen *to, uint64_t time_us,
                                 bool accepted_only)
{
    struct seen *best = NULL;
    for (struct seen *at = from; at < to && at->line.sent_us <= time_us + SLACK_US; at++) {
        if (at->taken || at->line.ended_us + SLACK_US < time_us ||
            (accepted_only && at->line.end != RECORD_ACCEPTED))
            continue;
        if (best == NULL || at->line.ended_us < best->line.ended_us ||
            (at->line.ended_us == best->line.ended_us && at->line.end == RECORD_ACCEPTED))
            best = at;
    }
    return best;
}

static void name_share(const struct record_line *line, const char *what)
{
    printf("%s: miner w%" PRIu32 ", connection %" PRIu32 ", submission %" PRIu64
           ", job %s, sent %" PRIu64 ".%06" PRIu64 ", ended %" PRIu64 ".%06" PRIu64 "\n",
           what, line->miner, line->session, line->number, line->job, line->sent_us / 1000000,
           line->sent_us % 1000000, line->ended_us / 1000000, line->ended_us % 1000000);
}

/* One worker's shares of one job: what was sent and what is kept, each by time. */
struct group {
    struct seen *seen, *seen_end;
    const struct kept *kept, *kept_end;
};

/* A pass over the points in time; how many found an interval, and the last that found none. */
static size_t match(const struct group *group, bool accepted_only, const struct kept **unmatched_r)
{
    size_t matched = 0;
    struct seen *from = group->seen;
    *unmatched_r = NULL;
    for (struct seen *at = group->seen; at < group->seen_end; at++)
        at->taken = false;
    for (const struct kept *kept = group->kept; kept < group->kept_end; kept++) {
        while (from < group->seen_end && from->taken)
            from++;
        struct seen *found = first_to_end(from, group->seen_end, kept->time_us, accepted_only);
        if (found == NULL) {
            *unmatched_r = kept;
            continue;
        }
        found->taken = true;
        matched++;
    }
    return matched;
}

static void check_group(const struct group *group, bool quiet, struct tally *tally)
{
    size_t accepted = 0;
    const struct kept *unmatched;
    for (const struct seen *at = group->seen; at < group->seen_end; at++)
        accepted += at->line.end == RECORD_ACCEPTED;
    if (match(group, true, &unmatched) != accepted) {
        const struct seen *missing = group->seen;
        while (missing->line.end != RECORD_ACCEPTED || missing->taken)
            missing++;
        broken(tally,
               "miner w%" PRIu32 " saw submission %" PRIu64 " of its connection %" PRIu32
               " accepted, sent at %" PRIu64 " us for job %s: it is not in the window",
               missing->line.miner, missing->line.number, missing->line.session,
               missing->line.sent_us, missing->line.job);
        return;
    }
    (void)match(group, false, &unmatched);
    if (unmatched != NULL) {
        broken(tally,
               "batch %" PRIu64 "/%" PRIu64 " holds a share that nobody sent then: job %016" PRIx64
               ", received at %" PRIu64 " us",
               unmatched->lease, unmatched->sequence, unmatched->job, unmatched->time_us);
        return;
    }
    size_t unheard = (size_t)(group->kept_end - group->kept) - accepted;
    tally->unheard += unheard;
    /* Of several in flight together nobody can say which these are: those the matching chose. */
    for (const struct seen *at = group->seen; !quiet && at < group->seen_end && unheard > 0; at++)
        if (at->line.end == RECORD_LOST && at->taken) {
            name_share(&at->line, "counts unheard");
            unheard--;
        }
}

static void check_shares(struct lists *lists, struct tally *tally)
{
    if (lists->seen_count > 0)
        qsort(lists->seen, lists->seen_count, sizeof *lists->seen, seen_by_begin);
    if (lists->kept_count > 0)
        qsort(lists->kept, lists->kept_count, sizeof *lists->kept, kept_by_time);
    struct seen *seen = lists->seen, *seen_last = lists->seen + lists->seen_count;
    const struct kept *kept = lists->kept, *kept_last = lists->kept + lists->kept_count;
    while (seen < seen_last || kept < kept_last) {
        /* The lesser of the two keys; its group of each list. */
        bool from_seen =
            kept == kept_last ||
            (seen < seen_last && by_key(seen->worker, seen->job, kept->worker, kept->job) <= 0);
        uint64_t worker = from_seen ? seen->worker : kept->worker;
        uint64_t job = from_seen ? seen->job : kept->job;
        struct group group = { seen, seen, kept, kept };
        while (group.seen_end < seen_last &&
               by_key(group.seen_end->worker, group.seen_end->job, worker, job) == 0)
            group.seen_end++;
        while (group.kept_end < kept_last &&
               by_key(group.kept_end->worker, group.kept_end->job, worker, job) == 0)
            group.kept_end++;
        check_group(&group, lists->quiet, tally);
        seen = group.seen_end;
        kept = group.kept_end;
    }
}

struct tally tally_check(const struct pool_fixture *pool, const char *record_path, bool quiet)
{
    static struct lists lists;
    struct tally tally = { 0 };
    memset(&lists, 0, sizeof lists);
    lists.quiet = quiet;
    name_workers(pool, lists.workers);
    read_record(&lists, record_path, &tally);
    read_window(pool, &lists, &tally);
    check_batches(&lists, &tally);
    check_shares(&lists, &tally);
    free(lists.seen);
    free(lists.kept);
    free(lists.batches);
    return tally;
}
