/* Both hosts as an operator and a supervisor meet them: exit codes, sentences, signals, and deaths.
 * The probes are real processes in a private folder, on free ports. */
#include "base/bytes.h"
#include "loop/loop.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char log_path[96];
static const char *const both[] = { "plain_probe", "kore_probe" };

struct probe {
    pid_t pid;
    uint16_t http_port;
    uint16_t admin_port;
};

static const char *program(const char *name)
{
    static char path[4096];
    const char *build = getenv("ADIT_BUILD");
    char self[4096] = { 0 };
    if (build == NULL) {
        /* beside this program */
        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        *strrchr(self, '/') = '\0';
        snprintf(path, sizeof path, "%.3000s/%s", self, name);
    } else {
        snprintf(path, sizeof path, "%.3000s/tests/%s", build, name);
    }
    return path;
}

/* argument and variable ("NAME=value") may be NULL. */
static pid_t start(const char *name, const char *argument, const char *variable)
{
    char *const path = strdup(program(name));
    int log = open(log_path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        setenv("ADIT_AUTH__ADMIN_ADDRESS", "127.0.0.1:0", 1);
        setenv("ADIT_AUTH__HTTP_ADDRESS", "127.0.0.1:0", 1);
        if (variable != NULL)
            putenv(strdup(variable));
        execl(path, path, "--data", folder, argument, (char *)NULL);
        _exit(127);
    }
    close(log);
    free(path);
    return pid;
}

static const char *log_text(void)
{
    static char text[65536];
    int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static bool wait_for_text(const char *wanted)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    while (strstr(log_text(), wanted) == NULL) {
        if (loop_clock_ns() > deadline_ns)
            return false;
        poll(NULL, 0, 5);
    }
    return true;
}

/* The exit code, or 1000 + the signal that ended it; fails when it does not end. */
static int wait_for_end(pid_t pid)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (loop_clock_ns() > deadline_ns) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            fail_msg("the process did not end:\n%s", log_text());
        }
        poll(NULL, 0, 5);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static uint16_t port_after(const char *words)
{
    const char *at = strstr(log_text(), words);
    return at != NULL ? (uint16_t)atoi(strchr(at + strlen(words), ':') + 1) : 0;
}

static void start_ready(struct probe *probe, const char *name, const char *variable)
{
    probe->pid = start(name, NULL, variable);
    if (!wait_for_text("service.ready")) {
        kill(probe->pid, SIGKILL);
        fail_msg("not ready:\n%s", log_text());
    }
    probe->admin_port = port_after("admin.listen address=");
    probe->http_port = port_after("http.listen address=");
}

static int stop(const struct probe *probe)
{
    kill(probe->pid, SIGTERM);
    int code = wait_for_end(probe->pid);
    if (strstr(log_text(), "Sanitizer") != NULL)
        fail_msg("%s", log_text());
    return code;
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `wanted` came or the connection ended; at most a minute. */
static bool hear(int fd, const char *wanted, char *text_r, size_t bytes)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    size_t used = 0;
    for (;;) {
        text_r[used] = '\0';
        if (strstr(text_r, wanted) != NULL)
            return true;
        struct pollfd one = { .fd = fd, .events = POLLIN };
        if (loop_clock_ns() > deadline_ns || used + 1 == bytes)
            return false;
        if (poll(&one, 1, 100) == 0)
            continue;
        ssize_t got = recv(fd, text_r + used, bytes - 1 - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
    }
}

static void assert_answers(uint16_t port, const char *request, const char *wanted)
{
    char text[8192];
    int fd = dial(port);
    assert_true(fd >= 0);
    say(fd, request);
    if (!hear(fd, wanted, text, sizeof text))
        fail_msg("no \"%s\" in: %s", wanted, text);
    close(fd);
}

static void a_process_told_to_stop_ends_with_0(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (int number = 0; number < 2; number++) {
            struct probe probe;
            start_ready(&probe, both[i], NULL);
            assert_answers(probe.admin_port, "GET /readyz HTTP/1.1\r\n\r\n", "\r\n\r\nready\n");
            kill(probe.pid, number == 0 ? SIGTERM : SIGINT);
            assert_int_equal(wait_for_end(probe.pid), 0);
            assert_non_null(strstr(log_text(), "service.exit code=0"));
            assert_null(strstr(log_text(), " error "));
        }
    }
}

