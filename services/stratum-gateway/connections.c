#include "services/stratum-gateway/connections.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_A_ROUND = 4 };

static void on_ready(void *context, uint32_t ready);
static void on_reading_on(struct loop_task *task);
static void on_writing(struct loop_task *task);

/* Life. */

bool connections_init(struct connections *connections, const struct connections_options *options,
                      struct error *error)
{
    memset(connections, 0, sizeof *connections);
    connections->options = *options;
    connections->reading_on.run = on_reading_on;
    connections->writing.run = on_writing;
    connections->places_count = options->miners_max + CONNECTIONS_LEAVING_MAX;
    connections->places = calloc(connections->places_count, sizeof *connections->places);
    return connections->places != NULL ||
           error_set(error, ERROR_SYSTEM, "no memory for %zu connections (stratum.max_miners)",
                     options->miners_max);
}

struct connection *connection_find(const struct connections *connections, uint32_t index,
                                   uint32_t generation)
{
    if (index >= connections->used_max)
        return NULL;
    struct connection *connection = &connections->places[index];
    return connection->generation == generation && connection->state == CONNECTION_OPEN ? connection
                                                                                        : NULL;
}

static struct connection *take_place(struct connections *connections)
{
    struct connection *connection = connections->free;
    if (connection != NULL) {
        connections->free = connection->next_free;
        return connection;
    }
    if (connections->used_max == connections->places_count)
        return NULL;
    connection = &connections->places[connections->used_max];
    connection->index = (uint32_t)connections->used_max++;
    return connection;
}

struct connection *connection_open(struct connections *connections, int fd, bool miner)
{
    if (miner ? connections->open >= connections->options.miners_max
              : connections->leaving >= CONNECTIONS_LEAVING_MAX)
        return NULL;
    struct connection *connection = take_place(connections);
    struct error error;
    if (connection == NULL)
        return NULL;
    uint32_t index = connection->index, generation = connection->generation;
    memset(connection, 0, sizeof *connection);
    connection->index = index;
    connection->generation = generation + 1;
    connection->all = connections;
    connection->source =
        (struct loop_source){ .fd = fd, .on_ready = on_ready, .context = connection };
    connection->events = EPOLLIN;
    if (!loop_add(connections->options.loop, &connection->source, EPOLLIN, &error)) {
        connection->next_free = connections->free;
        connections->free = connection;
        return NULL;
    }
    connection->state = CONNECTION_OPEN;
    connections->open++;
    return connection;
}

/* The place is free again once no list of the round holds it. */
static void free_place(struct connection *connection)
{
    if (connection->state != CONNECTION_FREE || connection->dirty || connection->resuming ||
        connection->working)
        return;
    connection->next_free = connection->all->free;
    connection->all->free = connection;
}

static void cut(struct connection *connection, const char *reason)
{
    struct connections *all = connection->all;
    if (connection->state == CONNECTION_FREE)
        return;
    if (connection->working) { /* its lines are being handled: the handler of lines ends it */
        connection->broken = true;
        return;
    }
    if (connection->state == CONNECTION_OPEN) {
        all->open--;
        all->options.on_closed(all->options.context, connection, reason);
    } else {
        all->leaving--;
    }
    connection->state = CONNECTION_FREE;
    loop_remove(all->options.loop, &connection->source);
    close(connection->source.fd);
    buffer_give(&all->buffers, &connection->input);
    buffer_give(&all->buffers, &connection->output);
    transport_destroy(connection->transport);
    connection->transport = NULL;
    free_place(connection);
}

static void watch(struct connection *connection)
{
    uint32_t events = 0;
    bool reads = connection->state == CONNECTION_LEAVING ||
                 (!connection->held && buffer_used(connection->output) <= CONNECTION_OUTPUT_HIGH);
    if (reads)
        events |= EPOLLIN;
    if (buffer_used(connection->output) > 0 && !connection->dirty)
        events |= EPOLLOUT;
    if (events == connection->events || connection->state == CONNECTION_FREE)
        return;
    connection->events = events;
    loop_change(connection->all->options.loop, &connection->source, events);
}

static void mark_dirty(struct connection *connection)
{
    struct connections *all = connection->all;
    if (connection->dirty)
        return;
    connection->dirty = true;
    connection->next_dirty = all->dirty;
    all->dirty = connection;
    if (all->writing_deferred)
        return;
    all->writing_deferred = true;
    loop_defer_to(all->options.loop, &all->writing, LOOP_LATE);
}

