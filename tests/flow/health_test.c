/* What people and orchestrators are told of a whole pool while its parts are taken away and brought
 * back: each process's /healthz and /readyz, the pool's state with its reasons, what the supervisor
 * does. With `mongo` and `sqlite`: the store taken away. ADIT_KILLS: how often each process is
 * killed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "loop/loop.h"
#include "tests/ferretdb/server.h"
#include "tests/fixture/pool_fixture.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

static struct pool_fixture pool;
static struct mongo_server mongo; /* with the argument "mongo" */

/* A process's answer at its admin port; 0 where there is none. */
struct seen {
    long health, ready;
    char text[4096];
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, sizeof((struct seen *)0)->text - used, "%.*s", (int)(size * count), data);
    return size * count;
}

static long ask(const char *base, const char *path, char *text_r)
{
    char url[300];
    long status = 0;
    CURL *curl = curl_easy_init();
    text_r[0] = '\0';
    snprintf(url, sizeof url, "%s%s", base, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text_r);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

static char urls[5][200]; /* admin ports, as heartbeats named them */
static const char *const names[5] = { "stratum-gateway", "share-validator", "inode-scheduler",
                                      "auth", "payout" };

static json_t *status_now(void)
{
    json_t *status = pool_api(&pool, "/api/v1/pool/status");
    return status != NULL ? status : json_object();
}

static json_t *instance_in(const json_t *status, const char *component)
{
    const json_t *health = json_object_get(status, "component_health");
    return json_array_get(json_object_get(json_object_get(health, component), "instances"), 0);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool all_is_well(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    json_t *status = status_now();
    bool well = strcmp(text_at(status, "status"), "running") == 0 &&
                strcmp(text_at(json_object_get(status, "health"), "status"), "healthy") == 0;
    for (size_t i = 0; i < 5; i++) {
        snprintf(urls[i], sizeof urls[i], "%s",
                 text_at(instance_in(status, names[i]), "admin_url"));
        well = well && urls[i][0] != '\0';
    }
    json_decref(status);
    return well;
}

/* So many processes are to say that they are not ready, and name why. */
struct expectation {
    const char *who; /* of names */
    long ready;
    const char *words; /* NULL: any */
};

static bool it_says_so(const struct pool_fixture *self, void *context)
{
    const struct expectation *expected = context;
    static struct seen seen;
    (void)self;
    for (size_t i = 0; i < 5; i++) {
        if (strcmp(names[i], expected->who) != 0)
            continue;
        seen.health = ask(urls[i], "/healthz", seen.text);
        seen.ready = ask(urls[i], "/readyz", seen.text);
        return seen.health == 200 && seen.ready == expected->ready &&
               (expected->words == NULL || strstr(seen.text, expected->words) != NULL);
    }
    return false;
}

static void expect(const char *who, long ready, const char *words)
{
    struct expectation expected = { who, ready, words };
    char what[200];
    snprintf(what, sizeof what, "%s's /readyz says %ld%s%s", who, ready,
             words != NULL ? " and " : "", words != NULL ? words : "");
    pool_wait(&pool, what, 120, it_says_so, &expected);
}

/* Of `text` the first of a metric that has more label sets than a scrape should ever grow to; le
 * and the like of one histogram are one. NULL: none. */
static const char *find_unbounded(const char *text)
{
    enum { LABELS_MAX = 64 };
    static char name[128], last[128];
    unsigned count = 0;
    last[0] = '\0';
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
        if (*text == '#')
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "{ \n"), text);
        count = strcmp(name, last) == 0 ? count + 1 : 1;
        snprintf(last, sizeof last, "%s", name);
        if (count > LABELS_MAX)
            return name;
    }
    return NULL;
}

static void every_process_has_histograms_and_bounded_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/log/%s.log", pool.data, names[i]);
        char *text = pool_metrics(path);
        if (text == NULL || strstr(text, " histogram\n") == NULL)
            fail_msg("%s has no histogram", names[i]);
        const char *unbounded = find_unbounded(text);
        if (unbounded != NULL)
            fail_msg("%s: %s has no bound of labels", names[i], unbounded);
        free(text);
    }
}

