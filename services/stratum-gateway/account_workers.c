#include "services/stratum-gateway/account_workers.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

void account_workers_deinit(struct account_workers *workers)
{
    free(workers->places);
    memset(workers, 0, sizeof *workers);
}

/* Ids are keyed hashes already. */
static uint32_t home_of(const struct account_workers *workers, uint64_t account)
{
    return (uint32_t)(account >> 16) & (workers->capacity - 1);
}

/* The account's place, or the free one it would have. */
static struct account_workers_place *look_up(const struct account_workers *workers,
                                             uint64_t account)
{
    uint32_t at = home_of(workers, account);
    while (workers->places[at].account != 0 && workers->places[at].account != account)
        at = (at + 1) & (workers->capacity - 1);
    return &workers->places[at];
}

static bool grow(struct account_workers *workers)
{
    struct account_workers larger = { .capacity = workers->capacity == 0 ? FIRST_CAPACITY
                                                                         : 2 * workers->capacity,
                                      .used = workers->used,
                                      .workers_max = workers->workers_max };
    larger.places = calloc(larger.capacity, sizeof *larger.places);
    if (larger.places == NULL)
        return false;
    for (uint32_t i = 0; i < workers->capacity; i++)
        if (workers->places[i].account != 0)
            *look_up(&larger, workers->places[i].account) = workers->places[i];
    free(workers->places);
    *workers = larger;
    return true;
}

bool account_workers_add(struct account_workers *workers, uint64_t account)
{
    if (2 * workers->used >= workers->capacity && !grow(workers))
        return false;
    struct account_workers_place *place = look_up(workers, account);
    if (place->workers >= workers->workers_max)
        return false;
    workers->used += place->account == 0;
    place->account = account;
    place->workers++;
    return true;
}

void account_workers_remove(struct account_workers *workers, uint64_t account)
{
    ASSERT(workers->capacity > 0);
    struct account_workers_place *place = look_up(workers, account);
    ASSERT(place->account == account && place->workers > 0);
    if (--place->workers > 0)
        return;
    /* What stands behind it moves up, so that no search ends too early. */
    uint32_t mask = workers->capacity - 1, hole = (uint32_t)(place - workers->places);
    for (uint32_t at = (hole + 1) & mask; workers->places[at].account != 0; at = (at + 1) & mask) {
        uint32_t home = home_of(workers, workers->places[at].account);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        workers->places[hole] = workers->places[at];
        hole = at;
    }
    workers->places[hole] = (struct account_workers_place){ .account = 0 };
    workers->used--;
}

uint32_t account_workers_of(const struct account_workers *workers, uint64_t account)
{
    return workers->capacity == 0 ? 0 : look_up(workers, account)->workers;
}
