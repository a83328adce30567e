/* The payout process itself: started and stopped, without what it needs, and asked. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_nng/bus_nng.h"
#include "adapter/store_open/store_open.h"
#include "adapter/token_sodium/token.h"
#include "adapter/window_redis/testing/redis_server.h"
#include "record/access/keys.h"
#include "record/account/account.h"
#include "record/ledger/ledger_record.h"
#include "record/notice/audit_report.h"
#include "services/payout/testing/processes.h"
#include "tests/fixture/pool_fixture.h"
#include "wire/messages.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct redis_server redis;
static char folder[64];

/* Starts payout on the folder with these settings (NULL: as they are). */
static pid_t start_instance(const char *instance, const char *window, const char *store)
{
    const char *settings[] = { "ADIT_CHAIN__NODES", "http://127.0.0.1:1",
                               store != NULL ? "ADIT_STORE__URL" : NULL, store, NULL };
    const struct payout_start options = { .program = "payout",
                                          .folder = folder,
                                          .instance = instance,
                                          .listen =
                                              instance[0] == '1' ? "payout.rep" : "payout-2.rep",
                                          .window = window,
                                          .settings = settings };
    return payout_process_start(&options);
}

static pid_t start(const char *window, const char *store)
{
    return start_instance("1", window, store);
}

static void without_the_store_it_ends_with_1(void **state)
{
    (void)state;
    assert_int_equal(
        payout_process_exit_code(start(redis.url, "sqlite:/nonexistent/folder/adit.db")), 1);
}

static void without_the_window_it_ends_with_3(void **state)
{
    (void)state;
    assert_int_equal(payout_process_exit_code(start("unix:/nonexistent/redis.sock", NULL)), 3);
}

static void withdraw(struct loop *loop, struct bus_client *client, const char *token,
                     const char *address, struct payout_answer *answer_r)
{
    uint8_t bytes[2048];
    struct wire_withdrawal_request request = {
        .token = token, .request = "r1", .amount = 5, .address = address
    };
    size_t length = wire_encode_withdrawal_request(&request, bytes, sizeof bytes);
    assert_true(length > 0);
    payout_ask_raw(loop, client, span_of(bytes, length), answer_r);
}

/* Not even started: who could read the wire could pay himself. */
static void an_open_socket_is_refused(void **state)
{
    (void)state;
    const char *settings[] = { "ADIT_CHAIN__NODES", "http://127.0.0.1:1", "ADIT_PAYOUT__LISTEN",
                               "tcp://127.0.0.1:0", NULL };
    const struct payout_start options = { .program = "payout",
                                          .folder = folder,
                                          .instance = "1",
                                          .listen = "payout.rep",
                                          .window = redis.url,
                                          .settings = settings };
    assert_int_equal(payout_process_exit_code(payout_process_start(&options)), 64);
}

static struct store *open_store(void)
{
    char url[96];
    struct error error = { .text = "" };
    snprintf(url, sizeof url, "sqlite:%s/adit.db", folder);
    struct store *store = store_open(url, 10000, &error);
    if (store == NULL)
        fail_msg("%s", error.text);
    return store;
}

/* What auth does, with the secret of payout's folder where it is not told another. */
static void say_keys(const struct token_signer *signer, uint64_t generation, uint8_t secret_end)
{
    struct error error = { .text = "" };
    struct identity_key secret = { .bytes = { [IDENTITY_KEY_BYTES - 1] = secret_end } };
    struct access_keys keys = { .generation = generation,
                                .said_s = loop_unix_ms() / 1000,
                                .count = 1 };
    struct store *store = open_store();
    token_signer_public(signer, keys.keys[0]);
    if (access_keys_say(store, &secret, &keys, &error) != STORE_DONE)
        fail_msg("%s", error.text);
    store_close(store);
}

