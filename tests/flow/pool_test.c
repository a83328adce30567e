/* A whole pool from `adit up --demo` on: miners mine, a block is found, matures and is credited to
 * the base unit, and the command shows it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/fixture/pool_fixture.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct pool_fixture pool;

static json_int_t int_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Runs `adit VERB… --data …`; its exit code, its output in text_r. */
static int adit(const char *words, char *text_r, size_t bytes)
{
    char command[700];
    snprintf(command, sizeof command, "%s/bin/adit %s --data %s 2>&1", getenv("ADIT_BUILD"), words,
             pool.data);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    size_t length = fread(text_r, 1, bytes - 1, out);
    text_r[length] = '\0';
    return WEXITSTATUS(pclose(out));
}

static bool a_block_matured(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *answer = pool_api(self, "/api/v1/blocks"), *block;
    size_t index;
    bool found = false;
    json_array_foreach(json_object_get(answer, "blocks"), index, block)
    {
        const char *state = json_string_value(json_object_get(block, "state"));
        found = found || (state != NULL && strcmp(state, "matured") == 0);
    }
    json_decref(answer);
    return found;
}

static bool a_block_is_counted(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *answer = pool_api(self, "/api/v1/pool/statistics");
    bool yes = int_at(answer, "blocks_found") > 0;
    json_decref(answer);
    return yes;
}

/* Under load a part may be late with something for a moment, and says so. */
static bool all_are_healthy(const struct pool_fixture *self, void *context)
{
    (void)context;
    static const char *const names[] = { "stratum-gateway", "share-validator", "inode-scheduler",
                                         "auth", "payout" };
    json_t *status = pool_api(self, "/api/v1/pool/status");
    const json_t *health = json_object_get(status, "component_health");
    bool yes = true;
    for (size_t i = 0; i < 5; i++) {
        const char *word =
            json_string_value(json_object_get(json_object_get(health, names[i]), "status"));
        yes = yes && word != NULL && strcmp(word, "healthy") == 0;
    }
    json_decref(status);
    return yes;
}

static void a_demo_finds_a_block_that_matures(void **state)
{
    (void)state;
    pool_wait(&pool, "a block is counted", 60, a_block_is_counted, NULL);
    pool_wait(&pool, "a block has matured", 90, a_block_matured, NULL);
    pool_wait(&pool, "all five are healthy", 60, all_are_healthy, NULL);
    json_t *status = pool_api(&pool, "/api/v1/pool/status");
    assert_string_equal(json_string_value(json_object_get(status, "status")), "running");
    assert_int_equal(int_at(status, "connected_miners"), 2);
    assert_true(int_at(status, "valid_shares") > 0);
    json_decref(status);
}

static void status_tells_the_same_from_another_shell(void **state)
{
    (void)state;
    static char text[65536];
    assert_int_equal(adit("status --json", text, sizeof text), 0);
    json_t *all = json_loads(text, 0, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "status")), "running");
    json_decref(all);
    assert_int_equal(adit("status", text, sizeof text), 0);
    assert_non_null(strstr(text, "share-validator"));
}

static void a_second_pool_is_refused_by_folder_and_by_port(void **state)
{
    (void)state;
    static char text[4096];
    assert_int_equal(adit("up --detach", text, sizeof text), 1);
    assert_non_null(strstr(text, "a pool already runs on"));
    /* Another folder, the same ports: the port's owner is named. */
    char command[900];
    snprintf(command, sizeof command, "%s/bin/adit up --detach --config %s --data %s/other 2>&1",
             getenv("ADIT_BUILD"), pool.config, pool.folder);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    assert_int_equal(WEXITSTATUS(pclose(out)), 65);
    assert_non_null(strstr(text, "is taken by"));
    assert_non_null(strstr(text, "pid"));
}

