#include "port/suite/window/inside.h"

#include <inttypes.h>

static const struct window_suite *suite;

int world_begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->suite = suite;
    suite->clear(suite->context);
    world->reader = suite->open_reader(suite->context);
    assert_non_null(world->reader);
    world->writer = world_writer(world, 0);
    *state = world;
    return 0;
}

int world_end(void **state)
{
    struct world *world = *state;
    window_writer_close(world->writer);
    window_reader_close(world->reader);
    free(world);
    return 0;
}

struct window_writer *world_writer(struct world *world, unsigned outstanding_max)
{
    struct window_writer *writer =
        world->suite->open_writer(world->suite->context, outstanding_max);
    assert_non_null(writer);
    uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
    while (!window_ready(writer)) {
        if (loop_clock_ns() > end_ns)
            fail_msg("the writer does not become ready");
        loop_run_once(world->suite->loop, 50);
    }
    return writer;
}

void world_wait(struct world *world, const bool *done, const char *what)
{
    uint64_t end_ns = loop_clock_ns() + PATIENCE_MS * 1000000ull;
    while (!*done) {
        if (loop_clock_ns() > end_ns)
            fail_msg("waited in vain for %s", what);
        loop_run_once(world->suite->loop, 50);
    }
}

void answer_take(void *context, const struct window_result *result)
{
    struct answer *answer = context;
    assert_false(answer->inside);
    assert_false(answer->done);
    assert_non_null(result->reason);
    answer->done = true;
    answer->outcome = result->outcome;
    answer->position = result->position;
    answer->history = result->history;
    assert_true(result->verdicts.length <= sizeof answer->verdicts);
    answer->verdicts_bytes = result->verdicts.length;
    if (result->verdicts.length > 0)
        memcpy(answer->verdicts, result->verdicts.data, result->verdicts.length);
}

struct answer append_wait(struct world *world, struct window_writer *writer,
                          const struct window_batch *batch)
{
    struct answer answer = { .inside = true };
    assert_true(window_append(writer, batch, answer_take, &answer));
    answer.inside = false;
    world_wait(world, &answer.done, "an append");
    return answer;
}

void make_shares(struct window_share *shares_r, size_t count, uint64_t lease, uint64_t sequence,
                 uint64_t attempt)
{
    for (size_t i = 0; i < count; i++)
        shares_r[i] = (struct window_share){ .account = lease,
                                             .worker = sequence,
                                             .work = i + 1,
                                             .job_id = attempt,
                                             .time_ms = UINT64_MAX - i };
}

bool seen_take(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
               const struct window_share *shares, size_t count)
{
    struct seen *seen = context;
    if (seen->count == seen->capacity) {
        seen->capacity = seen->capacity != 0 ? 2 * seen->capacity : 256;
        seen->batches = realloc(seen->batches, seen->capacity * sizeof *seen->batches);
        assert_non_null(seen->batches);
    }
    struct seen_batch *batch = &seen->batches[seen->count++];
    *batch = (struct seen_batch){
        .first = first, .lease_id = lease_id, .sequence = sequence, .count = count
    };
    assert_int_equal(first.index, 0);
    assert_true(count >= 1);
    for (size_t i = 0; i < count && i < sizeof batch->shares / sizeof batch->shares[0]; i++)
        batch->shares[i] = shares[i];
    return seen->stop_after == 0 || seen->count < seen->stop_after;
}

struct seen read_all(struct world *world)
{
    struct seen seen = { 0 };
    struct error error;
    if (!window_walk_on(world->reader, NULL, seen_take, &seen, &error))
        fail_msg("%s", error.text);
    for (size_t i = 1; i < seen.count; i++)
        assert_int_equal(
            window_position_compare(&seen.batches[i - 1].first, &seen.batches[i].first), -1);
    return seen;
}

void seen_free(struct seen *seen)
{
    free(seen->batches);
    *seen = (struct seen){ 0 };
}

static int run_group(const char *what, const struct CMUnitTest *tests, size_t count)
{
    char name[128];
    snprintf(name, sizeof name, "%s: %s", suite->name, what);
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int window_suite_main(const struct window_suite *given)
{
    suite = given;
    int failed = run_group("appending", append_tests, append_tests_count);
    failed += run_group("reading", read_tests, read_tests_count);
    failed += run_group("storms", storm_tests, storm_tests_count);
    return failed == 0 ? 0 : 1;
}
