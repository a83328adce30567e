#include "adapter/bus_fake/bus_suite.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 1 << 20, HELD_MAX = 64 };

static struct bus *(*create_bus)(struct loop *loop);
static const char *(*next_url)(void);

/* A server that answers at once with the request's own bytes, or holds, or drops. */
struct echo {
    struct bus_server *server;
    enum { ECHO_ANSWER, ECHO_HOLD, ECHO_DROP } manner;
    unsigned calls;
    unsigned held_count;
    struct bus_call *held[HELD_MAX];
};

struct answer {
    unsigned count;
    unsigned outcomes[4];
    uint8_t last[64];
    size_t last_length;
};

struct link {
    struct bus_client *client;
    unsigned ups;
    unsigned downs;
};

struct place {
    struct loop *loop;
    struct bus *bus;
    char url[256];
};

bool bus_suite_until(struct loop *loop, const unsigned *value, unsigned wanted)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    while (*value < wanted && loop_clock_ns() < deadline_ns)
        loop_run_once(loop, 50);
    return *value >= wanted;
}

static void open_place(struct place *place)
{
    struct error error;
    place->loop = loop_create(&error);
    assert_non_null(place->loop);
    place->bus = create_bus(place->loop);
    assert_non_null(place->bus);
    snprintf(place->url, sizeof place->url, "%s", next_url());
}

static void close_place(struct place *place)
{
    bus_destroy(place->bus);
    loop_destroy(place->loop);
}

static void on_call(void *context, struct bus_call *call, struct span message)
{
    struct echo *echo = context;
    echo->calls++;
    if (echo->manner == ECHO_ANSWER) {
        assert_true(bus_reply(call, message));
    } else if (echo->manner == ECHO_DROP) {
        bus_drop(call);
    } else {
        assert_true(echo->held_count < HELD_MAX);
        echo->held[echo->held_count++] = call;
    }
}

static void serve(struct place *place, struct echo *echo, unsigned in_flight_max)
{
    struct error error;
    echo->server =
        bus_serve(place->bus, place->url, in_flight_max, MESSAGE_MAX, on_call, echo, &error);
    if (echo->server == NULL)
        fail_msg("%s", error.text);
}

static void on_up(void *context)
{
    ((struct link *)context)->ups++;
}

static void on_down(void *context)
{
    ((struct link *)context)->downs++;
}

static void dial(struct place *place, struct link *link, unsigned in_flight_max)
{
    struct error error;
    const struct bus_client_options options = {
        .in_flight_max = in_flight_max,
        .message_bytes_max = MESSAGE_MAX,
        .on_up = on_up,
        .on_down = on_down,
        .context = link,
    };
    link->client = bus_connect(place->bus, place->url, &options, &error);
    assert_non_null(link->client);
}

static void on_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct answer *answer = context;
    answer->count++;
    answer->outcomes[outcome]++;
    if (outcome != BUS_REPLIED)
        assert_int_equal(reply.length, 0);
    answer->last_length = reply.length;
    if (reply.length > 0)
        memcpy(answer->last, reply.data,
               reply.length < sizeof answer->last ? reply.length : sizeof answer->last);
}

static bool ask(struct link *link, const char *text, unsigned timeout_ms, struct answer *answer)
{
    unsigned before = answer->count;
    bool taken = bus_request(link->client, span_text(text), timeout_ms, on_answer, answer);
    assert_int_equal(answer->count, before); /* never before the call returned */
    return taken;
}