/* Writing. */

static uint64_t now_ms(const struct connection *connection)
{
    return loop_now_ms(connection->all->options.loop);
}

static bool append_wire(void *context, struct span bytes)
{
    struct connection *connection = context;
    if (!buffer_make_room(&connection->all->buffers, &connection->output, bytes.length,
                          CONNECTION_OUTPUT_MAX))
        return false;
    if (buffer_used(connection->output) == 0)
        connection->wrote_ms = now_ms(connection);
    memcpy(connection->output->bytes + connection->output->end, bytes.data, bytes.length);
    connection->output->end += bytes.length;
    return true;
}

static bool append_text(void *context, struct span text);
static bool take_source(void *context, const struct network_address *address, uint16_t port);

static struct transport_sink sink_of(struct connection *connection)
{
    return (struct transport_sink){ .on_text = append_text,
                                    .on_wire = append_wire,
                                    .on_source = take_source,
                                    .context = connection };
}

static bool wrap_and_append(struct connection *connection, struct span text)
{
    const struct transport_sink sink = sink_of(connection);
    /* Before the first bytes nobody knows how to speak to it. */
    return connection->transport != NULL && transport_send(connection->transport, text, &sink);
}

static void append(struct connection *connection, struct span text)
{
    if (connection->wrapped ? wrap_and_append(connection, text) : append_wire(connection, text))
        return;
    connection->all->slow++;
    cut(connection, "does not read");
}

void connection_write(struct connection *connection, struct span text)
{
    if (connection->state == CONNECTION_FREE || connection->broken || text.length == 0)
        return;
    append(connection, text);
    if (connection->state != CONNECTION_FREE)
        mark_dirty(connection);
}

void connection_write_shared(struct connection *connection, struct span text)
{
    if (connection->state == CONNECTION_FREE || connection->broken)
        return;
    if (buffer_used(connection->output) == 0 && !connection->wrapped) {
        ssize_t sent = send(connection->source.fd, text.data, text.length, MSG_NOSIGNAL);
        if (sent == (ssize_t)text.length)
            return;
        if (sent > 0)
            text = span_of(text.data + sent, text.length - (size_t)sent);
        else if (errno != EAGAIN && errno != EINTR) {
            cut(connection, "connection lost");
            return;
        }
    }
    connection_write(connection, text);
}

/* The last words are out: the other side may read them before the socket goes. */
static void finish_leaving(struct connection *connection)
{
    if (connection->state == CONNECTION_LEAVING && buffer_used(connection->output) == 0)
        (void)shutdown(connection->source.fd, SHUT_WR);
}

static void flush(struct connection *connection)
{
    struct buffer *output = connection->output;
    while (buffer_used(output) > 0) {
        ssize_t sent = send(connection->source.fd, output->bytes + output->start,
                            output->end - output->start, MSG_NOSIGNAL);
        if (sent <= 0) {
            if (sent < 0 && errno == EINTR)
                continue;
            if (sent < 0 && errno == EAGAIN)
                break;
            cut(connection, "connection lost");
            return;
        }
        output->start += (size_t)sent;
        connection->wrote_ms = now_ms(connection);
    }
    if (buffer_used(output) == 0) {
        buffer_give(&connection->all->buffers, &connection->output);
        finish_leaving(connection);
    }
    watch(connection);
}

void connection_leave(struct connection *connection, const char *reason)
{
    struct connections *all = connection->all;
    if (connection->state != CONNECTION_OPEN)
        return;
    all->open--;
    all->options.on_closed(all->options.context, connection, reason);
    if (connection->transport != NULL) {
        const struct transport_sink sink = sink_of(connection);
        transport_leave(connection->transport, &sink);
    }
    if (all->leaving >= CONNECTIONS_LEAVING_MAX) {
        /* Too many are leaving at once: this one gets what the socket takes now. */
        if (buffer_used(connection->output) > 0)
            (void)!send(connection->source.fd,
                        connection->output->bytes + connection->output->start,
                        buffer_used(connection->output), MSG_NOSIGNAL);
        all->leaving++;
        connection->state = CONNECTION_LEAVING;
        cut(connection, reason);
        return;
    }
    all->leaving++;
    connection->state = CONNECTION_LEAVING;
    connection->leave_ms = now_ms(connection) + CONNECTION_LEAVE_MS;
    buffer_give(&all->buffers, &connection->input);
    mark_dirty(connection);
}