/* Takes the record of keys, or puts it back as it was. */
static void copy_keys(struct arena *arena, struct store_record *record, bool back)
{
    struct error error;
    struct store *store = open_store();
    struct store_record now;
    assert_int_equal(
        store_get(store, &access_keys_collection, "auth", arena, back ? &now : record, &error),
        STORE_DONE);
    if (back) {
        struct store_write write = { .verb = STORE_REPLACE,
                                     .collection = &access_keys_collection,
                                     .record = *record };
        write.record.version = now.version;
        assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    }
    store_close(store);
}

static void expect_refused(struct loop *loop, struct bus_client *client, const char *token,
                           const char *words)
{
    struct payout_answer answer;
    withdraw(loop, client, token, "", &answer);
    assert_false(answer.ok);
    if (strstr(answer.text, words) == NULL)
        fail_msg("not \"%s\" but \"%s\"", words, answer.text);
}

enum { OURS = 7, ANOTHERS = 8 };

/* The keys come from auth by the store and change while payout runs; who may write the store, but
 * has not the deployment's secret, plants none, nor brings back what was rotated out. */
static void ask_through_rotations(struct loop *loop, struct bus_client *client,
                                  const struct token_signer *signer, const char *token)
{
    static _Alignas(max_align_t) uint8_t memory[8192];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record old;
    struct error error;
    struct payout_answer answer;
    char path[96];
    snprintf(path, sizeof path, "%s/next.key", folder);
    struct token_signer *next = token_signer_open(path, &error);
    assert_non_null(next);
    (void)unlink(path);
    copy_keys(&arena, &old, false);
    say_keys(next, 2000, OURS);
    expect_refused(loop, client, token, "a key this pool does not use");
    copy_keys(&arena, &old, true);
    expect_refused(loop, client, token, "older keys");
    say_keys(signer, 3000, ANOTHERS);
    expect_refused(loop, client, token, "not sealed with this deployment's secret");
    say_keys(signer, 3000, OURS);
    withdraw(loop, client, token, "", &answer);
    assert_true(answer.ok);
    token_signer_close(next);
}

/* Money moves for nobody without a token that is good for it. */
static void ask_with_tokens(struct loop *loop, struct bus_client *client)
{
    struct error error;
    struct payout_answer answer;
    char key[96], token[TOKEN_TEXT_BYTES];
    uint64_t now_s = loop_unix_ms() / 1000;
    struct token_claims claims = {
        .account_id = 7, .issued_s = now_s, .not_before_s = now_s, .expires_s = now_s + 60
    };
    snprintf(key, sizeof key, "%s/auth.key", folder);
    struct token_signer *signer = token_signer_open(key, &error);
    assert_non_null(signer);
    token_sign(signer, &claims, token);
    expect_refused(loop, client, token, "auth has not said in this store yet");
    say_keys(signer, 1000, OURS);
    withdraw(loop, client, "rubbish", "", &answer);
    assert_false(answer.ok);
    withdraw(loop, client, token, "", &answer); /* no scope */
    assert_false(answer.ok);
    claims.scopes = TOKEN_SCOPE_WITHDRAW_PROPOSE | TOKEN_SCOPE_OPERATOR;
    claims.second_factor_on = true;
    token_sign(signer, &claims, token);
    withdraw(loop, client, token, "", &answer); /* no second factor */
    assert_false(answer.ok);
    claims.second_factor_given = true;
    token_sign(signer, &claims, token);
    for (int i = 0; i < 2; i++) {
        withdraw(loop, client, token, "", &answer);
        assert_true(answer.ok);
        assert_non_null(strstr(answer.text, "\"state\":\"open\""));
    }
    /* A scope is not enough: the account must be an operator's now. */
    withdraw(loop, client, token, "somewhere", &answer);
    assert_false(answer.ok);
    assert_non_null(strstr(answer.text, "operator"));
    payout_ask_as(loop, client, "approve", "1", token, &answer);
    assert_false(answer.ok);
    assert_non_null(strstr(answer.text, "operator"));
    ask_through_rotations(loop, client, signer, token);
    token_signer_close(signer);
    (void)unlink(key);
}

