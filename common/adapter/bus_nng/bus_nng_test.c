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
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* libnng is not built for the thread sanitizer, which therefore cannot see how it counts references
 * to a message: it takes the freeing of one for a race with its sending. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:sendmsg\n";
}

/* nng 1.5.2 loses the message it was about to send when the connection ended. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

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

/* Answers with the same bytes, or, where it is asked, with its own url (the context). */
static void echo(void *context, struct bus_call *call, struct span message)
{
    bool asked = context != NULL && span_equal(message, span_text("who"));
    bus_reply(call, asked ? span_text(context) : message);
}

static int serve_alone(const char *url)
{
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct loop *loop = loop_create(&error);
    struct bus *bus = create(loop);
    if (bus_serve(bus, url, 16, 1 << 20, echo, (void *)(uintptr_t)url, &error) == NULL) {
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

/* It does nothing more when this returns. */
static void stop_server(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
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

static void end_scene(struct scene *scene, struct bus_server *server)
{
    bus_client_close(scene->client);
    if (server != NULL)
        bus_server_close(server);
    bus_destroy(scene->bus);
    loop_destroy(scene->loop);
}

static void close_scene(struct scene *scene)
{
    end_scene(scene, NULL);
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
    stop_server(first);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(scene.client, span_text("x"), 600000, on_answer, &scene));
    loop_run_once(scene.loop, 20);
    assert_int_equal(kill(first, SIGKILL), 0);
    waitpid(first, NULL, 0);
    assert_true(bus_suite_until(scene.loop, &scene.answers, 8)); /* long before their time-out */
    assert_int_equal(scene.outcomes[BUS_GONE], 8);
    assert_true(bus_suite_until(scene.loop, &scene.downs, 1));
    struct stat status;
    assert_int_equal(stat(url + 6, &status), 0); /* the dead one's socket is still there */
    pid_t second = start_server(url);
    assert_true(bus_suite_until(scene.loop, &scene.ups, 2));
    assert_int_equal(stat(url + 6, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(bus_request(scene.client, span_text("x"), 60000, on_answer, &scene));
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
    stop_server(server);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(scene.client, span_text("x"), 50, on_answer, &scene));
    assert_true(bus_suite_until(scene.loop, &scene.answers, 8));
    assert_int_equal(scene.outcomes[BUS_TIMEOUT], 8);
    assert_int_equal(kill(server, SIGCONT), 0);
    assert_true(bus_request(scene.client, span_text("x"), 60000, on_answer, &scene));
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
    assert_true(bus_request(scene.client, span_text("x"), 60000, on_answer, &scene));
    assert_true(bus_suite_until(scene.loop, &scene.answers, 1));
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close_scene(&scene);
}

/* A connection to the unix socket that says nothing. */
static int knock(const char *url)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, url + 6, strlen(url + 6));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void callers_that_hang_up_at_once_do_not_deafen_a_server(void **state)
{
    (void)state;
    char url[256];
    snprintf(url, sizeof url, "%s", ipc_url());
    struct scene scene;
    pid_t server = start_server(url);
    open_scene(&scene, url);
    assert_true(bus_suite_until(scene.loop, &scene.ups, 1));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++)
            close(knock(url));
        struct scene late;
        open_scene(&late, url);
        assert_true(bus_suite_until(late.loop, &late.ups, 1));
        assert_true(bus_request(late.client, span_text("x"), 60000, on_answer, &late));
        assert_true(bus_suite_until(late.loop, &late.answers, 1));
        assert_int_equal(late.outcomes[BUS_REPLIED], 1);
        close_scene(&late);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close_scene(&scene);
}

static void a_server_that_hangs_up_at_the_door_is_dialled_again(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        char url[256];
        snprintf(url, sizeof url, "%s", ipc_url());
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        memcpy(address.sun_path, url + 6, strlen(url + 6));
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(listener >= 0);
        assert_int_equal(bind(listener, (struct sockaddr *)(void *)&address, sizeof address), 0);
        assert_int_equal(listen(listener, 8), 0);
        struct scene scene;
        open_scene(&scene, url);
        for (int i = 0; i < 3; i++) {
            struct pollfd one = { .fd = listener, .events = POLLIN };
            assert_int_equal(poll(&one, 1, 5000), 1);
            close(accept(listener, NULL, NULL));
        }
        close(listener);
        pid_t server = start_server(url);
        assert_true(bus_suite_until(scene.loop, &scene.ups, 1));
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        close_scene(&scene);
    }
}

