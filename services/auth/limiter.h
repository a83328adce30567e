/* Counts what strangers may do only so often (failed logins), by a key made of bytes, over windows
 * that begin with a key's first count. Bounded: when a place is needed, an expired count goes
 * first, then the smallest, so that many addresses that failed once cannot push out one that failed
 * often. Keys stand here as keyed hashes. One thread. */
#pragma once
#include "base/bytes.h"

enum { LIMITER_WINDOW_S = 900, LIMITER_SETS = 8192, LIMITER_WAYS = 4 };

struct limiter;

/* NULL when there is no memory. Caller owns. */
MUST_CHECK struct limiter *limiter_create(void);
void limiter_destroy(struct limiter *limiter);

/* Counts one, and true; or false, where `max` were counted in the window, with the seconds until it
 * ends. The parts are hashed as one key, their bounds included. */
MUST_CHECK bool limiter_take(struct limiter *limiter, const struct span *parts, size_t parts_count,
                             unsigned max, uint64_t now_s, unsigned *wait_s_r);
/* Takes one count back. */
void limiter_give_back(struct limiter *limiter, const struct span *parts, size_t parts_count);
/* Forgets all counts of the key. */
void limiter_forget(struct limiter *limiter, const struct span *parts, size_t parts_count);
