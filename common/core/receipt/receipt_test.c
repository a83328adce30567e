#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/receipt/receipt.h"

enum { SHARES_MAX = 1100 };

static uint8_t shares[SHARES_MAX * RECEIPT_SHARE_BYTES];
static uint8_t nodes[2 * SHARES_MAX][RECEIPT_HASH_BYTES];

static uint8_t version = RECEIPT_VERSION;

static void make(struct test_random *random, size_t count, struct receipt *receipt_r)
{
    memset(receipt_r, 0, sizeof *receipt_r);
    receipt_r->slice.version = version;
    receipt_r->slice.history = version == 1 ? 0 : 99;
    test_random_bytes(random, shares, count * RECEIPT_SHARE_BYTES);
    receipt_tree_build(shares, count, nodes);
    receipt_r->slice.count = (uint32_t)count;
    receipt_r->slice.number = 7;
    memcpy(receipt_r->slice.root, nodes[receipt_tree_nodes(count) - 1], RECEIPT_HASH_BYTES);
}

static void take(size_t place, struct receipt *receipt)
{
    receipt_share_read(version, shares + place * RECEIPT_SHARE_BYTES, &receipt->share);
    receipt->place = (uint32_t)place;
    receipt->path_length = receipt_tree_path(nodes, receipt->slice.count, place, receipt->path);
}

static void every_share_of_every_size_is_under_the_root(void **state)
{
    version = *state != NULL ? 1 : RECEIPT_VERSION;
    struct test_random random = test_random_begin("receipt");
    static struct receipt receipt, read;
    uint8_t bytes[RECEIPT_BYTES_MAX], again[RECEIPT_BYTES_MAX];
    for (size_t count = 1; count < SHARES_MAX; count += count < 70 ? 1 : 97) {
        make(&random, count, &receipt);
        for (size_t i = 0; i < count; i++) {
            take(i, &receipt);
            assert_true(receipt_check(&receipt));
            size_t length = receipt_encode(&receipt, bytes);
            assert_true(length <= sizeof bytes);
            assert_true(receipt_decode(span_of(bytes, length), &read));
            assert_true(receipt_check(&read));
            assert_int_equal(receipt_encode(&read, again), length);
            assert_memory_equal(bytes, again, length);
            for (size_t cut = 0; i == 0 && cut < length; cut++)
                assert_false(receipt_decode(span_of(bytes, cut), &read));
        }
    }
}

/* The share, its place, the count and the path are all held by the root; the rest of the slice by
 * what is signed. */