struct flood {
    struct bus_client *client;
    unsigned answers;
    unsigned outstanding;
    bool closing;
};

static void on_flood(void *context, enum bus_outcome outcome, struct span reply)
{
    struct flood *flood = context;
    (void)outcome;
    (void)reply;
    flood->answers++;
    flood->outstanding--;
    if (!flood->closing &&
        bus_request(flood->client, span_text("some bytes"), 3000, on_flood, flood))
        flood->outstanding++;
}

static void start_flood(struct flood *flood, struct bus_client *client)
{
    *flood = (struct flood){ .client = client };
    for (int i = 0; i < 8; i++)
        if (bus_request(client, span_text("some bytes"), 3000, on_flood, flood))
            flood->outstanding++;
}

static void a_busy_connection_can_be_closed_from_either_side_at_any_time(void **state)
{
    (void)state;
    enum { ROUNDS = 40 };
    for (int round = 0; round < ROUNDS; round++) {
        char url[256];
        snprintf(url, sizeof url, "%s", ipc_url());
        struct scene scene;
        struct flood flood;
        struct error error;
        open_scene(&scene, url);
        struct bus_server *server = bus_serve(scene.bus, url, 8, 1000, echo, NULL, &error);
        assert_non_null(server);
        assert_true(bus_suite_until(scene.loop, &scene.ups, 1));
        start_flood(&flood, scene.client);
        assert_true(bus_suite_until(scene.loop, &flood.answers, 10 + (unsigned)round % 7));
        if (round % 2 == 0)
            bus_server_close(server);
        flood.closing = true;
        end_scene(&scene, round % 2 != 0 ? server : NULL);
        assert_int_equal(flood.outstanding, 0);
    }
}

static void a_busy_server_may_be_killed_again_and_again(void **state)
{
    (void)state;
    enum { KILLS = 20 };
    char url[256];
    snprintf(url, sizeof url, "%s", ipc_url());
    struct scene scene;
    struct flood flood;
    if (__lsan_disable != NULL)
        __lsan_disable();
    open_scene(&scene, url);
    for (unsigned i = 0; i < KILLS; i++) {
        pid_t server = start_server(url);
        assert_true(bus_suite_until(scene.loop, &scene.ups, i + 1));
        start_flood(&flood, scene.client);
        assert_true(bus_suite_until(scene.loop, &flood.answers, 200 + i));
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        assert_true(bus_suite_until(scene.loop, &scene.downs, i + 1));
        flood.closing = true;
        const uint64_t deadline_ns = loop_clock_ns() + 60000000000u;
        while (flood.outstanding > 0 && loop_clock_ns() < deadline_ns)
            loop_run_once(scene.loop, 50);
        assert_int_equal(flood.outstanding, 0);
    }
    close_scene(&scene);
    if (__lsan_enable != NULL)
        __lsan_enable();
}

enum { PAIR = 2, NEVER_MS = 600000 /* longer than any test waits */ };

/* Two servers and one client of both. */
struct pair {
    char urls[PAIR][256];
    char both[PAIR * 256];
    pid_t pids[PAIR];
    struct scene scene;
    unsigned by[PAIR]; /* "who" was answered by each */
};

static void pair_begin(struct pair *pair, unsigned servers)
{
    *pair = (struct pair){ .pids = { 0 } };
    for (unsigned i = 0; i < PAIR; i++) {
        snprintf(pair->urls[i], sizeof pair->urls[i], "%s", ipc_url());
        if (i < servers)
            pair->pids[i] = start_server(pair->urls[i]);
    }
    snprintf(pair->both, sizeof pair->both, "%s,%s", pair->urls[0], pair->urls[1]);
    open_scene(&pair->scene, pair->both);
    assert_true(bus_suite_until(pair->scene.loop, &pair->scene.ups, servers));
}

