/* What a stranger can do to the HTTP port of a real process: requests that two readers could cut
 * differently, bodies without end, connections without number. One request that is sent has one
 * answer, and what stands behind a refused one is never looked at. */
#include "adapter/http_kore/tests/probe_process.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"
#define HELLO(name) "GET /hello/" name " HTTP/1.1\r\n" HOST "\r\n"

static struct probe shared;

static size_t count_of(const char *text, const char *wanted)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
        count++;
    return count;
}

/* Everything that comes until the server ends the connection; false where it does not end. */
static bool hear_end(int fd, char *text_r, size_t bytes)
{
    return !probe_hear(fd, "no server says this", text_r, bytes) && strlen(text_r) + 1 < bytes;
}

/* Says it in two pieces, cut there (0: in one), and hears all there is until the end. */
static void ask(const char *request, size_t length, size_t cut, char *text_r, size_t bytes)
{
    int fd = probe_dial(shared.http_port);
    assert_true(fd >= 0);
    if (cut > 0) {
        assert_int_equal(send(fd, request, cut, MSG_NOSIGNAL), cut);
        poll(NULL, 0, 2);
    }
    /* The first piece may have been refused already. */
    (void)!send(fd, request + cut, length - cut, MSG_NOSIGNAL);
    assert_true(hear_end(fd, text_r, bytes));
    close(fd);
}

/* Refused with a JSON Problem of this status and nothing else, however it is cut. */
static void expect_refused(const char *request, size_t length, int status)
{
    char text[8192], line[32], member[32];
    const size_t cuts[] = { 0, 1, length / 3, length - 1 };
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    snprintf(member, sizeof member, "\"status\":%d,", status);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        ask(request, length, cuts[i] < length ? cuts[i] : 0, text, sizeof text);
        if (count_of(text, "server: adit") != 1 || strncmp(text, line, strlen(line)) != 0 ||
            strstr(text, "connection: close") == NULL || strstr(text, "smuggled") != NULL)
            fail_msg("not one %d to: %s\nbut: %s", status, request, text);
        if (strncmp(request, "HEAD", 4) == 0)
            assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
        else if (strstr(text, "application/problem+json") == NULL || strstr(text, member) == NULL)
            fail_msg("no Problem: %s", text);
    }
}

#define REFUSED(request, status) expect_refused(request, sizeof(request) - 1, status)

static void a_body_where_nobody_looks_for_one_is_no_next_request(void **state)
{
    (void)state;
    REFUSED("GET /hello/a HTTP/1.1\r\n" HOST "Content-Length: 44\r\n\r\n" HELLO("smuggled"), 400);
    REFUSED("HEAD /hello/a HTTP/1.1\r\n" HOST "Content-Length: 44\r\n\r\n" HELLO("smuggled"), 400);
    REFUSED("DELETE /echo HTTP/1.1\r\n" HOST "Content-Length: 44\r\n\r\n" HELLO("smuggled"), 400);
    REFUSED("OPTIONS * HTTP/1.1\r\n" HOST "Content-Length: 44\r\n\r\n" HELLO("smuggled"), 400);
    REFUSED("GET /hello/a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
            "2c\r\n" HELLO("smuggled") "\r\n0\r\n\r\n",
            411);
}

static void lengths_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    REFUSED("POST /echo HTTP/1.1\r\n" HOST
            "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" HELLO("smuggled"),
            400);
    REFUSED("POST /echo HTTP/1.1\r\n" HOST
            "Content-Length: 44\r\nContent-Length: 0\r\n\r\n" HELLO("smuggled"),
            400);
    REFUSED("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\n" HELLO("smuggled"),
            400);
    REFUSED("POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nabcde", 400);
    REFUSED("POST /echo HTTP/1.1\r\n" HOST
            "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            411);
    REFUSED("POST /echo HTTP/1.1\r\n" HOST "\r\n", 411);
    REFUSED("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n", 413);
}

