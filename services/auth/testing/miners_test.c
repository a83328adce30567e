/* Miners' authorisation between a gateway that asks over the bus in memory and a store in memory
 * that fails and hangs on command. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "adapter/store_fake/fake.h"
#include "base/test_random.h"
#include "loop/testing/until.h"
#include "record/account/account.h"
#include "services/auth/auth.h"
#include "services/auth/binding.h"
#include "services/auth/known.h"
#include "wire/messages.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWERS_MAX = 4096 };
#define ADDRESS "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define ADDRESS_UPPER "BCRT1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KYGT080"
#define LEGACY "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"

/* A handle whose reads wait while the gate is shut, and whose writes fail while it is full. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool shut;
    _Atomic bool full;
    unsigned reads;
};

struct gated {
    struct store base;
    struct store *inner;
    struct gate *gate;
};

struct answer {
    bool given;
    enum bus_outcome how;
    uint8_t outcome;
    uint64_t account, worker;
    char account_name[130], worker_name[130], text[260];
};

struct fixture {
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    char folder[32];
    struct settings settings;
    struct store *store;
    struct gate gate;
    struct auth auth;
    bool open;
    uint64_t fresh_ms;
    struct bus_client *client;
    bool up;
    char trouble[128];
    struct answer answers[ANSWERS_MAX];
    size_t asked;
};

static struct store *inner_of(struct store *store)
{
    return ((struct gated *)store)->inner;
}

static bool is_full(struct store *store, struct error *error)
{
    const bool full = atomic_load(&((struct gated *)store)->gate->full);
    return full && !error_set(error, ERROR_FULL, "the disk is full");
}

static bool gated_declare(struct store *store, const struct store_collection *const *collections,
                          size_t count, struct error *error)
{
    return store_declare(inner_of(store), collections, count, error);
}

static enum store_outcome gated_apply(struct store *store, struct store_write *writes, size_t count,
                                      struct error *error)
{
    for (size_t i = 0; i < count; i++)
        writes[i].outcome = STORE_FAILED;
    return is_full(store, error) ? STORE_FAILED
                                 : store_apply(inner_of(store), writes, count, error);
}

static enum store_outcome gated_get(struct store *store, const struct store_collection *collection,
                                    const char *id, struct arena *arena,
                                    struct store_record *record_r, struct error *error)
{
    struct gate *gate = ((struct gated *)store)->gate;
    pthread_mutex_lock(&gate->mutex);
    gate->reads++;
    while (gate->shut)
        pthread_cond_wait(&gate->opened, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return store_get(inner_of(store), collection, id, arena, record_r, error);
}

static enum store_outcome gated_find(struct store *store, const struct store_collection *collection,
                                     const struct store_query *query, store_visitor visitor,
                                     void *context, struct error *error)
{
    return store_find(inner_of(store), collection, query, visitor, context, error);
}

static bool gated_ping(struct store *store, struct error *error)
{
    return store_ping(inner_of(store), error);
}

static bool gated_writable(struct store *store, struct error *error)
{
    return !is_full(store, error) && store_writable(inner_of(store), error);
}

static void gated_close(struct store *store)
{
    store_close(inner_of(store));
    free(store);
}

static struct store *open_store(void *context, struct error *error)
{
    static const struct store_ops ops = { gated_declare, gated_apply,    gated_get,  gated_find,
                                          gated_ping,    gated_writable, gated_close };
    struct fixture *f = context;
    struct gated *gated = calloc(1, sizeof *gated);
    (void)error;
    *gated = (struct gated){ { &ops }, store_fake_share(f->store), &f->gate };
    return &gated->base;
}

static void shut_gate(struct fixture *f, bool shut)
{
    pthread_mutex_lock(&f->gate.mutex);
    f->gate.shut = shut;
    pthread_cond_broadcast(&f->gate.opened);
    pthread_mutex_unlock(&f->gate.mutex);
}

static unsigned reads(struct fixture *f)
{
    pthread_mutex_lock(&f->gate.mutex);
    unsigned count = f->gate.reads;
    pthread_mutex_unlock(&f->gate.mutex);
    return count;
}

static void on_trouble(void *context, const char *what, const char *reason)
{
    struct fixture *f = context;
    snprintf(f->trouble, sizeof f->trouble, "%s", reason != NULL ? what : "");
}

static void on_up(void *context)
{
    ((struct fixture *)context)->up = true;
}

static void on_down(void *context)
{
    ((struct fixture *)context)->up = false;
}

#define UNTIL(f, condition) LOOP_UNTIL((f)->loop, condition, "")

static const struct identity_key key = { { 1, 2, 3 } };

static void start(struct fixture *f)
{
    struct error error;
    const struct auth_options options = { .loop = f->loop,
                                          .bus = f->bus,
                                          .metrics = f->metrics,
                                          .settings = &f->settings,
                                          .coin = coin_profile_find(span_text("bitcoin-regtest")),
                                          .key = key,
                                          .fresh_ms = f->fresh_ms,
                                          .open_store = open_store,
                                          .on_trouble = on_trouble,
                                          .context = f };
    enum service_exit code;
    if (!auth_open(&f->auth, &options, &code, &error))
        fail_msg("%s", error.text);
    f->open = true;
}

static int setup(void **state)
{
    struct error error;
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = loop_create(&error);
    f->bus = bus_fake_create(f->loop);
    f->metrics = metrics_create();
    f->store = store_fake_create();
    pthread_mutex_init(&f->gate.mutex, NULL);
    pthread_cond_init(&f->gate.opened, NULL);
    assert_true(account_declare(f->store, &error));
    strcpy(f->folder, "/tmp/adit-miners-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_true(settings_load(&f->settings, NULL, f->folder, "1", &error));
    f->settings.auth_argon2_memory_kib = 8192;
    f->settings.auth_argon2_passes = 1;
    start(f);
    const struct bus_client_options client = { .in_flight_max = MINERS_CALLS_MAX,
                                               .message_bytes_max = 4096,
                                               .on_up = on_up,
                                               .on_down = on_down,
                                               .context = f };
    f->client = bus_connect(f->bus, f->settings.auth_listen, &client, &error);
    UNTIL(f, f->up);
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    if (f->open)
        auth_close(&f->auth);
    f->open = false;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    shut_gate(f, false);
    stop(f);
    bus_client_close(f->client);
    bus_destroy(f->bus);
    loop_destroy(f->loop);
    metrics_destroy(f->metrics);
    store_close(f->store);
    settings_deinit(&f->settings);
    char path[64];
    snprintf(path, sizeof path, "%s/auth.key", f->folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/auth.pub", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static void on_reply(void *context, enum bus_outcome how, struct span message)
{
    struct answer *answer = context;
    struct wire_authorise_reply reply;
    struct error error;
    uint8_t memory[2048];
    struct arena arena = arena_over(memory, sizeof memory);
    answer->given = true;
    answer->how = how;
    if (how != BUS_REPLIED)
        return;
    assert_true(wire_decode_authorise_reply(message, &arena, &reply, &error));
    answer->outcome = reply.outcome;
    answer->account = reply.account;
    answer->worker = reply.worker;
    snprintf(answer->account_name, sizeof answer->account_name, "%s", reply.account_name);
    snprintf(answer->worker_name, sizeof answer->worker_name, "%s", reply.worker_name);
    snprintf(answer->text, sizeof answer->text, "%s", reply.text);
}

static struct answer *begin_with(struct fixture *f, const char *user, const char *password)
{
    const struct wire_authorise_request request = { .user = user,
                                                    .password = password,
                                                    .peer = "10.0.0.1:5" };
    uint8_t message[1024];
    assert_true(f->asked < ANSWERS_MAX);
    struct answer *answer = &f->answers[f->asked++];
    size_t length = wire_encode_authorise_request(&request, message, sizeof message);
    assert_true(length > 0);
    assert_true(bus_request(f->client, span_of(message, length), 5000, on_reply, answer));
    return answer;
}

static struct answer *begin(struct fixture *f, const char *user)
{
    return begin_with(f, user, "x");
}

static const struct answer *ask(struct fixture *f, const char *user)
{
    struct answer *answer = begin(f, user);
    UNTIL(f, answer->given);
    assert_int_equal(answer->how, BUS_REPLIED);
    return answer;
}

static void expected_ids(const char *user, uint64_t *account_r, uint64_t *worker_r)
{
    struct identity_name name;
    struct identity_account account;
    assert_int_equal(identity_split(span_text(user), &name), IDENTITY_OK);
    assert_int_equal(identity_resolve(coin_profile_find(span_text("bitcoin-regtest")), name.account,
                                      &account, NULL),
                     IDENTITY_OK);
    *account_r = identity_account_id(&key, &account);
    *worker_r = identity_worker_id(&key, *account_r, name.worker);
}

static void make_account(struct fixture *f, const char *name, enum account_state account_state)
{
    struct account account = { .kind = IDENTITY_KIND_ACCOUNT, .state = account_state };
    struct account bound;
    struct error error;
    uint64_t worker;
    snprintf(account.name, sizeof account.name, "%s", name);
    expected_ids(name, &account.id, &worker);
    assert_int_equal(account_bind(f->store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
}

static void an_address_is_let_in_under_its_ids_and_bound(void **state)
{
    struct fixture *f = *state;
    static const char *const users[] = { ADDRESS, ADDRESS ".rig-1", LEGACY, LEGACY ".a.b" };
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        const struct answer *answer = ask(f, users[i]);
        struct account account;
        struct account_worker worker;
        struct error error;
        uint64_t account_id, worker_id;
        expected_ids(users[i], &account_id, &worker_id);
        assert_int_equal(answer->outcome, WIRE_AUTHORISE_YES);
        assert_int_equal(answer->account, account_id);
        assert_int_equal(answer->worker, worker_id);
        assert_int_equal(account_get(f->store, account_id, &account, &error), STORE_DONE);
        assert_string_equal(account.name, answer->account_name);
        assert_string_equal(account.payouts[0].address, answer->account_name);
        assert_int_equal(account.state, ACCOUNT_ACTIVE);
        assert_true(account.payouts[0].script.length > 0);
        assert_int_equal(worker_get(f->store, account_id, worker_id, &worker, &error), STORE_DONE);
        assert_string_equal(worker.name, answer->worker_name);
        const char *dot = strchr(users[i], '.');
        assert_string_equal(worker.name, dot != NULL ? dot + 1 : "");
    }
    assert_int_equal(miners_counts(f->auth.miners).made, 2);
}

static void both_spellings_of_an_address_are_one_account(void **state)
{
    struct fixture *f = *state;
    const struct answer *lower = ask(f, ADDRESS ".x");
    const struct answer *upper = ask(f, ADDRESS_UPPER ".x");
    assert_int_equal(upper->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(lower->account, upper->account);
    assert_int_equal(lower->worker, upper->worker);
    assert_string_equal(upper->account_name, ADDRESS);
}

static void what_is_no_name_is_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *user, *text;
    } cases[] = {
        { "", "empty" },
        { ".rig", "empty" },
        { "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt08p", "checksum" },
        { "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfo", "checksum" },
        { "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "network" },
        { "no body", "character" },
        { "ab", "neither" },
        { "alice\"", "character" },
        { "nobody", "registered" },
        { "nobody.rig", "registered" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct answer *answer = ask(f, cases[i].user);
        assert_int_equal(answer->outcome, WIRE_AUTHORISE_NO);
        if (strstr(answer->text, cases[i].text) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].user, answer->text, cases[i].text);
    }
    assert_int_equal(store_fake_writes(f->store), 0);
}

static void a_registered_account_is_let_in_whatever_case_and_a_closed_one_is_not(void **state)
{
    struct fixture *f = *state;
    make_account(f, "gertrude", ACCOUNT_ACTIVE);
    make_account(f, "locked", ACCOUNT_LOCKED);
    make_account(f, "closed", ACCOUNT_CLOSED);
    const struct answer *answer = ask(f, "Gertrude.rig");
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_YES);
    assert_string_equal(answer->account_name, "gertrude");
    assert_string_equal(answer->worker_name, "rig");
    assert_int_equal(ask(f, "locked")->outcome, WIRE_AUTHORISE_YES);
    answer = ask(f, "closed.rig");
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_NO);
    assert_non_null(strstr(answer->text, "closed"));
}

static void an_account_s_miners_show_its_worker_password_where_it_has_one(void **state)
{
    struct fixture *f = *state;
    struct account account;
    struct error error;
    struct secrets secrets;
    make_account(f, "gertrude", ACCOUNT_ACTIVE);
    assert_int_equal(ask(f, "gertrude.rig")->outcome, WIRE_AUTHORISE_YES); /* any will do */
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    secrets_derive(&key, &secrets);
    binding_password_hash(&secrets, account.id, span_text("dig deeper"), account.worker_password);
    account.has_worker_password = true;
    assert_int_equal(account_save(f->store, &account, &error), STORE_DONE);
    static const struct {
        const char *password;
        enum wire_authorise_outcome outcome;
    } cases[] = {
        { "dig deeper", WIRE_AUTHORISE_YES }, { "", WIRE_AUTHORISE_NO },
        { "dig deepe", WIRE_AUTHORISE_NO },   { "Dig deeper", WIRE_AUTHORISE_NO },
        { "dig deeper", WIRE_AUTHORISE_YES }, { "y", WIRE_AUTHORISE_NO },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct answer *answer = begin_with(f, "gertrude.rig", cases[i].password);
        UNTIL(f, answer->given);
        assert_int_equal(answer->outcome, cases[i].outcome);
        if (answer->outcome == WIRE_AUTHORISE_NO)
            assert_non_null(strstr(answer->text, "password"));
    }
    /* Without the store a password that was right goes on, and no other. */
    store_fake_away(f->store, true);
    const struct answer *answer = begin_with(f, "gertrude.rig", "dig deeper");
    UNTIL(f, answer->given);
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_YES);
    answer = begin_with(f, "gertrude.rig", "z");
    UNTIL(f, answer->given);
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_UNAVAILABLE);
    store_fake_away(f->store, false);
}

