#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/devchain.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILLED_BLOCKS = 8 };

/* Caller owns. */
static json_t *ask(struct devchain *chain, const char *method, const char *params)
{
    json_t *result = pool_node(&chain->node, method, params);
    if (result == NULL)
        fail_msg("devnode does not answer %s", method);
    return result;
}

static void mine(struct devchain *chain, unsigned blocks)
{
    char params[200];
    snprintf(params, sizeof params, "[%u,\"%s\"]", blocks, chain->wallet_address);
    json_decref(ask(chain, "generatetoaddress", params));
}

void devchain_start(struct devchain *chain, const char *folder)
{
    char program[512], data[128], path[160];
    const char *build = getenv("ADIT_BUILD");
    *chain = (struct devchain){ .pid = 0 };
    snprintf(program, sizeof program, "%s/bin/devnode", build != NULL ? build : "build");
    snprintf(data, sizeof data, "%s/node", folder);
    snprintf(path, sizeof path, "%s/endpoint", data);
    assert_int_equal(mkdir(data, 0700), 0);
    chain->pid = fork();
    assert_true(chain->pid >= 0);
    if (chain->pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(99);
        execl(program, program, "--data", data, "--listen", "127.0.0.1:0", "--maturity", "3",
              "--algorithm", "sha256d", "--fixed-bits", "--initial-bits", "207fffff",
              "--die-with-parent", (char *)NULL);
        _exit(98);
    }
    for (int i = 0; i < 1000 && chain->node.node_port == 0; i++) {
        FILE *endpoint = fopen(path, "r");
        if (endpoint == NULL || fscanf(endpoint, "127.0.0.1:%u", &chain->node.node_port) != 1)
            usleep(10000);
        if (endpoint != NULL)
            fclose(endpoint);
    }
    json_t *address = ask(chain, "getnewaddress", "[]");
    snprintf(chain->wallet_address, sizeof chain->wallet_address, "%s", json_string_value(address));
    json_decref(address);
    mine(chain, FILLED_BLOCKS);
}

void devchain_end(struct devchain *chain)
{
    kill(chain->pid, SIGKILL);
    (void)waitpid(chain->pid, NULL, 0);
}

bool devchain_mine_waiting(struct devchain *chain)
{
    json_t *waiting = ask(chain, "getrawmempool", "[]");
    bool any = json_array_size(waiting) > 0;
    json_decref(waiting);
    if (any)
        mine(chain, DEVCHAIN_MATURITY + 1);
    return any;
}

static void count_block(const json_t *block, devchain_visitor visit, void *context)
{
    size_t i, j;
    const json_t *transaction, *output;
    json_array_foreach(json_object_get(block, "tx"), i, transaction)
    {
        json_array_foreach(json_object_get(transaction, "vout"), j, output)
        {
            const json_t *script = json_object_get(output, "scriptPubKey");
            double coins = json_number_value(json_object_get(output, "value"));
            visit(context, json_string_value(json_object_get(script, "address")),
                  (uint64_t)(coins * 1e8 + 0.5));
        }
    }
}

void devchain_count(struct devchain *chain, devchain_visitor visit, void *context)
{
    char params[128];
    json_t *height = ask(chain, "getblockcount", "[]");
    uint64_t tip = (uint64_t)json_integer_value(height);
    json_decref(height);
    while (chain->counted < tip) {
        snprintf(params, sizeof params, "[%" PRIu64 "]", ++chain->counted);
        json_t *hash = ask(chain, "getblockhash", params);
        snprintf(params, sizeof params, "[\"%s\",2]", json_string_value(hash));
        json_t *block = ask(chain, "getblock", params);
        count_block(block, visit, context);
        json_decref(block);
        json_decref(hash);
    }
}
