/* Tasks and disputes as the store keeps them, in memory and in SQLite. */
#include "adapter/store_fake/fake.h"
#include "adapter/store_sqlite/store_sqlite.h"
#include "record/task/dispute.h"
#include "wire/examples.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct store *stores[2];
static char folder[] = "/tmp/adit-task-XXXXXX";
static char path[64];

static int begin(void **state)
{
    static const struct store_collection *const collections[] = { &task_collection,
                                                                  &dispute_collection };
    struct error error;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/store", folder);
    stores[0] = store_fake_create();
    stores[1] = store_sqlite_open(path, 5000, &error);
    for (int i = 0; i < 2; i++) {
        assert_non_null(stores[i]);
        assert_true(store_declare(stores[i], collections, 2, &error));
    }
    return 0;
}

static int end(void **state)
{
    char other[80];
    (void)state;
    store_close(stores[0]);
    store_close(stores[1]);
    unlink(path);
    snprintf(other, sizeof other, "%s-wal", path);
    unlink(other);
    snprintf(other, sizeof other, "%s-shm", path);
    unlink(other);
    return rmdir(folder);
}

static struct task make(uint32_t index, uint64_t handed_in_ms)
{
    struct task task = { .state = TASK_WAITING,
                         .handed_in_ms = handed_in_ms,
                         .tip_in_doubt = true,
                         .epoch = 3,
                         .body = span_text("what was handed in") };
    task_id(17, UINT64_MAX, index, task.id);
    return task;
}

static bool on_task(void *context, const struct task *task)
{
    unsigned *seen = context;
    assert_true(task->state != 0);
    (*seen)++;
    return true;
}

static void a_task_lives_from_waiting_to_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct store *store = stores[i];
        struct error error;
        uint8_t memory[TASK_BODY_BYTES_MAX];
        struct task tasks[2] = { make(3, 1000), make(4, 1001) }, read, stale;
        assert_int_equal(task_insert(store, tasks, 2, &error), STORE_DONE);
        assert_int_equal(tasks[0].version, 1);
        assert_int_equal(task_insert(store, tasks, 2, &error), STORE_DONE);
        assert_int_equal(tasks[0].version, 0); /* it was there */
        assert_int_equal(task_get(store, tasks[0].id, &read, memory, &error), STORE_DONE);
        assert_int_equal(read.version, 1);
        assert_int_equal(read.handed_in_ms, 1000);
        assert_true(read.tip_in_doubt);
        assert_int_equal(read.body.length, strlen("what was handed in"));
        assert_memory_equal(read.body.data, "what was handed in", read.body.length);
        stale = read;

        read.state = TASK_ISSUED;
        read.val_id = INT64_MAX;
        read.tries = 1;
        strcpy(read.issued_to, "own:1");
        read.issued_ms = 2000;
        read.expires_ms = 3000;
        assert_int_equal(task_save(store, &read, &error), STORE_DONE);
        assert_int_equal(task_save(store, &stale, &error), STORE_CONFLICT);
        unsigned seen = 0;
        assert_int_equal(task_walk_open(store, on_task, &seen, &error), STORE_DONE);
        assert_int_equal(seen, 2);

        read.state = TASK_SETTLED;
        read.settled_ms = 5000;
        read.first = TASK_WRONG;
        read.reporter = TASK_RIGHT;
        read.body = span_of(NULL, 0);
        assert_int_equal(task_save(store, &read, &error), STORE_DONE);
        assert_int_equal(task_get(store, read.id, &stale, memory, &error), STORE_DONE);
        assert_int_equal(stale.first, TASK_WRONG);
        assert_int_equal(stale.reporter, TASK_RIGHT);
        assert_true(stale.val_id == INT64_MAX);
        assert_string_equal(stale.issued_to, "own:1");
        assert_int_equal(stale.body.length, 0);
        seen = 0;
        assert_int_equal(task_walk_open(store, on_task, &seen, &error), STORE_DONE);
        assert_int_equal(seen, 1);
        seen = 0;
        assert_int_equal(task_walk_settled(store, 4999, 10, on_task, &seen, &error), STORE_DONE);
        assert_int_equal(seen, 0);
        assert_int_equal(task_walk_settled(store, 5000, 10, on_task, &seen, &error), STORE_DONE);
        assert_int_equal(seen, 1);
        assert_int_equal(task_forget(store, &read, &error), STORE_DONE);
        assert_int_equal(task_get(store, read.id, &stale, memory, &error), STORE_MISSING);
    }
}

struct found {
    unsigned count;
    char ids[8][DISPUTE_ID_BYTES];
    struct dispute last;
};

