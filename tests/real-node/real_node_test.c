/* The pool, unchanged but for its settings, on a real node in regtest: Bitcoin Knots, or Litecoin
 * Core with its extension blocks (the argument says which). A miner finds blocks through the pool,
 * the node accepts them, they mature, and the miner is paid from the node's wallet; every amount is
 * compared to the base unit. The miner is the program that ADIT_TEST_MINERD names (pooler's
 * cpuminer, "minerd"), else our own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_port.h"
#include "tests/fixture/pool_fixture.h"
#include "tests/real-node/knots.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WALLET "pool"
#define OUTSIDE "outside"
#define MATURITY 100
#define FEE_BASIS_POINTS 100

enum { GENERATIONS = 3, DEPTH_MAX = 6 };

static struct pool_fixture pool;
static struct knots knots, peer;
static char zmq_address[64] = "-"; /* where the node publishes its blocks; "-": nowhere */
/* What differs from node to node. */
static struct kind {
    const char *name, *profile, *algorithm, *hashrate;
    bool mweb, needs_peer;
} coin;
static const struct kind kinds[] = {
    { "knots", "bitcoin-regtest", "sha256d", "1000000", false, false },
    { "litecoin", "litecoin-regtest", "scrypt", "100", true, true },
};
static char miner_address[128];
static char outside_address[128];
static char emission_address[128];
static pid_t miner;

static void take(char *answer, char *text_r, size_t bytes)
{
    snprintf(text_r, bytes, "%s", answer);
    free(answer);
}

/* "49.50000000" as base units, exactly. */
static int64_t units_of(const char *coins)
{
    int64_t units = 0;
    const char *point = strchr(coins, '.');
    assert_non_null(point);
    assert_int_equal(strlen(point + 1), 8);
    for (const char *p = coins; *p != 0; p++)
        if (p != point)
            units = 10 * units + (*p - '0');
    return units;
}

static int64_t units_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? -1 : strtoll(text, NULL, 10);
}

/* A payment into the extension block: the next block has one with something in it. */
static void peg_in(void)
{
    char address[200];
    take(knots_ask(&knots, OUTSIDE, "getnewaddress \"\" mweb"), address, sizeof address);
    free(knots_ask(&knots, OUTSIDE, "sendtoaddress %s 1", address));
}