static void names_beyond_ascii_are_taken_in_any_form(void **state)
{
    struct fixture *f = *state;
    make_account(f, "j\xc3\xbcrgen", ACCOUNT_ACTIVE);
    static const char *const forms[] = { "j\xc3\xbcrgen.rig", "J\xc3\x9cRGEN.rig",
                                         "ju\xcc\x88rgen.rig" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct answer *answer = ask(f, forms[i]);
        assert_int_equal(answer->outcome, WIRE_AUTHORISE_YES);
        assert_string_equal(answer->account_name, "j\xc3\xbcrgen");
        assert_string_equal(answer->worker_name, "rig");
    }
    assert_int_equal(ask(f, "j\xc3\xbc\xd0\xb3gen")->outcome, WIRE_AUTHORISE_NO);
}

static void a_name_that_meets_a_taken_id_is_refused(void **state)
{
    struct fixture *f = *state;
    struct account other = { .kind = IDENTITY_KIND_ACCOUNT, .state = ACCOUNT_ACTIVE };
    struct account_worker worker = { .name = "another" };
    struct account bound;
    struct error error;
    uint64_t unused;
    /* The id of one name, held by another. */
    expected_ids(ADDRESS, &other.id, &unused);
    snprintf(other.name, sizeof other.name, "usurper");
    assert_int_equal(account_bind(f->store, &other, &bound, NULL, &error), ACCOUNT_BOUND);
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_NO);
    expected_ids(LEGACY ".rig", &worker.account_id, &worker.id);
    assert_int_equal(worker_bind(f->store, &worker, &error), ACCOUNT_BOUND);
    assert_int_equal(ask(f, LEGACY ".rig")->outcome, WIRE_AUTHORISE_NO);
    assert_int_equal(ask(f, LEGACY ".other")->outcome, WIRE_AUTHORISE_YES);
}

