#include "services/stratum-gateway/draining.h"

#include "service/log.h"
#include "services/stratum-gateway/gateway.h"

#include <inttypes.h>

enum { STEP_MS = 20 };

void draining_send_away(struct gateway *gateway, struct connection *connection)
{
    const struct stratum_event reconnect = { .kind = STRATUM_RECONNECT };
    sessions_happen(gateway, connection, &reconnect);
    if (connection->state == CONNECTION_OPEN)
        connection_leave(connection, "drained");
}

/* So many sessions whose answers have left are sent away; how many were. */
static unsigned send_some_away(struct gateway *gateway, unsigned most)
{
    struct connections *connections = &gateway->connections;
    unsigned sent = 0;
    for (size_t i = 0; i < connections->used_max && sent < most; i++) {
        struct connection *connection = &connections->places[i];
        if (connection->state != CONNECTION_OPEN ||
            stratum_session_holds_answers(&connection->session))
            continue;
        draining_send_away(gateway, connection);
        sent++;
    }
    return sent;
}

void draining_run(struct gateway *gateway)
{
    const struct settings *settings = gateway->settings;
    const uint64_t begin_ns = loop_clock_ns();
    const uint64_t end_ns = begin_ns + (uint64_t)settings->stratum_drain_s * 1000000000;
    uint64_t told = 0;
    log_info("drain.begin", "connections=%zu", gateway->connections.open);
    while (gateway->connections.open > 0) {
        uint64_t now_ns = loop_clock_ns();
        if (now_ns >= end_ns)
            break;
        uint64_t due =
            1 + (now_ns - begin_ns) / 1000000 * (uint64_t)settings->stratum_drain_per_s / 1000;
        /* The places of those that leave are few: what has none is cut short, so a step is small.
         */
        unsigned most = due > told ? (unsigned)(due - told) : 0;
        if (most > CONNECTIONS_LEAVING_MAX / 4)
            most = CONNECTIONS_LEAVING_MAX / 4;
        told += send_some_away(gateway, most);
        loop_run_once(gateway->loop, STEP_MS);
    }
    log_info("drain.end", "told=%" PRIu64 " left=%zu", told, gateway->connections.open);
}
