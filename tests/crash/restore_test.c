/* The restore drill: a pool is backed up while miners mine, goes on, and loses its whole folder;
 * what the backup has is put into a new one, and the pool goes on from there: what was owed is
 * owed, the audit agrees, payments wait for a person, shares count and blocks are credited. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/fixture/pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pool_fixture pool;
static char backup[128];

static int run(const char *command, char *text_r, size_t bytes)
{
    FILE *out = popen(command, "r");
    assert_non_null(out);
    text_r[fread(text_r, 1, bytes - 1, out)] = '\0';
    return WEXITSTATUS(pclose(out));
}

/* `adit VERB --config … --data … WORDS`; its exit code, its output in text_r. */
static int adit(const char *verb, const char *words, char *text_r, size_t bytes)
{
    char command[900];
    snprintf(command, sizeof command, "%s/bin/adit %s --config %s --data %s %s 2>&1",
             getenv("ADIT_BUILD"), verb, pool.config, pool.data, words);
    return run(command, text_r, bytes);
}

static json_int_t statistic(const struct pool_fixture *self, const char *key)
{
    json_t *answer = pool_api(self, "/api/v1/pool/status");
    const json_int_t value = json_integer_value(json_object_get(answer, key));
    json_decref(answer);
    return value;
}

/* Everything an account was ever credited, as far as it stands. */
static uint64_t owed_to(const struct pool_fixture *self, const char *name)
{
    static const char *const parts[] = { "immature", "available", "in_flight", "paid" };
    char path[200];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/api/v1/accounts/%s", name);
    json_t *answer = pool_api(self, path);
    for (size_t i = 0; i < 4; i++) {
        const char *text = json_string_value(json_object_get(answer, parts[i]));
        sum += text != NULL ? strtoull(text, NULL, 10) : 0;
    }
    json_decref(answer);
    return sum;
}

static bool the_miner_is_owed_more(const struct pool_fixture *self, void *context)
{
    return owed_to(self, self->pool_address) > *(const uint64_t *)context;
}

static bool more_shares(const struct pool_fixture *self, void *context)
{
    return statistic(self, "total_shares") > *(const json_int_t *)context;
}

static void begin_mining(void)
{
    char user[160];
    snprintf(user, sizeof user, "%s.drill", pool.pool_address);
    (void)pool_add_miner(&pool, user, 100000);
}

static void a_backup_is_made_while_the_pool_runs(void **state)
{
    (void)state;
    static char text[8192];
    char command[300];
    const uint64_t nothing = 0;
    pool_wait(&pool, "the first credit", 120, the_miner_is_owed_more, (void *)&nothing);
    snprintf(backup, sizeof backup, "%s/backup", pool.folder);
    if (adit("backup", backup, text, sizeof text) != 0)
        fail_msg("%s", text);
    snprintf(command, sizeof command, "cd %s && sha256sum -c SHA256SUMS 2>&1", backup);
    if (run(command, text, sizeof text) != 0)
        fail_msg("%s", text);
    assert_non_null(strstr(text, "adit.db: OK"));
    assert_non_null(strstr(text, "secret: OK"));
    assert_non_null(strstr(text, ".manifest: OK"));
    snprintf(command, sizeof command, "%s/inside", pool.data);
    assert_int_equal(adit("backup", command, text, sizeof text), 1);
    assert_non_null(strstr(text, "lies in what is backed up"));
    /* A second one does not write over the first. */
    assert_int_equal(adit("backup", backup, text, sizeof text), 1);
    assert_non_null(strstr(text, "exists"));
}

static void a_backup_is_not_put_over_a_pool_nor_taken_when_it_was_changed(void **state)
{
    (void)state;
    static char text[8192];
    char command[1200];
    assert_int_equal(adit("restore", backup, text, sizeof text), 1);
    assert_non_null(strstr(text, "is put only where no pool is yet"));
    snprintf(command, sizeof command,
             "cp -r %s %s-bad && printf x >> %s-bad/chain-address && %s/bin/adit restore "
             "--data %s/other %s-bad 2>&1",
             backup, backup, backup, getenv("ADIT_BUILD"), pool.folder, backup);
    assert_int_equal(run(command, text, sizeof text), 1);
    assert_non_null(strstr(text, "chain-address is not what was backed up"));
    snprintf(command, sizeof command, "%s/other", pool.folder);
    assert_int_not_equal(access(command, F_OK), 0);
}

static void the_pool_goes_on_from_its_backup(void **state)
{
    (void)state;
    static char text[65536];
    char command[600];
    uint64_t owed = owed_to(&pool, pool.pool_address);
    assert_true(owed > 0);
    /* It goes on for a while: what comes now is lost with the folder. */
    pool_wait(&pool, "a credit after the backup", 120, the_miner_is_owed_more, &owed);
    pool_stop(&pool);
    snprintf(command, sizeof command,
             "cd %s && mv data lost && mkdir data && mv lost/devnode data/ && rm -r lost",
             pool.folder);
    assert_int_equal(run(command, text, sizeof text), 0);
    if (adit("restore", backup, text, sizeof text) != 0)
        fail_msg("%s", text);
    assert_non_null(strstr(text, "payments are paused"));
    assert_int_equal(adit("audit", "", text, sizeof text), 0);
    const json_int_t none = 0;
    pool_restart(&pool);
    begin_mining();
    pool_wait(&pool, "shares after the restore", 60, more_shares, (void *)&none);
    uint64_t before = owed - 1;
    pool_wait(&pool, "what the backup had is owed", 60, the_miner_is_owed_more, &before);
    owed = owed_to(&pool, pool.pool_address);
    pool_wait(&pool, "a new block is credited", 120, the_miner_is_owed_more, &owed);
    assert_int_equal(adit("payout", "status", text, sizeof text), 0);
    if (strstr(text, "a backup was put back") == NULL)
        fail_msg("%s", text);
    assert_int_equal(adit("payout", "resume compared", text, sizeof text), 0);
    if (adit("audit", "", text, sizeof text) != 0)
        fail_msg("%s", text);
    pool_expect_no_errors(&pool, NULL);
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, NULL, false);
    begin_mining();
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
        cmocka_unit_test(a_backup_is_made_while_the_pool_runs),
        cmocka_unit_test(a_backup_is_not_put_over_a_pool_nor_taken_when_it_was_changed),
        cmocka_unit_test(the_pool_goes_on_from_its_backup),
    };
    return cmocka_run_group_tests_name("a backup", tests, begin, end);
}
