#include "services/stratum-gateway/broadcast.h"

#include "services/stratum-gateway/gateway.h"

enum { SENDS_A_ROUND = 256 };

static bool has_session(const struct connection *connection)
{
    return connection->state == CONNECTION_OPEN && connection->session.id != 0;
}

static void prepare(struct loop_task *task)
{
    struct gateway *gateway =
        (struct gateway *)((char *)task - offsetof(struct gateway, broadcast.prepare));
    struct broadcast *broadcast = &gateway->broadcast;
    struct connections *connections = &gateway->connections;
    const struct stratum_event event = { .kind = STRATUM_JOB };
    broadcast->prepare_deferred = false;
    broadcast->preparing = true;
    for (size_t i = 0; i < connections->used_max; i++)
        if (has_session(&connections->places[i]))
            sessions_happen(gateway, &connections->places[i], &event);
    broadcast->preparing = false;
    broadcast->left = connections->used_max;
    if (broadcast->send_deferred)
        return; /* it goes once more round from where it is */
    broadcast->send_deferred = true;
    loop_defer_to(gateway->loop, &broadcast->send, LOOP_LATE);
}

static void send_some(struct loop_task *task)
{
    struct gateway *gateway =
        (struct gateway *)((char *)task - offsetof(struct gateway, broadcast.send));
    struct broadcast *broadcast = &gateway->broadcast;
    struct connections *connections = &gateway->connections;
    unsigned sent = 0;
    broadcast->send_deferred = false;
    for (; broadcast->left > 0 && sent < SENDS_A_ROUND; broadcast->left--) {
        if (broadcast->next >= connections->used_max)
            broadcast->next = 0;
        struct connection *connection = &connections->places[broadcast->next++];
        if (!has_session(connection) || connection->job_waiting == 0)
            continue;
        broadcast_catch_up(gateway, connection);
        sent++;
    }
    if (broadcast->left > 0) {
        broadcast->send_deferred = true;
        loop_defer_to(gateway->loop, &broadcast->send, LOOP_LATE);
        return;
    }
    metric_observe_us(gateway->measures.broadcast, (loop_clock_ns() - broadcast->since_ns) / 1000);
}

void broadcast_init(struct broadcast *broadcast)
{
    *broadcast = (struct broadcast){ .prepare.run = prepare, .send.run = send_some };
}

void broadcast_begin(struct gateway *gateway)
{
    struct broadcast *broadcast = &gateway->broadcast;
    broadcast->since_ns = loop_clock_ns();
    if (broadcast->prepare_deferred)
        return;
    broadcast->prepare_deferred = true;
    loop_defer(gateway->loop, &broadcast->prepare);
}

void broadcast_send_job(struct gateway *gateway, struct connection *connection,
                        const struct stratum_effect *effect)
{
    /* Who missed a clean job gets a clean one. */
    bool clean = effect->clean || (connection->job_waiting != 0 && connection->job_clean);
    connection->job_waiting = 0;
    if (gateway->broadcast.preparing && buffer_used(connection->output) == 0) {
        connection->job_waiting = effect->job->ordinal;
        connection->job_clean = clean;
        connection->job_shape = effect->shape;
    } else {
        connection_write_shared(connection, effect->job->text[effect->shape][clean]);
    }
}

void broadcast_before_receipts(void *context, struct connection *connection)
{
    broadcast_catch_up(context, connection);
}

void broadcast_catch_up(struct gateway *gateway, struct connection *connection)
{
    const struct stratum_jobs *jobs = &gateway->feed.table;
    uint64_t ordinal = connection->job_waiting;
    if (ordinal == 0 || gateway->broadcast.preparing)
        return;
    connection->job_waiting = 0;
    /* Forgotten, where hundreds came meanwhile: everybody's next step is due then. */
    const struct stratum_job *job =
        ordinal >= jobs->oldest ? jobs->ring[ordinal % STRATUM_JOBS_MAX] : NULL;
    if (job != NULL)
        connection_write_shared(connection,
                                job->text[connection->job_shape][connection->job_clean]);
}
