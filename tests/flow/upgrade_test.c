/* A gateway is upgraded in place under `adit up`, twice, while a miner mines: the same process goes
 * on, its supervisor sees no death, the miner's connection stays, and every share is answered. */
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

static struct pool_fixture pool;
static char gateway_log[160];

/* Runs `adit gateway WORDS --data …`; its exit code, its output in text_r. */
static int gateway(const char *words, char text_r[1024])
{
    char command[700];
    snprintf(command, sizeof command, "%s/bin/adit gateway --config %s --data %s %s 2>&1",
             getenv("ADIT_BUILD"), pool.config, pool.data, words);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    size_t length = fread(text_r, 1, 1023, out);
    text_r[length] = '\0';
    return WEXITSTATUS(pclose(out));
}

struct wish {
    const char *metric;
    uint64_t least;
};

static bool is_counted(const struct pool_fixture *unused, void *context)
{
    const struct wish *wish = context;
    (void)unused;
    return pool_metric(gateway_log, wish->metric) >= wish->least;
}

static void the_same_process_goes_on_and_no_miner_notices(void **state)
{
    (void)state;
    pool_start(&pool, "{\"payout\":{\"enabled\":false},\"stratum\":{\"share_interval_ms\":200}}",
               false);
    snprintf(gateway_log, sizeof gateway_log, "%s/log/stratum-gateway.log", pool.data);
    char user[160], text[1024];
    snprintf(user, sizeof user, "%s.steady", pool.pool_address);
    size_t miner = pool_add_miner(&pool, user, 100000);
    struct wish accepted = { "adit_gateway_shares_total{outcome=\"accepted\"}", 5 };
    pool_wait(&pool, "shares before the upgrade", 60, is_counted, &accepted);
    unsigned restarts, restarts_after;
    pid_t pid = pool_pid(&pool, "stratum-gateway", &restarts);
    for (unsigned round = 0; round < 2; round++) {
        int code = gateway("upgrade", text);
        if (code != 0)
            fail_msg("adit gateway upgrade ended with %d: %s", code, text);
        assert_non_null(strstr(text, "another program took over"));
        assert_int_equal(pool_pid(&pool, "stratum-gateway", &restarts_after), pid);
        assert_int_equal(restarts_after, restarts);
        /* Its counters began anew with it. */
        pool_wait(&pool, "shares after the upgrade", 60, is_counted, &accepted);
        assert_int_equal(gateway("status", text), 0);
        assert_memory_equal(text, "1 connections, 1 mining", 23);
        assert_int_equal(pool_metric(gateway_log, "adit_gateway_connects_total"), 0);
    }
    struct pool_miner_report report;
    pool_end_miner(&pool, miner, &report);
    assert_true(report.accepted >= 15);
    assert_int_equal(report.rejected, 0);
    pool_stop(&pool);
    pool_expect_no_errors(&pool, NULL);
    pool_end(&pool);
}

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not name a build folder\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_process_goes_on_and_no_miner_notices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
