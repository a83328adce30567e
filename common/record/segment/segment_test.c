#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "base/test_random.h"
#include "record/segment/archive.h"
#include "record/segment/segment.h"

#include <stdlib.h>

static struct store *open_store(void)
{
    struct error error;
    struct store *store = store_fake_create();
    const struct store_collection *collections[] = { &segment_collection,
                                                     &segment_part_collection };
    assert_true(store_declare(store, collections, 2, &error));
    return store;
}

static uint64_t any_number(struct test_random *random)
{
    return test_random_magnitude(random);
}

static void fill_archive(struct archive *archive, struct test_random *random, size_t batches)
{
    struct window_share shares[WINDOW_BATCH_SHARES_MAX] = { 0 };
    struct window_position first = { 0 };
    archive->batch_count = archive->share_count = 0;
    for (size_t i = 0; i < batches; i++) {
        size_t count = 1 + test_random_u64(random) % (i % 7 == 0 ? WINDOW_BATCH_SHARES_MAX : 3);
        first.high += test_random_u64(random) % 3;
        first.low = test_random_u64(random) % 5 == 0 ? any_number(random) : i;
        for (size_t k = 0; k < count; k++) {
            shares[k].account = test_random_u64(random) % 50 * UINT64_C(0x123456789abcdef);
            shares[k].work = any_number(random);
            shares[k].time_ms = first.high + test_random_u64(random) % 100 - 50;
        }
        if (!archive_add(archive, first, any_number(random), any_number(random), shares, count))
            break;
    }
}

static void a_chunk_comes_back_as_it_was(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("segment");
    struct archive *one = archive_create(), *other = archive_create();
    uint8_t *bytes = malloc(SEGMENT_CHUNK_BYTES_MAX);
    for (unsigned round = 0; round < 30; round++) {
        uint8_t written[32], read[32];
        struct error error;
        fill_archive(one, &random, test_random_u64(&random) % 300);
        size_t length =
            archive_write(one, round, round + 1, bytes, SEGMENT_CHUNK_BYTES_MAX, written);
        assert_true(archive_read(span_of(bytes, length), round, round + 1, other, read, &error));
        assert_memory_equal(written, read, 32);
        assert_int_equal(other->batch_count, one->batch_count);
        assert_int_equal(other->share_count, one->share_count);
        for (uint32_t i = 0; i < one->batch_count; i++) {
            const struct archive_batch *was = &one->batches[i], *is = &other->batches[i];
            assert_int_equal(window_position_compare(&was->first, &is->first), 0);
            assert_true(was->lease_id == is->lease_id && was->sequence == is->sequence &&
                        was->begin == is->begin && was->count == is->count);
        }
        for (uint32_t i = 0; i < one->share_count; i++)
            assert_memory_equal(&one->shares[i], &other->shares[i], sizeof one->shares[i]);
        assert_false(archive_read(span_of(bytes, length), round, round, other, read, &error));
        assert_false(
            archive_read(span_of(bytes, length), round + 1, round + 1, other, read, &error));
    }
    free(one);
    free(other);
    free(bytes);
}

static void the_fullest_chunk_of_the_largest_numbers_fits(void **state)
{
    (void)state;
    struct archive *archive = archive_create();
    struct window_share share = { .work = UINT64_MAX };
    uint8_t *bytes = malloc(SEGMENT_CHUNK_BYTES_MAX), hash[32];
    struct error error;
    uint32_t count = 0;
    for (;; count++) {
        struct window_position first = { (count % 2) * (UINT64_MAX - 1), UINT64_MAX, 0 };
        share.account = UINT64_MAX - count;
        share.time_ms = first.high + (UINT64_C(1) << 62);
        if (!archive_add(archive, first, UINT64_MAX, UINT64_MAX, &share, 1))
            break;
    }
    assert_int_equal(count, ARCHIVE_SHARES);
    size_t length = archive_write(archive, 1, 1, bytes, SEGMENT_CHUNK_BYTES_MAX, hash);
    assert_true(archive_read(span_of(bytes, length), 1, 1, archive, hash, &error));
    assert_int_equal(archive->share_count, ARCHIVE_SHARES);
    assert_int_equal(archive->shares[7].account, UINT64_MAX - 7);
    assert_int_equal(archive->shares[7].time_ms, UINT64_MAX - 1 + (UINT64_C(1) << 62));
    free(archive);
    free(bytes);
}

static void a_damaged_chunk_is_noticed_wherever_it_is(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("segment");
    struct archive *archive = archive_create();
    uint8_t *bytes = malloc(SEGMENT_CHUNK_BYTES_MAX), hash[32];
    struct error error;
    fill_archive(archive, &random, 6);
    size_t length = archive_write(archive, 3, 0, bytes, SEGMENT_CHUNK_BYTES_MAX, hash);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 1;
        assert_false(archive_read(span_of(bytes, length), 3, 0, archive, hash, &error));
        bytes[i] ^= 1;
        assert_false(archive_read(span_of(bytes, i), 3, 0, archive, hash, &error));
    }
    free(archive);
    free(bytes);
}

enum { MANY = 20000 };

static struct segment_record make(struct store *store, uint64_t number, size_t count)
{
    struct error error;
    struct pplns_part *parts = calloc(count + 1, sizeof *parts);
    struct segment_record segment = { .number = number,
                                      .first = { number * 100, 1, 0 },
                                      .last = { number * 100 + 99, UINT64_MAX, 7 },
                                      .epoch = 5,
                                      .time_ms = 77 };
    for (size_t i = 0; i < count; i++)
        parts[i] =
            (struct pplns_part){ .account = i * 3 + 1, .work = (u128)i << 70 | 1, .shares = i + 1 };
    assert_int_equal(segment_chunk_insert(store, &segment, 0, span_text("first"), &error),
                     STORE_DONE);
    assert_int_equal(segment_chunk_insert(store, &segment, 1, span_text("second"), &error),
                     STORE_DONE);
    segment.chunks = 2;
    assert_int_equal(segment_sums_insert(store, &segment, parts, count, &error), STORE_DONE);
    assert_int_equal(segment_insert(store, &segment, &error), STORE_DONE);
    free(parts);
    return segment;
}

