#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/notice/audit_report.h"
#include "record/notice/cursor.h"
#include "record/notice/notice_record.h"
#include "record/notice/preference.h"
#include "record/notice/route.h"
#include "record/notice/watch.h"

#include <stdio.h>

enum { ACCOUNT = 0xabcdef };
static struct store *store;
static struct error error;

static int setup(void **state)
{
    (void)state;
    store = store_fake_create();
    assert_true(notice_declare(store, &error));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_fake_verify(store);
    store_close(store);
    return 0;
}

static struct notice make(const char *cause, enum notice_channel channel, uint64_t created_ms)
{
    struct notice notice = { .account = ACCOUNT,
                             .kind = NOTICE_PAYMENT_SENT,
                             .channel = channel,
                             .created_ms = created_ms,
                             .body = "{\"amount\":\"1\"}" };
    notice_name(&notice, cause);
    return notice;
}

static void a_cause_is_one_notice_by_each_channel_however_often_it_is_written(void **state)
{
    (void)state;
    struct notice letter = make("payment:1", NOTICE_LETTER, 5), read;
    struct notice hook = make("payment:1", NOTICE_WEBHOOK, 5);
    size_t count;
    assert_int_equal(notice_insert(store, &letter, &error), STORE_DONE);
    assert_int_equal(notice_insert(store, &hook, &error), STORE_DONE);
    for (int i = 0; i < 3; i++) {
        struct notice again = make("payment:1", NOTICE_LETTER, 9);
        assert_int_equal(notice_insert(store, &again, &error), STORE_EXISTS);
    }
    assert_int_equal(notice_get(store, letter.id, &read, &error), STORE_DONE);
    assert_int_equal(read.created_ms, 5);
    assert_int_equal(read.state, NOTICE_WAITING);
    assert_string_equal(read.body, letter.body);
    assert_int_equal(notice_count_waiting(store, 10, &count, &error), STORE_DONE);
    assert_int_equal(count, 2);
    /* Nor is it written again once it is over. */
    read.state = NOTICE_SENT;
    read.due_ms = 1000;
    assert_int_equal(notice_save(store, &read, &error), STORE_DONE);
    assert_int_equal(notice_insert(store, &letter, &error), STORE_EXISTS);
    assert_int_equal(notice_count_waiting(store, 10, &count, &error), STORE_DONE);
    assert_int_equal(count, 1);
}

static void what_is_due_is_found_by_its_channel_and_taken_by_one(void **state)
{
    (void)state;
    struct notice late = make("payment:2", NOTICE_LETTER, 20),
                  early = make("payment:3", NOTICE_LETTER, 10);
    struct notice mine, rival;
    assert_int_equal(notice_insert(store, &late, &error), STORE_DONE);
    assert_int_equal(notice_insert(store, &early, &error), STORE_DONE);
    assert_int_equal(notice_due(store, NOTICE_LETTER, 9, &mine, &error), STORE_MISSING);
    assert_int_equal(notice_due(store, NOTICE_WEBHOOK, 99, &mine, &error), STORE_MISSING);
    assert_int_equal(notice_due(store, NOTICE_LETTER, 99, &mine, &error), STORE_DONE);
    assert_int_equal(notice_due(store, NOTICE_LETTER, 99, &rival, &error), STORE_DONE);
    assert_string_equal(mine.id, early.id);
    assert_string_equal(rival.id, early.id);
    mine.due_ms = rival.due_ms = 1000;
    mine.tries++;
    snprintf(mine.result, sizeof mine.result, "tried");
    assert_int_equal(notice_save(store, &mine, &error), STORE_DONE);
    assert_int_equal(notice_save(store, &rival, &error), STORE_CONFLICT);
    assert_int_equal(notice_due(store, NOTICE_LETTER, 99, &rival, &error), STORE_DONE);
    assert_string_equal(rival.id, late.id);
    assert_int_equal(notice_due(store, NOTICE_LETTER, 1000, &rival, &error), STORE_DONE);
    assert_int_equal(notice_get(store, early.id, &rival, &error), STORE_DONE);
    assert_int_equal(rival.tries, 1);
    assert_string_equal(rival.result, "tried");
}

