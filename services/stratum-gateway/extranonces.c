#include "services/stratum-gateway/extranonces.h"

#include <stdlib.h>

bool extranonces_init(struct extranonces *values, uint64_t lease, uint32_t first, uint32_t count)
{
    *values = (struct extranonces){ .lease = lease, .first = first, .count = count };
    values->fresh = calloc(count, sizeof *values->fresh);
    values->resting = calloc(count, sizeof *values->resting);
    if (values->fresh != NULL && values->resting != NULL)
        return true;
    extranonces_deinit(values);
    return false;
}

void extranonces_deinit(struct extranonces *values)
{
    free(values->fresh);
    free(values->resting);
    memset(values, 0, sizeof *values);
}

bool extranonces_take(struct extranonces *values, uint64_t oldest_job, uint32_t *value_r)
{
    uint32_t offset;
    if (values->fresh_count > 0) {
        offset = values->fresh[--values->fresh_count];
    } else if (values->resting_count > 0 &&
               values->resting[values->resting_first].job < oldest_job) {
        offset = values->resting[values->resting_first].offset;
        values->resting_first = (values->resting_first + 1) % values->count;
        values->resting_count--;
    } else if (values->unused < values->count) {
        offset = values->unused++;
    } else {
        return false;
    }
    *value_r = values->first + offset;
    return true;
}

void extranonces_give_back(struct extranonces *values, uint64_t lease, uint32_t value,
                           uint64_t newest_job)
{
    uint32_t offset = value - values->first;
    if (lease != values->lease || offset >= values->unused)
        return;
    if (newest_job == 0) {
        ASSERT(values->fresh_count < values->count);
        values->fresh[values->fresh_count++] = offset;
        return;
    }
    ASSERT(values->resting_count < values->count);
    values->resting[(values->resting_first + values->resting_count++) % values->count] =
        (struct extranonces_resting){ .offset = offset, .job = newest_job };
}