static void start_miner(void)
{
    char url[64];
    char own[4096];
    const char *minerd = getenv("ADIT_TEST_MINERD");
    snprintf(url, sizeof url, "stratum+tcp://127.0.0.1:%u", pool.stratum_port);
    snprintf(own, sizeof own, "%s/bin/adit-miner", getenv("ADIT_BUILD"));
    print_message("mining with %s\n", minerd == NULL ? "our own miner" : minerd);
    miner = fork();
    if (miner != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char log[128];
    snprintf(log, sizeof log, "%.60s/miner.log", pool.folder);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (minerd != NULL)
        execl(minerd, minerd, "-a", coin.algorithm, "-o", url, "-u", miner_address, "-p", "x", "-t",
              "1", (char *)NULL);
    else
        execl(own, own, "--algorithm", coin.algorithm, "--url", url, "--user", miner_address,
              "--hashrate-limit", coin.hashrate, (char *)NULL);
    _exit(127);
}

static void stop_miner(void)
{
    if (miner <= 0)
        return;
    kill(miner, SIGTERM);
    while (waitpid(miner, NULL, 0) < 0 && errno == EINTR)
        continue;
    miner = 0;
}

/* Calls for every block the pool says it found, page by page. */
static void each_block(void (*visit)(const json_t *block, void *context), void *context)
{
    char path[512] = "/api/v1/blocks?limit=500";
    for (bool more = true; more;) {
        json_t *answer = pool_api(&pool, path);
        json_t *block;
        size_t index;
        const char *next = json_string_value(json_object_get(answer, "next"));
        more = next != NULL;
        if (more)
            snprintf(path, sizeof path, "/api/v1/blocks?limit=500&page=%s", next);
        json_array_foreach(json_object_get(answer, "blocks"), index, block) visit(block, context);
        json_decref(answer);
    }
}

struct tally {
    unsigned on_chain;
    int64_t rewards;
    int64_t credits;
};

/* What the node itself says of a block: only those on its best chain count, and what their
 * coinbases pay to the pool's address. */
static void add_from_node(const json_t *block, void *context)
{
    struct tally *tally = context;
    const char *hash = json_string_value(json_object_get(block, "hash"));
    assert_non_null(hash);
    /* A candidate is listed before a node has taken it. */
    json_t *node_block = knots_try(&knots, NULL, "getblock %s 2", hash);
    const json_t *coinbase = json_array_get(json_object_get(node_block, "tx"), 0);
    if (json_integer_value(json_object_get(node_block, "confirmations")) > 0) {
        /* jansson reads amounts through doubles; eight decimals of it are exact here. */
        char coins[32];
        const json_t *paid =
            json_object_get(json_array_get(json_object_get(coinbase, "vout"), 0), "value");
        snprintf(coins, sizeof coins, "%.8f", json_number_value(paid));
        int64_t reward = units_of(coins);
        tally->on_chain++;
        tally->rewards += reward;
        tally->credits += reward - reward * FEE_BASIS_POINTS / 10000;
        assert_int_equal(units_at(block, "reward"), reward);
    }
    json_decref(node_block);
}

static struct tally tally_of_node(void)
{
    struct tally tally = { 0 };
    each_block(add_from_node, &tally);
    return tally;
}

static bool the_node_has_a_block(const struct pool_fixture *self, void *context)
{
    (void)self;
    struct tally tally = tally_of_node();
    *(struct tally *)context = tally;
    return tally.on_chain > 0;
}

static json_t *account(void)
{
    char path[256];
    snprintf(path, sizeof path, "/api/v1/accounts/%s", miner_address);
    return pool_api(&pool, path);
}

/* Counted anew at each look: what a gateway held when its miner ended may still become a block. */
static bool all_is_credited(const struct pool_fixture *self, void *context)
{
    (void)self;
    struct tally *tally = context;
    *tally = tally_of_node();
    json_t *owed = account();
    int64_t sum = units_at(owed, "immature") + units_at(owed, "available") +
                  units_at(owed, "in_flight") + units_at(owed, "paid");
    json_decref(owed);
    return sum == tally->credits;
}

/* Makes blocks on the node until the payment that is in its mempool is final for the pool. */
static bool all_is_paid(const struct pool_fixture *self, void *context)
{
    (void)self;
    const struct tally *tally = context;
    json_t *waiting = knots_json(&knots, NULL, "getrawmempool");
    if (json_array_size(waiting) > 0)
        free(knots_ask(&knots, OUTSIDE, "generatetoaddress 1 %s", outside_address));
    json_decref(waiting);
    json_t *owed = account();
    bool paid = units_at(owed, "paid") == tally->credits;
    json_decref(owed);
    return paid;
}

static void a_miner_on_a_real_node_is_paid_to_the_base_unit(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    start_miner();
    pool_wait(&pool, "a block of the pool is on the node's chain", 120, the_node_has_a_block,
              &tally);
    stop_miner();
    /* Blocks that were on their way when the miner ended count too. */
    free(knots_ask(&knots, OUTSIDE, "generatetoaddress 1 %s", outside_address));
    pool_wait(&pool, "the credits are those of the node's blocks", 60, all_is_credited, &tally);
    print_message("%u blocks on the node's chain, rewards %lld\n", tally.on_chain,
                  (long long)tally.rewards);

    free(knots_ask(&knots, OUTSIDE, "generatetoaddress %d %s", MATURITY + 1, outside_address));
    pool_wait(&pool, "everything is paid", 180, all_is_paid, &tally);

    /* What the miner's own wallet received, by the node's own books. */
    char received[32];
    take(knots_ask(&knots, OUTSIDE, "getreceivedbyaddress %s 1", miner_address), received,
         sizeof received);
    assert_int_equal(units_of(received), tally.credits);
    json_t *owed = account();
    assert_int_equal(units_at(owed, "immature"), 0);
    assert_int_equal(units_at(owed, "available"), 0);
    assert_int_equal(units_at(owed, "in_flight"), 0);
    json_decref(owed);
    print_message("the miner received %s coins\n", received);
}

/* What the ledger says of the miner. */
static int64_t owed(const char *kind)
{
    json_t *owed_now = account();
    int64_t units = units_at(owed_now, kind);
    json_decref(owed_now);
    return units;
}

static int64_t received(unsigned confirmations)
{
    char coins[32];
    take(knots_ask(&knots, OUTSIDE, "getreceivedbyaddress %s %u", miner_address, confirmations),
         coins, sizeof coins);
    return units_of(coins);
}

static void generate(unsigned blocks)
{
    free(knots_ask(&knots, OUTSIDE, "generatetoaddress %u %s", blocks, outside_address));
}

/* Blocks without the mempool's transactions: what waits stays waiting. */
static void generate_empty(unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++)
        free(knots_ask(&knots, OUTSIDE, "generateblock %s \"[]\"", outside_address));
}

