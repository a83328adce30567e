/* auth at the limit of its passwords: more people log in than Argon2 lets in, and meanwhile tokens
 * are checked and miners asked about, each one after another, as their answers come. */
#include "adapter/bus_nng/bus_nng.h"
#include "figures.h"
#include "parts.h"
#include "process.h"
#include "sample.h"
#include "wire/messages.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PEOPLE = 8,
    LOGINS_AT_ONCE = 8,
    SAMPLES_MAX = 20000,
    TOKEN_PAUSE_MS = 4,
    ANSWER_BYTES = 4096
};
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define JSON "Content-Type: application/json\r\n"

struct latencies {
    double ms[SAMPLES_MAX];
    size_t count;
};

static struct bench {
    char folder[64];
    unsigned http_port, admin_port;
    struct process process;
    char tokens[PEOPLE][1200];
    _Atomic bool stop;
    _Atomic unsigned logins, refused;
    struct latencies checks, known, fresh;
} bench;

/* One request over a connection of its own; the status, with what was answered. */
static int request(const char *method, const char *path, const char *headers, const char *body,
                   char answer_r[ANSWER_BYTES])
{
    char text[3000];
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)bench.http_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
    int length = snprintf(text, sizeof text,
                          "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu"
                          "\r\n\r\n%s",
                          method, path, headers, strlen(body), body);
    size_t used = 0;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, text, (size_t)length, MSG_NOSIGNAL) == length) {
        ssize_t got;
        while (used < ANSWER_BYTES - 1 &&
               (got = recv(fd, answer_r + used, ANSWER_BYTES - 1 - used, 0)) > 0)
            used += (size_t)got;
    }
    answer_r[used] = '\0';
    if (fd >= 0)
        close(fd);
    return sscanf(answer_r, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static void log_in(unsigned person, char token_r[1200])
{
    char body[128], answer[ANSWER_BYTES];
    snprintf(body, sizeof body, "{\"name\":\"person-%u\",\"password\":\"four sheep by the gate\"}",
             person);
    int status = request("POST", "/api/v1/login", JSON, body, answer);
    atomic_fetch_add(status == 200 ? &bench.logins : &bench.refused, 1);
    const char *token = strstr(answer, "\"access_token\":\"");
    if (token_r != NULL && (status != 200 || token == NULL))
        bench_fail("no login: %.200s", answer);
    if (token_r != NULL)
        snprintf(token_r, 1200, "Authorization: Bearer %.*s\r\n", (int)strcspn(token + 16, "\""),
                 token + 16);
}

static void *keep_logging_in(void *context)
{
    unsigned person = (unsigned)(uintptr_t)context;
    while (!atomic_load(&bench.stop))
        log_in(person % PEOPLE, NULL);
    return NULL;
}

static void note(struct latencies *latencies, uint64_t since_ns)
{
    if (latencies->count < SAMPLES_MAX)
        latencies->ms[latencies->count++] = (double)(bench_now_ns() - since_ns) / 1e6;
}

static void *keep_checking(void *context)
{
    char answer[ANSWER_BYTES];
    (void)context;
    for (unsigned i = 0; !atomic_load(&bench.stop); i++) {
        uint64_t since_ns = bench_now_ns();
        if (request("GET", "/api/v1/me", bench.tokens[i % PEOPLE], "", answer) != 200)
            bench_fail("a good token: %.200s", answer);
        note(&bench.checks, since_ns);
        bench_pause_ms(TOKEN_PAUSE_MS);
    }
    return NULL;
}

struct asker {
    struct loop *loop;
    struct bus_client *client;
    bool up, answered;
};

static void on_up(void *context)
{
    ((struct asker *)context)->up = true;
}

static void on_down(void *context)
{
    ((struct asker *)context)->up = false;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct wire_authorise_reply reply;
    struct error error;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    struct asker *asker = context;
    asker->answered = true;
    if (outcome != BUS_REPLIED || !wire_decode_authorise_reply(message, &arena, &reply, &error) ||
        reply.outcome != WIRE_AUTHORISE_YES)
        bench_fail("a miner was not let in");
}

static void ask_about(struct asker *asker, const char *user, struct latencies *latencies)
{
    const struct wire_authorise_request request = { .user = user, .password = "x", .peer = "b" };
    uint8_t message[1024];
    size_t length = wire_encode_authorise_request(&request, message, sizeof message);
    while (!asker->up)
        loop_run_once(asker->loop, 5);
    uint64_t since_ns = bench_now_ns();
    asker->answered = false;
    if (!bus_request(asker->client, span_of(message, length), 5000, on_reply, asker))
        bench_fail("auth cannot be asked");
    while (!asker->answered)
        loop_run_once(asker->loop, 5);
    note(latencies, since_ns);
}

/* By turns about a miner that is known and one that is not. */
static void *keep_asking(void *context)
{
    struct error error;
    char url[128], user[64];
    struct asker asker = { .loop = loop_create(&error) };
    struct bus *bus = asker.loop != NULL ? bus_nng_create(asker.loop, &error) : NULL;
    const struct bus_client_options options = { .in_flight_max = 4,
                                                .message_bytes_max = 4096,
                                                .on_up = on_up,
                                                .on_down = on_down,
                                                .context = &asker };
    (void)context;
    snprintf(url, sizeof url, "ipc://%s/run/auth.rep", bench.folder);
    asker.client = bus != NULL ? bus_connect(bus, url, &options, &error) : NULL;
    if (asker.client == NULL)
        bench_fail("%s", error.text);
    for (unsigned i = 0; !atomic_load(&bench.stop); i++) {
        snprintf(user, sizeof user, "person-%u.rig", i % PEOPLE);
        ask_about(&asker, user, i < PEOPLE ? &bench.fresh : &bench.known);
        snprintf(user, sizeof user, "person-%u.new%u", i % PEOPLE, i);
        ask_about(&asker, user, &bench.fresh);
        bench_pause_ms(TOKEN_PAUSE_MS);
    }
    bus_client_close(asker.client);
    bus_destroy(bus);
    loop_destroy(asker.loop);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(const char *name, struct latencies *latencies, double most)
{
    char key[64];
    if (latencies->count == 0)
        bench_fail("nothing was measured: %s", name);
    qsort(latencies->ms, latencies->count, sizeof *latencies->ms, by_value);
    snprintf(key, sizeof key, "%s_p50", name);
    figure_note(key, latencies->ms[latencies->count / 2], "ms");
    snprintf(key, sizeof key, "%s_p99", name);
    figure_add(&(struct figure){ .name = key,
                                 .unit = "ms",
                                 .value = latencies->ms[latencies->count * 99 / 100],
                                 .goal = { .most = most } });
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", bench.folder, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        bench_fail("%s cannot be written", path);
    close(fd);
}

static void begin(void)
{
    char program[300], path[96], body[320], answer[ANSWER_BYTES];
    char http[64], admin[64];
    snprintf(bench.folder, sizeof bench.folder, "/tmp/adit-auth-bench-XXXXXX");
    if (mkdtemp(bench.folder) == NULL)
        bench_fail("no folder for the benchmark");
    write_file("secret", SECRET);
    snprintf(path, sizeof path, "%s/run", bench.folder);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/log", bench.folder);
    (void)mkdir(path, 0700);
    bench.http_port = process_free_port();
    bench.admin_port = process_free_port();
    snprintf(http, sizeof http, "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:%u", bench.http_port);
    snprintf(admin, sizeof admin, "ADIT_AUTH__ADMIN_ADDRESS=127.0.0.1:%u", bench.admin_port);
    const char *arguments[] = { process_program("auth", program), "--data", bench.folder, NULL };
    const char *variables[] = { http, admin, NULL };
    process_start(&bench.process, bench.folder, "auth", arguments, variables, true);
    process_wait_ready(&bench.process, 30);
    for (unsigned i = 0; i < PEOPLE; i++) {
        snprintf(body, sizeof body,
                 "{\"name\":\"person-%u\",\"email\":\"p@example.org\",\"password\":\"four sheep by "
                 "the gate\",\"payout_address\":\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"}",
                 i);
        if (request("POST", "/api/v1/register", JSON, body, answer) != 202)
            bench_fail("no registration: %.200s", answer);
        log_in(i, bench.tokens[i]);
    }
}

void bench_auth(const struct bench_options *options)
{
    pthread_t logins[LOGINS_AT_ONCE], checking, asking;
    double seconds = options->seconds < 20 ? options->seconds : 20;
    figures_begin("auth");
    begin();
    unsigned logins_before = atomic_load(&bench.logins);
    uint64_t since_ns = bench_now_ns();
    for (size_t i = 0; i < LOGINS_AT_ONCE; i++)
        if (pthread_create(&logins[i], NULL, keep_logging_in, (void *)(uintptr_t)i) != 0)
            bench_fail("no thread");
    if (pthread_create(&checking, NULL, keep_checking, NULL) != 0 ||
        pthread_create(&asking, NULL, keep_asking, NULL) != 0)
        bench_fail("no thread");
    bench_pause_ms((long)(seconds * 1000));
    double wall_s = (double)(bench_now_ns() - since_ns) / 1e9;
    unsigned done = atomic_load(&bench.logins) - logins_before;
    atomic_store(&bench.stop, true);
    for (size_t i = 0; i < LOGINS_AT_ONCE; i++)
        pthread_join(logins[i], NULL);
    pthread_join(checking, NULL);
    pthread_join(asking, NULL);
    figures_say("%u people log in at once, each again when answered; load average %.1f",
                LOGINS_AT_ONCE, sample_load_average());
    figure_note("logins_per_s", done / wall_s, "/s");
    figure_note("logins_refused", atomic_load(&bench.refused), "");
    show("token_check", &bench.checks, 20);
    show("miner_known", &bench.known, 20);
    show("miner_new", &bench.fresh, 20);
    process_end(&bench.process);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", bench.folder);
    if (system(command) != 0)
        figures_say("%s was left behind", bench.folder);
    figures_end();
}
