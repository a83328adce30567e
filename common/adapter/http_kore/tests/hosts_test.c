/* Both hosts as an operator and a supervisor meet them: exit codes, sentences, signals, and deaths.
 * The probes are real processes in a private folder, on free ports. */
#include "adapter/http_kore/tests/probe_process.h"
#include "loop/loop.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const both[] = { "plain_probe", "kore_probe" };

static void a_process_told_to_stop_ends_with_0(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (int number = 0; number < 2; number++) {
            struct probe probe;
            probe_start_ready(&probe, both[i], NULL);
            probe_answers(probe.admin_port, "GET /readyz HTTP/1.1\r\n\r\n", "\r\n\r\nready\n");
            kill(probe.pid, number == 0 ? SIGTERM : SIGINT);
            assert_int_equal(probe_end(probe.pid), 0);
            assert_non_null(strstr(probe_log(), "service.exit code=0"));
            assert_null(strstr(probe_log(), " error "));
        }
    }
}

static void a_hangup_reloads_and_goes_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct probe probe;
        probe_start_ready(&probe, both[i], NULL);
        kill(probe.pid, SIGHUP);
        assert_true(probe_await("probe.reload"));
        probe_answers(probe.admin_port, "GET /healthz HTTP/1.1\r\n\r\n", "alive");
        assert_int_equal(probe_stop(&probe), 0);
    }
}

static void a_service_that_fails_ends_the_process_with_its_code_and_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = probe_start(both[i], NULL, "PROBE=fail");
        assert_int_equal(probe_end(pid), 2);
        assert_non_null(strstr(probe_log(), "probe: no node answered\n"));
    }
}

static void a_broken_setting_ends_with_64_and_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = probe_start(both[i], NULL, "ADIT_STRATUM__MAX_MINERZ=5");
        assert_int_equal(probe_end(pid), 64);
        char expected[256];
        snprintf(expected, sizeof expected,
                 "%s-probe: ADIT_STRATUM__MAX_MINERZ: key stratum.max_minerz is not known; did you "
                 "mean stratum.max_miners?\n",
                 i == 0 ? "plain" : "kore");
        assert_string_equal(probe_log(), expected);
        pid = probe_start(both[i], "--colour", NULL);
        assert_int_equal(probe_end(pid), 64);
    }
}

static void questions_are_answered_without_a_start(void **state)
{
    (void)state;
    static const char *const questions[][2] = {
        { "--version", "-probe 0." },
        { "--help", "max_miners = 10000 connections" },
        { "--example-config", "\"max_miners\": 10000" },
        { "--check-config", "the settings are good" },
    };
    for (size_t i = 0; i < 2; i++) {
        for (size_t q = 0; q < sizeof questions / sizeof *questions; q++) {
            assert_int_equal(probe_end(probe_start(both[i], questions[q][0], NULL)), 0);
            assert_non_null(strstr(probe_log(), questions[q][1]));
        }
    }
}

static void a_taken_port_ends_with_65_and_its_name(void **state)
{
    (void)state;
    struct probe probe;
    char keep[96];
    probe_start_ready(&probe, "kore_probe", NULL);
    snprintf(keep, sizeof keep, "%s", probe_log_path);
    snprintf(probe_log_path, sizeof probe_log_path, "%s/second", probe_folder);
    char variable[96];
    char expected[96];
    for (size_t i = 0; i < 2; i++) {
        snprintf(variable, sizeof variable, "ADIT_AUTH__ADMIN_ADDRESS=127.0.0.1:%u",
                 probe.admin_port);
        snprintf(expected, sizeof expected,
                 "the admin port: cannot listen at 127.0.0.1:%u: ", probe.admin_port);
        assert_int_equal(probe_end(probe_start(both[i], NULL, variable)), 65);
        assert_non_null(strstr(probe_log(), expected));
    }
    snprintf(variable, sizeof variable, "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:%u", probe.http_port);
    snprintf(expected, sizeof expected,
             "the HTTP port: cannot listen at 127.0.0.1:%u: ", probe.http_port);
    assert_int_equal(probe_end(probe_start("kore_probe", NULL, variable)), 65);
    assert_non_null(strstr(probe_log(), expected));
    unlink(probe_log_path);
    memcpy(probe_log_path, keep, sizeof probe_log_path);
    assert_int_equal(probe_stop(&probe), 0);
}

