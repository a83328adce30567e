/* Jobs as they are published, missed, repeated and outdated. */
#include "adapter/bus_fake/bus_fake.h"
#include "core/stratum/stratum.h"
#include "services/stratum-gateway/job_feed.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define PUBLISH "fake://scheduler.pub"
#define REQUEST "fake://scheduler.rep"

enum { MEMORY_BYTES = 2 << 20, ALIVE_MAX = 8 };

static struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_server *server;
    struct bus_client *client;
    struct bus_publisher *publisher;
    struct job_feed feed;
    unsigned news, asked;
    struct wire_job alive[ALIVE_MAX]; /* what the scheduler answers */
    uint32_t alive_count;
    uint64_t epoch, sequence;
} * w;

/* 41 bytes to the input script's length, which runs to the end of extranonce2. */
static uint8_t coinbase[60] = { [41] = 60 - 42 + 4 + 8 };
static uint8_t bytes[1 << 16];

static struct wire_job make(uint64_t epoch, uint64_t sequence, uint64_t id, uint8_t tip)
{
    struct wire_job job = { .epoch = epoch,
                            .sequence = sequence,
                            .job_id = id,
                            .height = 1,
                            .coinbase1 = span_of(coinbase, sizeof coinbase),
                            .coinbase2 = span_of(coinbase, sizeof coinbase),
                            .bits = 0x207fffff,
                            .cur_time = 1700000000,
                            .min_time = 1700000000,
                            .extranonce1_bytes = 4,
                            .extranonce2_bytes = 8 };
    memset(job.prev_hash, tip, sizeof job.prev_hash);
    return job;
}

static void on_request(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    (void)message;
    const struct wire_job_reply reply = {
        .epoch = w->epoch, .sequence = w->sequence, .jobs = w->alive, .jobs_count = w->alive_count
    };
    size_t length = wire_encode_job_reply(&reply, bytes, sizeof bytes);
    assert_true(length > 0);
    w->asked++;
    (void)bus_reply(call, span_of(bytes, length));
}

static void on_news(void *context)
{
    (void)context;
    w->news++;
}

static void turn(unsigned rounds)
{
    while (rounds-- > 0)
        loop_run_once(w->loop, 1);
}

static void publish(struct wire_job job)
{
    size_t length = wire_encode_job(&job, bytes, sizeof bytes);
    assert_true(length > 0);
    bus_publish(w->publisher, span_of(bytes, length));
    turn(4);
}

static uint64_t current(void)
{
    const struct stratum_job *job = stratum_jobs_current(&w->feed.table);
    return job != NULL ? job->job->id : 0;
}

static int set_up(void **state)
{
    (void)state;
    struct error error;
    const struct bus_client_options options = { .in_flight_max = 4, .message_bytes_max = 1 << 20 };
    w = calloc(1, sizeof *w);
    w->loop = loop_create(&error);
    w->bus = bus_fake_create(w->loop);
    w->server = bus_serve(w->bus, REQUEST, 8, 1 << 20, on_request, NULL, &error);
    w->publisher = bus_publisher_open(w->bus, PUBLISH, NULL, NULL, &error);
    w->client = bus_connect(w->bus, REQUEST, &options, &error);
    assert_true(job_feed_open(&w->feed, w->loop, w->bus, PUBLISH, w->client, 600000, MEMORY_BYTES,
                              on_news, NULL, &error));
    turn(4);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    job_feed_close(&w->feed);
    bus_client_close(w->client);
    bus_server_close(w->server);
    bus_publisher_close(w->publisher);
    bus_destroy(w->bus);
    loop_destroy(w->loop);
    free(w);
    return 0;
}

static void what_is_newer_counts_and_what_is_older_does_not(void **state)
{
    (void)state;
    publish(make(2, 1, 21, 1));
    assert_int_equal(current(), 21);
    publish(make(2, 1, 21, 1)); /* the heartbeat repeats it */
    assert_int_equal(w->news, 1);
    publish(make(2, 2, 22, 1));
    assert_int_equal(current(), 22);
    publish(make(1, 9, 19, 2)); /* a deposed scheduler */
    publish(make(2, 1, 20, 2)); /* out of order */
    assert_int_equal(current(), 22);
    assert_int_equal(w->news, 2);
    publish(make(3, 1, 31, 1)); /* a new scheduler begins its sequence anew */
    assert_int_equal(current(), 31);
    publish(make(2, 3, 23, 1));
    assert_int_equal(current(), 31);
    assert_int_equal(w->asked, 0);
}