static void restart(struct fixture *f)
{
    stop(f);
    UNTIL(f, !f->up);
    start(f);
    UNTIL(f, f->up);
}

static void while_the_store_is_away_known_names_go_on_and_others_are_told_to_try_again(void **state)
{
    struct fixture *f = *state;
    make_account(f, "gertrude", ACCOUNT_ACTIVE);
    const struct answer *before = ask(f, ADDRESS ".rig");
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_YES);
    restart(f); /* so that it forgets */
    assert_int_equal(ask(f, ADDRESS ".rig")->outcome, WIRE_AUTHORISE_YES);
    store_fake_away(f->store, true);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_UNAVAILABLE);
    assert_string_equal(f->trouble, "store");
    const struct answer *answer = ask(f, ADDRESS ".rig");
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(answer->account, before->account);
    assert_int_equal(answer->worker, before->worker);
    assert_int_equal(ask(f, ADDRESS ".new")->outcome, WIRE_AUTHORISE_UNAVAILABLE);
    assert_int_equal(ask(f, "not an address")->outcome, WIRE_AUTHORISE_NO);
    assert_true(miners_counts(f->auth.miners).store_away);
    store_fake_away(f->store, false);
    UNTIL(f, f->trouble[0] == '\0');
    assert_int_equal(ask(f, ADDRESS ".new")->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_YES);
}

