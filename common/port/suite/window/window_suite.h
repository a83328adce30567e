/* What every share window must do, as tests: each adapter's test program hands its way of opening
 * one to window_suite_main. One thread. */
#pragma once
#include "port/window.h"

struct window_suite {
    const char *name;
    struct loop *loop;
    void *context;
    /* One more writer or reader of the one window under test; the suite closes them. The suite
     * waits for a writer to become ready. */
    struct window_writer *(*open_writer)(void *context, unsigned outstanding_max);
    struct window_reader *(*open_reader)(void *context);
    /* Empties the window; all writers and readers are closed. */
    void (*clear)(void *context);
    /* Something breaks under load (a killed server that is started again, lost answers); appends
     * must come through again soon after. Called `crashes` times a run. */
    void (*crash)(void *context);
    unsigned crashes;
};

/* Runs the suite and returns what main should. ADIT_SEED reruns random tests; ADIT_WINDOW_BATCHES
 * is the length of the storms (1500). */
int window_suite_main(const struct window_suite *suite);
