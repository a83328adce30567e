#include "services/inode-scheduler/inode.h"

#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { INODE_CHECK_MS = 5000, INODE_OVERLOADED = 1013, INODE_POLICY = 1008, INODE_GOING = 1001 };

struct inode_connection {
    struct inode_connection *next, **place;
    struct inode *inode;
    struct http_socket *socket;
    char client[HTTP_CLIENT_BYTES];
    char validator[MEMBER_ID_BYTES]; /* "": nobody has proved anything yet */
    uint64_t id, opened_ms, ahead_ms;
    bool closing;
};

struct inode {
    struct scheduler *scheduler;
    struct inode_connection *connections;
    size_t count;
    uint64_t last_id;
    struct loop_timer timer;
    struct metric *open, *refused;
};

/* A message that the registry has. The connection may be gone when it answers. */
struct inode_answering {
    struct registry_saying saying;
    struct inode *inode;
    uint64_t connection;
};

static void let_go(struct inode_connection *connection)
{
    struct inode *inode = connection->inode;
    *connection->place = connection->next;
    if (connection->next != NULL)
        connection->next->place = connection->place;
    inode->count--;
    metric_set(inode->open, inode->count);
    free(connection);
}

static void close_for(struct inode_connection *connection, uint16_t status, const char *reason)
{
    if (!connection->closing)
        http_socket_close(connection->socket, status, reason);
    connection->closing = true;
}

static void on_closed(void *context, struct http_socket *socket)
{
    (void)socket;
    if (context != NULL)
        let_go(context);
}

static void say(const struct inode_connection *connection, const char *text)
{
    http_socket_send(connection->socket, span_text(text));
}

static void on_answer(struct registry_saying *saying)
{
    struct inode_answering *answering = (struct inode_answering *)saying;
    const struct inode_message *message = &saying->message;
    struct inode_connection *connection = answering->inode->connections;
    while (connection != NULL && connection->id != answering->connection)
        connection = connection->next;
    if (connection != NULL && !connection->closing) {
        char text[sizeof message->task + 16];
        enum inode_refusal refusal = saying->refusal;
        /* What comes behind the signature proves the sender, whatever else was wrong. */
        if (refusal == INODE_TAKEN || refusal == INODE_NO_POOL || refusal == INODE_NO_STAKE ||
            refusal == INODE_NO_TASK)
            memcpy(connection->validator, message->validator, sizeof connection->validator);
        if (refusal != INODE_TAKEN)
            snprintf(text, sizeof text, "%s", inode_refusal_text(refusal));
        else
            snprintf(text, sizeof text, "SUCCESS: %s",
                     message->type == INODE_PING ? "Pong" : message->task);
        say(connection, text);
    }
    free(answering);
}

/* Whether it is not ahead of its pace. */
static bool may_speak(struct inode_connection *connection)
{
    uint64_t now_ms = loop_now_ms(connection->inode->scheduler->options.loop);
    if (connection->ahead_ms < now_ms)
        connection->ahead_ms = now_ms;
    connection->ahead_ms += INODE_PACE_MS;
    return connection->ahead_ms <= now_ms + INODE_BURST * INODE_PACE_MS;
}

static void on_message(void *context, struct http_socket *socket, struct span text)
{
    struct inode_connection *connection = context;
    (void)socket;
    if (connection == NULL || connection->closing)
        return;
    struct scheduler *scheduler = connection->inode->scheduler;
    if (scheduler->registry == NULL || scheduler->stopping || scheduler->deposed) {
        close_for(connection, INODE_GOING, "ERROR: Stopping");
        return;
    }
    if (!may_speak(connection)) {
        registry_refused(scheduler->registry, INODE_TOO_MANY);
        close_for(connection, INODE_POLICY, inode_refusal_text(INODE_TOO_MANY));
        return;
    }
    struct inode_answering *answering = calloc(1, sizeof *answering);
    ASSERT(answering != NULL);
    answering->inode = connection->inode;
    answering->connection = connection->id;
    answering->saying.done = on_answer;
    enum inode_refusal refusal =
        inode_message_read(text, scheduler->pool_id, &answering->saying.message);
    if (refusal == INODE_TAKEN && registry_say(scheduler->registry, &answering->saying))
        return;
    if (refusal == INODE_TAKEN)
        refusal = INODE_BUSY;
    registry_refused(scheduler->registry, refusal);
    say(connection, inode_refusal_text(refusal));
    free(answering);
}

