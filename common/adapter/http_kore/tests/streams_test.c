/* Event streams over real sockets: what a watcher gets, what becomes of one that does not read, of
 * a thousand, and of those who leave. */
#include "adapter/http_kore/tests/probe_process.h"
#include "loop/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_S = 120, TEXT_BYTES = 1 << 16 };

static uint64_t deadline(void)
{
    return loop_clock_ns() + DEADLINE_S * UINT64_C(1000000000);
}

/* Asks for a stream; `more` are further header lines. */
static int watch(uint16_t port, const char *query, const char *more)
{
    char text[512];
    int fd = probe_dial(port);
    assert_true(fd >= 0);
    snprintf(text, sizeof text, "GET /watch%s HTTP/1.1\r\nHost: x\r\n%s\r\n", query, more);
    probe_say(fd, text);
    return fd;
}

/* The same, and reads up to the end of its greeting, which it returns (borrowed). */
static const char *watch_greeted(uint16_t port, const char *query, const char *more, int *fd_r)
{
    static char text[4096];
    *fd_r = watch(port, query, more);
    if (!probe_hear(*fd_r, "\nevent: hello\ndata: ", text, sizeof text))
        fail_msg("no greeting: %s", text);
    size_t used = strlen(text);
    if (strstr(strstr(text, "event: hello"), "\n\n") == NULL)
        assert_true(probe_hear(*fd_r, "\n\n", text + used, sizeof text - used));
    return text;
}

