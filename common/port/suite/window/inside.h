/* What the files of the window's suite share. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "port/suite/window/window_suite.h"

struct world {
    const struct window_suite *suite;
    struct window_writer *writer;
    struct window_reader *reader;
};

enum { PATIENCE_MS = 60000 };

/* The window emptied, one ready writer, one reader; and the end of it. cmocka's setup, teardown. */
int world_begin(void **state);
int world_end(void **state);
/* Another writer, ready. */
struct window_writer *world_writer(struct world *world, unsigned outstanding_max);

/* Turns the loop until *done or the test fails for want of patience. */
void world_wait(struct world *world, const bool *done, const char *what);

/* What an append came to, copied. */
struct answer {
    bool done;
    bool inside; /* the append has not returned yet: no answer may come */
    enum window_outcome outcome;
    struct window_position position;
    uint64_t history;
    uint8_t verdicts[WINDOW_VERDICTS_BYTES_MAX];
    size_t verdicts_bytes;
};
void answer_take(void *context, const struct window_result *result); /* a window_append_handler */
/* Appends and waits; asks again while the link is being made. */
struct answer append_wait(struct world *world, struct window_writer *writer,
                          const struct window_batch *batch);

/* `count` shares that tell apart who appended them: account = lease, worker = sequence, work =
 * index + 1, job = attempt. */
void make_shares(struct window_share *shares_r, size_t count, uint64_t lease, uint64_t sequence,
                 uint64_t attempt);

/* The whole window, oldest first. */
struct seen_batch {
    struct window_position first;
    uint64_t lease_id;
    uint64_t sequence;
    size_t count;
    struct window_share shares[8]; /* the first ones */
};
struct seen {
    struct seen_batch *batches; /* seen_free */
    size_t count;
    size_t capacity;
    size_t stop_after; /* 0: never */
};
bool seen_take(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
               const struct window_share *shares, size_t count); /* a window_batch_visitor */
struct seen read_all(struct world *world);
void seen_free(struct seen *seen);

extern const struct CMUnitTest append_tests[], read_tests[], storm_tests[];
extern const size_t append_tests_count, read_tests_count, storm_tests_count;

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, world_begin, world_end)