/* Reading. */

/* Hands over the complete lines of [start, end); returns where it stopped: at the rest, at a line
 * that was not taken, or at the end of a connection that is no more open. */
static size_t handle_lines(struct connection *connection, const char *bytes, size_t start,
                           size_t end)
{
    const struct connections_options *options = &connection->all->options;
    while (start < end && connection->state == CONNECTION_OPEN && !connection->broken) {
        const char *newline = memchr(bytes + start, '\n', end - start);
        size_t length = (newline != NULL ? (size_t)(newline - bytes) : end) - start;
        if (length > options->line_bytes_max) {
            options->on_long_line(options->context, connection);
            return end;
        }
        if (newline == NULL)
            return start;
        if (!options->on_line(options->context, connection, span_of(bytes + start, length))) {
            connection->held = true;
            return start;
        }
        start += length + 1;
    }
    return connection->state == CONNECTION_OPEN && !connection->broken ? start : end;
}

/* Room to read on behind an unfinished line: as much again as there is of it, so that only who
 * sends long lines gets a large buffer. At most a line is there, so there is always room below
 * `max`. False where there is no memory. */
static bool make_input_room(struct connection *connection)
{
    struct connections *all = connection->all;
    size_t max = all->options.line_bytes_max + 1 + CONNECTION_RECEIVE_BYTES;
    size_t used = buffer_used(connection->input);
    size_t wanted = used > BUFFER_USUAL_BYTES / 2 ? used : BUFFER_USUAL_BYTES / 2;
    if (wanted > max - used)
        wanted = max - used;
    return buffer_make_room(&all->buffers, &connection->input, wanted, max);
}

/* What was not handled of the shared memory moves into a buffer of its own. */
static void keep_rest(struct connection *connection, const char *bytes, size_t length)
{
    struct connections *all = connection->all;
    if (length == 0 || connection->state != CONNECTION_OPEN)
        return;
    if (!buffer_make_room(&all->buffers, &connection->input, length,
                          all->options.line_bytes_max + 1 + CONNECTION_RECEIVE_BYTES)) {
        connection->broken = true;
        return;
    }
    memcpy(connection->input->bytes, bytes, length);
    connection->input->end = length;
}

static void handle_buffered(struct connection *connection)
{
    struct buffer *input = connection->input;
    if (input == NULL)
        return;
    size_t start = handle_lines(connection, input->bytes, input->start, input->end);
    if (connection->input == NULL) /* it left meanwhile */
        return;
    input->start = start;
    if (buffer_used(input) == 0)
        buffer_give(&connection->all->buffers, &connection->input);
}

/* Handling of lines may cut the connection; that takes effect behind it. */
static void end_work(struct connection *connection)
{
    connection->working = false;
    if (connection->broken)
        cut(connection, "connection lost");
    else if (connection->state != CONNECTION_FREE)
        watch(connection);
}

/* What stands before the lines. */

void connection_wrap(struct connection *connection, const struct transport_rules *rules,
                     bool proxied)
{
    connection->rules = rules;
    connection->wrapped = true;
    connection->proxied = proxied;
}

void connection_peer_print(const struct connection *connection, char text_r[CONNECTION_PEER_BYTES])
{
    char address[NETWORK_ADDRESS_TEXT];
    bool dotted = network_address_is_ipv4(&connection->peer);
    network_address_print(&connection->peer, address);
    snprintf(text_r, CONNECTION_PEER_BYTES, dotted ? "%s:%u" : "[%s]:%u", address,
             connection->peer_port);
}

const char *connection_speaks(const struct connection *connection)
{
    if (!connection->wrapped)
        return "plain";
    return connection->transport != NULL ? transport_name(connection->transport) : "new";
}

static bool append_text(void *context, struct span text)
{
    struct connection *connection = context;
    struct connections *all = connection->all;
    /* A round's bytes, and what of a TLS record (2^14 bytes, RFC 8446 5.1) came before them. */
    size_t max = all->options.line_bytes_max + 1 + 2 * CONNECTION_RECEIVE_BYTES;
    if (!buffer_make_room(&all->buffers, &connection->input, text.length, max))
        return false;
    memcpy(connection->input->bytes + connection->input->end, text.data, text.length);
    connection->input->end += text.length;
    return true;
}

static bool take_source(void *context, const struct network_address *address, uint16_t port)
{
    struct connection *connection = context;
    const struct connections_options *options = &connection->all->options;
    connection->peer = *address;
    connection->peer_port = port;
    return options->on_source == NULL || options->on_source(options->context, connection);
}

