/* The validator's leaves: stored verdicts, the table of jobs, transactions, the spool. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "services/share-validator/job_table.h"
#include "services/share-validator/spool.h"
#include "services/share-validator/template_table.h"
#include "services/share-validator/verdicts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW_UNIX_MS UINT64_C(1767225600000)

static void verdicts_read_back_as_they_were_written(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("verdicts");
    static struct wire_verdict verdicts[WINDOW_BATCH_SHARES_MAX], again[WINDOW_BATCH_SHARES_MAX];
    static uint8_t bytes[WINDOW_VERDICTS_BYTES_MAX];
    struct error error;
    for (size_t round = 0; round < 100; round++) {
        size_t count = (size_t)test_random_below(&random, WINDOW_BATCH_SHARES_MAX + 1);
        for (size_t i = 0; i < count; i++)
            verdicts[i] =
                (struct wire_verdict){ .outcome = (uint8_t)test_random_below(&random,
                                                                             SHARE_OUTCOMES_COUNT),
                                       .is_block = (uint8_t)test_random_below(&random, 2) };
        size_t length = verdicts_write(verdicts, count, bytes);
        assert_true(verdicts_read(span_of(bytes, length), again, count, &error));
        assert_memory_equal(verdicts, again, count * sizeof verdicts[0]);
        assert_false(verdicts_read(span_of(bytes, length), again, count + 1, &error));
        assert_false(verdicts_read(span_of(bytes, length - 1), again, count, &error));
        bytes[0]++;
        assert_false(verdicts_read(span_of(bytes, length), again, count, &error));
    }
    const uint8_t strange[] = { 1, SHARE_OUTCOMES_COUNT };
    assert_false(verdicts_read(span_of(strange, 2), again, 1, &error));
}

/* The least a job can be. */
static struct wire_job job_of(uint64_t id, uint64_t epoch, uint64_t sequence, uint8_t tip)
{
    static uint8_t coinbase1[42 + 8];
    static const uint8_t coinbase2[9] = { 0 };
    coinbase1[41] = 8 + 4 + 8; /* the input script: what is here, and the extranonces */
    struct wire_job job = { .epoch = epoch,
                            .sequence = sequence,
                            .job_id = id,
                            .coinbase1 = span_of(coinbase1, sizeof coinbase1),
                            .coinbase2 = span_of(coinbase2, sizeof coinbase2),
                            .bits = 0x1d00ffff,
                            .cur_time = 100,
                            .min_time = 50,
                            .extranonce1_bytes = 4,
                            .extranonce2_bytes = 8 };
    memset(job.prev_hash, tip, sizeof job.prev_hash);
    return job;
}

static void take(struct job_table *table, uint64_t id, uint64_t epoch, uint64_t sequence,
                 uint8_t tip, uint64_t now_ms)
{
    struct error error;
    struct wire_job job = job_of(id, epoch, sequence, tip);
    if (!job_table_take(table, &job, now_ms, NOW_UNIX_MS + now_ms, &error))
        fail_msg("%s", error.text);
}

static enum share_tip tip_of(const struct job_table *table, uint64_t id)
{
    return job_table_tip(table, job_table_find(table, id));
}

static void the_newest_job_of_the_newest_epoch_says_what_is_stale(void **state)
{
    (void)state;
    struct job_table *table = job_table_create(1000);
    take(table, 1, 1, 1, 'a', 1);
    take(table, 2, 1, 2, 'a', 1);
    assert_int_equal(tip_of(table, 1), SHARE_TIP_CURRENT);
    take(table, 3, 1, 3, 'b', 1);
    assert_int_equal(tip_of(table, 1), SHARE_TIP_STALE);
    assert_int_equal(tip_of(table, 3), SHARE_TIP_CURRENT);
    /* One that was missed comes late. */
    take(table, 4, 1, 2, 'c', 1);
    assert_int_equal(tip_of(table, 4), SHARE_TIP_STALE);
    assert_int_equal(tip_of(table, 3), SHARE_TIP_CURRENT);
    /* The chain goes back: what was stale is not any more. */
    take(table, 5, 1, 4, 'a', 1);
    assert_int_equal(tip_of(table, 1), SHARE_TIP_CURRENT);
    assert_int_equal(tip_of(table, 3), SHARE_TIP_STALE);
    /* A new epoch counts its own sequence; an older one says nothing any more. */
    take(table, 6, 2, 1, 'd', 1);
    take(table, 7, 1, 99, 'e', 1);
    assert_int_equal(tip_of(table, 6), SHARE_TIP_CURRENT);
    assert_int_equal(tip_of(table, 7), SHARE_TIP_STALE);
    job_table_destroy(table);
}

