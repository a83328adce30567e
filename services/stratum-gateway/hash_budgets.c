#include "services/stratum-gateway/hash_budgets.h"

void hash_budgets_init(struct hash_budgets *budgets, const struct budget_params *params)
{
    memset(budgets, 0, sizeof *budgets);
    budgets->params = *params;
}

void hash_budgets_deinit(struct hash_budgets *budgets)
{
    hash_addresses_deinit(&budgets->addresses);
}

/* Where the connection comes from; found anew where its place in the table was given away. */
static struct budget_origin origin_of(struct hash_budgets *budgets, struct connection *connection,
                                      uint64_t now_ms)
{
    struct budget_origin origin = { 0 };
    if (hash_addresses_find(&budgets->addresses, connection->hash_address, &origin))
        return origin;
    connection->hash_address =
        hash_addresses_join(&budgets->addresses, connection->peer.bytes, now_ms);
    if (!hash_addresses_find(&budgets->addresses, connection->hash_address, &origin))
        connection->hash_address = 0; /* no memory for a table: its own budget counts alone */
    return origin;
}

bool hash_budgets_take(struct hash_budgets *budgets, struct connection *connection, uint32_t hashes,
                       uint64_t now_ms)
{
    if (budgets->params.multiple == 0)
        return true;
    const struct budget_origin origin = origin_of(budgets, connection, now_ms);
    return budget_take(&connection->hash_budget, &origin, &budgets->params, hashes, now_ms);
}

void hash_budgets_verdict(struct hash_budgets *budgets, struct connection *connection,
                          enum share_outcome outcome, uint64_t now_ms)
{
    struct budget_origin origin = { 0 };
    if (connection->hash_address == 0) /* it never had a slow share */
        return;
    if (outcome != SHARE_ACCEPTED)
        origin = origin_of(budgets, connection, now_ms);
    switch (outcome) {
    case SHARE_ACCEPTED:
        budget_verdict(&connection->hash_budget, &origin, true, now_ms);
        break;
    case SHARE_LOW_DIFFICULTY:
    case SHARE_UNAUTHORIZED:
    case SHARE_INVALID_NTIME:
    case SHARE_INVALID_VERSION:
    case SHARE_INVALID_EXTRANONCE2:
    case SHARE_MALFORMED:
        budget_verdict(&connection->hash_budget, &origin, false, now_ms);
        break;
    default: /* what happens to honest miners too */
        break;
    }
}

void hash_budgets_closed(struct hash_budgets *budgets, struct connection *connection)
{
    hash_addresses_leave(&budgets->addresses, connection->hash_address);
    connection->hash_address = 0;
}
