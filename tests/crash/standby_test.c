/* Two payouts on one store (SQLite or MongoDB): the leader stops at a step (before or behind a
 * write to the store, a call of the wallet, a broadcast, a change to the window), another takes
 * over and goes on, the first wakes up. Everybody is paid once, to the base unit, by the chain's
 * own account; the audit finds nothing; the deposed one stands by.
 *
 * Each round is a block: found, matured, its miners paid. The leader is payout's twin that stops
 * itself (services/payout/testing/stopping.c), the one that takes over is the shipped payout, which
 * waits for a short lease. The other is woken up as soon as it leads, or when all is done.
 * ADIT_STANDBY_STEPS: how many moments are tried, one after the other, both ways (0, the default:
 * some by their names). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_nng/bus_nng.h"
#include "adapter/store_open/store_open.h"
#include "adapter/window_redis/testing/redis_server.h"
#include "adapter/window_redis/window_redis.h"
#include "core/address/address.h"
#include "core/coin/coin.h"
#include "record/account/account.h"
#include "record/event/event.h"
#include "record/payment/payment_record.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"
#include "service/stands_by.h"
#include "services/payout/testing/processes.h"
#include "tests/crash/devchain.h"
#include "tests/ferretdb/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MINERS = 2, REWARD = 50000000, FEE = REWARD / 100, DUE = (REWARD - FEE) / MINERS };
enum { NAME_BYTES = 64, NAMES_MAX = 64 };

static struct redis_server redis;
static struct devchain chain;
static char folder[64];
static struct mongo_server mongo;
static char store_url[sizeof mongo.url];
static struct loop *loop;
static struct bus *bus;
static struct bus_client *clients[2];
static struct window_writer *writer;
static struct store *store;
static struct account miners[MINERS];
static uint64_t rounds;                  /* blocks so far */
static uint64_t received[MINERS];        /* in the chain, in base units */
static uint64_t outputs[MINERS];         /* and in so many outputs */
static char seen[NAMES_MAX][NAME_BYTES]; /* the moments that were tried */
static size_t seen_count;

static void count_output(void *context, const char *address, uint64_t base_units)
{
    (void)context;
    for (size_t i = 0; address != NULL && i < MINERS; i++) {
        if (strcmp(address, miners[i].payouts[0].address) != 0)
            continue;
        outputs[i]++;
        received[i] += base_units;
    }
}

enum { APPEND_PATIENCE_MS = 60000 };

struct appending {
    bool answered, kept;
};

static void on_appended(void *context, const struct window_result *result)
{
    struct appending *appending = context;
    appending->answered = true;
    appending->kept = result->outcome == WINDOW_APPENDED || result->outcome == WINDOW_REPEATED;
}

/* As a validator would: again under the same id until it is known to be kept. */
static void append(const struct window_batch *batch)
{
    const uint64_t end_ns = loop_clock_ns() + APPEND_PATIENCE_MS * UINT64_C(1000000);
    static struct appending appending; /* a late answer finds it */
    appending.kept = false;
    while (!appending.kept) {
        appending.answered = false;
        bool sent = window_ready(writer) && window_append(writer, batch, on_appended, &appending);
        do {
            if (loop_clock_ns() > end_ns)
                fail_msg("the window keeps nothing for %d ms", APPEND_PATIENCE_MS);
            loop_run_once(loop, 10);
        } while (sent && !appending.answered);
    }
}

/* A block's shares, one of each miner, and the scheduler's word that it was found and matured. */
static void find_block(void)
{
    struct error error = { .text = "" };
    struct window_share shares[MINERS];
    struct window_candidate candidate = { .index = MINERS - 1,
                                          .credited_index = MINERS - 1,
                                          .record = span_text("candidate") };
    rounds++;
    store_le64(candidate.block_hash, rounds);
    for (size_t i = 0; i < MINERS; i++)
        shares[i] = (struct window_share){ miners[i].id, 1, 1000, 1, loop_unix_ms() };
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = rounds,
                                        .lowest = rounds,
                                        .shares = shares,
                                        .share_count = MINERS,
                                        .verdicts = span_text("v"),
                                        .candidates = &candidate,
                                        .candidate_count = 1 };
    append(&batch);
    for (int kind = WIRE_REWARD_FOUND; kind <= WIRE_REWARD_MATURED; kind++) {
        struct wire_reward_event event = { .epoch = 1,
                                           .kind = (uint8_t)kind,
                                           .generation = 1,
                                           .height = (uint32_t)rounds,
                                           .reward = REWARD,
                                           .network_work_low = 1000000,
                                           .time_ms = loop_unix_ms() };
        memcpy(event.block_hash, candidate.block_hash, sizeof event.block_hash);
        assert_int_equal(event_newest(store, &event.sequence, &error), STORE_DONE);
        event.sequence++;
        assert_int_equal(event_append(store, &event, &error), STORE_DONE);
    }
}

