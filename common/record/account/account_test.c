#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/account/account.h"

#include <stdio.h>
#include <stdlib.h>

static struct store *fresh(void)
{
    struct store *store = store_fake_create();
    struct error error;
    assert_true(account_declare(store, &error));
    return store;
}

static struct account sample(uint64_t id, const char *name)
{
    struct account account = {
        .id = id,
        .kind = IDENTITY_KIND_ACCOUNT,
        .payouts = {{.coin = "bitcoin",
                     .script = {.data = {0x00, 0x14, 0xab}, .length = 3},
                     .threshold = 123456789,
                     .lock_until_ms = 1800000000000},
                    {.coin = "litecoin", .address = "ltc-address", .threshold = 1}},
        .payout_count = 2,
        .state = ACCOUNT_ACTIVE,
        .roles = ACCOUNT_ROLE_MINER,
        .created_ms = 1700000000000,
    };
    snprintf(account.name, sizeof account.name, "%s", name);
    snprintf(account.payouts[0].address, sizeof account.payouts[0].address, "payto-%s", name);
    snprintf(account.email, sizeof account.email, "%s@example.org", name);
    snprintf(account.password, sizeof account.password, "$argon2id$%s", name);
    return account;
}

static void assert_same(const struct account *a, const struct account *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->payout_count, b->payout_count);
    assert_memory_equal(a->payouts, b->payouts, sizeof a->payouts);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->roles, b->roles);
    assert_int_equal(a->created_ms, b->created_ms);
    assert_string_equal(a->email, b->email);
    assert_string_equal(a->password, b->password);
}

static void an_account_comes_back_as_it_was_bound(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct account account = sample(0xfedcba9876543210, "gertrude"), bound;
    bool made;
    assert_int_equal(account_bind(store, &account, &bound, &made, &error), ACCOUNT_BOUND);
    assert_true(made);
    assert_int_equal(account_get(store, account.id, &bound, &error), STORE_DONE);
    assert_same(&account, &bound);
    assert_int_equal(account_find(store, "gertrude", &bound, &error), STORE_DONE);
    assert_same(&account, &bound);
    assert_int_equal(account_get(store, 1, &bound, &error), STORE_MISSING);
    assert_int_equal(account_find(store, "gertrud", &bound, &error), STORE_MISSING);
    store_close(store);
}

static void binding_again_gives_what_is_stored_and_changes_nothing(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct account account = sample(7, "gertrude"), bound;
    assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
    struct account again = account;
    again.payouts[0].threshold = 1;
    bool made;
    assert_int_equal(account_bind(store, &again, &bound, &made, &error), ACCOUNT_BOUND);
    assert_false(made);
    assert_same(&account, &bound);
    store_close(store);
}

static void a_name_that_meets_a_taken_id_is_refused(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct account first = sample(7, "gertrude"), second = sample(7, "heinrich"), bound;
    assert_int_equal(account_bind(store, &first, &bound, NULL, &error), ACCOUNT_BOUND);
    assert_int_equal(account_bind(store, &second, &bound, NULL, &error), ACCOUNT_TAKEN);
    second = first;
    second.kind = IDENTITY_KIND_ADDRESS; /* the same text, another meaning */
    assert_int_equal(account_bind(store, &second, &bound, NULL, &error), ACCOUNT_TAKEN);
    struct account_worker worker = {.account_id = 7, .id = 9, .name = "rig"};
    assert_int_equal(worker_bind(store, &worker, &error), ACCOUNT_BOUND);
    assert_int_equal(worker_bind(store, &worker, &error), ACCOUNT_BOUND);
    snprintf(worker.name, sizeof worker.name, "other");
    assert_int_equal(worker_bind(store, &worker, &error), ACCOUNT_TAKEN);
    store_close(store);
}

/* Whatever the store answers, in any mixture: once a binding was said to be done, the id is that
 * name's for ever, and nobody else's. */
static void under_any_failures_an_id_belongs_to_one_name(void **state)
{
    (void)state;
    const char *set = getenv("ADIT_SEED");
    uint64_t seed = set != NULL ? strtoull(set, NULL, 10) : 20240131;
    print_message("ADIT_SEED=%llu\n", (unsigned long long)seed);
    struct store *store = fresh();
    store_fake_inject_random(store, seed, 300);
    const char *owner[16] = {NULL};
    static const char *const names[] = {"anna", "bert", "carl", "dora"};
    uint64_t random = seed | 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t id = (random >> 33) % 16;
        const char *name = names[(random >> 50) % 4];
        struct account account = sample(id + 1, name), bound;
        struct error error;
        enum account_outcome outcome = account_bind(store, &account, &bound, NULL, &error);
        if (outcome == ACCOUNT_BOUND) {
            assert_true(owner[id] == NULL || strcmp(owner[id], name) == 0);
            owner[id] = name;
            assert_string_equal(bound.name, name);
        } else if (outcome == ACCOUNT_TAKEN) {
            assert_true(owner[id] == NULL || strcmp(owner[id], name) != 0);
        }
    }
    store_fake_verify(store);
    store_close(store);
}

