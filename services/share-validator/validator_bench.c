/* What a share costs the validator and Redis: one real validator, one real redis-server (fsync
 * always), batches in flight from here over nng. Prints one line a shape. Then how far two
 * validators with one hashing thread each, on a processor each, are ahead of one on scrypt.
 *
 *   validator_bench [SECONDS [scrypt]]        ADIT_BUILD: the build folder; scrypt: only that
 *
 * Not a test: nothing fails but what is broken. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_nng/bus_nng.h"
#include "adapter/window_redis/testing/redis_server.h"
#include "services/share-validator/testing/script.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN_FLIGHT_MAX = 64, VALIDATORS = 2, SCRYPT_SHARES = 200, SCRYPT_IN_FLIGHT = 4 };

struct shape {
    size_t shares;
    size_t in_flight;
};

struct bench {
    struct script script;
    struct redis_server redis;
    pid_t validators[VALIDATORS];
    char scheduler_url[200], publish_url[200], validator_urls[VALIDATORS][200];
    uint64_t sequence;
    uint64_t shares_done;
    double seconds;
};

static double cpu_seconds(pid_t pid)
{
    char path[64];
    char line[1024];
    unsigned long user = 0;
    unsigned long kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *behind_name = strrchr(line, ')');
        (void)sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                     &kernel);
    }
    if (file != NULL)
        fclose(file);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static void start_validator(struct bench *bench, size_t at)
{
    const pid_t parent = getpid();
    bench->validators[at] = fork();
    if (bench->validators[at] != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    char binary[512];
    setenv("ADIT_SERVICE__SCHEDULER_URL", bench->scheduler_url, 1);
    setenv("ADIT_SERVICE__PUBLISH_URL", bench->publish_url, 1);
    setenv("ADIT_SERVICE__LOG_LEVEL", "warn", 1);
    setenv("ADIT_REDIS__WINDOW", bench->redis.url, 1);
    setenv("ADIT_VALIDATOR__LISTEN", bench->validator_urls[at], 1);
    setenv("ADIT_VALIDATOR__HASH_THREADS", "1", 1);
    setenv("ADIT_VALIDATOR__ADMIN_ADDRESS", "127.0.0.1:0", 1);
    setenv("ADIT_CHAIN__PROFILE", "devnet-sha256d", 1);
    const char *build = getenv("ADIT_BUILD");
    snprintf(binary, sizeof binary, "%s/bin/share-validator", build != NULL ? build : ".");
    execl(binary, binary, "--data", bench->redis.folder, "--instance", at == 0 ? "1" : "2",
          (char *)NULL);
    _exit(127);
}

static void run_shape(struct bench *bench, const struct script_job *job, const struct shape *shape)
{
    static struct wire_share shares[1024];
    static struct script_answer answers[IN_FLIGHT_MAX];
    static bool busy[IN_FLIGHT_MAX];
    struct script *script = &bench->script;
    for (uint32_t i = 0; i < shape->shares; i++)
        shares[i] = script_share(job, i * 7);
    memset(busy, 0, sizeof busy);
    double validator_cpu = cpu_seconds(bench->validators[0]);
    double redis_cpu = cpu_seconds(bench->redis.pid);
    uint64_t began_ns = loop_clock_ns();
    uint64_t done = 0;
    uint64_t lowest = bench->sequence + 1;
    while (loop_clock_ns() - began_ns < (uint64_t)(bench->seconds * 1e9)) {
        for (size_t i = 0; i < shape->in_flight; i++) {
            if (busy[i] && !answers[i].done)
                continue;
            if (busy[i] && answers[i].status == WIRE_BATCH_JUDGED)
                done += shape->shares;
            const struct wire_share_batch batch = {
                .lease_id = 1,
                .sequence = ++bench->sequence,
                .lowest = bench->sequence > lowest + 2 * shape->in_flight
                              ? bench->sequence - 2 * shape->in_flight
                              : lowest,
                .shares = shares,
                .shares_count = (uint32_t)shape->shares,
            };
            busy[i] = script_send(script, 0, &batch, 5000, &answers[i]);
        }
        loop_run_once(script->loop, 1);
    }
    double seconds = (double)(loop_clock_ns() - began_ns) / 1e9;
    validator_cpu = cpu_seconds(bench->validators[0]) - validator_cpu;
    redis_cpu = cpu_seconds(bench->redis.pid) - redis_cpu;
    printf(
        "%4zu shares a batch, %2zu in flight: %8.0f shares/s  validator %5.2f us  redis %5.2f us "
        "a share\n",
        shape->shares, shape->in_flight, (double)done / seconds, 1e6 * validator_cpu / (double)done,
        1e6 * redis_cpu / (double)done);
    for (size_t i = 0; i < shape->in_flight; i++)
        if (busy[i])
            script_wait_flag(script, "the last answers", &answers[i].done);
}

/* A batch of SCRYPT_SHARES sessions' shares to that validator. */
static bool send_scrypt(struct bench *bench, const struct script_job *job, size_t validator,
                        struct script_answer *answer)
{
    static struct wire_share shares[SCRYPT_SHARES];
    const uint64_t sequence = ++bench->sequence;
    for (uint32_t i = 0; i < SCRYPT_SHARES; i++) {
        shares[i] = script_share(job, (uint32_t)sequence * SCRYPT_SHARES + i);
        shares[i].extranonce1[0] = (uint8_t)i;
    }
    const struct wire_share_batch batch = { .lease_id = 2,
                                            .sequence = sequence,
                                            .lowest = sequence > 200 ? sequence - 200 : 1,
                                            .shares = shares,
                                            .shares_count = SCRYPT_SHARES };
    return script_send(&bench->script, validator, &batch, 5000, answer);
}

