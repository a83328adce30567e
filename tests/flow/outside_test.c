/* Validators outside, by a stock WebSocket client, in a whole pool with two schedulers on one store
 * (SQLite, or MongoDB: `mongo`): tasks are pushed to them, judged by what is documented, reported;
 * what is no report does nothing. The leading scheduler is killed while tasks are open: the other
 * one takes their reports, and counts none twice. It is killed again while nobody reports: what
 * expires ends all the same. At last a validator of the pool's own tells lies, and a report of the
 * outside one finds it.
 *
 * The client is tests/flow/outside_client; it exits with 77 where Debian's modules are missing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/ferretdb/server.h"
#include "tests/fixture/pool_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_S = 120, SKIPPED = 77, OUTSIDE = 2 };

static const char *const logs[] = { "inode-scheduler", "inode-scheduler-2" };
static const char *const instances[] = { "1", "2" };

static struct pool_fixture pool;
static struct mongo_server mongo;
static bool on_mongo;
static char folder[64];
static pid_t liar;

static int run_client(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "/usr/bin/python3 '%s/tests/flow/outside_client' %s",
             getenv("ADIT_SOURCE"), arguments);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool log_value(size_t which, const char *words, char value_r[80])
{
    char path[160];
    snprintf(path, sizeof path, "%s/log/%s.log", pool.data, logs[which]);
    return pool_log_value(path, words, value_r);
}

static unsigned long epoch_of(size_t which)
{
    char value[80] = "0";
    (void)log_value(which, " leader.taken epoch=", value);
    return strtoul(value, NULL, 10);
}

static size_t leader(void)
{
    return epoch_of(0) > epoch_of(1) ? 0 : 1;
}

/* One step of the client with the scheduler that leads. */
static void talk(const char *step)
{
    char arguments[600], http[80] = "";
    assert_true(log_value(leader(), " http.listen address=", http));
    snprintf(arguments, sizeof arguments, "%s '%s/state' '%s' 'ws://%s/inode' 'http://%s' bcrt",
             step, folder, pool.pool_address, http, http);
    if (run_client(arguments) == 0)
        return;
    pool_print_logs(&pool);
    fail_msg("the client failed to %s", step);
}

static bool another_leads(const struct pool_fixture *self, void *context)
{
    (void)self;
    return epoch_of(leader()) > *(const unsigned long *)context;
}

static bool two_are_there(const struct pool_fixture *self, void *context)
{
    char line[80];
    (void)context;
    for (size_t i = 0; i < 2; i++)
        if (pool_pid_of(self, logs[0], instances[i], NULL) <= 0 ||
            !log_value(i, " http.listen address=", line))
            return false;
    return epoch_of(leader()) > 0 && log_value(1 - leader(), " leader.waits", line);
}

static void kill_leader(void)
{
    unsigned long epoch = epoch_of(leader());
    pool_wait(&pool, "two schedulers are there", PATIENCE_S, two_are_there, NULL);
    (void)pool_signal(&pool, logs[0], instances[leader()], SIGKILL);
    pool_wait(&pool, "the other leads", PATIENCE_S, another_leads, &epoch);
}

/* The metric of the leading scheduler. */
static uint64_t tasks_that(const char *event)
{
    char path[160], name[80];
    snprintf(path, sizeof path, "%s/log/%s.log", pool.data, logs[leader()]);
    snprintf(name, sizeof name, "adit_scheduler_tasks_total{event=\"%s\"}", event);
    return pool_metric(path, name);
}

static bool some_end_unheard(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    return tasks_that("alone") >= 3 && tasks_that("expired") >= 3;
}

static void tasks_are_pushed_judged_and_reported_and_what_is_no_report_does_nothing(void **state)
{
    (void)state;
    pool_wait(&pool, "two schedulers are there", PATIENCE_S, two_are_there, NULL);
    talk("judge");
}

static void a_takeover_with_open_tasks_counts_each_report_once(void **state)
{
    (void)state;
    kill_leader();
    talk("resume");
}

/* The same pool on the same store, with other settings. */
static void restart_with(const char *settings)
{
    json_t *all, *more = json_loads(settings, 0, NULL);
    pool_stop(&pool);
    all = json_load_file(pool.config, 0, NULL);
    assert_true(all != NULL && more != NULL && json_object_update_recursive(all, more) == 0);
    assert_int_equal(json_dump_file(all, pool.config, JSON_INDENT(2)), 0);
    json_decref(all);
    json_decref(more);
    pool_restart(&pool);
}

