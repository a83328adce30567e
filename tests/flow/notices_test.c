/* What people are told by a whole pool, while the processes that tell are killed again and again:
 * an account hears of each block and each payment by letter and by webhook, under one id each; of a
 * miner that stops; operators of an audit's difference and of a pause. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_open/store_open.h"
#include "adapter/webhook_curl/testing/receiver.h"
#include "loop/loop.h"
#include "record/notice/audit_report.h"
#include "record/notice/notice_record.h"
#include "tests/fixture/pool_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TOKEN_BYTES = 4096, LETTERS_MAX = 1000, LETTER_BYTES = 4096, CAUSES_MAX = 800 };

static struct pool_fixture pool;
static struct receiver receiver, operators;
static char token[TOKEN_BYTES];
static char letters[LETTERS_MAX][LETTER_BYTES];
static size_t letter_count;

/* As the operators' receiver knows it. */
static const char operator_secret[] = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQA=";

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* A POST to auth that must succeed; the answer is the caller's. */
static json_t *post(const char *path, const char *body)
{
    json_t *answer;
    long status = pool_ask(pool.auth_port, path, token[0] != '\0' ? token : NULL, body, &answer);
    if (status < 200 || status > 299)
        fail_msg("%s: %ld %s", path, status, text_at(answer, "detail"));
    return answer;
}

static void read_letters(void)
{
    char folder[120], path[400];
    snprintf(folder, sizeof folder, "%s/mail", pool.data);
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;
    letter_count = 0;
    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL) {
        if (strstr(entry->d_name, ".eml") == NULL)
            continue;
        assert_true(letter_count < LETTERS_MAX);
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        char *letter = letters[letter_count++];
        letter[fread(letter, 1, LETTER_BYTES - 1, file)] = '\0';
        fclose(file);
    }
    if (open_folder != NULL)
        closedir(open_folder);
}

static bool a_token_came(const struct pool_fixture *self, void *context)
{
    (void)self;
    read_letters();
    for (size_t i = 0; i < letter_count; i++) {
        const char *at = strstr(letters[i], "\r\n    ");
        if (strstr(letters[i], "Subject: Confirm your registration") == NULL || at == NULL)
            continue;
        const char *mark = strchr(at, '#'); /* the token stands behind a link */
        at = mark != NULL ? mark + 1 : at + 6;
        snprintf(context, 200, "%.*s", (int)strcspn(at, "\r"), at);
        return true;
    }
    return false;
}

static void register_gertrude(void)
{
    char body[500], ticket[200];
    snprintf(body, sizeof body,
             "{\"name\":\"gertrude\",\"email\":\"gertrude@example.org\",\"password\":\"a long "
             "enough sentence\",\"payout_address\":\"%s\"}",
             pool.pool_address);
    json_decref(post("/api/v1/register", body));
    pool_wait(&pool, "a letter came", 60, a_token_came, ticket);
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", ticket);
    json_decref(post("/api/v1/auth/email/confirm", body));
    json_t *answer =
        post("/api/v1/login", "{\"name\":\"gertrude\",\"password\":\"a long enough sentence\"}");
    snprintf(token, sizeof token, "%s", text_at(answer, "access_token"));
    json_decref(answer);
    assert_int_not_equal(token[0], '\0');
}

static void choose(const char *kinds)
{
    char body[300];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"webhook\":\"%s\",\"offline_after_s\":\"10\"}",
             kinds, kinds);
    json_decref(post("/api/v1/me/notices", body));
}

