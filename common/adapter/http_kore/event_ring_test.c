/* The ring of events against a model that keeps everything: whatever is added and however little
 * is sent at a time, a watcher gets exactly what is for it, in order and whole, or is lost. */
#include "adapter/http_kore/event_ring.h"

#include "base/test_random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

enum { ROOM = 16, BYTES_MAX = 400, READERS = 8, STEPS = 20000, TEXT = 1 << 20 };

static struct stream_event *event_of(uint64_t number, uint64_t topic, uint32_t kind, size_t length)
{
    struct stream_event *event = calloc(1, sizeof *event + length);
    assert_non_null(event);
    *event =
        (struct stream_event){ .number = number, .topic = topic, .kind = kind, .length = length };
    for (size_t i = 0; i < length; i++)
        event->bytes[i] = (uint8_t)(number * 31 + i);
    return event;
}

/* What a watcher ought to have been sent, and what it was. */
struct model {
    struct event_reader reader;
    uint8_t *due, *got;
    size_t due_length, got_length;
    bool lost;
};

static void tell(struct model *model, const struct stream_event *event)
{
    if ((event->kind & model->reader.kinds) == 0 ||
        (event->topic != 0 && event->topic != model->reader.topic))
        return;
    memcpy(model->due + model->due_length, event->bytes, event->length);
    model->due_length += event->length;
}

static void send_some(const struct event_ring *ring, struct model *model,
                      struct test_random *random)
{
    struct iovec pieces[4];
    if (event_reader_is_lost(ring, &model->reader)) {
        model->lost = true;
        return;
    }
    size_t count =
        event_reader_look(ring, &model->reader, pieces, 1 + test_random_below(random, 4));
    size_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += pieces[i].iov_len;
    size_t sent = all == 0 ? 0 : test_random_below(random, all + 1), left = sent;
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        memcpy(model->got + model->got_length, pieces[i].iov_base, part);
        model->got_length += part;
        left -= part;
    }
    event_reader_advance(ring, &model->reader, sent);
}

/* The first watcher never reads, the last one always keeps up. */
static uint64_t turns_of(size_t watcher, struct test_random *random)
{
    if (watcher == 0)
        return 0;
    return watcher == READERS - 1 ? 100 : test_random_below(random, 2 + watcher);
}

static void every_watcher_gets_what_is_for_it_whole_and_in_order_or_is_lost(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("event ring");
    struct event_ring ring;
    static struct model models[READERS];
    size_t lost = 0, even = 0;
    event_ring_init(&ring, ROOM, BYTES_MAX);
    for (size_t i = 0; i < READERS; i++) {
        models[i] =
            (struct model){ .reader = { .next = 1, .topic = i % 3, .kinds = i % 2 == 0 ? 3 : 1 } };
        models[i].due = malloc(TEXT);
        models[i].got = malloc(TEXT);
        assert_true(models[i].due != NULL && models[i].got != NULL);
    }
    for (uint64_t step = 1; step < STEPS; step++) {
        struct stream_event *event =
            event_of(step, test_random_below(&random, 3), 1u << test_random_below(&random, 2),
                     1 + test_random_below(&random, 40));
        for (size_t i = 0; i < READERS; i++)
            tell(&models[i], event);
        event_ring_add(&ring, event);
        assert_true(ring.next - ring.oldest <= ROOM && ring.bytes <= BYTES_MAX);
        for (size_t i = 0; i < READERS; i++)
            for (uint64_t turns = turns_of(i, &random); turns > 0 && !models[i].lost; turns--)
                send_some(&ring, &models[i], &random);
    }
    assert_false(models[READERS - 1].lost);
    for (size_t i = 0; i < READERS; i++) {
        assert_true(models[i].got_length <= models[i].due_length);
        assert_memory_equal(models[i].got, models[i].due, models[i].got_length);
        for (int turns = 0; turns < 1000 && !models[i].lost; turns++)
            send_some(&ring, &models[i], &random);
        lost += models[i].lost;
        even += !models[i].lost && models[i].got_length == models[i].due_length;
        free(models[i].due);
        free(models[i].got);
    }
    assert_int_equal(lost + even, READERS);
    assert_true(lost > 0 && even > 0);
    event_ring_deinit(&ring);
}

static void a_watcher_in_the_middle_of_an_event_that_goes_is_lost(void **state)
{
    (void)state;
    struct event_ring ring;
    struct event_reader reader = { .next = 1, .kinds = 1 };
    struct iovec pieces[2];
    event_ring_init(&ring, 2, 1000);
    event_ring_add(&ring, event_of(1, 0, 1, 10));
    assert_int_equal(event_reader_look(&ring, &reader, pieces, 2), 1);
    event_reader_advance(&ring, &reader, 4);
    event_ring_add(&ring, event_of(2, 0, 1, 10));
    assert_false(event_reader_is_lost(&ring, &reader));
    assert_int_equal(event_reader_look(&ring, &reader, pieces, 2), 2);
    assert_int_equal(pieces[0].iov_len, 6);
    event_ring_add(&ring, event_of(3, 0, 1, 10));
    assert_true(event_reader_is_lost(&ring, &reader));
    event_ring_deinit(&ring);
}

static void what_is_not_for_it_never_makes_a_reader_lost_that_looks(void **state)
{
    (void)state;
    struct event_ring ring;
    struct event_reader reader = { .next = 1, .topic = 7, .kinds = 1 };
    struct iovec pieces[2];
    event_ring_init(&ring, 4, 1000);
    for (uint64_t number = 1; number < 100; number++) {
        event_ring_add(&ring, event_of(number, 8, 1, 10));
        assert_false(event_reader_is_lost(&ring, &reader));
        assert_int_equal(event_reader_look(&ring, &reader, pieces, 2), 0);
    }
    event_ring_add(&ring, event_of(100, 7, 1, 10));
    assert_int_equal(event_reader_look(&ring, &reader, pieces, 2), 1);
    event_ring_deinit(&ring);
}

static void a_cleared_ring_loses_everybody_and_goes_on(void **state)
{
    (void)state;
    struct event_ring ring;
    struct event_reader old = { .next = 2, .kinds = 1 }, fresh = { .next = 50, .kinds = 1 };
    struct iovec piece;
    event_ring_init(&ring, 4, 1000);
    event_ring_add(&ring, event_of(1, 0, 1, 10));
    event_ring_clear(&ring, 50);
    assert_true(event_reader_is_lost(&ring, &old));
    assert_false(event_reader_is_lost(&ring, &fresh));
    event_ring_add(&ring, event_of(50, 0, 1, 2000)); /* longer than the bound: alone */
    assert_int_equal(event_reader_look(&ring, &fresh, &piece, 1), 1);
    event_ring_add(&ring, event_of(51, 0, 1, 10));
    assert_int_equal(ring.oldest, 51);
    event_ring_deinit(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_watcher_gets_what_is_for_it_whole_and_in_order_or_is_lost),
        cmocka_unit_test(a_watcher_in_the_middle_of_an_event_that_goes_is_lost),
        cmocka_unit_test(what_is_not_for_it_never_makes_a_reader_lost_that_looks),
        cmocka_unit_test(a_cleared_ring_loses_everybody_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