static void pair_kill(struct pair *pair, unsigned which)
{
    assert_int_equal(kill(pair->pids[which], SIGKILL), 0);
    waitpid(pair->pids[which], NULL, 0);
    pair->pids[which] = 0;
}

static void pair_end(struct pair *pair)
{
    for (unsigned i = 0; i < PAIR; i++)
        if (pair->pids[i] != 0)
            pair_kill(pair, i);
    close_scene(&pair->scene);
}

static void on_who(void *context, enum bus_outcome outcome, struct span reply)
{
    struct pair *pair = context;
    pair->scene.answers++;
    pair->scene.outcomes[outcome]++;
    for (unsigned i = 0; i < PAIR; i++)
        pair->by[i] += span_equal(reply, span_text(pair->urls[i]));
}

/* One after the other. */
static void pair_ask(struct pair *pair, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        unsigned wanted = pair->scene.answers + 1;
        assert_true(bus_request(pair->scene.client, span_text("who"), NEVER_MS, on_who, pair));
        assert_true(bus_suite_until(pair->scene.loop, &pair->scene.answers, wanted));
    }
}

static void two_that_are_well_are_asked_in_turn(void **state)
{
    struct pair pair;
    (void)state;
    pair_begin(&pair, 2);
    pair_ask(&pair, 40);
    assert_int_equal(pair.scene.outcomes[BUS_REPLIED], 40);
    assert_int_equal(pair.by[0] + pair.by[1], 40);
    assert_true(pair.by[0] > 0 && pair.by[1] > 0);
    pair_end(&pair);
}

static void one_of_two_that_is_stopped_holds_nobody_up(void **state)
{
    struct pair pair;
    (void)state;
    for (unsigned stopped = 0; stopped < PAIR; stopped++) {
        pair_begin(&pair, 2);
        stop_server(pair.pids[stopped]);
        pair_ask(&pair, 200); /* each would wait for ever where it waited for its time-out */
        assert_int_equal(pair.scene.outcomes[BUS_REPLIED], 200);
        assert_int_equal(pair.by[stopped], 0);
        pair_end(&pair);
    }
}

static void what_a_stopped_one_owes_is_asked_of_the_next_to_come(void **state)
{
    struct pair pair;
    (void)state;
    pair_begin(&pair, 1);
    stop_server(pair.pids[0]);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(pair.scene.client, span_text("who"), NEVER_MS, on_who, &pair));
    assert_false(bus_request(pair.scene.client, span_text("who"), NEVER_MS, on_who, &pair));
    pair.pids[1] = start_server(pair.urls[1]);
    assert_true(bus_suite_until(pair.scene.loop, &pair.scene.answers, 8));
    assert_int_equal(pair.by[1], 8);
    pair_end(&pair);
}

static void one_that_goes_on_is_asked_again(void **state)
{
    struct pair pair;
    (void)state;
    pair_begin(&pair, 2);
    stop_server(pair.pids[0]);
    pair_ask(&pair, 20);
    assert_int_equal(kill(pair.pids[0], SIGCONT), 0);
    const uint64_t deadline_ns = loop_clock_ns() + UINT64_C(60000000000);
    while (pair.by[0] == 0 && loop_clock_ns() < deadline_ns)
        pair_ask(&pair, 1);
    assert_true(pair.by[0] > 0);
    /* From then on it need not be the one that is asked beside another. */
    stop_server(pair.pids[1]);
    pair_ask(&pair, 20);
    pair_end(&pair);
}