static int set_up(void **state)
{
    char settings[1200], path[120], body[200];
    (void)state;
    receiver_begin(&receiver);
    receiver_begin(&operators);
    receiver_know(&operators, operator_secret);
    snprintf(path, sizeof path, "/tmp/adit-notices-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", operator_secret);
    fclose(file);
    snprintf(settings, sizeof settings,
             "{\"auth\":{\"mail\":\"file:%%d/mail\",\"argon2_memory_kib\":8192},"
             "\"stratum\":{\"share_interval_ms\":500},\"devnode\":{\"block_interval_s\":4},"
             "\"payout\":{\"threshold\":1},"
             "\"notices\":{\"webhook_plain\":true,\"webhook_inside\":[\"127.0.0.0/8\"],"
             "\"retry_s\":1,\"offline_least_s\":1,\"quiet_s\":1,\"letters_day\":10000,"
             "\"operator_email\":\"operators@example.org\","
             "\"operator_webhook\":\"http://127.0.0.1:%d/operators\","
             "\"operator_webhook_secret_file\":\"%s\"}}",
             operators.port, path);
    pool_start(&pool, settings, false);
    register_gertrude();
    snprintf(body, sizeof body, "{\"url\":\"http://127.0.0.1:%d/hook\"}", receiver.port);
    json_t *answer = post("/api/v1/me/notices/webhook", body);
    receiver_know(&receiver, text_at(answer, "secret"));
    json_decref(answer);
    choose("payment.sent,block.own,block.found,worker.offline");
    (void)pool_add_miner(&pool, "gertrude.rig1", 30000);
    return 0;
}

static int tear_down(void **state)
{
    char path[120];
    (void)state;
    pool_end(&pool);
    receiver_end(&receiver);
    receiver_end(&operators);
    snprintf(path, sizeof path, "/tmp/adit-notices-%d", (int)getpid());
    (void)unlink(path);
    return 0;
}

struct told {
    char cause[100], id[RECEIVER_ID_BYTES];
};
static struct told told[CAUSES_MAX];
static size_t told_count;

/* What a notice is about, in one word: a block's hash, a payment's number. */
static void cause_of(const char *body, char cause_r[100])
{
    json_t *document = json_loads(body, 0, NULL);
    assert_non_null(document);
    const json_t *data = json_object_get(document, "data");
    snprintf(cause_r, 100, "%.20s %.64s%lld", text_at(document, "type"), text_at(data, "hash"),
             (long long)json_integer_value(json_object_get(data, "payment")));
    json_decref(document);
}

/* Every request is signed; and the same cause has the same id, however often it came: it came again
 * only where it had not been taken, or whoever delivered it was killed. */
static void read_webhooks(void)
{
    told_count = 0;
    size_t count = receiver_count(&receiver);
    for (size_t i = 0; i < count; i++) {
        const struct receiver_heard heard = receiver_get(&receiver, i);
        assert_true(heard.valid);
        if (strstr(heard.body, "\"type\":\"worker.offline\"") != NULL)
            continue; /* a busy machine's miner may be silent for so long */
        struct told fresh;
        cause_of(heard.body, fresh.cause);
        snprintf(fresh.id, sizeof fresh.id, "%s", heard.id);
        size_t at = 0;
        while (at < told_count && strcmp(told[at].cause, fresh.cause) != 0)
            at++;
        if (at < told_count) {
            assert_string_equal(told[at].id, fresh.id);
            continue;
        }
        for (size_t k = 0; k < told_count; k++)
            assert_string_not_equal(told[k].id, fresh.id);
        assert_true(told_count < CAUSES_MAX);
        if (heard.answered == 200)
            told[told_count++] = fresh;
    }
}

static bool was_told(const char *cause)
{
    for (size_t i = 0; i < told_count; i++)
        if (strcmp(told[i].cause, cause) == 0)
            return true;
    return false;
}

/* Letters that hold the text, by different ids. */
static size_t letters_with(const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < letter_count; i++) {
        if (strstr(letters[i], text) == NULL)
            continue;
        const char *id = strstr(letters[i], "Message-ID: <");
        assert_non_null(id);
        bool fresh = true;
        for (size_t k = 0; k < i; k++)
            fresh = fresh && (strstr(letters[k], text) == NULL ||
                              strncmp(strstr(letters[k], "Message-ID: <"), id, 50) != 0);
        count += fresh;
    }
    return count;
}