/* Not the gateway, which waits for validators that wait for it. */
static bool redis_is_the_head(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *status = pool_api(self, "/api/v1/pool/status");
    const json_t *reasons = json_object_get(json_object_get(status, "health"), "reasons");
    const char *what = json_string_value(json_object_get(json_array_get(reasons, 0), "what"));
    const char *state = json_string_value(json_object_get(status, "reason"));
    const bool first = what != NULL && strcmp(what, "redis.window") == 0 && state != NULL &&
                       strstr(state, "redis.window") != NULL;
    json_decref(status);
    return first;
}

static void take_away(const char *name)
{
    (void)pool_signal(&pool, name, "1", SIGSTOP);
}

static void bring_back(const char *name)
{
    (void)pool_signal(&pool, name, "1", SIGCONT);
    for (size_t i = 0; i < 5; i++)
        expect(names[i], 200, "ready\n");
    pool_wait(&pool, "all is well again", 60, all_is_well, NULL);
}

static void who_cannot_work_says_so_and_is_ready_again_when_it_can(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++)
        expect(names[i], 200, "ready\n");

    take_away("redis");
    expect("share-validator", 503, "redis.window");
    expect("payout", 503, "window");
    pool_wait(&pool, "the pool's state names redis.window first", 60, redis_is_the_head, NULL);
    expect("auth", 200, NULL);
    bring_back("redis");

    take_away("devnode");
    expect("inode-scheduler", 503, NULL);
    expect("share-validator", 200, NULL);
    expect("stratum-gateway", 200, NULL); /* there is the last job */
    bring_back("devnode");

    /* They hang, and keep their connections. */
    take_away("share-validator");
    expect("stratum-gateway", 503, "no validator answers");
    bring_back("share-validator");

    take_away("auth");
    expect("stratum-gateway", 200, "auth does not answer");
    bring_back("auth");

    take_away("inode-scheduler");
    expect("stratum-gateway", 200, "inode-scheduler does not answer");
    expect("share-validator", 200, "inode-scheduler does not answer");
    expect("auth", 200, "inode-scheduler does not answer");
    expect("payout", 200, "inode-scheduler does not answer");
    (void)pool_signal(&pool, "inode-scheduler", "1", SIGCONT);
    pool_wait(&pool, "all is well again", 60, all_is_well, NULL);
}

/* A reason that names it, with what to do. */
static bool a_reason_names_it(const struct pool_fixture *self, void *context)
{
    const char *who = context;
    json_t *status = status_now(), *reason;
    size_t i;
    bool named = false;
    (void)self;
    json_array_foreach(json_object_get(json_object_get(status, "health"), "reasons"), i, reason)
    {
        named = named || (strncmp(text_at(reason, "what"), who, strlen(who)) == 0 &&
                          text_at(reason, "reason")[0] != '\0' && text_at(reason, "do")[0] != '\0');
    }
    json_decref(status);
    return named;
}

struct killed {
    const char *name;
    json_int_t restarts; /* before */
};

static const json_t *supervised(const json_t *status, const char *name)
{
    const json_t *list = json_object_get(json_object_get(status, "recovery"), "processes");
    size_t i;
    json_t *process;
    json_array_foreach(list, i, process)
    {
        if (strcmp(text_at(process, "name"), name) == 0)
            return process;
    }
    return NULL;
}

/* The supervisor's account of it reached the API: that it died, how, and that it was begun again.
 */
static bool its_death_is_shown(const struct pool_fixture *self, void *context)
{
    const struct killed *killed = context;
    json_t *status = status_now();
    const json_t *process = supervised(status, killed->name);
    bool shown = json_integer_value(json_object_get(process, "restarts")) > killed->restarts &&
                 strcmp(text_at(process, "why"), "killed by signal 9") == 0 &&
                 json_is_integer(json_object_get(process, "ended_ms"));
    (void)self;
    json_decref(status);
    return shown;
}