static bool in_mempool(const struct pool_fixture *self, void *context)
{
    (void)self;
    json_t *waiting = knots_json(&knots, NULL, "getrawmempool");
    const char *txid = json_string_value(json_array_get(waiting, 0));
    if (txid != NULL)
        snprintf(context, 65, "%s", txid);
    json_decref(waiting);
    return txid != NULL;
}

static bool reopened(const struct pool_fixture *self, void *context)
{
    (void)self;
    return owed("paid") < *(int64_t *)context && owed("in_flight") > 0;
}

/* Kills payout where it happens to be; its supervisor starts it again. */
static void kill_payout(void)
{
    static const char *const names[] = { "payout", NULL };
    if (pool_pid(&pool, "payout", NULL) > 0)
        pool_kill(&pool, names);
}

/* Credits that can be paid, from a block of the pool mined now. Returns what is available in all.
 */
static int64_t earn(void)
{
    int64_t before = owed("immature") + owed("available") + owed("in_flight") + owed("paid");
    start_miner();
    for (int i = 0; i < 600; i++) {
        int64_t now = owed("immature") + owed("available") + owed("in_flight") + owed("paid");
        if (now > before)
            break;
        usleep(100000);
    }
    stop_miner();
    generate(1);
    struct tally tally = { 0 };
    pool_wait(&pool, "the credits are those of the node's blocks", 60, all_is_credited, &tally);
    return tally.credits;
}

/* What waits in the node's mempool, and its fee in base units; false while it is just being
 * replaced. */
static bool read_waiting(char txid_r[65], int64_t *fee_r)
{
    char coins[32];
    if (!in_mempool(&pool, txid_r))
        return false;
    json_t *entry = knots_try(&knots, NULL, "getmempoolentry %s", txid_r);
    if (entry == NULL)
        return false;
    snprintf(coins, sizeof coins, "%.8f",
             json_number_value(json_object_get(json_object_get(entry, "fees"), "base")));
    json_decref(entry);
    *fee_r = units_of(coins);
    return true;
}

struct waiting {
    char txid[65];
    int64_t fee;
    int64_t above; /* what the fee must be more than */
};

static bool costs_more(const struct pool_fixture *self, void *context)
{
    (void)self;
    struct waiting *waiting = context;
    return read_waiting(waiting->txid, &waiting->fee) && waiting->fee > waiting->above;
}

/* A payment no miner takes gets a version with a higher fee; that one is confirmed, the block it is
 * in leaves the chain by a real reorganisation, and payout is killed all along:
 * the miner has what is owed once, and the ledger says so at every rest. */
static void a_raised_payment_survives_a_reorganisation_and_deaths(void **state)
{
    (void)state;
    struct tally tally = { .credits = earn() };
    int64_t all = tally.credits;
    generate_empty(MATURITY + 1);
    char block[80];
    struct waiting waiting = { .above = 0 };
    pool_wait(&pool, "the payment is in the mempool", 90, costs_more, &waiting);
    int64_t fee = waiting.above = waiting.fee;
    kill_payout();
    generate_empty(2); /* payout.bump_blocks */
    pool_wait(&pool, "a version with a higher fee took its place", 120, costs_more, &waiting);
    print_message("fee raised from %lld to %lld\n", (long long)fee, (long long)waiting.fee);
    kill_payout();
    generate(1); /* the raised version; what matured since is paid next */
    pool_wait(&pool, "all of it is paid", 180, all_is_paid, &tally);
    assert_int_equal(received(1), all);

    /* The block leaves the chain, and the payment with it. */
    take(knots_ask(&knots, NULL, "getbestblockhash"), block, sizeof block);
    free(knots_ask(&knots, NULL, "invalidateblock %s", block));
    generate_empty(2);
    kill_payout();
    pool_wait(&pool, "the payment is open again", 90, reopened, &all);
    /* Both branches are good again. */
    free(knots_ask(&knots, NULL, "reconsiderblock %s", block));
    kill_payout();
    generate(3); /* whichever branch won: what waits is mined on it */
    pool_wait(&pool, "it is paid again", 120, all_is_paid, &tally);
    generate(2);
    assert_int_equal(received(1), all);
    print_message("the miner received %lld once\n", (long long)all);
}