static void any_changed_bit_is_noticed(void **state)
{
    struct test_random random = test_random_begin("receipt");
    static struct receipt receipt, read;
    uint8_t bytes[RECEIPT_BYTES_MAX], signed_for[32], digest[32];
    version = *state != NULL ? 1 : RECEIPT_VERSION;
    const size_t signature = 5 + receipt_slice_bytes(version) - RECEIPT_SIGNATURE_BYTES;
    for (size_t count = 1; count < 40; count += 3) {
        make(&random, count, &receipt);
        take(test_random_below(&random, count), &receipt);
        receipt_slice_digest(&receipt.slice, signed_for);
        size_t length = receipt_encode(&receipt, bytes);
        for (size_t bit = 0; bit < 8 * length; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (receipt_decode(span_of(bytes, length), &read) && receipt_check(&read)) {
                receipt_slice_digest(&read.slice, digest);
                bool in_signature =
                    bit / 8 >= signature && bit / 8 < signature + RECEIPT_SIGNATURE_BYTES;
                assert_int_equal(memcmp(digest, signed_for, 32) == 0, in_signature);
            }
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void a_path_can_be_neither_cut_nor_lengthened(void **state)
{
    struct test_random random = test_random_begin("receipt");
    static struct receipt receipt, bad;
    (void)state;
    for (size_t count = 2; count < 70; count++) {
        make(&random, count, &receipt);
        take(count - 1, &receipt);
        bad = receipt;
        bad.path_length--;
        assert_false(receipt_check(&bad));
        bad = receipt;
        bad.path_length++;
        assert_false(receipt_check(&bad));
        bad = receipt;
        bad.slice.count++;
        bad.place++;
        assert_false(receipt_check(&bad));
        bad = receipt;
        bad.place = bad.slice.count;
        assert_false(receipt_check(&bad));
    }
}

/* What a share can be is written as it is; what has no room is refused, never cut. */
static void a_share_is_read_as_it_was_written_or_not_written(void **state)
{
    const struct receipt_share most = { .position = { UINT64_MAX, UINT32_MAX, UINT16_MAX },
                                        .lease_id = (UINT64_C(1) << 48) - 1,
                                        .sequence = (UINT64_C(1) << 48) - 1,
                                        .place = UINT16_MAX,
                                        .nonce = UINT32_MAX,
                                        .account = UINT64_MAX,
                                        .work = UINT64_MAX,
                                        .time_ms = UINT64_MAX - INT32_MAX };
    uint8_t bytes[RECEIPT_SHARE_BYTES], again[RECEIPT_SHARE_BYTES];
    struct receipt_share read, large;
    (void)state;
    assert_true(receipt_share_write(&most, bytes));
    receipt_share_read(RECEIPT_VERSION, bytes, &read);
    assert_true(receipt_share_write(&read, again));
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_int_equal(read.time_ms, most.time_ms);
    assert_int_equal(read.lease_id, most.lease_id);
    assert_int_equal(read.sequence, most.sequence);
    assert_int_equal(read.position.low, most.position.low);
    large = most;
    large.position.high = 1000;
    large.time_ms = 1000 + (UINT64_C(1) << 31); /* a gateway whose clock is ahead */
    assert_true(receipt_share_write(&large, bytes));
    receipt_share_read(RECEIPT_VERSION, bytes, &read);
    assert_int_equal(read.time_ms, large.time_ms);
#define REFUSED(field)                                                                             \
    do {                                                                                           \
        large = most;                                                                              \
        large.field++;                                                                             \
        assert_false(receipt_share_write(&large, bytes));                                          \
    } while (0)
    REFUSED(position.low);
    REFUSED(position.index);
    REFUSED(lease_id);
    REFUSED(sequence);
    REFUSED(place);
    large = most;
    large.time_ms--;
    assert_false(receipt_share_write(&large, bytes));
}

/* The boundary share may count in part, so a receipt of it is held against nobody. */
static void a_share_counts_in_the_windows_it_lies_behind_the_boundary_of(void **state)
{
    struct proof_statement statement = { .oldest = { 5, 1, 3 }, .newest = { 9, 0, 4 } };
    struct receipt_share share = { .position = { 5, 1, 3 } };
    (void)state;
    assert_false(receipt_counts(&share, &statement));
    share.position.index = 4;
    assert_true(receipt_counts(&share, &statement));
    share.position = statement.newest;
    assert_true(receipt_counts(&share, &statement));
    share.position.index++;
    assert_false(receipt_counts(&share, &statement));
    share.position = (struct proof_position){ 5, 0, 9 };
    assert_false(receipt_counts(&share, &statement));
    share.position = (struct proof_position){ 7, 0, 0 };
    assert_true(receipt_counts(&share, &statement));
    statement.empty = true;
    assert_false(receipt_counts(&share, &statement));
}

int main(void)
{
    static char first_version;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_share_of_every_size_is_under_the_root),
        cmocka_unit_test_prestate(every_share_of_every_size_is_under_the_root, &first_version),
        cmocka_unit_test(any_changed_bit_is_noticed),
        cmocka_unit_test_prestate(any_changed_bit_is_noticed, &first_version),
        cmocka_unit_test(a_share_is_read_as_it_was_written_or_not_written),
        cmocka_unit_test(a_path_can_be_neither_cut_nor_lengthened),
        cmocka_unit_test(a_share_counts_in_the_windows_it_lies_behind_the_boundary_of),
    };
    return cmocka_run_group_tests_name("core/receipt", tests, NULL, NULL);
}
