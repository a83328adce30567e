#include "services/stratum-gateway/handover.h"

#include "service/log.h"
#include "services/stratum-gateway/gateway.h"
#include "services/stratum-gateway/session_image.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

/* Of the image; another number for another form, so that no program reads what it does not know. */
#define FORM 0x3230574754494441u /* "ADITGW02" */

enum { WORKERS_MAX = 1 << 20 };

bool handover_carries(const struct connection *connection)
{
    return connection->state == CONNECTION_OPEN && connection->transport == NULL &&
           !connection->proxied && connection->session.id != 0 &&
           connection->session.state != STRATUM_CLOSED && !connection->broken;
}

static void keep_closed_on_exec(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* The lease and what numbers its batches. */
static void leases_image(struct gateway *gateway, struct image *image)
{
    uint64_t lease_id = gateway->lease_id;
    uint64_t sequence = dispatcher_next_sequence(gateway->dispatcher);
    image_u64(image, &gateway->service->boot_id);
    image_u64(image, &lease_id);
    image_u64(image, &gateway->lease_epoch);
    image_u64(image, &sequence);
    for (unsigned i = 0; i < EXTRANONCE_LEASES_MAX; i++) {
        struct further_lease *further = &gateway->further[i];
        image_u64(image, &further->boot_id);
        image_u64(image, &further->lease_id);
        further->gateway = gateway;
    }
    extranonce_pool_image(&gateway->extranonces, image);
    if (!image->reading || image->failed)
        return;
    gateway->lease_id = lease_id;
    dispatcher_set_lease(gateway->dispatcher, lease_id);
    dispatcher_go_on_from(gateway->dispatcher, sequence);
}

static void doors_image(struct gateway *gateway, struct image *image)
{
    struct doors *doors = &gateway->doors;
    uint32_t count = doors->count;
    image_count(image, &count, DOORS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct inherited *one = &doors->inherited[i];
        if (!image->reading) {
            memcpy(one->name, doors->list[i].name, sizeof one->name);
            one->fd = doors->list[i].listener.source.fd;
        }
        uint32_t fd = (uint32_t)one->fd;
        image_bytes(image, one->name, sizeof one->name);
        image_u32(image, &fd);
        one->name[sizeof one->name - 1] = '\0';
        one->fd = image->failed ? -1 : (int)fd;
        if (image->reading && one->fd >= 0)
            keep_closed_on_exec(one->fd);
    }
    doors->inherited_count = image->reading ? count : 0;
}

static void parking_image(struct gateway *gateway, struct image *image)
{
    struct parking *parking = &gateway->parking;
    uint64_t now_ms = loop_now_ms(gateway->loop);
    uint32_t count = 0;
    for (uint32_t i = 0; !image->reading && i < parking->count; i++)
        count += parking->ids[(parking->first + i) % parking->capacity] != 0;
    image_count(image, &count, PARKING_PLACES);
    for (uint32_t i = 0; image->reading && i < count && !image->failed; i++) {
        struct parked parked = { .lease = 0 };
        image_u64(image, &parked.lease);
        session_image(image, &parked.session);
        if (!image->failed && !parking_put(parking, &parked.session, parked.lease, now_ms))
            extranonce_pool_give_back(&gateway->extranonces, parked.lease,
                                      parked.session.extranonce1, job_feed_newest(&gateway->feed));
    }
    for (uint32_t i = 0; !image->reading && i < parking->count; i++) {
        uint32_t place = (parking->first + i) % parking->capacity;
        if (parking->ids[place] == 0)
            continue;
        image_u64(image, &parking->places[place].lease);
        session_image(image, &parking->places[place].session);
    }
}

/* Connections. */

static void workers_image(struct gateway *gateway, struct image *image,
                          struct stratum_session *session)
{
    uint32_t capacity = session->more != NULL ? session->more->capacity : 0;
    image_count(image, &capacity, WORKERS_MAX);
    if (capacity == 0)
        return;
    if (image->reading) {
        session->more = calloc(1, STRATUM_WORKERS_BYTES((size_t)capacity));
        image->failed |= session->more == NULL;
        if (image->failed)
            return;
        session->more->capacity = capacity;
        gateway->names.tables++;
    }
    image_count(image, &session->more->used, capacity);
    for (uint32_t i = 0; i < capacity; i++)
        session_image_worker(image, &session->more->places[i]);
}

static void conduct_image(struct image *image, struct connection *connection)
{
    image_u64(image, &connection->conduct.since_ms);
    image_u32(image, &connection->conduct.points);
    image_u8(image, &connection->conduct.step);
    image_u8(image, &connection->conduct.bans);
    image_u64(image, &connection->lines.ahead_us);
    image_u64(image, &connection->requests.ahead_us);
    image_u64(image, &connection->paused_until_ms);
    image_u64(image, &connection->conduct_account);
    image_u64(image, &connection->conduct_worker);
    image_bool(image, &connection->good);
    image_u64(image, &connection->hash_budget.ahead_us);
    image_u8(image, &connection->hash_budget.strikes);
    image_bool(image, &connection->hash_budget.proven);
}

static uint8_t door_of(const struct gateway *gateway, const struct connection *connection)
{
    for (unsigned i = 0; i < gateway->doors.count; i++)
        if (connection->rules == &gateway->doors.list[i].rules)
            return (uint8_t)i;
    return 0;
}

/* All but the descriptor and the bytes. */
static void connection_image(struct gateway *gateway, struct image *image,
                             struct connection *connection)
{
    uint8_t door = door_of(gateway, connection);
    image_bytes(image, connection->peer.bytes, sizeof connection->peer.bytes);
    image_u16(image, &connection->peer_port);
    image_bool(image, &connection->wrapped);
    image_u8(image, &door);
    image_u8(image, &connection->profile);
    image_u64(image, &connection->lease);
    conduct_image(image, connection);
    session_image(image, &connection->session);
    workers_image(gateway, image, &connection->session);
    connection->rules = &gateway->doors.list[door < DOORS_MAX ? door : 0].rules;
    if (connection->profile >= gateway->profiles.count)
        connection->profile = 0;
}

static void write_connection(struct gateway *gateway, struct image *image,
                             struct connection *connection)
{
    struct buffer *input = connection->input, *output = connection->output;
    struct span in = { NULL, 0 }, out = { NULL, 0 };
    uint32_t fd = (uint32_t)connection->source.fd;
    if (input != NULL)
        in = span_of(input->bytes + input->start, buffer_used(input));
    if (output != NULL)
        out = span_of(output->bytes + output->start, buffer_used(output));
    image_u32(image, &fd);
    image_span(image, &in);
    image_span(image, &out);
    connection_image(gateway, image, connection);
}

/* The names of the session count at their accounts again; those of one that is too many are told
 * when they are used next. */
static void count_in(struct gateway *gateway, struct connection *connection)
{
    struct stratum_session *session = &connection->session;
    bool good = connection->good;
    for (uint32_t i = 0; session->authorised && i < stratum_session_places(session); i++) {
        struct stratum_worker *worker =
            (struct stratum_worker *)(uintptr_t)stratum_session_worker(session, i);
        if (worker->state == STRATUM_WORKER_AUTHORISED && worker->account_id != 0 &&
            !account_workers_add(&gateway->names.accounts, worker->account_id))
            worker->state = STRATUM_WORKER_REFUSED;
    }
    connection->good = false;
    conducts_join(gateway, connection);
    if (good)
        conducts_share(gateway, connection, SHARE_ACCEPTED, 0, 0);
    gateway->miners += session->state == STRATUM_MINING;
    if (session->receipts_subscribed)
        receipt_feed_add(gateway->receipt_feed, connection);
}

static void read_connection(struct gateway *gateway, struct image *image)
{
    struct span input = { NULL, 0 }, output = { NULL, 0 };
    uint32_t fd = 0;
    image_u32(image, &fd);
    image_span(image, &input);
    image_span(image, &output);
    if (image->failed)
        return;
    keep_closed_on_exec((int)fd);
    struct connection *connection = connection_adopt(&gateway->connections, (int)fd, input, output);
    if (connection == NULL) { /* fewer places than before: its image is read all the same */
        image->failed = true;
        return;
    }
    connection_image(gateway, image, connection);
    if (!image->failed)
        count_in(gateway, connection);
}

static uint32_t count_carried(const struct gateway *gateway)
{
    const struct connections *connections = &gateway->connections;
    uint32_t count = 0;
    for (size_t i = 0; i < connections->used_max; i++)
        count += handover_carries(&connections->places[i]);
    return count;
}

static void connections_image(struct gateway *gateway, struct image *image)
{
    struct connections *connections = &gateway->connections;
    uint32_t count = image->reading ? 0 : count_carried(gateway);
    image_count(image, &count, (uint32_t)connections->options.miners_max);
    for (uint32_t i = 0; image->reading && i < count && !image->failed; i++)
        read_connection(gateway, image);
    for (size_t i = 0; !image->reading && i < connections->used_max; i++)
        if (handover_carries(&connections->places[i]))
            write_connection(gateway, image, &connections->places[i]);
}

static void gateway_image(struct gateway *gateway, struct image *image)
{
    image_mark(image, FORM);
    if (image->failed)
        return;
    leases_image(gateway, image);
    if (!image->failed)
        job_feed_image(&gateway->feed, image);
    if (!image->failed)
        doors_image(gateway, image);
    if (!image->failed)
        parking_image(gateway, image);
    if (!image->failed)
        connections_image(gateway, image);
    image_mark(image, ~FORM);
}

void handover_write(struct gateway *gateway, struct image *image)
{
    gateway_image(gateway, image);
}

bool handover_read(struct gateway *gateway, struct image *image, struct error *error)
{
    gateway_image(gateway, image);
    if (image->failed || image->used != image->length)
        return error_set(error, ERROR_INVALID,
                         "what the program before left cannot be read: it is of another version, "
                         "or stratum.max_miners is lower now");
    metric_set(gateway->measures.miners, gateway->miners);
    metric_set(gateway->measures.connections, gateway->connections.open);
    log_info("upgrade.taken", "connections=%zu miners=%zu jobs=%" PRIu64 " lease=%" PRIu64,
             gateway->connections.open, gateway->miners,
             gateway->feed.table.newest + 1 - gateway->feed.table.oldest, gateway->lease_id);
    return true;
}

void handover_descriptors(const struct gateway *gateway, void (*keep)(int fd))
{
    for (unsigned i = 0; i < gateway->doors.count; i++)
        keep(gateway->doors.list[i].listener.source.fd);
    for (size_t i = 0; i < gateway->connections.used_max; i++)
        if (handover_carries(&gateway->connections.places[i]))
            keep(gateway->connections.places[i].source.fd);
}