static void the_operator_sees_nodes_jobs_and_submissions(void **state)
{
    (void)state;
    static char text[1 << 17];
    assert_int_equal(adit("node", text, sizeof text), 0);
    assert_non_null(strstr(text, "jobs of epoch 1"));
    assert_int_equal(adit("node --json", text, sizeof text), 0);
    json_t *document = json_loads(text, 0, NULL);
    assert_non_null(document);
    const json_t *node = json_array_get(json_object_get(document, "nodes"), 0);
    const json_t *block = json_array_get(json_object_get(document, "submissions"), 0);
    assert_string_equal(json_string_value(json_object_get(node, "standing")), "well");
    assert_true(json_integer_value(json_object_get(node, "template_ms")) > 0);
    assert_true(json_array_size(json_object_get(document, "jobs")) > 0);
    assert_int_equal(strlen(json_string_value(json_object_get(block, "block"))), 64);
    assert_true(strlen(json_string_value(json_object_get(block, "answer"))) > 0);
    json_decref(document);
}

/* What all five processes print for Prometheus, as one text. */
static char *all_metrics(void)
{
    static const char *const names[] = { "stratum-gateway", "share-validator", "inode-scheduler",
                                         "auth", "payout" };
    char *all = calloc(1, 1);
    for (size_t i = 0; i < 5; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/log/%s.log", pool.data, names[i]);
        char *one = pool_metrics(path);
        assert_non_null(one);
        all = realloc(all, strlen(all) + strlen(one) + 2);
        assert_non_null(all);
        strcat(strcat(all, "\n"), one);
        free(one);
    }
    return all;
}

static bool is_metric(const char *all, const char *name)
{
    char line[160];
    snprintf(line, sizeof line, "\n# TYPE %s ", name);
    return strstr(all, line) != NULL;
}

static void alerts_and_charts_name_metrics_there_are(void **state)
{
    (void)state;
    static char text[1 << 17], pattern[512];
    char *all = all_metrics();
    unsigned names = 0;
    static const char *const where[] = { "alerts.yml", "dashboards/*.json" };
    for (size_t k = 0; k < 2; k++) {
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/deploy/metrics/%s", getenv("ADIT_SOURCE"), where[k]);
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            FILE *file = fopen(found.gl_pathv[i], "r");
            assert_non_null(file);
            const size_t length = fread(text, 1, sizeof text - 1, file);
            text[length] = '\0';
            assert_true(length < sizeof text - 1);
            fclose(file);
            for (const char *at = text; (at = strstr(at, "adit_")) != NULL; names++) {
                char name[128];
                size_t bytes = 0;
                while (bytes < sizeof name - 1 &&
                       (islower((unsigned char)at[bytes]) || at[bytes] == '_'))
                    bytes++;
                memcpy(name, at, bytes);
                name[bytes] = '\0';
                at += bytes;
                char *series = strstr(name, "_bucket");
                if (series != NULL)
                    *series = '\0';
                if (!is_metric(all, name))
                    fail_msg("%s names %s, which no process has", found.gl_pathv[i], name);
            }
        }
        globfree(&found);
    }
    assert_true(names > 50);
    free(all);
}

static void the_audit_agrees_and_stopping_keeps_everything(void **state)
{
    (void)state;
    static char text[65536];
    json_t *before = pool_api(&pool, "/api/v1/pool/statistics");
    json_int_t blocks = int_at(before, "blocks_found");
    json_decref(before);
    if (adit("audit", text, sizeof text) != 0)
        fail_msg("%s", text);
    pool_stop(&pool);
    assert_int_equal(adit("status", text, sizeof text), 1);
    assert_int_equal(adit("audit", text, sizeof text), 0);
    pool_restart(&pool);
    json_t *after = pool_api(&pool, "/api/v1/pool/statistics");
    assert_true(int_at(after, "blocks_found") >= blocks);
    json_decref(after);
    pool_expect_no_errors(&pool, NULL);
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, NULL, true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_demo_finds_a_block_that_matures),
        cmocka_unit_test(status_tells_the_same_from_another_shell),
        cmocka_unit_test(a_second_pool_is_refused_by_folder_and_by_port),
        cmocka_unit_test(the_operator_sees_nodes_jobs_and_submissions),
        cmocka_unit_test(alerts_and_charts_name_metrics_there_are),
        cmocka_unit_test(the_audit_agrees_and_stopping_keeps_everything),
    };
    return cmocka_run_group_tests_name("a whole pool", tests, begin, end);
}
