#include "services/stratum-gateway/hash_addresses.h"

#include <stdlib.h>

enum {
    KEY_BYTES = 9,
    LOOKED_AT = 64, /* for one to make room, unless none of these can */
    /* a place: index + 1, and above it how often the place was given */
    INDEX_BITS = 14,
    GENERATIONS = 1 << (31 - INDEX_BITS),
};
_Static_assert(HASH_ADDRESSES_MAX < 1 << INDEX_BITS, "an index fits a place");

enum kind { KIND_V4 = 4, KIND_V6 = 6, KIND_V6_NETWORK = 7 };

struct hash_address {
    uint8_t key[KEY_BYTES]; /* enum kind, then the bytes that count */
    bool used;
    uint32_t generation;
    uint32_t next;     /* in its bucket, index + 1 */
    uint32_t network;  /* index + 1; 0: none is above it */
    uint32_t children; /* addresses below it in the table */
    struct budget_address budget;
};

void hash_addresses_deinit(struct hash_addresses *addresses)
{
    free(addresses->list);
    addresses->list = NULL;
}

static bool is_v4(const uint8_t ip[HASH_ADDRESS_BYTES])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(ip, mapped, sizeof mapped) == 0;
}

static void make_key(const uint8_t ip[HASH_ADDRESS_BYTES], enum kind kind, uint8_t key_r[KEY_BYTES])
{
    memset(key_r, 0, KEY_BYTES);
    key_r[0] = (uint8_t)kind;
    if (kind == KIND_V4)
        memcpy(key_r + 1, ip + 12, 4);
    else
        memcpy(key_r + 1, ip, kind == KIND_V6 ? 8 : 6);
}

static uint32_t *bucket_of(struct hash_addresses *addresses, const uint8_t key[KEY_BYTES])
{
    uint64_t mixed = (load_le64(key + 1) ^ key[0]) * 0x9e3779b97f4a7c15u;
    return &addresses->buckets[(mixed >> 40) % HASH_ADDRESSES_MAX];
}

/* Index + 1; 0: not there. */
static uint32_t find(struct hash_addresses *addresses, const uint8_t key[KEY_BYTES])
{
    uint32_t found = *bucket_of(addresses, key);
    while (found != 0 && memcmp(addresses->list[found - 1].key, key, KEY_BYTES) != 0)
        found = addresses->list[found - 1].next;
    return found;
}

static void forget(struct hash_addresses *addresses, uint32_t index)
{
    struct hash_address *address = &addresses->list[index];
    uint32_t *at = bucket_of(addresses, address->key);
    while (*at != index + 1)
        at = &addresses->list[*at - 1].next;
    *at = address->next;
    if (address->network != 0) {
        struct hash_address *network = &addresses->list[address->network - 1];
        network->children--;
        network->budget.sessions -= address->budget.sessions; /* they join anew */
    }
    address->used = false;
    address->generation = (address->generation + 1) % GENERATIONS;
    addresses->used--;
}

/* Whether a should make room rather than b. */
static bool owes_less(const struct budget_address *a, const struct budget_address *b)
{
    if ((a->sessions == 0) != (b->sessions == 0))
        return a->sessions == 0;
    return a->strikes != b->strikes ? a->strikes < b->strikes : a->ahead_us < b->ahead_us;
}

/* Index of a free place; there is one, because a network that has addresses below it is not alone.
 * `but` (index + 1; 0: none) stays. */
static uint32_t free_place(struct hash_addresses *addresses, uint32_t but, uint64_t now_ms)
{
    uint32_t victim = UINT32_MAX;
    for (uint32_t i = 0; i < HASH_ADDRESSES_MAX && (i < LOOKED_AT || victim == UINT32_MAX); i++) {
        uint32_t index = addresses->swept++ % HASH_ADDRESSES_MAX;
        struct hash_address *address = &addresses->list[index];
        if (!address->used)
            return index;
        if (address->children > 0 || index + 1 == but)
            continue;
        if (budget_forgettable(&address->budget, now_ms)) {
            forget(addresses, index);
            return index;
        }
        if (victim == UINT32_MAX || owes_less(&address->budget, &addresses->list[victim].budget))
            victim = index;
    }
    ASSERT(victim != UINT32_MAX);
    if (addresses->used < HASH_ADDRESSES_MAX) /* one of those not looked at is free */
        for (uint32_t i = 0; i < HASH_ADDRESSES_MAX; i++, addresses->swept++)
            if (!addresses->list[addresses->swept % HASH_ADDRESSES_MAX].used)
                return addresses->swept++ % HASH_ADDRESSES_MAX;
    forget(addresses, victim);
    return victim;
}

