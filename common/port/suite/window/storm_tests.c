/* A gateway and two validators as the window sees them: batches of several leases in flight, in any
 * order, repeated, appended by both writers at once, asked again while their outcome is unknown.
 * However that goes, every batch must end up in the window exactly once, as judged by the attempt
 * whose verdicts were the answer.
 *
 * Each attempt judges differently: its number is in its verdicts and in its shares. */
#include "port/suite/window/inside.h"

enum { LEASES = 3, IN_FLIGHT = 16, SHARES_MAX = 8 };

struct task {
    uint64_t sequence;
    uint64_t first_attempt; /* whose verdicts were answered first; 0: none yet */
    unsigned under_way;
};

struct lease {
    uint64_t id;
    struct task *tasks; /* sequence 1 is tasks[0] */
    size_t started;
    size_t lowest; /* index of the lowest unanswered */
};

struct storm {
    struct world *world;
    struct window_writer *writers[2];
    struct lease leases[LEASES];
    size_t batches_per_lease;
    size_t answered;
    unsigned under_way;
    uint64_t attempts;
    uint64_t unknown, unavailable, refused, repeated;
    struct test_random random;
};

struct attempt {
    struct storm *storm;
    struct lease *lease;
    struct task *task;
    uint64_t number;
};

static void note_answer(struct attempt *attempt, struct span verdicts)
{
    uint64_t number;
    assert_int_equal(verdicts.length, sizeof number);
    memcpy(&number, verdicts.data, sizeof number);
    struct task *task = attempt->task;
    if (task->first_attempt == 0) {
        task->first_attempt = number;
        attempt->storm->answered++;
    }
    assert_true(task->first_attempt == number);
    struct lease *lease = attempt->lease;
    while (lease->lowest < lease->started && lease->tasks[lease->lowest].first_attempt != 0)
        lease->lowest++;
}

static void on_result(void *context, const struct window_result *result)
{
    struct attempt *attempt = context;
    struct storm *storm = attempt->storm;
    attempt->task->under_way--;
    storm->under_way--;
    switch (result->outcome) {
    case WINDOW_APPENDED:
        note_answer(attempt, span_of(&attempt->number, sizeof attempt->number));
        break;
    case WINDOW_REPEATED:
        storm->repeated++;
        note_answer(attempt, result->verdicts);
        break;
    case WINDOW_REFUSED:
        /* Only what has been answered can have become too low. */
        storm->refused++;
        assert_true(attempt->task->first_attempt != 0);
        break;
    case WINDOW_UNAVAILABLE:
        storm->unavailable++;
        break;
    case WINDOW_UNKNOWN:
        storm->unknown++;
        break;
    }
    free(attempt);
}

static void try_once(struct storm *storm, struct lease *lease, struct task *task)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);
    assert_non_null(attempt);
    *attempt = (struct attempt){ storm, lease, task, ++storm->attempts };
    struct window_share shares[SHARES_MAX];
    size_t count = (size_t)test_random_below(&storm->random, SHARES_MAX + 1);
    make_shares(shares, count, lease->id, task->sequence, attempt->number);
    struct window_batch batch = { .lease_id = lease->id,
                                  .sequence = task->sequence,
                                  .lowest = lease->lowest + 1,
                                  .shares = shares,
                                  .share_count = count,
                                  .rejected_count = (uint32_t)(SHARES_MAX - count),
                                  .verdicts = span_of(&attempt->number, sizeof attempt->number) };
    if (batch.lowest > batch.sequence)
        batch.lowest = batch.sequence; /* a late repeat */
    task->under_way++;
    storm->under_way++;
    if (!window_append(storm->writers[test_random_below(&storm->random, 2)], &batch, on_result,
                       attempt)) {
        task->under_way--;
        storm->under_way--;
        free(attempt);
    }
}

/* New batches up to the bound; some of those under way or done once more. */
static void drive(struct storm *storm, struct lease *lease)
{
    while (lease->started < storm->batches_per_lease && lease->started < lease->lowest + IN_FLIGHT)
        lease->started++;
    for (size_t i = lease->lowest; i < lease->started; i++) {
        struct task *task = &lease->tasks[i];
        if (task->first_attempt == 0 &&
            (task->under_way == 0 ||
             (task->under_way == 1 && test_random_below(&storm->random, 20) == 0)))
            try_once(storm, lease, task);
    }
    if (lease->started > 0 && test_random_below(&storm->random, 10) == 0)
        try_once(storm, lease, &lease->tasks[test_random_below(&storm->random, lease->started)]);
}

