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
        .script = {.data = {0x00, 0x14, 0xab}, .length = 3},
        .threshold = 123456789,
        .state = ACCOUNT_ACTIVE,
        .roles = ACCOUNT_ROLE_MINER,
        .created_ms = 1700000000000,
    };
    snprintf(account.name, sizeof account.name, "%s", name);
    snprintf(account.payout_address, sizeof account.payout_address, "payto-%s", name);
    snprintf(account.email, sizeof account.email, "%s@example.org", name);
    snprintf(account.password, sizeof account.password, "$argon2id$%s", name);
    return account;
}

static void assert_same(const struct account *a, const struct account *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->name, b->name);
    assert_true(span_equal(output_script_span(&a->script), output_script_span(&b->script)));
    assert_string_equal(a->payout_address, b->payout_address);
    assert_int_equal(a->threshold, b->threshold);
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
    again.threshold = 1;
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
    assert_int_equal(worker_walk(store, 7, count_worker, &count, &error), STORE_DONE);
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
    };
    return cmocka_run_group_tests_name("record/account", tests, NULL, NULL);
}
