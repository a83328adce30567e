#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/emission/emission_record.h"

#include <stdlib.h>

static struct error error;

static struct store *fresh_store(void)
{
    static const struct store_collection *const collections[] = { &emission_collection,
                                                                  &track_collection };
    struct store *store = store_fake_create();
    assert_true(store_declare(store, collections, 2, &error));
    return store;
}

static void an_emission_is_read_as_it_was_written_the_largest_too(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct emission_receiver *receivers = calloc(EMISSION_RECEIVERS_MAX, sizeof *receivers);
    uint8_t *memory = malloc(EMISSION_ARENA_BYTES);
    struct emission_record one = { .height = 77,
                                   .time_ms = 5,
                                   .reward = { 1000 },
                                   .terms = { 1800, 4100, 4100 },
                                   .fee_account = 9,
                                   .epoch = 2,
                                   .pools = receivers,
                                   .pool_count = EMISSION_RECEIVERS_MAX,
                                   .validators = receivers,
                                   .validator_count = EMISSION_RECEIVERS_MAX };
    struct emission_record read;
    uint8_t txids[2][32];
    size_t count;
    for (uint32_t i = 0; i < EMISSION_RECEIVERS_MAX; i++)
        receivers[i] =
            (struct emission_receiver){ .account = UINT64_MAX - EMISSION_RECEIVERS_MAX + i,
                                        .weight = i + 1 };
    memset(one.txid, 0xa1, 32);
    memset(one.block_hash, 0xb2, 32);
    one.txid[0] = 7;
    assert_int_equal(emission_insert(store, &one, &error), STORE_DONE);
    assert_int_equal(emission_insert(store, &one, &error), STORE_EXISTS);
    struct arena arena = arena_over(memory, EMISSION_ARENA_BYTES);
    assert_int_equal(emission_get(store, one.txid, &arena, &read, &error), STORE_DONE);
    assert_memory_equal(read.txid, one.txid, 32);
    assert_memory_equal(read.block_hash, one.block_hash, 32);
    assert_int_equal(read.height, 77);
    assert_int_equal(read.reward.units, 1000);
    assert_int_equal(read.terms.pools, 4100);
    assert_int_equal(read.fee_account, 9);
    assert_false(read.credited);
    assert_int_equal(read.pool_count, EMISSION_RECEIVERS_MAX);
    assert_int_equal(read.validator_count, EMISSION_RECEIVERS_MAX);
    assert_true(read.validators[5].account == receivers[5].account);
    assert_int_equal(read.pools[EMISSION_RECEIVERS_MAX - 1].weight, EMISSION_RECEIVERS_MAX);
    read.credited = true;
    read.generation = 1;
    read.event_sequence = 12;
    read.pool_count = 0;
    assert_int_equal(emission_save(store, &read, &error), STORE_DONE);
    one.version = 1;
    assert_int_equal(emission_save(store, &one, &error), STORE_CONFLICT);
    assert_int_equal(emission_at_height(store, 77, txids, 2, &count, &error), STORE_DONE);
    assert_int_equal(count, 1);
    assert_memory_equal(txids[0], one.txid, 32);
    assert_int_equal(emission_at_height(store, 77, txids, 0, &count, &error), STORE_FAILED);
    assert_int_equal(emission_at_height(store, 78, txids, 2, &count, &error), STORE_DONE);
    assert_int_equal(count, 0);
    free(receivers);
    free(memory);
    store_close(store);
}

static void a_track_goes_forth_and_back_and_forgets_the_oldest(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct track track, read, old;
    uint8_t hash[32] = { 0 };
    assert_int_equal(track_get(store, "emission", &track, &error), STORE_MISSING);
    track.height = 99;
    for (uint32_t i = 0; i < TRACK_DEPTH + 10; i++) {
        store_le32(hash, i);
        track_push(&track, hash);
    }
    assert_int_equal(track.height, 99 + TRACK_DEPTH + 10);
    assert_int_equal(track_save(store, "emission", &track, 1, &error), STORE_DONE);
    assert_int_equal(track_get(store, "emission", &read, &error), STORE_DONE);
    assert_int_equal(read.count, TRACK_DEPTH);
    assert_int_equal(load_le32(track_tip(&read)), TRACK_DEPTH + 9);
    old = read;
    assert_int_equal(track_save(store, "emission", &read, 2, &error), STORE_DONE);
    assert_int_equal(track_save(store, "emission", &old, 1, &error), STORE_CONFLICT);
    assert_int_equal(track_get(store, "emission", &old, &error), STORE_DONE);
    assert_int_equal(track_save(store, "emission", &old, 1, &error), STORE_CONFLICT);
    for (unsigned i = 1; i < TRACK_DEPTH; i++) {
        assert_true(track_pop(&read));
        assert_int_equal(load_le32(track_tip(&read)), TRACK_DEPTH + 9 - i);
    }
    assert_false(track_pop(&read));
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emission_is_read_as_it_was_written_the_largest_too),
        cmocka_unit_test(a_track_goes_forth_and_back_and_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