static bool heard(const struct pool_fixture *self, void *context)
{
    char log[160];
    (void)context;
    snprintf(log, sizeof log, "%s/log/inode-scheduler.log", self->data);
    return pool_metric(log, "adit_scheduler_notices_total") > 0;
}

static void new_blocks_are_heard_as_the_node_publishes_them(void **state)
{
    (void)state;
    free(knots_ask(&knots, OUTSIDE, "generatetoaddress 1 %s", outside_address));
    pool_wait(&pool, "a block is heard", 60, heard, NULL);
}

struct newest {
    json_int_t height;
    char hash[65];
};

static void take_newest(const json_t *block, void *context)
{
    struct newest *newest = context;
    json_int_t height = json_integer_value(json_object_get(block, "height"));
    const char *hash = json_string_value(json_object_get(block, "hash"));
    json_t *header = knots_try(&knots, NULL, "getblockheader %s", hash);
    bool on_chain = json_integer_value(json_object_get(header, "confirmations")) > 0;
    json_decref(header);
    if (!on_chain || height < newest->height)
        return;
    newest->height = height;
    snprintf(newest->hash, sizeof newest->hash, "%s", hash);
}

/* Of two blocks the pool found at one height, the other would take its place. */
static void forget_at_height(const json_t *block, void *context)
{
    struct newest *wanted = context;
    if (json_integer_value(json_object_get(block, "height")) != wanted->height)
        return;
    const char *hash = json_string_value(json_object_get(block, "hash"));
    json_t *header = knots_try(&knots, NULL, "getblockheader %s", hash);
    bool known = header != NULL;
    json_decref(header);
    if (!known || strcmp(hash, wanted->hash) == 0)
        return;
    free(knots_ask(&knots, NULL, "invalidateblock %s", hash));
}

static long height(void)
{
    char text[32];
    take(knots_ask(&knots, NULL, "getblockcount"), text, sizeof text);
    return strtol(text, NULL, 10);
}

/* Lets the other branch win: the node forgets `loser`, is reminded of `winner`, and payout is
 * killed meanwhile. */
static void reorganise(const char *loser, const char *winner)
{
    long before = height();
    free(knots_ask(&knots, NULL, "invalidateblock %s", loser));
    if (winner != NULL)
        free(knots_ask(&knots, NULL, "reconsiderblock %s", winner));
    kill_payout();
    /* Longer than what was there, as a branch that wins by itself is (a node that is lower than one
     * that showed the block proves nothing); to an address of its own, or a block might be the one
     * that was made, and forgotten, in this second. */
    char address[128];
    take(knots_ask(&knots, OUTSIDE, "getnewaddress \"\" bech32"), address, sizeof address);
    while (height() <= before)
        free(knots_ask(&knots, OUTSIDE, "generateblock %s \"[]\"", address));
}

/* A block of the pool's own leaves the chain, its credits are reversed; it comes back (A→B→A) and
 * is credited again; and so on, each time one block deeper. Payout is killed each time. */
