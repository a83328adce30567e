/* Exchanges without Kore: what a handler sees, what a client gets. */
#include "adapter/http_kore/exchange.h"
#include "adapter/http_kore/http.h"
#include "service/inside.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <jansson.h>

static struct http_exchange *answered;

static void on_answered(struct http_exchange *exchange)
{
    assert_null(answered);
    answered = exchange;
}

static void greet(void *context, struct http_exchange *exchange)
{
    assert_string_equal(context, "context");
    assert_string_equal(http_segment(exchange, 0), "bob smith");
    assert_string_equal(http_query(exchange), "a=b");
    assert_string_equal(http_header(exchange, "x-thing"), "1");
    assert_null(http_header(exchange, "absent"));
    assert_string_equal(http_peer(exchange), "10.0.0.1");
    assert_true(span_equal(http_body(exchange), span_text("body")));
    http_add_header(exchange, "X-One", "1");
    http_add_header(exchange, "X-Bad", "1\r\nSet-Cookie: a=b");
    http_add_header(exchange, "Cache-Control", "max-age=5");
    http_reply(exchange, 201, "text/plain", span_text("hello"));
}

static const struct http_route routes[] = {
    { HTTP_METHOD_PUT, "/greet/{}", greet },
    { HTTP_METHOD_GET, "/greet/{}", greet },
    { HTTP_METHOD_GET, NULL, NULL },
};

static struct http_exchange *exchange_of(struct http_site *site, enum exchange_method method,
                                         const char *path)
{
    answered = NULL;
    site->answered = on_answered;
    struct http_exchange *exchange = exchange_create(site, method, path, "a=b", "10.0.0.1");
    assert_non_null(exchange);
    exchange_add_header(exchange, "X-Thing", "1");
    memcpy(exchange_body(exchange, 4), "body", 4);
    return exchange;
}

static const char *answer_header(const char *name)
{
    for (size_t i = 0; i < answered->answer_header_count; i++)
        if (strcmp(answered->answer_headers[i].name, name) == 0)
            return answered->answer_headers[i].value;
    return NULL;
}

static void assert_problem(struct http_site *site, enum exchange_method method, const char *path,
                           int status, const char *title)
{
    exchange_dispatch(&exchange_of(site, method, path)->task);
    assert_non_null(answered);
    assert_int_equal(answered->status, status);
    assert_string_equal(answered->content_type, "application/problem+json");
    json_t *problem = json_loadb((const char *)answered->answer, answered->answer_length, 0, NULL);
    assert_non_null(problem);
    assert_int_equal(json_integer_value(json_object_get(problem, "status")), status);
    assert_string_equal(json_string_value(json_object_get(problem, "title")), title);
    json_decref(problem);
    assert_string_equal(answer_header("X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_header("Cache-Control"), "no-store");
}

static void a_handler_sees_the_request_and_its_answer_arrives(void **state)
{
    (void)state;
    struct service_life life = { 0 };
    struct service service = { .life = &life };
    struct http_site site = { 0 };
    life.host = &site;
    http_serve(&service, routes, "context");
    exchange_dispatch(&exchange_of(&site, EXCHANGE_PUT, "/greet/bob%20smith")->task);
    assert_non_null(answered);
    assert_int_equal(answered->status, 201);
    assert_int_equal(answered->answer_length, 5);
    assert_string_equal(answered->content_type, "text/plain");
    assert_string_equal(answer_header("X-One"), "1");
    assert_string_equal(answer_header("Cache-Control"), "max-age=5");
    assert_null(answer_header("X-Bad"));
    exchange_free(answered);
}

static void what_no_handler_takes_is_a_problem_document(void **state)
{
    (void)state;
    struct http_site site = { 0 };
    assert_problem(&site, EXCHANGE_GET, "/greet/x", 503, "Not ready");
    exchange_free(answered);
    site.routes = routes;
    assert_problem(&site, EXCHANGE_GET, "/nothing", 404, "Not found");
    exchange_free(answered);
    assert_problem(&site, EXCHANGE_DELETE, "/greet/x", 405, "Method not allowed");
    assert_string_equal(answer_header("Allow"), "GET, HEAD, PUT");
    exchange_free(answered);
    assert_problem(&site, EXCHANGE_OTHER, "/greet/x", 405, "Method not allowed");
    exchange_free(answered);
    assert_problem(&site, EXCHANGE_GET, "/greet/%", 400, "Malformed path");
    exchange_free(answered);
    char path[600];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_problem(&site, EXCHANGE_GET, path, 414, "Path too long");
    exchange_free(answered);
}

static void bytes_that_are_no_text_do_not_break_a_problem(void **state)
{
    (void)state;
    struct http_site site = { .answered = on_answered };
    http_problem(exchange_of(&site, EXCHANGE_GET, "/"), 400, "Bad", "\xff\"\n", "name\"");
    json_t *problem = json_loadb((const char *)answered->answer, answered->answer_length, 0, NULL);
    assert_non_null(problem);
    assert_null(json_object_get(problem, "detail"));
    assert_string_equal(json_string_value(json_object_get(problem, "field")), "name\"");
    json_decref(problem);
    exchange_free(answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_sees_the_request_and_its_answer_arrives),
        cmocka_unit_test(what_no_handler_takes_is_a_problem_document),
        cmocka_unit_test(bytes_that_are_no_text_do_not_break_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