static void heads_that_two_readers_could_read_differently_are_refused(void **state)
{
    (void)state;
    REFUSED("GET /hello/smuggled HTTP/1.1\r\n" HOST "Host: evil\r\n\r\n", 400);
    REFUSED("GET /hello/smuggled HTTP/1.1\r\n\r\n", 400);
    REFUSED("GET /hello/smuggled HTTP/1.1\nHost: x\n\n", 400);
    REFUSED("GET /hello/smuggled HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400);
    REFUSED("GET /hello/smuggled HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400);
    REFUSED("GET /hello/smuggled\0x HTTP/1.1\r\n" HOST "\r\n", 400);
    REFUSED("GET /hello/smuggled HTTP/2.0\r\n" HOST "\r\n", 505);
    REFUSED("BREW /hello/smuggled HTTP/1.1\r\n" HOST "\r\n", 501);
    REFUSED("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
}

static void a_head_that_is_too_large_is_told_so(void **state)
{
    (void)state;
    static char text[20000];
    size_t used = (size_t)snprintf(text, sizeof text, "GET /hello/a HTTP/1.1\r\n" HOST "X: ");
    memset(text + used, 'a', 8000);
    memcpy(text + used + 8000, "\r\n\r\n", 4);
    expect_refused(text, used + 8004, 431);
    used = (size_t)snprintf(text, sizeof text, "GET /hello/a HTTP/1.1\r\n" HOST);
    for (unsigned i = 0; i < 22; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "Cookie: %u\r\n", i);
    memcpy(text + used, "\r\n", 3);
    probe_answers(shared.http_port, text, "\r\n\r\na");
    used += (size_t)snprintf(text + used, sizeof text - used, "Authorization: z\r\n\r\n");
    expect_refused(text, used, 431);
    used = (size_t)snprintf(text, sizeof text, "GET /hello/");
    memset(text + used, 'a', 2000);
    used += 2000 + (size_t)snprintf(text + used + 2000, 100, " HTTP/1.1\r\n" HOST "\r\n");
    expect_refused(text, used, 414);
}

/* All of it in one segment, in two, and byte by byte. */
static void requests_behind_each_other_are_each_answered_in_order(void **state)
{
    (void)state;
    static const char text[] =
        HELLO("one") "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\ntwo"
                     "GET /wait/20 HTTP/1.1\r\n" HOST "\r\n"
                     "POST /echo HTTP/1.1\r\n" HOST
                     "Content-Length: 0\r\n\r\n" HELLO("three") "\r\n"
                                                                "GET /hello/four HTTP/1.1\r\n" HOST
                                                                "Connection: close\r\n\r\n";
    const size_t length = sizeof text - 1;
    char answer[8192];
    for (size_t cut = 0; cut < length; cut += 7) {
        ask(text, length, cut, answer, sizeof answer);
        static const char *const wanted[] = { "\r\n\r\none", "\r\n\r\ntwo", "\r\n\r\nlate",
                                              "\r\n\r\nthree", "\r\n\r\nfour" };
        const char *at = answer;
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            at = strstr(at, wanted[i]);
            if (at == NULL)
                fail_msg("cut at %zu, no %s in order: %s", cut, wanted[i] + 4, answer);
        }
        assert_int_equal(count_of(answer, "HTTP/1.1 200"), 6);
    }
    int fd = probe_dial(shared.http_port);
    assert_true(fd >= 0);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
    assert_true(hear_end(fd, answer, sizeof answer));
    assert_int_equal(count_of(answer, "HTTP/1.1 200"), 6);
    close(fd);
}

static void a_frame_behind_the_handshake_is_heard(void **state)
{
    (void)state;
    static const char text[] = "GET /socket HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                               "\x81\x85\0\0\0\0early";
    char answer[2048];
    int fd = probe_dial(shared.http_port);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, text, sizeof text - 1, MSG_NOSIGNAL), sizeof text - 1);
    assert_true(probe_hear(fd, "\x81\5early", answer, sizeof answer));
    close(fd);
}

static void forms_that_the_standard_allows_are_taken(void **state)
{
    (void)state;
    probe_answers(shared.http_port, "GET http://x:80/hello/a HTTP/1.1\r\nHost: y\r\n\r\n",
                  "\r\n\r\na");
    probe_answers(shared.http_port, "GET /hello/b HTTP/1.1\r\n" HOST "Last-Event-ID: \r\n\r\n",
                  "\r\n\r\nb");
    probe_answers(shared.http_port, "\r\nGET /hello/c HTTP/1.1\r\nHostess: y\r\n" HOST "\r\n",
                  "\r\n\r\nc");
    probe_answers(shared.http_port,
                  "POST /echo HTTP/1.1\r\nA:\tb\tc \r\n" HOST "Content-Length:  3 \r\n\r\nabc",
                  "\r\n\r\nabc");
    probe_answers(shared.http_port, "GET /hello/d HTTP/1.0\r\n" HOST "\r\n", "\r\n\r\nd");
}