static void it_answers_what_it_is_asked_and_stops_when_told(void **state)
{
    (void)state;
    struct error error;
    struct payout_answer answer;
    pid_t pid = start(redis.url, NULL);
    struct loop *loop = loop_create(&error);
    struct bus *bus = loop != NULL ? bus_nng_create(loop, &error) : NULL;
    assert_non_null(bus);
    struct bus_client *client = payout_connect(bus, folder, "payout.rep");
    payout_ask(loop, client, "status", "", &answer);
    assert_true(answer.ok);
    assert_non_null(strstr(answer.text, "\"epoch\":1,"));
    assert_non_null(strstr(answer.text, "\"miner\":{\"immature\":\"0\""));
    payout_ask(loop, client, "audit", "", &answer);
    assert_true(answer.ok);
    assert_non_null(strstr(answer.text, "\"differences\":0"));
    payout_ask(loop, client, "push", "", &answer);
    assert_true(answer.ok);
    payout_ask(loop, client, "give me everything", "", &answer);
    assert_false(answer.ok);
    payout_ask(loop, client, "pause", "a test", &answer);
    assert_true(answer.ok);
    payout_ask(loop, client, "resume", "", &answer);
    assert_true(answer.ok);
    for (int i = 0; i < 2; i++) {
        payout_ask(loop, client, "fund", "1 100", &answer);
        assert_true(answer.ok);
        assert_string_equal(answer.text, "{\"number\":1,\"amount\":\"100\"}");
    }
    payout_ask(loop, client, "fund", "1 200", &answer);
    assert_false(answer.ok);
    assert_non_null(strstr(answer.text, "booked before, with 100"));
    payout_ask(loop, client, "bump", "1", &answer);
    assert_false(answer.ok);
    payout_ask(loop, client, "reject", "none", &answer);
    assert_false(answer.ok);
    ask_with_tokens(loop, client);
    payout_ask_raw(loop, client, span_text("not a message of ours"), &answer);
    assert_false(answer.ok);
    kill(pid, SIGTERM);
    assert_int_equal(payout_process_exit_code(pid), 0);
    bus_client_close(client);
    bus_destroy(bus);
    loop_destroy(loop);
}

/* A balance that no entry says anything of; or its page taken away again. */
static void tamper(bool back)
{
    struct error error;
    struct store *store = open_store();
    struct ledger_account account = ledger_miner(77);
    struct balance_record read;
    enum store_outcome outcome = balance_get(store, &account, &read, &error);
    assert_int_equal(outcome, back ? STORE_DONE : STORE_MISSING);
    if (back) {
        struct store_write remove = { .verb = STORE_DELETE,
                                      .collection = &balance_collection,
                                      .record = { .id = "miner:000", .version = read.version } };
        assert_int_equal(store_apply(store, &remove, 1, &error), STORE_DONE);
    } else {
        const struct ledger_balance amounts = { .available = 5 };
        assert_int_equal(balance_put(store, &read, &amounts, &error), STORE_DONE);
    }
    store_close(store);
}

/* No report can be written down any more: behind the last number there is, every attempt takes one
 * that is taken. Or it can again. */
static void fill_reports(bool back)
{
    static const char *const ids[] = { "00000000000000000000", "18446744073709551615" };
    struct error error;
    struct store *store = open_store();
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct store_record record = { .id = ids[i] };
        _Alignas(max_align_t) uint8_t memory[4096];
        struct arena arena = arena_over(memory, sizeof memory);
        if (back)
            assert_int_equal(
                store_get(store, &audit_report_collection, ids[i], &arena, &record, &error),
                STORE_DONE);
        for (size_t j = 0; j < audit_report_collection.field_count && !back; j++)
            record.values[j] = audit_report_collection.fields[j].type == STORE_TEXT ? store_text("")
                                                                                    : store_int(0);
        struct store_write write = { .verb = back ? STORE_DELETE : STORE_INSERT,
                                     .collection = &audit_report_collection,
                                     .record = record };
        if (store_apply(store, &write, 1, &error) != STORE_DONE)
            fail_msg("%s", error.text);
    }
    store_close(store);
}

