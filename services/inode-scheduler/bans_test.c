/* Who is banned where, and orders on their way: gateways of any host, by their reports alone. Time
 * is the test's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "loop/testing/virtual_clock.h"
#include "services/inode-scheduler/bans.h"

#include <stdio.h>
#include <stdlib.h>

/* A gateway: it does what it is told and says so with its next report. */
struct gateway {
    const char *instance;
    uint64_t process;
    uint64_t order; /* the last it carried out */
    unsigned carried_out;
    bool refuses;
    char last[401]; /* argument */
};

static struct world {
    struct loop *loop;
    struct bans bans;
    struct bans_result result;
    unsigned ended;
} * w;

/* One report; true where it brought an order. */
static bool report(struct gateway *gateway)
{
    uint8_t bytes[4096];
    struct wire_ban ban = { .whom = "203.0.113.9", .reason = "why", .until_ms = UINT64_MAX };
    const struct wire_bans_report message = { .instance = gateway->instance,
                                              .process = gateway->process,
                                              .count = 1,
                                              .bans = &ban,
                                              .bans_count = 1,
                                              .order = gateway->order,
                                              .ok = !gateway->refuses,
                                              .text = gateway->refuses ? "no" : "done" };
    size_t length = wire_encode_bans_report(&message, bytes, sizeof bytes);
    assert_true(length > 0);
    struct wire_bans_order order = bans_take(&w->bans, &message, span_of(bytes, length));
    if (order.order == 0)
        return false;
    assert_true(order.order != gateway->order);
    gateway->order = order.order;
    gateway->carried_out++;
    snprintf(gateway->last, sizeof gateway->last, "%s", order.argument);
    return true;
}

static void on_end(void *context, const struct bans_result *result)
{
    assert_ptr_equal(context, w);
    w->result = *result;
    w->ended++;
}

static bool order(const char *argument)
{
    bool none;
    return bans_order(&w->bans, "lift", argument, on_end, w, &none);
}

static unsigned known(void)
{
    unsigned count = 0;
    for (size_t place = 0; place < BANS_GATEWAYS_MAX; place++)
        count += bans_at(&w->bans, place) != NULL;
    return count;
}

static void on_due(void *context)
{
    *(bool *)context = true;
}

static void pass(uint64_t ms)
{
    bool over = false;
    struct loop_timer timer = { .on_due = on_due, .context = &over };
    loop_timer_start(w->loop, &timer, ms, 0);
    while (!over)
        loop_run_once(w->loop, -1);
}

static int begin(void **state)
{
    struct error error;
    (void)state;
    virtual_clock_begin();
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->loop = loop_create(&error);
    assert_non_null(w->loop);
    bans_init(&w->bans, w->loop);
    return 0;
}

static int end(void **state)
{
    (void)state;
    bans_deinit(&w->bans);
    loop_destroy(w->loop);
    free(w);
    virtual_clock_end();
    return 0;
}

static void an_order_reaches_every_gateway_once_whatever_their_names_are(void **state)
{
    (void)state;
    struct gateway a = { .instance = "1", .process = 11 }, b = { .instance = "1", .process = 12 },
                   c = { .instance = "3", .process = 13 };
    struct gateway *const all[] = { &a, &b, &c };
    for (size_t i = 0; i < 3; i++)
        assert_false(report(all[i]));
    assert_int_equal(known(), 3);
    assert_true(order("203.0.113.9"));
    c.refuses = true;
    for (size_t i = 0; i < 3; i++) {
        assert_true(report(all[i]));
        assert_string_equal(all[i]->last, "203.0.113.9");
        assert_int_equal(w->ended, 0);
    }
    for (size_t i = 0; i < 3; i++)
        assert_false(report(all[i]));
    assert_int_equal(w->ended, 1);
    assert_int_equal(w->result.asked, 3);
    assert_int_equal(w->result.done, 2);
    assert_int_equal(w->result.refused, 1);
    assert_string_equal(w->result.refusal, "no");
    for (size_t i = 0; i < 3; i++) {
        assert_false(report(all[i]));
        assert_int_equal(all[i]->carried_out, 1);
    }
}

static void an_answer_that_was_lost_is_asked_for_again(void **state)
{
    (void)state;
    struct gateway a = { .instance = "1", .process = 11 };
    assert_false(report(&a));
    assert_true(order("x"));
    assert_true(report(&a));
    const uint64_t carried_out = a.order;
    a.order = 0; /* as if what it was told had not arrived */
    assert_true(report(&a));
    assert_true(a.order == carried_out);
    assert_false(report(&a));
    assert_int_equal(w->ended, 1);
    assert_int_equal(w->result.done, 1);
}

