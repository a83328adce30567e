#include "adapter/http_kore/front.h"

#include "adapter/http_kore/http.h"
#include "adapter/http_kore/limit.h"
#include "service/metrics.h"
#include "service/settings.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_BYTES = 256, CLASSES = 6 };

/* An answer that was given, for whoever asks the same soon. */
struct kept {
    char key[KEY_BYTES]; /* path?query; "": the place is free */
    uint64_t until_us;
    char *content_type;
    uint8_t *body;
    size_t length;
    size_t header_count;
    struct exchange_header headers[EXCHANGE_ANSWER_HEADERS_MAX];
};

struct measures {
    struct metric *answers[CLASSES]; /* by the status' first digit */
    struct metric *limited, *kept, *crowded;
    struct metric_histogram *time;
};

struct front {
    struct front_options options;
    struct settings_list proxies; /* what options.proxies points to */
    struct http_limit limit;
    struct kept places[FRONT_SETS][FRONT_WAYS];
    size_t bytes;
    pthread_mutex_t lock; /* for `measures`: they end with the service, on its thread */
    bool measured;        /* they are there */
    struct measures measures;
};

static void copy_proxies(struct front *front, const struct settings_list *proxies)
{
    front->options.proxies = &front->proxies;
    front->proxies.items = calloc(proxies->count + 1, sizeof *front->proxies.items);
    ASSERT(front->proxies.items != NULL);
    for (; front->proxies.count < proxies->count; front->proxies.count++) {
        char *copy = strdup(proxies->items[front->proxies.count]);
        ASSERT(copy != NULL);
        front->proxies.items[front->proxies.count] = copy;
    }
}

struct front *front_create(const struct front_options *options)
{
    struct front *front = calloc(1, sizeof *front);
    ASSERT(front != NULL);
    front->options = *options;
    copy_proxies(front, options->proxies);
    pthread_mutex_init(&front->lock, NULL);
    front->limit.seed = options->seed;
    front->limit.per_s = options->per_s;
    return front;
}

static void drop(struct front *front, struct kept *kept)
{
    for (size_t i = 0; i < kept->header_count; i++) {
        free(kept->headers[i].name);
        free(kept->headers[i].value);
    }
    free(kept->content_type);
    free(kept->body);
    front->bytes -= kept->length;
    *kept = (struct kept){ .key = "" };
}

void front_destroy(struct front *front)
{
    if (front == NULL)
        return;
    for (size_t i = 0; i < FRONT_SETS * FRONT_WAYS; i++)
        drop(front, &front->places[i / FRONT_WAYS][i % FRONT_WAYS]);
    for (size_t i = 0; i < front->proxies.count; i++)
        free(front->proxies.items[i]);
    free(front->proxies.items);
    pthread_mutex_destroy(&front->lock);
    free(front);
}

size_t front_bytes(const struct front *front)
{
    return front->bytes;
}

static struct measures register_all(struct metrics *metrics)
{
    static const char *const labels[CLASSES] = {
        NULL, NULL, "status=\"2xx\"", "status=\"3xx\"", "status=\"4xx\"", "status=\"5xx\""
    };
    struct measures measures = {
        .limited = metrics_counter(
            metrics, "adit_http_limited_total", "",
            "questions of addresses that ask more than service.requests_per_s", NULL),
        .kept = metrics_counter(
            metrics, "adit_http_kept_total", "",
            "answers over HTTP that were given a moment before and not made again", NULL),
        .crowded = metrics_counter(
            metrics, "adit_http_crowded_total", "",
            "connections refused to addresses that have service.address_connections_max", NULL),
        .time =
            metrics_histogram(metrics, "adit_http_answer_seconds",
                              "from a whole request over HTTP to its answer, the network left out"),
    };
    for (size_t i = 2; i < CLASSES; i++)
        measures.answers[i] =
            metrics_counter(metrics, "adit_http_answers_total", labels[i],
                            "answers over HTTP, by the first digit of their status", NULL);
    return measures;
}

void front_measure(struct front *front, struct metrics *metrics)
{
    pthread_mutex_lock(&front->lock);
    front->measured = metrics != NULL;
    if (metrics != NULL)
        front->measures = register_all(metrics);
    pthread_mutex_unlock(&front->lock);
}

enum event { EVENT_ANSWER, EVENT_LIMITED, EVENT_KEPT };