static bool was_stale(const struct job_table *table, uint64_t id, uint64_t received_ms)
{
    return job_table_was_stale(table, job_table_find(table, id), NOW_UNIX_MS + received_ms);
}

/* A batch may come late, because the window was away or its first validator died: what counts is
 * when a gateway took the share. */
static void a_share_is_stale_by_when_it_was_taken_not_by_when_it_comes(void **state)
{
    (void)state;
    struct job_table *table = job_table_create(100000);
    take(table, 1, 1, 1, 'a', 1000);
    take(table, 2, 1, 2, 'b', 5000);
    assert_false(was_stale(table, 1, 4000));
    assert_false(was_stale(table, 1, 5900)); /* another host's clock */
    assert_true(was_stale(table, 1, 6000));
    assert_false(was_stale(table, 2, 90000));
    /* Later tips do not make it late once more. */
    take(table, 3, 1, 3, 'c', 20000);
    assert_false(was_stale(table, 1, 5900));
    assert_true(was_stale(table, 1, 6000));
    assert_false(was_stale(table, 2, 20900));
    assert_true(was_stale(table, 2, 21000));
    /* One missed is as late as the present tip makes it at the least. */
    take(table, 4, 1, 2, 'b', 30000);
    assert_false(was_stale(table, 4, 20900));
    assert_true(was_stale(table, 4, 21000));
    /* The chain goes back, and on. */
    take(table, 5, 1, 4, 'a', 40000);
    assert_false(was_stale(table, 1, 50000));
    assert_true(was_stale(table, 3, 41000));
    take(table, 6, 1, 5, 'd', 60000);
    assert_false(was_stale(table, 1, 60900));
    assert_true(was_stale(table, 1, 61000));
    job_table_destroy(table);
}

/* A file's word (sequence 0) counts until a scheduler's is heard, whatever the epochs: the store
 * may have been made anew meanwhile. */
static void a_job_from_a_file_gives_way_to_what_a_scheduler_says(void **state)
{
    (void)state;
    struct job_table *table = job_table_create(1000);
    take(table, 0x700000001, 7, 0, 'a', 1);
    take(table, 0x700000003, 7, 0, 'c', 1);
    take(table, 0x700000002, 7, 0, 'b', 1);
    assert_int_equal(tip_of(table, 0x700000003), SHARE_TIP_CURRENT);
    assert_int_equal(tip_of(table, 0x700000002), SHARE_TIP_STALE);
    take(table, 0x700000003, 7, 0, 'z', 1); /* known: left as it is */
    assert_int_equal(tip_of(table, 0x700000003), SHARE_TIP_CURRENT);
    take(table, 0x100000001, 1, 1, 'd', 2);
    assert_int_equal(tip_of(table, 0x100000001), SHARE_TIP_CURRENT);
    assert_int_equal(tip_of(table, 0x700000003), SHARE_TIP_STALE);
    take(table, 0x700000003, 7, 5, 'e', 3); /* what is said now, not what the file had */
    assert_int_equal(job_table_find(table, 0x700000003)->job.prev_hash[0], 'e');
    assert_int_equal(tip_of(table, 0x700000003), SHARE_TIP_CURRENT);
    assert_int_equal(job_table_count(table), 4);
    take(table, 0x800000009, 8, 0, 'f', 4); /* a file read late decides nothing */
    assert_int_equal(tip_of(table, 0x700000003), SHARE_TIP_CURRENT);
    job_table_destroy(table);
}

static void retired_jobs_are_remembered_for_their_time_and_the_newest_for_ever(void **state)
{
    (void)state;
    struct job_table *table = job_table_create(1000);
    take(table, 1, 1, 1, 'a', 10);
    take(table, 2, 1, 2, 'a', 5000); /* 1 was alive until here */
    take(table, 3, 1, 3, 'a', 5500);
    assert_non_null(job_table_find(table, 1));
    struct job_entry *held = job_entry_hold(job_table_find(table, 2));
    take(table, 4, 1, 4, 'a', 6600);
    assert_null(job_table_find(table, 1));
    assert_null(job_table_find(table, 2));
    assert_non_null(job_table_find(table, 3));
    assert_int_equal(held->job.id, 2); /* whoever holds it still has it */
    job_entry_release(held);
    take(table, 3000, 1, 3, 'a', 99999); /* an old one, fetched */
    assert_non_null(job_table_find(table, 4));
    for (uint64_t id = 5000; id < 5000 + 3 * JOB_TABLE_MAX; id++)
        take(table, id, 1, 2, 'a', 99999);
    assert_non_null(job_table_find(table, 4));
    assert_true(job_table_count(table) <= JOB_TABLE_MAX + 1);
    job_table_destroy(table);
}

