/* What a validator outside is told is enough to judge by: the header made from the text alone, as
 * docs/validators.md says, is the one our core judges. And where batches stand, as it was noted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/pow/sha256.h"
#include "services/inode-scheduler/tasks_text.h"
#include "wire/examples.h"
#include "wire/job/job_wire.h"

#include <jansson.h>

static struct auditor_offer offer;

static void on_example(void *context, const char *name, enum wire_type type, struct span encoded)
{
    uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    struct error error;
    (void)context;
    (void)name;
    if (type == WIRE_TYPE_job) {
        struct wire_job wire;
        assert_true(wire_decode_job(encoded, &arena, &wire, &error));
        assert_true(job_from_wire(&wire, &offer.body.job, &error));
    }
    if (type == WIRE_TYPE_share_batch) {
        struct wire_share_batch batch;
        assert_true(wire_decode_share_batch(encoded, &arena, &batch, &error));
        offer.body.share = batch.shares[0];
    }
}

static size_t hex_at(const json_t *object, const char *key, uint8_t *bytes_r)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    size_t length = strlen(text) / 2;
    assert_true(hex_decode(text, 2 * length, bytes_r, length));
    return length;
}

static uint32_t number_at(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return (uint32_t)json_integer_value(json_object_get(object, key));
}

/* By the text alone. */
static void make_header(const json_t *task, uint8_t header_r[80])
{
    const json_t *job = json_object_get(task, "job"), *share = json_object_get(task, "share");
    const json_t *branches = json_object_get(job, "branches");
    uint8_t coinbase[4096], root[64];
    size_t length = hex_at(job, "coinbase1", coinbase);
    length += hex_at(share, "extranonce1", coinbase + length);
    length += hex_at(share, "extranonce2", coinbase + length);
    length += hex_at(job, "coinbase2", coinbase + length);
    sha256d(span_of(coinbase, length), root);
    for (size_t i = 0; i < json_array_size(branches); i++) {
        const char *text = json_string_value(json_array_get(branches, i));
        assert_true(hex_decode(text, 64, root + 32, 32));
        sha256d(span_of(root, 64), root);
    }
    uint32_t mask = number_at(job, "version_mask") & number_at(share, "version_mask");
    store_le32(header_r,
               (number_at(job, "version") & ~mask) | (number_at(share, "version_bits") & mask));
    assert_int_equal(hex_at(job, "prev_hash", header_r + 4), 32);
    memcpy(header_r + 36, root, 32);
    store_le32(header_r + 68, number_at(share, "ntime"));
    store_le32(header_r + 72, number_at(job, "bits"));
    store_le32(header_r + 76, number_at(share, "nonce"));
}

static void a_task_told_as_text_can_be_judged_from_it_alone(void **state)
{
    static char text[TASKS_TEXT_BYTES];
    static uint8_t scratch[POW_SCRATCH_BYTES];
    struct share_submission submission;
    struct job_prepared prepared;
    struct audit_finding finding;
    const struct audit_case given = { .judged_ms = UINT64_C(1767225600140) };
    uint8_t header[80];
    (void)state;
    wire_examples_visit(on_example, NULL);
    offer.val_id = UINT64_C(0x1b2c);
    assert_true(tasks_text(&offer, text));
    json_t *task = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(task);
    assert_string_equal(json_string_value(json_object_get(task, "val_id")), "0000000000001b2c");
    make_header(task, header);
    json_decref(task);
    submission_from_wire(&offer.body.share, &offer.body.job, &submission);
    job_prepare(&offer.body.job, submission.shape, &prepared);
    audit_judge(&prepared, &submission, &given, scratch, &finding);
    assert_true(finding.has_header);
    assert_memory_equal(header, finding.header, sizeof header);
}

static void the_largest_job_there_can_be_fits_into_a_text(void **state)
{
    static char text[TASKS_TEXT_BYTES];
    (void)state;
    wire_examples_visit(on_example, NULL);
    offer.body.job.coinbase1_bytes = offer.body.job.coinbase2_bytes = JOB_COINBASE_PART_BYTES_MAX;
    offer.body.job.branches_count = TEMPLATE_BRANCHES_MAX;
    offer.body.share.shape = JOB_SHAPE_FULL;
    assert_true(tasks_text(&offer, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_told_as_text_can_be_judged_from_it_alone),
        cmocka_unit_test(the_largest_job_there_can_be_fits_into_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