static void a_gap_is_asked_for_and_the_newest_is_used_at_once(void **state)
{
    (void)state;
    publish(make(1, 1, 11, 1));
    w->epoch = 1;
    w->sequence = 4;
    w->alive[w->alive_count++] = make(1, 3, 13, 1);
    w->alive[w->alive_count++] = make(1, 4, 14, 1);
    publish(make(1, 4, 14, 1));
    assert_int_equal(current(), 14);
    turn(5);
    assert_int_equal(w->asked, 1);
    assert_int_equal(current(), 14);
    assert_int_equal(w->news, 2);
}

static void at_the_start_the_jobs_alive_are_asked_for(void **state)
{
    (void)state;
    w->epoch = 5;
    w->sequence = 9;
    w->alive[w->alive_count++] = make(5, 7, 57, 1);
    w->alive[w->alive_count++] = make(5, 8, 58, 2);
    job_feed_ask(&w->feed);
    job_feed_ask(&w->feed); /* one question is enough */
    turn(5);
    assert_int_equal(w->asked, 1);
    assert_int_equal(current(), 58);
    assert_int_equal(w->news, 1);
    assert_non_null(stratum_jobs_find(&w->feed.table, 57));
    publish(make(5, 9, 59, 2));
    assert_int_equal(current(), 59);
}

static void a_job_nobody_can_serve_is_not_taken(void **state)
{
    (void)state;
    struct wire_job job = make(1, 1, 11, 1);
    job.extranonce1_bytes = 8;
    publish(job);
    assert_int_equal(current(), 0);
    job = make(1, 2, 12, 1);
    job.bits = 0;
    publish(job);
    assert_int_equal(current(), 0);
    bus_publish(w->publisher, span_text("no message of ours"));
    turn(3);
    publish(make(1, 3, 13, 1));
    assert_int_equal(current(), 13);
}

static void when_memory_is_short_the_oldest_job_is_closed(void **state)
{
    (void)state;
    publish(make(1, 1, 11, 1));
    publish(make(1, 2, 12, 1));
    struct feed_job *old = feed_job_of(stratum_jobs_find(&w->feed.table, 11));
    struct feed_job *new = feed_job_of(stratum_jobs_find(&w->feed.table, 12));
    struct duplicates_key key = { { 1, 1, 1 } };
    for (; key.part[0] <= 20000; key.part[0]++)
        assert_int_equal(job_feed_see(&w->feed, old, &key), DUPLICATES_NEW);
    for (key.part[0] = 1; key.part[0] <= 40000; key.part[0]++)
        assert_int_equal(job_feed_see(&w->feed, new, &key), DUPLICATES_NEW);
    assert_true(old->closed);
    assert_false(new->closed);
    enum duplicates_outcome outcome = DUPLICATES_NEW;
    for (; outcome == DUPLICATES_NEW; key.part[0]++)
        outcome = job_feed_see(&w->feed, new, &key);
    assert_int_equal(outcome, DUPLICATES_FULL); /* the current one is never closed */
    key.part[0] = 7;
    assert_int_equal(job_feed_see(&w->feed, new, &key), DUPLICATES_SEEN);
    job_feed_unsee(&w->feed, 12, &key);
    assert_int_equal(job_feed_see(&w->feed, new, &key), DUPLICATES_NEW);
}

static void hundreds_of_jobs_come_and_the_oldest_go(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= STRATUM_JOBS_MAX + 20; i++) {
        publish(make(1, i, 1000 + i, (uint8_t)(i / 10)));
        assert_int_equal(current(), 1000 + i);
    }
    assert_null(stratum_jobs_find(&w->feed.table, 1001));
    assert_int_equal(job_feed_newest(&w->feed) - job_feed_oldest(&w->feed) + 1, STRATUM_JOBS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_newer_counts_and_what_is_older_does_not),
        TEST(a_gap_is_asked_for_and_the_newest_is_used_at_once),
        TEST(at_the_start_the_jobs_alive_are_asked_for),
        TEST(a_job_nobody_can_serve_is_not_taken),
        TEST(when_memory_is_short_the_oldest_job_is_closed),
        TEST(hundreds_of_jobs_come_and_the_oldest_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