static void a_block_of_the_pool_that_leaves_and_returns_counts_as_often_as_it_is_there(void **state)
{
    (void)state;
    struct newest ours = { .height = 0 };
    char rival[80];
    int64_t with = earn();
    each_block(take_newest, &ours);
    assert_true(ours.height > 0);
    each_block(forget_at_height, &ours);
    struct tally tally = { 0 };
    int64_t without = 0;
    long first = height() - (long)ours.height + 1;
    for (int generation = 1; generation <= GENERATIONS; generation++) {
        reorganise(ours.hash, NULL);
        take(knots_ask(&knots, NULL, "getblockhash %lld", (long long)ours.height), rival,
             sizeof rival);
        assert_string_not_equal(rival, ours.hash);
        tally = tally_of_node();
        assert_true(tally.credits < with);
        without = tally.credits;
        pool_wait(&pool, "what left the chain is owed no more", 120, all_is_credited, &tally);
        reorganise(rival, ours.hash);
        tally = tally_of_node();
        assert_int_equal(tally.credits, with);
        pool_wait(&pool, "what returned is owed again", 120, all_is_credited, &tally);
    }
    /* Each of these was one deeper than the one before. */
    print_message("owed %lld without the block and %lld with it; %ld to %ld blocks were replaced\n",
                  (long long)without, (long long)with, first, first + 2 * GENERATIONS - 1);
}

/* A line of payout's log that names a cause and a sum. */
static bool is_posted(const struct pool_fixture *self, void *context)
{
    char path[160];
    char *text = calloc(1, 1 << 22);
    assert_non_null(text);
    snprintf(path, sizeof path, "%s/log/payout.log", self->data);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, (1 << 22) - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    bool found = strstr(text, context) != NULL;
    free(text);
    return found;
}

/* Not deep enough for its credit, it was never credited; deeper, it is taken back. Mined again, it
 * is credited in either case. */
static void a_payment_received_is_split_and_follows_the_chain(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth <= DEPTH_MAX; depth++) {
        char txid[80], block[80], received[128], retracted[128];
        take(knots_ask(&knots, OUTSIDE, "sendtoaddress %s 1.0000000%u", emission_address, depth),
             txid, sizeof txid);
        generate(1);
        take(knots_ask(&knots, NULL, "getbestblockhash"), block, sizeof block);
        snprintf(received, sizeof received, "cause=received:1:%s", txid);
        assert_false(is_posted(&pool, received)); /* one confirmation is not enough */
        generate_empty(depth - 1);
        if (depth > 1)
            pool_wait(&pool, "the payment is credited", 120, is_posted, received);
        reorganise(block, NULL);
        snprintf(retracted, sizeof retracted, "cause=retracted:1:%s", txid);
        if (depth > 1)
            pool_wait(&pool, "it is taken back", 120, is_posted, retracted);
        generate(1); /* it waits in the mempool, and is mined again */
        generate_empty(2);
        if (depth > 1)
            snprintf(received, sizeof received, "cause=received:2:%s", txid);
        pool_wait(&pool, "it is credited then", 120, is_posted, received);
        assert_int_equal(is_posted(&pool, retracted), depth > 1);
    }
}

static void audit_is_clean(void **state)
{
    (void)state;
    char command[4400];
    snprintf(command, sizeof command, "%s/bin/adit audit --data %s --config %s",
             getenv("ADIT_BUILD"), pool.data, pool.config);
    assert_int_equal(system(command), 0);
}

static void start_with_notices(void)
{
    char option[128];
    snprintf(zmq_address, sizeof zmq_address, "tcp://127.0.0.1:%u", test_port());
    snprintf(option, sizeof option, "-zmqpubhashblock=%s", zmq_address);
    knots_start(&knots, option);
}

/* A node that gives no templates, in regtest either, unless it is connected to another. */
static void start_with_a_peer(void)
{
    char option[64];
    unsigned port = test_port();
    snprintf(option, sizeof option, "-bind=127.0.0.1:%u", port);
    knots_start(&knots, option);
    peer = knots;
    peer.is_peer = true;
    snprintf(option, sizeof option, "-connect=127.0.0.1:%u", port);
    knots_start(&peer, option);
}

/* Extension blocks begin at height 432 of the regtest chain, and the first pegs coins in
 * (mweb_*.py of Litecoin Core's functional tests). */
static void open_extension_blocks(void)
{
    free(knots_ask(&knots, OUTSIDE, "generatetoaddress 330 %s", outside_address)); /* 431 now */
    peg_in();
    free(knots_ask(&knots, OUTSIDE, "generatetoaddress 1 %s", outside_address));
}

