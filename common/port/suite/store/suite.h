/* What every store must do, as tests: each adapter's test program hands its way of opening a store
 * to store_suite_main. */
#pragma once
#include "port/store.h"

struct store_suite {
    const char *name;
    /* Opens one more handle on the store under test. Called on any thread. `url` is the suite's
     * own, as given below: processes started by the suite open by it too. */
    struct store *(*open)(const char *url, struct error *error);
    const char *url; /* NULL: it cannot be opened by another process (a store in memory) */
};

/* Runs the suite and returns what main should. A store is used from scratch: it must be empty.
 * The program's own arguments are handed on; with --child it plays a part in a test of several
 * processes and prints. ADIT_SEED reruns random tests; ADIT_STORE_MANY is the length of the long
 * run (100000). */
int store_suite_main(int argc, char **argv, const struct store_suite *suite);
