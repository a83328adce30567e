/* The extranonce1 values of all leases a gateway holds. It begins with one; where its values grow
 * scarce it asks for a further one, and new sessions get values of whichever has some. A value goes
 * back to the lease it is of; where that is gone meanwhile, it is nobody's. One thread. */
#pragma once
#include "services/stratum-gateway/extranonces.h"

enum {
    EXTRANONCE_LEASES_MAX = 16,
    EXTRANONCE_SCARCE_PART = 8, /* so little of the values left: they are scarce */
};

struct extranonce_pool { /* zero-initialise */
    struct extranonces leases[EXTRANONCE_LEASES_MAX];
    unsigned count;
};

/* Adds a lease's values. False where there is no memory or no place. */
MUST_CHECK bool extranonce_pool_add(struct extranonce_pool *pool, uint64_t lease, uint32_t first,
                                    uint32_t count);
/* Forgets a lease and its values; harmless where it is not held. */
void extranonce_pool_remove(struct extranonce_pool *pool, uint64_t lease);
void extranonce_pool_deinit(struct extranonce_pool *pool);

/* A value nobody has, and its lease; `oldest_job` as in extranonces_take. */
MUST_CHECK bool extranonce_pool_take(struct extranonce_pool *pool, uint64_t oldest_job,
                                     uint32_t *value_r, uint64_t *lease_r);
/* As extranonces_give_back. */
void extranonce_pool_give_back(struct extranonce_pool *pool, uint64_t lease, uint32_t value,
                               uint64_t newest_job);
bool extranonce_pool_holds(const struct extranonce_pool *pool, uint64_t lease);
/* Whether a further lease should be asked for: fewer than a part of all values can be given now or
 * once they have rested. */
bool extranonce_pool_is_scarce(const struct extranonce_pool *pool);

/* All leases and what of them is in use: writes, or reads into an empty pool. */
struct image;
void extranonce_pool_image(struct extranonce_pool *pool, struct image *image);
