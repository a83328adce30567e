#include "services/inode-scheduler/testing/example_share.h"

#include "core/share/outcome.h"
#include "wire/examples.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void on_example(void *context, const char *name, enum wire_type type, struct span encoded)
{
    struct example_share *example = context;
    (void)name;
    if (type == WIRE_TYPE_job) {
        assert_true(encoded.length <= sizeof example->job);
        memcpy(example->job, encoded.data, encoded.length);
        example->job_length = encoded.length;
    }
    if (type == WIRE_TYPE_share_batch) {
        uint8_t memory[4096];
        struct arena arena = arena_over(memory, sizeof memory);
        struct wire_share_batch batch;
        struct error error;
        assert_true(wire_decode_share_batch(encoded, &arena, &batch, &error));
        example->share = batch.shares[0];
        example->share.work = 1;
        example->share.found = SHARE_ACCEPTED;
    }
}

void example_share(struct example_share *example_r)
{
    *example_r = (struct example_share){ .job_length = 0 };
    wire_examples_visit(on_example, example_r);
    assert_true(example_r->job_length > 0 && example_r->share.work == 1);
}