static void publish(uint16_t port, const char *query)
{
    char request[128];
    snprintf(request, sizeof request, "GET /publish%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
    probe_answers(port, request, " 200 ");
}

static void await_streams(uint16_t port, const char *wanted)
{
    const uint64_t until = deadline();
    char text[4096] = "";
    while (strstr(text, wanted) == NULL) {
        if (loop_clock_ns() > until)
            fail_msg("not %s but %s", wanted, text);
        int fd = probe_dial(port);
        probe_say(fd, "GET /streams HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(probe_hear(fd, ".", strcpy(text, ""), sizeof text));
        if (strstr(text, "slow=") == NULL)
            assert_true(probe_hear(fd, "slow=", text, sizeof text));
        close(fd);
        poll(NULL, 0, 5);
    }
}

static void a_watcher_is_greeted_and_told_what_follows(void **state)
{
    (void)state;
    struct probe probe;
    char text[TEXT_BYTES];
    int fd;
    probe_start_ready(&probe, "kore_probe", NULL);
    publish(probe.http_port, "?count=3");
    const char *head = watch_greeted(probe.http_port, "", "", &fd);
    assert_non_null(strstr(head, "HTTP/1.1 200 "));
    assert_non_null(strstr(head, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(head, "Cache-Control: no-store, no-transform\r\n"));
    assert_non_null(strstr(head, "X-Accel-Buffering: no\r\n"));
    assert_non_null(strstr(head, "connection: close\r\n"));
    assert_null(strstr(head, "ontent-length"));
    assert_non_null(
        strstr(head, "\r\n\r\nretry: 3000\nid: 0000000000abcdef-3\nevent: hello\ndata: new\n\n"));
    publish(probe.http_port, "?count=2");
    assert_true(probe_hear(fd, "data: 5\n\n", text, sizeof text));
    assert_string_equal(text, "id: 0000000000abcdef-4\nevent: news\ndata: 4\n\n"
                              "id: 0000000000abcdef-5\nevent: news\ndata: 5\n\n");
    close(fd);
    await_streams(probe.http_port, "open=0 left=1 slow=0.");
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_watcher_gets_its_topic_and_its_kinds_alone(void **state)
{
    (void)state;
    struct probe probe;
    char text[TEXT_BYTES];
    int mine, all;
    probe_start_ready(&probe, "kore_probe", NULL);
    (void)watch_greeted(probe.http_port, "?topic=7&kinds=2", "", &mine);
    (void)watch_greeted(probe.http_port, "?kinds=3", "", &all);
    publish(probe.http_port, "?topic=7&kind=1");
    publish(probe.http_port, "?topic=8&kind=2");
    publish(probe.http_port, "?topic=7&kind=2");
    publish(probe.http_port, "?kind=2");
    publish(probe.http_port, "?kind=1");
    publish(probe.http_port, "?kind=2");
    assert_true(probe_hear(mine, "data: 6\n\n", text, sizeof text));
    assert_string_equal(text, "id: 0000000000abcdef-3\nevent: news\ndata: 3\n\n"
                              "id: 0000000000abcdef-4\nevent: news\ndata: 4\n\n"
                              "id: 0000000000abcdef-6\nevent: news\ndata: 6\n\n");
    assert_true(probe_hear(all, "data: 6\n\n", text, sizeof text));
    assert_null(strstr(text, "data: 3"));
    assert_non_null(strstr(text, "data: 5"));
    close(mine);
    close(all);
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_client_that_comes_back_gets_what_it_missed(void **state)
{
    (void)state;
    struct probe probe;
    char text[TEXT_BYTES];
    int fd;
    probe_start_ready(&probe, "kore_probe", NULL);
    publish(probe.http_port, "?count=9");
    assert_non_null(
        strstr(watch_greeted(probe.http_port, "", "Last-Event-ID: 0000000000abcdef-6\r\n", &fd),
               "id: 0000000000abcdef-6\nevent: hello\ndata: resumed\n\n"));
    publish(probe.http_port, "?count=1");
    assert_true(probe_hear(fd, "data: 10\n\n", text, sizeof text));
    /* what came with the greeting was read with it */
    assert_null(strstr(text, "data: 6"));
    close(fd);
    static const char *const strangers[] = {
        "Last-Event-ID: 0000000000abcdee-6\r\n",  /* another process's */
        "Last-Event-ID: 0000000000abcdef-11\r\n", /* not yet */
        "Last-Event-ID: 0000000000abcdef-\r\n",   "Last-Event-ID: 0000000000abcdef--1\r\n",
        "Last-Event-ID: 0000000000abcdef-6x\r\n", "Last-Event-ID: x\r\n",
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        assert_non_null(strstr(watch_greeted(probe.http_port, "", strangers[i], &fd),
                               "id: 0000000000abcdef-10\nevent: hello\ndata: new\n\n"));
        close(fd);
    }
    /* 8192 are kept */
    for (int round = 0; round < 8; round++) /* no more at once than may wait */
        publish(probe.http_port, "?count=1000");
    publish(probe.http_port, "?count=191");
    assert_non_null(strstr(
        watch_greeted(probe.http_port, "?kinds=2", "Last-Event-ID: 0000000000abcdef-9\r\n", &fd),
        "data: resumed"));
    close(fd);
    publish(probe.http_port, "?count=1");
    assert_non_null(strstr(
        watch_greeted(probe.http_port, "?kinds=2", "Last-Event-ID: 0000000000abcdef-9\r\n", &fd),
        "data: new"));
    close(fd);
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_silent_stream_is_kept_alive(void **state)
{
    (void)state;
    struct probe probe;
    char text[TEXT_BYTES];
    int fd;
    probe_start_ready(&probe, "kore_probe", "PROBE=hasty");
    (void)watch_greeted(probe.http_port, "", "", &fd);
    assert_true(probe_hear(fd, ":\n\n:\n\n", text, sizeof text));
    publish(probe.http_port, "");
    assert_true(probe_hear(fd, "data: 1\n\n", text, sizeof text));
    assert_true(probe_hear(fd, ":\n\n", text, sizeof text));
    close(fd);
    assert_int_equal(probe_stop(&probe), 0);
}

static int watch_without_reading(uint16_t port)
{
    const int bytes = 1; /* the kernel's least */
    int fd = watch(port, "", "");
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
    return fd;
}

static void a_client_that_takes_nothing_for_long_is_dropped(void **state)
{
    (void)state;
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", "PROBE=hasty");
    int fd = watch_without_reading(probe.http_port);
    await_streams(probe.http_port, "open=1 left=0 slow=0.");
    publish(probe.http_port, "?count=600&pad=2000"); /* more than its socket takes, not the ring */
    await_streams(probe.http_port, "open=0 left=0 slow=1.");
    close(fd);
    assert_int_equal(probe_stop(&probe), 0);
}

/* What everybody is to be sent, and how far each has it. */
struct crowd {
    size_t count;
    struct pollfd *fds;
    size_t *got;
    char *due;
    size_t due_length;
};

static void expect(struct crowd *crowd, uint64_t from, uint64_t to)
{
    for (uint64_t number = from; number <= to; number++)
        crowd->due_length +=
            (size_t)sprintf(crowd->due + crowd->due_length,
                            "id: 0000000000abcdef-%llu\nevent: news\ndata: %llu0\n\n",
                            (unsigned long long)number, (unsigned long long)number);
}

static void take(struct crowd *crowd, size_t watcher)
{
    static char bytes[1 << 18];
    ssize_t got = recv(crowd->fds[watcher].fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        fail_msg("watcher %zu was cut off", watcher);
    if (got < 0)
        return;
    assert_true(crowd->got[watcher] + (size_t)got <= crowd->due_length);
    assert_memory_equal(bytes, crowd->due + crowd->got[watcher], (size_t)got);
    crowd->got[watcher] += (size_t)got;
}

static void take_all(struct crowd *crowd)
{
    const uint64_t until = deadline();
    for (size_t behind = 1; behind > 0;) {
        assert_true(loop_clock_ns() < until);
        assert_true(poll(crowd->fds, crowd->count, 1000) >= 0);
        behind = 0;
        for (size_t i = 0; i < crowd->count; i++) {
            if (crowd->fds[i].revents != 0)
                take(crowd, i);
            behind += crowd->got[i] < crowd->due_length;
        }
    }
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void one_that_does_not_read_is_dropped_and_the_others_get_everything(void **state)
{
    (void)state;
    enum { EVENTS = 11000, ROUND = 1000, EVENT_BYTES = 80 };
    const char *size = getenv("ADIT_TEST_WATCHERS");
    struct crowd crowd = { .count = size != NULL ? strtoul(size, NULL, 10) : 100 };
    struct probe probe;
    char wanted[64];
    crowd.fds = calloc(crowd.count, sizeof *crowd.fds);
    crowd.got = calloc(crowd.count, sizeof *crowd.got);
    crowd.due = malloc((size_t)EVENTS * EVENT_BYTES);
    assert_true(crowd.fds != NULL && crowd.got != NULL && crowd.due != NULL);
    raise_descriptors();
    probe_start_ready(&probe, "kore_probe", NULL);
    for (size_t i = 0; i < crowd.count; i++) {
        (void)watch_greeted(probe.http_port, "", "", &crowd.fds[i].fd);
        crowd.fds[i].events = POLLIN;
    }
    int slow = watch_without_reading(probe.http_port);
    snprintf(wanted, sizeof wanted, "open=%zu left=0 slow=0.", crowd.count + 1);
    await_streams(probe.http_port, wanted);
    for (uint64_t number = 1; number <= EVENTS; number += ROUND) {
        publish(probe.http_port, "?count=1000&pad=1");
        expect(&crowd, number, number + ROUND - 1);
        take_all(&crowd);
    }
    snprintf(wanted, sizeof wanted, "open=%zu left=0 slow=1.", crowd.count);
    await_streams(probe.http_port, wanted);
    for (size_t i = 0; i < crowd.count; i++)
        close(crowd.fds[i].fd);
    snprintf(wanted, sizeof wanted, "open=0 left=%zu slow=1.", crowd.count);
    await_streams(probe.http_port, wanted);
    close(slow);
    free(crowd.fds);
    free(crowd.got);
    free(crowd.due);
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_question_for_the_head_and_much_talk_end_the_connection(void **state)
{
    (void)state;
    struct probe probe;
    static char text[TEXT_BYTES], talk[5000];
    probe_start_ready(&probe, "kore_probe", NULL);
    int fd = probe_dial(probe.http_port);
    probe_say(fd, "HEAD /watch HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_false(probe_hear(fd, "retry", text, sizeof text)); /* to its end */
    assert_non_null(strstr(text, "text/event-stream"));
    close(fd);
    (void)watch_greeted(probe.http_port, "", "", &fd);
    probe_say(fd, "GET /hello/a HTTP/1.1\r\nHost: x\r\n\r\n"); /* not heard */
    publish(probe.http_port, "");
    assert_true(probe_hear(fd, "data: 1\n\n", text, sizeof text));
    assert_null(strstr(text, "HTTP/1.1"));
    memset(talk, 'x', sizeof talk - 1);
    probe_say(fd, talk);
    assert_false(probe_hear(fd, "never", text, sizeof text));
    close(fd);
    await_streams(probe.http_port, "open=0 left=2 slow=0.");
    assert_int_equal(probe_stop(&probe), 0);
}

static void those_who_leave_at_any_time_and_a_stop_harm_nobody(void **state)
{
    (void)state;
    struct probe probe;
    char text[TEXT_BYTES];
    int fd;
    probe_start_ready(&probe, "kore_probe", NULL);
    for (unsigned round = 0; round < 200; round++) {
        fd = watch(probe.http_port, "", "");
        if (round % 4 == 1)
            (void)probe_hear(fd, "hello", text, sizeof text);
        if (round % 4 == 2)
            publish(probe.http_port, "?count=3&pad=3000");
        close(fd);
    }
    await_streams(probe.http_port, "open=0 "); /* some left before they were heard */
    (void)watch_greeted(probe.http_port, "", "", &fd);
    publish(probe.http_port, "?count=3");
    assert_int_equal(probe_stop(&probe), 0);
    assert_false(probe_hear(fd, "never", text, sizeof text)); /* it ends */
    assert_non_null(strstr(text, "data: 153\n\n"));
    close(fd);
}

/* Kore's thread comes to them when the service, with its metrics, is gone: a sanitizer sees it
 * where one of those is touched. */
static void what_is_told_at_the_very_end_is_sent_without_the_service(void **state)
{
    (void)state;
    enum { WATCHERS = 8 };
    struct probe probe;
    char text[TEXT_BYTES];
    int fds[WATCHERS];
    probe_start_ready(&probe, "kore_probe", "PROBE=parting");
    for (size_t i = 0; i < WATCHERS; i++)
        (void)watch_greeted(probe.http_port, "", "", &fds[i]);
    await_streams(probe.http_port, "open=8 left=0 slow=0.");
    assert_int_equal(probe_stop(&probe), 0);
    for (size_t i = 0; i < WATCHERS; i++) {
        assert_true(probe_hear(fds[i], "data: farewell\n\n", text, sizeof text));
        close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watcher_is_greeted_and_told_what_follows),
        cmocka_unit_test(a_watcher_gets_its_topic_and_its_kinds_alone),
        cmocka_unit_test(a_client_that_comes_back_gets_what_it_missed),
        cmocka_unit_test(a_silent_stream_is_kept_alive),
        cmocka_unit_test(a_client_that_takes_nothing_for_long_is_dropped),
        cmocka_unit_test(one_that_does_not_read_is_dropped_and_the_others_get_everything),
        cmocka_unit_test(a_question_for_the_head_and_much_talk_end_the_connection),
        cmocka_unit_test(those_who_leave_at_any_time_and_a_stop_harm_nobody),
        cmocka_unit_test(what_is_told_at_the_very_end_is_sent_without_the_service),
    };
    return cmocka_run_group_tests(tests, probe_make_folder, probe_remove_folder);
}