static void a_job_that_breaks_a_bound_is_refused(void **state)
{
    (void)state;
    struct job_table *table = job_table_create(1000);
    struct error error;
    for (unsigned i = 0; i < 12; i++) {
        struct wire_job job = job_of(1, 1, 1, 1);
        static uint8_t long_part[JOB_COINBASE_PART_BYTES_MAX + 1];
        switch (i) {
        case 0:
            job.job_id = 0;
            break;
        case 1:
            job.algorithm = 99;
            break;
        case 2:
            job.bits = 0;
            break;
        case 3:
            job.extranonce1_bytes = 5;
            break;
        case 4:
            job.extranonce2_bytes = 9;
            break;
        case 5:
            job.coinbase1 = span_of(long_part, sizeof long_part);
            break;
        case 6:
            job.coinbase2 = span_of(long_part, 3);
            break;
        case 7:
            job.branches_count = TEMPLATE_BRANCHES_MAX + 1;
            break;
        case 8:
            job.untagged1 = span_of(long_part, sizeof long_part); /* no other half, and too long */
            break;
        case 9:
            job.least2 = span_of(long_part, 20); /* no other half */
            break;
        case 10: /* as long as the full one */
            job.least1 = job.coinbase1;
            job.least2 = job.coinbase2;
            break;
        default:
            job.min_time = 200;
            break;
        }
        assert_false(job_table_take(table, &job, 1, NOW_UNIX_MS, &error));
        assert_int_equal(job_table_count(table), 0);
    }
    job_table_destroy(table);
}

static struct template_parts *parts_of(struct wire_transaction *transactions, uint32_t count)
{
    struct error error;
    struct template_parts *parts = template_parts_create();
    const struct wire_template_reply reply = { .transactions = transactions,
                                               .transactions_count = count };
    assert_non_null(parts);
    assert_true(template_parts_add(parts, &reply, &error));
    return parts;
}

static void a_template_in_pieces_is_the_whole_in_the_end(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct template_table *table = template_table_create(2);
    struct template_parts *parts = template_parts_create();
    struct wire_transaction piece[COUNT];
    uint8_t bytes[COUNT][8];
    struct error error;
    struct wire_template_reply reply = { .template_id = 5, .transactions = piece };
    for (uint32_t size = 0; reply.first < COUNT; size++) {
        reply.transactions_count = size < COUNT - reply.first ? size : COUNT - reply.first;
        for (uint32_t i = 0; i < reply.transactions_count; i++) {
            store_le64(bytes[i], reply.first + i);
            piece[i].data = span_of(bytes[i], (reply.first + i) % 9);
        }
        assert_true(template_parts_add(parts, &reply, &error));
        reply.first += reply.transactions_count;
        assert_int_equal(template_parts_count(parts), reply.first);
    }
    /* Neither one before it nor one behind a gap follows; nor more than any block has. */
    reply.transactions_count = 1;
    for (uint32_t i = 0; i < 2; i++) {
        reply.first = i == 0 ? COUNT - 1 : COUNT + 1;
        assert_false(template_parts_add(parts, &reply, &error));
    }
    reply.first = COUNT;
    reply.transactions_count = TEMPLATE_TRANSACTIONS_MAX - COUNT + 1;
    assert_false(template_parts_add(parts, &reply, &error));
    assert_int_equal(template_parts_count(parts), COUNT);
    /* What stands behind them in the block comes with the last piece, which may be only that. */
    static uint8_t behind[100000];
    memset(behind, 0x5c, sizeof behind);
    reply.transactions_count = 0;
    reply.last = 1;
    reply.extension = span_of(behind, sizeof behind);
    assert_true(template_parts_add(parts, &reply, &error));
    template_table_take(table, 5, parts, false);
    const struct template_transaction *transactions;
    size_t count;
    struct span extension;
    assert_true(template_table_find(table, 5, &transactions, &count, &extension));
    assert_true(span_equal(extension, span_of(behind, sizeof behind)));
    assert_int_equal(count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t number[8];
        store_le64(number, i);
        assert_true(span_equal(transactions[i].data, span_of(number, i % 9)));
    }
    template_table_destroy(table);
}

static void a_template_from_a_file_gives_way_to_a_fetched_one(void **state)
{
    (void)state;
    struct template_table *table = template_table_create(2);
    const struct template_transaction *transactions;
    size_t count;
    struct span extension;
    for (int old = 1; old >= 0; old--) {
        struct wire_transaction one = { .data = span_text(old ? "old" : "new") };
        template_table_take(table, 5, parts_of(&one, 1), old);
        assert_int_equal(template_table_is_fresh(table, 5), !old);
        assert_true(template_table_find(table, 5, &transactions, &count, &extension));
        assert_memory_equal(transactions[0].data.data, old ? "old" : "new", 3);
        assert_int_equal(template_table_count(table), 1);
    }
    template_table_destroy(table);
}