static size_t count_in_log(const char *words)
{
    char path[96], line[4096];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL)
        count += strstr(line, words) != NULL;
    fclose(log);
    return count;
}

/* A difference is an error line, a metric, and payout's line in its own health; also where it
 * cannot be written down, which is a warning besides. */
static void what_an_audit_finds_everybody_is_told(void **state)
{
    (void)state;
    struct error error;
    struct payout_answer answer;
    char path[96];
    pid_t pid = start(redis.url, NULL);
    struct loop *loop = loop_create(&error);
    struct bus *bus = loop != NULL ? bus_nng_create(loop, &error) : NULL;
    assert_non_null(bus);
    struct bus_client *client = payout_connect(bus, folder, "payout.rep");
    snprintf(path, sizeof path, "%s/log", folder);
    for (int round = 0; round < 2; round++) {
        size_t before = count_in_log("audit.difference"), warned = count_in_log("audit.not_kept");
        tamper(round == 1);
        fill_reports(round == 1);
        payout_ask(loop, client, "audit", "", &answer);
        assert_int_equal(answer.ok, round == 1);
        assert_non_null(
            strstr(answer.text, round == 0 ? "\"differences\":1" : "\"differences\":0"));
        assert_int_equal(count_in_log("audit.difference"), before + (round == 0));
        assert_int_equal(pool_metric(path, "adit_payout_audit_differences"), round == 0);
        assert_true(pool_metric(path, "adit_payout_audited") > 0);
        assert_int_equal(count_in_log("audit.not_kept"), warned + (round == 0));
        assert_int_equal(count_in_log("what=\"audit report\""), 1 + (size_t)round);
    }
    kill(pid, SIGTERM);
    assert_int_equal(payout_process_exit_code(pid), 0);
    bus_client_close(client);
    bus_destroy(bus);
    loop_destroy(loop);
}

/* Makes an account in payout's own store. */
static void add_account(uint64_t id, uint32_t roles)
{
    struct error error = { .text = "" };
    struct account bound, account = { .id = id,
                                      .kind = IDENTITY_KIND_ADDRESS,
                                      .state = ACCOUNT_ACTIVE,
                                      .roles = roles,
                                      .payouts = { { .script = { { 0x00, 0x14 }, 22 } } },
                                      .payout_count = 1 };
    store_le64(account.payouts[0].script.data + 2, id);
    snprintf(account.name, sizeof account.name, "account-%u", (unsigned)id);
    struct store *store = open_store();
    if (account_bind(store, &account, &bound, NULL, &error) != ACCOUNT_BOUND)
        fail_msg("%s", error.text);
    store_close(store);
}

/* The keys stand in a file, and no others count. A socket that is not in this host's private
 * folder, as payout sees it: nng's other name for the same transport. */
