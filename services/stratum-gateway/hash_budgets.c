#include "services/stratum-gateway/hash_budgets.h"

#include <stdlib.h>

enum { KEY_BYTES = 9, SWEEP_A_TIME = 64 };

struct hash_budgets_address {
    uint8_t key[KEY_BYTES]; /* 4 or 6, then the bytes that count */
    bool used;
    uint32_t next; /* in its bucket, index + 1 */
    struct budget_address budget;
};

void hash_budgets_init(struct hash_budgets *budgets, const struct budget_params *params)
{
    memset(budgets, 0, sizeof *budgets);
    budgets->params = *params;
}

void hash_budgets_deinit(struct hash_budgets *budgets)
{
    free(budgets->addresses);
    budgets->addresses = NULL;
}

/* Several customers may share nothing but an address; none has less than that. */
static void read_key(const struct connection *connection, uint8_t key_r[KEY_BYTES])
{
    bool ipv4 = network_address_is_ipv4(&connection->peer);
    memset(key_r, 0, KEY_BYTES);
    key_r[0] = ipv4 ? 4 : 6;
    memcpy(key_r + 1, connection->peer.bytes + (ipv4 ? 12 : 0), ipv4 ? 4 : 8);
}

static uint32_t *bucket_of(struct hash_budgets *budgets, const uint8_t key[KEY_BYTES])
{
    uint64_t mixed = (load_le64(key + 1) ^ key[0]) * 0x9e3779b97f4a7c15u;
    return &budgets->buckets[(mixed >> 40) % HASH_BUDGETS_ADDRESSES_MAX];
}

static void forget(struct hash_budgets *budgets, uint32_t index)
{
    struct hash_budgets_address *address = &budgets->addresses[index];
    uint32_t *at = bucket_of(budgets, address->key);
    while (*at != index + 1)
        at = &budgets->addresses[*at - 1].next;
    *at = address->next;
    address->used = false;
    budgets->used--;
}

/* A free place, perhaps of one that need not be remembered; UINT32_MAX: none near. */
static uint32_t free_place(struct hash_budgets *budgets, uint64_t now_ms)
{
    for (unsigned i = 0; i < SWEEP_A_TIME; i++) {
        uint32_t index = budgets->swept++ % HASH_BUDGETS_ADDRESSES_MAX;
        struct hash_budgets_address *address = &budgets->addresses[index];
        if (address->used && budget_forgettable(&address->budget, now_ms))
            forget(budgets, index);
        if (!address->used)
            return index;
    }
    return UINT32_MAX;
}

/* Index + 1 of the connection's address; UINT32_MAX where it has none. */
static uint32_t join(struct hash_budgets *budgets, struct connection *connection, uint64_t now_ms)
{
    uint8_t key[KEY_BYTES];
    if (budgets->addresses == NULL)
        budgets->addresses = calloc(HASH_BUDGETS_ADDRESSES_MAX, sizeof *budgets->addresses);
    if (budgets->addresses == NULL)
        return UINT32_MAX;
    read_key(connection, key);
    uint32_t *bucket = bucket_of(budgets, key), found = *bucket;
    while (found != 0 && memcmp(budgets->addresses[found - 1].key, key, KEY_BYTES) != 0)
        found = budgets->addresses[found - 1].next;
    if (found == 0) {
        uint32_t index = free_place(budgets, now_ms);
        if (index == UINT32_MAX)
            return UINT32_MAX;
        struct hash_budgets_address *address = &budgets->addresses[index];
        *address = (struct hash_budgets_address){ .used = true, .next = *bucket };
        memcpy(address->key, key, KEY_BYTES);
        *bucket = found = index + 1;
        budgets->used++;
    }
    budget_join(&budgets->addresses[found - 1].budget);
    return found;
}

static struct budget_address *address_of(struct hash_budgets *budgets,
                                         const struct connection *connection)
{
    return connection->hash_address != 0 && connection->hash_address != UINT32_MAX
               ? &budgets->addresses[connection->hash_address - 1].budget
               : NULL;
}

bool hash_budgets_take(struct hash_budgets *budgets, struct connection *connection, uint32_t hashes,
                       uint64_t now_ms)
{
    if (budgets->params.multiple == 0)
        return true;
    if (connection->hash_address == 0)
        connection->hash_address = join(budgets, connection, now_ms);
    return budget_take(&connection->hash_budget, address_of(budgets, connection), &budgets->params,
                       hashes, now_ms);
}

void hash_budgets_verdict(struct hash_budgets *budgets, struct connection *connection,
                          enum share_outcome outcome, uint64_t now_ms)
{
    if (connection->hash_address == 0) /* it never had a slow share */
        return;
    switch (outcome) {
    case SHARE_ACCEPTED:
        budget_verdict(&connection->hash_budget, address_of(budgets, connection), true, now_ms);
        break;
    case SHARE_LOW_DIFFICULTY:
    case SHARE_UNAUTHORIZED:
    case SHARE_INVALID_NTIME:
    case SHARE_INVALID_VERSION:
    case SHARE_INVALID_EXTRANONCE2:
    case SHARE_MALFORMED:
        budget_verdict(&connection->hash_budget, address_of(budgets, connection), false, now_ms);
        break;
    default: /* what happens to honest miners too */
        break;
    }
}

void hash_budgets_closed(struct hash_budgets *budgets, struct connection *connection)
{
    struct budget_address *address = address_of(budgets, connection);
    if (address != NULL)
        budget_leave(address);
    connection->hash_address = 0;
}