static void http_is_answered_by_the_service(void **state)
{
    (void)state;
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", NULL);
    probe_answers(probe.http_port, "GET /hello/a%20b HTTP/1.1\r\nHost: x\r\n\r\n",
                  "content-length: 3\r\n\r\na b");
    probe_answers(probe.http_port,
                  "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd",
                  "\r\n\r\nabcd");
    probe_answers(probe.http_port, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: POST");
    probe_answers(probe.http_port, "PATCH /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                  " 405 ");
    probe_answers(probe.http_port, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n",
                  "\"title\":\"Not found\"");
    probe_answers(probe.http_port, "GET /wait/50 HTTP/1.1\r\nHost: x\r\n\r\n", "late");
    probe_answers(probe.http_port,
                  "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", " 413 ");
    assert_int_equal(probe_stop(&probe), 0);
}

/* A proxy that sends a line of its own stands behind what its client says. Behind so many lines
 * that Kore would see it no more, the request is refused. */
static void a_client_cannot_choose_its_address_by_lines_of_its_own(void **state)
{
    (void)state;
    struct probe probe;
    char request[4096];
    probe_start_ready(&probe, "kore_probe", NULL);
    for (unsigned before = 0; before < 40; before++) {
        size_t used = (size_t)snprintf(request, sizeof request,
                                       "GET /client HTTP/1.1\r\nHost: x\r\n"
                                       "X-Forwarded-For: 198.51.100.66\r\n");
        for (unsigned i = 0; i < before; i++)
            used += (size_t)snprintf(request + used, sizeof request - used, "X-%u: x\r\n", i);
        snprintf(request + used, sizeof request - used, "X-Forwarded-For: 203.0.113.9\r\n\r\n");
        probe_answers(probe.http_port, request, "\r\n\r\n203.0.113.9");
    }
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_body_that_comes_in_pieces_arrives_whole(void **state)
{
    (void)state;
    enum { BODY = 65536 };
    struct probe probe;
    static char text[BODY + 2048];
    static char body[BODY + 1];
    probe_start_ready(&probe, "kore_probe", NULL);
    for (size_t i = 0; i < BODY; i++)
        body[i] = (char)('a' + i % 26);
    body[BODY - 1] = '!';
    int fd = probe_dial(probe.http_port);
    probe_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n");
    for (size_t at = 0; at < BODY; at += 8192) {
        assert_int_equal(send(fd, body + at, 8192, MSG_NOSIGNAL), 8192);
        poll(NULL, 0, 2);
    }
    assert_true(probe_hear(fd, "!", text, sizeof text));
    assert_non_null(strstr(text, body));
    close(fd);
    assert_int_equal(probe_stop(&probe), 0);
}

/* A hundred that ask and are gone, every other one at once; then somebody who stays is answered. */
static void ask_and_leave(const char *request)
{
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", NULL);
    for (unsigned round = 0; round < 100; round++) {
        int fd = probe_dial(probe.http_port);
        assert_true(fd >= 0);
        probe_say(fd, request);
        if (round % 2 == 0)
            poll(NULL, 0, 1);
        close(fd);
    }
    probe_answers(probe.http_port, "GET /wait/50 HTTP/1.1\r\nHost: x\r\n\r\n", "late");
    assert_int_equal(probe_stop(&probe), 0);
}

static void clients_that_leave_before_their_answer_harm_nobody(void **state)
{
    (void)state;
    ask_and_leave("GET /wait/20 HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void clients_that_leave_before_their_socket_is_open_harm_nobody(void **state)
{
    (void)state;
    ask_and_leave("GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
}

static void more_exchanges_than_the_bound_are_refused_and_the_rest_answered(void **state)
{
    (void)state;
    enum { CLIENTS = 530 };
    struct probe probe;
    char text[2048];
    int fds[CLIENTS];
    unsigned late = 0;
    unsigned refused = 0;
    probe_start_ready(&probe, "kore_probe", "ADIT_SERVICE__ADDRESS_CONNECTIONS_MAX=0");
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = probe_dial(probe.http_port);
        assert_true(fds[i] >= 0);
        probe_say(fds[i], "GET /wait/5000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)probe_hear(fds[i], "never", text, sizeof text);
        late += strstr(text, "late") != NULL;
        refused += strstr(text, "Overloaded") != NULL;
        close(fds[i]);
    }
    assert_int_equal(late, 512);
    assert_int_equal(refused, CLIENTS - 512);
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_stop_does_not_wait_for_clients(void **state)
{
    (void)state;
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", NULL);
    int waiting = probe_dial(probe.http_port);
    int idle = probe_dial(probe.http_port);
    probe_say(waiting, "GET /wait/600000 HTTP/1.1\r\nHost: x\r\n\r\n");
    probe_answers(probe.http_port, "GET /wait/50 HTTP/1.1\r\nHost: x\r\n\r\n", "late");
    assert_int_equal(probe_stop(&probe), 0); /* long before the ten minutes */
    char text[2048];
    assert_true(probe_hear(waiting, "this process is stopping", text, sizeof text));
    close(waiting);
    close(idle);
}

static pid_t worker_of(pid_t parent)
{
    char path[128];
    char text[64] = { 0 };
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return got ? (pid_t)atoi(text) : 0;
}

static void a_killed_worker_takes_the_process_along_with_a_code(void **state)
{
    (void)state;
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", NULL);
    pid_t worker = worker_of(probe.pid);
    assert_true(worker > 0);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(probe_end(probe.pid), 70);
}

static void a_killed_parent_takes_its_worker_along_and_the_port_is_free(void **state)
{
    (void)state;
    struct probe probe;
    char variable[96];
    probe_start_ready(&probe, "kore_probe", NULL);
    snprintf(variable, sizeof variable, "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:%u", probe.http_port);
    assert_int_equal(kill(probe.pid, SIGKILL), 0);
    assert_int_equal(probe_end(probe.pid), 1000 + SIGKILL);
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    int fd;
    while ((fd = probe_dial(probe.http_port)) >= 0) {
        close(fd);
        assert_true(loop_clock_ns() < deadline_ns);
        poll(NULL, 0, 5);
    }
    probe_start_ready(&probe, "kore_probe", variable);
    assert_int_equal(probe_stop(&probe), 0);
}

static void a_service_that_does_not_stop_is_ended_with_a_code(void **state)
{
    (void)state;
    struct probe probe;
    probe_start_ready(&probe, "kore_probe", "PROBE=stuck");
    assert_int_equal(probe_stop(&probe), 70);
    assert_non_null(strstr(probe_log(), "service.stuck"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_told_to_stop_ends_with_0),
        cmocka_unit_test(a_hangup_reloads_and_goes_on),
        cmocka_unit_test(a_service_that_fails_ends_the_process_with_its_code_and_sentence),
        cmocka_unit_test(a_broken_setting_ends_with_64_and_one_sentence),
        cmocka_unit_test(questions_are_answered_without_a_start),
        cmocka_unit_test(a_taken_port_ends_with_65_and_its_name),
        cmocka_unit_test(http_is_answered_by_the_service),
        cmocka_unit_test(a_client_cannot_choose_its_address_by_lines_of_its_own),
        cmocka_unit_test(a_body_that_comes_in_pieces_arrives_whole),
        cmocka_unit_test(clients_that_leave_before_their_answer_harm_nobody),
        cmocka_unit_test(clients_that_leave_before_their_socket_is_open_harm_nobody),
        cmocka_unit_test(more_exchanges_than_the_bound_are_refused_and_the_rest_answered),
        cmocka_unit_test(a_stop_does_not_wait_for_clients),
        cmocka_unit_test(a_killed_worker_takes_the_process_along_with_a_code),
        cmocka_unit_test(a_killed_parent_takes_its_worker_along_and_the_port_is_free),
        cmocka_unit_test(a_service_that_does_not_stop_is_ended_with_a_code),
    };
    return cmocka_run_group_tests(tests, probe_make_folder, probe_remove_folder);
}