static void from_another_host_every_verb_takes_an_operators_token(void **state)
{
    static const char *const verbs[] = { "status", "push", "audit", "pause", "resume" };
    (void)state;
    struct error error;
    struct payout_answer answer;
    char listen[160], key[96], public_file[96], token[TOKEN_TEXT_BYTES];
    snprintf(listen, sizeof listen, "unix://%s/run/payout.rep", folder);
    snprintf(public_file, sizeof public_file, "%s/auth.pub", folder);
    const char *settings[] = { "ADIT_CHAIN__NODES",
                               "http://127.0.0.1:1",
                               "ADIT_PAYOUT__LISTEN",
                               listen,
                               "ADIT_PAYOUT__AUTH_KEYS",
                               public_file,
                               NULL };
    const struct payout_start options = { .program = "payout",
                                          .folder = folder,
                                          .instance = "1",
                                          .listen = "payout.rep",
                                          .window = redis.url,
                                          .settings = settings };
    pid_t pid = payout_process_start(&options);
    struct loop *loop = loop_create(&error);
    struct bus *bus = loop != NULL ? bus_nng_create(loop, &error) : NULL;
    assert_non_null(bus);
    struct bus_client *client = payout_connect(bus, folder, "payout.rep");
    snprintf(key, sizeof key, "%s/auth.key", folder);
    struct token_signer *signer = token_signer_open(key, &error);
    assert_non_null(signer);
    struct token_verifier published = { .count = 0 };
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    token_signer_public(signer, public_key);
    assert_true(token_verifier_add(&published, public_key));
    assert_true(token_publish(&published, public_file, &error));
    uint64_t now_s = loop_unix_ms() / 1000;
    struct token_claims claims = { .account_id = 77,
                                   .scopes = TOKEN_SCOPE_OPERATOR,
                                   .issued_s = now_s,
                                   .not_before_s = now_s,
                                   .expires_s = now_s + 600 };
    payout_ask(loop, client, "fund", "9 100", &answer);
    assert_false(answer.ok);
    add_account(77, ACCOUNT_ROLE_OPERATOR);
    add_account(78, 0);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        payout_ask(loop, client, verbs[i], "", &answer);
        assert_false(answer.ok);
        claims.account_id = 78; /* no operator */
        token_sign(signer, &claims, token);
        payout_ask_as(loop, client, verbs[i], "", token, &answer);
        assert_false(answer.ok);
        assert_non_null(strstr(answer.text, "operator"));
        claims.account_id = 77;
        token_sign(signer, &claims, token);
        payout_ask_as(loop, client, verbs[i], "", token, &answer);
        assert_true(answer.ok);
    }
    payout_ask_as(loop, client, "fund", "9 200", token, &answer);
    assert_true(answer.ok); /* the first one changed nothing */
    assert_string_equal(answer.text, "{\"number\":9,\"amount\":\"200\"}");
    kill(pid, SIGTERM);
    assert_int_equal(payout_process_exit_code(pid), 0);
    token_signer_close(signer);
    (void)unlink(key);
    (void)unlink(public_file);
    bus_client_close(client);
    bus_destroy(bus);
    loop_destroy(loop);
}

struct peer {
    struct loop *loop;
    struct bus *bus;
    struct bus_client *clients[2];
};

static void open_peer(struct peer *peer)
{
    struct error error;
    peer->loop = loop_create(&error);
    peer->bus = peer->loop != NULL ? bus_nng_create(peer->loop, &error) : NULL;
    assert_non_null(peer->bus);
    peer->clients[0] = payout_connect(peer->bus, folder, "payout.rep");
    peer->clients[1] = payout_connect(peer->bus, folder, "payout-2.rep");
}

static void close_peer(struct peer *peer)
{
    bus_client_close(peer->clients[0]);
    bus_client_close(peer->clients[1]);
    bus_destroy(peer->bus);
    loop_destroy(peer->loop);
}

/* Asks until its status begins with these words. */
static void wait_for(struct peer *peer, size_t which, const char *words)
{
    struct payout_answer answer;
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS; waited += 50) {
        payout_ask(peer->loop, peer->clients[which], "status", "", &answer);
        if (strstr(answer.text, words) != NULL)
            return;
        usleep(50000);
    }
    fail_msg("payout %zu never says %s, but %s", which + 1, words, answer.text);
}

#define STANDS_BY "stands by"

static void of_two_one_leads_and_the_other_takes_over_and_hands_back(void **state)
{
    (void)state;
    struct peer peer;
    char epoch[32];
    open_peer(&peer);
    pid_t one = start_instance("1", redis.url, NULL);
    wait_for(&peer, 0, "\"epoch\":");
    pid_t two = start_instance("2", redis.url, NULL);
    wait_for(&peer, 1, STANDS_BY);
    struct payout_answer answer;
    payout_ask(peer.loop, peer.clients[0], "status", "", &answer);
    unsigned first = (unsigned)strtoul(strstr(answer.text, "\"epoch\":") + 8, NULL, 10);

    /* Stopped: the other leads when the lease is over. */
    assert_int_equal(kill(one, SIGSTOP), 0);
    snprintf(epoch, sizeof epoch, "\"epoch\":%u,", first + 1);
    wait_for(&peer, 1, epoch);
    /* It wakes up, finds that out, stands by, and does not end. */
    assert_int_equal(kill(one, SIGCONT), 0);
    wait_for(&peer, 0, STANDS_BY);
    payout_ask(peer.loop, peer.clients[0], "push", "", &answer);
    assert_false(answer.ok);
    /* Ended in order: nobody waits for the lease. */
    kill(two, SIGTERM);
    assert_int_equal(payout_process_exit_code(two), 0);
    snprintf(epoch, sizeof epoch, "\"epoch\":%u,", first + 2);
    wait_for(&peer, 0, epoch);
    kill(one, SIGTERM);
    assert_int_equal(payout_process_exit_code(one), 0);
    close_peer(&peer);
}