static void names_that_are_bound_go_on_while_the_store_can_only_be_read(void **state)
{
    struct fixture *f = *state;
    const struct answer *before = ask(f, ADDRESS ".rig");
    assert_int_equal(before->outcome, WIRE_AUTHORISE_YES);
    atomic_store(&f->gate.full, true);
    restart(f);                                 /* so that it forgets */
    UNTIL(f, strcmp(f->trouble, "store") == 0); /* told without a write */
    assert_false(miners_counts(f->auth.miners).store_away);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask(f, ADDRESS ".new")->outcome, WIRE_AUTHORISE_UNAVAILABLE);
        assert_false(miners_counts(f->auth.miners).store_away);
    }
    const struct answer *answer = ask(f, ADDRESS ".rig");
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(answer->worker, before->worker);
    atomic_store(&f->gate.full, false);
    UNTIL(f, f->trouble[0] == '\0');
    assert_int_equal(ask(f, ADDRESS ".new")->outcome, WIRE_AUTHORISE_YES);
    /* and where a write is the first to meet it */
    atomic_store(&f->gate.full, true);
    assert_int_equal(ask(f, ADDRESS ".other")->outcome, WIRE_AUTHORISE_UNAVAILABLE);
    assert_string_equal(f->trouble, "store");
    assert_false(miners_counts(f->auth.miners).store_away);
    assert_int_equal(ask(f, ADDRESS ".new")->outcome, WIRE_AUTHORISE_YES);
    atomic_store(&f->gate.full, false);
}

