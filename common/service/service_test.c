/* The skeleton in one process: log, metrics, arguments, admin port, waiting, health, heartbeat. */
#include "adapter/bus_fake/bus_fake.h"
#include "service/inside.h"
#include "service/listen.h"
#include "wire/messages.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64];

static const char *admin_address(const struct settings *settings)
{
    return settings->validator_admin_address;
}

static const struct service_definition definition = {
    .name = "test-service",
    .admin_address = admin_address,
};

static void begin(struct service *service)
{
    char *arguments[] = { "test-service", "--data", folder, "--instance=7" };
    int code = -1;
    setenv("ADIT_VALIDATOR__ADMIN_ADDRESS", "127.0.0.1:0", 1);
    assert_true(service_prepare(service, &definition, 4, arguments, &code));
    assert_true(service_open(service, false, &code));
}

static void end(struct service *service)
{
    service_close(service);
}

/* Takes over standard error; what was written is in text_r afterwards. */
struct capture {
    int saved;
    int read_end;
};

static void capture_begin(struct capture *capture)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    capture->saved = dup(STDERR_FILENO);
    capture->read_end = ends[0];
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
}

static void capture_end(struct capture *capture, char *text_r, size_t bytes)
{
    ssize_t got = read(capture->read_end, text_r, bytes - 1);
    text_r[got > 0 ? got : 0] = '\0';
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    close(capture->read_end);
}

static void a_log_line_is_one_line_whatever_it_holds(void **state)
{
    (void)state;
    struct capture capture;
    char text[8192];
    char safe[16];
    log_open("test", "3", LOG_INFO);
    unsigned long errors = log_error_count();
    capture_begin(&capture);
    log_info("a.b", "peer=\"%s\" n=%d", log_text("x\ny\"z\\", safe, sizeof safe), 5);
    log_error("c.d", "raw=%s", "one\ntwo\r");
    log_debug("never", "%s", "");
    log_info("bare", "%s", "");
    capture_end(&capture, text, sizeof text);
    assert_non_null(strstr(text, "Z info test/3 a.b peer=\"x?y?z?\" n=5\n"));
    assert_non_null(strstr(text, "Z error test/3 c.d raw=one?two?\n"));
    assert_non_null(strstr(text, "Z info test/3 bare\n"));
    assert_null(strstr(text, "never"));
    assert_int_equal(text[4], '-');
    assert_int_equal(text[10], 'T');
    assert_int_equal(log_error_count(), errors + 1);
    log_last_error(text, sizeof text);
    assert_string_equal(text, "c.d raw=one?two?");
    assert_string_equal(log_text("abcdef", safe, 4), "abc");
    assert_string_equal(log_text("ab\xc3\xa9", safe, 4), "ab");
    assert_string_equal(log_text("ab\xc3\xa9", safe, 5), "ab\xc3\xa9");
    assert_string_equal(log_text("a\xff"
                                 "b",
                                 safe, 5),
                        "a?b");
}

