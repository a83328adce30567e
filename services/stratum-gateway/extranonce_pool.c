#include "services/stratum-gateway/extranonce_pool.h"

#include "services/stratum-gateway/image.h"

static struct extranonces *find(struct extranonce_pool *pool, uint64_t lease)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->leases[i].lease == lease)
            return &pool->leases[i];
    return NULL;
}

bool extranonce_pool_add(struct extranonce_pool *pool, uint64_t lease, uint32_t first,
                         uint32_t count)
{
    ASSERT(!extranonce_pool_holds(pool, lease));
    if (pool->count == EXTRANONCE_LEASES_MAX ||
        !extranonces_init(&pool->leases[pool->count], lease, first, count))
        return false;
    pool->count++;
    return true;
}

void extranonce_pool_remove(struct extranonce_pool *pool, uint64_t lease)
{
    struct extranonces *values = find(pool, lease);
    if (values == NULL)
        return;
    extranonces_deinit(values);
    /* The order stays: older leases are used up first. */
    for (struct extranonces *last = &pool->leases[--pool->count]; values < last; values++)
        *values = values[1];
    memset(&pool->leases[pool->count], 0, sizeof *pool->leases);
}

void extranonce_pool_deinit(struct extranonce_pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        extranonces_deinit(&pool->leases[i]);
    memset(pool, 0, sizeof *pool);
}

bool extranonce_pool_take(struct extranonce_pool *pool, uint64_t oldest_job, uint32_t *value_r,
                          uint64_t *lease_r)
{
    for (unsigned i = 0; i < pool->count; i++) {
        if (!extranonces_take(&pool->leases[i], oldest_job, value_r))
            continue;
        *lease_r = pool->leases[i].lease;
        return true;
    }
    return false;
}

void extranonce_pool_give_back(struct extranonce_pool *pool, uint64_t lease, uint32_t value,
                               uint64_t newest_job)
{
    struct extranonces *values = find(pool, lease);
    if (values != NULL)
        extranonces_give_back(values, lease, value, newest_job);
}

bool extranonce_pool_holds(const struct extranonce_pool *pool, uint64_t lease)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->leases[i].lease == lease)
            return true;
    return false;
}

bool extranonce_pool_is_scarce(const struct extranonce_pool *pool)
{
    uint64_t all = 0, left = 0;
    for (unsigned i = 0; i < pool->count; i++) {
        const struct extranonces *values = &pool->leases[i];
        all += values->count;
        left += values->count - values->unused + values->fresh_count + values->resting_count;
    }
    return pool->count < EXTRANONCE_LEASES_MAX && left < all / EXTRANONCE_SCARCE_PART;
}

static void values_image(struct extranonces *values, struct image *image)
{
    image_count(image, &values->unused, values->count);
    image_count(image, &values->fresh_count, values->count);
    for (uint32_t i = 0; i < values->fresh_count && !image->failed; i++)
        image_count(image, &values->fresh[i], values->count - 1);
    image_count(image, &values->resting_count, values->count);
    for (uint32_t i = 0; i < values->resting_count && !image->failed; i++) {
        struct extranonces_resting *resting =
            &values->resting[(values->resting_first + i) % values->count];
        image_count(image, &resting->offset, values->count - 1);
        image_u64(image, &resting->job);
    }
}

void extranonce_pool_image(struct extranonce_pool *pool, struct image *image)
{
    uint32_t count = pool->count;
    image_count(image, &count, EXTRANONCE_LEASES_MAX);
    for (uint32_t i = 0; i < count && !image->failed; i++) {
        struct extranonces *values = &pool->leases[i];
        uint64_t lease = values->lease;
        uint32_t first = values->first, number = values->count;
        image_u64(image, &lease);
        image_u32(image, &first);
        image_count(image, &number, 1u << 24);
        if (image->reading && (image->failed || number == 0 || extranonce_pool_holds(pool, lease) ||
                               !extranonce_pool_add(pool, lease, first, number)))
            image->failed = true;
        if (!image->failed)
            values_image(values, image);
    }
}
