#include "services/stratum-gateway/names.h"

#include "services/stratum-gateway/gateway.h"

#include <stdlib.h>

void names_init(struct names *names, uint32_t connection_max, uint32_t account_max)
{
    *names = (struct names){ .accounts.workers_max = account_max, .capacity = 2 };
    while (names->capacity < 2 * connection_max)
        names->capacity *= 2;
}

void names_deinit(struct names *names)
{
    account_workers_deinit(&names->accounts);
}

bool names_lend(struct gateway *gateway, struct connection *connection)
{
    struct names *names = &gateway->names;
    struct stratum_workers *table = NULL;
    if (names->tables < NAMES_TABLES_MAX)
        table = calloc(1, STRATUM_WORKERS_BYTES((size_t)names->capacity));
    if (table == NULL)
        return false;
    table->capacity = names->capacity;
    names->tables++;
    stratum_session_lend_workers(&connection->session, table);
    return true;
}

void names_judge(struct gateway *gateway, struct connection *connection,
                 struct stratum_event *event)
{
    struct account_workers *accounts = &gateway->names.accounts;
    const struct stratum_worker *worker =
        stratum_session_worker(&connection->session, event->authorised.worker);
    if (worker == NULL || worker->generation != event->authorised.generation ||
        connection->session.state == STRATUM_CLOSED)
        return;
    bool was_in = worker->state == STRATUM_WORKER_AUTHORISED && worker->account_id != 0;
    if (was_in && event->authorised.outcome == STRATUM_NO) {
        account_workers_remove(accounts, worker->account_id);
    } else if (event->authorised.outcome == STRATUM_YES && event->authorised.account_id != 0 &&
               (!was_in || worker->account_id != event->authorised.account_id)) {
        if (was_in)
            account_workers_remove(accounts, worker->account_id);
        if (account_workers_add(accounts, event->authorised.account_id))
            return;
        event->authorised.outcome = STRATUM_NO;
        event->authorised.text = "this account has too many workers here";
    }
}

void names_left(struct gateway *gateway, struct connection *connection)
{
    struct stratum_session *session = &connection->session;
    for (uint32_t i = 0; session->authorised && i < stratum_session_places(session); i++) {
        const struct stratum_worker *worker = stratum_session_worker(session, i);
        if (worker->state == STRATUM_WORKER_AUTHORISED && worker->account_id != 0)
            account_workers_remove(&gateway->names.accounts, worker->account_id);
    }
    struct stratum_workers *table = stratum_session_return_workers(session);
    gateway->names.tables -= table != NULL;
    free(table);
}
