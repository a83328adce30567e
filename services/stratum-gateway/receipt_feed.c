#include "services/stratum-gateway/receipt_feed.h"

#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 32, TIMEOUT_MS = 3000, DECODE_BYTES = 8 << 10, DATA_BYTES_MAX = 1024 };

/* How far one session is fed from one validator. */
struct feeding {
    struct receipt_feed *feed;
    uint64_t from_ms;
    uint32_t from_place;
    uint32_t connection, generation; /* whom the question under way is for */
    uint64_t to_ms;
    bool asked;
};

struct fed {
    bool used;
    uint32_t connection, generation;
    struct feeding feedings[PEERS_MAX];
};

struct receipt_feed {
    struct receipt_feed_options options;
    struct loop *loop;
    const struct connections *connections;
    struct peers peers;
    struct loop_timer timer;
    struct fed fed[RECEIPT_FEED_MAX];
    struct metric *sent, *turned_away;
};

static uint64_t account_of(const struct stratum_session *session)
{
    for (size_t i = 0; i < STRATUM_WORKERS_MAX; i++)
        if (session->workers[i].state == STRATUM_WORKER_AUTHORISED)
            return session->workers[i].account_id;
    return 0;
}

static void send_receipt(struct receipt_feed *feed, struct connection *connection,
                         struct span receipt)
{
    static const char begin[] = "{\"id\":null,\"method\":\"adit.receipt\",\"params\":[\"";
    char text[sizeof begin + 2 * DATA_BYTES_MAX + 8];
    size_t used = sizeof begin - 1;
    memcpy(text, begin, used);
    hex_encode(receipt, text + used);
    used += 2 * receipt.length;
    memcpy(text + used, "\"]}\n", 4);
    connection_write(connection, span_of(text, used + 4));
    metric_add(feed->sent, 1);
}

static void take_page(struct feeding *feeding, struct connection *connection,
                      const struct wire_receipt_reply *reply)
{
    if (reply->receipts_count > 0)
        feeding->feed->options.before(feeding->feed->options.context, connection);
    for (uint32_t i = 0; i < reply->receipts_count && connection->state == CONNECTION_OPEN; i++)
        send_receipt(feeding->feed, connection, reply->receipts[i].data);
    feeding->from_ms = reply->more ? reply->next_ms : feeding->to_ms;
    feeding->from_place = reply->more ? reply->next_place : 0;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct feeding *feeding = context;
    struct receipt_feed *feed = feeding->feed;
    _Alignas(max_align_t) uint8_t memory[DECODE_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_receipt_reply reply;
    struct error ignored;
    feeding->asked = false;
    struct connection *connection =
        connection_find(feed->connections, feeding->connection, feeding->generation);
    if (outcome == BUS_REPLIED && connection != NULL &&
        wire_decode_receipt_reply(message, &arena, &reply, &ignored))
        take_page(feeding, connection, &reply);
}

static void ask(struct receipt_feed *feed, struct fed *fed, size_t peer)
{
    struct feeding *feeding = &fed->feedings[peer];
    struct bus_client *client = peers_at(&feed->peers, peer);
    const struct connection *connection =
        connection_find(feed->connections, fed->connection, fed->generation);
    if (client == NULL) { /* whoever comes may have signed lately */
        uint64_t back_ms = loop_unix_ms() - RECEIPT_FEED_BACK_MS;
        feeding->from_ms = feeding->from_ms > back_ms ? feeding->from_ms : back_ms;
        return;
    }
    uint64_t account = account_of(&connection->session);
    if (feeding->asked || account == 0)
        return;
    feeding->feed = feed;
    feeding->connection = fed->connection;
    feeding->generation = fed->generation;
    feeding->to_ms = loop_unix_ms();
    const struct wire_receipt_request request = { .account = account,
                                                  .from_ms = feeding->from_ms,
                                                  .to_ms = feeding->to_ms,
                                                  .from_place = feeding->from_place,
                                                  .limit = PAGE };
    uint8_t bytes[64];
    size_t length = wire_encode_receipt_request(&request, bytes, sizeof bytes);
    ASSERT(length > 0);
    feeding->asked = bus_request(client, span_of(bytes, length), TIMEOUT_MS, on_reply, feeding);
}

static void on_due(void *context)
{
    struct receipt_feed *feed = context;
    size_t used = 0;
    for (size_t i = 0; i < RECEIPT_FEED_MAX; i++) {
        struct fed *fed = &feed->fed[i];
        if (!fed->used)
            continue;
        fed->used = connection_find(feed->connections, fed->connection, fed->generation) != NULL;
        for (size_t peer = 0; fed->used && peer < PEERS_MAX; peer++)
            ask(feed, fed, peer);
        used += fed->used;
    }
    if (used == 0)
        loop_timer_stop(feed->loop, &feed->timer);
}

void receipt_feed_add(struct receipt_feed *feed, const struct connection *connection)
{
    struct fed *place = NULL;
    for (size_t i = 0; i < RECEIPT_FEED_MAX; i++) {
        struct fed *fed = &feed->fed[i];
        if (fed->used &&
            connection_find(feed->connections, fed->connection, fed->generation) == NULL)
            fed->used = false;
        if (fed->used && fed->connection == connection->index)
            return;
        bool idle = !fed->used; /* and nothing of the one before is under way */
        for (size_t peer = 0; idle && peer < PEERS_MAX; peer++)
            idle = !fed->feedings[peer].asked;
        if (place == NULL && idle)
            place = fed;
    }
    if (place == NULL) {
        metric_add(feed->turned_away, 1);
        return;
    }
    *place = (struct fed){ .used = true,
                           .connection = connection->index,
                           .generation = connection->generation };
    for (size_t peer = 0; peer < PEERS_MAX; peer++)
        place->feedings[peer].from_ms = loop_unix_ms();
    if (!loop_timer_running(&feed->timer))
        loop_timer_start(feed->loop, &feed->timer, RECEIPT_FEED_MS, RECEIPT_FEED_MS);
}

struct receipt_feed *receipt_feed_create(const struct receipt_feed_options *options,
                                         struct error *error)
{
    struct metrics *metrics = options->metrics;
    const struct peers_options peers = { .loop = options->loop,
                                         .bus = options->bus,
                                         .setting = "stratum.validators",
                                         .urls = options->validators,
                                         .refresh_ms = options->refresh_ms };
    struct receipt_feed *feed = calloc(1, sizeof *feed);
    ASSERT(feed != NULL);
    feed->options = *options;
    feed->loop = options->loop;
    feed->connections = options->connections;
    feed->timer = (struct loop_timer){ .on_due = on_due, .context = feed };
    feed->sent = metrics_counter(metrics, "adit_gateway_receipts_sent_total", "",
                                 "Receipts sent to miners that subscribed to them.", NULL);
    feed->turned_away =
        metrics_counter(metrics, "adit_gateway_receipt_sessions_turned_away_total", "",
                        "Sessions that subscribed to receipts while all places were taken.", NULL);
    if (peers_open(&feed->peers, &peers, error))
        return feed;
    free(feed);
    return NULL;
}

void receipt_feed_destroy(struct receipt_feed *feed)
{
    if (feed == NULL)
        return;
    loop_timer_stop(feed->loop, &feed->timer);
    peers_close(&feed->peers);
    free(feed);
}
