/* How many names of each account are authorised on live connections, so that one account cannot
 * take the places of all. Grows with the accounts there are. One thread. */
#pragma once
#include "base/bytes.h"

struct account_workers_place {
    uint64_t account; /* 0: free */
    uint32_t workers;
};

struct account_workers { /* zero-initialise, then set the bound */
    struct account_workers_place *places;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t used;
    uint32_t workers_max; /* of one account */
};

void account_workers_deinit(struct account_workers *workers);
/* One more; false, and nothing counted, where the account has as many as it may, or there is no
 * memory. */
MUST_CHECK bool account_workers_add(struct account_workers *workers, uint64_t account);
/* One fewer; it was added before. */
void account_workers_remove(struct account_workers *workers, uint64_t account);
uint32_t account_workers_of(const struct account_workers *workers, uint64_t account);