static void count(struct front *front, enum event event, const struct http_exchange *exchange,
                  uint64_t now_us)
{
    int class = exchange->status / 100;
    pthread_mutex_lock(&front->lock);
    if (front->measured && event == EVENT_LIMITED)
        metric_add(front->measures.limited, 1);
    if (front->measured && event == EVENT_KEPT)
        metric_add(front->measures.kept, 1);
    if (front->measured && event == EVENT_ANSWER && class >= 2 && class < CLASSES) {
        metric_add(front->measures.answers[class], 1);
        metric_observe_us(front->measures.time,
                          now_us > exchange->began_us ? now_us - exchange->began_us : 0);
    }
    pthread_mutex_unlock(&front->lock);
}

bool front_trusts(const struct front *front, const struct network_address *address)
{
    return http_is_proxy(&front->proxies, address);
}

void front_count_refusal(struct front *front, int status, bool connection)
{
    const int class = status / 100;
    ASSERT(class >= 2 && class < CLASSES);
    pthread_mutex_lock(&front->lock);
    if (front->measured) {
        metric_add(front->measures.answers[class], 1);
        if (connection)
            metric_add(front->measures.crowded, 1);
    }
    pthread_mutex_unlock(&front->lock);
}

/* False where it would not fit whole. */
static bool key_of(const struct http_exchange *exchange, char key_r[KEY_BYTES])
{
    int length = snprintf(key_r, KEY_BYTES, "%s?%s", exchange->path, exchange->query);
    return length > 0 && length < KEY_BYTES;
}

static struct kept *set_of(struct front *front, const char *key)
{
    uint64_t mixed = front->options.seed;
    for (; *key != '\0'; key++) {
        mixed = (mixed ^ (uint8_t)*key) * UINT64_C(0x9e3779b97f4a7c15);
        mixed ^= mixed >> 29;
    }
    return front->places[mixed % FRONT_SETS];
}

static struct kept *find(struct front *front, const char *key)
{
    struct kept *set = set_of(front, key);
    for (size_t i = 0; i < FRONT_WAYS; i++)
        if (strcmp(set[i].key, key) == 0)
            return &set[i];
    return NULL;
}

/* Whose answer may be somebody else's too. */
static bool is_anybodys(const struct http_exchange *exchange)
{
    return exchange->method == EXCHANGE_GET && http_header(exchange, "authorization") == NULL;
}

/* RFC 9111, 5.2.1. Another answer is made then, which is kept in its turn. */
static bool wants_anew(const struct http_exchange *exchange)
{
    static const char *const wishes[] = { "no-cache", "no-store", "max-age=0" };
    for (size_t i = 0; i < exchange->header_count; i++)
        for (size_t j = 0; j < sizeof wishes / sizeof *wishes; j++)
            if (strcasecmp(exchange->headers[i].name, "cache-control") == 0 &&
                strcasestr(exchange->headers[i].value, wishes[j]) != NULL)
                return true;
    return false;
}

static bool admits(struct front *front, struct http_exchange *exchange, uint64_t now_us)
{
    char client[HTTP_CLIENT_BYTES], wait[16];
    unsigned wait_s;
    if (front->limit.per_s == 0)
        return true;
    http_client(exchange, front->options.proxies, client);
    if (http_limit_take(&front->limit, client, now_us / 1000, &wait_s))
        return true;
    snprintf(wait, sizeof wait, "%u", wait_s);
    http_add_header(exchange, "retry-after", wait);
    exchange_refuse(exchange, 429, "Too many questions",
                    "this address asks more often than it may (service.requests_per_s); wait as "
                    "Retry-After says");
    count(front, EVENT_LIMITED, exchange, now_us);
    return false;
}

static bool give(const struct kept *kept, struct http_exchange *exchange)
{
    uint8_t *body = malloc(kept->length > 0 ? kept->length : 1);
    char *type = kept->content_type != NULL ? strdup(kept->content_type) : NULL;
    if (body == NULL || (kept->content_type != NULL && type == NULL)) {
        free(body);
        free(type);
        return false;
    }
    memcpy(body, kept->body, kept->length);
    exchange->status = 200;
    exchange->content_type = type;
    exchange->answer = body;
    exchange->answer_length = kept->length;
    for (size_t i = 0; i < kept->header_count; i++)
        http_add_header(exchange, kept->headers[i].name, kept->headers[i].value);
    return true;
}

