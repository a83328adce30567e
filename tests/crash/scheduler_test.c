/* Two schedulers on one store (SQLite, or MongoDB): the one that leads is killed, or stopped for
 * longer than its lease and continued, at the moment a block is found or at any other, while miners
 * mine. The other goes on: jobs flow again (how soon is printed), the block is the pool's, and in
 * the end the node has every block that a validator found, every block of the chain is known once,
 * no lease was granted twice, and the ledger sums to the rewards. One that hangs and keeps its
 * connections holds nobody up; one that hangs inside a write to SQLite is ended,
 * and none for a lock that a third has.
 *
 * ADIT_TAKEOVERS: how often (default 3). ADIT_SEED: which signal, and when. ADIT_HANG_S: for how
 * long one hangs (default 8). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"
#include "tests/ferretdb/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct pool_fixture pool;
static unsigned kills = 3, hang_s = 8;
static unsigned seed;
static struct mongo_server mongo; /* url "": it is SQLite */

enum { MINERS = 2, RECOVERY_S = 60, BLOCK_S = 90, LOG_BYTES = 1 << 22 };

static unsigned random_below(unsigned bound)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % bound;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* A log whole; borrowed until the next call. */
static const char *read_log(const char *name)
{
    static char text[LOG_BYTES];
    char path[160];
    snprintf(path, sizeof path, "%s/log/%s.log", pool.data, name);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    return text;
}

static unsigned count_in(const char *text, const char *words)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        count++;
    return count;
}

/* The newest epoch a scheduler's log says that it took; 0: none. */
static unsigned epoch_of(const char *log)
{
    unsigned epoch = 0;
    for (const char *at = read_log(log); (at = strstr(at, "leader.taken epoch=")) != NULL; at++)
        if (sscanf(at, "leader.taken epoch=%u", &epoch) != 1)
            fail();
    return epoch;
}

static const char *const logs[] = { "inode-scheduler", "inode-scheduler-2" };
static const char *const instances[] = { "1", "2" };

/* Which of the two took the newest epoch, and that epoch. */
static unsigned leader(unsigned *epoch_r)
{
    unsigned first = epoch_of(logs[0]), second = epoch_of(logs[1]);
    *epoch_r = first > second ? first : second;
    return first > second ? 0 : 1;
}

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* When a line was logged, unix. */
static uint64_t time_of(const char *line)
{
    struct tm parts = { 0 };
    unsigned ms = 0;
    const char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL || sscanf(rest, ".%3u", &ms) != 1)
        fail_msg("no time begins this line: %s", line);
    return (uint64_t)timegm(&parts) * 1000 + ms;
}

/* The newest epoch of which the gateway has taken a job, from its log's new lines, and when. */
static unsigned gateway_epoch(uint64_t *taken_ms_r)
{
    static unsigned epoch;
    static uint64_t taken_ms;
    static long read_to;
    char path[160], line[1024];
    snprintf(path, sizeof path, "%s/log/stratum-gateway.log", pool.data);
    FILE *file = fopen(path, "re");
    if (file == NULL || fseek(file, read_to, SEEK_SET) != 0)
        fail_msg("%s cannot be read", path);
    while (fgets(line, sizeof line, file) != NULL && strchr(line, '\n') != NULL) {
        const char *at = strstr(line, " scheduler.epoch epoch=");
        if (at != NULL && sscanf(at, " scheduler.epoch epoch=%u", &epoch) != 1)
            fail();
        if (at != NULL)
            taken_ms = time_of(line);
        read_to = ftell(file);
    }
    fclose(file);
    *taken_ms_r = taken_ms;
    return epoch;
}

/* Until the gateway has a job of a newer epoch; how long that took, by the gateway's own log. */
static unsigned wait_for_newer_job(unsigned epoch)
{
    uint64_t since_ms = unix_ms(), taken_ms;
    while (gateway_epoch(&taken_ms) <= epoch) {
        if (unix_ms() > since_ms + 1000u * RECOVERY_S) {
            pool_print_logs(&pool);
            fail_msg("no job of an epoch after %u in %d s", epoch, RECOVERY_S);
        }
        pause_ms(5);
    }
    return taken_ms > since_ms ? (unsigned)(taken_ms - since_ms) : 0;
}