static void an_account_reads_its_own_newest_first_and_old_ones_are_forgotten(void **state)
{
    (void)state;
    struct notice list[30];
    size_t count;
    for (uint64_t i = 1; i <= 25; i++) {
        char cause[32];
        snprintf(cause, sizeof cause, "payment:%llu", (unsigned long long)i);
        struct notice one = make(cause, NOTICE_WEBHOOK, i * 100);
        assert_int_equal(notice_insert(store, &one, &error), STORE_DONE);
        one.state = i % 2 == 0 ? NOTICE_SENT : NOTICE_GIVEN_UP;
        one.due_ms = i * 100;
        assert_int_equal(notice_save(store, &one, &error), STORE_DONE);
    }
    struct notice other = {
        .account = ACCOUNT + 1, .kind = NOTICE_TEST, .channel = NOTICE_LETTER, .created_ms = 7
    };
    notice_name(&other, "test:1");
    assert_int_equal(notice_insert(store, &other, &error), STORE_DONE);
    assert_int_equal(notice_list(store, ACCOUNT, 10, list, &count, &error), STORE_DONE);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(list[i].created_ms, 2500 - i * 100);
    assert_int_equal(notice_forget(store, 2000, 100, &error), STORE_DONE);
    assert_int_equal(notice_list(store, ACCOUNT, 30, list, &count, &error), STORE_DONE);
    assert_int_equal(count, 5);
    assert_int_equal(notice_list(store, ACCOUNT + 1, 30, list, &count, &error), STORE_DONE);
    assert_int_equal(count, 1); /* it waits: it is not forgotten, however old */
    assert_int_equal(notice_forget(store, INT64_MAX - 1, 100, &error), STORE_DONE);
    assert_int_equal(notice_list(store, ACCOUNT + 1, 30, list, &count, &error), STORE_DONE);
    assert_int_equal(count, 1);
}

static void a_write_of_which_nobody_knows_is_done_again_and_is_one_notice(void **state)
{
    (void)state;
    struct notice batch[3];
    size_t fresh, count;
    for (size_t i = 0; i < 3; i++) {
        char cause[32];
        snprintf(cause, sizeof cause, "block:%zu", i);
        batch[i] = make(cause, NOTICE_LETTER, 1);
    }
    store_fake_inject(store, STORE_FAKE_UNKNOWN_DONE, 1, 1);
    assert_int_equal(notice_insert_all(store, batch, 3, &fresh, &error), STORE_UNKNOWN);
    assert_int_equal(notice_insert_all(store, batch, 3, &fresh, &error), STORE_DONE);
    assert_int_equal(notice_count_waiting(store, 10, &count, &error), STORE_DONE);
    assert_int_equal(count, 3);
    assert_true(fresh <= 1);
}

static bool sum(void *context, const struct notice_preference *preference)
{
    *(uint64_t *)context += preference->account;
    return true;
}

static void preferences_are_kept_and_only_those_who_want_something_are_walked(void **state)
{
    (void)state;
    struct notice_preference one, other;
    uint64_t all = 0;
    assert_int_equal(notice_preference_get(store, ACCOUNT, &one, &error), STORE_DONE);
    assert_int_equal(one.version, 0);
    assert_int_equal(one.letters | one.webhooks, 0);
    one.letters = notice_bit(NOTICE_BLOCK_OWN);
    one.after_ms = 600000;
    one.from_ms = 77;
    snprintf(one.url, sizeof one.url, "https://hooks.example/x");
    one.sealed[3] = 9;
    snprintf(one.name, sizeof one.name, "gertrude");
    assert_int_equal(notice_preference_save(store, &one, &error), STORE_DONE);
    struct notice_preference rival = one;
    rival.version = 0;
    assert_int_equal(notice_preference_save(store, &rival, &error), STORE_CONFLICT);
    assert_int_equal(notice_preference_get(store, ACCOUNT, &other, &error), STORE_DONE);
    assert_memory_equal(&one, &other, sizeof one);
    struct notice_preference none = { .account = 1, .url = "https://hooks.example/y" };
    assert_int_equal(notice_preference_save(store, &none, &error), STORE_DONE);
    assert_int_equal(notice_preference_walk(store, sum, &all, &error), STORE_DONE);
    assert_int_equal(all, ACCOUNT);
}