static void where_all_are_stopped_requests_end_in_time_and_whoever_goes_on_answers(void **state)
{
    struct pair pair;
    (void)state;
    pair_begin(&pair, 2);
    stop_server(pair.pids[0]);
    stop_server(pair.pids[1]);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(pair.scene.client, span_text("who"), 300, on_who, &pair));
    assert_true(bus_suite_until(pair.scene.loop, &pair.scene.answers, 8));
    assert_int_equal(pair.scene.outcomes[BUS_TIMEOUT], 8);
    assert_int_equal(kill(pair.pids[1], SIGCONT), 0);
    const uint64_t deadline_ns = loop_clock_ns() + UINT64_C(60000000000);
    while (pair.by[1] == 0 && loop_clock_ns() < deadline_ns) {
        unsigned wanted = pair.scene.answers + 1;
        assert_true(bus_request(pair.scene.client, span_text("who"), 1000, on_who, &pair));
        assert_true(bus_suite_until(pair.scene.loop, &pair.scene.answers, wanted));
    }
    pair_ask(&pair, 50); /* the one that is heard is asked */
    assert_int_equal(pair.by[0], 0);
    pair_end(&pair);
}

static void
a_client_of_two_is_told_of_each_that_goes_and_closes_with_requests_under_way(void **state)
{
    struct pair pair;
    (void)state;
    pair_begin(&pair, 2);
    pair_kill(&pair, 0);
    assert_true(bus_suite_until(pair.scene.loop, &pair.scene.downs, 1));
    assert_int_equal(pair.scene.ups, 3); /* the other is there still */
    pair_ask(&pair, 1);
    assert_int_equal(pair.by[1], 1);
    stop_server(pair.pids[1]);
    for (int i = 0; i < 8; i++)
        assert_true(bus_request(pair.scene.client, span_text("who"), NEVER_MS, on_who, &pair));
    pair.pids[0] = start_server(pair.urls[0]);
    assert_true(bus_suite_until(pair.scene.loop, &pair.scene.answers, 2)); /* copies are out */
    pair_end(&pair);
    assert_int_equal(pair.scene.answers, 9);
    assert_int_equal(pair.scene.outcomes[BUS_REPLIED] + pair.scene.outcomes[BUS_CLOSED] +
                         pair.scene.outcomes[BUS_GONE],
                     9);
}

enum { HELD_MAX = 16 };

/* A server that answers when it is told to. */
struct holder {
    struct bus_server *server;
    struct bus_call *calls[HELD_MAX];
    unsigned asked; /* so many times, copies and all */
};

static void hold(void *context, struct bus_call *call, struct span message)
{
    struct holder *holder = context;
    (void)message;
    assert_true(holder->asked < HELD_MAX);
    holder->calls[holder->asked++] = call;
}

static void turn_for(struct loop *loop, unsigned ms)
{
    for (const uint64_t end_ns = loop_clock_ns() + ms * UINT64_C(1000000);
         loop_clock_ns() < end_ns;)
        loop_run_once(loop, 10);
}

/* A second copy would only be more of what they do not come up with. */
static void two_that_are_both_slow_are_asked_everything_once(void **state)
{
    enum { LATE_THRICE_MS = 300 };
    struct pair pair;
    struct scene *scene = &pair.scene;
    struct holder holders[PAIR] = { { .asked = 0 } };
    struct error error;
    (void)state;
    pair_begin(&pair, 0);
    for (unsigned i = 0; i < PAIR; i++) {
        holders[i].server =
            bus_serve(scene->bus, pair.urls[i], HELD_MAX, 1000, hold, &holders[i], &error);
        assert_non_null(holders[i].server);
    }
    assert_true(bus_suite_until(scene->loop, &scene->ups, PAIR));
    /* Of these the first may be asked of the other, too, which owes nothing yet or not for long. */
    for (unsigned i = 0; i < PAIR; i++)
        assert_true(bus_request(scene->client, span_text("x"), NEVER_MS, on_answer, scene));
    for (unsigned i = 0; i < PAIR; i++)
        assert_true(bus_suite_until(scene->loop, &holders[i].asked, 1));
    turn_for(scene->loop, LATE_THRICE_MS);
    for (unsigned i = 0; i < 6; i++)
        assert_true(bus_request(scene->client, span_text("x"), NEVER_MS, on_answer, scene));
    for (unsigned i = 0; i < PAIR; i++)
        assert_true(bus_suite_until(scene->loop, &holders[i].asked, 1 + 3));
    turn_for(scene->loop, LATE_THRICE_MS);
    assert_true(holders[0].asked + holders[1].asked <= 2 + 6 + 1);
    /* One that comes up with its own takes over what the other still owes. */
    for (unsigned i = 0; i < holders[0].asked; i++)
        bus_reply(holders[0].calls[i], span_text("x"));
    unsigned own = holders[0].asked;
    assert_true(bus_suite_until(scene->loop, &holders[0].asked, own + 4));
    for (unsigned i = own; i < holders[0].asked; i++)
        bus_reply(holders[0].calls[i], span_text("x"));
    assert_true(bus_suite_until(scene->loop, &scene->answers, 8));
    assert_int_equal(scene->outcomes[BUS_REPLIED], 8);
    for (unsigned i = 0; i < holders[1].asked; i++)
        bus_drop(holders[1].calls[i]);
    bus_client_close(scene->client);
    for (unsigned i = 0; i < PAIR; i++)
        bus_server_close(holders[i].server);
    bus_destroy(scene->bus);
    loop_destroy(scene->loop);
}