static bool stands_by(const struct pool_fixture *self, void *context)
{
    unsigned who = *(const unsigned *)context, epoch;
    /* Of its newest start: it met somebody who leads. */
    const char *waits = NULL;
    for (const char *at = read_log(logs[who]); (at = strstr(at, "leader.waits")) != NULL; at++)
        waits = at;
    bool taken = waits != NULL && strstr(waits, "leader.taken") != NULL;
    return pool_pid_of(self, "inode-scheduler", instances[who], NULL) > 0 && waits != NULL &&
           !taken && leader(&epoch) != who;
}

static void wait_for_shares(void)
{
    json_int_t before = books_shares(&pool);
    pool_wait(&pool, "shares flow", RECOVERY_S, books_more_shares, &before);
}

static void wait_for_block(void)
{
    unsigned before = count_in(read_log("share-validator"), " block.found ");
    for (unsigned i = 0; i < 1000 * BLOCK_S; i++) {
        if (count_in(read_log("share-validator"), " block.found ") > before)
            return;
        pause_ms(1);
    }
    pool_print_logs(&pool);
    fail_msg("no block was found in %d s", BLOCK_S);
}

/* Whether a process holds SQLite's lock for writing. */
static bool writes(pid_t pid)
{
    char line[256];
    bool found = false;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks != NULL && !found && fgets(line, sizeof line, locks) != NULL) {
        int holder = 0;
        if (sscanf(line, "%*d: POSIX ADVISORY WRITE %d", &holder) == 1)
            found = holder == pid;
    }
    if (locks != NULL)
        fclose(locks);
    return found;
}

/* Stopped inside a write or outside of one, as wished. */
static pid_t stop(const char *instance, bool writing)
{
    for (unsigned i = 0; i < 100000; i++) {
        pid_t pid = pool_signal(&pool, "inode-scheduler", instance, SIGSTOP);
        if (pool_any_of(pid, writes) == writing)
            return pid;
        pool_signal_pid(pid, SIGCONT);
        pause_ms(1 + (long)random_below(7));
    }
    fail_msg("the leader %s a write", writing ? "never begins" : "never ends");
    return 0;
}

enum { TAKEOVERS_MAX = 1000 };

/* How long the gateway had no newer job: after a death, after a stop. */
static struct {
    unsigned ms[TAKEOVERS_MAX];
    size_t count;
} kept[2];

static int compare_ms(const void *a, const void *b)
{
    unsigned first = *(const unsigned *)a, second = *(const unsigned *)b;
    return first < second ? -1 : first > second;
}

static void print_kept(void)
{
    for (int stopped = 0; stopped < 2; stopped++) {
        size_t count = kept[stopped].count;
        const unsigned *ms = kept[stopped].ms;
        qsort(kept[stopped].ms, count, sizeof *ms, compare_ms);
        if (count > 0)
            printf("%s %zu times: median %u ms, 95 of 100 within %u ms, longest %u ms\n",
                   stopped ? "stopped" : "killed", count, ms[count / 2],
                   ms[(count * 95 + 99) / 100 - 1], ms[count - 1]);
    }
}

static void strike(unsigned round)
{
    unsigned epoch, who = leader(&epoch);
    bool at_block = round % 2 == 0, stopping = random_below(2) == 0;
    if (at_block)
        wait_for_block();
    else
        pause_ms((long)random_below(1500));
    pid_t pid = stopping ? stop(instances[who], false)
                         : pool_signal(&pool, "inode-scheduler", instances[who], SIGKILL);
    unsigned took_ms = wait_for_newer_job(epoch);
    unsigned next_epoch, next = leader(&next_epoch);
    printf("%s instance %s, epoch %u,%s: a job of epoch %u by instance %s after %u ms\n",
           stopping ? "stopped" : "killed", instances[who], epoch, at_block ? " at a block" : "",
           next_epoch, instances[next], took_ms);
    if (kept[stopping].count < TAKEOVERS_MAX)
        kept[stopping].ms[kept[stopping].count++] = took_ms;
    if (stopping) {
        assert_int_equal(next, 1 - who);
        pool_signal_pid(pid, SIGCONT);
    }
    unsigned other = 1 - next;
    pool_wait(&pool, "the other stands by", RECOVERY_S, stands_by, &other);
    wait_for_shares();
}

