#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/member/member.h"

#include <stdio.h>

static struct error error;

static struct store *fresh_store(void)
{
    static const struct store_collection *const collections[] = { &validator_collection,
                                                                  &pool_collection };
    struct store *store = store_fake_create();
    assert_true(store_declare(store, collections, 2, &error));
    return store;
}

static struct member example(enum member_kind kind, const char *id)
{
    struct member member = { .kind = kind,
                             .wallet = "bcrt1qexample",
                             .name = "a name",
                             .stake = 1250,
                             .score = 7,
                             .endpoint = "192.0.2.7:8333",
                             .seen_ms = 5,
                             .said_ms = 4,
                             .source = MEMBER_LISTED,
                             .stale = true,
                             .decay_turn = 3 };
    memset(member.key, 0xab, sizeof member.key);
    snprintf(member.id, sizeof member.id, "%s", id);
    return member;
}

static void a_member_is_read_as_it_was_written_and_kinds_are_apart(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct member one = example(MEMBER_VALIDATOR, "w1"), read;
    assert_int_equal(member_insert(store, &one, 9, &error), STORE_DONE);
    assert_int_equal(member_insert(store, &one, 9, &error), STORE_EXISTS);
    assert_int_equal(member_get(store, MEMBER_POOL, "w1", &read, &error), STORE_MISSING);
    assert_int_equal(member_get(store, MEMBER_VALIDATOR, "w1", &read, &error), STORE_DONE);
    assert_string_equal(read.id, "w1");
    assert_string_equal(read.wallet, one.wallet);
    assert_string_equal(read.name, one.name);
    assert_string_equal(read.endpoint, one.endpoint);
    assert_memory_equal(read.key, one.key, sizeof one.key);
    assert_true(member_has_key(&read));
    assert_int_equal(read.stake, 1250);
    assert_int_equal(read.score, 7);
    assert_int_equal(read.seen_ms, 5);
    assert_int_equal(read.said_ms, 4);
    assert_int_equal(read.source, MEMBER_LISTED);
    assert_true(read.stale);
    assert_int_equal(read.decay_turn, 3);
    assert_int_equal(read.epoch, 9);
    assert_int_equal(read.version, 1);
    store_close(store);
}

static void a_scores_change_counts_once_by_its_cause(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct member pool = example(MEMBER_POOL, "p1"), read;
    assert_int_equal(member_insert(store, &pool, 1, &error), STORE_DONE);
    assert_int_equal(member_set_score(store, &pool, 20, 111, 1, &error), STORE_DONE);
    assert_int_equal(member_set_score(store, &pool, 40, 111, 1, &error), STORE_EXISTS);
    assert_int_equal(pool.score, 20);
    /* As one that starts anew and has lost the answer. */
    assert_int_equal(member_get(store, MEMBER_POOL, "p1", &read, &error), STORE_DONE);
    assert_true(member_knows_cause(&read, 111));
    assert_int_equal(member_set_score(store, &read, 40, 111, 2, &error), STORE_EXISTS);
    /* The newest MEMBER_CAUSES are remembered, the oldest is forgotten first. */
    for (uint64_t cause = 200; cause < 200 + MEMBER_CAUSES - 1; cause++)
        assert_int_equal(member_set_score(store, &read, 30, cause, 2, &error), STORE_DONE);
    assert_true(member_knows_cause(&read, 111));
    assert_int_equal(member_set_score(store, &read, 31, 999, 2, &error), STORE_DONE);
    assert_false(member_knows_cause(&read, 111));
    assert_true(member_knows_cause(&read, 200));
    assert_int_equal(member_get(store, MEMBER_POOL, "p1", &pool, &error), STORE_DONE);
    assert_int_equal(pool.cause_count, MEMBER_CAUSES);
    assert_memory_equal(pool.causes, read.causes, sizeof read.causes);
    store_close(store);
}

static void a_deposed_leader_and_whoever_read_an_older_version_write_nothing(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct member one = example(MEMBER_VALIDATOR, "w1"), old, read;
    assert_int_equal(member_insert(store, &one, 3, &error), STORE_DONE);
    assert_int_equal(member_get(store, MEMBER_VALIDATOR, "w1", &old, &error), STORE_DONE);
    /* the new leader writes its epoch into the record, whatever else changes */
    assert_int_equal(member_save(store, &one, 4, &error), STORE_DONE);
    assert_int_equal(member_set_score(store, &old, 99, 1, 3, &error), STORE_CONFLICT);
    assert_int_equal(old.score, 7);
    assert_int_equal(member_get(store, MEMBER_VALIDATOR, "w1", &read, &error), STORE_DONE);
    assert_int_equal(read.epoch, 4);
    assert_int_equal(member_set_score(store, &read, 99, 1, 3, &error), STORE_CONFLICT);
    assert_int_equal(member_set_score(store, &read, 99, 1, 4, &error), STORE_DONE);
    store_close(store);
}

static bool note_id(void *context, const struct member *member)
{
    char *text = context;
    strcat(text, member->id);
    return strlen(text) < 4;
}

static void they_are_walked_by_id(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    static const char *const ids[] = { "w3", "w1", "w2" };
    char seen[16] = "";
    for (size_t i = 0; i < 3; i++) {
        struct member one = example(MEMBER_VALIDATOR, ids[i]);
        assert_int_equal(member_insert(store, &one, 1, &error), STORE_DONE);
    }
    assert_int_equal(member_walk(store, MEMBER_VALIDATOR, note_id, seen, &error), STORE_DONE);
    assert_string_equal(seen, "w1w2");
    seen[0] = '\0';
    assert_int_equal(member_walk(store, MEMBER_POOL, note_id, seen, &error), STORE_DONE);
    assert_string_equal(seen, "");
    store_close(store);
}

static void ids_are_printable_and_bounded(void **state)
{
    (void)state;
    char id[MEMBER_ID_BYTES + 1];
    uint8_t key[MEMBER_KEY_BYTES] = { 0x0a };
    memset(id, 'x', sizeof id);
    id[MEMBER_ID_BYTES] = '\0';
    assert_false(member_id_is_good(id));
    id[MEMBER_ID_BYTES - 1] = '\0';
    assert_true(member_id_is_good(id));
    assert_false(member_id_is_good(""));
    assert_false(member_id_is_good("a b"));
    assert_false(member_id_is_good("a\n"));
    assert_false(member_id_is_good("\xc3\xa9"));
    member_own_id(key, id);
    assert_string_equal(id, "own:0a00000000000000000000000000000000000000000000000000000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_read_as_it_was_written_and_kinds_are_apart),
        cmocka_unit_test(a_scores_change_counts_once_by_its_cause),
        cmocka_unit_test(a_deposed_leader_and_whoever_read_an_older_version_write_nothing),
        cmocka_unit_test(they_are_walked_by_id),
        cmocka_unit_test(ids_are_printable_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