/* Scrypt shares a second by the first `validators`; *cpu_us_r: what they spent on a share. */
static double scrypt_rate(struct bench *bench, const struct script_job *job, size_t validators,
                          double *cpu_us_r)
{
    static struct script_answer answers[VALIDATORS][SCRYPT_IN_FLIGHT];
    static bool busy[VALIDATORS][SCRYPT_IN_FLIGHT];
    uint64_t began_ns = loop_clock_ns(), done = 0;
    double cpu_s = 0;
    memset(busy, 0, sizeof busy);
    for (size_t v = 0; v < validators; v++)
        cpu_s -= cpu_seconds(bench->validators[v]);
    while (loop_clock_ns() - began_ns < (uint64_t)(bench->seconds * 1e9)) {
        for (size_t v = 0; v < validators; v++)
            for (size_t i = 0; i < SCRYPT_IN_FLIGHT; i++) {
                if (busy[v][i] && !answers[v][i].done)
                    continue;
                if (busy[v][i] && answers[v][i].status == WIRE_BATCH_JUDGED)
                    done += SCRYPT_SHARES;
                busy[v][i] = send_scrypt(bench, job, v, &answers[v][i]);
            }
        loop_run_once(bench->script.loop, 1);
    }
    for (size_t v = 0; v < validators; v++)
        cpu_s += cpu_seconds(bench->validators[v]);
    *cpu_us_r = 1e6 * cpu_s / (double)done;
    double rate = (double)done * 1e9 / (double)(loop_clock_ns() - began_ns);
    for (size_t v = 0; v < validators; v++)
        for (size_t i = 0; i < SCRYPT_IN_FLIGHT; i++)
            if (busy[v][i])
                script_wait_flag(&bench->script, "the last answers", &answers[v][i].done);
    return rate;
}

/* In turn, and the best of three each: a neighbour on a processor is none of the validators'
 * doing. */
static void run_scaling(struct bench *bench, const struct script_job *job)
{
    double best[VALIDATORS] = { 0 }, cpu_us[VALIDATORS], best_us[VALIDATORS] = { 0 };
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < VALIDATORS; i++) {
            double rate = scrypt_rate(bench, job, i + 1, &cpu_us[i]);
            if (rate <= best[i])
                continue;
            best[i] = rate;
            best_us[i] = cpu_us[i];
        }
    printf("scrypt, one hashing thread a validator: one %.0f shares/s at %.1f us of CPU each, "
           "two %.0f at %.1f: %.2f times one (goal 1.8, of an idle machine)\n",
           best[0], best_us[0], best[1], best_us[1], best[1] / best[0]);
}

static void begin_validator(struct bench *bench, size_t at)
{
    snprintf(bench->validator_urls[at], sizeof bench->validator_urls[at], "ipc://%s/v%zu",
             bench->redis.folder, at);
    start_validator(bench, at);
    script_connect(&bench->script, bench->validator_urls[at]);
    script_wait_flag(&bench->script, "the validator", &bench->script.connected[at]);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct error error;
    static const struct shape shapes[] = {
        { 1, 16 }, { 16, 16 }, { 64, 8 }, { 256, 8 }, { 1024, 4 }
    };
    signal(SIGPIPE, SIG_IGN);
    bench.seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    const bool only_scrypt = argc > 2 && strcmp(argv[2], "scrypt") == 0;
    if (!redis_server_begin(&bench.redis, NULL, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    struct loop *loop = loop_create(&error);
    struct bus *bus = bus_nng_create(loop, &error);
    snprintf(bench.scheduler_url, sizeof bench.scheduler_url, "ipc://%s/s", bench.redis.folder);
    snprintf(bench.publish_url, sizeof bench.publish_url, "ipc://%s/p", bench.redis.folder);
    script_begin(&bench.script, loop, bus, bench.scheduler_url, bench.publish_url);
    const struct script_job *job =
        script_add_job(&bench.script, &(struct script_job_params){ .id = 1, .template_id = 1 });
    const struct script_job *slow = script_add_job(
        &bench.script,
        &(struct script_job_params){ .id = 2, .template_id = 1, .algorithm = POW_SCRYPT });
    begin_validator(&bench, 0);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] && !only_scrypt; i++)
        run_shape(&bench, job, &shapes[i]);
    begin_validator(&bench, 1);
    run_scaling(&bench, slow);
    for (size_t i = 0; i < VALIDATORS; i++) {
        kill(bench.validators[i], SIGKILL);
        waitpid(bench.validators[i], NULL, 0);
    }
    script_end(&bench.script);
    bus_destroy(bus);
    loop_destroy(loop);
    redis_server_end(&bench.redis);
    return 0;
}
