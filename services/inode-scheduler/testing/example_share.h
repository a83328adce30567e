/* A submission that counts, and its job, of the examples that all messages have (wire/examples.h):
 * for tests of audits. */
#pragma once
#include "wire/messages.h"

enum { EXAMPLE_JOB_BYTES = 8192 };

struct example_share {
    struct wire_share share; /* work 1: its hash is good enough, as nearly any is */
    uint8_t job[EXAMPLE_JOB_BYTES];
    size_t job_length;
};

/* Fails the test where there is none. */
void example_share(struct example_share *example_r);