static void orders_come_to_a_gateway_in_their_order_and_are_bounded(void **state)
{
    (void)state;
    struct gateway a = { .instance = "1", .process = 11 };
    assert_false(report(&a));
    char text[16];
    for (unsigned i = 0; i < BANS_ORDERS_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_true(order(text));
    }
    assert_false(order("one more"));
    for (unsigned i = 0; i < BANS_ORDERS_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_true(report(&a));
        assert_string_equal(a.last, text);
        assert_int_equal(w->ended, i);
    }
    assert_false(report(&a));
    assert_int_equal(w->ended, BANS_ORDERS_MAX);
    assert_true(order("one more"));
}

static void who_is_silent_is_told_of_but_not_waited_for(void **state)
{
    (void)state;
    struct gateway a = { .instance = "1", .process = 11 }, b = { .instance = "2", .process = 12 };
    bool none;
    assert_false(bans_order(&w->bans, "lift", "x", on_end, w, &none));
    assert_true(none);
    assert_false(report(&a));
    assert_false(report(&b));
    pass(BANS_SILENT_MS + 100);
    assert_false(report(&b));
    assert_true(order("x"));
    assert_true(report(&b));
    assert_false(report(&b));
    assert_int_equal(w->ended, 1);
    assert_int_equal(w->result.asked, 1);
    assert_int_equal(known(), 2);
    /* Another process of its name takes its place. */
    a.process = 21;
    assert_false(report(&a));
    assert_int_equal(known(), 2);
    pass(BANS_FORGET_MS + 1000);
    assert_int_equal(known(), 0);
}

static void who_leads_has_heard_all_only_once_each_could_report(void **state)
{
    (void)state;
    struct gateway a = { .instance = "1", .process = 11 };
    pass(BANS_SILENT_MS + 100); /* it stands by */
    assert_false(bans_listens(&w->bans) || bans_heard_all(&w->bans));
    bans_listen(&w->bans);
    assert_true(bans_listens(&w->bans));
    assert_false(bans_heard_all(&w->bans));
    assert_false(report(&a)); /* there may be more */
    pass(BANS_SILENT_MS - 100);
    assert_false(bans_heard_all(&w->bans));
    pass(200);
    assert_true(bans_heard_all(&w->bans));
}

static void an_order_ends_though_a_gateway_dies_on_the_way(void **state)
{
    (void)state;
    struct gateway a = { .instance = "1", .process = 11 }, b = { .instance = "2", .process = 12 };
    assert_false(report(&a));
    assert_false(report(&b));
    assert_true(order("x"));
    assert_true(report(&a));
    assert_false(report(&a));
    assert_int_equal(w->ended, 0);
    pass(BANS_ORDER_MS + 1000);
    assert_int_equal(w->ended, 1);
    assert_int_equal(w->result.asked, 2);
    assert_int_equal(w->result.done, 1);
    assert_int_equal(w->result.refused, 0);
    assert_false(report(&b)); /* what is over is not told any more */
    assert_true(order("y"));  /* and what is under way at the end ends too */
    bans_deinit(&w->bans);
    assert_int_equal(w->ended, 2);
    assert_int_equal(w->result.done, 0);
    bans_init(&w->bans, w->loop);
}

static void beyond_its_bound_a_gateway_is_not_kept_and_nobody_gives_way(void **state)
{
    (void)state;
    struct gateway one = { .instance = "1", .process = 0 };
    assert_false(report(&one)); /* nobody */
    assert_int_equal(known(), 0);
    for (unsigned i = 0; i < BANS_GATEWAYS_MAX + 3; i++) {
        one.process = 100 + i;
        assert_false(report(&one));
    }
    assert_int_equal(known(), BANS_GATEWAYS_MAX);
    assert_int_equal(bans_at(&w->bans, 0)->process, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_reaches_every_gateway_once_whatever_their_names_are),
        TEST(an_answer_that_was_lost_is_asked_for_again),
        TEST(orders_come_to_a_gateway_in_their_order_and_are_bounded),
        TEST(who_is_silent_is_told_of_but_not_waited_for),
        TEST(who_leads_has_heard_all_only_once_each_could_report),
        TEST(an_order_ends_though_a_gateway_dies_on_the_way),
        TEST(beyond_its_bound_a_gateway_is_not_kept_and_nobody_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