/* By heartbeats alone, as where no supervisor of ours writes its account; also by a scheduler that
 * was itself killed in between. */
static bool all_starts_are_counted(const struct pool_fixture *self, void *context)
{
    const unsigned kills = *(const unsigned *)context;
    json_t *status = status_now();
    bool counted = true;
    (void)self;
    for (size_t i = 0; i < 5; i++)
        counted = counted && json_integer_value(json_object_get(instance_in(status, names[i]),
                                                                "restarts")) >= kills;
    json_decref(status);
    return counted;
}

static void each_death_and_what_is_done_about_it_is_shown(void **state)
{
    (void)state;
    const char *given = getenv("ADIT_KILLS");
    unsigned kills = given != NULL ? (unsigned)atoi(given) : 2;
    for (size_t i = 0; i < 5; i++) {
        uint64_t worst_ms = 0;
        for (unsigned k = 0; k < kills; k++) {
            json_t *status = status_now();
            struct killed killed = { names[i], json_integer_value(json_object_get(
                                                   supervised(status, names[i]), "restarts")) };
            json_decref(status);
            const char *const one[] = { names[i], NULL };
            uint64_t began_ns = loop_clock_ns();
            pool_kill(&pool, one);
            pool_wait(&pool, "its death is shown", 60, its_death_is_shown, &killed);
            uint64_t took_ms = (loop_clock_ns() - began_ns) / 1000000;
            worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
            pool_wait(&pool, "all is well again", 60, all_is_well, NULL);
        }
        print_message("%s: %u deaths seen, the slowest after %u ms\n", names[i], kills,
                      (unsigned)worst_ms);
    }
    pool_wait(&pool, "the starts are counted", 60, all_starts_are_counted, &kills);
    /* One that hangs is no death for the supervisor: its silence tells. */
    static char validator[] = "share-validator 1";
    uint64_t began_ns = loop_clock_ns();
    take_away("share-validator");
    pool_wait(&pool, "its silence is told of", 60, a_reason_names_it, validator);
    print_message("silence told of after %u ms\n",
                  (unsigned)((loop_clock_ns() - began_ns) / 1000000));
    bring_back("share-validator");
}

/* Of the five, who reads and writes it. */
static void expect_all_who_need_the_store(long ready, const char *words)
{
    static const char *const who[] = { "inode-scheduler", "auth", "payout" };
    for (size_t i = 0; i < sizeof who / sizeof *who; i++)
        expect(who[i], ready, words);
}

static void expect_all_ready(void)
{
    for (size_t i = 0; i < 5; i++)
        expect(names[i], 200, "ready\n");
    pool_wait(&pool, "all is well again", 60, all_is_well, NULL);
}

static void without_mongodb_none_of_those_who_need_it_is_ready(void **state)
{
    (void)state;
    struct error error;
    expect_all_ready();
    mongo_server_kill(&mongo);
    expect_all_who_need_the_store(503, "store");
    expect("share-validator", 200, NULL);
    expect("stratum-gateway", 200, NULL);
    if (!mongo_server_restart(&mongo, &error))
        fail_msg("%s", error.text);
    expect_all_ready();
}

static int begin_on_mongo(void **state)
{
    char settings[800];
    (void)state;
    snprintf(settings, sizeof settings,
             "{\"auth\":{\"argon2_memory_kib\":8192,\"argon2_passes\":1},"
             "\"store\":{\"url\":\"%s\"}}",
             mongo.url);
    pool_start(&pool, settings, true);
    pool_wait(&pool, "all is well", 60, all_is_well, NULL);
    return 0;
}

/* SQLite's file lies on a disk of its own, which is full soon. */
static char disk[] = "/tmp/adit-disk-XXXXXX";

