/* kill -9 of one process, again and again while miners mine, and then the books:
 *
 *   - every share a miner saw accepted is counted, and beyond these only shares whose answer was in
 *     flight at a kill;
 *   - every block the node has that pays to the pool is known and matured;
 *   - the ledger sums to the rewards of these blocks, to the base unit, and the audit agrees.
 *
 * The process's name is the argument. ADIT_KILLS: how often (default 2). ADIT_SEED: the moments. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/fixture/pool_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

static struct pool_fixture pool;
static const char *victim;
static unsigned kills = 2;
static unsigned seed;

enum { MINERS = 2, RECOVERY_S = 20 };

static json_int_t accepted_now(void)
{
    json_t *status = pool_api(&pool, "/api/v1/pool/status");
    json_int_t count =
        status == NULL ? -1 : json_integer_value(json_object_get(status, "valid_shares"));
    json_decref(status);
    return count;
}

static bool more_shares(const struct pool_fixture *self, void *context)
{
    (void)self;
    json_int_t now = accepted_now();
    return now > *(json_int_t *)context;
}

struct rebirth {
    pid_t old;
};

static bool reborn(const struct pool_fixture *self, void *context)
{
    pid_t pid = pool_pid(self, victim, NULL);
    return pid != 0 && pid != ((struct rebirth *)context)->old;
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void kill_at_random_moments(void)
{
    for (unsigned i = 0; i < kills; i++) {
        json_int_t before = accepted_now();
        pool_wait(&pool, "shares flow before a kill", RECOVERY_S, more_shares, &before);
        seed = seed * 1103515245u + 12345u;
        nanosleep(&(struct timespec){ .tv_nsec = (long)(seed >> 8) % 900000000 }, NULL);
        struct rebirth rebirth = { .old = pool_pid(&pool, victim, NULL) };
        assert_true(rebirth.old > 0);
        uint64_t killed_ms = clock_ms();
        assert_int_equal(kill(rebirth.old, SIGKILL), 0);
        pool_wait(&pool, "it is started again", RECOVERY_S, reborn, &rebirth);
        before = accepted_now();
        pool_wait(&pool, "shares flow again", RECOVERY_S, more_shares, &before);
        printf("%s killed: shares counted again after %" PRIu64 " ms\n", victim,
               clock_ms() - killed_ms);
    }
}

/* Sums to the base unit what the best chain pays to the pool, block by block; each block must be
 * known to the pool as matured. */
struct chain_sum {
    u128 rewards;
    unsigned blocks;
};

static uint64_t base_units(const json_t *value)
{
    return (uint64_t)(json_number_value(value) * 1e8 + 0.5);
}

static const char *state_of(const json_t *blocks, const char *hash)
{
    size_t index;
    json_t *block;
    json_array_foreach(json_object_get(blocks, "blocks"), index, block)
    {
        const char *name = json_string_value(json_object_get(block, "hash"));
        if (name != NULL && strcmp(name, hash) == 0)
            return json_string_value(json_object_get(block, "state"));
    }
    return "unknown";
}

static bool sum_chain(struct chain_sum *sum_r, bool must)
{
    *sum_r = (struct chain_sum){ 0 };
    json_t *count = pool_node(&pool, "getblockcount", "[]");
    json_t *blocks = pool_api(&pool, "/api/v1/blocks?limit=500");
    bool all = count != NULL && blocks != NULL;
    for (json_int_t height = 1; all && height <= json_integer_value(count); height++) {
        char params[128];
        snprintf(params, sizeof params, "[%" JSON_INTEGER_FORMAT "]", height);
        json_t *hash = pool_node(&pool, "getblockhash", params);
        assert_non_null(hash);
        snprintf(params, sizeof params, "[\"%s\",2]", json_string_value(hash));
        json_t *block = pool_node(&pool, "getblock", params);
        assert_non_null(block);
        const json_t *coinbase = json_array_get(json_object_get(block, "tx"), 0);
        uint64_t reward = 0;
        size_t index;
        json_t *output;
        json_array_foreach(json_object_get(coinbase, "vout"), index, output)
        {
            const char *to = json_string_value(
                json_object_get(json_object_get(output, "scriptPubKey"), "address"));
            if (to != NULL && strcmp(to, pool.pool_address) == 0)
                reward += base_units(json_object_get(output, "value"));
        }
        if (reward > 0) {
            const char *state = state_of(blocks, json_string_value(hash));
            if (strcmp(state, "matured") != 0) {
                all = false;
                if (must)
                    fail_msg("block %s at %" JSON_INTEGER_FORMAT " is %s", json_string_value(hash),
                             height, state);
            }
            sum_r->rewards += reward;
            sum_r->blocks++;
        }
        json_decref(block);
        json_decref(hash);
    }
    json_decref(blocks);
    json_decref(count);
    return all;
}