static void a_hangup_reloads_and_goes_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct probe probe;
        start_ready(&probe, both[i], NULL);
        kill(probe.pid, SIGHUP);
        assert_true(wait_for_text("probe.reload"));
        assert_answers(probe.admin_port, "GET /healthz HTTP/1.1\r\n\r\n", "alive");
        assert_int_equal(stop(&probe), 0);
    }
}

static void a_service_that_fails_ends_the_process_with_its_code_and_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = start(both[i], NULL, "PROBE=fail");
        assert_int_equal(wait_for_end(pid), 2);
        assert_non_null(strstr(log_text(), "probe: no node answered\n"));
    }
}

static void a_broken_setting_ends_with_64_and_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = start(both[i], NULL, "ADIT_STRATUM__MAX_MINERZ=5");
        assert_int_equal(wait_for_end(pid), 64);
        char expected[256];
        snprintf(expected, sizeof expected,
                 "%s-probe: ADIT_STRATUM__MAX_MINERZ: key stratum.max_minerz is not known; did you "
                 "mean stratum.max_miners?\n",
                 i == 0 ? "plain" : "kore");
        assert_string_equal(log_text(), expected);
        pid = start(both[i], "--colour", NULL);
        assert_int_equal(wait_for_end(pid), 64);
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
            assert_int_equal(wait_for_end(start(both[i], questions[q][0], NULL)), 0);
            assert_non_null(strstr(log_text(), questions[q][1]));
        }
    }
}

static void a_taken_port_ends_with_65_and_its_name(void **state)
{
    (void)state;
    struct probe probe;
    char keep[96];
    start_ready(&probe, "kore_probe", NULL);
    snprintf(keep, sizeof keep, "%s", log_path);
    snprintf(log_path, sizeof log_path, "%s/second", folder);
    char variable[96];
    char expected[96];
    for (size_t i = 0; i < 2; i++) {
        snprintf(variable, sizeof variable, "ADIT_AUTH__ADMIN_ADDRESS=127.0.0.1:%u",
                 probe.admin_port);
        snprintf(expected, sizeof expected,
                 "the admin port: cannot listen at 127.0.0.1:%u: ", probe.admin_port);
        assert_int_equal(wait_for_end(start(both[i], NULL, variable)), 65);
        assert_non_null(strstr(log_text(), expected));
    }
    snprintf(variable, sizeof variable, "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:%u", probe.http_port);
    snprintf(expected, sizeof expected,
             "the HTTP port: cannot listen at 127.0.0.1:%u: ", probe.http_port);
    assert_int_equal(wait_for_end(start("kore_probe", NULL, variable)), 65);
    assert_non_null(strstr(log_text(), expected));
    unlink(log_path);
    memcpy(log_path, keep, sizeof log_path);
    assert_int_equal(stop(&probe), 0);
}