static int begin(void **state)
{
    (void)state;
    char settings[4096];
    char pool_address[128];
    if (coin.needs_peer)
        start_with_a_peer();
    else
        start_with_notices();
    free(knots_ask(&knots, NULL, "createwallet " WALLET));
    free(knots_ask(&knots, NULL, "createwallet " OUTSIDE));
    take(knots_ask(&knots, WALLET, "getnewaddress"), pool_address, sizeof pool_address);
    take(knots_ask(&knots, WALLET, "getnewaddress \"\" bech32"), emission_address,
         sizeof emission_address);
    take(knots_ask(&knots, OUTSIDE, "getnewaddress \"\" bech32"), miner_address,
         sizeof miner_address);
    take(knots_ask(&knots, OUTSIDE, "getnewaddress \"\" bech32"), outside_address,
         sizeof outside_address);
    /* A chain with a fresh tip: the node is out of its initial download. The pool's wallet gets
     * nothing of it, so that what it pays comes from what was mined. */
    free(knots_ask(&knots, OUTSIDE, "generatetoaddress 101 %s", outside_address));
    if (coin.mweb)
        open_extension_blocks();
    snprintf(settings, sizeof settings,
             "{\"chain\":{\"profile\":\"%s\",\"nodes\":[\"http://127.0.0.1:%u\"],"
             "\"zmq_hashblock\":[\"%s\"],"
             "\"cookie_file\":\"%s/srv/%s/regtest/.cookie\",\"wallet\":\"" WALLET "\","
             "\"address\":\"%s\"},\"reward\":{\"fee_basis_points\":%d},"
             "\"time\":{\"push_tx\":1},\"payout\":{\"bump_blocks\":2},"
             "\"emission\":{\"address\":\"%s\",\"confirmations\":2}}",
             coin.profile, knots.port, zmq_address, knots.root, knots.data, pool_address,
             FEE_BASIS_POINTS, emission_address);
    pool_start(&pool, settings, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stop_miner();
    pool_end(&pool);
    knots_stop(&peer);
    knots_stop(&knots);
    return 0;
}

static void look_for_extension(const json_t *block, void *context)
{
    const char *hash = json_string_value(json_object_get(block, "hash"));
    json_t *shown = knots_try(&knots, NULL, "getblock %s 2", hash);
    const json_t *inputs = json_object_get(json_object_get(shown, "mweb"), "num_kernels");
    bool *found = context;
    if (json_integer_value(json_object_get(shown, "confirmations")) > 0 &&
        json_integer_value(inputs) > 0)
        *found = true;
    json_decref(shown);
}

/* The pool's block ends in an extension block, which the node has taken with it. */
static bool the_node_has_a_block_with_an_extension(const struct pool_fixture *self, void *context)
{
    (void)self;
    bool *found = context;
    *found = false;
    each_block(look_for_extension, found);
    return *found;
}

static void a_block_with_an_extension_block_is_accepted(void **state)
{
    (void)state;
    bool found;
    peg_in();
    start_miner();
    pool_wait(&pool, "a block of the pool with an extension block is on the node's chain", 120,
              the_node_has_a_block_with_an_extension, &found);
    stop_miner();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest extension_tests[] = {
        cmocka_unit_test(a_block_with_an_extension_block_is_accepted),
        cmocka_unit_test(a_miner_on_a_real_node_is_paid_to_the_base_unit),
        cmocka_unit_test(audit_is_clean),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_blocks_are_heard_as_the_node_publishes_them),
        cmocka_unit_test(a_miner_on_a_real_node_is_paid_to_the_base_unit),
        cmocka_unit_test(
            a_block_of_the_pool_that_leaves_and_returns_counts_as_often_as_it_is_there),
        cmocka_unit_test(a_raised_payment_survives_a_reorganisation_and_deaths),
        cmocka_unit_test(a_payment_received_is_split_and_follows_the_chain),
        cmocka_unit_test(audit_is_clean),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2) /* those of a pattern alone, by hand */
        cmocka_set_test_filter(argv[2]);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (argc > 1 && strcmp(argv[1], kinds[i].name) == 0)
            coin = kinds[i];
    if (coin.name == NULL)
        return 64;
    if (!knots_install(&knots, coin.name))
        return 77;
    if (coin.mweb)
        return cmocka_run_group_tests_name("Litecoin Core", extension_tests, begin, end);
    return cmocka_run_group_tests_name("a real node", tests, begin, end);
}