#define WINDOW_AWAY "adit_payout_failures_total{away=\"window\"}"

static void wait_in_log(const char *words)
{
    static char text[1 << 18];
    char path[96];
    snprintf(path, sizeof path, "%s/log", folder);
    for (int waited = 0; waited < PAYOUT_DEADLINE_MS; waited += 50) {
        FILE *file = fopen(path, "re");
        size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
        if (file != NULL)
            fclose(file);
        text[length] = '\0';
        if (strstr(text, words) != NULL)
            return;
        usleep(50000);
    }
    fail_msg("the log never says %s: %s", words, text);
}

/* Its turns go on, each is counted, and the first that finds the window ends it. */
static void a_turn_that_is_cut_short_is_counted_and_comes_again(void **state)
{
    (void)state;
    struct peer peer;
    struct error error;
    char log[96];
    snprintf(log, sizeof log, "%s/log", folder);
    assert_int_equal(truncate(log, 0), 0);
    open_peer(&peer);
    pid_t pid = start_instance("1", redis.url, NULL);
    wait_for(&peer, 0, "\"epoch\":");
    assert_int_equal(pool_metric(log, WINDOW_AWAY), 0);
    redis_server_kill(&redis);
    for (int waited = 0; pool_metric(log, WINDOW_AWAY) < 3; waited += 50) {
        if (waited > PAYOUT_DEADLINE_MS)
            fail_msg("its turns are not counted");
        usleep(50000);
    }
    if (!redis_server_restart(&redis, &error) || !redis_server_wait(&redis, &error))
        fail_msg("%s", error.text);
    wait_in_log("service.restored what=\"window\"");
    kill(pid, SIGTERM);
    assert_int_equal(payout_process_exit_code(pid), 0);
    close_peer(&peer);
}

static int set_up(void **state)
{
    struct error error = { .text = "" };
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/adit-payout-XXXXXX");
    if (mkdtemp(folder) == NULL || !redis_server_begin(&redis, NULL, &error)) {
        print_message("%s\n", error.text);
        return -1;
    }
    char path[96];
    snprintf(path, sizeof path, "%s/secret", folder);
    FILE *secret = fopen(path, "w");
    if (secret == NULL)
        return -1;
    (void)fchmod(fileno(secret), 0600); /* one that others may read is refused */
    fprintf(secret, "%064d\n", 7);
    return fclose(secret);
}

static int tear_down(void **state)
{
    static const char *const names[] = {
        "log",         "secret",         "adit.db",          "adit.db-wal",
        "adit.db-shm", "run/payout.rep", "run/payout-2.rep", "run"
    };
    (void)state;
    redis_server_end(&redis);
    char path[96];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(folder);
    return 0;
}

int main(void)
{
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_store_it_ends_with_1),
        cmocka_unit_test(without_the_window_it_ends_with_3),
        cmocka_unit_test(an_open_socket_is_refused),
        cmocka_unit_test(it_answers_what_it_is_asked_and_stops_when_told),
        cmocka_unit_test(what_an_audit_finds_everybody_is_told),
        cmocka_unit_test(a_turn_that_is_cut_short_is_counted_and_comes_again),
        cmocka_unit_test(from_another_host_every_verb_takes_an_operators_token),
        cmocka_unit_test(of_two_one_leads_and_the_other_takes_over_and_hands_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