/* Handshakes are the dearest thing a stranger can ask for: a few a round, so that whoever else is
 * there does not wait for all of a crowd's. */
static bool may_greet(struct connection *connection)
{
    struct connections *all = connection->all;
    if (connection->transport != NULL ? !transport_is_greeting(connection->transport)
                                      : connection->rules->tls == NULL)
        return true;
    if (all->greeting_ns != loop_round_ns(all->options.loop)) {
        all->greeting_ns = loop_round_ns(all->options.loop);
        all->greetings = 0;
    }
    return all->greetings < CONNECTION_GREETINGS_A_ROUND;
}

/* The bytes pass its transport; lines are in its input then. */
static void unwrap(struct connection *connection, uint8_t *bytes, size_t length)
{
    const struct transport_sink sink = sink_of(connection);
    struct span rest = span_of(bytes, length);
    const char *reason = "no memory";
    enum transport_outcome outcome = TRANSPORT_IS_PLAIN;
    if (connection->transport == NULL &&
        (connection->proxied || !transport_not_needed(connection->rules, bytes[0])))
        connection->transport = transport_create(connection->rules, connection->proxied);
    if (connection->transport != NULL)
        outcome =
            transport_receive(connection->transport, bytes, length, &sink, &rest, &reason);
    else if (connection->proxied || !transport_not_needed(connection->rules, bytes[0]))
        outcome = TRANSPORT_ENDS;
    if (outcome == TRANSPORT_IS_PLAIN) {
        transport_destroy(connection->transport);
        connection->transport = NULL;
        connection->wrapped = false;
        if (!append_text(connection, rest))
            connection->broken = true;
    }
    /* What came before the end still counts: a miner may say its last share and goodbye. */
    handle_buffered(connection);
    if (outcome == TRANSPORT_ENDS)
        connection_leave(connection, reason);
    else if (buffer_used(connection->output) > 0 && connection->state != CONNECTION_FREE)
        mark_dirty(connection);
}

static bool receive_wrapped(struct connection *connection)
{
    struct connections *all = connection->all;
    if (!may_greet(connection))
        return false; /* its bytes wait for the next round */
    ssize_t got = recv(connection->source.fd, all->received, sizeof all->received, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            connection->broken = true;
        return false;
    }
    if (connection->state == CONNECTION_LEAVING)
        return true;
    unwrap(connection, (uint8_t *)all->received, (size_t)got);
    if (connection->transport != NULL && transport_is_greeting(connection->transport))
        all->greetings++;
    return (size_t)got == sizeof all->received && !connection->held && !connection->broken;
}

/* One read; false when there is nothing more to read now. */
static bool receive(struct connection *connection)
{
    struct connections *all = connection->all;
    char *into = all->received;
    size_t room = CONNECTION_RECEIVE_BYTES;
    /* The loop may have had this to say before it was told to be quiet. */
    if (connection->held && connection->state == CONNECTION_OPEN)
        return false;
    if (connection->wrapped)
        return receive_wrapped(connection);
    if (connection->input != NULL && !make_input_room(connection)) {
        connection->broken = true;
        return false;
    }
    struct buffer *input = connection->input;
    if (input != NULL) {
        into = input->bytes + input->end;
        room = input->capacity - input->end;
        if (room > CONNECTION_RECEIVE_BYTES)
            room = CONNECTION_RECEIVE_BYTES;
    }
    ssize_t got = recv(connection->source.fd, into, room, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            connection->broken = true;
        return false;
    }
    if (connection->state == CONNECTION_LEAVING)
        return true; /* nothing it says counts */
    if (input != NULL) {
        input->end += (size_t)got;
        handle_buffered(connection);
    } else {
        size_t start = handle_lines(connection, into, 0, (size_t)got);
        keep_rest(connection, into + start, (size_t)got - start);
    }
    return (size_t)got == room && !connection->held && !connection->broken;
}

