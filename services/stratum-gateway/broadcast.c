#include "services/stratum-gateway/broadcast.h"

#include "services/stratum-gateway/gateway.h"

enum { SENDS_A_ROUND = 256, STEP_MS = 20 };

static void send_soon(struct gateway *gateway)
{
    struct broadcast *broadcast = &gateway->broadcast;
    if (broadcast->send_deferred)
        return;
    broadcast->send_deferred = true;
    loop_defer_to(gateway->loop, &broadcast->send, LOOP_LATE);
}

static void on_pause_over(void *context)
{
    send_soon(context);
}

static bool has_session(const struct connection *connection)
{
    return connection->state == CONNECTION_OPEN && connection->session.id != 0;
}

/* Whether the current job says little that the one before did not: the same tip, and that one had
 * transactions, too, where this has. */
static bool is_refresh(const struct gateway *gateway)
{
    const struct stratum_jobs *jobs = &gateway->feed.table;
    const struct stratum_job *job = stratum_jobs_current(jobs);
    if (job == NULL || job->ordinal <= jobs->oldest || job->job->clean)
        return false;
    const struct stratum_job *before = jobs->ring[(job->ordinal - 1) % STRATUM_JOBS_MAX];
    return before != NULL && before->tip == job->tip &&
           (before->job->branches_count > 0 || job->job->branches_count == 0);
}

/* How many places may be looked at by now; the first at once. */
static size_t due_of(const struct gateway *gateway)
{
    const struct broadcast *broadcast = &gateway->broadcast;
    uint64_t age_ms = (loop_clock_ns() - broadcast->since_ns) / 1000000;
    if (age_ms >= broadcast->spread_ms)
        return broadcast->left;
    size_t total = gateway->connections.used_max;
    size_t looked = total > broadcast->left ? total - broadcast->left : 0;
    size_t due = (size_t)(total * (age_ms + STEP_MS) / broadcast->spread_ms) + 1;
    return due > looked ? due - looked : 0;
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
    broadcast->spread_ms =
        is_refresh(gateway) ? (uint64_t)gateway->settings->stratum_refresh_spread_ms : 0;
    loop_timer_stop(gateway->loop, &broadcast->pause);
    send_soon(gateway); /* where it was under way it goes once more round from where it is */
}

static void send_some(struct loop_task *task)
{
    struct gateway *gateway =
        (struct gateway *)((char *)task - offsetof(struct gateway, broadcast.send));
    struct broadcast *broadcast = &gateway->broadcast;
    struct connections *connections = &gateway->connections;
    unsigned sent = 0;
    broadcast->send_deferred = false;
    size_t due = due_of(gateway);
    for (; due > 0 && broadcast->left > 0 && sent < SENDS_A_ROUND; broadcast->left--, due--) {
        if (broadcast->next >= connections->used_max)
            broadcast->next = 0;
        struct connection *connection = &connections->places[broadcast->next++];
        if (!has_session(connection) || connection->job_waiting == 0)
            continue;
        broadcast_catch_up(gateway, connection);
        sent++;
    }
    if (broadcast->left > 0 && due == 0) {
        loop_timer_start(gateway->loop, &broadcast->pause, STEP_MS, 0);
        return;
    }
    if (broadcast->left > 0) {
        send_soon(gateway);
        return;
    }
    metric_observe_us(gateway->measures.broadcast, (loop_clock_ns() - broadcast->since_ns) / 1000);
}

void broadcast_init(struct gateway *gateway)
{
    gateway->broadcast =
        (struct broadcast){ .prepare.run = prepare,
                            .send.run = send_some,
                            .pause = { .on_due = on_pause_over, .context = gateway } };
}

void broadcast_stop(struct gateway *gateway)
{
    gateway->broadcast.left = 0;
    loop_timer_stop(gateway->loop, &gateway->broadcast.pause);
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
