#include "services/inode-scheduler/stats_testing.h"

#include "loop/testing/until.h"
#include "record/leader/leader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void check(bool ok, const struct error *error)
{
    if (!ok)
        fail_msg("%s", error->text);
}

void stats_ground_lead(struct stats_ground *ground)
{
    struct error error;
    check(leader_take(ground->store, STATS_TEST_ROLE, "a", 1, ground->now_ms, &ground->epoch,
                      &error) == STORE_DONE,
          &error);
}

void stats_ground_open(struct stats_ground *ground)
{
    struct error error;
    *ground = (struct stats_ground){ .now_ms = UINT64_C(1800000000000) };
    ground->loop = loop_create(&error);
    assert_non_null(ground->loop);
    ground->window = window_fake_create(ground->loop);
    ground->writer = window_fake_writer(ground->window, 0);
    ground->reader = window_fake_reader(ground->window);
    ground->store = store_fake_create();
    const struct store_collection *const collections[] = { &stats_collection, &leader_collection };
    check(store_declare(ground->store, collections, 2, &error), &error);
    stats_ground_lead(ground);
}

void stats_ground_close(struct stats_ground *ground)
{
    store_close(ground->store);
    window_reader_close(ground->reader);
    window_writer_close(ground->writer);
    window_fake_destroy(ground->window);
    loop_destroy(ground->loop);
}

static void on_appended(void *context, const struct window_result *result)
{
    struct stats_ground *ground = context;
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    ground->replies++;
}

void stats_ground_append(struct stats_ground *ground, const struct window_share *shares,
                         size_t count)
{
    static const uint8_t verdicts[1] = { 0 };
    ground->sequence++;
    struct window_batch batch = { .lease_id = 1,
                                  .sequence = ground->sequence,
                                  .lowest = ground->sequence,
                                  .shares = shares,
                                  .share_count = count,
                                  .verdicts = span_of(verdicts, 1) };
    unsigned replies = ground->replies;
    assert_true(window_append(ground->writer, &batch, on_appended, ground));
    LOOP_UNTIL(ground->loop, ground->replies > replies, "");
}

void stats_ground_forget(struct stats_ground *ground)
{
    struct error error;
    uint64_t removed;
    const struct window_position end = { .high = UINT64_MAX };
    check(window_trim(ground->reader, &end, &removed, &error), &error);
}

struct stats *stats_ground_born(struct stats_ground *ground)
{
    struct error error;
    struct stats *stats = stats_create(ground->now_ms);
    stats_network_is(stats, 1000000);
    check(stats_load(stats, ground->store, &error), &error);
    stats_ground_look(ground, stats);
    return stats;
}

void stats_ground_look(struct stats_ground *ground, struct stats *stats)
{
    struct error error;
    check(stats_read(stats, ground->reader, ground->now_ms, &error), &error);
}

bool stats_ground_keep(struct stats_ground *ground, struct stats *stats, uint64_t epoch)
{
    struct error error;
    bool ok = true;
    for (unsigned i = 0; i < 12; i++)
        ok = stats_keep(stats, ground->store, STATS_TEST_ROLE, epoch, ground->now_ms, &error) && ok;
    return ok;
}