static void add_miner(void)
{
    char user[160];
    snprintf(user, sizeof user, "%s.w", pool.pool_address);
    pool_add_miner(&pool, user, 30000);
}

static void what_expires_ends_also_across_a_takeover(void **state)
{
    (void)state;
    restart_with("{\"time\":{\"validation_expiry\":2}}");
    add_miner();
    pool_wait(&pool, "two schedulers are there", PATIENCE_S, two_are_there, NULL);
    talk("idle");
    kill_leader();
    pool_wait(&pool, "tasks that nobody reports end", PATIENCE_S, some_end_unheard, NULL);
}

static void start_liar(void)
{
    char path[300], listen[160], log[160];
    const char *build = getenv("ADIT_BUILD");
    snprintf(path, sizeof path, "%s/bin/share-validator-lying", build == NULL ? "build" : build);
    snprintf(listen, sizeof listen, "ipc://%s/run/liar.rep", pool.data);
    snprintf(log, sizeof log, "%s/log/liar.log", pool.data);
    liar = fork();
    if (liar != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    setenv("ADIT_LIE", "reject", 1);
    setenv("ADIT_LIE_EVERY", "2", 1);
    setenv("ADIT_VALIDATOR__LISTEN", listen, 1);
    execl(path, path, "--data", pool.data, "--instance", "9", "--config", pool.config,
          (char *)NULL);
    _exit(127);
}

static void end_liar(void)
{
    if (liar <= 0)
        return;
    kill(liar, SIGTERM);
    while (waitpid(liar, NULL, 0) < 0 && errno == EINTR)
        continue;
    liar = 0;
}

static void a_report_that_disagrees_with_a_lie_opens_the_dispute(void **state)
{
    (void)state;
    restart_with("{\"time\":{\"validation_expiry\":600},\"stratum\":{\"validators\":"
                 "[\"ipc://%d/run/liar.rep\"]}}");
    start_liar();
    add_miner();
    pool_wait(&pool, "two schedulers are there", PATIENCE_S, two_are_there, NULL);
    talk("disagree");
}

static int begin(void **state)
{
    char settings[2048];
    (void)state;
    snprintf(settings, sizeof settings,
             "{\"payout\":{\"enabled\":false},\"devnode\":{\"block_interval_s\":30},"
             "\"stratum\":{\"share_interval_ms\":200},\"audit\":{\"rate\":1000000},"
             "\"scheduler\":{\"instances\":2,\"inode_skew_s\":600,"
             "\"validators_from\":\"file:%s/list.json\"},"
             "\"time\":{\"gen_validation_task\":1,\"end_tasks\":1,\"check_credits\":1,"
             "\"decay\":86400,\"validator_decay\":86400}%s%s%s}",
             folder, on_mongo ? ",\"store\":{\"url\":\"" : "", mongo.url, on_mongo ? "\"}" : "");
    pool_start(&pool, settings, false);
    add_miner();
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_liar();
    pool_end(&pool);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_pushed_judged_and_reported_and_what_is_no_report_does_nothing),
        cmocka_unit_test(a_takeover_with_open_tasks_counts_each_report_once),
        cmocka_unit_test(what_expires_ends_also_across_a_takeover),
        cmocka_unit_test(a_report_that_disagrees_with_a_lie_opens_the_dispute),
    };
    char arguments[160];
    struct error error;
    snprintf(folder, sizeof folder, "/tmp/adit-outside-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(arguments, sizeof arguments, "list bcrt '%s/list.json'", folder);
    int code = run_client(arguments);
    on_mongo = argc > 1 && strcmp(argv[1], "mongo") == 0;
    if (code == SKIPPED)
        printf("SKIPPED: python3-websockets or python3-cryptography is not installed\n");
    if (code == 0 && on_mongo && !mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        code = SKIPPED;
    }
    if (code == 0)
        code = cmocka_run_group_tests_name("validators outside", tests, begin, end);
    if (on_mongo)
        mongo_server_stop(&mongo);
    snprintf(arguments, sizeof arguments, "rm -rf '%s'", folder);
    int ignored = system(arguments);
    (void)ignored;
    return code;
}