static void the_newest_templates_are_held(void **state)
{
    (void)state;
    struct template_table *table = template_table_create(3);
    for (uint64_t id = 1; id <= 10; id++) {
        uint8_t bytes[2][8];
        struct wire_transaction transactions[2];
        for (size_t i = 0; i < 2; i++) {
            store_le64(bytes[i], id * 10 + i);
            transactions[i].data = span_of(bytes[i], 8);
        }
        template_table_take(table, id, parts_of(transactions, 2), false);
        template_table_take(table, id, parts_of(transactions, 2), false);
    }
    const struct template_transaction *transactions;
    size_t count;
    struct span extension;
    assert_int_equal(template_table_count(table), 3);
    assert_false(template_table_find(table, 7, &transactions, &count, &extension));
    for (uint64_t id = 8; id <= 10; id++) {
        assert_true(template_table_find(table, id, &transactions, &count, &extension));
        assert_int_equal(count, 2);
        assert_true(load_le64(transactions[1].data.data) == id * 10 + 1);
    }
    assert_true(template_table_find(table, 0, &transactions, &count,
                                    &extension)); /* none but the coinbase */
    assert_int_equal(count, 0);
    template_table_destroy(table);
}

struct seen {
    unsigned whole, damaged;
    uint8_t record[64], block[64];
    size_t record_bytes, block_bytes;
};

static void on_whole(void *context, struct span record, struct span block)
{
    struct seen *seen = context;
    seen->whole++;
    memcpy(seen->record, record.data, record.length);
    seen->record_bytes = record.length;
    memcpy(seen->block, block.data, block.length);
    seen->block_bytes = block.length;
}

static void on_damaged(void *context, const char *sentence)
{
    (void)sentence;
    ((struct seen *)context)->damaged++;
}

static struct seen look(const char *folder)
{
    struct seen seen = { 0 };
    struct error error;
    assert_true(spool_read(folder, on_whole, on_damaged, &seen, &error));
    return seen;
}

static void a_spooled_block_is_whole_or_not_there(void **state)
{
    (void)state;
    char folder[] = "/tmp/adit-spool-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct error error;
    const uint8_t hash[32] = { 1, 2, 3 };
    assert_true(spool_open(folder, &error));
    assert_true(spool_write(folder, hash, span_text("record"), span_of(NULL, 0), &error));
    struct seen seen = look(folder);
    assert_int_equal(seen.whole, 1);
    assert_int_equal(seen.block_bytes, 0);
    assert_true(spool_write(folder, hash, span_text("record"), span_text("the block"), &error));
    seen = look(folder);
    assert_int_equal(seen.whole, 1);
    assert_memory_equal(seen.block, "the block", 9);
    assert_memory_equal(seen.record, "record", 6);

    /* A file that was cut or changed is said, and left. */
    char path[256];
    snprintf(path, sizeof path,
             "%s/"
             "0000000000000000000000000000000000000000000000000000000000030201.block",
             folder);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && pwrite(fd, "X", 1, 24) == 1);
    seen = look(folder);
    assert_true(seen.whole == 0 && seen.damaged == 1);
    for (off_t length = 60; length >= 0; length -= 12) {
        assert_int_equal(ftruncate(fd, length), 0);
        seen = look(folder);
        assert_true(seen.whole == 0 && seen.damaged == 1);
    }
    close(fd);
    assert_true(spool_keep_aside(folder, hash, &error));
    assert_int_equal(look(folder).damaged, 0);
    assert_true(spool_remove(folder, hash, &error));
    assert_false(spool_write("/nowhere", hash, span_text("r"), span_text("b"), &error));
    strcat(path, ".kept");
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_read_back_as_they_were_written),
        cmocka_unit_test(the_newest_job_of_the_newest_epoch_says_what_is_stale),
        cmocka_unit_test(a_share_is_stale_by_when_it_was_taken_not_by_when_it_comes),
        cmocka_unit_test(a_job_from_a_file_gives_way_to_what_a_scheduler_says),
        cmocka_unit_test(a_template_in_pieces_is_the_whole_in_the_end),
        cmocka_unit_test(a_template_from_a_file_gives_way_to_a_fetched_one),
        cmocka_unit_test(retired_jobs_are_remembered_for_their_time_and_the_newest_for_ever),
        cmocka_unit_test(a_job_that_breaks_a_bound_is_refused),
        cmocka_unit_test(the_newest_templates_are_held),
        cmocka_unit_test(a_spooled_block_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