static void a_log_line_too_long_is_cut(void **state)
{
    (void)state;
    struct capture capture;
    static char text[16384];
    char *value = malloc(8000);
    memset(value, 'v', 7999);
    value[7999] = '\0';
    capture_begin(&capture);
    log_info("long", "value=%s", value);
    capture_end(&capture, text, sizeof text);
    free(value);
    assert_true(strlen(text) <= 4096);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void metrics_are_printed_as_prometheus_reads_them(void **state)
{
    (void)state;
    char text[8192];
    struct metrics *metrics = metrics_create();
    assert_int_equal(metrics_print(metrics, text, sizeof text), 0);
    struct metric *a = metrics_counter(metrics, "adit_x_total", "reason=\"a\"", "The x.", "x_a");
    struct metric *gauge = metrics_gauge(metrics, "adit_y", "", "The y.", NULL);
    struct metric *b = metrics_counter(metrics, "adit_x_total", "reason=\"b\"", "", NULL);
    struct metric_histogram *histogram = metrics_histogram(metrics, "adit_z_seconds", "The z.");
    metric_add(a, 2);
    metric_add(a, 1);
    metric_set(gauge, 9);
    metric_add(b, 7);
    metric_observe_us(histogram, 0);
    metric_observe_us(histogram, 1);
    metric_observe_us(histogram, 2);
    metric_observe_us(histogram, 3);
    metric_observe_us(histogram, UINT64_C(1) << 40);
    size_t length = metrics_print(metrics, text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = '\0';
    assert_non_null(strstr(text, "# HELP adit_x_total The x.\n# TYPE adit_x_total counter\n"
                                 "adit_x_total{reason=\"a\"} 3\nadit_x_total{reason=\"b\"} 7\n"
                                 "# HELP adit_y The y.\n# TYPE adit_y gauge\nadit_y 9\n"));
    assert_non_null(strstr(text, "adit_z_seconds_bucket{le=\"0.000001\"} 2\n"
                                 "adit_z_seconds_bucket{le=\"0.000002\"} 3\n"
                                 "adit_z_seconds_bucket{le=\"0.000004\"} 4\n"));
    assert_non_null(strstr(text, "adit_z_seconds_bucket{le=\"134.217728\"} 4\n"
                                 "adit_z_seconds_bucket{le=\"+Inf\"} 5\n"
                                 "adit_z_seconds_sum 1099511.627782\nadit_z_seconds_count 5\n"));
    for (size_t bytes = 0; bytes < length; bytes++)
        assert_int_equal(metrics_print(metrics, text, bytes), 0);
    metrics_destroy(metrics);
}

static void arguments_that_are_not_known_are_refused(void **state)
{
    (void)state;
    struct service_arguments arguments;
    struct error error;
    char *good[] = {
        "x", "--config", "a.json", "--data=/d", "--instance", "b-2", "--check-config"
    };
    assert_true(arguments_parse(7, good, &arguments, &error));
    assert_string_equal(arguments.config, "a.json");
    assert_string_equal(arguments.data_dir, "/d");
    assert_string_equal(arguments.instance, "b-2");
    assert_true(arguments.check_config);
    char *unknown[] = { "x", "--confik=a" };
    assert_false(arguments_parse(2, unknown, &arguments, &error));
    assert_string_equal(error.text, "argument --confik=a is not known; --help lists all");
    char *missing[] = { "x", "--config" };
    assert_false(arguments_parse(2, missing, &arguments, &error));
    assert_string_equal(error.text, "argument --config needs a value");
    char *flag[] = { "x", "--help=yes" };
    assert_false(arguments_parse(2, flag, &arguments, &error));
    char *instance[] = { "x", "--instance=../1" };
    assert_false(arguments_parse(2, instance, &arguments, &error));
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    host[strcspn(host, ".")] = '\0';
    char *of_host[] = { "x", "--instance=@host" };
    assert_true(arguments_parse(2, of_host, &arguments, &error));
    assert_string_equal(arguments.instance, strlen(host) > 32 ? host + strlen(host) - 32 : host);
}

static int client_of(const struct service *service)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *bound = admin_bound(service->life->admin);
    address.sin_port = htons((uint16_t)atoi(strrchr(bound, ':') + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    return fd;
}

/* Turns the loop until the answer has come whole. */
static void read_answer(struct service *service, int fd, char *text_r, size_t bytes)
{
    size_t used = 0;
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    for (;;) {
        loop_run_once(service->loop, 10);
        ssize_t got = recv(fd, text_r + used, bytes - 1 - used, MSG_DONTWAIT);
        if (got == 0)
            break;
        if (got > 0)
            used += (size_t)got;
        else
            assert_true(errno == EAGAIN);
        assert_true(loop_clock_ns() < deadline_ns);
    }
    text_r[used] = '\0';
    close(fd);
}

static void ask(struct service *service, const char *request, char *text_r, size_t bytes)
{
    int fd = client_of(service);
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    read_answer(service, fd, text_r, bytes);
}

static void the_admin_port_says_how_the_process_is(void **state)
{
    (void)state;
    struct service service;
    static char text[65536];
    begin(&service);
    ask(&service, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nalive\n"));
    ask(&service, "GET /readyz HTTP/1.0\n\n", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "not ready: starting\n"));
    service_ready(&service);
    service_degraded(&service, "redis.window", "connection \"refused\"");
    service_degraded(&service, "node", "away");
    service_degraded(&service, "redis.window", "still refused");
    ask(&service, "GET /readyz?x=1 HTTP/1.1\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 200 "));
    assert_non_null(strstr(text, "ready\ndegraded: redis.window: still refused\n"
                                 "degraded: node: away\n"));
    assert_int_equal(service_state(&service), WIRE_STATE_DEGRADED);
    service_degraded(&service, "redis.window", NULL);
    service_degraded(&service, "node", NULL);
    service_degraded(&service, "node", NULL);
    assert_int_equal(service_state(&service), WIRE_STATE_RUNNING);
    ask(&service, "HEAD /readyz HTTP/1.1\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "Content-Length: 6\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    ask(&service, "GET /metrics HTTP/1.1\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "adit_info{service=\"test-service\",instance=\"7\""));
    assert_non_null(strstr(text, "\nadit_heartbeats_total{outcome=\"lost\"} 0\n"));
    service_stop(&service);
    ask(&service, "GET /readyz HTTP/1.1\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "stopping\n"));
    end(&service);
}

static void the_admin_port_refuses_what_is_no_request_of_its_own(void **state)
{
    (void)state;
    struct service service;
    static char text[65536];
    static char big[8192];
    begin(&service);
    ask(&service, "GET /secret HTTP/1.1\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 404 "));
    ask(&service, "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 405 "));
    assert_non_null(strstr(text, "Allow: GET, HEAD\r\n"));
    ask(&service, "\x16\x03\x01\r\n\r\n", text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 400 "));
    memset(big, 'x', sizeof big - 1);
    ask(&service, big, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 431 "));
    end(&service);
}

static void more_connections_than_the_bound_wait_their_turn(void **state)
{
    (void)state;
    enum { CLIENTS = 80 };
    struct service service;
    char text[512];
    int fds[CLIENTS];
    begin(&service);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = client_of(&service);
        loop_run_once(service.loop, 0);
    }
    for (int i = 0; i < 200; i++)
        loop_run_once(service.loop, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(send(fds[i], "GET /healthz HTTP/1.1\r\n\r\n", 25, 0), 25);
        read_answer(&service, fds[i], text, sizeof text);
        assert_non_null(strstr(text, "alive"));
    }
    end(&service);
}

struct attempts {
    unsigned count;
    unsigned until;
    enum error_code code;
};

static bool attempt(void *context, struct error *error)
{
    struct attempts *attempts = context;
    attempts->count++;
    return attempts->count >= attempts->until ||
           error_set(error, attempts->code, "connection refused");
}

static void waiting_tries_until_it_succeeds_or_the_deadline_has_passed(void **state)
{
    (void)state;
    struct service service;
    struct error error;
    begin(&service);
    struct attempts third = { .until = 3, .code = ERROR_UNAVAILABLE };
    assert_true(service_wait_for(&service, "the node", attempt, &third, &error));
    assert_int_equal(third.count, 3);
    service.settings.startup_deadline_s = 0;
    struct attempts never = { .until = 1000, .code = ERROR_UNAVAILABLE };
    assert_false(service_wait_for(&service, "the node", attempt, &never, &error));
    assert_int_equal(never.count, 1);
    assert_string_equal(error.text, "the node was not there within 0 s: connection refused");
    assert_int_equal(service_fail(&service, SERVICE_EXIT_NODE, &error), SERVICE_EXIT_NODE);
    service.settings.startup_deadline_s = 3;
    never.count = 0;
    uint64_t began_ns = loop_clock_ns();
    assert_false(service_wait_for(&service, "the node", attempt, &never, &error));
    assert_true(never.count >= 3);
    assert_true(loop_clock_ns() - began_ns >= 2998000000u); /* whole milliseconds count */
    struct attempts invalid = { .until = 1000, .code = ERROR_INVALID };
    service.settings.startup_deadline_s = 30;
    assert_false(service_wait_for(&service, "the node", attempt, &invalid, &error));
    assert_int_equal(invalid.count, 1);
    end(&service);
}

static void stop_it(void *context)
{
    service_stop(context);
}

static void waiting_ends_when_the_process_is_told_to_stop_and_that_is_no_failure(void **state)
{
    (void)state;
    struct service service;
    struct error error;
    begin(&service);
    struct loop_timer timer = { .on_due = stop_it, .context = &service };
    loop_timer_start(service.loop, &timer, 20, 0);
    struct attempts never = { .until = 1000, .code = ERROR_UNAVAILABLE };
    assert_false(service_wait_for(&service, "the node", attempt, &never, &error));
    assert_true(service_stopping(&service));
    assert_int_equal(service_fail(&service, SERVICE_EXIT_NODE, &error), SERVICE_EXIT_OK);
    loop_run(service.loop); /* the stop is remembered */
    end(&service);
}

struct scheduler {
    unsigned beats;
    uint8_t state;
    uint64_t lease_id;
    uint64_t counter;
    struct bus_call *held;
    bool holds;
    unsigned replies;
};

static void on_call(void *context, struct bus_call *call, struct span message)
{
    struct scheduler *scheduler = context;
    static uint8_t memory[16384];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_heartbeat beat;
    struct error error;
    assert_true(wire_decode_heartbeat(message, &arena, &beat, &error));
    assert_string_equal(beat.service, "test-service");
    assert_string_equal(beat.instance, "7");
    assert_int_equal(strncmp(beat.admin_url, "http://127.0.0.1:", 17), 0);
    scheduler->beats++;
    scheduler->state = beat.state;
    scheduler->lease_id = beat.lease_id;
    assert_int_equal(beat.counters_count, 1);
    assert_string_equal(beat.counters[0].name, "shares");
    scheduler->counter = beat.counters[0].value;
    if (scheduler->holds) {
        assert_null(scheduler->held);
        scheduler->held = call;
        return;
    }
    const struct wire_heartbeat_reply reply = { .epoch = 4, .lease_known = 1 };
    uint8_t bytes[64];
    size_t length = wire_encode_heartbeat_reply(&reply, bytes, sizeof bytes);
    bus_reply(call, span_of(bytes, length));
}

static void on_reply(void *context, const struct wire_heartbeat_reply *reply)
{
    assert_int_equal(reply->epoch, 4);
    ((struct scheduler *)context)->replies++;
}

static void turn_until(struct service *service, const unsigned *value, unsigned wanted)
{
    const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
    while (*value < wanted && loop_clock_ns() < deadline_ns)
        loop_run_once(service->loop, 50);
    assert_true(*value >= wanted);
}

static void the_heartbeat_carries_state_lease_and_counters_one_at_a_time(void **state)
{
    (void)state;
    struct service service;
    struct scheduler scheduler = { 0 };
    struct error error;
    uint64_t lease_id = 11;
    begin(&service);
    service.bus = bus_fake_create(service.loop);
    struct bus_server *server = bus_serve(service.bus, service.settings.service_scheduler_url, 4,
                                          65536, on_call, &scheduler, &error);
    struct metric *shares =
        metrics_counter(service.metrics, "adit_shares_total", "", "Shares.", "shares");
    metric_add(shares, 5);
    service_heartbeat(&service, &lease_id, on_reply, &scheduler);
    turn_until(&service, &scheduler.replies, 1);
    assert_int_equal(scheduler.state, WIRE_STATE_STARTING);
    assert_int_equal(scheduler.lease_id, 11);
    assert_int_equal(scheduler.counter, 5);
    service_ready(&service);
    lease_id = 12;
    scheduler.holds = true;
    turn_until(&service, &scheduler.beats, 2);
    assert_int_equal(scheduler.state, WIRE_STATE_RUNNING);
    assert_int_equal(scheduler.lease_id, 12);
    bus_drop(scheduler.held);
    scheduler.held = NULL;
    scheduler.holds = false;
    turn_until(&service, &scheduler.replies, 2);
    assert_int_equal(metric_read(service.life->beats_lost), 1);
    bus_server_close(server);
    end(&service);
}

static void the_supervisor_hears_of_readiness_and_stopping(void **state)
{
    (void)state;
    struct service service;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[2048];
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    begin(&service);
    service_ready(&service);
    service_degraded(&service, "node", "away");
    service_stop(&service);
    unsetenv("NOTIFY_SOCKET");
    static const char *const expected[] = { "X_ADIT_ADMIN=127.0.0.1:", "READY=1\nSTATUS=running",
                                            "STATUS=degraded: node: away", "STOPPING=1" };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ssize_t got = recv(fd, text, sizeof text - 1, 0);
        assert_true(got > 0);
        text[got] = '\0';
        assert_int_equal(strncmp(text, expected[i], strlen(expected[i])), 0);
    }
    close(fd);
    unlink(address.sun_path);
    end(&service);
}

static void a_taken_port_and_a_wrong_address_are_told_apart(void **state)
{
    (void)state;
    struct error error;
    char bound[LISTEN_ADDRESS_BYTES];
    int first = listen_open("127.0.0.1:0", 4, bound, &error);
    assert_true(first >= 0);
    assert_int_equal(listen_open(bound, 4, NULL, &error), -1);
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(error.text, bound));
    static const char *const wrong[] = {
        "",       "127.0.0.1", "127.0.0.1:",    "127.0.0.1:x", "127.0.0.1:65536",
        "::1:80", "[::1:80",   "no such host:1"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(listen_open(wrong[i], 4, NULL, &error), -1);
        assert_int_equal(error.code, ERROR_INVALID);
    }
    close(first);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/service_test.XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char run[80];
    snprintf(run, sizeof run, "%s/run", folder);
    rmdir(run);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_is_one_line_whatever_it_holds),
        cmocka_unit_test(a_log_line_too_long_is_cut),
        cmocka_unit_test(metrics_are_printed_as_prometheus_reads_them),
        cmocka_unit_test(arguments_that_are_not_known_are_refused),
        cmocka_unit_test(the_admin_port_says_how_the_process_is),
        cmocka_unit_test(the_admin_port_refuses_what_is_no_request_of_its_own),
        cmocka_unit_test(more_connections_than_the_bound_wait_their_turn),
        cmocka_unit_test(waiting_tries_until_it_succeeds_or_the_deadline_has_passed),
        cmocka_unit_test(waiting_ends_when_the_process_is_told_to_stop_and_that_is_no_failure),
        cmocka_unit_test(the_heartbeat_carries_state_lease_and_counters_one_at_a_time),
        cmocka_unit_test(the_supervisor_hears_of_readiness_and_stopping),
        cmocka_unit_test(a_taken_port_and_a_wrong_address_are_told_apart),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