static bool on_dispute(void *context, const struct dispute *dispute)
{
    struct found *found = context;
    strcpy(found->ids[found->count++], dispute->id);
    found->last = *dispute;
    assert_int_equal(dispute->body.length, 4);
    assert_memory_equal(dispute->body.data, "body", 4);
    assert_int_equal(dispute->report.length, 0);
    return true;
}

static void disputes_are_written_once_and_found_newest_first(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct store *store = stores[i];
        struct error error;
        struct found found = { 0 };
        struct dispute dispute = { .kind = DISPUTE_CREDIT_WRONG,
                                   .certain = true,
                                   .first = "own:2",
                                   .first_outcome = 4,
                                   .honest_outcomes = 0x7fff,
                                   .work = UINT64_MAX,
                                   .text = "it was credited to another account",
                                   .hash = { 9 },
                                   .header = { 8 },
                                   .body = span_text("body") };
        for (unsigned k = 0; k < 3; k++) {
            snprintf(dispute.id, sizeof dispute.id, "%u:credit", k);
            dispute.at_ms = 1000 + k;
            assert_int_equal(dispute_insert(store, &dispute, &error), STORE_DONE);
            assert_int_equal(dispute_insert(store, &dispute, &error), STORE_EXISTS);
        }
        assert_int_equal(dispute_walk(store, 0, NULL, 2, on_dispute, &found, &error), STORE_DONE);
        assert_int_equal(found.count, 2);
        assert_string_equal(found.ids[0], "2:credit");
        assert_string_equal(found.ids[1], "1:credit");
        assert_int_equal(dispute_walk(store, 1000, NULL, 9, on_dispute, &found, &error),
                         STORE_DONE);
        assert_string_equal(found.ids[2], "0:credit");
        assert_int_equal(dispute_find(store, "1:credit", on_dispute, &found, &error), STORE_DONE);
        assert_int_equal(found.count, 4);
        assert_int_equal(found.last.at_ms, 1001);
        assert_int_equal(found.last.kind, DISPUTE_CREDIT_WRONG);
        assert_true(found.last.certain && found.last.work == UINT64_MAX);
        assert_int_equal(found.last.hash[0], 9);
        assert_int_equal(found.last.header[0], 8);
        assert_int_equal(dispute_find(store, "4:credit", on_dispute, &found, &error), STORE_DONE);
        assert_int_equal(found.count, 4);
    }
}

static uint8_t job_bytes[8192];
static size_t job_length;
static struct wire_share first_share;

static void on_example(void *context, const char *name, enum wire_type type, struct span encoded)
{
    (void)context;
    (void)name;
    if (type == WIRE_TYPE_job) {
        memcpy(job_bytes, encoded.data, encoded.length);
        job_length = encoded.length;
    }
    if (type == WIRE_TYPE_share_batch) {
        static uint8_t memory[4096];
        struct arena arena = arena_over(memory, sizeof memory);
        struct wire_share_batch batch;
        struct error error;
        assert_true(wire_decode_share_batch(encoded, &arena, &batch, &error));
        first_share = batch.shares[0];
    }
}

static void a_body_holds_one_submission_with_its_job_or_is_none(void **state)
{
    (void)state;
    wire_examples_visit(on_example, NULL);
    struct wire_audit_sample samples[2] = { { .lease_id = 1, .first = "a" },
                                            { .lease_id = 2, .first = "b" } };
    struct wire_share shares[2] = { first_share, first_share };
    struct wire_audit_job jobs[1] = { { span_of(job_bytes, job_length) } };
    struct wire_audit_samples message = { .samples = samples,
                                          .samples_count = 2,
                                          .shares = shares,
                                          .shares_count = 2,
                                          .jobs = jobs,
                                          .jobs_count = 1 };
    uint8_t bytes[TASK_BODY_BYTES_MAX];
    struct task_body body;
    struct error error;
    shares[0].job_id++;
    assert_int_equal(task_body_write(&message, 0, bytes), 0); /* its job is not there */
    size_t length = task_body_write(&message, 1, bytes);
    assert_true(length > 0);
    assert_true(task_body_read(span_of(bytes, length), &body, &error));
    assert_int_equal(body.sample.lease_id, 2);
    assert_string_equal(body.sample.first, "b");
    assert_true(body.job.id == first_share.job_id && body.share.nonce == first_share.nonce);
    for (size_t cut = 0; cut < length; cut++)
        assert_false(task_body_read(span_of(bytes, cut), &body, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_lives_from_waiting_to_forgotten),
        cmocka_unit_test(disputes_are_written_once_and_found_newest_first),
        cmocka_unit_test(a_body_holds_one_submission_with_its_job_or_is_none),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