static bool everything_matured(const struct pool_fixture *self, void *context)
{
    (void)self;
    return sum_chain(context, false);
}

/* Blocks on top that pay elsewhere, so that all of ours mature. */
static void bury(void)
{
    json_t *mined = pool_node(&pool, "generatetoaddress",
                              "[5,\"bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202\"]");
    assert_non_null(mined);
    json_decref(mined);
}

static void check_ledger(const struct chain_sum *sum)
{
    char command[400], text[8192], want[64];
    snprintf(command, sizeof command, "%s/bin/adit audit --json --config %s --data %s",
             getenv("ADIT_BUILD"), pool.config, pool.data);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    size_t length = fread(text, 1, sizeof text - 1, out);
    text[length] = '\0';
    int status = pclose(out);
    if (WEXITSTATUS(status) != 0)
        fail_msg("adit audit: %s", text);
    json_t *report = json_loads(text, 0, NULL);
    assert_non_null(report);
    u128_format(sum->rewards, want);
    const char *credited = json_string_value(json_object_get(report, "rewards"));
    assert_non_null(credited);
    assert_string_equal(credited, want);
    json_decref(report);
}

/* The API tells what the window counts a second late. */
static bool counted_at_least(const struct pool_fixture *self, void *context)
{
    (void)self;
    return accepted_now() >= (json_int_t) * (const uint64_t *)context;
}

static void the_books_are_right_after_kills(void **state)
{
    (void)state;
    struct pool_miner_report reports[MINERS], all = { 0 };
    for (int i = 0; i < MINERS; i++) {
        char user[160];
        snprintf(user, sizeof user, "%s.worker%d", pool.pool_address, i);
        pool_add_miner(&pool, user, 30000);
    }
    json_int_t none = 10;
    pool_wait(&pool, "the first shares", 30, more_shares, &none);
    kill_at_random_moments();
    for (size_t i = 0; i < MINERS; i++) {
        pool_end_miner(&pool, i, &reports[i]);
        all.submitted += reports[i].submitted;
        all.accepted += reports[i].accepted;
        all.rejected += reports[i].rejected;
        all.unanswered += reports[i].unanswered;
    }
    bury();
    struct chain_sum sum;
    pool_wait(&pool, "every block of the chain is known and matured", 60, everything_matured, &sum);
    pool_wait(&pool, "every share a miner saw accepted is counted", 5, counted_at_least,
              &all.accepted);
    uint64_t counted = (uint64_t)accepted_now();
    printf("submitted %" PRIu64 ", accepted %" PRIu64 ", rejected %" PRIu64 ", unanswered %" PRIu64
           "; counted %" PRIu64 "; %u blocks\n",
           all.submitted, all.accepted, all.rejected, all.unanswered, counted, sum.blocks);
    assert_true(counted <= all.accepted + all.unanswered);
    assert_true(sum.blocks > 0);
    check_ledger(&sum);
}

static int begin(void **state)
{
    (void)state;
    /* Payments are tested elsewhere: here every unit stays in the ledger's balances. */
    pool_start(&pool, "{\"payout\":{\"enabled\":false},\"stratum\":{\"share_interval_ms\":200}}",
               false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "kill_test PROCESS\n");
        return 64;
    }
    victim = argv[1];
    seed = getenv("ADIT_SEED") != NULL ? (unsigned)strtoul(getenv("ADIT_SEED"), NULL, 10)
                                       : (unsigned)time(NULL);
    if (getenv("ADIT_KILLS") != NULL)
        kills = (unsigned)strtoul(getenv("ADIT_KILLS"), NULL, 10);
    printf("ADIT_SEED=%u\n", seed);
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_books_are_right_after_kills) };
    return cmocka_run_group_tests_name(victim, tests, begin, end);
}