static const struct http_socket_handlers handlers = { INODE_MESSAGE_MAX, on_message, on_closed };

static size_t count_of(const struct inode *inode, const char *client)
{
    size_t count = 0;
    for (const struct inode_connection *connection = inode->connections; connection != NULL;
         connection = connection->next)
        count += strcmp(connection->client, client) == 0;
    return count;
}

/* Why there is no room for one more; NULL: there is. */
static const char *refuse(const struct inode *inode, const char *client)
{
    const struct settings *settings = inode->scheduler->options.settings;
    if (inode->count >= (size_t)settings->max_concurrent_validators)
        return "ERROR: Max connection limit reached";
    if (count_of(inode, client) >= (size_t)settings->scheduler_inode_address_max)
        return "ERROR: Too many connections from this address";
    return NULL;
}

void inode_open(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    struct inode *inode = scheduler->inode;
    char client[HTTP_CLIENT_BYTES];
    if (inode == NULL || scheduler->registry == NULL || scheduler->stopping) {
        http_problem(exchange, 503, "Stands by", "the inode-scheduler that leads takes validators",
                     NULL);
        return;
    }
    http_client(exchange, &scheduler->options.settings->scheduler_proxies, client);
    const char *reason = refuse(inode, client);
    struct inode_connection *connection = NULL;
    if (reason == NULL) {
        connection = calloc(1, sizeof *connection);
        ASSERT(connection != NULL);
    }
    struct http_socket *socket = http_accept_socket(exchange, &handlers, connection);
    if (socket == NULL) {
        free(connection);
        return;
    }
    if (reason != NULL) {
        metric_add(inode->refused, 1);
        http_socket_close(socket, INODE_OVERLOADED, reason);
        return;
    }
    connection->inode = inode;
    connection->socket = socket;
    connection->id = ++inode->last_id;
    connection->opened_ms = loop_now_ms(scheduler->options.loop);
    memcpy(connection->client, client, sizeof connection->client);
    connection->place = &inode->connections;
    connection->next = inode->connections;
    if (connection->next != NULL)
        connection->next->place = &connection->next;
    inode->connections = connection;
    metric_set(inode->open, ++inode->count);
}

static void on_check(void *context)
{
    struct inode *inode = context;
    uint64_t now_ms = loop_now_ms(inode->scheduler->options.loop);
    for (struct inode_connection *connection = inode->connections; connection != NULL;
         connection = connection->next)
        if (connection->validator[0] == '\0' && now_ms - connection->opened_ms >= INODE_SILENT_MS)
            close_for(connection, INODE_POLICY, "ERROR: No validator has spoken");
}

bool inode_send(struct inode *inode, const char *validator, struct span text)
{
    struct inode_connection *connection = inode->connections;
    while (connection != NULL &&
           (connection->closing || strcmp(connection->validator, validator) != 0))
        connection = connection->next;
    if (connection != NULL)
        http_socket_send(connection->socket, text);
    return connection != NULL;
}

static bool deliver(struct scheduler *scheduler, const char *validator, struct span text)
{
    return inode_send(scheduler->inode, validator, text);
}

struct inode *inode_create(struct scheduler *scheduler)
{
    struct inode *inode = calloc(1, sizeof *inode);
    ASSERT(inode != NULL);
    struct metrics *metrics = scheduler->options.metrics;
    inode->scheduler = scheduler;
    inode->open = metrics_gauge(metrics, "adit_inode_connections", "",
                                "outside validators connected", "inode_connections");
    inode->refused =
        metrics_counter(metrics, "adit_inode_connections_refused_total", "",
                        "connections of outside validators there was no room for", NULL);
    inode->timer = (struct loop_timer){ .on_due = on_check, .context = inode };
    loop_timer_start(scheduler->options.loop, &inode->timer, INODE_CHECK_MS, INODE_CHECK_MS);
    scheduler->inode = inode;
    scheduler->deliver = deliver;
    return inode;
}

void inode_destroy(struct inode *inode)
{
    if (inode == NULL)
        return;
    inode->scheduler->inode = NULL;
    inode->scheduler->deliver = NULL;
    loop_timer_stop(inode->scheduler->options.loop, &inode->timer);
    while (inode->connections != NULL) {
        close_for(inode->connections, INODE_GOING, "ERROR: Stopping");
        let_go(inode->connections);
    }
    free(inode);
}