static void an_account_is_saved_only_over_what_was_read(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct account account = sample(7, "gertrude"), mine, theirs;
    assert_int_equal(account_bind(store, &account, &mine, NULL, &error), ACCOUNT_BOUND);
    assert_int_equal(account_get(store, 7, &theirs, &error), STORE_DONE);
    theirs.state = ACCOUNT_LOCKED;
    assert_int_equal(account_save(store, &theirs, &error), STORE_DONE);
    mine.state = ACCOUNT_CLOSED;
    assert_int_equal(account_save(store, &mine, &error), STORE_CONFLICT);
    assert_int_equal(account_get(store, 7, &mine, &error), STORE_DONE);
    assert_int_equal(mine.state, ACCOUNT_LOCKED);
    store_close(store);
}

static bool count_worker(void *context, const struct account_worker *worker)
{
    assert_int_equal(worker->account_id, 7);
    ++*(size_t *)context;
    return true;
}

static bool count_account(void *context, const struct account *account)
{
    (void)account;
    ++*(size_t *)context;
    return true;
}

static void an_accounts_workers_are_walked_and_no_others(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    for (uint64_t account = 6; account <= 8; account++)
        for (uint64_t id = 1; id <= 10; id++) {
            struct account_worker worker = {account, id * 0x1999999999999999u, "", 5};
            snprintf(worker.name, sizeof worker.name, "w%u", (unsigned)id);
            assert_int_equal(worker_bind(store, &worker, &error), ACCOUNT_BOUND);
        }
    size_t count = 0;
    assert_int_equal(worker_walk(store, 7, NULL, 0, count_worker, &count, &error), STORE_DONE);
    assert_int_equal(count, 10);
    struct account bound;
    for (uint64_t id = 1; id <= 5; id++) {
        struct account account = sample(id, "name");
        assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
    }
    count = 0;
    assert_int_equal(account_walk(store, 2, 0, count_account, &count, &error), STORE_DONE);
    assert_int_equal(count, 3);
    count = 0;
    assert_int_equal(account_walk(store, 0, 2, count_account, &count, &error), STORE_DONE);
    assert_int_equal(count, 2);
    store_close(store);
}

static void with_the_store_away_nothing_is_bound(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct account account = sample(7, "gertrude"), bound;
    store_fake_away(store, true);
    assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_FAILED);
    store_fake_away(store, false);
    assert_int_equal(account_get(store, 7, &bound, &error), STORE_MISSING);
    store_fake_inject(store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
    assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_UNKNOWN);
    assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
    store_close(store);
}

static const struct coin_profile *coin(const char *name)
{
    return coin_profile_find(span_text(name));
}

#define BITCOIN_ADDRESS "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"

/* As a version that knew one coin wrote it. */
static void insert_of_before(struct store *store, const char *address)
{
    static const struct store_field fields[] = {
        {"name", STORE_TEXT, true},           {"kind", STORE_INT, false},
        {"script", STORE_BYTES, false},       {"payout_address", STORE_TEXT, false},
        {"threshold", STORE_INT, false},      {"state", STORE_INT, false},
        {"roles", STORE_INT, false},          {"created_ms", STORE_INT, false},
        {"email", STORE_TEXT, true},          {"password", STORE_TEXT, false},
        {"fee_class", STORE_TEXT, true},      {"lock_until_ms", STORE_INT, false},
        {"sessions_from_ms", STORE_INT, false}, {"email_confirmed", STORE_INT, false},
        {"worker_password", STORE_BYTES, false},
    };
    static const struct store_collection before = {"accounts", fields, 15};
    struct output_script script = {.length = 0};
    char canonical[ADDRESS_TEXT_BYTES];
    struct error error;
    if (address[0] != '\0')
        assert_int_equal(address_parse(coin("bitcoin"), span_text(address), &script, canonical),
                         ADDRESS_OK);
    struct store_write write = {
        .verb = STORE_INSERT,
        .collection = &before,
        .record = {.id = "0000000000000007",
                   .values = {store_text("gertrude"), store_int(IDENTITY_KIND_ACCOUNT),
                              store_bytes(output_script_span(&script)), store_text(address),
                              store_int(4711), store_int(ACCOUNT_ACTIVE),
                              store_int(ACCOUNT_ROLE_MINER), store_int(1), store_text("g@e.org"),
                              store_text("$argon2id$"), store_text(""), store_int(99),
                              store_int(0), store_int(1), store_bytes(span_of(NULL, 0))}}};
    const struct store_collection *const all[] = {&before};
    assert_true(store_declare(store, all, 1, &error));
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    assert_int_equal(write.outcome, STORE_DONE);
}