/* Chrome's, and what ingress-nginx adds. */
static void a_browser_behind_a_proxy_that_adds_its_lines_is_served(void **state)
{
    (void)state;
#define PROXY                                                                                      \
    "X-Request-ID: 0\r\nX-Real-IP: 9.2.3.4\r\nX-Forwarded-For: 9.2.3.4\r\n"                        \
    "X-Forwarded-Host: x\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n"                 \
    "X-Forwarded-Scheme: https\r\nX-Scheme: https\r\n"
#define CHROME                                                                                     \
    "sec-ch-ua-platform: \"Linux\"\r\nAuthorization: Bearer x\r\nUser-Agent: Mozilla/5.0\r\n"      \
    "sec-ch-ua: \"Chromium\";v=\"140\"\r\nContent-Type: application/json\r\n"                      \
    "sec-ch-ua-mobile: ?0\r\nAccept: */*\r\nOrigin: https://x\r\nSec-Fetch-Site: same-origin\r\n"  \
    "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: https://x/\r\n"                     \
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"              \
    "Priority: u=1, i\r\n"
    probe_answers(shared.http_port,
                  "POST /echo HTTP/1.1\r\n" HOST PROXY CHROME "Content-Length: 2\r\n\r\n{}",
                  "\r\n\r\n{}");
    probe_answers(shared.http_port, "GET /client HTTP/1.1\r\n" HOST CHROME "A: b\r\n" PROXY "\r\n",
                  "\r\n\r\n9.2.3.4");
}

static long resident_kib(pid_t parent)
{
    char path[128], line[256];
    long pid = 0, kib = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    if (fgets(line, sizeof line, file) != NULL)
        pid = strtol(line, NULL, 10);
    fclose(file);
    assert_true(pid > 0);
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(file);
    assert_true(kib > 0);
    return kib;
}

/* More than its length behind a body, in the same segment, is no licence to go on for ever. */
static void a_body_without_end_is_cut_off_and_costs_no_memory(void **state)
{
    (void)state;
    enum { CLIENTS = 8, MOST = 64 << 20 };
    static char block[65536];
    char text[8192];
    memset(block, 'A', sizeof block);
    const long before = resident_kib(shared.pid);
    for (unsigned i = 0; i < CLIENTS; i++) {
        size_t sent = 0;
        int fd = probe_dial(shared.http_port);
        assert_true(fd >= 0);
        probe_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}XX");
        if (i % 2 == 0) /* its own request is answered first */
            assert_true(probe_hear(fd, "\r\n\r\n{}", text, sizeof text));
        for (ssize_t got = 0; got >= 0 && sent < MOST; sent += (size_t)(got > 0 ? got : 0))
            got = send(fd, block, sizeof block, MSG_NOSIGNAL);
        assert_true(sent < MOST);
        close(fd);
    }
    assert_true(resident_kib(shared.pid) - before < 32 << 10);
    probe_answers(shared.http_port, HELLO("still"), "\r\n\r\nstill");
}

