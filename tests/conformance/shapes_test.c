/* A whole pool whose table of odd clients says that our own miner can take a coinbase without the
 * pool's tag at the most: it mines blocks, a node takes them, and they have no tag. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/fixture/pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TAG "/the tag of this pool, in full/"
#define LIMIT 170 /* of bytes: some 155 without the tag, 187 with it */

static struct pool_fixture pool;
static char quirks_path[64];

/* The hex of the newest block; NULL while there is none. Caller owns. */
static char *newest_block(const struct pool_fixture *self)
{
    char params[96];
    json_t *answer = pool_api(self, "/api/v1/blocks");
    const char *hash = json_string_value(
        json_object_get(json_array_get(json_object_get(answer, "blocks"), 0), "hash"));
    snprintf(params, sizeof params, "[\"%s\",0]", hash != NULL ? hash : "");
    json_t *block = hash != NULL ? pool_node(self, "getblock", params) : NULL;
    char *text = json_is_string(block) ? strdup(json_string_value(block)) : NULL;
    json_decref(block);
    json_decref(answer);
    return text;
}

static bool there_is_a_block(const struct pool_fixture *self, void *context)
{
    char **text = context;
    *text = newest_block(self);
    return *text != NULL;
}

/* The newest block's coinbase holds the tag. */
static bool is_tagged(const char *block)
{
    char hex[2 * sizeof TAG];
    hex_encode(span_text(TAG), hex);
    return strstr(block, hex) != NULL;
}

static void mine_a_block(const char *quirks, bool tagged)
{
    FILE *file = fopen(quirks_path, "w");
    assert_non_null(file);
    fputs(quirks, file);
    assert_int_equal(fclose(file), 0);
    char settings[512], *block = NULL;
    snprintf(settings, sizeof settings,
             "{\"chain\":{\"tag\":\"" TAG "\"},"
             "\"payout\":{\"enabled\":false},"
             "\"stratum\":{\"quirks_file\":\"%s\",\"start_difficulty\":\"0.0001\"}}",
             quirks_path);
    pool_start(&pool, settings, false);
    char user[160];
    snprintf(user, sizeof user, "%s.small", pool.pool_address);
    size_t miner = pool_add_miner(&pool, user, 2000000);
    pool_wait(&pool, "a block", 60, there_is_a_block, &block);
    assert_int_equal(is_tagged(block), tagged);
    free(block);
    struct pool_miner_report report;
    pool_end_miner(&pool, miner, &report);
    assert_true(report.accepted > 0);
    assert_int_equal(report.rejected, 0);
    pool_expect_no_errors(&pool, NULL);
    pool_end(&pool);
}

static void a_client_with_a_small_limit_finds_blocks_without_the_tag(void **state)
{
    (void)state;
    char line[96];
    snprintf(line, sizeof line, "{\"agent\":\"adit-miner/\",\"coinbase_bytes_max\":%d}\n", LIMIT);
    mine_a_block(line, false);
}

static void others_find_blocks_with_it(void **state)
{
    (void)state;
    char line[96];
    snprintf(line, sizeof line, "{\"agent\":\"another/\",\"coinbase_bytes_max\":%d}\n", LIMIT);
    mine_a_block(line, true);
}

int main(void)
{
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not name a build folder\n");
        return 77;
    }
    snprintf(quirks_path, sizeof quirks_path, "/tmp/adit-quirks-%d", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_with_a_small_limit_finds_blocks_without_the_tag),
        cmocka_unit_test(others_find_blocks_with_it),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(quirks_path);
    return failed;
}