static bool count_segment(void *context, const struct segment_record *segment)
{
    uint64_t *next = context;
    assert_int_equal(segment->number, --*next);
    return segment->number != 2;
}

static void segments_are_read_as_they_were_written_newest_first(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct segment_record segment, read;
    struct error error;
    assert_int_equal(segment_newest(store, &read, &error), STORE_MISSING);
    for (uint64_t number = 1; number <= 12; number++)
        segment = make(store, number, number == 12 ? MANY : 3);
    assert_int_equal(segment_newest(store, &read, &error), STORE_DONE);
    assert_int_equal(read.number, 12);
    assert_memory_equal(read.sums_hash, segment.sums_hash, 32);
    assert_true(read.work == segment.work && read.shares == segment.shares);
    assert_int_equal(read.accounts, MANY);
    assert_int_equal(window_position_compare(&read.last, &segment.last), 0);
    assert_int_equal(window_position_compare(&read.first, &segment.first), 0);
    struct segment_sum *sums = calloc(MANY, sizeof *sums);
    assert_int_equal(segment_sums(store, &read, sums, &error), STORE_DONE);
    u128 work = 0;
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(sums[i].account, i * 3 + 1);
        assert_int_equal(sums[i].shares, i + 1);
        work += sums[i].work;
    }
    assert_true(work == read.work);
    free(sums);
    uint64_t next = 12;
    assert_int_equal(segment_walk_back(store, 11, count_segment, &next, &error), STORE_DONE);
    assert_int_equal(next, 2);
    assert_int_equal(segment_get(store, 13, &read, &error), STORE_MISSING);
    assert_int_equal(segment_insert(store, &segment, &error), STORE_EXISTS);
    store_close(store);
}

static void what_a_deposed_writer_left_is_nobodys(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct segment_record stale = { .number = 1, .epoch = 4 };
    struct error error;
    uint8_t *bytes = malloc(SEGMENT_CHUNK_BYTES_MAX);
    size_t length;
    const struct pplns_part part = { .account = 9, .work = 9, .shares = 9 };
    assert_int_equal(segment_chunk_insert(store, &stale, 0, span_text("stale"), &error),
                     STORE_DONE);
    assert_int_equal(segment_sums_insert(store, &stale, &part, 1, &error), STORE_DONE);
    struct segment_record segment = make(store, 1, 2);
    struct segment_sum sums[2];
    assert_int_equal(segment_sums(store, &segment, sums, &error), STORE_DONE);
    assert_int_equal(segment_chunk(store, &segment, 0, bytes, &length, &error), STORE_DONE);
    assert_int_equal(length, 5);
    assert_memory_equal(bytes, "first", 5);
    free(bytes);
    store_close(store);
}

static void other_sums_than_the_headers_are_noticed(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct segment_record segment = make(store, 1, 3);
    struct segment_sum sums[3];
    struct error error;
    segment.sums_hash[0] ^= 1;
    assert_int_equal(segment_sums(store, &segment, sums, &error), STORE_FAILED);
    assert_int_equal(error.code, ERROR_INVALID);
    store_close(store);
}

/* Each write of the two droppings fails once, in each way; whoever goes on finds the rest. */
static void dropping_is_taken_up_again_wherever_it_ended(void **state)
{
    (void)state;
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE };
    for (size_t fault = 0; fault < 3; fault++)
        for (size_t at = 0; at < 8; at++) {
            struct store *store = open_store();
            struct segment_record segment = make(store, 1, 3), read;
            struct error error;
            uint8_t *bytes = malloc(SEGMENT_CHUNK_BYTES_MAX);
            size_t length;
            store_fake_inject(store, faults[fault], at, 1);
            for (int tries = 0; tries < 4; tries++) {
                assert_int_equal(segment_get(store, 1, &segment, &error), STORE_DONE);
                if (segment.state <= SEGMENT_THINNING)
                    (void)!segment_thin(store, &segment, &error);
                else if (segment.state <= SEGMENT_EMPTYING)
                    (void)!segment_empty(store, &segment, &error);
            }
            assert_int_equal(segment_get(store, 1, &read, &error), STORE_DONE);
            assert_int_equal(read.state, SEGMENT_BARE);
            assert_int_equal(segment_chunk(store, &read, 0, bytes, &length, &error), STORE_FAILED);
            assert_int_equal(segment_chunk(store, &read, 1, bytes, &length, &error), STORE_FAILED);
            struct segment_sum sums[3];
            assert_int_equal(segment_sums(store, &read, sums, &error), STORE_FAILED);
            free(bytes);
            store_close(store);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_comes_back_as_it_was),
        cmocka_unit_test(the_fullest_chunk_of_the_largest_numbers_fits),
        cmocka_unit_test(a_damaged_chunk_is_noticed_wherever_it_is),
        cmocka_unit_test(segments_are_read_as_they_were_written_newest_first),
        cmocka_unit_test(what_a_deposed_writer_left_is_nobodys),
        cmocka_unit_test(other_sums_than_the_headers_are_noticed),
        cmocka_unit_test(dropping_is_taken_up_again_wherever_it_ended),
    };
    return cmocka_run_group_tests_name("record_segment", tests, NULL, NULL);
}
