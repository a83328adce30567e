#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/block/block.h"

#include <stdio.h>

static struct store *open_store(void)
{
    static const struct store_collection *const collections[] = { &block_collection };
    struct store *store = store_fake_create();
    struct error error;
    assert_true(store_declare(store, collections, 1, &error));
    return store;
}

static struct block_record make(unsigned number)
{
    struct wire_candidate candidate = { .height = 100 + number / 2,
                                        .coinbase_value = 5000000000,
                                        .template_id = UINT64_MAX,
                                        .job_id = UINT64_MAX - 1,
                                        .lease_id = 3,
                                        .sequence = UINT64_MAX - 2,
                                        .index = 1023,
                                        .outcome = 4,
                                        .account = UINT64_MAX - 3,
                                        .worker = UINT64_MAX - 4,
                                        .work = UINT64_MAX - 5,
                                        .found_ms = 1000 * number,
                                        .instance = "validator-1" };
    candidate.block_hash[0] = (uint8_t)number;
    candidate.block_hash[31] = 0xab;
    store_le32(candidate.header + 68, 1700000000);
    store_le32(candidate.header + 72, 0x1d00ffff);
    struct block_record block;
    block_from_candidate(&candidate, 6, &block);
    return block;
}

static void a_block_is_read_back_as_it_was_written(void **state)
{
    struct store *store = open_store();
    struct block_record block = make(1), read;
    struct error error;
    (void)state;
    assert_int_equal(block.chain.state, BLOCK_CANDIDATE);
    assert_true(block.open);
    assert_true(block.network_work == 0x100010001u); /* what difficulty 1 takes */
    assert_int_equal(block_insert(store, &block, &error), STORE_DONE);
    block.chain = (struct maturity_block){ BLOCK_MATURED, 100, 3, 4000000000u };
    block.open = false;
    block.event_sequence = 17;
    block.confirmations = 101;
    block.network_work = ~(u128)0;
    snprintf(block.submissions, sizeof block.submissions, "a=accepted; b=duplicate");
    assert_int_equal(block_save(store, &block, &error), STORE_DONE);
    assert_int_equal(block.version, 2);
    assert_int_equal(block_get(store, block.hash, &read, &error), STORE_DONE);
    assert_memory_equal(&read.chain, &block.chain, sizeof read.chain);
    assert_memory_equal(read.hash, block.hash, 32);
    assert_false(read.open);
    assert_int_equal(read.version, 2);
    assert_int_equal(read.event_sequence, 17);
    assert_int_equal(read.epoch, 6);
    assert_int_equal(read.reward, 5000000000);
    assert_int_equal(read.job_id, UINT64_MAX - 1);
    assert_int_equal(read.template_id, UINT64_MAX);
    assert_int_equal(read.batch_sequence, UINT64_MAX - 2);
    assert_int_equal(read.share_index, 1023);
    assert_int_equal(read.share_outcome, 4);
    assert_int_equal(read.account, UINT64_MAX - 3);
    assert_int_equal(read.worker, UINT64_MAX - 4);
    assert_int_equal(read.work, UINT64_MAX - 5);
    assert_true(read.network_work == ~(u128)0);
    assert_int_equal(read.time, 1700000000);
    assert_string_equal(read.instance, "validator-1");
    assert_string_equal(read.submissions, block.submissions);
    store_close(store);
}

static void a_stale_copy_cannot_be_saved_over_a_newer_one(void **state)
{
    struct store *store = open_store();
    struct block_record block = make(1);
    struct error error;
    (void)state;
    assert_int_equal(block_insert(store, &block, &error), STORE_DONE);
    struct block_record stale = block;
    assert_int_equal(block_save(store, &block, &error), STORE_DONE);
    assert_int_equal(block_save(store, &stale, &error), STORE_CONFLICT);
    assert_int_equal(block_insert(store, &stale, &error), STORE_EXISTS);
    store_close(store);
}

struct seen {
    uint64_t found_ms[64];
    unsigned count;
};

static bool on_block(void *context, const struct block_record *block)
{
    struct seen *seen = context;
    seen->found_ms[seen->count++] = block->found_ms;
    return true;
}

static void blocks_are_walked_by_openness_age_and_height(void **state)
{
    struct store *store = open_store();
    struct error error;
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct block_record block = make(i);
        block.open = i % 4 == 0;
        assert_int_equal(block_insert(store, &block, &error), STORE_DONE);
    }
    struct seen open = { .count = 0 }, newest = { .count = 0 }, height = { .count = 0 };
    assert_int_equal(block_walk_open(store, on_block, &open, &error), STORE_DONE);
    assert_int_equal(open.count, 5);
    assert_int_equal(block_walk_newest(store, 15000, NULL, 3, on_block, &newest, &error),
                     STORE_DONE);
    assert_int_equal(newest.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(newest.found_ms[i], 15000 - 1000 * i);
    assert_int_equal(block_walk_height(store, 104, on_block, &height, &error), STORE_DONE);
    assert_int_equal(height.count, 2);
    store_close(store);
}

static void a_bare_block_is_completed_by_its_candidate_and_nothing_else_is(void **state)
{
    struct store *store = open_store();
    struct block_record block = make(1), bare, read;
    struct error error;
    (void)state;
    block_from_hash(block.hash, 70, 6, 5, &bare);
    assert_true(block_is_bare(&bare));
    assert_int_equal(block_add(store, &bare, &error), STORE_DONE);
    assert_int_equal(block_add(store, &bare, &error), STORE_EXISTS);
    assert_int_equal(block_add(store, &block, &error), STORE_DONE);
    assert_int_equal(block_get(store, block.hash, &read, &error), STORE_DONE);
    assert_false(block_is_bare(&read));
    assert_int_equal(read.chain.state, BLOCK_CANDIDATE); /* the node has not been asked of it */
    assert_true(read.open);
    assert_int_equal(read.chain.height, 100);
    assert_int_equal(block_add(store, &block, &error), STORE_EXISTS);
    assert_int_equal(block_add(store, &bare, &error), STORE_EXISTS);
    assert_int_equal(block_get(store, block.hash, &read, &error), STORE_DONE);
    assert_int_equal(read.version, 2);
    /* What the chain has said stays. */
    struct block_record other = make(2);
    block_from_hash(other.hash, 70, 6, 5, &bare);
    assert_int_equal(block_add(store, &bare, &error), STORE_DONE);
    assert_int_equal(block_get(store, other.hash, &bare, &error), STORE_DONE);
    block_learn(&bare, 101, 0x1d00ffff, 1700000000);
    assert_true(bare.network_work == other.network_work);
    bare.chain = (struct maturity_block){ BLOCK_ACCEPTED, 101, 1, 103 };
    bare.event_sequence = 9;
    bare.reward = 77;
    assert_int_equal(block_save(store, &bare, &error), STORE_DONE);
    store_fake_inject(store, STORE_FAKE_CONFLICT, 1, 1);
    assert_int_equal(block_add(store, &other, &error), STORE_DONE);
    assert_int_equal(block_get(store, other.hash, &read, &error), STORE_DONE);
    assert_memory_equal(&read.chain, &bare.chain, sizeof read.chain);
    assert_int_equal(read.event_sequence, 9);
    assert_int_equal(read.reward, 77);
    assert_int_equal(read.lease_id, 3);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_read_back_as_it_was_written),
        cmocka_unit_test(a_stale_copy_cannot_be_saved_over_a_newer_one),
        cmocka_unit_test(blocks_are_walked_by_openness_age_and_height),
        cmocka_unit_test(a_bare_block_is_completed_by_its_candidate_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
