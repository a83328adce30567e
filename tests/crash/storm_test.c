/* Thousands of shares a second, a process killed under them again and again, and then every share:
 *
 *   - each one a miner saw accepted is in the window exactly once;
 *   - beyond these the window holds only shares whose answer was in flight when their connection
 *     ended, listed by name.
 *
 * The argument says who is struck: stratum-gateway, share-validator, redis (kill -9),
 * share-validator-stop (SIGSTOP for a second), or `scale`, where validators come and go: 1, 3,
 * 2, 1; or how a gateway is replaced: `drain` (SIGTERM: its miners are told to reconnect, and the
 * next one listens) and `upgrade` (another program takes its place; no connection may end). Two
 * validators run, but for `scale`. How long it took until a share sent after the blow was
 * answered is printed for each, and the latency by the time since the last blow.
 *
 * ADIT_STORM_KILLS: how often (default 2). ADIT_STORM_RATE: shares a second (default 4000).
 * ADIT_SEED: the moments. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/tally.h"

#include "tools/load/histogram.h"
#include "tools/load/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One expected hash a share: any nonce passes but one in 65536. */
#define LOWEST "0.00000000023283064365386962890625"

enum {
    CONNECTIONS = 100,
    RECOVERY_S = 60,
    STOPPED_MS = 1000,
    QUIET_MS = 700, /* between two blows at the least */
    BLOWS_MAX = 1000,
};

static struct pool_fixture pool;
static const char *victim;
static unsigned kills = 2, rate = 4000;
static unsigned seed;
static pid_t load_pid;
static char record_path[96], load_log[96];
static uint64_t blows_us[BLOWS_MAX];
static unsigned blow_count;

/* The record, read while it is written. */
static struct {
    FILE *file;
    char text[256];
    size_t length; /* of an unfinished line */
} tail;

static uint64_t unix_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
              NULL);
}