static void routes_watches_and_cursors_are_what_was_saved_and_refuse_a_rival(void **state)
{
    (void)state;
    struct notice_route_record route, route_read;
    struct notice_watch_record watch, watch_read;
    struct notice_cursor cursor = { .name = "events" };
    assert_int_equal(notice_route_get(store, ACCOUNT, NOTICE_WEBHOOK, &route, &error), STORE_DONE);
    assert_int_equal(route.version, 0);
    notice_failed(&route.route, 5, 100);
    assert_int_equal(notice_route_save(store, &route, &error), STORE_DONE);
    assert_int_equal(notice_route_get(store, ACCOUNT, NOTICE_WEBHOOK, &route_read, &error),
                     STORE_DONE);
    assert_memory_equal(&route, &route_read, sizeof route);
    route.version = 0;
    assert_int_equal(notice_route_save(store, &route, &error), STORE_CONFLICT);
    assert_int_equal(notice_route_get(store, ACCOUNT, NOTICE_LETTER, &route_read, &error),
                     STORE_DONE);
    assert_int_equal(route_read.version, 0);

    assert_int_equal(notice_watch_get(store, ACCOUNT, &watch, &error), STORE_DONE);
    notice_told(&watch.watch, 50, 100);
    assert_int_equal(notice_watch_save(store, &watch, &error), STORE_DONE);
    assert_int_equal(notice_watch_get(store, ACCOUNT, &watch_read, &error), STORE_DONE);
    assert_memory_equal(&watch, &watch_read, sizeof watch);
    watch_read.version = 7;
    assert_int_equal(notice_watch_save(store, &watch_read, &error), STORE_CONFLICT);

    assert_int_equal(notice_cursor_get(store, &cursor, &error), STORE_DONE);
    assert_int_equal(cursor.version, 0);
    cursor.number = 12;
    assert_int_equal(notice_cursor_save(store, &cursor, &error), STORE_DONE);
    struct notice_cursor behind = { .name = "events", .number = 3 };
    assert_int_equal(notice_cursor_save(store, &behind, &error), STORE_CONFLICT);
    assert_int_equal(notice_cursor_get(store, &behind, &error), STORE_DONE);
    assert_int_equal(behind.number, 12);
}

static void audits_are_a_log_of_which_each_has_a_number(void **state)
{
    (void)state;
    uint64_t newest;
    struct audit_report read;
    assert_int_equal(audit_report_newest(store, &newest, &error), STORE_DONE);
    assert_int_equal(newest, 0);
    for (uint64_t i = 1; i <= 12; i++) {
        struct audit_report report = { .time_ms = 9, .differences = i, .sets = 4 };
        snprintf(report.first, sizeof report.first, "set %d does not balance", (int)i);
        assert_int_equal(audit_report_append(store, &report, &error), STORE_DONE);
        assert_int_equal(report.number, i);
        assert_int_equal(audit_report_newest(store, &newest, &error), STORE_DONE);
        assert_int_equal(newest, i);
        assert_int_equal(audit_report_get(store, i, &read, &error), STORE_DONE);
        assert_memory_equal(&report, &read, sizeof read);
    }
    assert_int_equal(audit_report_get(store, 13, &read, &error), STORE_MISSING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_cause_is_one_notice_by_each_channel_however_often_it_is_written),
        TEST(what_is_due_is_found_by_its_channel_and_taken_by_one),
        TEST(an_account_reads_its_own_newest_first_and_old_ones_are_forgotten),
        TEST(a_write_of_which_nobody_knows_is_done_again_and_is_one_notice),
        TEST(preferences_are_kept_and_only_those_who_want_something_are_walked),
        TEST(routes_watches_and_cursors_are_what_was_saved_and_refuse_a_rival),
        TEST(audits_are_a_log_of_which_each_has_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