static void check_window(struct storm *storm)
{
    struct seen seen = read_all(storm->world);
    struct window_totals totals;
    struct error error;
    assert_true(window_totals_read(storm->world->reader, &totals, &error));
    size_t batches = LEASES * storm->batches_per_lease;
    uint64_t shares = 0;
    uint8_t *found = calloc(batches, 1);
    assert_non_null(found);
    for (size_t i = 0; i < seen.count; i++) {
        struct seen_batch *batch = &seen.batches[i];
        assert_in_range(batch->lease_id, 1, LEASES);
        assert_in_range(batch->sequence, 1, storm->batches_per_lease);
        size_t at = (size_t)(batch->lease_id - 1) * storm->batches_per_lease +
                    (size_t)(batch->sequence - 1);
        assert_int_equal(found[at], 0); /* no batch twice */
        found[at] = 1;
        struct task *task = &storm->leases[batch->lease_id - 1].tasks[batch->sequence - 1];
        for (size_t j = 0; j < batch->count; j++) {
            assert_int_equal(batch->shares[j].job_id, task->first_attempt);
            assert_int_equal(batch->shares[j].work, j + 1);
        }
        shares += batch->count;
    }
    free(found);
    seen_free(&seen);
    /* Batches of which nothing counts have no entry, but they are in the totals. */
    assert_int_equal(totals.batches, batches);
    assert_int_equal(totals.accepted, shares);
    assert_int_equal(totals.rejected, batches * SHARES_MAX - shares);
}

static void storm_run(struct world *world, size_t batches, unsigned crashes)
{
    struct storm storm = { .world = world,
                           .writers = { world->writer, world_writer(world, 40) },
                           .batches_per_lease = batches / LEASES,
                           .random = test_random_begin("storm") };
    for (size_t i = 0; i < LEASES; i++) {
        storm.leases[i].id = i + 1;
        storm.leases[i].tasks = calloc(storm.batches_per_lease, sizeof *storm.leases[i].tasks);
        assert_non_null(storm.leases[i].tasks);
        for (size_t j = 0; j < storm.batches_per_lease; j++)
            storm.leases[i].tasks[j].sequence = j + 1;
    }
    size_t all = LEASES * storm.batches_per_lease;
    size_t next_crash = all / (crashes + 1);
    uint64_t end_ns = loop_clock_ns() + (PATIENCE_MS + 5000ull * crashes) * 1000000ull;
    while (storm.answered < all || storm.under_way > 0) {
        if (loop_clock_ns() > end_ns)
            fail_msg("only %zu of %zu batches were answered", storm.answered, all);
        /* While the window is away, try now and then: that must be answered too. */
        bool drives = window_ready(world->writer) || test_random_below(&storm.random, 20) == 0;
        if (storm.answered < all && drives)
            for (size_t i = 0; i < LEASES; i++)
                drive(&storm, &storm.leases[i]);
        if (crashes > 0 && storm.answered >= next_crash) {
            world->suite->crash(world->suite->context);
            next_crash = storm.answered + (all - storm.answered) / crashes--;
        }
        loop_run_once(world->suite->loop, window_ready(world->writer) ? 1 : 10);
    }
    check_window(&storm);
    printf("%zu batches, %llu attempts: %llu unknown, %llu unavailable, %llu repeated, %llu "
           "refused\n",
           all, (unsigned long long)storm.attempts, (unsigned long long)storm.unknown,
           (unsigned long long)storm.unavailable, (unsigned long long)storm.repeated,
           (unsigned long long)storm.refused);
    for (size_t i = 0; i < LEASES; i++)
        free(storm.leases[i].tasks);
    window_writer_close(storm.writers[1]);
}

static size_t length_of_storm(void)
{
    const char *given = getenv("ADIT_WINDOW_BATCHES");
    return given != NULL ? (size_t)strtoul(given, NULL, 10) : 1500;
}

static void in_any_order_and_repeated_every_batch_counts_once(void **state)
{
    storm_run(*state, length_of_storm(), 0);
}

static void whatever_breaks_under_load_every_batch_counts_once(void **state)
{
    struct world *world = *state;
    storm_run(world, length_of_storm(), world->suite->crashes);
}

const struct CMUnitTest storm_tests[] = {
    WORLD_TEST(in_any_order_and_repeated_every_batch_counts_once),
    WORLD_TEST(whatever_breaks_under_load_every_batch_counts_once),
};
const size_t storm_tests_count = sizeof storm_tests / sizeof storm_tests[0];
