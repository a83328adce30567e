/* Processes that come and go behind names and patterns, and the numbers they have meanwhile. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "loop/testing/until.h"
#include "service/peers/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SERVERS = 4, REFRESH_MS = 20, PATIENT_MS = 60000 };

static struct fixture {
    struct loop *loop;
    struct bus *bus;
    struct peers peers;
    char folder[64];
    struct bus_server *servers[SERVERS];
    /* the last answer */
    unsigned answers;
    enum bus_outcome how;
    char text[32];
} * f;

static void url_of(unsigned number, char url_r[96])
{
    snprintf(url_r, 96, "ipc://%s/v-%u.rep", f->folder, number);
}

/* Each answers with its number. */
static void on_request(void *context, struct bus_call *call, struct span message)
{
    char text[8];
    (void)message;
    int length = snprintf(text, sizeof text, "%u", *(const unsigned *)context);
    assert_true(bus_reply(call, span_of(text, (size_t)length)));
}

static void start(unsigned number)
{
    static unsigned numbers[SERVERS] = { 0, 1, 2, 3 };
    char url[96];
    struct error error;
    url_of(number, url);
    f->servers[number] = bus_serve(f->bus, url, 8, 4096, on_request, &numbers[number], &error);
    assert_non_null(f->servers[number]);
    FILE *file = fopen(url + sizeof "ipc://" - 1, "w"); /* what a pattern finds */
    assert_non_null(file);
    fclose(file);
}

static void stop(unsigned number)
{
    char url[96];
    url_of(number, url);
    bus_server_close(f->servers[number]);
    f->servers[number] = NULL;
    assert_int_equal(unlink(url + sizeof "ipc://" - 1), 0);
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    (void)context;
    f->answers++;
    f->how = outcome;
    snprintf(f->text, sizeof f->text, "%.*s", (int)message.length,
             message.length > 0 ? (const char *)message.data : "");
}

/* Who answers under a number, or -1 where nobody has it. */
static int ask(size_t number)
{
    struct bus_client *client = peers_at(&f->peers, number);
    unsigned before = f->answers;
    if (client == NULL)
        return -1;
    LOOP_UNTIL(f->loop, bus_request(client, span_text("?"), PATIENT_MS, on_reply, NULL), "");
    LOOP_UNTIL(f->loop, f->answers > before, "");
    assert_int_equal(f->how, BUS_REPLIED);
    return atoi(f->text);
}

static void open_with(char **items, size_t count)
{
    struct error error;
    static struct settings_list urls;
    urls = (struct settings_list){ items, count };
    const struct peers_options options = { .loop = f->loop,
                                           .bus = f->bus,
                                           .setting = "some.list",
                                           .urls = &urls,
                                           .refresh_ms = REFRESH_MS };
    assert_true(peers_open(&f->peers, &options, &error));
}

static int setup(void **state)
{
    struct error error;
    (void)state;
    f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/adit-peers-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->loop = loop_create(&error);
    assert_non_null(f->loop);
    f->bus = bus_fake_create(f->loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peers_close(&f->peers);
    for (unsigned i = 0; i < SERVERS; i++)
        if (f->servers[i] != NULL)
            stop(i);
    bus_destroy(f->bus);
    loop_destroy(f->loop);
    int failed = rmdir(f->folder);
    free(f);
    return failed;
}

static void who_comes_and_goes_changes_nobody_else_s_number(void **state)
{
    (void)state;
    static char pattern[96]; /* looked at by a thread until the end */
    static char *items[] = { pattern };
    snprintf(pattern, sizeof pattern, "ipc://%s/v-*.rep", f->folder);
    for (unsigned i = 0; i < 3; i++)
        start(i);
    open_with(items, 1);
    assert_int_equal(f->peers.count, 3); /* sockets that are there are found at once */
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask((size_t)i), i);
    stop(1);
    LOOP_UNTIL(f->loop, peers_at(&f->peers, 1) == NULL, "");
    assert_int_equal(ask(0), 0);
    assert_int_equal(ask(2), 2);
    start(3); /* takes the place that is free */
    LOOP_UNTIL(f->loop, peers_at(&f->peers, 1) != NULL, "");
    assert_int_equal(ask(1), 3);
    assert_int_equal(ask(2), 2);
    stop(2);
    LOOP_UNTIL(f->loop, f->peers.count == 2, "");
    assert_int_equal(ask(2), -1);
    assert_int_equal(ask(SIZE_MAX), -1);
}

/* Whoever waits for one that goes is told, and may ask another at once. */
static void on_end(void *context, enum bus_outcome outcome, struct span message)
{
    (void)message;
    assert_int_not_equal(outcome, BUS_REPLIED);
    assert_null(peers_at(&f->peers, 1));
    assert_true(bus_request(peers_at(&f->peers, 0), span_text("?"), PATIENT_MS, on_reply, NULL));
    (*(unsigned *)context)++;
}

static void what_was_asked_of_one_that_goes_is_answered(void **state)
{
    (void)state;
    static char pattern[96]; /* looked at by a thread until the end */
    static char *items[] = { pattern };
    unsigned ended = 0;
    snprintf(pattern, sizeof pattern, "ipc://%s/v-*.rep", f->folder);
    start(0);
    start(1);
    open_with(items, 1);
    assert_int_equal(ask(0), 0);
    assert_int_equal(ask(1), 1);
    unsigned before = f->answers;
    bus_fake_lose_requests(f->bus, 1);
    assert_true(bus_request(peers_at(&f->peers, 1), span_text("?"), PATIENT_MS, on_end, &ended));
    char url[96];
    url_of(1, url);
    assert_int_equal(unlink(url + sizeof "ipc://" - 1), 0); /* gone from the folder, still there */
    LOOP_UNTIL(f->loop, ended == 1 && f->answers > before, "");
    assert_int_equal(f->how, BUS_REPLIED);
    assert_string_equal(f->text, "0");
    start(2); /* the old number is free again */
    LOOP_UNTIL(f->loop, peers_at(&f->peers, 1) != NULL, "");
    assert_int_equal(ask(1), 2);
    bus_server_close(f->servers[1]);
    f->servers[1] = NULL;
}

static void plain_and_numbered_addresses_are_there_at_once_in_their_order(void **state)
{
    (void)state;
    static char numbered[96], plain[96];
    static char *items[] = { plain, numbered, plain };
    snprintf(numbered, sizeof numbered, "ipc://%s/v-{0..2}.rep", f->folder);
    url_of(3, plain);
    for (unsigned i = 0; i < SERVERS; i++)
        start(i);
    open_with(items, 3);
    assert_int_equal(f->peers.count, 4); /* named twice is there once */
    assert_int_equal(ask(0), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask((size_t)i + 1), i);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_comes_and_goes_changes_nobody_else_s_number),
        TEST(what_was_asked_of_one_that_goes_is_answered),
        TEST(plain_and_numbered_addresses_are_there_at_once_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