/* What is remembered is so old that the store is asked again. A turn of the loop may end at once,
 * because another part had something to do. */
static void let_age(struct fixture *f)
{
    const uint64_t then_ms = loop_now_ms(f->loop);
    UNTIL(f, loop_now_ms(f->loop) >= then_ms + f->fresh_ms);
}

static void
a_name_known_from_before_is_asked_about_again_and_goes_on_without_an_answer(void **state)
{
    struct fixture *f = *state;
    f->fresh_ms = 1;
    restart(f);
    make_account(f, "gertrude", ACCOUNT_ACTIVE);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_YES);
    let_age(f);
    /* the store hangs */
    shut_gate(f, true);
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_YES);
    shut_gate(f, false);
    UNTIL(f, miners_counts(f->auth.miners).questions == 0);
    /* it is away: the first question finds out, the second knows */
    store_fake_away(f->store, true);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_YES);
    store_fake_away(f->store, false);
    UNTIL(f, f->trouble[0] == '\0');
    /* it is back and says that the account was closed */
    struct account account;
    struct error error;
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    account.state = ACCOUNT_CLOSED;
    assert_int_equal(account_save(f->store, &account, &error), STORE_DONE);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_NO);
    store_fake_away(f->store, true);
    assert_int_equal(ask(f, "gertrude")->outcome, WIRE_AUTHORISE_UNAVAILABLE);
}

static void no_yes_comes_before_the_write_is_certain(void **state)
{
    struct fixture *f = *state;
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE };
    unsigned number = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        for (size_t skip = 0; skip < 2; skip++) { /* the account's write, the worker's */
            char user[128];
            snprintf(user, sizeof user, "%s.%u", skip == 0 ? LEGACY : ADDRESS, number++);
            stop(f);
            store_close(f->store);
            f->store = store_fake_create();
            struct error error;
            assert_true(account_declare(f->store, &error));
            UNTIL(f, !f->up);
            start(f);
            UNTIL(f, f->up);
            store_fake_inject(f->store, faults[i], skip, 1);
            assert_int_equal(ask(f, user)->outcome, WIRE_AUTHORISE_UNAVAILABLE);
            UNTIL(f, f->trouble[0] == '\0');
            assert_int_equal(ask(f, user)->outcome, WIRE_AUTHORISE_YES);
            assert_int_equal(ask(f, user)->outcome, WIRE_AUTHORISE_YES);
        }
    }
}

