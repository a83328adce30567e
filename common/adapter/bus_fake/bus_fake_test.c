/* The bus in memory: the suite of every bus, and the faults it can play. */
#include "adapter/bus_fake/bus_fake.h"
#include "adapter/bus_fake/bus_suite.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const char *url(void)
{
    return "fake://place";
}

struct scene {
    struct loop *loop;
    struct bus *bus;
    struct bus_server *server;
    struct bus_client *client;
    unsigned calls;
    unsigned ups;
    unsigned downs;
    unsigned answers;
    unsigned outcomes[4];
};

static void on_call(void *context, struct bus_call *call, struct span message)
{
    struct scene *scene = context;
    scene->calls++;
    bus_reply(call, message);
}

static void on_up(void *context)
{
    ((struct scene *)context)->ups++;
}

static void on_down(void *context)
{
    ((struct scene *)context)->downs++;
}

static void on_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct scene *scene = context;
    (void)reply;
    scene->answers++;
    scene->outcomes[outcome]++;
}

static void open_scene(struct scene *scene)
{
    struct error error;
    *scene = (struct scene){ 0 };
    scene->loop = loop_create(&error);
    scene->bus = bus_fake_create(scene->loop);
    scene->server = bus_serve(scene->bus, url(), 8, 1000, on_call, scene, &error);
    const struct bus_client_options options = { 8, 1000, on_up, on_down, scene };
    scene->client = bus_connect(scene->bus, url(), &options, &error);
    assert_true(bus_suite_until(scene->loop, &scene->ups, 1));
}

static void close_scene(struct scene *scene)
{
    bus_client_close(scene->client);
    bus_server_close(scene->server);
    bus_destroy(scene->bus);
    loop_destroy(scene->loop);
}

static void ask(struct scene *scene, unsigned timeout_ms)
{
    assert_true(bus_request(scene->client, span_text("x"), timeout_ms, on_answer, scene));
}

static void a_lost_request_and_a_lost_reply_look_the_same_to_the_asker(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    bus_fake_lose_requests(scene.bus, 1);
    ask(&scene, 5);
    assert_true(bus_suite_until(scene.loop, &scene.answers, 1));
    assert_int_equal(scene.calls, 0);
    bus_fake_lose_replies(scene.bus, 1);
    ask(&scene, 5);
    assert_true(bus_suite_until(scene.loop, &scene.answers, 2));
    assert_int_equal(scene.calls, 1);
    assert_int_equal(scene.outcomes[BUS_TIMEOUT], 2);
    close_scene(&scene);
}

static void a_doubled_request_is_carried_out_twice_and_answered_once(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    bus_fake_double_requests(scene.bus, 1);
    bus_fake_delay_ms(scene.bus, 3);
    ask(&scene, 1000);
    ask(&scene, 1000);
    assert_true(bus_suite_until(scene.loop, &scene.answers, 2));
    assert_int_equal(scene.calls, 3);
    assert_int_equal(scene.outcomes[BUS_REPLIED], 2);
    close_scene(&scene);
}

static void a_cut_connection_ends_what_is_outstanding_until_it_is_mended(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    bus_fake_delay_ms(scene.bus, 1000);
    ask(&scene, 5000);
    bus_fake_cut(scene.bus, url());
    assert_true(bus_suite_until(scene.loop, &scene.downs, 1));
    assert_int_equal(scene.outcomes[BUS_GONE], 1);
    assert_false(bus_request(scene.client, span_text("x"), 10, on_answer, &scene));
    bus_fake_delay_ms(scene.bus, 0);
    bus_fake_mend(scene.bus, url());
    assert_true(bus_suite_until(scene.loop, &scene.ups, 2));
    ask(&scene, 1000);
    assert_true(bus_suite_until(scene.loop, &scene.answers, 2));
    assert_int_equal(scene.outcomes[BUS_REPLIED], 1);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_request_and_a_lost_reply_look_the_same_to_the_asker),
        cmocka_unit_test(a_doubled_request_is_carried_out_twice_and_answered_once),
        cmocka_unit_test(a_cut_connection_ends_what_is_outstanding_until_it_is_mended),
    };
    int failed = bus_suite_run("bus_fake", bus_fake_create, url);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