static void a_request_is_answered_with_its_reply(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { 0 };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    serve(&place, &echo, 4);
    dial(&place, &link, 4);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(ask(&link, "ping", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_int_equal(answer.outcomes[BUS_REPLIED], 1);
    assert_int_equal(answer.last_length, 4);
    assert_memory_equal(answer.last, "ping", 4);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void a_long_message_arrives_whole_and_one_too_long_ends_as_gone(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { 0 };
    struct link link = { 0 };
    struct answer answer = { 0 };
    uint8_t *bytes = malloc(MESSAGE_MAX + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', MESSAGE_MAX + 1);
    open_place(&place);
    serve(&place, &echo, 1);
    dial(&place, &link, 1);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(bus_request(link.client, span_of(bytes, MESSAGE_MAX), 3000, on_answer, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_int_equal(answer.outcomes[BUS_REPLIED], 1);
    assert_int_equal(answer.last_length, MESSAGE_MAX);
    assert_true(
        bus_request(link.client, span_of(bytes, MESSAGE_MAX + 1), 3000, on_answer, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 2));
    assert_int_equal(answer.outcomes[BUS_GONE], 1);
    assert_int_equal(echo.calls, 1);
    free(bytes);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void replies_may_come_late_and_in_any_order(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { .manner = ECHO_HOLD };
    struct link link = { 0 };
    struct answer answers[3] = { { 0 } };
    open_place(&place);
    serve(&place, &echo, 3);
    dial(&place, &link, 3);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ask(&link, i == 0 ? "a" : i == 1 ? "b" : "c", 3000, &answers[i]));
        assert_true(bus_suite_until(place.loop, &echo.held_count, i + 1));
    }
    for (unsigned i = 3; i-- > 0;) {
        char text[2] = { (char)('A' + i), '\0' };
        assert_true(bus_reply(echo.held[i], span_text(text)));
        assert_true(bus_suite_until(place.loop, &answers[i].count, 1));
        assert_int_equal(answers[i].last[0], 'A' + i);
    }
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void a_client_without_a_server_refuses_and_is_up_when_one_comes(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { 0 };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    dial(&place, &link, 1);
    loop_run_once(place.loop, 10);
    assert_false(ask(&link, "x", 100, &answer));
    serve(&place, &echo, 1);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(ask(&link, "x", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_int_equal(answer.outcomes[BUS_REPLIED], 1);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void more_than_in_flight_max_are_refused_until_one_ends(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { .manner = ECHO_HOLD };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    serve(&place, &echo, 8);
    dial(&place, &link, 2);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(ask(&link, "1", 3000, &answer));
    assert_true(ask(&link, "2", 3000, &answer));
    assert_false(ask(&link, "3", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &echo.held_count, 2));
    assert_true(bus_reply(echo.held[0], span_text("done")));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_true(ask(&link, "3", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &echo.held_count, 3));
    bus_drop(echo.held[1]);
    bus_drop(echo.held[2]);
    bus_client_close(link.client);
    assert_int_equal(answer.outcomes[BUS_CLOSED], 2);
    bus_server_close(echo.server);
    close_place(&place);
}

static void a_dropped_request_times_out_and_the_slot_serves_again(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { .manner = ECHO_DROP };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    serve(&place, &echo, 1);
    dial(&place, &link, 1);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    const uint64_t began_ns = loop_clock_ns();
    assert_true(ask(&link, "lost", 60, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_int_equal(answer.outcomes[BUS_TIMEOUT], 1);
    assert_true(loop_clock_ns() - began_ns >= 50 * 1000000u);
    echo.manner = ECHO_ANSWER;
    assert_true(ask(&link, "again", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 2));
    assert_int_equal(answer.outcomes[BUS_REPLIED], 1);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void a_late_reply_is_nobodys(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { .manner = ECHO_HOLD };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    serve(&place, &echo, 4);
    dial(&place, &link, 1);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(ask(&link, "first", 50, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_true(bus_suite_until(place.loop, &echo.held_count, 1));
    assert_true(ask(&link, "second", 3000, &answer));
    bus_reply(echo.held[0], span_text("late"));
    assert_true(bus_suite_until(place.loop, &echo.held_count, 2));
    assert_true(bus_reply(echo.held[1], span_text("right")));
    assert_true(bus_suite_until(place.loop, &answer.count, 2));
    assert_memory_equal(answer.last, "right", 5);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void a_server_that_goes_is_told_and_one_that_returns_serves(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { .manner = ECHO_HOLD };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    serve(&place, &echo, 4);
    dial(&place, &link, 4);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(ask(&link, "x", 30000, &answer));
    assert_true(bus_suite_until(place.loop, &echo.held_count, 1));
    bus_server_close(echo.server);
    assert_true(bus_suite_until(place.loop, &link.downs, 1));
    assert_true(bus_suite_until(place.loop, &answer.count, 1));
    assert_int_equal(answer.outcomes[BUS_GONE], 1);
    assert_false(bus_reply(echo.held[0], span_text("too late")));
    assert_false(ask(&link, "y", 100, &answer));
    echo = (struct echo){ 0 };
    serve(&place, &echo, 4);
    assert_true(bus_suite_until(place.loop, &link.ups, 2));
    assert_true(ask(&link, "z", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &answer.count, 2));
    assert_int_equal(answer.outcomes[BUS_REPLIED], 1);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

static void calls_still_held_outlive_their_server(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { .manner = ECHO_HOLD };
    struct link link = { 0 };
    struct answer answer = { 0 };
    open_place(&place);
    serve(&place, &echo, 2);
    dial(&place, &link, 2);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    assert_true(ask(&link, "x", 3000, &answer));
    assert_true(ask(&link, "y", 3000, &answer));
    assert_true(bus_suite_until(place.loop, &echo.held_count, 2));
    bus_server_close(echo.server);
    bus_client_close(link.client);
    assert_int_equal(answer.count, 2);
    assert_false(bus_reply(echo.held[0], span_text("x")));
    bus_drop(echo.held[1]);
    close_place(&place);
}

static void an_address_that_is_in_use_or_no_address_is_refused(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { 0 };
    struct error error;
    open_place(&place);
    serve(&place, &echo, 1);
    assert_null(bus_serve(place.bus, place.url, 1, 100, on_call, &echo, &error));
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(error.text, place.url));
    assert_null(bus_publisher_open(place.bus, place.url, NULL, NULL, &error));
    assert_null(bus_serve(place.bus, "nonsense", 1, 100, on_call, &echo, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    const struct bus_client_options options = { .in_flight_max = 1, .message_bytes_max = 1 };
    assert_null(bus_connect(place.bus, "nonsense", &options, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    bus_server_close(echo.server);
    close_place(&place);
}

enum { MANY = 2000, MANY_IN_FLIGHT = 16 };

struct many {
    struct bus_client *client;
    unsigned asked;
    unsigned done;
    unsigned wrong;
    struct one {
        struct many *many;
        uint8_t number[4];
    } ones[MANY];
};

static void on_one(void *context, enum bus_outcome outcome, struct span reply);

static void ask_more(struct many *many)
{
    while (many->asked < MANY) {
        struct one *one = &many->ones[many->asked];
        one->many = many;
        store_le32(one->number, many->asked);
        if (!bus_request(many->client, span_of(one->number, 4), 5000, on_one, one))
            break;
        many->asked++;
    }
}

static void on_one(void *context, enum bus_outcome outcome, struct span reply)
{
    struct one *one = context;
    if (outcome != BUS_REPLIED || !span_equal(reply, span_of(one->number, 4)))
        one->many->wrong++;
    one->many->done++;
    ask_more(one->many);
}

static void each_of_many_requests_gets_its_own_reply(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { 0 };
    struct link link = { 0 };
    static struct many many;
    many = (struct many){ 0 };
    open_place(&place);
    serve(&place, &echo, MANY_IN_FLIGHT);
    dial(&place, &link, MANY_IN_FLIGHT);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    many.client = link.client;
    ask_more(&many);
    assert_true(bus_suite_until(place.loop, &many.done, MANY));
    assert_int_equal(many.wrong, 0);
    assert_int_equal(echo.calls, MANY);
    bus_client_close(link.client);
    bus_server_close(echo.server);
    close_place(&place);
}

struct listener {
    struct bus_subscriber *subscriber;
    unsigned count;
    unsigned seen[256];
    bool closes_itself;
};

static void on_message(void *context, struct span message)
{
    struct listener *listener = context;
    assert_int_equal(message.length, 1);
    listener->seen[listener->count++] = message.data[0];
    if (listener->closes_itself)
        bus_subscriber_close(listener->subscriber);
}

static void listen_to(struct place *place, struct listener *listener)
{
    struct error error;
    listener->subscriber =
        bus_subscribe(place->bus, place->url, MESSAGE_MAX, on_message, listener, &error);
    assert_non_null(listener->subscriber);
}

static void on_subscriber(void *context)
{
    ++*(unsigned *)context;
}

static void what_is_published_reaches_every_subscriber_in_order(void **state)
{
    (void)state;
    enum { MESSAGES = 100 };
    struct place place;
    struct listener listeners[2] = { { 0 } };
    struct error error;
    unsigned joined = 0;
    open_place(&place);
    listen_to(&place, &listeners[0]); /* before there is a publisher */
    struct bus_publisher *publisher =
        bus_publisher_open(place.bus, place.url, on_subscriber, &joined, &error);
    assert_non_null(publisher);
    assert_true(bus_suite_until(place.loop, &joined, 1));
    listen_to(&place, &listeners[1]);
    assert_true(bus_suite_until(place.loop, &joined, 2));
    for (unsigned i = 0; i < MESSAGES; i++) {
        uint8_t byte = (uint8_t)i;
        bus_publish(publisher, span_of(&byte, 1));
    }
    for (unsigned l = 0; l < 2; l++) {
        assert_true(bus_suite_until(place.loop, &listeners[l].count, MESSAGES));
        for (unsigned i = 0; i < MESSAGES; i++)
            assert_int_equal(listeners[l].seen[i], i);
        bus_subscriber_close(listeners[l].subscriber);
    }
    bus_publisher_close(publisher);
    close_place(&place);
}

static void a_subscriber_may_end_in_its_own_callback(void **state)
{
    (void)state;
    struct place place;
    struct listener listener = { .closes_itself = true };
    struct error error;
    unsigned joined = 0;
    open_place(&place);
    struct bus_publisher *publisher =
        bus_publisher_open(place.bus, place.url, on_subscriber, &joined, &error);
    assert_non_null(publisher);
    listen_to(&place, &listener);
    assert_true(bus_suite_until(place.loop, &joined, 1));
    for (uint8_t i = 0; i < 10; i++)
        bus_publish(publisher, span_of(&i, 1));
    assert_true(bus_suite_until(place.loop, &listener.count, 1));
    loop_run_once(place.loop, 20);
    assert_int_equal(listener.count, 1);
    bus_publisher_close(publisher);
    close_place(&place);
}

struct closer {
    struct bus_client *client;
    unsigned count;
};

static void close_on_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct closer *closer = context;
    (void)outcome;
    (void)reply;
    if (closer->count++ == 0)
        bus_client_close(closer->client);
}

static void a_client_may_end_in_its_own_callback(void **state)
{
    (void)state;
    struct place place;
    struct echo echo = { 0 };
    struct link link = { 0 };
    open_place(&place);
    serve(&place, &echo, 4);
    dial(&place, &link, 4);
    assert_true(bus_suite_until(place.loop, &link.ups, 1));
    struct closer closer = { .client = link.client };
    for (unsigned i = 0; i < 4; i++)
        assert_true(bus_request(link.client, span_text("x"), 3000, close_on_answer, &closer));
    assert_true(bus_suite_until(place.loop, &closer.count, 4));
    bus_server_close(echo.server);
    close_place(&place);
}

int bus_suite_run(const char *name, struct bus *(*create)(struct loop *loop),
                  const char *(*url)(void))
{
    create_bus = create;
    next_url = url;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_with_its_reply),
        cmocka_unit_test(a_long_message_arrives_whole_and_one_too_long_ends_as_gone),
        cmocka_unit_test(replies_may_come_late_and_in_any_order),
        cmocka_unit_test(a_client_without_a_server_refuses_and_is_up_when_one_comes),
        cmocka_unit_test(more_than_in_flight_max_are_refused_until_one_ends),
        cmocka_unit_test(a_dropped_request_times_out_and_the_slot_serves_again),
        cmocka_unit_test(a_late_reply_is_nobodys),
        cmocka_unit_test(a_server_that_goes_is_told_and_one_that_returns_serves),
        cmocka_unit_test(calls_still_held_outlive_their_server),
        cmocka_unit_test(an_address_that_is_in_use_or_no_address_is_refused),
        cmocka_unit_test(each_of_many_requests_gets_its_own_reply),
        cmocka_unit_test(what_is_published_reaches_every_subscriber_in_order),
        cmocka_unit_test(a_subscriber_may_end_in_its_own_callback),
        cmocka_unit_test(a_client_may_end_in_its_own_callback),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
