/* nng's bus: the suite of every bus over unix sockets and TCP, and what only real processes show.
 * `bus_nng_test serve URL` is a server that answers each request with its own bytes, for the tests
 * that kill one; nng cannot be forked, so it is this program started anew. */
#include "adapter/bus_fake/bus_suite.h"
#include "adapter/bus_nng/bus_nng.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static unsigned url_count;
static char url_text[256];

static struct bus *create(struct loop *loop)
{
    struct error error;
    return bus_nng_create(loop, &error);
}

static const char *ipc_url(void)
{
    snprintf(url_text, sizeof url_text, "ipc://%s/%u", folder, url_count++);
    return url_text;
}

/* A port that was free a moment ago. */
static const char *tcp_url(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    struct sockaddr *plain = (struct sockaddr *)(void *)&address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, plain, length) != 0 || getsockname(fd, plain, &length) != 0)
        return NULL;
    close(fd);
    snprintf(url_text, sizeof url_text, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    return url_text;
}

static void echo(void *context, struct bus_call *call, struct span message)
{
    (void)context;
    bus_reply(call, message);
}

static int serve_alone(const char *url)
{
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct loop *loop = loop_create(&error);
    struct bus *bus = create(loop);
    if (bus_serve(bus, url, 16, 1 << 20, echo, NULL, &error) == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    loop_run(loop);
    return 0;
}

static pid_t start_server(const char *url)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "bus_nng_test", "serve", url, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

struct scene {
    struct loop *loop;
    struct bus *bus;
    struct bus_client *client;
    unsigned ups;
    unsigned downs;
    unsigned answers;
    unsigned outcomes[4];
};

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

static void open_scene(struct scene *scene, const char *url)
{
    struct error error;
    *scene = (struct scene){ 0 };
    scene->loop = loop_create(&error);
    scene->bus = create(scene->loop);
    const struct bus_client_options options = { 8, 1000, on_up, on_down, scene };
    scene->client = bus_connect(scene->bus, url, &options, &error);
    assert_non_null(scene->client);
}

static void close_scene(struct scene *scene)
{
    bus_client_close(scene->client);
    bus_destroy(scene->bus);
    loop_destroy(scene->loop);
}

static void a_killed_server_is_gone_at_once_and_its_successor_takes_the_address(void **state)
{
    (void)state;
    char url[256];
    snprintf(url, sizeof url, "%s", ipc_url());
    struct scene scene;
    pid_t first = start_server(url);
    open_scene(&scene, url);
    assert_true(bus_suite_until(scene.loop, &scene.ups, 1));
    assert_int_equal(kill(first, SIGSTOP), 0);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(scene.client, span_text("x"), 30000, on_answer, &scene));
    loop_run_once(scene.loop, 20);
    assert_int_equal(kill(first, SIGKILL), 0);
    waitpid(first, NULL, 0);
    const uint64_t began_ns = loop_clock_ns();
    assert_true(bus_suite_until(scene.loop, &scene.answers, 8));
    assert_true(loop_clock_ns() - began_ns < 2000000000u);
    assert_int_equal(scene.outcomes[BUS_GONE], 8);
    assert_true(bus_suite_until(scene.loop, &scene.downs, 1));
    struct stat status;
    assert_int_equal(stat(url + 6, &status), 0); /* the dead one's socket is still there */
    pid_t second = start_server(url);
    assert_true(bus_suite_until(scene.loop, &scene.ups, 2));
    assert_int_equal(stat(url + 6, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(bus_request(scene.client, span_text("x"), 3000, on_answer, &scene));
    assert_true(bus_suite_until(scene.loop, &scene.answers, 9));
    assert_int_equal(scene.outcomes[BUS_REPLIED], 1);
    kill(second, SIGKILL);
    waitpid(second, NULL, 0);
    close_scene(&scene);
}

static void a_stopped_server_costs_its_askers_their_timeout_and_no_more(void **state)
{
    (void)state;
    char url[256];
    snprintf(url, sizeof url, "%s", ipc_url());
    struct scene scene;
    pid_t server = start_server(url);
    open_scene(&scene, url);
    assert_true(bus_suite_until(scene.loop, &scene.ups, 1));
    assert_int_equal(kill(server, SIGSTOP), 0);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(scene.client, span_text("x"), 50, on_answer, &scene));
    assert_true(bus_suite_until(scene.loop, &scene.answers, 8));
    assert_int_equal(scene.outcomes[BUS_TIMEOUT], 8);
    assert_int_equal(kill(server, SIGCONT), 0);
    assert_true(bus_request(scene.client, span_text("x"), 3000, on_answer, &scene));
    assert_true(bus_suite_until(scene.loop, &scene.answers, 9));
    assert_int_equal(scene.outcomes[BUS_REPLIED], 1);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close_scene(&scene);
}

static void a_living_process_keeps_its_address(void **state)
{
    (void)state;
    char url[256];
    snprintf(url, sizeof url, "%s", ipc_url());
    struct scene scene;
    pid_t server = start_server(url);
    open_scene(&scene, url);
    assert_true(bus_suite_until(scene.loop, &scene.ups, 1));
    struct error error;
    assert_null(bus_serve(scene.bus, url, 1, 100, echo, NULL, &error));
    assert_non_null(strstr(error.text, "in use by a running process"));
    assert_true(bus_request(scene.client, span_text("x"), 3000, on_answer, &scene));
    assert_true(bus_suite_until(scene.loop, &scene.answers, 1));
    assert_int_equal(scene.outcomes[BUS_REPLIED], 1);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close_scene(&scene);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve_alone(argv[2]);
    snprintf(folder, sizeof folder, "/tmp/bus_nng_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_server_is_gone_at_once_and_its_successor_takes_the_address),
        cmocka_unit_test(a_stopped_server_costs_its_askers_their_timeout_and_no_more),
        cmocka_unit_test(a_living_process_keeps_its_address),
    };
    int failed = bus_suite_run("bus_nng over ipc", create, ipc_url);
    failed += bus_suite_run("bus_nng over tcp", create, tcp_url);
    failed += cmocka_run_group_tests_name("bus_nng between processes", tests, NULL, NULL);
    for (unsigned i = 0; i < url_count; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%u", folder, i);
        unlink(path);
    }
    rmdir(folder);
    return failed;
}