static void http_is_answered_by_the_service(void **state)
{
    (void)state;
    struct probe probe;
    start_ready(&probe, "kore_probe", NULL);
    assert_answers(probe.http_port, "GET /hello/a%20b HTTP/1.1\r\nHost: x\r\n\r\n",
                   "content-length: 3\r\n\r\na b");
    assert_answers(probe.http_port,
                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd",
                   "\r\n\r\nabcd");
    assert_answers(probe.http_port, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: POST");
    assert_answers(probe.http_port, "PATCH /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                   " 405 ");
    assert_answers(probe.http_port, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n",
                   "\"title\":\"Not found\"");
    assert_answers(probe.http_port, "GET /wait/50 HTTP/1.1\r\nHost: x\r\n\r\n", "late");
    assert_answers(probe.http_port,
                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", " 413 ");
    assert_int_equal(stop(&probe), 0);
}

static void a_body_that_comes_in_pieces_arrives_whole(void **state)
{
    (void)state;
    enum { BODY = 65536 };
    struct probe probe;
    static char text[BODY + 2048];
    static char body[BODY + 1];
    start_ready(&probe, "kore_probe", NULL);
    for (size_t i = 0; i < BODY; i++)
        body[i] = (char)('a' + i % 26);
    body[BODY - 1] = '!';
    int fd = dial(probe.http_port);
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n");
    for (size_t at = 0; at < BODY; at += 8192) {
        assert_int_equal(send(fd, body + at, 8192, MSG_NOSIGNAL), 8192);
        poll(NULL, 0, 2);
    }
    assert_true(hear(fd, "!", text, sizeof text));
    assert_non_null(strstr(text, body));
    close(fd);
    assert_int_equal(stop(&probe), 0);
}

static void clients_that_leave_before_their_answer_harm_nobody(void **state)
{
    (void)state;
    struct probe probe;
    start_ready(&probe, "kore_probe", NULL);
    for (unsigned round = 0; round < 100; round++) {
        int fd = dial(probe.http_port);
        assert_true(fd >= 0);
        say(fd, "GET /wait/20 HTTP/1.1\r\nHost: x\r\n\r\n");
        if (round % 2 == 0)
            poll(NULL, 0, 1);
        close(fd);
    }
    assert_answers(probe.http_port, "GET /wait/50 HTTP/1.1\r\nHost: x\r\n\r\n", "late");
    assert_int_equal(stop(&probe), 0);
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
    start_ready(&probe, "kore_probe", NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = dial(probe.http_port);
        assert_true(fds[i] >= 0);
        say(fds[i], "GET /wait/5000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)hear(fds[i], "never", text, sizeof text);
        late += strstr(text, "late") != NULL;
        refused += strstr(text, "Overloaded") != NULL;
        close(fds[i]);
    }
    assert_int_equal(late, 512);
    assert_int_equal(refused, CLIENTS - 512);
    assert_int_equal(stop(&probe), 0);
}

static void a_stop_does_not_wait_for_clients(void **state)
{
    (void)state;
    struct probe probe;
    start_ready(&probe, "kore_probe", NULL);
    int waiting = dial(probe.http_port);
    int idle = dial(probe.http_port);
    say(waiting, "GET /wait/600000 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_answers(probe.http_port, "GET /wait/50 HTTP/1.1\r\nHost: x\r\n\r\n", "late");
    assert_int_equal(stop(&probe), 0); /* long before the ten minutes */
    char text[2048];
    assert_true(hear(waiting, "this process is stopping", text, sizeof text));
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
    start_ready(&probe, "kore_probe", NULL);
    pid_t worker = worker_of(probe.pid);
    assert_true(worker > 0);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(wait_for_end(probe.pid), 70);
}

static void a_killed_parent_takes_its_worker_along_and_the_port_is_free(void **state)
{
    (void)state;
    struct probe probe;
    char variable[96];
    start_ready(&probe, "kore_probe", NULL);
    snprintf(variable, sizeof variable, "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:%u", probe.http_port);
    assert_int_equal(kill(probe.pid, SIGKILL), 0);
    assert_int_equal(wait_for_end(probe.pid), 1000 + SIGKILL);
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    int fd;
    while ((fd = dial(probe.http_port)) >= 0) {
        close(fd);
        assert_true(loop_clock_ns() < deadline_ns);
        poll(NULL, 0, 5);
    }
    start_ready(&probe, "kore_probe", variable);
    assert_int_equal(stop(&probe), 0);
}

static void a_service_that_does_not_stop_is_ended_with_a_code(void **state)
{
    (void)state;
    struct probe probe;
    start_ready(&probe, "kore_probe", "PROBE=stuck");
    assert_int_equal(stop(&probe), 70);
    assert_non_null(strstr(log_text(), "service.stuck"));
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hosts_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[128];
    unlink(log_path);
    snprintf(path, sizeof path, "%s/run/kore-probe-1.kore.pid", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/run", folder);
    rmdir(path);
    return rmdir(folder);
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
        cmocka_unit_test(a_body_that_comes_in_pieces_arrives_whole),
        cmocka_unit_test(clients_that_leave_before_their_answer_harm_nobody),
        cmocka_unit_test(more_exchanges_than_the_bound_are_refused_and_the_rest_answered),
        cmocka_unit_test(a_stop_does_not_wait_for_clients),
        cmocka_unit_test(a_killed_worker_takes_the_process_along_with_a_code),
        cmocka_unit_test(a_killed_parent_takes_its_worker_along_and_the_port_is_free),
        cmocka_unit_test(a_service_that_does_not_stop_is_ended_with_a_code),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