static bool stop_walk(void *context, const struct payment_record *payment)
{
    (void)payment;
    *(bool *)context = true;
    return false;
}

/* The ledger says that all of the blocks so far is paid, and no payment is open. */
static bool all_paid(void)
{
    struct error error;
    bool open = false;
    for (size_t i = 0; i < MINERS; i++) {
        struct balance_record balance;
        struct ledger_account account = ledger_miner(miners[i].id);
        if (balance_get(store, &account, &balance, &error) != STORE_DONE ||
            balance.amounts.paid < (int64_t)(rounds * DUE))
            return false;
    }
    return payment_walk_open(store, stop_walk, &open, &error) == STORE_DONE && !open;
}

static void check_books(const char *when)
{
    struct error error = { .text = "" };
    struct payout_audit_report report = { 0 };
    devchain_count(&chain, count_output, NULL);
    for (size_t i = 0; i < MINERS; i++) {
        struct balance_record balance;
        struct ledger_account account = ledger_miner(miners[i].id);
        assert_int_equal(balance_get(store, &account, &balance, &error), STORE_DONE);
        const struct ledger_balance *is = &balance.amounts;
        if (received[i] != rounds * DUE || outputs[i] != rounds ||
            is->paid != (int64_t)(rounds * DUE) || is->immature != 0 || is->available != 0 ||
            is->in_flight != 0)
            fail_msg("%s: of %llu blocks, miner %zu received %llu in %llu outputs; the ledger says "
                     "%lld",
                     when, (unsigned long long)rounds, i, (unsigned long long)received[i],
                     (unsigned long long)outputs[i], (long long)is->paid);
    }
    if (!payout_audit(store, NULL, NULL, &report, &error) || report.differences != 0)
        fail_msg("%s: the audit finds %llu differences: %s%s", when,
                 (unsigned long long)report.differences, report.first, error.text);
}

static pid_t start(const char *program, const char *listen, const char *stop_at)
{
    bool rival = stop_at[0] == '\0';
    const char *settings[] = { "ADIT_CHAIN__PROFILE",
                               "devnet-sha256d",
                               "ADIT_CHAIN__NODES",
                               "",
                               "ADIT_REWARD__SCHEME",
                               "prop",
                               "ADIT_TIME__PUSH_TX",
                               "1",
                               "ADIT_PAYOUT__THRESHOLD",
                               "1000",
                               "ADIT_STORE__URL",
                               store_url,
                               "ADIT_STOP_AT",
                               stop_at,
                               "ADIT_PAYOUT__LEASE_MS",
                               rival ? "1000" : "3000",
                               NULL };
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", chain.node.node_port);
    settings[3] = url;
    return payout_process_start(&(struct payout_start){ .program = program,
                                                        .folder = folder,
                                                        .instance = rival ? "2" : "1",
                                                        .listen = listen,
                                                        .window = redis.url,
                                                        .settings = settings });
}

/* Whether it stopped by now, and at which moment. */
static bool has_stopped(pid_t pid, char moment_r[NAME_BYTES])
{
    int status;
    char path[96], line[4096];
    if (waitpid(pid, &status, WNOHANG | WUNTRACED) != pid)
        return false;
    if (!WIFSTOPPED(status))
        fail_msg("payout ended with status %d", status);
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *log = fopen(path, "r");
    moment_r[0] = '\0';
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, "test.stops moment=\"");
        if (at != NULL)
            (void)sscanf(strchr(at, '"'), "\"%63[^\"]", moment_r);
    }
    if (log != NULL)
        fclose(log);
    size_t i = 0;
    while (i < seen_count && strcmp(seen[i], moment_r) != 0)
        i++;
    if (i == seen_count && seen_count < NAMES_MAX)
        memcpy(seen[seen_count++], moment_r, NAME_BYTES);
    return true;
}

