#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

unsigned books_number(const char *variable, unsigned fallback)
{
    const char *given = getenv(variable);
    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : fallback;
}

unsigned books_seed(void)
{
    unsigned seed = books_number("ADIT_SEED", (unsigned)time(NULL));
    printf("ADIT_SEED=%u\n", seed);
    return seed;
}

json_int_t books_shares(const struct pool_fixture *pool)
{
    json_t *status = pool_api(pool, "/api/v1/pool/status");
    json_int_t count =
        status == NULL ? -1 : json_integer_value(json_object_get(status, "valid_shares"));
    json_decref(status);
    return count;
}

bool books_more_shares(const struct pool_fixture *pool, void *context)
{
    return books_shares(pool) > *(const json_int_t *)context;
}

const char *books_state(const json_t *blocks, const char *hash)
{
    const char *state = "unknown";
    size_t index, count = 0;
    json_t *block;
    json_array_foreach(json_object_get(blocks, "blocks"), index, block)
    {
        const char *name = json_string_value(json_object_get(block, "hash"));
        if (name != NULL && strcmp(name, hash) == 0) {
            state = json_string_value(json_object_get(block, "state"));
            count++;
        }
    }
    return count > 1 ? "listed twice" : state != NULL ? state : "unknown";
}

static uint64_t base_units(const json_t *value)
{
    return (uint64_t)(json_number_value(value) * 1e8 + 0.5);
}

/* What a block's coinbase pays to the pool. */
static uint64_t reward_of(const struct pool_fixture *pool, const json_t *block)
{
    const json_t *coinbase = json_array_get(json_object_get(block, "tx"), 0);
    uint64_t reward = 0;
    size_t index;
    json_t *output;
    json_array_foreach(json_object_get(coinbase, "vout"), index, output)
    {
        const char *to =
            json_string_value(json_object_get(json_object_get(output, "scriptPubKey"), "address"));
        if (to != NULL && strcmp(to, pool->pool_address) == 0)
            reward += base_units(json_object_get(output, "value"));
    }
    return reward;
}

bool books_all_matured(const struct pool_fixture *pool, void *context)
{
    struct books_sum *sum = context;
    *sum = (struct books_sum){ 0 };
    json_t *count = pool_node(pool, "getblockcount", "[]");
    json_t *blocks = pool_api(pool, "/api/v1/blocks?limit=500");
    bool all = count != NULL && blocks != NULL;
    for (json_int_t height = 1; all && height <= json_integer_value(count); height++) {
        char params[128];
        snprintf(params, sizeof params, "[%" JSON_INTEGER_FORMAT "]", height);
        json_t *hash = pool_node(pool, "getblockhash", params);
        assert_non_null(hash);
        snprintf(params, sizeof params, "[\"%s\",2]", json_string_value(hash));
        json_t *block = pool_node(pool, "getblock", params);
        assert_non_null(block);
        uint64_t reward = reward_of(pool, block);
        if (reward > 0) {
            all = strcmp(books_state(blocks, json_string_value(hash)), "matured") == 0;
            sum->rewards += reward;
            sum->blocks++;
        }
        json_decref(block);
        json_decref(hash);
    }
    json_decref(blocks);
    json_decref(count);
    return all;
}

void books_bury(const struct pool_fixture *pool)
{
    json_t *mined = pool_node(pool, "generatetoaddress",
                              "[5,\"bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202\"]");
    assert_non_null(mined);
    json_decref(mined);
}

void books_check_ledger(const struct pool_fixture *pool, const struct books_sum *sum)
{
    char command[400], text[8192], want[64];
    snprintf(command, sizeof command, "%s/bin/adit audit --json --config %s --data %s",
             getenv("ADIT_BUILD"), pool->config, pool->data);
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