/* Another comes every few seconds, and one may be told some seconds late where a lane finds another
 * at the same account: what is new is not asked for yet. */
static bool is_new(const char *cause)
{
    enum { NEW_MS = 8000 };
    static struct {
        char cause[100];
        uint64_t since_ms;
    } known[CAUSES_MAX];
    static size_t count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(known[i].cause, cause) == 0)
            return loop_unix_ms() < known[i].since_ms + NEW_MS;
    assert_true(count < CAUSES_MAX);
    snprintf(known[count].cause, sizeof known[count].cause, "%s", cause);
    known[count++].since_ms = loop_unix_ms();
    return true;
}

/* Whether everything that the API has listed for a while was told, by both channels. */
static bool all_is_told(const struct pool_fixture *self, void *context)
{
    size_t *wanted = context, index, payments_sent = 0, blocks_found = 0;
    json_t *blocks = pool_api(self, "/api/v1/blocks?limit=100"), *one;
    json_t *payments = pool_api(self, "/api/v1/accounts/gertrude/payments");
    bool all = blocks != NULL && payments != NULL;
    read_webhooks();
    read_letters();
    json_array_foreach(json_object_get(blocks, "blocks"), index, one)
    {
        char cause[100];
        const char *state = text_at(one, "state"), *hash = text_at(one, "hash");
        if (strcmp(state, "accepted") != 0 && strcmp(state, "matured") != 0)
            continue;
        snprintf(cause, sizeof cause, "block.own %s0", hash);
        if (is_new(cause))
            continue;
        blocks_found++;
        all = all && was_told(cause) && letters_with(hash) == 1;
    }
    json_array_foreach(json_object_get(payments, "payments"), index, one)
    {
        char cause[100];
        const char *state = text_at(one, "state"), *txid = text_at(one, "txid");
        if (strcmp(state, "broadcast") != 0 && strcmp(state, "confirmed") != 0 &&
            strcmp(state, "settled") != 0)
            continue;
        snprintf(cause, sizeof cause, "payment.sent %lld",
                 (long long)json_integer_value(json_object_get(one, "number")));
        if (is_new(cause))
            continue;
        payments_sent++;
        all = all && was_told(cause) && letters_with(txid) == 1;
    }
    json_decref(blocks);
    json_decref(payments);
    return all && blocks_found >= wanted[0] && payments_sent >= wanted[1];
}

static bool is_up(const struct pool_fixture *self, void *context)
{
    return pool_pid(self, context, NULL) > 0;
}

static bool asked_in_vain(const struct pool_fixture *self, void *context)
{
    (void)self;
    size_t before = *(size_t *)context;
    return receiver_count(&receiver) > before;
}

static void each_block_and_payment_is_told_once_whoever_dies(void **state)
{
    (void)state;
    static const char *const killed[][2] = { { "auth", NULL },
                                             { "inode-scheduler", NULL },
                                             { "auth", NULL } };
    size_t wanted[2] = { 1, 1 };
    pool_wait(&pool, "a block and a payment were told", 150, all_is_told, wanted);
    for (size_t i = 0; i < sizeof killed / sizeof *killed; i++) {
        /* The receiver is down while there is something to tell, and who tells it dies. */
        size_t before = receiver_count(&receiver);
        atomic_store(&receiver.status, 500);
        pool_wait(&pool, "a receiver that is down was asked", 120, asked_in_vain, &before);
        char name[32];
        snprintf(name, sizeof name, "%s", killed[i][0]);
        pool_wait(&pool, "it runs", 60, is_up, name);
        pool_kill(&pool, killed[i]);
        atomic_store(&receiver.status, 200);
        wanted[0] = wanted[1] = i + 2;
        pool_wait(&pool, "all was told in the end", 150, all_is_told, wanted);
    }
}

