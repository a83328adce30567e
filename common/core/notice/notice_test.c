#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/notice/notice.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
static const struct notice_patience patience = { .after_ms = 10 * MINUTE, .quiet_ms = HOUR / 2 };
static const uint64_t start_ms = 1700000000000;

static void every_kind_has_a_type_and_a_subject_and_only_choices_can_be_chosen(void **state)
{
    (void)state;
    enum notice_kind kind;
#define X(name, value, type, subject)                                                              \
    assert_string_equal(notice_type(name), type);                                                  \
    assert_string_equal(notice_subject(name), subject);                                            \
    assert_int_equal(notice_choice(span_text(type), &kind), (value) <= NOTICE_CHOICES);            \
    assert_true((value) > NOTICE_CHOICES || kind == (name));
    NOTICE_KINDS(X)
#undef X
    assert_null(notice_type((enum notice_kind)99));
    assert_null(notice_subject((enum notice_kind)99));
    assert_false(notice_choice(span_text(""), &kind));
}

/* Tells at the first moment at which that is due; when that was. */
static uint64_t tell(struct notice_watch *watch, uint64_t oldest_ms, uint64_t now_ms)
{
    while (!notice_is_due(watch, &patience, oldest_ms, 0, now_ms))
        now_ms += SECOND;
    notice_told(watch, notice_horizon_ms(&patience, now_ms), now_ms);
    return now_ms;
}

static void
a_silence_is_told_once_after_the_patience_and_with_those_that_fell_silent_with_it(void **state)
{
    (void)state;
    struct notice_watch watch = { .until_ms = start_ms };
    uint64_t oldest_ms = start_ms + HOUR;
    uint64_t told_ms = tell(&watch, oldest_ms, oldest_ms);
    assert_int_equal(told_ms, oldest_ms + 11 * MINUTE);
    /* What fell silent in the minute after it went with it; it is not due again. */
    assert_int_equal(watch.until_ms, oldest_ms + MINUTE);
    for (uint64_t now_ms = told_ms; now_ms < told_ms + 2 * DAY; now_ms += MINUTE) {
        assert_false(notice_is_due(&watch, &patience, oldest_ms, 0, now_ms));
        assert_false(notice_is_due(&watch, &patience, oldest_ms + MINUTE, 0, now_ms));
    }
}

static void what_began_before_the_account_asked_for_it_is_never_told(void **state)
{
    (void)state;
    const struct notice_watch watch = { .until_ms = start_ms };
    assert_false(notice_is_due(&watch, &patience, start_ms, 0, start_ms + DAY));
    assert_true(notice_is_due(&watch, &patience, start_ms + 1, 0, start_ms + DAY));
}

static void an_outage_of_the_pool_is_held_against_nobody(void **state)
{
    (void)state;
    const struct notice_watch watch = { .until_ms = start_ms };
    uint64_t now_ms = start_ms + HOUR;
    /* It has been well for nine minutes, in which the worker may not have found its way back. */
    assert_false(notice_is_due(&watch, &patience, start_ms + 1, now_ms - 9 * MINUTE, now_ms));
    assert_true(notice_is_due(&watch, &patience, start_ms + 1, now_ms - 10 * MINUTE, now_ms));
}

static void who_flaps_all_day_is_told_of_it_ever_more_seldom(void **state)
{
    (void)state;
    struct notice_watch watch = { .until_ms = start_ms };
    uint64_t now_ms = start_ms, notices = 0, last_ms = 0;
    /* Silent for a quarter of an hour, there for one, again and again. */
    for (; now_ms < start_ms + DAY; now_ms += MINUTE) {
        uint64_t fell_ms = start_ms + 1 + (now_ms - start_ms) / HOUR * 2 * HOUR / 2;
        if (!notice_is_due(&watch, &patience, fell_ms, 0, now_ms))
            continue;
        uint64_t quiet_ms = notice_quiet_ms(&watch, &patience);
        assert_true(last_ms == 0 || now_ms - last_ms >= quiet_ms);
        notice_told(&watch, notice_horizon_ms(&patience, now_ms), now_ms);
        last_ms = now_ms;
        notices++;
    }
    assert_in_range(notices, 5, 9);
    assert_int_equal(notice_quiet_ms(&watch, &patience), 4 * HOUR);
    /* A day of peace, and it begins anew. */
    (void)tell(&watch, last_ms + 2 * DAY, last_ms + 2 * DAY);
    assert_int_equal(notice_quiet_ms(&watch, &patience), HOUR / 2);
}

/* Whatever falls silent whenever, and whenever it is looked: every silence that lasts is in exactly
 * one notice. */
static void every_lasting_silence_is_in_exactly_one_notice(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("notice");
    for (int round = 0; round < 300; round++) {
        enum { WORKERS = 20 };
        uint64_t fell_ms[WORKERS], told[WORKERS] = { 0 };
        for (size_t i = 0; i < WORKERS; i++)
            fell_ms[i] = start_ms + 1 + test_random_below(&random, 6 * HOUR);
        struct notice_watch watch = { .until_ms = start_ms };
        for (uint64_t now_ms = start_ms; now_ms < start_ms + 2 * DAY;
             now_ms += 1 + test_random_below(&random, 20 * MINUTE)) {
            uint64_t oldest_ms = UINT64_MAX;
            for (size_t i = 0; i < WORKERS; i++)
                if (fell_ms[i] > watch.until_ms && fell_ms[i] < oldest_ms)
                    oldest_ms = fell_ms[i];
            if (!notice_is_due(&watch, &patience, oldest_ms, 0, now_ms))
                continue;
            uint64_t horizon_ms = notice_horizon_ms(&patience, now_ms);
            for (size_t i = 0; i < WORKERS; i++)
                told[i] += fell_ms[i] > watch.until_ms && fell_ms[i] <= horizon_ms;
            notice_told(&watch, horizon_ms, now_ms);
        }
        for (size_t i = 0; i < WORKERS; i++)
            assert_int_equal(told[i], 1);
    }
}