static uint32_t add(struct hash_addresses *addresses, const uint8_t key[KEY_BYTES],
                    uint32_t network, uint64_t now_ms)
{
    uint32_t index = free_place(addresses, network, now_ms), *bucket = bucket_of(addresses, key);
    struct hash_address *address = &addresses->list[index];
    *address = (struct hash_address){
        .used = true, .generation = address->generation, .next = *bucket, .network = network
    };
    memcpy(address->key, key, KEY_BYTES);
    *bucket = index + 1;
    if (network != 0)
        addresses->list[network - 1].children++;
    addresses->used++;
    return index + 1;
}

static uint32_t find_or_add(struct hash_addresses *addresses, const uint8_t ip[HASH_ADDRESS_BYTES],
                            uint64_t now_ms)
{
    uint8_t key[KEY_BYTES];
    const bool v4 = is_v4(ip);
    make_key(ip, v4 ? KIND_V4 : KIND_V6, key);
    uint32_t found = find(addresses, key);
    if (found != 0)
        return found;
    if (v4)
        return add(addresses, key, 0, now_ms);
    uint8_t network_key[KEY_BYTES];
    make_key(ip, KIND_V6_NETWORK, network_key);
    uint32_t network = find(addresses, network_key);
    if (network == 0)
        network = add(addresses, network_key, 0, now_ms);
    if (addresses->list[network - 1].children == HASH_ADDRESSES_CHILDREN)
        return network;
    return add(addresses, key, network, now_ms);
}

uint32_t hash_addresses_join(struct hash_addresses *addresses, const uint8_t ip[HASH_ADDRESS_BYTES],
                             uint64_t now_ms)
{
    if (addresses->list == NULL)
        addresses->list = calloc(HASH_ADDRESSES_MAX, sizeof *addresses->list);
    if (addresses->list == NULL)
        return 0;
    uint32_t found = find_or_add(addresses, ip, now_ms);
    struct hash_address *address = &addresses->list[found - 1];
    budget_join(&address->budget);
    if (address->network != 0)
        budget_join(&addresses->list[address->network - 1].budget);
    return found | address->generation << INDEX_BITS;
}

bool hash_addresses_find(const struct hash_addresses *addresses, uint32_t place,
                         struct budget_origin *origin_r)
{
    const uint32_t index = place & ((1u << INDEX_BITS) - 1);
    if (index == 0 || addresses->list == NULL)
        return false;
    struct hash_address *address = &addresses->list[index - 1];
    if (!address->used || address->generation != place >> INDEX_BITS)
        return false;
    *origin_r = (struct budget_origin){
        .address = &address->budget,
        .network = address->network != 0 ? &addresses->list[address->network - 1].budget : NULL
    };
    return true;
}

void hash_addresses_leave(struct hash_addresses *addresses, uint32_t place)
{
    struct budget_origin origin;
    if (!hash_addresses_find(addresses, place, &origin))
        return;
    budget_leave(origin.address);
    if (origin.network != NULL)
        budget_leave(origin.network);
}

bool hash_addresses_verify(const struct hash_addresses *addresses)
{
    uint32_t used = 0, reached = 0;
    for (uint32_t i = 0; i < HASH_ADDRESSES_MAX && addresses->list != NULL; i++) {
        const struct hash_address *address = &addresses->list[i];
        uint32_t children = 0, sessions = 0;
        used += address->used;
        if (address->used && address->key[0] == KIND_V6_NETWORK) {
            for (uint32_t k = 0; k < HASH_ADDRESSES_MAX; k++) {
                const struct hash_address *child = &addresses->list[k];
                if (!child->used || child->network != i + 1)
                    continue;
                children++;
                sessions += child->budget.sessions;
                if (child->key[0] != KIND_V6 || memcmp(child->key + 1, address->key + 1, 6) != 0)
                    return false;
            }
            if (children != address->children || children > HASH_ADDRESSES_CHILDREN ||
                sessions > address->budget.sessions)
                return false;
        }
        for (uint32_t at = addresses->buckets[i]; at != 0; at = addresses->list[at - 1].next)
            reached++;
    }
    return used == addresses->used && reached == used;
}
