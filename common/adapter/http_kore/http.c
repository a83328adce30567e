/* The service's side of HTTP: what handlers see of a request, and how they answer. */
#include "adapter/http_kore/http.h"
#include "adapter/http_kore/exchange.h"
#include "service/inside.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

_Static_assert((int)HTTP_METHOD_GET == (int)EXCHANGE_GET &&
                   (int)HTTP_METHOD_POST == (int)EXCHANGE_POST &&
                   (int)HTTP_METHOD_PUT == (int)EXCHANGE_PUT &&
                   (int)HTTP_METHOD_DELETE == (int)EXCHANGE_DELETE,
               "exchange_method continues http_method");

struct http_exchange *exchange_create(struct http_site *site, enum exchange_method method,
                                      const char *path, const char *query, const char *peer)
{
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->site = site;
    exchange->task.run = exchange_dispatch;
    exchange->method = method;
    exchange->path = strdup(path);
    exchange->query = strdup(query != NULL ? query : "");
    exchange->peer = strdup(peer);
    if (exchange->path != NULL && exchange->query != NULL && exchange->peer != NULL)
        return exchange;
    exchange_free(exchange);
    return NULL;
}

static void add_header(struct exchange_header *headers, size_t *count, size_t max, const char *name,
                       const char *value)
{
    if (*count == max)
        return;
    struct exchange_header *header = &headers[*count];
    header->name = strdup(name);
    header->value = strdup(value);
    if (header->name != NULL && header->value != NULL) {
        ++*count;
        return;
    }
    free(header->name);
    free(header->value);
}

void exchange_add_header(struct http_exchange *exchange, const char *name, const char *value)
{
    add_header(exchange->headers, &exchange->header_count, EXCHANGE_HEADERS_MAX, name, value);
}

uint8_t *exchange_body(struct http_exchange *exchange, size_t length)
{
    exchange->body = malloc(length > 0 ? length : 1);
    exchange->body_length = exchange->body != NULL ? length : 0;
    return exchange->body;
}

static void free_headers(struct exchange_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(headers[i].name);
        free(headers[i].value);
    }
}

void exchange_free(struct http_exchange *exchange)
{
    if (exchange == NULL)
        return;
    free_headers(exchange->headers, exchange->header_count);
    free_headers(exchange->answer_headers, exchange->answer_header_count);
    free(exchange->path);
    free(exchange->query);
    free(exchange->peer);
    /* Passwords come in bodies, and tokens go out in answers. */
    if (exchange->body != NULL)
        explicit_bzero(exchange->body, exchange->body_length);
    if (exchange->answer != NULL)
        explicit_bzero(exchange->answer, exchange->answer_length);
    free(exchange->body);
    free(exchange->content_type);
    free(exchange->answer);
    free(exchange);
}

static bool next_route(const void *table, size_t index, const char **pattern_r, unsigned *method_r)
{
    const struct http_route *route = (const struct http_route *)table + index;
    *pattern_r = route->path;
    *method_r = (unsigned)route->method;
    return route->path != NULL;
}

static void refuse_method(struct http_exchange *exchange)
{
    static const char *const names[] = { "GET, HEAD", "POST", "PUT", "DELETE" };
    char allow[64] = "";
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if ((exchange->match.methods & 1u << i) == 0)
            continue;
        if (allow[0] != '\0')
            strcat(allow, ", ");
        strcat(allow, names[i]);
    }
    http_add_header(exchange, "Allow", allow);
    http_problem(exchange, 405, "Method not allowed", allow, NULL);
}

void exchange_dispatch(struct loop_task *task)
{
    struct http_exchange *exchange =
        (struct http_exchange *)((char *)task - offsetof(struct http_exchange, task));
    const struct http_site *site = exchange->site;
    if (site->routes == NULL) {
        http_problem(exchange, 503, "Not ready", "this process is starting or stopping", NULL);
        return;
    }
    if (site->guard != NULL && site->guard(site->context, exchange))
        return;
    if (strlen(exchange->path) > ROUTER_PATH_BYTES_MAX) {
        http_problem(exchange, 414, "Path too long", "a path has at most 512 bytes", NULL);
        return;
    }
    const char *stands_by = atomic_load(&site->stands_by);
    if (stands_by != NULL && exchange->method != EXCHANGE_GET) {
        http_problem(exchange, 503, "Stands by", stands_by, NULL);
        return;
    }
    switch (router_find(next_route, site->routes, exchange->path, (unsigned)exchange->method,
                        &exchange->match)) {
    case ROUTER_FOUND:
        site->routes[exchange->match.route].handler(site->context, exchange);
        break;
    case ROUTER_UNKNOWN:
        http_problem(exchange, 404, "Not found", "there is nothing at this path", NULL);
        break;
    case ROUTER_METHOD:
        refuse_method(exchange);
        break;
    case ROUTER_MALFORMED:
        http_problem(exchange, 400, "Malformed path", "a percent-encoded byte is broken", NULL);
        break;
    }
}

