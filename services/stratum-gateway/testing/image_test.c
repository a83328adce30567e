/* What one program leaves for the next: what is written is read, and nothing that was cut is. */
#include "base/test_random.h"
#include "services/stratum-gateway/extranonce_pool.h"
#include "services/stratum-gateway/session_image.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

/* Any numbers, but for what must be one of few. */
static void make_session(struct test_random *random, struct stratum_session *session)
{
    test_random_bytes(random, session, sizeof *session);
    bool *const flags[] = { &session->extranonce_subscribed,
                            &session->receipts_subscribed,
                            &session->authorised,
                            &session->wished,
                            &session->fixed,
                            &session->wants_workers,
                            &session->no_workers,
                            &session->resuming,
                            &session->version_asked,
                            &session->coinbase_refused,
                            &session->quirk.names_escaped,
                            &session->quirk.short_numbers };
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        memset(flags[i], (int)test_random_below(random, 2), sizeof *flags[i]);
    for (unsigned i = 0; i < STRATUM_WORKERS_OWN; i++)
        memset(&session->workers[i].maybe_cut, (int)test_random_below(random, 2), sizeof(bool));
    session->state = (enum stratum_state)test_random_below(random, STRATUM_CLOSED + 1);
    session->marks_count = (uint8_t)test_random_below(random, STRATUM_MARKS_MAX + 1);
    session->agent[sizeof session->agent - 1] = '\0';
    session->answers = NULL;
    session->more = NULL;
}

static void a_session_is_read_as_it_was_written_and_not_when_it_is_cut(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("image");
    for (unsigned round = 0; round < 200; round++) {
        static struct stratum_session before, after;
        make_session(&random, &before);
        memset(&after, 0, sizeof after);
        struct image written = image_to_write(), again = image_to_write();
        session_image(&written, &before);
        assert_false(written.failed);
        struct image read = image_to_read(written.bytes, written.used);
        session_image(&read, &after);
        assert_false(read.failed);
        assert_int_equal(read.used, written.used);
        session_image(&again, &after);
        assert_int_equal(again.used, written.used);
        assert_memory_equal(again.bytes, written.bytes, written.used);
        size_t cut = test_random_below(&random, written.used);
        struct image part = image_to_read(written.bytes, cut);
        session_image(&part, &after);
        assert_true(part.failed);
        image_deinit(&written);
        image_deinit(&again);
    }
}

/* Takes and gives back at random; what both pools do afterwards is the same. */
static void leases_go_on_where_they_were(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("image_leases");
    enum { VALUES = 100, HELD = 2 * VALUES };
    for (unsigned round = 0; round < 50; round++) {
        struct extranonce_pool before = { .count = 0 }, after = { .count = 0 };
        uint32_t held[HELD], held_count = 0;
        uint64_t leases[HELD];
        assert_true(extranonce_pool_add(&before, 7, 0x10000, VALUES));
        assert_true(extranonce_pool_add(&before, 9, 0x20000, VALUES));
        for (unsigned i = 0; i < 500; i++) {
            uint32_t value;
            uint64_t lease;
            if (test_random_below(&random, 2) == 0 && held_count < HELD) {
                if (!extranonce_pool_take(&before, i / 10, &value, &lease))
                    continue;
                held[held_count] = value;
                leases[held_count++] = lease;
            } else if (held_count > 0) {
                held_count--;
                extranonce_pool_give_back(&before, leases[held_count], held[held_count],
                                          test_random_below(&random, 2) == 0 ? 0 : i / 10 + 1);
            }
        }
        struct image written = image_to_write();
        extranonce_pool_image(&before, &written);
        struct image read = image_to_read(written.bytes, written.used);
        extranonce_pool_image(&after, &read);
        assert_false(written.failed);
        assert_false(read.failed);
        for (bool more = true; more;) {
            uint32_t a = 0, b = 0;
            uint64_t lease_a = 0, lease_b = 0;
            more = extranonce_pool_take(&before, 1000, &a, &lease_a);
            assert_int_equal(extranonce_pool_take(&after, 1000, &b, &lease_b), more);
            assert_int_equal(a, b);
            assert_int_equal(lease_a, lease_b);
        }
        image_deinit(&written);
        extranonce_pool_deinit(&before);
        extranonce_pool_deinit(&after);
    }
}

static void marks_spans_and_counts_hold(void **state)
{
    (void)state;
    struct image image = image_to_write();
    struct span text = span_text("half a line"), empty = { NULL, 0 };
    uint32_t count = 5;
    image_mark(&image, 42);
    image_span(&image, &text);
    image_span(&image, &empty);
    image_count(&image, &count, 5);
    struct image read = image_to_read(image.bytes, image.used);
    struct span text_r = { NULL, 0 }, empty_r = { NULL, 0 };
    uint32_t count_r = 0;
    image_mark(&read, 42);
    image_span(&read, &text_r);
    image_span(&read, &empty_r);
    assert_true(span_equal(text, text_r));
    assert_int_equal(empty_r.length, 0);
    image_count(&read, &count_r, 4);
    assert_true(read.failed);
    assert_int_equal(count_r, 0);
    struct image other = image_to_read(image.bytes, image.used);
    image_mark(&other, 43);
    assert_true(other.failed);
    image_deinit(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_read_as_it_was_written_and_not_when_it_is_cut),
        cmocka_unit_test(leases_go_on_where_they_were),
        cmocka_unit_test(marks_spans_and_counts_hold),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
