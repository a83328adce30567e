/* The HTTP API at 5,000 questions a second while shares flow at a quarter of what the hot path
 * takes: the pool's status and accounts by turns, first over connections that are kept, then with a
 * connection for each question (fewer of them: a browser does not do that, a crawler may). */
#include "asker.h"
#include "figures.h"
#include "generator.h"
#include "parts.h"
#include "pool.h"
#include "sample.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RATE = 5000,
    RATE_ANEW = 1000,
    CONNECTIONS = 100,
    ACCOUNTS = 500,
    NAMES = 100,          /* that a connection authorises */
    SHARES_PER_S = 37500, /* a quarter of the 150,000 that the hot path is to take */
    MINERS = 200,
    WARM_UP_S = 2,
};

struct questions {
    const struct pool *pool;
    char paths[ACCOUNTS][160];
    double cpu_s; /* of the scheduler, when what is counted began */
};

static const char *path(void *context, uint64_t number)
{
    const struct questions *questions = context;
    return number % 2 == 0 ? "/api/v1/pool/status" : questions->paths[number / 2 % ACCOUNTS];
}

static void on_begin(void *context)
{
    struct questions *questions = context;
    questions->cpu_s = sample_family_cpu_seconds(questions->pool->scheduler.pid);
}

static void tell(int fd, const char *line)
{
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        bench_fail("the gateway hung up");
}

/* These have mined here once, as far as the pool knows: they were authorised. */
static void make_some(const struct pool *pool, struct questions *questions, unsigned first,
                      unsigned end)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)pool->stratum_ports[0]) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_fail("the gateway takes no connection");
    FILE *answers = fdopen(fd, "r");
    char line[8192], name[96], wanted[32];
    tell(fd, "{\"id\":0,\"method\":\"mining.subscribe\",\"params\":[]}\n");
    for (unsigned i = first; i < end; i++) {
        pool_address(i, name);
        snprintf(questions->paths[i], sizeof questions->paths[i], "/api/v1/accounts/%s", name);
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"method\":\"mining.authorize\",\"params\":[\"%s.w\",\"x\"]}\n", i + 1,
                 name);
        tell(fd, line);
        snprintf(wanted, sizeof wanted, "\"id\":%u,", i + 1);
        do {
            if (answers == NULL || fgets(line, sizeof line, answers) == NULL)
                bench_fail("account %u was not authorised", i);
        } while (strstr(line, wanted) == NULL);
        if (strstr(line, "true") == NULL)
            bench_fail("account %u was refused: %s", i, line);
    }
    fclose(answers);
}

/* A connection takes so many names. */
static void make_accounts(const struct pool *pool, struct questions *questions)
{
    for (unsigned i = 0; i < ACCOUNTS; i += NAMES)
        make_some(pool, questions, i, i + NAMES);
}

static void flow(struct generator *generator, const struct pool *pool, double seconds)
{
    char address[32], user[128], connections[16], rate[16], length[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", pool->stratum_ports[0]);
    snprintf(user, sizeof user, "%s.w%%u", pool->address);
    snprintf(connections, sizeof connections, "%d", MINERS);
    snprintf(rate, sizeof rate, "%d", SHARES_PER_S);
    snprintf(length, sizeof length, "%.1f", seconds);
    const char *arguments[] = { "--mode",      "rate", "--connect",     address,     "--user", user,
                                "--in-flight", "64",   "--connections", connections, "--rate", rate,
                                "--seconds",   length, "--warm-up",     "1",         NULL };
    generator_start(generator, arguments);
    generator_wait(generator, "begin");
}

static void measure(struct questions *questions, bool anew, const struct bench_options *options)
{
    const struct asker_options asks = { .port = questions->pool->api_port,
                                        .connections = CONNECTIONS,
                                        .anew = anew,
                                        .rate = anew ? RATE_ANEW : RATE,
                                        .warm_up_s = WARM_UP_S,
                                        .seconds = options->seconds,
                                        .path = path,
                                        .header = "",
                                        .context = questions,
                                        .on_begin = on_begin };
    struct asker_result result = asker_run(&asks);
    double cpu_s = sample_family_cpu_seconds(questions->pool->scheduler.pid) - questions->cpu_s;
    char names[6][48];
    static const char *const kinds[] = { "requests_per_s", "p50",      "p99",
                                         "p999",           "sent_p99", "scheduler_us" };
    for (size_t i = 0; i < 6; i++)
        snprintf(names[i], sizeof names[i], "%s%s", anew ? "new_connection_" : "", kinds[i]);
    if (result.refused + result.broken > 0)
        figures_say("%.0f questions were refused and %.0f not answered", (double)result.refused,
                    (double)result.broken);
    figure_add(&(struct figure){ .name = names[0],
                                 .unit = "/s",
                                 .value = (double)result.answered / result.seconds,
                                 .goal = { .least = asks.rate * 0.99 } });
    figure_note(names[1], result.p50_ms, "ms");
    figure_add(&(struct figure){
        .name = names[2], .unit = "ms", .value = result.p99_ms, .goal = { .most = 20 } });
    figure_note(names[3], result.p999_ms, "ms");
    figure_note(names[4], result.late_p99_ms, "ms");
    figure_note(names[5], cpu_s * 1e6 / ((double)result.answered + 1), "us/request");
    if (!anew)
        figure_note("answer_bytes", result.bytes, "B");
}

void bench_api(const struct bench_options *options)
{
    static struct pool pool;
    static struct questions questions;
    struct generator generator;
    figures_begin("api");
    pool_begin(&pool, &(struct pool_options){ .gateways = 1,
                                              .validators = options->validators,
                                              .transactions = options->transactions,
                                              .max_miners = 10000 });
    questions.pool = &pool;
    make_accounts(&pool, &questions);
    flow(&generator, &pool, 2 * (options->seconds + WARM_UP_S) + 2);
    measure(&questions, false, options);
    measure(&questions, true, options);
    generator_finish(&generator);
    figure_add(&(struct figure){ .name = "accepted_shares_per_s",
                                 .unit = "/s",
                                 .value = generator_number(&generator, "accepted") /
                                          generator_number(&generator, "seconds"),
                                 .goal = { .least = SHARES_PER_S * 0.98 } });
    figure_note("shares_p99", generator_latency_ms(&generator, "p99"), "ms");
    figure_note("load_average", sample_load_average(), "");
    generator_deinit(&generator);
    pool_end(&pool);
    figures_end();
}
