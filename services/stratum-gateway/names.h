/* The names authorised on connections: places lent to those that have many (proxies), and the bound
 * on how many an account may have. One thread. */
#pragma once
#include "services/stratum-gateway/account_workers.h"

enum { NAMES_TABLES_MAX = 1024 }; /* connections with more names than a session has places for */

struct connection;
struct gateway;
struct stratum_event;

struct names {
    struct account_workers accounts;
    uint32_t capacity; /* of a lent table */
    uint32_t tables;   /* lent now */
};

void names_init(struct names *names, uint32_t connection_max, uint32_t account_max);
void names_deinit(struct names *names);
/* Lends a session more places; false where no more may be lent. */
MUST_CHECK bool names_lend(struct gateway *gateway, struct connection *connection);
/* Before an answer of auth goes to a session: a yes that is one too many becomes a no. */
void names_judge(struct gateway *gateway, struct connection *connection,
                 struct stratum_event *event);
/* The connection ends. */
void names_left(struct gateway *gateway, struct connection *connection);