static void many_questions_about_one_name_are_one(void **state)
{
    struct fixture *f = *state;
    struct answer *first = begin(f, ADDRESS ".rig");
    shut_gate(f, true);
    struct answer *last = NULL;
    for (unsigned i = 0; i < 200; i++)
        last = begin(f, ADDRESS ".rig");
    UNTIL(f, miners_counts(f->auth.miners).questions == 1);
    shut_gate(f, false);
    UNTIL(f, last->given);
    assert_int_equal(first->outcome, WIRE_AUTHORISE_YES);
    for (size_t i = 0; i < f->asked; i++)
        assert_int_equal(f->answers[i].outcome, WIRE_AUTHORISE_YES);
    assert_true(reads(f) <= 4);
    assert_int_equal(miners_counts(f->auth.miners).made, 1);
}

static void nobody_waits_longer_than_a_gateway_does(void **state)
{
    struct fixture *f = *state;
    shut_gate(f, true);
    uint64_t start_ms = loop_clock_ns() / 1000000;
    const struct answer *answer = ask(f, ADDRESS);
    assert_int_equal(answer->outcome, WIRE_AUTHORISE_UNAVAILABLE);
    assert_true(loop_clock_ns() / 1000000 - start_ms >= MINERS_PATIENCE_MS);
    assert_int_equal(miners_counts(f->auth.miners).questions, 1);
    shut_gate(f, false);
    /* What the store says late is remembered. */
    UNTIL(f, miners_counts(f->auth.miners).questions == 0);
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_YES);
    assert_int_equal(miners_counts(f->auth.miners).remembered, 1);
}

static void more_names_than_the_queue_holds_are_told_to_try_again(void **state)
{
    struct fixture *f = *state;
    char user[64];
    shut_gate(f, true);
    unsigned number = 0;
    /* The patience frees the calls, the questions stay. */
    while (miners_counts(f->auth.miners).questions < MINERS_QUESTIONS_MAX) {
        size_t before = f->asked;
        for (unsigned i = 0; i < MINERS_CALLS_MAX / 2; i++) {
            snprintf(user, sizeof user, "name-%u", number++);
            (void)begin(f, user);
        }
        UNTIL(f, f->answers[before + MINERS_CALLS_MAX / 2 - 1].given);
    }
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_UNAVAILABLE);
    assert_true(miners_counts(f->auth.miners).questions <= MINERS_QUESTIONS_MAX + 1);
    shut_gate(f, false);
    UNTIL(f, miners_counts(f->auth.miners).questions == 0);
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_YES);
}

static void at_the_end_everybody_who_waits_is_answered(void **state)
{
    struct fixture *f = *state;
    shut_gate(f, true);
    struct answer *running = begin(f, ADDRESS ".running");
    UNTIL(f, reads(f) > 0);
    struct answer *waiting = begin(f, ADDRESS ".waiting");
    UNTIL(f, miners_counts(f->auth.miners).questions == 2);
    shut_gate(f, false);
    stop(f);
    UNTIL(f, running->given && waiting->given);
    assert_int_equal(running->how, BUS_REPLIED);
    assert_int_equal(waiting->how, BUS_REPLIED);
}

static void on_control_reply(void *context, enum bus_outcome how, struct span message)
{
    struct answer *answer = context;
    struct wire_control_reply reply;
    struct error error;
    uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    assert_int_equal(how, BUS_REPLIED);
    assert_true(wire_decode_control_reply(message, &arena, &reply, &error));
    answer->given = true;
    answer->outcome = reply.ok;
    snprintf(answer->text, sizeof answer->text, "%s", reply.text);
}

static void the_operator_may_ask_for_the_status_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    static const char *const verbs[] = { "status", "dance" };
    (void)ask(f, ADDRESS);
    for (size_t i = 0; i < 2; i++) {
        const struct wire_control_request request = { .verb = verbs[i], .argument = "" };
        uint8_t message[256];
        struct answer *answer = &f->answers[f->asked++];
        size_t length = wire_encode_control_request(&request, message, sizeof message);
        assert_true(
            bus_request(f->client, span_of(message, length), 5000, on_control_reply, answer));
        UNTIL(f, answer->given);
        assert_int_equal(answer->outcome, i == 0);
        assert_non_null(strstr(answer->text, i == 0 ? "\"store\":\"up\",\"yes\":1," : "status"));
    }
}