void http_serve(struct service *service, const struct http_route *routes, void *context)
{
    struct http_site *site = service->life->host;
    ASSERT(site != NULL); /* the service was linked with a host that has no HTTP */
    site->context = context;
    site->routes = routes;
}

void http_stand_by(struct service *service, const char *why)
{
    struct http_site *site = service->life->host;
    ASSERT(site != NULL);
    atomic_store(&site->stands_by, why);
}

void http_set_guard(struct service *service, http_guard guard)
{
    struct http_site *site = service->life->host;
    ASSERT(site != NULL && site->routes == NULL);
    site->guard = guard;
}

bool http_is_options(const struct http_exchange *exchange)
{
    return exchange->method == EXCHANGE_OPTIONS;
}

const char *http_segment(const struct http_exchange *exchange, size_t index)
{
    return index < exchange->match.segment_count ? exchange->match.segments[index] : NULL;
}

const char *http_query(const struct http_exchange *exchange)
{
    return exchange->query;
}

const char *http_header(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->header_count; i++)
        if (strcasecmp(exchange->headers[i].name, name) == 0)
            return exchange->headers[i].value;
    return NULL;
}

struct span http_body(const struct http_exchange *exchange)
{
    return span_of(exchange->body, exchange->body_length);
}

const char *http_peer(const struct http_exchange *exchange)
{
    return exchange->peer;
}

static bool header_safe(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

void http_add_header(struct http_exchange *exchange, const char *name, const char *value)
{
    /* A line break would let a value write headers, or a whole answer, of its own. */
    if (!header_safe(name) || !header_safe(value)) {
        log_warn("http.header", "refused=\"%.32s\"", header_safe(name) ? name : "?");
        return;
    }
    add_header(exchange->answer_headers, &exchange->answer_header_count,
               EXCHANGE_ANSWER_HEADERS_MAX, name, value);
}

static bool has_answer_header(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->answer_header_count; i++)
        if (strcasecmp(exchange->answer_headers[i].name, name) == 0)
            return true;
    return false;
}

/* Everything of a reply but handing it back. */
static void fill_answer(struct http_exchange *exchange, int status, const char *content_type,
                        struct span body)
{
    ASSERT(exchange->status == 0); /* answered once */
    exchange->status = status;
    if (content_type != NULL)
        exchange->content_type = strdup(content_type);
    if (!has_answer_header(exchange, "Cache-Control"))
        http_add_header(exchange, "Cache-Control", "no-store");
    http_add_header(exchange, "X-Content-Type-Options", "nosniff");
    if (atomic_load(&exchange->site->stands_by) != NULL)
        http_add_header(exchange, "Adit-Standby", "true");
    if (body.length == 0)
        return;
    exchange->answer = malloc(body.length);
    if (exchange->answer == NULL) {
        exchange->status = 500;
        return;
    }
    memcpy(exchange->answer, body.data, body.length);
    exchange->answer_length = body.length;
}

void http_reply(struct http_exchange *exchange, int status, const char *content_type,
                struct span body)
{
    fill_answer(exchange, status, content_type, body);
    exchange->site->answered(exchange);
}

void http_keep(struct http_exchange *exchange, unsigned ms)
{
    exchange->keep_ms = ms;
    exchange->made_us = loop_clock_ns() / 1000;
}

/* NULL for what is no UTF-8. */
static void put_text(json_t *object, const char *key, const char *text)
{
    json_t *value = text != NULL ? json_string(text) : NULL;
    if (value != NULL)
        json_object_set_new(object, key, value);
}

static void fill_problem(struct http_exchange *exchange, int status, const char *title,
                         const char *detail, const char *field)
{
    json_t *problem = json_object();
    put_text(problem, "type", "about:blank");
    put_text(problem, "title", title);
    json_object_set_new(problem, "status", json_integer(status));
    put_text(problem, "detail", detail);
    put_text(problem, "field", field);
    char *text = json_dumps(problem, JSON_COMPACT);
    json_decref(problem);
    fill_answer(exchange, status, "application/problem+json",
                text != NULL ? span_text(text) : span_of(NULL, 0));
    free(text);
}

void http_problem(struct http_exchange *exchange, int status, const char *title, const char *detail,
                  const char *field)
{
    fill_problem(exchange, status, title, detail, field);
    exchange->site->answered(exchange);
}

void exchange_refuse(struct http_exchange *exchange, int status, const char *title,
                     const char *detail)
{
    fill_problem(exchange, status, title, detail, NULL);
}
