#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/nodes/chain_nodes.h"
#include "tests/fixture/pool_fixture.h"

#include "base/test_port.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One block in 2^16 hashes; for ever, as on a chain whose bits change seldom. */
#define BITS "1f00ffff"
enum { FIRST_BLOCKS = 6, ANSWER_S = 60, BACK_MAX = 500 };

json_t *chain_nodes_ask(const struct chain_nodes *nodes, unsigned node, const char *method,
                        const char *params)
{
    const struct pool_fixture at = { .node_port = nodes->ports[node] };
    return pool_node(&at, method, params);
}

json_int_t chain_nodes_height(const struct chain_nodes *nodes, unsigned node)
{
    json_t *count = chain_nodes_ask(nodes, node, "getblockcount", "[]");
    json_int_t height = count != NULL ? json_integer_value(count) : -1;
    json_decref(count);
    return height;
}

static void launch(struct chain_nodes *nodes, unsigned node)
{
    char program[512], data[128], listen[32], log[128];
    const char *build = getenv("ADIT_BUILD");
    snprintf(program, sizeof program, "%s/bin/devnode", build != NULL ? build : "build");
    snprintf(data, sizeof data, "%s/%u", nodes->folder, node);
    snprintf(log, sizeof log, "%s/%u.log", nodes->folder, node);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", nodes->ports[node]);
    nodes->pids[node] = fork();
    assert_true(nodes->pids[node] >= 0);
    if (nodes->pids[node] != 0)
        return;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execl(program, program, "--data", data, "--listen", listen, "--maturity", "3", "--fixed-bits",
          "--initial-bits", BITS, "--die-with-parent", (char *)NULL);
    _exit(98);
}

void chain_nodes_revive(struct chain_nodes *nodes, unsigned node)
{
    launch(nodes, node);
    for (int i = 0; i < 100 * ANSWER_S && chain_nodes_height(nodes, node) < 0; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    assert_true(chain_nodes_height(nodes, node) >= 0);
}

void chain_nodes_kill(struct chain_nodes *nodes, unsigned node)
{
    kill(nodes->pids[node], SIGKILL);
    assert_int_equal(waitpid(nodes->pids[node], NULL, 0), nodes->pids[node]);
    nodes->pids[node] = 0;
}

void chain_nodes_fault(const struct chain_nodes *nodes, unsigned node, const char *kind,
                       unsigned ms)
{
    char params[80];
    snprintf(params, sizeof params, "[{\"kind\":\"%s\",\"ms\":%u}]", kind, ms);
    json_t *answer = chain_nodes_ask(nodes, node, "devnode_fault", params);
    assert_non_null(answer);
    json_decref(answer);
}

/* The hash of a node's block at a height; "" where it has none. */
static void hash_at(const struct chain_nodes *nodes, unsigned node, json_int_t height,
                    char hash_r[65])
{
    char params[32];
    snprintf(params, sizeof params, "[%lld]", (long long)height);
    json_t *hash = chain_nodes_ask(nodes, node, "getblockhash", params);
    snprintf(hash_r, 65, "%s", hash != NULL ? json_string_value(hash) : "");
    json_decref(hash);
}

static void give_block(const struct chain_nodes *nodes, unsigned from, unsigned to,
                       const char *hash)
{
    char ask[80];
    snprintf(ask, sizeof ask, "[\"%s\",0]", hash);
    json_t *block = chain_nodes_ask(nodes, from, "getblock", ask);
    if (block == NULL)
        return;
    json_t *params = json_pack("[O]", block);
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(chain_nodes_ask(nodes, to, "submitblock", text));
    free(text);
    json_decref(params);
    json_decref(block);
}

bool chain_nodes_relay(const struct chain_nodes *nodes, unsigned from, unsigned to)
{
    char here[65] = "", there[65] = "";
    json_int_t tip = chain_nodes_height(nodes, from), base = tip;
    for (; base >= 0 && tip - base < BACK_MAX; base--) {
        hash_at(nodes, from, base, here);
        hash_at(nodes, to, base, there);
        if (here[0] != '\0' && strcmp(here, there) == 0)
            break;
    }
    for (json_int_t height = base + 1; height <= tip; height++) {
        hash_at(nodes, from, height, here);
        give_block(nodes, from, to, here);
    }
    hash_at(nodes, from, tip, here);
    hash_at(nodes, to, tip, there);
    return tip >= 0 && strcmp(here, there) == 0;
}

void chain_nodes_begin(struct chain_nodes *nodes)
{
    char params[160];
    *nodes = (struct chain_nodes){ .folder = "/tmp/adit-nodes-XXXXXX" };
    assert_non_null(mkdtemp(nodes->folder));
    for (unsigned i = 0; i < CHAIN_NODES; i++) {
        nodes->ports[i] = test_port();
        chain_nodes_revive(nodes, i);
    }
    json_t *address = chain_nodes_ask(nodes, 0, "getnewaddress", "[]");
    assert_non_null(address);
    snprintf(nodes->address, sizeof nodes->address, "%s", json_string_value(address));
    json_decref(address);
    snprintf(params, sizeof params, "[%d,\"bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202\"]",
             FIRST_BLOCKS);
    json_decref(chain_nodes_ask(nodes, 0, "generatetoaddress", params));
    for (unsigned i = 1; i < CHAIN_NODES; i++)
        assert_true(chain_nodes_relay(nodes, 0, i));
}

void chain_nodes_end(struct chain_nodes *nodes)
{
    char command[160];
    for (unsigned i = 0; i < CHAIN_NODES; i++)
        if (nodes->pids[i] > 0)
            chain_nodes_kill(nodes, i);
    snprintf(command, sizeof command, "rm -rf '%s'", nodes->folder);
    int ignored = system(command);
    (void)ignored;
}
