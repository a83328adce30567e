/* A pool on three real nodes, on a coin that only a profile's file knows. One node lies while
 * another is dead, again and again: jobs go on, the blocks found are offered to every node that is
 * left, the liar and the dead are left aside and named where operators look, and come back when
 * they are well. In the end every share a miner read `true` for is counted, and the books are
 * right.
 *
 * ADIT_NODE_FAULTS=1: every fault there is, each told by the node that is mined on; else a few. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"
#include "tests/nodes/chain_nodes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MINERS = 2, WAIT_S = 60, ANSWER_BYTES = 1 << 17 };

static struct pool_fixture pool;
static struct chain_nodes nodes;
static bool all_faults;

static const char profile[] =
    "{\"name\":\"madeup\",\"ticker\":\"MADE\",\"chain\":\"regtest\",\"algorithm\":\"blake2s\","
    "\"bech32_hrp\":\"bcrt\",\"p2pkh_version\":111,\"p2sh_version\":196,\"coinbase_maturity\":3,"
    "\"decimals\":8,\"target_spacing_seconds\":2,\"subsidy\":5000000000,\"halving_interval\":0,"
    "\"retarget_interval\":100000,\"dust_scale\":1,\"segwit\":true,\"gbt_rules\":[\"segwit\"]}";

/* What `adit COMMAND` prints; borrowed until the next call. */
static const char *adit(const char *command)
{
    static char text[ANSWER_BYTES];
    char line[700];
    snprintf(line, sizeof line, "%s/bin/adit %s --config %s --data %s 2>&1", getenv("ADIT_BUILD"),
             command, pool.config, pool.data);
    FILE *out = popen(line, "r");
    assert_non_null(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    pclose(out);
    return text;
}

/* `adit node --json`, NULL while no scheduler leads; caller owns. */
static json_t *node_table(void)
{
    return json_loads(adit("node --json"), 0, NULL);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* Which of the nodes a name is, by its port. */
static unsigned index_of(const char *name)
{
    unsigned port = 0;
    const char *colon = strrchr(name, ':');
    if (colon != NULL && sscanf(colon, ":%u", &port) != 1)
        port = 0;
    for (unsigned i = 0; i < CHAIN_NODES; i++)
        if (nodes.ports[i] == port)
            return i;
    fail_msg("\"%s\" is none of the nodes", name);
    return 0;
}

/* Its line of the table; borrowed from it. */
static const json_t *line_of(const json_t *table, unsigned node)
{
    size_t i;
    const json_t *line;
    json_array_foreach(json_object_get(table, "nodes"), i, line)
    {
        if (index_of(text_of(line, "name")) == node)
            return line;
    }
    return NULL;
}

/* The node whose template the newest job is made of. */
static unsigned mined_on(void)
{
    json_t *table = node_table();
    const char *name = text_of(json_array_get(json_object_get(table, "jobs"), 0), "node");
    unsigned node = index_of(name);
    json_decref(table);
    return node;
}

static bool is_mined_on(const struct pool_fixture *self, void *context)
{
    (void)self;
    return mined_on() == *(const unsigned *)context;
}

static bool all_are_well(const struct pool_fixture *self, void *context)
{
    (void)self;
    /* As nodes would among themselves: whoever is behind gets the best one's blocks. */
    unsigned best = *(const unsigned *)context;
    for (unsigned i = 0; i < CHAIN_NODES; i++)
        if (i != best && !chain_nodes_relay(&nodes, best, i) && !chain_nodes_relay(&nodes, i, best))
            return false;
    json_t *table = node_table();
    bool well = table != NULL;
    for (unsigned i = 0; well && i < CHAIN_NODES; i++) {
        const json_t *line = line_of(table, i);
        well = strcmp(text_of(line, "standing"), "well") == 0 &&
               json_is_true(json_object_get(line, "usable"));
    }
    json_decref(table);
    return well;
}

/* A node in the standing expected, left aside. */
struct expected {
    unsigned node;
    const char *standing;
};

static bool is_left_aside(const struct pool_fixture *self, void *context)
{
    const struct expected *expected = context;
    (void)self;
    json_t *table = node_table();
    const json_t *line = line_of(table, expected->node);
    bool aside = line != NULL && strcmp(text_of(line, "standing"), expected->standing) == 0 &&
                 json_is_false(json_object_get(line, "usable")) && text_of(line, "reason")[0] != 0;
    json_decref(table);
    return aside;
}

/* The API's health, and what `adit status` prints, name the node and what is wrong with it. */
static bool is_named(const struct pool_fixture *self, void *context)
{
    const struct expected *expected = context;
    char name[64];
    snprintf(name, sizeof name, "127.0.0.1:%u %s", nodes.ports[expected->node], expected->standing);
    json_t *status = pool_api(self, "/api/v1/pool/status");
    const json_t *health =
        json_object_get(json_object_get(status, "component_health"), "inode-scheduler");
    const char *said = text_of(health, "last_error");
    bool named = strcmp(text_of(health, "status"), "unhealthy") == 0 && strstr(said, name) != NULL;
    json_decref(status);
    return named && strstr(adit("status"), name) != NULL;
}

struct growth {
    unsigned node;
    json_int_t beyond;
};

static bool has_grown(const struct pool_fixture *self, void *context)
{
    const struct growth *growth = context;
    (void)self;
    return chain_nodes_height(&nodes, growth->node) > growth->beyond;
}

/* The pool's own blocks go on, on this node. */
static void expect_blocks(unsigned node, unsigned more)
{
    struct growth growth = { node, chain_nodes_height(&nodes, node) + more - 1 };
    assert_true(growth.beyond >= 0);
    pool_wait(&pool, "the pool finds blocks for the node that is left", WAIT_S, has_grown, &growth);
}

static void a_coin_is_a_file_and_its_blocks_go_to_every_node(void **state)
{
    (void)state;
    unsigned best = 0;
    pool_wait(&pool, "all nodes are well", WAIT_S, all_are_well, &best);
    expect_blocks(1, 2);
    json_t *statistics = pool_api(&pool, "/api/v1/pool/statistics");
    assert_string_equal(text_of(statistics, "ticker"), "MADE");
    json_decref(statistics);
    /* One block's answers, each with who gave it and how long it took. */
    json_t *table = node_table();
    const json_t *list = json_object_get(table, "submissions"), *line;
    const char *block = text_of(json_array_get(list, json_array_size(list) - 1), "block");
    bool answered[CHAIN_NODES] = { false };
    size_t i;
    assert_int_equal(strlen(block), 64);
    json_array_foreach(list, i, line)
    {
        if (strcmp(text_of(line, "block"), block) != 0)
            continue;
        answered[index_of(text_of(line, "node"))] = text_of(line, "answer")[0] != '\0';
        assert_true(json_integer_value(json_object_get(line, "took_us")) > 0);
        assert_true(json_integer_value(json_object_get(line, "time_ms")) > 0);
    }
    for (i = 0; i < CHAIN_NODES; i++)
        assert_true(answered[i]);
    assert_true(json_array_size(json_object_get(table, "jobs")) > 0);
    json_decref(table);
}

/* One node is bad in this manner, the next is dead or stopped, the third is left. */
static void try_fault(const char *kind, unsigned ms, const char *standing, bool stopped)
{
    struct expected bad = { mined_on(), standing };
    struct expected gone = { (bad.node + 1) % CHAIN_NODES, "unreached" };
    unsigned left = (bad.node + 2) % CHAIN_NODES;
    printf("node %u: %s; node %u: %s\n", bad.node, kind, gone.node, stopped ? "stopped" : "killed");
    if (stopped)
        kill(nodes.pids[gone.node], SIGSTOP);
    else
        chain_nodes_kill(&nodes, gone.node);
    chain_nodes_fault(&nodes, bad.node, kind, ms);
    pool_wait(&pool, "the bad node is left aside", WAIT_S, is_left_aside, &bad);
    pool_wait(&pool, "the dead node is left aside", WAIT_S, is_left_aside, &gone);
    pool_wait(&pool, "health names the bad node", WAIT_S, is_named, &bad);
    pool_wait(&pool, "health names the dead node", WAIT_S, is_named, &gone);
    expect_blocks(left, 2);
    pool_wait(&pool, "the newest job is of the node that is left", WAIT_S, is_mined_on, &left);
    if (stopped)
        kill(nodes.pids[gone.node], SIGCONT);
    else
        chain_nodes_revive(&nodes, gone.node);
    chain_nodes_fault(&nodes, bad.node, "none", 0);
    pool_wait(&pool, "all nodes are well again", WAIT_S, all_are_well, &left);
    expect_blocks(bad.node, 1);
}

static void whichever_node_lies_and_whichever_dies_the_pool_mines_on(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *standing;
        unsigned ms;
        bool stopped, quick;
    } faults[] = {
        { "forged_work", "false tip", 0, false, true },
        { "forged_header", "false tip", 0, true, true },
        { "forged_height", "false tip", 0, false, false },
        { "stale", "no template", 0, false, false },
        { "syncing", "syncing", 0, false, false },
        { "deaf", "stuck", 0, true, false },
        { "slow", "slow", 700, false, false },
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (all_faults || faults[i].quick)
            try_fault(faults[i].kind, faults[i].ms, faults[i].standing, faults[i].stopped);
}

/* It tells who follows the chain the truth, and who mines on it of an old block with much work. */
static void a_node_that_lies_only_to_who_mines_on_it_is_left_aside(void **state)
{
    (void)state;
    struct expected bad = { mined_on(), "false tip" };
    unsigned left = (bad.node + 1) % CHAIN_NODES;
    chain_nodes_fault(&nodes, bad.node, "forged_best", 0);
    pool_wait(&pool, "the liar is left aside", WAIT_S, is_left_aside, &bad);
    expect_blocks(left, 2);
    chain_nodes_fault(&nodes, bad.node, "none", 0);
    pool_wait(&pool, "all nodes are well again", WAIT_S, all_are_well, &left);
}

static int by_value(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* What the scheduler's log says of jobs made before their template, microseconds. */
static size_t read_times(long *times_r, size_t capacity)
{
    char path[160], line[1024];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/log/inode-scheduler.log", pool.data);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (count < capacity && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, " tip.mined_on ");
        at = at != NULL ? strstr(at, "took_us=") : NULL;
        if (at != NULL)
            times_r[count++] = strtol(at + 8, NULL, 10);
    }
    fclose(log);
    return count;
}

struct times {
    long list[4096];
    size_t wanted;
};

static bool has_times(const struct pool_fixture *self, void *context)
{
    struct times *times = context;
    (void)self;
    return read_times(times->list, sizeof times->list / sizeof times->list[0]) >= times->wanted;
}

/* However late the template is: its node has the block, and says so. How soon the job is out is
 * printed; a busy machine fails nobody. */
static void a_new_tip_is_mined_on_while_its_template_is_late(void **state)
{
    (void)state;
    static struct times times;
    const size_t tips = all_faults ? 120 : 10;
    size_t before = read_times(times.list, sizeof times.list / sizeof times.list[0]);
    for (unsigned i = 0; i < CHAIN_NODES; i++)
        chain_nodes_fault(&nodes, i, "slow_template", 2000);
    times.wanted = before + tips;
    for (size_t i = 0; i < tips; i++) {
        static struct times next;
        next.wanted = before + i + 1;
        json_decref(chain_nodes_ask(&nodes, 0, "generatetoaddress",
                                    "[1,\"bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202\"]"));
        pool_wait(&pool, "a job on the new tip", WAIT_S, has_times, &next);
    }
    for (unsigned i = 0; i < CHAIN_NODES; i++)
        chain_nodes_fault(&nodes, i, "none", 0);
    size_t count = read_times(times.list, sizeof times.list / sizeof times.list[0]) - before;
    qsort(times.list + before, count, sizeof times.list[0], by_value);
    printf("a new tip to its job: median %ld us, p99 %ld us of %zu tips\n",
           times.list[before + count / 2], times.list[before + count * 99 / 100], count);
    unsigned best = 0;
    pool_wait(&pool, "all nodes are well", WAIT_S, all_are_well, &best);
}

static bool counts_all(const struct pool_fixture *self, void *context)
{
    return books_shares(self) >= *(const json_int_t *)context;
}

static void no_work_is_lost(void **state)
{
    (void)state;
    struct books_sum sum;
    json_int_t accepted = 0;
    for (size_t i = 0; i < MINERS; i++) {
        struct pool_miner_report report;
        pool_end_miner(&pool, i, &report);
        printf("a miner sent %llu shares: %llu accepted, %llu rejected, %llu unanswered\n",
               (unsigned long long)report.submitted, (unsigned long long)report.accepted,
               (unsigned long long)report.rejected, (unsigned long long)report.unanswered);
        accepted += (json_int_t)report.accepted;
    }
    assert_true(accepted > 0);
    pool_wait(&pool, "every share that was answered true is counted", WAIT_S, counts_all,
              &accepted);
    unsigned best = 0;
    pool_wait(&pool, "all nodes have one chain", WAIT_S, all_are_well, &best);
    books_bury(&pool);
    pool_wait(&pool, "every block of the chain is known once and matured", 90, books_all_matured,
              &sum);
    printf("%u blocks pay to the pool\n", sum.blocks);
    assert_true(sum.blocks > 0);
    books_check_ledger(&pool, &sum);
    pool_expect_no_errors(&pool, NULL);
}

static void write_profile(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/madeup.json", nodes.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(profile, file);
    assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
    char settings[1200];
    (void)state;
    chain_nodes_begin(&nodes);
    write_profile();
    snprintf(settings, sizeof settings,
             "{\"chain\":{\"profile\":\"madeup\",\"profile_folder\":\"%s\",\"address\":\"%s\","
             "\"nodes\":[\"http://127.0.0.1:%u\",\"http://127.0.0.1:%u\",\"http://127.0.0.1:%u\"],"
             "\"node_patience_s\":3,\"node_slow_ms\":400},\"payout\":{\"enabled\":false},"
             "\"stratum\":{\"share_interval_ms\":200}}",
             nodes.folder, nodes.address, nodes.ports[0], nodes.ports[1], nodes.ports[2]);
    pool_start(&pool, settings, false);
    pool.node_port = nodes.ports[0];
    snprintf(pool.pool_address, sizeof pool.pool_address, "%s", nodes.address);
    pool_add_miners(&pool, MINERS, 20000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    chain_nodes_end(&nodes);
    return 0;
}

int main(void)
{
    all_faults = getenv("ADIT_NODE_FAULTS") != NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_coin_is_a_file_and_its_blocks_go_to_every_node),
        cmocka_unit_test(whichever_node_lies_and_whichever_dies_the_pool_mines_on),
        cmocka_unit_test(a_node_that_lies_only_to_who_mines_on_it_is_left_aside),
        cmocka_unit_test(a_new_tip_is_mined_on_while_its_template_is_late),
        cmocka_unit_test(no_work_is_lost),
    };
    return cmocka_run_group_tests_name("three nodes", tests, begin, end);
}