static void a_record_of_one_coin_is_of_the_coin_its_address_is_one_of(void **state)
{
    (void)state;
    struct store *store = store_fake_create();
    struct error error;
    struct account account;
    insert_of_before(store, BITCOIN_ADDRESS);
    assert_true(account_declare(store, &error));
    assert_int_equal(account_get(store, 7, &account, &error), STORE_DONE);
    struct account_payout payout = account_payout(&account, coin("bitcoin"));
    assert_string_equal(payout.coin, "bitcoin");
    assert_string_equal(payout.address, BITCOIN_ADDRESS);
    assert_int_equal(payout.script.length, 22);
    assert_int_equal(payout.threshold, 4711);
    assert_int_equal(payout.lock_until_ms, 99);
    /* Of no other: nothing of it is paid there. */
    payout = account_payout(&account, coin("litecoin"));
    assert_string_equal(payout.address, "");
    assert_int_equal(payout.script.length, 0);
    assert_int_equal(payout.threshold, 0);
    /* Another coin's comes beside it; its own takes its place, and has a name from then on. */
    snprintf(payout.address, sizeof payout.address, "ltc-address");
    account_set_payout(&account, coin("litecoin"), &payout);
    payout = account_payout(&account, coin("bitcoin"));
    payout.threshold = 5;
    account_set_payout(&account, coin("bitcoin"), &payout);
    assert_int_equal(account.payout_count, 2);
    assert_int_equal(account_save(store, &account, &error), STORE_DONE);
    assert_int_equal(account_get(store, 7, &account, &error), STORE_DONE);
    assert_int_equal(account.payout_count, 2);
    assert_string_equal(account.payouts[0].coin, "bitcoin");
    assert_int_equal(account_payout(&account, coin("bitcoin")).threshold, 5);
    assert_int_equal(account_payout(&account, coin("bitcoin")).lock_until_ms, 99);
    assert_string_equal(account_payout(&account, coin("litecoin")).address, "ltc-address");
    store_close(store);
}

static void a_record_without_an_address_is_of_whichever_coin_is_asked_for(void **state)
{
    (void)state;
    struct store *store = store_fake_create();
    struct error error;
    struct account account;
    insert_of_before(store, "");
    assert_true(account_declare(store, &error));
    assert_int_equal(account_get(store, 7, &account, &error), STORE_DONE);
    assert_int_equal(account_payout(&account, coin("litecoin")).threshold, 4711);
    store_close(store);
}

/* Every profile has its place, each by itself, whatever is changed in whatever order. */
static void every_coin_has_its_own_address(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct account account = {.id = 7, .kind = IDENTITY_KIND_ACCOUNT, .state = ACCOUNT_ACTIVE};
    struct account bound;
    size_t count;
    const struct coin_profile *profiles = coin_profiles(&count);
    assert_true(count < ACCOUNT_COINS_MAX);
    assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < count; i++) {
            struct account_payout payout = {.threshold = 100 * round + i,
                                            .lock_until_ms = 7 * i,
                                            .script = {.data = {(uint8_t)i}, .length = 34}};
            memset(payout.address, 'a' + (int)i, sizeof payout.address - 1);
            assert_true(strlen(profiles[i].name) < ACCOUNT_COIN_BYTES);
            account_set_payout(&bound, &profiles[i], &payout);
        }
    assert_int_equal(account_save(store, &bound, &error), STORE_DONE);
    assert_int_equal(account_get(store, 7, &account, &error), STORE_DONE);
    assert_int_equal(account.payout_count, count);
    for (size_t i = 0; i < count; i++) {
        struct account_payout payout = account_payout(&account, &profiles[i]);
        assert_int_equal(payout.threshold, 100 + i);
        assert_int_equal(payout.address[0], 'a' + (int)i);
        assert_int_equal(payout.script.data[0], i);
        account.state = ACCOUNT_ACTIVE;
        assert_true(account_is_payable(&account, &payout, 7 * i));
        assert_true(i == 0 || !account_is_payable(&account, &payout, 7 * i - 1));
    }
    store_close(store);
}

static void a_token_of_before_all_were_ended_is_void_and_one_of_after_is_not(void **state)
{
    (void)state;
    const struct account account = {.sessions_from_ms = 5001, .grants_from_ms = 9001};
    assert_true(account_token_is_void(&account, true, 4));
    assert_false(account_token_is_void(&account, true, 5));
    assert_true(account_token_is_void(&account, false, 8));
    assert_false(account_token_is_void(&account, false, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_comes_back_as_it_was_bound),
        cmocka_unit_test(binding_again_gives_what_is_stored_and_changes_nothing),
        cmocka_unit_test(a_name_that_meets_a_taken_id_is_refused),
        cmocka_unit_test(under_any_failures_an_id_belongs_to_one_name),
        cmocka_unit_test(an_account_is_saved_only_over_what_was_read),
        cmocka_unit_test(an_accounts_workers_are_walked_and_no_others),
        cmocka_unit_test(with_the_store_away_nothing_is_bound),
        cmocka_unit_test(a_record_of_one_coin_is_of_the_coin_its_address_is_one_of),
        cmocka_unit_test(a_record_without_an_address_is_of_whichever_coin_is_asked_for),
        cmocka_unit_test(every_coin_has_its_own_address),
        cmocka_unit_test(a_token_of_before_all_were_ended_is_void_and_one_of_after_is_not),
    };
    return cmocka_run_group_tests_name("record/account", tests, NULL, NULL);
}
