/* Validators that lie, really running, in a pool of honest ones: each kind of lie is found, put
 * down to who told it, and nobody honest is accused.
 *
 * Six share-validators lie in every second verdict they can lie about, each in its own way
 * (services/share-validator/testing/lying_window.c). At rate p a liar is not found within k lies
 * with probability (1 - p)^k (docs/validators.md). The quick tier draws everything and lets each
 * lie LIES_QUICK times, so that one would do; ADIT_LIARS=1 draws half and lets each lie LIES times:
 * 2^-48 for each. After that no share comes any more, so whoever is found was found within those.
 * Shares come only once the scheduler has read the window for longer than clocks may differ: what
 * was accepted before is not missed (services/inode-scheduler/places.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/fixture/pool_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOWEST "0.00000000023283064365386962890625"
/* Anybody's address: another account than the pool's own. */
#define OTHER "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

enum { HONEST = 2, FIRST_LIAR = 11, LIES = 48, LIES_QUICK = 8, PATIENCE_S = 180, CLOCKS_MS = 5000 };

static const char *const kinds[] = { "account", "worker", "work", "reject", "accept", "drop" };
enum { LIARS = sizeof kinds / sizeof *kinds };

static struct pool_fixture pool;
static pid_t liars[LIARS], loads[3];
static unsigned lies;

static pid_t start(const char *name, char *const arguments[], const char *log, const char *kind)
{
    char path[300];
    const char *build = getenv("ADIT_BUILD");
    snprintf(path, sizeof path, "%s/bin/%s", build == NULL ? "build" : build, name);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (kind != NULL) {
        char listen[160];
        snprintf(listen, sizeof listen, "ipc://%s/run/liar-%s.rep", pool.data, kind);
        setenv("ADIT_LIE", kind, 1);
        setenv("ADIT_LIE_EVERY", "2", 1);
        setenv("ADIT_VALIDATOR__LISTEN", listen, 1);
    }
    execv(path, arguments);
    _exit(127);
}

static void end_process(pid_t *pid, int signal)
{
    if (*pid <= 0)
        return;
    kill(*pid, signal);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *pid = 0;
}

static const char *liar_log(size_t i, char path_r[128])
{
    snprintf(path_r, 128, "%.60s/liar-%s.log", pool.folder, kinds[i]);
    return path_r;
}

static void start_liar(size_t i)
{
    char instance[8], log[128];
    snprintf(instance, sizeof instance, "%zu", FIRST_LIAR + i);
    char *arguments[] = {
        (char *)"share-validator", (char *)"--data", pool.data, (char *)"--instance", instance,
        (char *)"--config",        pool.config,      NULL
    };
    liars[i] = start("share-validator-lying", arguments, liar_log(i, log), kinds[i]);
}

static void start_load(size_t i, const char *address, const char *rate, const char *offset)
{
    char gateway[32], user[160], log[128];
    snprintf(gateway, sizeof gateway, "127.0.0.1:%u", pool.stratum_port);
    snprintf(user, sizeof user, "%s.w%%u", address);
    snprintf(log, sizeof log, "%.60s/load-%zu.log", pool.folder, i);
    char *arguments[] = { (char *)"adit-load",
                          (char *)"--mode",
                          (char *)"rate",
                          (char *)"--connect",
                          gateway,
                          (char *)"--user",
                          user,
                          (char *)"--users",
                          (char *)"4",
                          (char *)"--connections",
                          (char *)"8",
                          (char *)"--rate",
                          (char *)(uintptr_t)rate,
                          (char *)"--seconds",
                          (char *)"36000",
                          (char *)"--warm-up",
                          (char *)"0.1",
                          (char *)"--ntime-offset",
                          (char *)(uintptr_t)offset,
                          (char *)"--reconnect",
                          NULL };
    loads[i] = start("adit-load", arguments, log, NULL);
}

