/* The devnode process: killed at any time it keeps what it answered for; its HTTP holds to its
 * bounds; long polling wakes. Random rounds run again from ADIT_SEED. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(0x2545f4914f6cdd1d) % below;
}

struct process {
    char folder[64];
    char authorization[64]; /* file with user:password, or empty */
    pid_t pid;
    uint16_t port;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void start(struct process *p)
{
    char path[4096];
    const char *build = getenv("ADIT_BUILD");
    int ends[2];
    snprintf(path, sizeof path, "%s/bin/devnode", build == NULL ? "build" : build);
    assert_int_equal(pipe(ends), 0);
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        char *const plain[] = { path,
                                "--listen",
                                "127.0.0.1:0",
                                "--data",
                                p->folder,
                                "--initial-bits",
                                "207fffff",
                                "--fixed-bits",
                                p->authorization[0] == 0 ? NULL : "--rpc-auth-file",
                                p->authorization,
                                NULL };
        execv(path, plain);
        _exit(127);
    }
    close(ends[1]);
    /* The address it chose stands in its first lines. */
    char text[4096];
    size_t length = 0;
    const char *found = NULL;
    while (found == NULL && length < sizeof text - 1) {
        ssize_t got = read(ends[0], text + length, sizeof text - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
        text[length] = 0;
        found = strstr(text, "listening on 127.0.0.1:");
        found = found == NULL || strchr(found, '\n') == NULL ? NULL : found;
    }
    assert_non_null(found);
    p->port = (uint16_t)strtoul(strrchr(found, ':') + 1, NULL, 10);
    /* What it prints from now on is read by nobody; it must not block on that. */
    fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
}

static void kill_hard(struct process *p)
{
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
}