static void the_other_goes_on_whenever_the_leader_is_lost(void **state)
{
    (void)state;
    wait_for_shares();
    for (unsigned i = 0; i < kills; i++)
        strike(i);
    print_kept();
}

struct beats {
    uint64_t answered, lost;
};

/* The heartbeats of all who ask the scheduler. */
static struct beats count_beats(void)
{
    static const char *const askers[] = { "stratum-gateway", "share-validator", "auth", "payout" };
    struct beats beats = { 0, 0 };
    for (size_t i = 0; i < sizeof askers / sizeof *askers; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/log/%s.log", pool.data, askers[i]);
        beats.answered += pool_metric(path, "adit_heartbeats_total{outcome=\"answered\"}");
        beats.lost += pool_metric(path, "adit_heartbeats_total{outcome=\"lost\"}");
    }
    return beats;
}

static bool has_beaten(const struct pool_fixture *self, void *context)
{
    (void)self;
    return count_beats().answered >= *(const uint64_t *)context;
}

/* Its kernel goes on taking requests for it. Were every second one lost to it, as many would be as
 * are answered. */
static void one_that_hangs_holds_nobody_up(void **state)
{
    char user[160];
    struct pool_miner_report report;
    unsigned epoch, who = leader(&epoch), other = who;
    (void)state;
    pid_t pid = stop(instances[who], false);
    (void)wait_for_newer_job(epoch);
    struct beats before = count_beats();
    assert_true(before.answered > 0);
    uint64_t wanted = before.answered + 3 * (uint64_t)hang_s;
    snprintf(user, sizeof user, "%s.late", pool.pool_address);
    size_t miner = pool_add_miner(&pool, user, 30000);
    pool_wait(&pool, "heartbeats are answered", hang_s + RECOVERY_S, has_beaten, &wanted);
    struct beats after = count_beats();
    printf("while it hung: %llu heartbeats answered, %llu lost\n",
           (unsigned long long)(after.answered - before.answered),
           (unsigned long long)(after.lost - before.lost));
    assert_true(4 * (after.lost - before.lost) < after.answered - before.answered);
    assert_int_equal(count_in(read_log("stratum-gateway"), " lease.lost "), 0);
    pool_end_miner(&pool, miner, &report);
    assert_true(report.accepted > 0);
    pool_signal_pid(pid, SIGCONT);
    pool_wait(&pool, "the other stands by", RECOVERY_S, stands_by, &other);
    wait_for_shares();
}

static void one_that_hangs_inside_a_write_is_ended(void **state)
{
    unsigned epoch, who = leader(&epoch), other = who;
    (void)state;
    if (mongo.url[0] != '\0') { /* its writers hold nothing that others wait for */
        skip();
        return;
    }
    unsigned before = count_in(read_log(logs[1 - who]), " leader.ended ");
    pid_t pid = stop(instances[who], true);
    printf("stopped inside a write: a job of the next epoch after %u ms\n",
           wait_for_newer_job(epoch));
    assert_true(count_in(read_log(logs[1 - who]), " leader.ended ") > before);
    pool_signal_pid(pid, SIGCONT); /* what Kore left of it */
    pool_wait(&pool, "the other stands by", RECOVERY_S, stands_by, &other);
    wait_for_shares();
}

/* A process that has SQLite's lock for writing (standing.c says which byte that is) until it is
 * killed. */
static pid_t start_writer(void)
{
    char path[160];
    siginfo_t info;
    snprintf(path, sizeof path, "%s/adit.db-shm", pool.data);
    pid_t pid = fork();
    if (pid == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 120, .l_len = 1 };
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_SETLKW, &lock) != 0)
            _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT), 0);
    assert_int_equal(info.si_code, CLD_STOPPED);
    return pid;
}

struct failed_takes {
    unsigned who, count;
};

static bool failed_to_take(const struct pool_fixture *self, void *context)
{
    const struct failed_takes *before = context;
    (void)self;
    return count_in(read_log(logs[before->who]), " leader.unknown ") > before->count;
}

/* The leader cannot renew, and its record does not move: but it is not what keeps others waiting.
 */
