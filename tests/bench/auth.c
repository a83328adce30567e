/* auth at the limit of its passwords: more people log in than Argon2 lets in, and meanwhile tokens
 * are checked and miners asked about, each one after another, as their answers come. */
#include "adapter/bus_nng/bus_nng.h"
#include "auth_world.h"
#include "figures.h"
#include "parts.h"
#include "sample.h"
#include "wire/messages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEOPLE = 8, LOGINS_AT_ONCE = 8, SAMPLES_MAX = 20000, TOKEN_PAUSE_MS = 4 };

struct latencies {
    double ms[SAMPLES_MAX];
    size_t count;
};

static struct bench {
    char tokens[PEOPLE][1200];
    _Atomic bool stop;
    _Atomic unsigned logins, refused;
    struct latencies checks, known, fresh;
} bench;

static void log_in(unsigned person, char token_r[1200])
{
    char body[128], answer[AUTH_ANSWER_BYTES];
    snprintf(body, sizeof body, "{\"name\":\"person-%u\",\"password\":\"four sheep by the gate\"}",
             person);
    int status = auth_world_request("POST", "/api/v1/login", AUTH_JSON, body, answer);
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
    char answer[AUTH_ANSWER_BYTES];
    (void)context;
    for (unsigned i = 0; !atomic_load(&bench.stop); i++) {
        uint64_t since_ns = bench_now_ns();
        if (auth_world_request("GET", "/api/v1/me", bench.tokens[i % PEOPLE], "", answer) != 200)
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
    snprintf(url, sizeof url, "ipc://%s/run/auth.rep", auth_world_folder());
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

static void begin(void)
{
    char name[32], body[320], answer[AUTH_ANSWER_BYTES];
    auth_world_begin(NULL);
    for (unsigned i = 0; i < PEOPLE; i++) {
        snprintf(name, sizeof name, "person-%u", i);
        auth_world_person(name, body, sizeof body);
        if (auth_world_request("POST", "/api/v1/register", AUTH_JSON, body, answer) != 202)
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
    auth_world_end();
    figures_end();
}