static void on_ready(void *context, uint32_t ready)
{
    struct connection *connection = context;
    if ((ready & EPOLLOUT) != 0) {
        flush(connection);
        if (connection->state == CONNECTION_FREE)
            return;
    }
    if ((ready & (EPOLLERR | EPOLLHUP)) != 0 && (connection->events & EPOLLIN) == 0) {
        cut(connection, "connection lost");
        return;
    }
    if ((ready & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0)
        return;
    connection->working = true;
    /* What a leaving one says is thrown away, in no hurry. */
    unsigned reads = connection->state == CONNECTION_LEAVING ? 1 : READS_A_ROUND;
    for (unsigned i = 0; i < reads && receive(connection); i++)
        ;
    end_work(connection);
}

void connection_resume(struct connection *connection)
{
    struct connections *all = connection->all;
    if (!connection->held || connection->resuming || connection->state != CONNECTION_OPEN)
        return;
    connection->resuming = true;
    connection->next_resume = all->resume;
    all->resume = connection;
    if (all->reading_on_deferred)
        return;
    all->reading_on_deferred = true;
    loop_defer_to(all->options.loop, &all->reading_on, LOOP_EARLY);
}

static void read_on(struct connection *connection)
{
    connection->held = false;
    connection->working = true;
    handle_buffered(connection);
    end_work(connection);
}

void connections_flush(struct connections *connections)
{
    struct connection *connection = connections->dirty;
    connections->dirty = NULL;
    while (connection != NULL) {
        struct connection *next = connection->next_dirty;
        connection->dirty = false;
        if (connection->state == CONNECTION_FREE)
            free_place(connection);
        else
            flush(connection);
        connection = next;
    }
}

static void on_reading_on(struct loop_task *task)
{
    struct connections *connections =
        (struct connections *)((char *)task - offsetof(struct connections, reading_on));
    connections->reading_on_deferred = false;
    struct connection *connection = connections->resume;
    connections->resume = NULL;
    while (connection != NULL) {
        struct connection *next = connection->next_resume;
        connection->resuming = false;
        if (connection->state == CONNECTION_OPEN)
            read_on(connection);
        else
            free_place(connection);
        connection = next;
    }
}

static void on_writing(struct loop_task *task)
{
    struct connections *connections =
        (struct connections *)((char *)task - offsetof(struct connections, writing));
    connections->writing_deferred = false;
    connections_flush(connections);
}

void connections_sweep(struct connections *connections, size_t from, size_t to)
{
    uint64_t now = loop_now_ms(connections->options.loop);
    for (size_t i = from; i < to && i < connections->used_max; i++) {
        struct connection *connection = &connections->places[i];
        if (connection->state == CONNECTION_LEAVING && now >= connection->leave_ms) {
            cut(connection, "left");
        } else if (connection->state == CONNECTION_OPEN && buffer_used(connection->output) > 0 &&
                   now - connection->wrote_ms > CONNECTION_STALLED_MS) {
            connections->slow++;
            cut(connection, "does not read");
        }
    }
}

void connections_stop_reading(struct connections *connections)
{
    for (size_t i = 0; i < connections->used_max; i++) {
        struct connection *connection = &connections->places[i];
        if (connection->state == CONNECTION_OPEN) {
            connection->held = true;
            watch(connection);
        }
    }
}

void connections_read_on(struct connections *connections)
{
    for (size_t i = 0; i < connections->used_max; i++)
        if (connections->places[i].state == CONNECTION_OPEN)
            connection_resume(&connections->places[i]);
}

/* Nothing is said about the owner: its session is not there yet. */
static void undo_open(struct connection *connection)
{
    struct connections *all = connection->all;
    all->open--;
    loop_remove(all->options.loop, &connection->source);
    connection->state = CONNECTION_FREE;
    buffer_give(&all->buffers, &connection->input);
    buffer_give(&all->buffers, &connection->output);
    free_place(connection);
}

struct connection *connection_adopt(struct connections *connections, int fd, struct span input,
                                    struct span output)
{
    struct connection *connection = connection_open(connections, fd, true);
    if (connection == NULL)
        return NULL;
    if ((input.length > 0 && !append_text(connection, input)) ||
        (output.length > 0 && !append_wire(connection, output))) {
        undo_open(connection);
        return NULL;
    }
    if (output.length > 0)
        mark_dirty(connection);
    connection->held = true;
    connection_resume(connection);
    return connection;
}

void connections_deinit(struct connections *connections)
{
    if (connections->places == NULL)
        return;
    for (size_t i = 0; i < connections->used_max; i++)
        cut(&connections->places[i], "gateway stops");
    /* The end of a round may still be due: it finds nothing. */
    connections->dirty = connections->resume = connections->free = NULL;
    connections->used_max = 0;
    buffer_pool_deinit(&connections->buffers);
    free(connections->places);
    connections->places = NULL;
}
