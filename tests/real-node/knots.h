/* A real node in regtest for a test, Bitcoin Knots or Litecoin Core: put there by real-node-setup,
 * run by run-node, asked by its command line client. Blocking; one thread. The node dies with the
 * test. A failed expectation of these helpers themselves ends the test with a sentence. */
#pragma once
#include "base/bytes.h"

#include <jansson.h>
#include <sys/types.h>

struct knots {
    char root[2048];   /* the folder that real-node-setup filled */
    const char *kind;  /* "knots" or "litecoin" */
    char script[2048]; /* tests/real-node/run-node */
    char data[64];     /* the name of this run's data folder in it */
    unsigned port;
    pid_t pid;
    bool is_peer; /* of another one: its data folder has a name of its own */
};

/* Installs where needed, into the folder ADIT_TEST_KNOTS or ADIT_TEST_LITECOIND names; false where
 * this machine cannot have it: the reason has been printed as a line "SKIPPED: why". */
MUST_CHECK bool knots_install(struct knots *knots, const char *kind);
/* Starts it on a free port with a fresh chain and waits until it answers. `option`: one more for
 * its command line; NULL. */
void knots_start(struct knots *knots, const char *option);
/* Stops it and removes its data. */
void knots_stop(struct knots *knots);

/* bitcoin-cli's answer without its final newline, for the wallet (NULL: none); caller owns. Ends
 * the test where the node refuses. `format` is a part of a shell command: only the test's own
 * words. */
char *knots_ask(const struct knots *knots, const char *wallet, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The same, read as JSON. knots_try gives NULL where the node refuses. */
json_t *knots_try(const struct knots *knots, const char *wallet, const char *format, ...)
    PRINTF_LIKE(3, 4);
json_t *knots_json(const struct knots *knots, const char *wallet, const char *format, ...)
    PRINTF_LIKE(3, 4);
