#include "adapter/http_kore/crowd.h"

#include <stdlib.h>

enum { NOBODY = 0 }; /* places are numbered from 1 */

struct place {
    struct network_address address;
    uint32_t count;
    uint32_t next; /* of those that hash alike, or of those that are free */
};

struct crowd {
    uint64_t seed;
    size_t connections_max, address_max, all;
    size_t bucket_count;
    uint32_t *buckets;
    struct place *places;
    uint32_t unused; /* the first of the free ones */
};

struct crowd *crowd_create(size_t connections_max, size_t address_max, uint64_t seed)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    ASSERT(crowd != NULL && connections_max > 0 && connections_max < UINT32_MAX);
    crowd->seed = seed;
    crowd->connections_max = connections_max;
    crowd->address_max = address_max;
    crowd->bucket_count = connections_max;
    crowd->buckets = calloc(connections_max, sizeof *crowd->buckets);
    crowd->places = calloc(connections_max + 1, sizeof *crowd->places);
    ASSERT(crowd->buckets != NULL && crowd->places != NULL);
    for (size_t i = connections_max; i > 0; i--) {
        crowd->places[i].next = crowd->unused;
        crowd->unused = (uint32_t)i;
    }
    return crowd;
}

void crowd_destroy(struct crowd *crowd)
{
    if (crowd == NULL)
        return;
    free(crowd->buckets);
    free(crowd->places);
    free(crowd);
}

/* What points to the address's place, or to NOBODY where it has none. */
static uint32_t *link_to(const struct crowd *crowd, const struct network_address *address)
{
    const struct network customer = network_of_customer(address);
    uint64_t mixed = crowd->seed;
    for (size_t i = 0; i < sizeof customer.address.bytes; i += 8) {
        mixed = (mixed ^ load_be64(customer.address.bytes + i)) * UINT64_C(0x9e3779b97f4a7c15);
        mixed ^= mixed >> 29;
    }
    uint32_t *link = &crowd->buckets[mixed % crowd->bucket_count];
    while (*link != NOBODY &&
           memcmp(&crowd->places[*link].address, &customer.address, sizeof customer.address) != 0)
        link = &crowd->places[*link].next;
    return link;
}

bool crowd_enter(struct crowd *crowd, const struct network_address *address)
{
    if (crowd_is_full(crowd))
        return false;
    uint32_t *link = link_to(crowd, address);
    if (*link == NOBODY) { /* fewer addresses than connections: a place is free */
        const uint32_t taken = crowd->unused;
        struct place *place = &crowd->places[taken];
        crowd->unused = place->next;
        *place = (struct place){ .address = network_of_customer(address).address };
        *link = taken;
    }
    struct place *place = &crowd->places[*link];
    if (crowd->address_max > 0 && place->count >= crowd->address_max)
        return false;
    place->count++;
    crowd->all++;
    return true;
}

void crowd_leave(struct crowd *crowd, const struct network_address *address)
{
    uint32_t *link = link_to(crowd, address);
    const uint32_t left = *link;
    ASSERT(left != NOBODY);
    struct place *place = &crowd->places[left];
    crowd->all--;
    if (--place->count > 0)
        return;
    *link = place->next;
    place->next = crowd->unused;
    crowd->unused = left;
}

bool crowd_is_full(const struct crowd *crowd)
{
    return crowd->all >= crowd->connections_max;
}

size_t crowd_count(const struct crowd *crowd, const struct network_address *address)
{
    return crowd->places[*link_to(crowd, address)].count; /* nobody's count stays 0 */
}