static bool has_seen(const char *moment)
{
    for (size_t i = 0; i < seen_count; i++)
        if (strcmp(seen[i], moment) == 0)
            return true;
    return false;
}

static bool leads(size_t which)
{
    struct payout_answer answer;
    payout_ask(loop, clients[which], "status", "", &answer);
    return strstr(answer.text, PAYOUT_STANDS_BY) == NULL && strstr(answer.text, "\"epoch\":");
}

/* Waits until one of the two leads and the other stands by. */
static void expect_one_leader(const char *when)
{
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS; waited += 20) {
        if (leads(0) != leads(1))
            return;
        loop_run_once(loop, 20);
    }
    fail_msg("%s: of two payouts not one leads and one stands by", when);
}

/* The world goes on until all is paid, or (where `leader` is one that may stop, not 0) until that
 * has stopped. Whether all is paid. */
static bool drive(pid_t leader, char moment_r[NAME_BYTES])
{
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS; waited += 10) {
        if (leader != 0 && has_stopped(leader, moment_r))
            return false;
        if (all_paid())
            return true;
        (void)devchain_mine_waiting(&chain); /* payout looks at its payments every second */
        loop_run_once(loop, 10);
    }
    fail_msg("nobody pays: stopped at \"%s\"", moment_r);
    return false;
}

static void expect_lead(size_t which)
{
    bool lead = false;
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS && !lead; waited += 10) {
        lead = leads(which);
        loop_run_once(loop, lead ? 0 : 10);
    }
    assert_true(lead);
}

static void end(pid_t pid)
{
    kill(pid, SIGTERM);
    assert_int_equal(payout_process_exit_code(pid), 0);
}

/* The leader stopped at `moment`: the other one takes over. */
static void take_over(pid_t stopped, bool early, char moment[NAME_BYTES])
{
    pid_t rival = start("payout", "payout-2.rep", "");
    expect_lead(1);
    if (early)
        assert_int_equal(kill(stopped, SIGCONT), 0);
    drive(0, moment);
    if (!early) {
        check_books(moment);
        assert_int_equal(kill(stopped, SIGCONT), 0);
    }
    expect_one_leader(moment);
    check_books(moment);
    end(stopped);
    end(rival);
}

/* One block with a stop at a moment (a name or a number); false when there was no such moment. */
static bool run_round(const char *stop_at, bool early)
{
    char moment[NAME_BYTES] = "";
    find_block();
    pid_t leader = start("payout_stopping", "payout.rep", stop_at);
    if (!drive(leader, moment)) {
        take_over(leader, early, moment);
        return true;
    }
    check_books("undisturbed");
    /* The last of its writes gives the leadership up. */
    kill(leader, SIGTERM);
    siginfo_t info = { 0 };
    assert_int_equal(waitid(P_PID, (id_t)leader, &info, WEXITED | WSTOPPED | WNOWAIT), 0);
    bool stopped = info.si_code == CLD_STOPPED;
    if (stopped) {
        assert_true(has_stopped(leader, moment));
        pid_t rival = start("payout", "payout-2.rep", "");
        expect_lead(1);
        assert_int_equal(kill(leader, SIGCONT), 0);
        assert_int_equal(payout_process_exit_code(leader), 0);
        assert_true(leads(1));
        end(rival);
    } else {
        assert_int_equal(payout_process_exit_code(leader), 0);
    }
    return stopped;
}

/* What an operator would have to act on must not be said. */
static void expect_no_errors(void)
{
    char path[96], line[4096];
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL)
        if (strstr(line, "Z error ") != NULL)
            fail_msg("%s", line);
    fclose(log);
}