/* When its newest share was taken, as the notice has it. */
static bool rig_is_told_offline(const char *since)
{
    size_t count = receiver_count(&receiver);
    for (size_t i = 0; i < count; i++) {
        const struct receiver_heard heard = receiver_get(&receiver, i);
        if (strstr(heard.body, "\"type\":\"worker.offline\"") == NULL ||
            strstr(heard.body, "\"name\":\"rig1\"") == NULL)
            continue;
        const char *at = strstr(heard.body, "\"last_share\":\"");
        if (at != NULL && strncmp(at + strlen("\"last_share\":\""), since, strlen(since)) >= 0)
            return true;
    }
    return false;
}

static bool an_offline_rig_is_told(const struct pool_fixture *self, void *context)
{
    (void)self;
    read_letters();
    return rig_is_told_offline(context) && letters_with("Subject: A worker is offline") >= 1;
}

static void a_miner_that_stops_is_told_offline(void **state)
{
    (void)state;
    struct pool_miner_report report;
    char since[32];
    time_t now = time(NULL) - 10; /* its newest share may be some time old */
    struct tm parts;
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now, &parts));
    static const char *const killed[] = { "inode-scheduler", NULL };
    pool_end_miner(&pool, 0, &report);
    pool_kill(&pool, killed); /* it is read from the window again */
    pool_wait(&pool, "the silent worker was told", 120, an_offline_rig_is_told, since);
    /* Each silence has an id of its own. */
    size_t count = receiver_count(&receiver);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct receiver_heard a = receiver_get(&receiver, i),
                                        b = receiver_get(&receiver, k);
            if (strstr(a.body, "worker.offline") != NULL && strcmp(a.body, b.body) == 0)
                assert_string_equal(a.id, b.id);
        }
}

static bool operators_heard(const struct pool_fixture *self, void *context)
{
    (void)self;
    size_t count = receiver_count(&operators);
    for (size_t i = 0; i < count; i++) {
        const struct receiver_heard heard = receiver_get(&operators, i);
        if (heard.valid && strstr(heard.body, context) != NULL)
            return true;
    }
    return false;
}

static bool operators_have_letter(const struct pool_fixture *self, void *context)
{
    (void)self;
    read_letters();
    for (size_t i = 0; i < letter_count; i++)
        if (strstr(letters[i], "To: <operators@example.org>") != NULL &&
            strstr(letters[i], context) != NULL)
            return true;
    return false;
}

static void on_the_machine(const char *words)
{
    char command[500];
    snprintf(command, sizeof command, "%s/bin/adit payout --config %s --data %s %s >/dev/null",
             getenv("ADIT_BUILD"), pool.config, pool.data, words);
    assert_int_equal(system(command), 0);
}

static void operators_hear_of_a_pause_and_of_a_difference(void **state)
{
    (void)state;
    struct error error;
    char url[120], paused[] = "payouts.paused", why[] = "the wallet moves";
    char differs[] = "set 4 does not balance", subject[] = "The audit of the ledger found";
    on_the_machine("pause 'the wallet moves'");
    pool_wait(&pool, "operators heard of the pause", 60, operators_heard, paused);
    pool_wait(&pool, "and have a letter", 60, operators_have_letter, why);
    /* An audit that finds nothing is not told; one that finds something is. */
    on_the_machine("audit");
    snprintf(url, sizeof url, "sqlite:%s/adit.db", pool.data);
    struct store *store = store_open(url, 20000, &error);
    assert_non_null(store);
    assert_true(notice_declare(store, &error));
    struct audit_report report = { .time_ms = (uint64_t)time(NULL) * 1000, .differences = 1 };
    snprintf(report.first, sizeof report.first, "%s", differs);
    assert_int_equal(audit_report_append(store, &report, &error), STORE_DONE);
    store_close(store);
    pool_wait(&pool, "operators heard of the difference", 60, operators_heard, differs);
    pool_wait(&pool, "and have a letter", 60, operators_have_letter, subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_block_and_payment_is_told_once_whoever_dies),
        cmocka_unit_test(a_miner_that_stops_is_told_offline),
        cmocka_unit_test(operators_hear_of_a_pause_and_of_a_difference),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