static void nobody_is_ended_for_a_lock_that_a_third_has(void **state)
{
    unsigned epoch, who = leader(&epoch);
    (void)state;
    if (mongo.url[0] != '\0') {
        skip();
        return;
    }
    struct failed_takes before = { 1 - who, count_in(read_log(logs[1 - who]), " leader.unknown ") };
    unsigned ended = count_in(read_log(logs[1 - who]), " leader.ended ");
    pid_t writer = start_writer();
    pool_wait(&pool, "the other tries to take over", RECOVERY_S, failed_to_take, &before);
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    assert_int_equal(count_in(read_log(logs[1 - who]), " leader.ended "), ended);
    wait_for_shares();
}

/* Whoever was lost meanwhile: the node was given every block, also one that came too late. */
static void every_block_found_was_submitted(void **state)
{
    unsigned found = 0;
    (void)state;
    static char text[LOG_BYTES];
    snprintf(text, sizeof text, "%s", read_log("share-validator"));
    for (const char *at = text; (at = strstr(at, " block.found block=")) != NULL; found++) {
        char params[96];
        at += strlen(" block.found block=");
        snprintf(params, sizeof params, "[\"%.64s\"]", at);
        json_t *header = pool_node(&pool, "getblockheader", params);
        if (header == NULL)
            fail_msg("the node does not know the block %.64s", at);
        json_decref(header);
    }
    printf("%u blocks were found and submitted\n", found);
    assert_true(found > 0);
}

static void nothing_is_doubled_or_lost(void **state)
{
    (void)state;
    struct books_sum sum;
    unsigned leases = 0;
    for (size_t i = 0; i < MINERS; i++)
        pool_end_miner(&pool, i, NULL);
    books_bury(&pool);
    pool_wait(&pool, "every block of the chain is known once and matured", 90, books_all_matured,
              &sum);
    printf("%u blocks pay to the pool\n", sum.blocks);
    assert_true(sum.blocks >= (kills + 1) / 2);
    books_check_ledger(&pool, &sum);
    /* No id was granted by both. */
    static char seen[LOG_BYTES];
    snprintf(seen, sizeof seen, "%s", read_log(logs[0]));
    for (const char *at = seen; (at = strstr(at, "lease.granted lease=")) != NULL; at++, leases++) {
        char granted[64];
        snprintf(granted, sizeof granted, "%.*s ", (int)strcspn(at + 14, " ") + 14, at);
        assert_int_equal(count_in(seen, granted), 1);
        assert_int_equal(count_in(read_log(logs[1]), granted), 0);
    }
    assert_true(leases > 0);
}

static int begin(void **state)
{
    (void)state;
    char settings[sizeof mongo.url + 200], store[sizeof mongo.url + 32] = "";
    if (mongo.url[0] != '\0')
        snprintf(store, sizeof store, "\"store\":{\"url\":\"%s\"},", mongo.url);
    snprintf(settings, sizeof settings,
             "{%s\"payout\":{\"enabled\":false},\"stratum\":{\"share_interval_ms\":200},"
             "\"scheduler\":{\"instances\":2}}",
             store);
    pool_start(&pool, settings, false);
    pool_add_miners(&pool, MINERS, 30000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

/* The first argument: "mongo", or none for SQLite. */
int main(int argc, char **argv)
{
    struct error error;
    if (argc > 1 && strcmp(argv[1], "mongo") == 0 && !mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    seed = books_seed();
    kills = books_number("ADIT_TAKEOVERS", kills);
    if (getenv("ADIT_HANG_S") != NULL)
        hang_s = (unsigned)strtoul(getenv("ADIT_HANG_S"), NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_other_goes_on_whenever_the_leader_is_lost),
        cmocka_unit_test(one_that_hangs_holds_nobody_up),
        cmocka_unit_test(one_that_hangs_inside_a_write_is_ended),
        cmocka_unit_test(nobody_is_ended_for_a_lock_that_a_third_has),
        cmocka_unit_test(nothing_is_doubled_or_lost),
        cmocka_unit_test(every_block_found_was_submitted),
    };
    int failed = cmocka_run_group_tests_name("two schedulers", tests, begin, end);
    if (mongo.url[0] != '\0')
        mongo_server_stop(&mongo);
    return failed;
}
