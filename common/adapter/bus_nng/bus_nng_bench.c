/* Requests a second between two processes, by requests in flight and by size: the price of the bus
 * below everything else. Over a unix socket, or what its argument names. `bus_nng_bench serve URL`
 * is the other process. */
#include "adapter/bus_nng/bus_nng.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 2, IN_FLIGHT_MAX = 64, MESSAGE_MAX = 1 << 18, SAMPLES_MAX = 1 << 20 };

static void answer(void *context, struct bus_call *call, struct span message)
{
    /* As a validator answers: a head and a byte for each share of 96. */
    (void)context;
    bus_reply(call, span_of(message.data, 20 + message.length / 96));
}

/* With ADIT_SOURCE set, over TLS with the certificates of the tests. */
static struct bus *create(struct loop *loop)
{
    struct error error;
    static char files[3][512];
    static const char *const names[] = { "authority.crt", "member.crt", "member.key" };
    const char *source = getenv("ADIT_SOURCE");
    for (int i = 0; i < 3; i++)
        snprintf(files[i], sizeof files[i], "%s/common/adapter/bus_nng/testing/%s",
                 source != NULL ? source : "", names[i]);
    const struct bus_nng_tls tls = { files[0], files[1], files[2], "adit" };
    return source != NULL ? bus_nng_create_tls(loop, &tls, &error) : bus_nng_create(loop, &error);
}

static int serve(const char *url)
{
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct loop *loop = loop_create(&error);
    struct bus *bus = create(loop);
    if (bus_serve(bus, url, IN_FLIGHT_MAX, MESSAGE_MAX, answer, NULL, &error) == NULL) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    loop_run(loop);
    return 0;
}

struct run {
    struct loop *loop;
    struct bus_client *client;
    struct loop_timer end;
    uint8_t *message;
    size_t length;
    uint64_t done;
    uint64_t lost;
    unsigned outstanding;
    bool ending;
    uint32_t *took_us;
    struct request {
        struct run *run;
        uint64_t began_ns;
    } requests[IN_FLIGHT_MAX];
};

static void ask(struct request *request);

static void on_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct request *request = context;
    struct run *run = request->run;
    (void)reply;
    run->outstanding--;
    if (outcome != BUS_REPLIED)
        run->lost++;
    else if (run->done < SAMPLES_MAX)
        run->took_us[run->done++] = (uint32_t)((loop_clock_ns() - request->began_ns) / 1000u);
    if (!run->ending)
        ask(request);
    else if (run->outstanding == 0)
        loop_stop(run->loop);
}

static void ask(struct request *request)
{
    struct run *run = request->run;
    request->began_ns = loop_clock_ns();
    if (bus_request(run->client, span_of(run->message, run->length), 2000, on_answer, request))
        run->outstanding++;
}

static void on_end(void *context)
{
    ((struct run *)context)->ending = true;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void measure(struct run *run, unsigned in_flight, unsigned shares)
{
    run->done = run->lost = 0;
    run->ending = false;
    run->length = 24 + (size_t)shares * 96;
    loop_timer_start(run->loop, &run->end, SECONDS * 1000, 0);
    uint64_t cpu_before = cpu_us();
    uint64_t began_ns = loop_clock_ns();
    for (unsigned i = 0; i < in_flight; i++)
        ask(&run->requests[i]);
    loop_run(run->loop);
    double seconds = (double)(loop_clock_ns() - began_ns) / 1e9;
    qsort(run->took_us, run->done, sizeof *run->took_us, compare);
    printf("in flight %2u, shares %3u: %7.0f requests/s, %8.0f shares/s, p50 %u us, p99 %u us, "
           "asker's processor %.1f us a request, lost %lu\n",
           in_flight, shares, (double)run->done / seconds, (double)run->done / seconds * shares,
           run->took_us[run->done / 2], run->took_us[run->done * 99 / 100],
           (double)(cpu_us() - cpu_before) / (double)run->done, (unsigned long)run->lost);
}

static void on_up(void *context)
{
    loop_stop(context);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    char url[64];
    if (argc == 2) /* a free one: tcp://127.0.0.1:port or tls+tcp://127.0.0.1:port */
        snprintf(url, sizeof url, "%s", argv[1]);
    else
        snprintf(url, sizeof url, "ipc:///tmp/bus_nng_bench.%d", getpid());
    pid_t server = fork();
    if (server == 0) {
        execl("/proc/self/exe", "bus_nng_bench", "serve", url, (char *)NULL);
        _exit(127);
    }
    static struct run run;
    struct error error;
    run.loop = loop_create(&error);
    struct bus *bus = create(run.loop);
    const struct bus_client_options options = { .in_flight_max = IN_FLIGHT_MAX,
                                                .message_bytes_max = MESSAGE_MAX,
                                                .on_up = on_up,
                                                .context = run.loop };
    run.client = bus_connect(bus, url, &options, &error);
    run.end.on_due = on_end;
    run.end.context = &run;
    run.message = calloc(1, MESSAGE_MAX);
    run.took_us = calloc(SAMPLES_MAX, sizeof *run.took_us);
    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++)
        run.requests[i].run = &run;
    loop_run(run.loop);
    static const unsigned in_flights[] = { 1, 4, 16, 64 };
    static const unsigned shares[] = { 1, 16, 256 };
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++)
        for (size_t i = 0; i < sizeof in_flights / sizeof *in_flights; i++)
            measure(&run, in_flights[i], shares[s]);
    bus_client_close(run.client);
    bus_destroy(bus);
    loop_destroy(run.loop);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    if (argc != 2)
        unlink(url + 6);
    free(run.message);
    free(run.took_us);
    return 0;
}
