/* For tests: waiting until something has come about. The patience is no measure of anything: it is
 * as long as a machine busy with other things may need, and a test that passes never waits it out.
 * What counts on by itself is waited for with >=, not ==, because one turn of the loop may bring
 * more than one. Includes nothing of cmocka, whose headers the test includes first. */
#pragma once
#include "loop/loop.h"

enum { UNTIL_PATIENCE_MS = 60000 };

/* Takes a turn, an expression, again and again until the condition holds. `said`: a text that helps
 * to understand why it did not come about, or "". */
#define UNTIL_BY(turn, condition, said)                                                            \
    do {                                                                                           \
        const uint64_t until_end_ns_ = loop_clock_ns() + UNTIL_PATIENCE_MS * UINT64_C(1000000);    \
        while (!(condition)) {                                                                     \
            if (loop_clock_ns() > until_end_ns_)                                                   \
                fail_msg("not within %d ms: %s %s", UNTIL_PATIENCE_MS, #condition, said);          \
            turn;                                                                                  \
        }                                                                                          \
    } while (0)

/* By turning the loop. */
#define LOOP_UNTIL(loop, condition, said) UNTIL_BY(loop_run_once(loop, 5), condition, said)
