/* What a gateway reports of its bans, and that it does what it is told once. Time is the test's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "loop/testing/until.h"
#include "loop/testing/virtual_clock.h"
#include "services/stratum-gateway/gateway.h"
#include "wire/messages.h"

#include <stdio.h>

#define URL "fake://scheduler"
#define UNTIL(condition) LOOP_UNTIL(gateway.loop, condition, "")

static struct gateway gateway;
static struct service service;
static struct bus *bus;
static struct bus_server *server;
/* what came, and what is answered */
static unsigned reports;
static uint64_t process, answered_order;
static uint32_t all, listed;
static bool newest_first, ok;
static char first[CONDUCTS_WHOM_BYTES], text[129];
static struct wire_bans_order order;
static bool up;

static void on_call(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    static uint8_t memory[BAN_REPORTS_BYTES * 2];
    uint8_t bytes[600];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_bans_report report;
    struct error error;
    assert_true(wire_decode_bans_report(message, &arena, &report, &error));
    reports++;
    process = report.process;
    answered_order = report.order;
    ok = report.ok != 0;
    snprintf(text, sizeof text, "%s", report.text);
    all = report.count;
    listed = report.bans_count;
    newest_first = true;
    for (uint32_t i = 1; i < listed; i++) /* each ban of the test is a little longer */
        newest_first &= report.bans[i - 1].until_ms > report.bans[i].until_ms;
    snprintf(first, sizeof first, "%s", listed > 0 ? report.bans[0].whom : "");
    size_t length = wire_encode_bans_order(&order, bytes, sizeof bytes);
    assert_true(length > 0);
    (void)bus_reply(call, span_of(bytes, length));
}

static void on_up(void *context)
{
    (void)context;
    up = true;
}

static void next_report(void)
{
    const unsigned before = reports;
    UNTIL(reports > before);
}

static int begin(void **state)
{
    static const struct conducts_rules rules = { .ban_ms = 600000 };
    static struct settings settings = { .stratum_ban_s = 600 };
    struct error error;
    (void)state;
    virtual_clock_begin();
    gateway = (struct gateway){ .loop = loop_create(&error) };
    gateway.service = &service;
    gateway.settings = &settings;
    service.instance = "1";
    bus = bus_fake_create(gateway.loop);
    server = bus_serve(bus, URL, 8, 1 << 16, on_call, NULL, &error);
    const struct bus_client_options options = { .in_flight_max = 2,
                                                .message_bytes_max = 4096,
                                                .on_up = on_up };
    gateway.scheduler = bus_connect(bus, URL, &options, &error);
    assert_true(server != NULL && gateway.scheduler != NULL);
    conducts_init(&gateway.conducts, &rules, 5);
    order = (struct wire_bans_order){ .verb = "", .argument = "" };
    up = false;
    UNTIL(up);
    ban_reports_begin(&gateway.ban_reports, &gateway);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gateway.stopping = true;
    ban_reports_end(&gateway.ban_reports);
    bus_client_close(gateway.scheduler);
    bus_server_close(server);
    bus_destroy(bus);
    conducts_deinit(&gateway.conducts);
    loop_destroy(gateway.loop);
    virtual_clock_end();
    return 0;
}

static void of_many_bans_the_newest_are_told_and_the_number_of_all(void **state)
{
    (void)state;
    enum { MANY = 3 * BAN_REPORTS_MAX + 7, SHORT_S = 100 };
    char whom[32];
    next_report();
    assert_int_equal(all, 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(whom, sizeof whom, "198.51.%u.%u", i / 200, i % 200 + 1);
        assert_true(conducts_ban(&gateway, whom, (SHORT_S + i) * UINT64_C(1000)));
    }
    UNTIL(all == MANY);
    assert_int_equal(listed, BAN_REPORTS_MAX);
    assert_true(newest_first);
    assert_string_equal(first, whom);
    assert_true(conducts_lift(&gateway, whom));
    UNTIL(all == MANY - 1);
    assert_string_not_equal(first, whom);
    /* They end one after the other, and nobody says so. */
    while (all >= 10)
        next_report();
    assert_int_equal(listed, all);
    while (all > 0)
        next_report();
}

static void an_order_is_carried_out_once_and_answered_at_once(void **state)
{
    (void)state;
    order = (struct wire_bans_order){ .order = 9, .verb = "ban", .argument = "203.0.113.9 60" };
    const uint64_t begin_ns = loop_clock_ns();
    UNTIL(answered_order == 9);
    assert_true(loop_clock_ns() - begin_ns < UINT64_C(1000000) * 2 * BAN_REPORTS_MS);
    assert_true(ok);
    assert_int_equal(all, 1);
    assert_string_equal(first, "203.0.113.9");
    /* Told again it is not done again: what was lifted here stays lifted. */
    assert_true(conducts_lift(&gateway, "203.0.113.9"));
    UNTIL(all == 0);
    next_report();
    next_report();
    assert_int_equal(all, 0);
    assert_int_not_equal(process, 0);
    order = (struct wire_bans_order){ .order = 10, .verb = "lift", .argument = "203.0.113.9" };
    UNTIL(answered_order == 10);
    assert_false(ok);
    assert_non_null(strstr(text, "nobody of that name"));
    order = (struct wire_bans_order){ .order = 11, .verb = "drain", .argument = "" };
    UNTIL(answered_order == 11);
    assert_false(ok);
}

static void a_lost_report_is_followed_by_the_next(void **state)
{
    (void)state;
    next_report();
    bus_fake_lose_requests(bus, 2);
    bus_fake_cut(bus, URL);
    for (unsigned i = 0; i < 50; i++)
        loop_run_once(gateway.loop, 100);
    bus_fake_mend(bus, URL);
    next_report();
    next_report();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_many_bans_the_newest_are_told_and_the_number_of_all),
        TEST(an_order_is_carried_out_once_and_answered_at_once),
        TEST(a_lost_report_is_followed_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