static int dial(const struct process *p)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(p->port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct timeval limit = { .tv_sec = 20 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_text(int fd, const char *text)
{
    size_t length = strlen(text);
    return send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Receives until the text has been seen, the other side ends, or the room is full. */
static size_t receive_until(int fd, const char *wanted, char *text_r, size_t room)
{
    size_t length = 0;
    text_r[0] = 0;
    while (length < room - 1 && (wanted == NULL || strstr(text_r, wanted) == NULL)) {
        ssize_t got = recv(fd, text_r + length, room - 1 - length, 0);
        if (got <= 0)
            break;
        length += (size_t)got;
        text_r[length] = 0;
    }
    return length;
}

static bool send_call(int fd, const char *method, const char *params)
{
    char body[1024];
    char request[1400];
    snprintf(body, sizeof body, "{\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
    snprintf(request, sizeof request, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    return send_text(fd, request);
}

/* One whole answer's JSON, NULL where the connection ended first. Caller owns. */
static json_t *receive_json(int fd)
{
    static char text[1 << 20];
    size_t length = 0;
    for (;;) {
        ssize_t got = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (got <= 0)
            return NULL;
        length += (size_t)got;
        text[length] = 0;
        const char *body = strstr(text, "\r\n\r\n");
        const char *size = strstr(text, "Content-Length: ");
        if (body != NULL && size != NULL && strlen(body + 4) >= strtoul(size + 16, NULL, 10))
            return json_loads(body + 4, 0, NULL);
    }
}

/* The result of a call on a connection of its own; NULL where none came. Caller owns. */
static json_t *call(const struct process *p, const char *method, const char *params)
{
    int fd = dial(p);
    json_t *answer = NULL;
    if (fd < 0)
        return NULL;
    if (send_call(fd, method, params))
        answer = receive_json(fd);
    close(fd);
    json_t *result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    return result;
}

static int begin(void **state)
{
    static struct process p;
    memset(&p, 0, sizeof p);
    snprintf(p.folder, sizeof p.folder, "/tmp/devnode-test-XXXXXX");
    assert_non_null(mkdtemp(p.folder));
    start(&p);
    *state = &p;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int end(void **state)
{
    struct process *p = *state;
    kill_hard(p);
    nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

#define ROUNDS 8
#define HASHES_MAX 20000

/* A process of its own, so that the kill falls anywhere in a call. */
static pid_t kill_later(const struct process *p, long wait_ms)
{
    pid_t killer = fork();
    if (killer == 0) {
        pause_ms(wait_ms);
        kill(p->pid, SIGKILL);
        _exit(0);
    }
    return killer;
}

/* One block after the other is asked for until the process is killed; every hash that was answered
 * must be on the chain of the next life, however near the kill was. */
static void every_block_it_answered_for_survives_kill_9(void **state)
{
    struct process *p = *state;
    static char hashes[HASHES_MAX][65];
    char address[128];
    char params[256];
    size_t count = 0;
    json_t *given = call(p, "getnewaddress", "[]");
    snprintf(address, sizeof address, "%s", json_string_value(given));
    json_decref(given);
    snprintf(params, sizeof params, "[1,\"%s\"]", address);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t killer = 0;
        for (;;) {
            json_t *result = call(p, "generatetoaddress", params);
            const char *hash = json_string_value(json_array_get(result, 0));
            if (hash == NULL) {
                json_decref(result);
                break;
            }
            assert_true(count < HASHES_MAX);
            snprintf(hashes[count++], sizeof hashes[0], "%s", hash);
            json_decref(result);
            if (killer == 0)
                killer = kill_later(p, (long)draw(150));
        }
        assert_true(killer > 0);
        waitpid(killer, NULL, 0);
        waitpid(p->pid, NULL, 0);
        start(p);
        json_t *height = call(p, "getblockcount", "[]");
        /* One more may be there: made, but the answer did not come through. */
        assert_true(json_integer_value(height) >= (json_int_t)count);
        json_decref(height);
        for (size_t i = 0; i < count; i++) {
            char hash_param[80];
            snprintf(hash_param, sizeof hash_param, "[\"%.64s\"]", hashes[i]);
            json_t *header = call(p, "getblockheader", hash_param);
            assert_true(json_integer_value(json_object_get(header, "confirmations")) > 0);
            json_decref(header);
        }
    }
    assert_true(count >= ROUNDS);
    print_message("%zu blocks over %d kills\n", count, ROUNDS);
    snprintf(params, sizeof params, "[\"%s\"]", address);
    json_t *info = call(p, "getaddressinfo", params);
    assert_true(json_is_true(json_object_get(info, "ismine")));
    json_decref(info);
}

static void long_polling_answers_when_the_tip_changes(void **state)
{
    struct process *p = *state;
    char params[256];
    json_t *template = call(p, "getblocktemplate", "[{\"rules\":[\"segwit\"]}]");
    snprintf(params, sizeof params, "[{\"rules\":[\"segwit\"],\"longpollid\":\"%s\"}]",
             json_string_value(json_object_get(template, "longpollid")));
    json_decref(template);
    int fd = dial(p);
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    assert_true(send_call(fd, "getblocktemplate", params));
    assert_int_equal(poll(&poller, 1, 300), 0); /* it waits */
    double begun = now_s();
    json_decref(
        call(p, "generatetoaddress", "[1,\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"]"));
    json_t *answer = receive_json(fd);
    assert_true(now_s() - begun < 2);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(answer, "result"), "height")), 2);
    json_decref(answer);
    close(fd);
}

/* How many whole answers, all of them good, the text begins with. */
static unsigned answers_in(const char *text)
{
    unsigned count = 0;
    while (strncmp(text, "HTTP/1.1 200", 12) == 0) {
        const char *body = strstr(text, "\r\n\r\n"), *size = strstr(text, "Content-Length: ");
        size_t bytes = size != NULL ? strtoul(size + 16, NULL, 10) : 0;
        if (body == NULL || strlen(body + 4) < bytes)
            break;
        text = body + 4 + bytes;
        count++;
    }
    return count;
}

static void a_connection_serves_one_request_after_the_other(void **state)
{
    struct process *p = *state;
    char text[65536] = "";
    int fd = dial(p);
    assert_true(send_call(fd, "getblockcount", "[]"));
    json_decref(receive_json(fd));
    /* Two at once, and one that asks before it sends its body. */
    assert_true(send_call(fd, "uptime", "[]") && send_call(fd, "getbestblockhash", "[]"));
    for (size_t length = 0; answers_in(text) < 2;) {
        ssize_t got = recv(fd, text + length, sizeof text - 1 - length, 0);
        assert_true(got > 0);
        length += (size_t)got;
        text[length] = 0;
    }
    assert_true(send_text(fd, "POST / HTTP/1.1\r\nExpect: 100-continue\r\n"
                              "Content-Length: 26\r\n\r\n"));
    receive_until(fd, "\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "100 Continue"));
    assert_true(send_text(fd, "{\"method\":\"getblockcount\"}"));
    json_t *answer = receive_json(fd);
    assert_int_equal(json_integer_value(json_object_get(answer, "result")), 0);
    json_decref(answer);
    close(fd);
}

static void what_is_no_request_is_refused_and_closed(void **state)
{
    struct process *p = *state;
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        { "rubbish\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\n\r\n", "405" },
        { "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "413" },
        { "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "501" },
        { "POST / HTTP/1.1\r\nno colon\r\n\r\n", "400" },
        { "POST /nowhere HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "404" },
    };
    char text[65536];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial(p);
        assert_true(send_text(fd, cases[i].request));
        receive_until(fd, NULL, text, sizeof text);
        assert_non_null(strstr(text, cases[i].status));
        close(fd);
    }
    int fd = dial(p);
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    send_text(fd, text);
    receive_until(fd, NULL, text, sizeof text);
    assert_true(text[0] == 0 || strstr(text, "431") != NULL);
    close(fd);
    json_t *alive = call(p, "getblockcount", "[]");
    assert_true(json_is_integer(alive));
    json_decref(alive);
}

static void more_connections_than_it_takes_are_told_so(void **state)
{
    struct process *p = *state;
    int fds[140];
    char text[4096] = "";
    for (size_t i = 0; i < 140; i++)
        fds[i] = dial(p);
    receive_until(fds[139], NULL, text, sizeof text);
    assert_non_null(strstr(text, "503"));
    for (size_t i = 0; i < 140; i++)
        close(fds[i]);
    double deadline = now_s() + 60;
    json_t *alive = NULL;
    while (alive == NULL && now_s() < deadline)
        alive = call(p, "getblockcount", "[]");
    assert_true(json_is_integer(alive));
    json_decref(alive);
}

static void a_password_is_asked_for_where_one_is_set(void **state)
{
    struct process *p = *state;
    char text[4096];
    kill_hard(p);
    snprintf(p->authorization, sizeof p->authorization, "%.40s/auth", p->folder);
    FILE *file = fopen(p->authorization, "we");
    assert_non_null(file);
    fputs("user:secret\n", file);
    fclose(file);
    start(p);
    int fd = dial(p);
    assert_true(send_call(fd, "uptime", "[]"));
    receive_until(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "401"));
    close(fd);
    fd = dial(p);
    assert_true(send_text(fd, "POST / HTTP/1.1\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n"
                              "Content-Length: 26\r\n\r\n{\"method\":\"getblockcount\"}"));
    json_t *answer = receive_json(fd);
    assert_true(json_is_integer(json_object_get(answer, "result")));
    json_decref(answer);
    close(fd);
}

static void stop_and_sigterm_end_it_with_0(void **state)
{
    struct process *p = *state;
    int status = -1;
    json_decref(call(p, "stop", "[]"));
    waitpid(p->pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    start(p);
    int waiting = dial(p); /* an idle connection does not hold it up */
    kill(p->pid, SIGTERM);
    waitpid(p->pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(waiting);
    start(p);
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    seed = given == NULL ? (uint64_t)time(NULL) * 2654435761 + 1 : strtoull(given, NULL, 10);
    printf("ADIT_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
#define WITH_A_PROCESS(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_A_PROCESS(every_block_it_answered_for_survives_kill_9),
        WITH_A_PROCESS(long_polling_answers_when_the_tip_changes),
        WITH_A_PROCESS(a_connection_serves_one_request_after_the_other),
        WITH_A_PROCESS(what_is_no_request_is_refused_and_closed),
        WITH_A_PROCESS(more_connections_than_it_takes_are_told_so),
        WITH_A_PROCESS(a_password_is_asked_for_where_one_is_set),
        WITH_A_PROCESS(stop_and_sigterm_end_it_with_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
