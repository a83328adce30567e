/* The hashing miners may cause (core/budget), for jobs of slow algorithms: a session's budget
 * stands in its connection, its address's in a bounded table here, found at its first such share.
 * One thread. */
#pragma once
#include "core/share/share.h"
#include "services/stratum-gateway/connections.h"
#include "services/stratum-gateway/hash_addresses.h"

struct hash_budgets {
    struct budget_params params;
    struct hash_addresses addresses;
};

void hash_budgets_init(struct hash_budgets *budgets, const struct budget_params *params);
/* Connections must be closed before. */
void hash_budgets_deinit(struct hash_budgets *budgets);

/* Whether the session may cause so many slow hashes now; if so they are charged. */
MUST_CHECK bool hash_budgets_take(struct hash_budgets *budgets, struct connection *connection,
                                  uint32_t hashes, uint64_t now_ms);
/* The verdict on one of its shares. */
void hash_budgets_verdict(struct hash_budgets *budgets, struct connection *connection,
                          enum share_outcome outcome, uint64_t now_ms);
void hash_budgets_closed(struct hash_budgets *budgets, struct connection *connection);