static void a_clock_that_was_set_back_silences_nobody(void **state)
{
    (void)state;
    const struct notice_watch watch = { .until_ms = start_ms,
                                        .told_ms = start_ms + 30 * (uint64_t)DAY };
    assert_true(notice_is_due(&watch, &patience, start_ms + 1, 0, start_ms + DAY));
    assert_int_equal(notice_horizon_ms(&patience, 5), 0);
}

static void pauses_grow_fourfold_to_a_day_and_are_spread_by_a_quarter(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("notice");
    uint64_t base_ms = 5 * SECOND;
    for (uint64_t tries = 1; tries < 40; tries++) {
        uint64_t least_ms = base_ms < DAY ? base_ms : DAY;
        for (int i = 0; i < 100; i++)
            assert_in_range(notice_pause_ms(tries, 5 * SECOND, test_random_u64(&random)), least_ms,
                            least_ms + least_ms / 4);
        base_ms = least_ms * 4;
    }
    assert_int_equal(notice_pause_ms(1, 0, 7), 0);
    assert_in_range(notice_pause_ms(3, UINT64_MAX, 0), DAY, DAY);
}

static void a_route_counts_by_the_day_and_is_hopeless_after_long_and_many_failures(void **state)
{
    (void)state;
    struct notice_route route = { 0 };
    uint64_t now_ms = start_ms / DAY * DAY;
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(notice_allowance(&route, 5, now_ms), 5 - i);
        notice_succeeded(&route, now_ms);
    }
    assert_int_equal(notice_allowance(&route, 5, now_ms + DAY - 1), 0);
    assert_int_equal(notice_allowance(&route, 4, now_ms), 0);
    assert_int_equal(notice_allowance(&route, 5, now_ms + DAY), 5);
    for (int i = 0; i < 3; i++) {
        assert_false(notice_is_hopeless(&route, DAY, 3, now_ms + (uint64_t)i * HOUR));
        notice_failed(&route, 7, now_ms + (uint64_t)i * HOUR);
        assert_int_equal(route.not_before_ms, now_ms + (uint64_t)i * HOUR + 7);
    }
    assert_false(notice_is_hopeless(&route, DAY, 3, now_ms + DAY - 1));
    assert_true(notice_is_hopeless(&route, DAY, 3, now_ms + DAY));
    assert_false(notice_is_hopeless(&route, DAY, 4, now_ms + DAY));
    notice_succeeded(&route, now_ms + DAY);
    assert_int_equal(route.failures, 0);
    assert_int_equal(route.not_before_ms, 0);
}

static void webhooks_reach_the_public_internet_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool open;
    } cases[] = {
        { "1.1.1.1", true },
        { "8.8.8.8", true },
        { "100.63.255.255", true },
        { "100.128.0.0", true },
        { "172.15.255.255", true },
        { "172.32.0.0", true },
        { "192.0.1.1", true },
        { "198.20.0.1", true },
        { "223.255.255.255", true },
        { "0.0.0.0", false },
        { "0.1.2.3", false },
        { "10.0.0.1", false },
        { "100.64.0.1", false },
        { "100.127.255.255", false },
        { "127.0.0.1", false },
        { "127.255.255.254", false },
        { "169.254.169.254", false },
        { "172.16.0.1", false },
        { "172.31.255.255", false },
        { "192.0.0.170", false },
        { "192.168.1.1", false },
        { "198.18.0.1", false },
        { "198.19.255.255", false },
        { "224.0.0.1", false },
        { "239.1.2.3", false },
        { "255.255.255.255", false },
        { "::", false },
        { "::1", false },
        { "::ffff:127.0.0.1", false },
        { "::ffff:10.1.1.1", false },
        { "::ffff:8.8.8.8", true },
        { "::7f00:1", false },
        { "64:ff9b::7f00:1", false },
        { "64:ff9b::808:808", false },
        { "64:ff9b:1::1", false },
        { "100::1", false },
        { "fc00::1", false },
        { "fd12:3456::1", false },
        { "fe80::1", false },
        { "fec0::1", false },
        { "ff02::1", false },
        { "2001::1", false },
        { "2001:1ff::1", false },
        { "2001:200::1", true },
        { "2001:db8::1", false },
        { "2002:7f00:1::", false },
        { "3fff:0fff::1", false },
        { "3fff:1000::1", true },
        { "2606:4700::1111", true },
        { "4000::1", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network_address address;
        assert_true(network_address_parse(span_text(cases[i].text), &address));
        if (notice_address_is_public(&address) != cases[i].open)
            fail_msg("%s", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_type_and_a_subject_and_only_choices_can_be_chosen),
        cmocka_unit_test(
            a_silence_is_told_once_after_the_patience_and_with_those_that_fell_silent_with_it),
        cmocka_unit_test(what_began_before_the_account_asked_for_it_is_never_told),
        cmocka_unit_test(an_outage_of_the_pool_is_held_against_nobody),
        cmocka_unit_test(who_flaps_all_day_is_told_of_it_ever_more_seldom),
        cmocka_unit_test(every_lasting_silence_is_in_exactly_one_notice),
        cmocka_unit_test(a_clock_that_was_set_back_silences_nobody),
        cmocka_unit_test(pauses_grow_fourfold_to_a_day_and_are_spread_by_a_quarter),
        cmocka_unit_test(a_route_counts_by_the_day_and_is_hopeless_after_long_and_many_failures),
        cmocka_unit_test(webhooks_reach_the_public_internet_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