/* How often that liar has lied, by its log. */
static unsigned lied(size_t i)
{
    char path[128], line[512];
    unsigned count = 0;
    FILE *file = fopen(liar_log(i, path), "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += strstr(line, "lying.lied") != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

static bool all_have_lied(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    for (size_t i = 0; i < LIARS; i++)
        if (lied(i) < lies)
            return false;
    return true;
}

static bool all_validators_ask(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *tasks = pool_api(self, "/api/v1/tasks");
    bool all = json_integer_value(json_object_get(tasks, "validators")) >= HONEST + LIARS;
    json_decref(tasks);
    return all;
}

static bool credits_are_missed(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *tasks = pool_api(self, "/api/v1/tasks");
    const json_int_t since_ms = json_integer_value(json_object_get(tasks, "credits_since_ms"));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_decref(tasks);
    return since_ms != 0 && now.tv_sec * 1000 > since_ms + CLOCKS_MS;
}

/* The registry's id of the validator of that instance. */
static bool find_id(const char *instance, char id_r[128])
{
    json_t *answer = pool_api(&pool, "/api/v1/validators"), *entry;
    size_t index;
    bool found = false;
    json_array_foreach(json_object_get(answer, "validators"), index, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name == NULL || strcmp(name, instance) != 0)
            continue;
        snprintf(id_r, 128, "%s", json_string_value(json_object_get(entry, "id")));
        found = true;
    }
    json_decref(answer);
    return found;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* Whether a dispute says this of that validator. */
static bool is_found(const char *id, size_t kind, const json_t *dispute)
{
    const char *what = text_at(dispute, "kind"), *why = text_at(dispute, "reason");
    static const char *const said[LIARS] = {
        "another account", "another worker", "another work", "", "", "fewer shares"
    };
    if (strcmp(text_at(dispute, "first"), id) != 0)
        return false;
    if (said[kind][0] != '\0')
        return strcmp(what, "credit_wrong") == 0 && strstr(why, said[kind]) != NULL;
    bool accepts = strcmp(kinds[kind], "accept") == 0;
    return (strcmp(what, "verdict_wrong") == 0 || strcmp(what, "both_wrong") == 0) &&
           accepts == (strcmp(text_at(dispute, "verdict"), "accepted") == 0);
}

static bool all_are_found(const struct pool_fixture *self, void *context)
{
    bool *found = context;
    json_t *answer = pool_api(self, "/api/v1/disputes?limit=500"), *dispute;
    size_t index;
    for (size_t i = 0; i < LIARS; i++) {
        char instance[8], id[128];
        snprintf(instance, sizeof instance, "%zu", FIRST_LIAR + i);
        if (!find_id(instance, id))
            continue;
        json_array_foreach(json_object_get(answer, "disputes"), index, dispute) found[i] =
            found[i] || is_found(id, i, dispute);
    }
    json_decref(answer);
    bool all = true;
    for (size_t i = 0; i < LIARS; i++)
        all = all && found[i];
    return all;
}

static void expect_no_honest_accused(void)
{
    json_t *answer = pool_api(&pool, "/api/v1/disputes?limit=500"), *dispute;
    size_t index;
    assert_non_null(answer);
    for (int i = 1; i <= HONEST; i++) {
        char instance[8], id[128];
        snprintf(instance, sizeof instance, "%d", i);
        assert_true(find_id(instance, id));
        json_array_foreach(json_object_get(answer, "disputes"), index, dispute)
        {
            bool first = strcmp(text_at(dispute, "first"), id) == 0;
            bool certain = json_is_true(json_object_get(dispute, "certain"));
            if (first && certain && strcmp(text_at(dispute, "kind"), "report_wrong") != 0)
                fail_msg("honest validator %d is accused: %s", i, text_at(dispute, "reason"));
            assert_string_not_equal(text_at(dispute, "reporter"),
                                    strcmp(text_at(dispute, "kind"), "report_wrong") == 0 ? id
                                                                                          : "none");
        }
    }
    json_decref(answer);
}

/* Anybody can look the evidence up. */
static void expect_evidence(void)
{
    json_t *answer = pool_api(&pool, "/api/v1/disputes?limit=1");
    char path[160];
    const json_t *newest = json_array_get(json_object_get(answer, "disputes"), 0);
    snprintf(path, sizeof path, "/api/v1/disputes/%s", text_at(newest, "id"));
    json_t *dispute = pool_api(&pool, path);
    assert_non_null(dispute);
    assert_string_equal(text_at(dispute, "id"), text_at(newest, "id"));
    json_decref(dispute);
    json_decref(answer);
}

static void every_kind_of_lie_is_found_and_put_down_to_who_told_it(void **state)
{
    (void)state;
    bool found[LIARS] = { false };
    pool_wait(&pool, "all validators ask for tasks", PATIENCE_S, all_validators_ask, NULL);
    pool_wait(&pool, "the window is read long enough", PATIENCE_S, credits_are_missed, NULL);
    start_load(0, pool.pool_address, "100", "0");
    start_load(1, OTHER, "60", "0");
    start_load(2, OTHER, "60", "100000");
    pool_wait(&pool, "each has lied often enough", PATIENCE_S, all_have_lied, NULL);
    for (size_t i = 0; i < 3; i++)
        end_process(&loads[i], SIGTERM);
    for (size_t i = 0; i < LIARS; i++)
        printf("%s: %u lies\n", kinds[i], lied(i));
    pool_wait(&pool, "each is found", PATIENCE_S, all_are_found, found);
    for (size_t i = 0; i < LIARS; i++)
        if (!found[i])
            fail_msg("%s was not found within %u lies", kinds[i], lied(i));
    expect_no_honest_accused();
    expect_evidence();
}

static int begin(void **state)
{
    char settings[2048], entries[512] = "";
    bool full = getenv("ADIT_LIARS") != NULL;
    (void)state;
    lies = full ? LIES : LIES_QUICK;
    for (size_t i = 0; i < LIARS; i++)
        snprintf(entries + strlen(entries), sizeof entries - strlen(entries),
                 ",\"ipc://%%d/run/liar-%s.rep\"", kinds[i]);
    snprintf(settings, sizeof settings,
             "{\"payout\":{\"enabled\":false},\"demo\":{\"hashrate\":1000000000},"
             "\"chain\":{\"profile\":\"devnet-sha256d\"},\"audit\":{\"rate\":%d,"
             "\"per_second\":256},\"time\":{\"gen_validation_task\":1,\"end_tasks\":1,"
             "\"check_credits\":1,\"ask_task\":1},\"stratum\":{\"keep_s\":1,"
             "\"validators\":[\"ipc://%%d/run/validator-{1..2}.rep\"%s],\"ban_s\":0,"
             "\"allow\":[\"127.0.0.0/8\"],\"start_difficulty\":\"" LOWEST "\","
             "\"min_difficulty\":\"" LOWEST "\",\"max_difficulty\":\"" LOWEST "\"}}",
             full ? 500000 : 1000000, entries);
    pool_start(&pool, settings, false);
    for (size_t i = 0; i < LIARS; i++)
        start_liar(i);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        end_process(&loads[i], SIGKILL);
    for (size_t i = 0; i < LIARS; i++)
        end_process(&liars[i], SIGTERM);
    pool_end(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_lie_is_found_and_put_down_to_who_told_it,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