static void without_the_database_s_file_nobody_writes_beside_it(void **state)
{
    (void)state;
    char here[80], aside[80];
    snprintf(here, sizeof here, "%s/adit.db", disk);
    snprintf(aside, sizeof aside, "%s/elsewhere", disk);
    expect_all_ready();
    assert_int_equal(rename(here, aside), 0);
    expect_all_who_need_the_store(503, "was moved or deleted");
    expect("share-validator", 200, NULL);
    expect("stratum-gateway", 200, NULL);
    assert_int_equal(rename(aside, here), 0);
    expect_all_ready();
}

static bool auth_says_locked(const struct pool_fixture *self, void *context)
{
    struct expectation expected = { "auth", 503, "locked" };
    (void)all_is_well(self, context); /* where it listens now */
    return it_says_so(self, &expected);
}

static void while_another_holds_the_database_s_lock_nobody_is_ready(void **state)
{
    (void)state;
    char here[80];
    sqlite3 *other;
    snprintf(here, sizeof here, "%s/adit.db", disk);
    expect_all_ready();
    assert_int_equal(sqlite3_open(here, &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 20000);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    expect_all_who_need_the_store(503, "locked");
    /* one that starts needs to read alone */
    static const char *const auth[] = { "auth", NULL };
    pool_kill(&pool, auth);
    pool_wait(&pool, "auth starts again", 60, auth_says_locked, NULL);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    expect_all_ready();
}

static void while_the_disk_is_full_nobody_is_ready(void **state)
{
    (void)state;
    char path[80];
    static const char block[65536];
    snprintf(path, sizeof path, "%s/ballast", disk);
    expect_all_ready();
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t bytes = sizeof block; bytes > 0;)
        bytes = write(fd, block, bytes) > 0 ? bytes : bytes / 2;
    expect_all_who_need_the_store(503, "full");
    close(fd);
    assert_int_equal(unlink(path), 0);
    expect_all_ready();
}

/* In a name space of its own, so that the disk is gone with the last process that sees it. */
static bool make_disk(void)
{
    return mkdtemp(disk) != NULL && unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("adit", disk, "tmpfs", MS_NOSUID | MS_NODEV, "size=48m") == 0;
}

static int begin_on_disk(void **state)
{
    char settings[300];
    (void)state;
    snprintf(settings, sizeof settings,
             "{\"auth\":{\"argon2_memory_kib\":8192,\"argon2_passes\":1},"
             "\"store\":{\"url\":\"sqlite:%s/adit.db\",\"timeout_ms\":1000}}",
             disk);
    pool_start(&pool, settings, true);
    pool_wait(&pool, "all is well", 60, all_is_well, NULL);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, "{\"auth\":{\"argon2_memory_kib\":8192,\"argon2_passes\":1}}", true);
    pool_wait(&pool, "all is well", 60, all_is_well, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

static int on_mongo(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_mongodb_none_of_those_who_need_it_is_ready,
                                        begin_on_mongo, end),
    };
    struct error error;
    if (!mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mongo_server_stop(&mongo);
    return failed;
}

static int on_sqlite(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_the_database_s_file_nobody_writes_beside_it, begin_on_disk),
        cmocka_unit_test(while_another_holds_the_database_s_lock_nobody_is_ready),
        cmocka_unit_test_teardown(while_the_disk_is_full_nobody_is_ready, end),
    };
    if (!make_disk()) {
        printf("SKIPPED: no disk of its own can be mounted: %s\n", strerror(errno));
        rmdir(disk);
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    umount2(disk, MNT_DETACH);
    rmdir(disk);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "mongo") == 0)
        return on_mongo();
    if (argc > 1 && strcmp(argv[1], "sqlite") == 0)
        return on_sqlite();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_cannot_work_says_so_and_is_ready_again_when_it_can, begin),
        cmocka_unit_test(every_process_has_histograms_and_bounded_labels),
        cmocka_unit_test_teardown(each_death_and_what_is_done_about_it_is_shown, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
