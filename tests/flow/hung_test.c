/* Each of the five processes hangs (SIGSTOP, its children too) while miners mine: nobody lets it go
 * on, and it is back by itself, as `adit up` ends it and starts it again. Its health says so, and
 * every share a miner read `true` for is counted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

enum { MINERS = 3, WAIT_S = 90, HUNG_S = 3 };

static struct pool_fixture pool;

static const char *const processes[] = { "share-validator", "payout", "auth", "stratum-gateway",
                                         "inode-scheduler" };

struct hung {
    const char *name;
    pid_t before;
};

static bool is_another(const struct pool_fixture *self, void *context)
{
    const struct hung *hung = context;
    pid_t pid = pool_pid(self, hung->name, NULL);
    return pid != 0 && pid != hung->before;
}

/* The supervisor's account by the API, in which it stands why the process was started again. */
static bool is_told(const struct pool_fixture *self, void *context)
{
    const struct hung *hung = context;
    bool told = false;
    size_t i;
    json_t *process, *status = pool_api(self, "/api/v1/pool/status");
    json_array_foreach(json_object_get(json_object_get(status, "recovery"), "processes"), i,
                       process)
    {
        const char *why = json_string_value(json_object_get(process, "why"));
        if (strcmp(json_string_value(json_object_get(process, "name")), hung->name) == 0)
            told = told || (strstr(why, "it hung") != NULL &&
                            json_integer_value(json_object_get(process, "restarts")) > 0);
    }
    json_decref(status);
    return told;
}

static bool all_is_well(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *status = pool_api(self, "/api/v1/pool/status");
    const char *health =
        json_string_value(json_object_get(json_object_get(status, "health"), "status"));
    const bool well = health != NULL && strcmp(health, "healthy") == 0;
    json_decref(status);
    return well;
}

static void each_that_hangs_is_back_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof processes / sizeof *processes; i++) {
        json_int_t shares = books_shares(&pool);
        pool_wait(&pool, "shares flow", WAIT_S, books_more_shares, &shares);
        struct hung hung = { processes[i], pool_signal(&pool, processes[i], "1", SIGSTOP) };
        printf("%s hangs\n", hung.name);
        pool_wait(&pool, "it is started again", WAIT_S, is_another, &hung);
        pool_wait(&pool, "its health says that it hung", WAIT_S, is_told, &hung);
        pool_wait(&pool, "all is well again", WAIT_S, all_is_well, NULL);
        shares = books_shares(&pool);
        pool_wait(&pool, "shares flow again", WAIT_S, books_more_shares, &shares);
    }
}

static bool counts_all(const struct pool_fixture *self, void *context)
{
    return books_shares(self) >= *(const json_int_t *)context;
}

static void no_share_was_lost(void **state)
{
    (void)state;
    struct pool_miner_report all = { 0 };
    struct books_sum sum;
    for (size_t i = 0; i < MINERS; i++) {
        struct pool_miner_report one;
        pool_end_miner(&pool, i, &one);
        all.accepted += one.accepted;
        all.unanswered += one.unanswered;
    }
    json_int_t accepted = (json_int_t)all.accepted;
    pool_wait(&pool, "every share a miner saw accepted is counted", WAIT_S, counts_all, &accepted);
    printf("accepted %" PRIu64 ", unanswered %" PRIu64 "\n", all.accepted, all.unanswered);
    assert_true(books_shares(&pool) <= (json_int_t)(all.accepted + all.unanswered));
    books_bury(&pool);
    pool_wait(&pool, "every block of the chain is known once and matured", WAIT_S,
              books_all_matured, &sum);
    books_check_ledger(&pool, &sum);
}

static int begin(void **state)
{
    char settings[200];
    (void)state;
    snprintf(settings, sizeof settings,
             "{\"service\":{\"hung_s\":%d},\"stratum\":{\"share_interval_ms\":200},"
             "\"payout\":{\"enabled\":false}}",
             HUNG_S);
    pool_start(&pool, settings, false);
    pool_add_miners(&pool, MINERS, 20000);
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
        cmocka_unit_test(each_that_hangs_is_back_by_itself),
        cmocka_unit_test(no_share_was_lost),
    };
    return cmocka_run_group_tests_name("hangs", tests, begin, end);
}