static void too_many_addresses_and_bad_ones_are_refused(void **state)
{
    struct error error;
    (void)state;
    struct loop *loop = loop_create(&error);
    struct bus *bus = create(loop);
    const struct bus_client_options options = { 1, 1000, NULL, NULL, NULL };
    char many[600] = "";
    for (int i = 0; i < 17; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sipc:///tmp/none-%d",
                 i == 0 ? "" : ",", i);
    assert_null(bus_connect(bus, many, &options, &error));
    assert_non_null(strstr(error.text, "more than 16 addresses"));
    assert_null(bus_connect(bus, "ipc:///tmp/none,nonsense", &options, &error));
    assert_null(bus_connect(bus, "ipc:///tmp/none,,ipc:///tmp/none", &options, &error));
    bus_destroy(bus);
    loop_destroy(loop);
}

/* However many processors there are; repair.h says why. */
static void two_threads_carry_all_tasks_of_nng(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    struct bus *bus = bus_nng_create(loop, &error);
    struct bus_publisher *publisher = bus_publisher_open(bus, ipc_url(), NULL, NULL, &error);
    assert_non_null(publisher);
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    unsigned carriers = 0;
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        carriers += fgets(name, sizeof name, file) != NULL && strcmp(name, "nng:task\n") == 0;
        fclose(file);
    }
    closedir(tasks);
    bus_publisher_close(publisher);
    bus_destroy(bus);
    loop_destroy(loop);
    assert_int_equal(carriers, 2);
    assert_true(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve_alone(argv[2]);
    snprintf(folder, sizeof folder, "/tmp/bus_nng_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_carry_all_tasks_of_nng),
        cmocka_unit_test(a_killed_server_is_gone_at_once_and_its_successor_takes_the_address),
        cmocka_unit_test(a_stopped_server_costs_its_askers_their_timeout_and_no_more),
        cmocka_unit_test(a_living_process_keeps_its_address),
        cmocka_unit_test(callers_that_hang_up_at_once_do_not_deafen_a_server),
        cmocka_unit_test(a_server_that_hangs_up_at_the_door_is_dialled_again),
        cmocka_unit_test(a_busy_connection_can_be_closed_from_either_side_at_any_time),
        cmocka_unit_test(a_busy_server_may_be_killed_again_and_again),
        cmocka_unit_test(two_that_are_well_are_asked_in_turn),
        cmocka_unit_test(one_of_two_that_is_stopped_holds_nobody_up),
        cmocka_unit_test(what_a_stopped_one_owes_is_asked_of_the_next_to_come),
        cmocka_unit_test(one_that_goes_on_is_asked_again),
        cmocka_unit_test(where_all_are_stopped_requests_end_in_time_and_whoever_goes_on_answers),
        cmocka_unit_test(
            a_client_of_two_is_told_of_each_that_goes_and_closes_with_requests_under_way),
        cmocka_unit_test(two_that_are_both_slow_are_asked_everything_once),
        cmocka_unit_test(too_many_addresses_and_bad_ones_are_refused),
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
