/* What miners saw against what the window holds, share by share.
 *
 * The window knows of a share its worker, its job and when the gateway received it, in ms. A share
 * that a miner saw accepted was received between its sending and its answer, so it must have a
 * place of its own in the window with the same worker and job in that time; and what is in the
 * window beyond these must be a share that was sent and never answered because its connection
 * ended, received between its sending and that end. Both are matchings of points in time to
 * intervals, for which taking the interval that ends first is exact; and where each matching exists
 * alone, one exists that serves both (Mendelsohn and Dulmage, 1958), so two simple passes prove it.
 * Blocking; a broken promise fails the test with the share's name. */
#pragma once
#include "tests/fixture/pool_fixture.h"

struct tally {
    size_t accepted;    /* miners saw */
    size_t lost;        /* unanswered, their connections ended */
    size_t refused;     /* answered with an error */
    size_t refused_low; /* of these with code 23: one hash in 65536 is above the lowest target */
    size_t window;      /* shares there */
    size_t batches;
    size_t unheard;    /* in the window, their answers lost */
    char problem[256]; /* the first broken promise; "": none */
};

/* Reads the record (tools/load/record.h), whose miners are WORKER names "wN" of the pool's address,
 * and the window, and checks one against the other. Shares that count unheard are printed (unless
 * quiet) with miner, session, number and job. The pool runs, the load is over. */
struct tally tally_check(const struct pool_fixture *pool, const char *record_path, bool quiet);