static void bytes_that_are_no_question_get_no_answer(void **state)
{
    struct fixture *f = *state;
    struct test_random random = test_random_begin("bytes_that_are_no_question_get_no_answer");
    for (unsigned i = 0; i < 300; i++) {
        uint8_t message[200] = { WIRE_MAGIC_0, WIRE_MAGIC_1, WIRE_TYPE_authorise_request,
                                 WIRE_VERSION_authorise_request };
        size_t from = i % 3 == 0 ? 0 : WIRE_HEADER_BYTES;
        size_t length = from + test_random_below(&random, sizeof message - from);
        test_random_bytes(&random, message + from, length - from);
        assert_true(bus_request(f->client, span_of(message, length), 20, on_reply,
                                &f->answers[f->asked++]));
        if (i % 50 == 49)
            UNTIL(f, f->answers[f->asked - 1].given);
    }
    assert_int_equal(ask(f, ADDRESS)->outcome, WIRE_AUTHORISE_YES);
}

static void the_longest_unused_name_is_forgotten_first(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("the_longest_unused_name_is_forgotten_first");
    enum { ROOM = 50, NAMES = 120 };
    struct known *known = known_create(ROOM);
    uint64_t used[NAMES] = { 0 }; /* 0: not there */
    assert_non_null(known);
    for (uint64_t now = 1; now <= 20000; now++) {
        unsigned name = (unsigned)test_random_below(&random, NAMES);
        uint8_t name_key[KNOWN_KEY_BYTES] = { (uint8_t)(name & 3), 0, 0, 0, (uint8_t)name };
        uint64_t seen;
        switch (test_random_below(&random, 4)) {
        case 0:
            known_remove(known, name_key);
            used[name] = 0;
            break;
        case 1:
            assert_int_equal(known_find(known, name_key, &seen), used[name] != 0);
            used[name] = used[name] != 0 ? now : 0;
            break;
        default:
            if (used[name] == 0) {
                size_t count = 0;
                unsigned oldest = NAMES;
                for (unsigned i = 0; i < NAMES; i++) {
                    count += used[i] != 0;
                    if (used[i] != 0 && (oldest == NAMES || used[i] < used[oldest]))
                        oldest = i;
                }
                if (count == ROOM)
                    used[oldest] = 0;
            }
            known_put(known, name_key, now);
            used[name] = now;
        }
        if (now % 64 == 0) {
            known_verify(known);
            size_t count = 0;
            for (unsigned i = 0; i < NAMES; i++)
                count += used[i] != 0;
            assert_int_equal(known_count(known), count);
        }
    }
    known_destroy(known);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_address_is_let_in_under_its_ids_and_bound),
        TEST(both_spellings_of_an_address_are_one_account),
        TEST(what_is_no_name_is_refused_with_the_reason),
        TEST(a_registered_account_is_let_in_whatever_case_and_a_closed_one_is_not),
        TEST(an_account_s_miners_show_its_worker_password_where_it_has_one),
        TEST(names_beyond_ascii_are_taken_in_any_form),
        TEST(a_name_that_meets_a_taken_id_is_refused),
        TEST(names_that_are_bound_go_on_while_the_store_can_only_be_read),
        TEST(while_the_store_is_away_known_names_go_on_and_others_are_told_to_try_again),
        TEST(a_name_known_from_before_is_asked_about_again_and_goes_on_without_an_answer),
        TEST(no_yes_comes_before_the_write_is_certain),
        TEST(many_questions_about_one_name_are_one),
        TEST(nobody_waits_longer_than_a_gateway_does),
        TEST(more_names_than_the_queue_holds_are_told_to_try_again),
        TEST(at_the_end_everybody_who_waits_is_answered),
        TEST(the_operator_may_ask_for_the_status_and_nothing_else),
        TEST(bytes_that_are_no_question_get_no_answer),
        cmocka_unit_test(the_longest_unused_name_is_forgotten_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