static void a_leader_that_stops_anywhere_is_replaced_and_nobody_is_paid_twice(void **state)
{
    static const char *const some[] = { "before entry_pages", "after build", "before broadcast" };
    static const char *const kinds[] = { "leaders",     "windows",       "sets",
                                         "entry_pages", "balance_pages", "payments",
                                         "build",       "broadcast",     "candidate_done" };
    const char *text = getenv("ADIT_STANDBY_STEPS");
    unsigned long steps = text != NULL ? strtoul(text, NULL, 10) : 0;
    (void)state;
    for (size_t i = 0; steps == 0 && i < sizeof some / sizeof *some; i++)
        if (!run_round(some[i], i % 2 == 0))
            fail_msg("there is no moment \"%s\"", some[i]);
    bool there = steps > 0;
    unsigned long tried = 0;
    for (unsigned long step = 1; there && step <= steps; step++) {
        char number[24];
        snprintf(number, sizeof number, "%lu", step);
        there = run_round(number, true) && run_round(number, false);
        tried += there;
    }
    expect_no_errors();
    if (steps > 0)
        print_message("%lu moments, %zu of different names, %llu blocks\n", tried, seen_count,
                      (unsigned long long)rounds);
    for (size_t i = 0; steps > 0 && !there && i < sizeof kinds / sizeof *kinds; i++) {
        char before[NAME_BYTES], after[NAME_BYTES];
        snprintf(before, sizeof before, "before %s", kinds[i]);
        snprintf(after, sizeof after, "after %s", kinds[i]);
        if (!has_seen(before) || !has_seen(after))
            fail_msg("payout was never stopped before and behind %s", kinds[i]);
    }
}

static void bind_miner(size_t index)
{
    struct error error = { .text = "" };
    struct account bound;
    struct account *miner = &miners[index];
    *miner = (struct account){ .id = 0x1001 + index,
                               .kind = IDENTITY_KIND_ADDRESS,
                               .state = ACCOUNT_ACTIVE };
    struct account_payout payout = { .script = { .data = { 0x00, 0x14 }, .length = 22 } };
    payout.script.data[2] = (uint8_t)(7 + index);
    const struct coin_profile *coin = coin_profile_find(span_text("devnet-sha256d"));
    assert_true(address_format(coin, output_script_span(&payout.script), payout.address));
    account_set_payout(miner, coin, &payout);
    snprintf(miner->name, sizeof miner->name, "%s", payout.address);
    assert_int_equal(account_bind(store, miner, &bound, NULL, &error), ACCOUNT_BOUND);
}

static int set_up(void **state)
{
    struct error error = { .text = "" };
    char path[128];
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/adit-standby-XXXXXX");
    if (mkdtemp(folder) == NULL || !redis_server_begin(&redis, NULL, &error)) {
        print_message("%s\n", error.text);
        return -1;
    }
    snprintf(path, sizeof path, "%s/secret", folder);
    FILE *secret = fopen(path, "w");
    assert_non_null(secret);
    (void)fchmod(fileno(secret), 0600);
    fprintf(secret, "%064d\n", 7);
    fclose(secret);
    snprintf(path, sizeof path, "%s/run", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    devchain_start(&chain, folder);
    if (mongo.url[0] == '\0')
        snprintf(store_url, sizeof store_url, "sqlite:%s/adit.db", folder);
    else
        snprintf(store_url, sizeof store_url, "%s", mongo.url);
    store = store_open(store_url, 20000, &error);
    loop = loop_create(&error);
    bus = loop != NULL ? bus_nng_create(loop, &error) : NULL;
    if (store == NULL || bus == NULL || !engine_declare(store, &error))
        fail_msg("%s", error.text);
    writer =
        window_redis_writer_open(loop, &(struct window_redis_options){ .url = redis.url }, &error);
    assert_non_null(writer);
    clients[0] = payout_connect(bus, folder, "payout.rep");
    clients[1] = payout_connect(bus, folder, "payout-2.rep");
    for (size_t i = 0; i < MINERS; i++)
        bind_miner(i);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    bus_client_close(clients[0]);
    bus_client_close(clients[1]);
    bus_destroy(bus);
    window_writer_close(writer);
    loop_destroy(loop);
    store_close(store);
    devchain_end(&chain);
    redis_server_end(&redis);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* The first argument: "mongo", or none for SQLite. */
int main(int argc, char **argv)
{
    struct error error;
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    if (argc > 1 && strcmp(argv[1], "mongo") == 0 && !mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_that_stops_anywhere_is_replaced_and_nobody_is_paid_twice),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    if (mongo.url[0] != '\0')
        mongo_server_stop(&mongo);
    return failed;
}