static void who_asks_and_never_reads_fills_no_memory(void **state)
{
    (void)state;
    enum { BODY = 65536, ASKED = 1200 };
    static char text[BODY + 128];
    const size_t head = (size_t)snprintf(
        text, sizeof text, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n");
    memset(text + head, 'a', BODY);
    const size_t length = head + BODY;
    const long before = resident_kib(shared.pid);
    int fd = probe_dial(shared.http_port);
    assert_true(fd >= 0);
    size_t asked = 0, at = 0;
    /* Until the server has taken nothing for a while. */
    for (struct pollfd one = { .fd = fd, .events = POLLOUT };
         asked < ASKED && poll(&one, 1, 1500) > 0;) {
        ssize_t got = send(fd, text + at, length - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        at += (size_t)(got > 0 ? got : 0);
        asked += at == length;
        at = at == length ? 0 : at;
    }
    assert_true(asked < ASKED);
    assert_true(resident_kib(shared.pid) - before < 24 << 10);
    /* Who reads then is answered all it asked, in order. */
    static char block[65536];
    size_t heard = 0;
    while (heard < asked * (size_t)BODY) {
        struct pollfd one = { .fd = fd, .events = POLLIN };
        assert_true(poll(&one, 1, 60000) > 0);
        ssize_t got = recv(fd, block, sizeof block, 0);
        assert_true(got > 0);
        heard += (size_t)got;
    }
    close(fd);
}

/* -1: refused or not at all; else connected. */
static int dial_from(const char *address, uint16_t port)
{
    struct sockaddr_in own = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
    assert_int_equal(inet_pton(AF_INET, address, &own.sin_addr), 1);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&own, sizeof own), 0);
    if (connect(fd, (struct sockaddr *)(void *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Those that the server keeps; the others were told why. Waits until every other was let go. */
static unsigned await_kept(const int *fds, unsigned count, unsigned most)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    for (;;) {
        unsigned kept = 0;
        for (unsigned i = 0; i < count; i++) {
            struct pollfd one = { .fd = fds[i], .events = POLLIN };
            kept += fds[i] >= 0 && poll(&one, 1, 0) == 0;
        }
        if (kept <= most || loop_clock_ns() > deadline_ns)
            return kept;
        poll(NULL, 0, 5);
    }
}

static void half_heads_of_one_address_lock_nobody_else_out(void **state)
{
    (void)state;
    enum { CLIENTS = 1000, BOUND = 50 };
    static int fds[CLIENTS];
    struct probe probe;
    char text[2048];
    struct rlimit files = { 0 };
    getrlimit(RLIMIT_NOFILE, &files);
    const rlim_t before = files.rlim_cur;
    if (files.rlim_max < CLIENTS + 100) {
        print_message("SKIPPED: fewer than %d descriptors\n", CLIENTS + 100);
        skip();
    }
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    probe_start_ready(&probe, "kore_probe", "ADIT_SERVICE__ADDRESS_CONNECTIONS_MAX=50");
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = dial_from("127.0.0.2", probe.http_port);
        if (fds[i] >= 0)
            (void)!send(fds[i], "GET /hel", 8, MSG_NOSIGNAL);
        if (i % 100 == 99)
            probe_answers(probe.http_port, HELLO("other"), "\r\n\r\nother");
    }
    assert_true(await_kept(fds, CLIENTS, BOUND) <= BOUND);
    /* Every one of the rest was let go; the last one reads why, or a reset where it spoke first. */
    int last = dial_from("127.0.0.2", probe.http_port);
    if (last >= 0 && hear_end(last, text, sizeof text) && text[0] != '\0') {
        assert_int_equal(strncmp(text, "HTTP/1.1 429 ", 13), 0);
        assert_non_null(strstr(text, "service.address_connections_max"));
    }
    if (last >= 0)
        close(last);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    /* Who left has room again. */
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    for (bool again = false; !again;) {
        assert_true(loop_clock_ns() < deadline_ns);
        int fd = dial_from("127.0.0.2", probe.http_port);
        assert_true(fd >= 0);
        (void)!send(fd, HELLO("again"), strlen(HELLO("again")), MSG_NOSIGNAL);
        again = probe_hear(fd, "\r\n\r\nagain", text, sizeof text);
        close(fd);
    }
    probe_answers(probe.admin_port, "GET /metrics HTTP/1.1\r\n\r\n", "adit_http_crowded_total ");
    assert_int_equal(probe_stop(&probe), 0);
    files.rlim_cur = before;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static int start_shared(void **state)
{
    const int result = probe_make_folder(state);
    if (result == 0)
        probe_start_ready(&shared, "kore_probe", NULL);
    return result;
}

static int stop_shared(void **state)
{
    const int code = probe_stop(&shared);
    return probe_remove_folder(state) != 0 || code != 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_where_nobody_looks_for_one_is_no_next_request),
        cmocka_unit_test(lengths_that_contradict_each_other_are_refused),
        cmocka_unit_test(heads_that_two_readers_could_read_differently_are_refused),
        cmocka_unit_test(a_head_that_is_too_large_is_told_so),
        cmocka_unit_test(requests_behind_each_other_are_each_answered_in_order),
        cmocka_unit_test(a_frame_behind_the_handshake_is_heard),
        cmocka_unit_test(forms_that_the_standard_allows_are_taken),
        cmocka_unit_test(a_body_without_end_is_cut_off_and_costs_no_memory),
        cmocka_unit_test(a_browser_behind_a_proxy_that_adds_its_lines_is_served),
        cmocka_unit_test(who_asks_and_never_reads_fills_no_memory),
        cmocka_unit_test(half_heads_of_one_address_lock_nobody_else_out),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