static unsigned dice(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static pid_t start(char *const arguments[], const char *log)
{
    pid_t parent = getpid(), pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execv(arguments[0], arguments);
    _exit(127);
}

static void program(const char *name, char path_r[300])
{
    const char *build = getenv("ADIT_BUILD");
    snprintf(path_r, 300, "%s/bin/%s", build == NULL ? "build" : build, name);
}

static void start_load(void)
{
    char path[300], address[32], user[160], connections[16], per_second[16];
    program("adit-load", path);
    snprintf(address, sizeof address, "127.0.0.1:%u", pool.stratum_port);
    snprintf(user, sizeof user, "%s.w%%u", pool.pool_address);
    snprintf(connections, sizeof connections, "%d", CONNECTIONS);
    snprintf(per_second, sizeof per_second, "%u", rate);
    snprintf(record_path, sizeof record_path, "%.60s/record", pool.folder);
    snprintf(load_log, sizeof load_log, "%.60s/load.log", pool.folder);
    char *arguments[] = { path,
                          (char *)"--mode",
                          (char *)"rate",
                          (char *)"--connect",
                          address,
                          (char *)"--user",
                          user,
                          (char *)"--connections",
                          connections,
                          (char *)"--rate",
                          per_second,
                          (char *)"--seconds",
                          (char *)"36000",
                          (char *)"--warm-up",
                          (char *)"0.1",
                          (char *)"--record",
                          record_path,
                          (char *)"--reconnect",
                          NULL };
    load_pid = start(arguments, load_log);
}

/* The next whole line; false where there is none yet. */
static bool tail_next(struct record_line *line_r)
{
    if (tail.file == NULL)
        tail.file = fopen(record_path, "r");
    if (tail.file == NULL)
        return false;
    clearerr(tail.file);
    if (fgets(tail.text + tail.length, (int)(sizeof tail.text - tail.length), tail.file) == NULL)
        return false;
    tail.length += strlen(tail.text + tail.length);
    if (tail.text[tail.length - 1] != '\n')
        return false;
    tail.length = 0;
    if (!record_read(tail.text, line_r))
        fail_msg("the record has a line that is none: %s", tail.text);
    return true;
}

/* Until a share is answered `true` that was sent after this moment. How long after it, in ms. */
static uint64_t wait_for_share_after(uint64_t moment_us, const char *what)
{
    struct record_line line;
    for (;;) {
        while (tail_next(&line))
            if (line.end == RECORD_ACCEPTED && line.sent_us > moment_us)
                return (line.ended_us - moment_us) / 1000;
        if (unix_us() > moment_us + RECOVERY_S * 1000000ull) {
            pool_print_logs(&pool);
            fail_msg("no share sent after it was accepted within %d s: %s", RECOVERY_S, what);
        }
        if (waitpid(load_pid, NULL, WNOHANG) != 0)
            fail_msg("adit-load ended by itself: see %s", load_log);
        pause_ms(5);
    }
}

static void note_blow(void)
{
    assert_true(blow_count < BLOWS_MAX);
    blows_us[blow_count++] = unix_us();
}

struct rebirth {
    const char *name, *instance;
    pid_t old;
};

static bool reborn(const struct pool_fixture *self, void *context)
{
    const struct rebirth *rebirth = context;
    pid_t pid = pool_pid_of(self, rebirth->name, rebirth->instance, NULL);
    return pid != 0 && pid != rebirth->old;
}

static void kill_one(void)
{
    bool is_validator = strcmp(victim, "share-validator") == 0;
    struct rebirth rebirth = { .name = victim,
                               .instance = is_validator && dice(2) == 1 ? "2" : "1" };
    rebirth.old = pool_pid_of(&pool, victim, rebirth.instance, NULL);
    assert_true(rebirth.old > 0);
    note_blow();
    kill(rebirth.old, SIGKILL);
    uint64_t ms = wait_for_share_after(blows_us[blow_count - 1], victim);
    printf("%s %s killed: a share sent after it was accepted after %" PRIu64 " ms\n", victim,
           rebirth.instance, ms);
    pool_wait(&pool, "it is started again", RECOVERY_S, reborn, &rebirth);
}

static void stop_one(void)
{
    const char *instance = dice(2) == 1 ? "2" : "1";
    pid_t pid = pool_pid_of(&pool, "share-validator", instance, NULL);
    assert_true(pid > 0);
    note_blow();
    pool_signal_pid(pid, SIGSTOP);
    uint64_t ms = wait_for_share_after(blows_us[blow_count - 1], victim);
    pause_ms(STOPPED_MS);
    kill(pid, SIGCONT);
    printf("share-validator %s stopped: a share sent after it was accepted after %" PRIu64 " ms\n",
           instance, ms);
}

/* The gateway ends in order, its miners come back to the one started in its place. */
static void drain_one(void)
{
    struct rebirth rebirth = { .name = "stratum-gateway", .instance = "1" };
    rebirth.old = pool_pid_of(&pool, rebirth.name, rebirth.instance, NULL);
    assert_true(rebirth.old > 0);
    note_blow();
    kill(rebirth.old, SIGTERM);
    pool_wait(&pool, "the next gateway", RECOVERY_S, reborn, &rebirth);
    (void)wait_for_share_after(unix_us(), "a drained gateway's successor");
}

static void upgrade_one(void)
{
    char path[300], command[600];
    program("adit", path);
    snprintf(command, sizeof command, "%s gateway --data %s upgrade >>%.60s/upgrade.log 2>&1", path,
             pool.data, pool.folder);
    note_blow();
    assert_int_equal(system(command), 0);
    (void)wait_for_share_after(unix_us(), "an upgraded gateway");
}

/* The longest that a miner was without an accepted share, by all that were sent. */
static void print_gaps(void)
{
    static uint64_t last_us[CONNECTIONS], longest_us[CONNECTIONS];
    struct record_line line;
    char text[256];
    uint64_t worst_us = 0;
    FILE *file = fopen(record_path, "r");
    assert_non_null(file);
    while (fgets(text, sizeof text, file) != NULL) {
        if (!record_read(text, &line) || line.end != RECORD_ACCEPTED)
            continue;
        assert_true(line.miner < CONNECTIONS);
        uint64_t *last = &last_us[line.miner], *longest = &longest_us[line.miner];
        if (*last != 0 && line.ended_us > *last && line.ended_us - *last > *longest)
            *longest = line.ended_us - *last;
        *last = line.ended_us;
        worst_us = *longest > worst_us ? *longest : worst_us;
    }
    fclose(file);
    printf("no miner was without an accepted share for longer than %.0f ms\n",
           (double)worst_us / 1000);
}

/* Latency by the time since the last blow, from the whole record. */
static void print_latency(void)
{
    static const uint64_t bounds_ms[] = { 100, 250, 500, 1000, UINT64_MAX };
    enum { BOUNDS = sizeof bounds_ms / sizeof *bounds_ms };
    static struct histogram histograms[BOUNDS];
    struct record_line line;
    char text[256];
    memset(histograms, 0, sizeof histograms);
    FILE *file = fopen(record_path, "r");
    assert_non_null(file);
    while (fgets(text, sizeof text, file) != NULL) {
        if (!record_read(text, &line) || line.end != RECORD_ACCEPTED)
            continue;
        uint64_t since_ms = UINT64_MAX;
        for (unsigned i = blow_count; i > 0 && since_ms == UINT64_MAX; i--)
            if (blows_us[i - 1] <= line.sent_us)
                since_ms = (line.sent_us - blows_us[i - 1]) / 1000;
        unsigned bucket = 0;
        while (since_ms >= bounds_ms[bucket] && bucket + 1 < BOUNDS)
            bucket++;
        histogram_add(&histograms[bucket], (line.ended_us - line.sent_us) * 1000);
    }
    fclose(file);
    for (unsigned i = 0; i < BOUNDS; i++) {
        char until[32] = "later, or before any";
        if (i + 1 < BOUNDS)
            snprintf(until, sizeof until, "< %" PRIu64 " ms after it", bounds_ms[i]);
        printf("sent %-22s %8" PRIu64 " shares, p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", until,
               histograms[i].total, (double)histogram_at(&histograms[i], 500000) / 1e6,
               (double)histogram_at(&histograms[i], 990000) / 1e6, (double)histograms[i].max / 1e6);
    }
}

static void end_load(void)
{
    int status = 0;
    kill(load_pid, SIGTERM);
    while (waitpid(load_pid, &status, 0) < 0 && errno == EINTR)
        continue;
    load_pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("adit-load did not end well: see %s", load_log);
}

static bool of_one(const struct record_line *line, const struct record_line *like)
{
    return line->miner == like->miner && strcmp(line->job, like->job) == 0;
}

/* Some accepted line, and how many of its miner's and job's lines were lost. */
static unsigned choose_line(struct record_line *chosen_r)
{
    char text[256];
    struct record_line line;
    unsigned lost = 0;
    bool done = false;
    FILE *from = fopen(record_path, "r");
    assert_non_null(from);
    for (unsigned number = 0; !done && fgets(text, sizeof text, from) != NULL; number++) {
        done = number >= 100 && record_read(text, chosen_r) && chosen_r->end == RECORD_ACCEPTED;
    }
    assert_true(done);
    rewind(from);
    while (fgets(text, sizeof text, from) != NULL)
        lost += record_read(text, &line) && line.end == RECORD_LOST && of_one(&line, chosen_r);
    fclose(from);
    return lost;
}

/* The tally must not overlook anything: a record that lacks accepted shares, and one that has some
 * too many, are found out. One too few or too many may pass for a lost share of the same miner and
 * job, which may count unheard or not, so it is one more than were lost there. */
static void check_the_tally(void)
{
    char path[96], text[256];
    struct record_line chosen, line;
    const unsigned lost = choose_line(&chosen);
    for (unsigned copies = 0; copies <= 2; copies += 2) {
        unsigned left = lost + 1;
        snprintf(path, sizeof path, "%.60s/record-%u", pool.folder, copies);
        FILE *from = fopen(record_path, "r"), *to = fopen(path, "w");
        assert_true(from != NULL && to != NULL);
        while (fgets(text, sizeof text, from) != NULL) {
            bool change = left > 0 && record_read(text, &line) && line.end == RECORD_ACCEPTED &&
                          of_one(&line, &chosen);
            for (unsigned i = 0; i < (change ? copies : 1); i++)
                fputs(text, to);
            left -= change;
        }
        fclose(from);
        fclose(to);
        assert_int_equal(left, 0);
        struct tally tally = tally_check(&pool, path, true);
        if (tally.problem[0] == '\0' && tally.window == tally.accepted + tally.unheard)
            fail_msg("a record with a share %s looks right", copies == 0 ? "missing" : "too many");
    }
}

static void check_shares(bool may_lose_connections)
{
    unsigned restarts = 0;
    bool alive = pool_pid(&pool, "stratum-gateway", &restarts) > 0;
    if (!may_lose_connections && (!alive || restarts > 0)) {
        pool_print_logs(&pool);
        fail_msg("the gateway died by itself");
    }
    struct tally tally = tally_check(&pool, record_path, false);
    printf("accepted %zu, refused %zu (%zu of them too low), unanswered %zu; in the window %zu in "
           "%zu batches, %zu of them unheard\n",
           tally.accepted, tally.refused, tally.refused_low, tally.lost, tally.window,
           tally.batches, tally.unheard);
    if (tally.problem[0] != '\0')
        fail_msg("%s", tally.problem);
    assert_true(tally.accepted > 0);
    assert_int_equal(tally.window, tally.accepted + tally.unheard);
    assert_int_equal(tally.refused, tally.refused_low);
    if (!may_lose_connections && tally.lost > 0) {
        pool_print_logs(&pool);
        fail_msg("%zu shares were never answered although no gateway died", tally.lost);
    }
    check_the_tally();
}

static void every_share_counts_once_whoever_is_struck(void **state)
{
    (void)state;
    start_load();
    (void)wait_for_share_after(unix_us(), "the first");
    pause_ms(QUIET_MS);
    for (unsigned i = 0; i < kills; i++) {
        if (strcmp(victim, "share-validator-stop") == 0)
            stop_one();
        else if (strcmp(victim, "drain") == 0)
            drain_one();
        else if (strcmp(victim, "upgrade") == 0)
            upgrade_one();
        else
            kill_one();
        pause_ms(QUIET_MS + dice(900));
    }
    end_load();
    print_latency();
    print_gaps();
    check_shares(strcmp(victim, "stratum-gateway") == 0 || strcmp(victim, "drain") == 0);
}

/* Validators beside the supervised one, found by the gateway's pattern. */

static pid_t start_validator(const char *instance)
{
    char path[300], log[96];
    program("share-validator", path);
    snprintf(log, sizeof log, "%.60s/validator-%s.log", pool.folder, instance);
    char *arguments[] = { path,
                          (char *)"--data",
                          pool.data,
                          (char *)"--instance",
                          (char *)(uintptr_t)instance,
                          (char *)"--config",
                          pool.config,
                          NULL };
    return start(arguments, log);
}

/* Its exit status as waitpid has it. */
static int end_validator(pid_t pid, int number)
{
    int status = 0;
    note_blow();
    kill(pid, number);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* What each has judged grows: work goes to who should answer first, so the parts may be unlike. */
static void check_all_work(void)
{
    enum { VALIDATORS = 3, WAIT_MS = 60000, STEP_MS = 200 };
    char logs[VALIDATORS][128];
    snprintf(logs[0], sizeof logs[0], "%.90s/log/share-validator.log", pool.data);
    for (int k = 1; k < VALIDATORS; k++)
        snprintf(logs[k], sizeof logs[k], "%.60s/validator-%d.log", pool.folder, k + 1);
    for (int k = 0; k < VALIDATORS; k++) {
        uint64_t judged = 0;
        for (int waited = 0; waited < WAIT_MS && judged == 0; waited += STEP_MS) {
            pause_ms(STEP_MS);
            judged = pool_metric(logs[k], "adit_validator_shares_total");
        }
        printf("validator %d has judged %" PRIu64 " shares\n", k + 1, judged);
        if (judged == 0)
            fail_msg("a validator that was started is not used");
    }
}

static void validators_come_and_go_under_load(void **state)
{
    (void)state;
    start_load();
    (void)wait_for_share_after(unix_us(), "the first");
    pid_t second = start_validator("2"), third = start_validator("3");
    check_all_work();
    /* Gently: it finishes what it holds and ends with 0. */
    int status = end_validator(second, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("one ended gently: a share after %" PRIu64 " ms\n",
           wait_for_share_after(blows_us[blow_count - 1], "one ended gently"));
    pause_ms(QUIET_MS);
    (void)end_validator(third, SIGKILL);
    printf("one killed: a share after %" PRIu64 " ms\n",
           wait_for_share_after(blows_us[blow_count - 1], "one killed"));
    pause_ms(QUIET_MS);
    end_load();
    print_latency();
    check_shares(false);
}

static int begin(void **state)
{
    (void)state;
    char settings[1024];
    bool scale = strcmp(victim, "scale") == 0;
    /* The devnode's difficulty follows the demo's hash rate: blocks are out of reach. */
    snprintf(settings, sizeof settings,
             "{\"payout\":{\"enabled\":false},\"demo\":{\"hashrate\":1000000000},"
             "\"chain\":{\"profile\":\"devnet-sha256d\"},\"stratum\":{"
             "\"validators\":[%s],\"validators_refresh_ms\":500,"
             "\"start_difficulty\":\"" LOWEST "\",\"min_difficulty\":\"" LOWEST "\","
             "\"max_difficulty\":\"" LOWEST "\"}}",
             scale ? "\"ipc://%d/run/validator-1.rep\",\"ipc://%d/run/validator-*.rep\""
                   : "\"ipc://%d/run/validator-{1..2}.rep\"");
    pool_start(&pool, settings, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (load_pid > 0)
        kill(load_pid, SIGKILL);
    pool_end(&pool);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "storm_test PROCESS|share-validator-stop|scale|drain|upgrade\n");
        return 64;
    }
    victim = argv[1];
    seed = getenv("ADIT_SEED") != NULL ? (unsigned)strtoul(getenv("ADIT_SEED"), NULL, 10)
                                       : (unsigned)time(NULL);
    if (getenv("ADIT_STORM_KILLS") != NULL)
        kills = (unsigned)strtoul(getenv("ADIT_STORM_KILLS"), NULL, 10);
    if (getenv("ADIT_STORM_RATE") != NULL)
        rate = (unsigned)strtoul(getenv("ADIT_STORM_RATE"), NULL, 10);
    printf("ADIT_SEED=%u\n", seed);
    const struct CMUnitTest storms[] = { cmocka_unit_test(
        every_share_counts_once_whoever_is_struck) };
    const struct CMUnitTest scale[] = { cmocka_unit_test(validators_come_and_go_under_load) };
    return strcmp(victim, "scale") == 0 ? cmocka_run_group_tests_name(victim, scale, begin, end)
                                        : cmocka_run_group_tests_name(victim, storms, begin, end);
}