bool front_answers(struct front *front, struct http_exchange *exchange, uint64_t now_us)
{
    char key[KEY_BYTES];
    exchange->began_us = now_us;
    if (!admits(front, exchange, now_us))
        return true;
    if (!is_anybodys(exchange) || wants_anew(exchange) || !key_of(exchange, key))
        return false;
    const struct kept *kept = find(front, key);
    if (kept == NULL || kept->until_us <= now_us || !give(kept, exchange))
        return false;
    count(front, EVENT_KEPT, exchange, now_us);
    return true;
}

/* Room for one more body. Large ones have a part of it only: who asks for them under many queries
 * would else leave none for the small ones, which all ask for. */
static bool make_room(struct front *front, size_t length, uint64_t now_us)
{
    const size_t most = length > FRONT_SMALL_MAX ? FRONT_BYTES_MAX / 4 : FRONT_BYTES_MAX;
    if (front->bytes + length <= most)
        return true;
    for (size_t i = 0; i < FRONT_SETS * FRONT_WAYS; i++)
        if (front->places[i / FRONT_WAYS][i % FRONT_WAYS].until_us <= now_us)
            drop(front, &front->places[i / FRONT_WAYS][i % FRONT_WAYS]);
    return front->bytes + length <= most;
}

static struct kept *place_for(struct front *front, const char *key)
{
    struct kept *set = set_of(front, key), *place = find(front, key);
    if (place == NULL)
        place = &set[0];
    for (size_t i = 0; i < FRONT_WAYS && strcmp(place->key, key) != 0; i++)
        if (set[i].until_us < place->until_us) /* a free one's is 0 */
            place = &set[i];
    drop(front, place);
    return place;
}

static void keep(struct front *front, const struct http_exchange *exchange, uint64_t now_us)
{
    char key[KEY_BYTES];
    uint64_t until_us = exchange->made_us + (uint64_t)exchange->keep_ms * 1000;
    if (exchange->keep_ms == 0 || exchange->status != 200 || exchange->answer == NULL ||
        exchange->answer_length > FRONT_BODY_MAX || !is_anybodys(exchange) || until_us <= now_us ||
        !key_of(exchange, key))
        return;
    /* Answers overtake each other on their way: the one that was made later stays. */
    const struct kept *had = find(front, key);
    if ((had != NULL && had->until_us >= until_us) ||
        !make_room(front, exchange->answer_length, now_us))
        return;
    struct kept *kept = place_for(front, key);
    kept->body = malloc(exchange->answer_length);
    kept->content_type = exchange->content_type != NULL ? strdup(exchange->content_type) : NULL;
    ASSERT(kept->body != NULL && (exchange->content_type == NULL || kept->content_type != NULL));
    memcpy(kept->body, exchange->answer, exchange->answer_length);
    kept->length = exchange->answer_length;
    front->bytes += kept->length;
    for (size_t i = 0; i < exchange->answer_header_count; i++) {
        struct exchange_header *header = &kept->headers[kept->header_count++];
        header->name = strdup(exchange->answer_headers[i].name);
        header->value = strdup(exchange->answer_headers[i].value);
        ASSERT(header->name != NULL && header->value != NULL);
    }
    kept->until_us = until_us;
    snprintf(kept->key, sizeof kept->key, "%s", key);
}

/* RFC 9110, 13.1.2: one tag or a list of them, weak or not; ours is in it or it is not; "*" is any
 * tag. */
static void spare(struct http_exchange *exchange)
{
    const char *known = http_header(exchange, "if-none-match");
    if (known == NULL || exchange->status != 200 || exchange->method != EXCHANGE_GET)
        return;
    for (size_t i = 0; i < exchange->answer_header_count; i++)
        if (strcmp(exchange->answer_headers[i].name, "etag") == 0 &&
            (strcmp(known, "*") == 0 || strstr(known, exchange->answer_headers[i].value) != NULL)) {
            exchange->status = 304;
            exchange->answer_length = 0;
        }
}

void front_back(struct front *front, struct http_exchange *exchange, uint64_t now_us)
{
    keep(front, exchange, now_us);
    spare(exchange);
    count(front, EVENT_ANSWER, exchange, now_us);
}
