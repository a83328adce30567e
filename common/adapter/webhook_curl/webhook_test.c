/* Deliveries to a receiver that stands here in the test, well-meaning and hostile. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/webhook_curl/testing/receiver.h"
#include "adapter/webhook_curl/webhook.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LONG_MS = 60000, SHORT_MS = 1000 };

static struct receiver receiver;
static struct network loopback;
static const uint8_t secret[32] = "0123456789abcdef0123456789abcde";
static char result[WEBHOOK_RESULT_BYTES];

static int setup(void **state)
{
    (void)state;
    receiver_begin(&receiver);
    /* the base64 of `secret`, with its NUL */
    receiver_know(&receiver, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQA=");
    assert_true(network_parse(span_text("127.0.0.0/8"), &loopback));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    receiver_end(&receiver);
    return 0;
}

static struct webhook_settings inside(unsigned timeout_ms)
{
    return (struct webhook_settings){
        .plain = true, .inside = &loopback, .inside_count = 1, .timeout_ms = timeout_ms
    };
}

static enum webhook_outcome deliver(const struct webhook_settings *settings, const char *url)
{
    static const char body[] = "{\"type\":\"test\"}";
    const struct webhook_request request = { .url = url,
                                             .id = "msg_1",
                                             .time_s = 1700000000,
                                             .secret = span_of(secret, sizeof secret),
                                             .body = span_of(body, sizeof body - 1) };
    return webhook_send(settings, &request, result);
}

static const char *here(const char *host)
{
    static char url[96];
    snprintf(url, sizeof url, "http://%s:%d/hook?a=b", host, receiver.port);
    return url;
}

/* In place of the C library's: while it hangs, a name's server says nothing. */
enum { HANGS_S_MAX = 60 };
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hangs, inside, waited_out;
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found_r)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HANGS_S_MAX;
    pthread_mutex_lock(&resolver.lock);
    resolver.inside = true;
    pthread_cond_broadcast(&resolver.changed);
    while (resolver.hangs && !resolver.waited_out)
        resolver.waited_out =
            pthread_cond_timedwait(&resolver.changed, &resolver.lock, &until) != 0;
    resolver.inside = false;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found_r);
}

static void let_resolver_hang(bool hangs)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.hangs = hangs;
    pthread_cond_broadcast(&resolver.changed);
    while (!hangs && resolver.inside)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);
}

static bool resolver_is_asked(void)
{
    pthread_mutex_lock(&resolver.lock);
    bool inside = resolver.inside && !resolver.waited_out;
    pthread_mutex_unlock(&resolver.lock);
    return inside;
}

/* The example that the specification's own libraries test themselves with. */
static void a_signature_is_the_one_of_standard_webhooks(void **state)
{
    (void)state;
    static const uint8_t key[] = { 0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                   0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                   0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0 };
    char signature[WEBHOOK_SIGNATURE_BYTES], again[WEBHOOK_SIGNATURE_BYTES];
    struct webhook_request request = { .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                       .time_s = 1614265330,
                                       .secret = span_of(key, sizeof key),
                                       .body = span_text("{\"test\": 2432232314}") };
    webhook_sign(&request, signature);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    /* Whatever is changed, it is another. */
    request.time_s++;
    webhook_sign(&request, again);
    assert_string_not_equal(signature, again);
    request.time_s--;
    request.id = "msg_p5jXN8AQM9LWM0D4loKWxJel";
    webhook_sign(&request, again);
    assert_string_not_equal(signature, again);
    request.id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    request.body = span_text("{\"test\": 2432232315}");
    webhook_sign(&request, again);
    assert_string_not_equal(signature, again);
}

static void a_receiver_is_given_the_body_signed(void **state)
{
    (void)state;
    const struct webhook_settings settings = inside(LONG_MS);
    assert_int_equal(deliver(&settings, here("127.0.0.1")), WEBHOOK_TAKEN);
    assert_string_equal(result, "it answered 200");
    assert_int_equal(receiver_count(&receiver), 1);
    const struct receiver_heard heard = receiver_get(&receiver, 0);
    assert_true(heard.valid);
    assert_string_equal(heard.id, "msg_1");
    assert_string_equal(heard.path, "/hook?a=b");
    assert_string_equal(heard.body, "{\"type\":\"test\"}");
    assert_int_equal(heard.time_s, 1700000000);
}

static void only_an_answer_of_two_hundred_counts_as_taken(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum webhook_outcome outcome;
    } cases[] = { { 200, WEBHOOK_TAKEN },  { 204, WEBHOOK_TAKEN },  { 400, WEBHOOK_FAILED },
                  { 401, WEBHOOK_FAILED }, { 410, WEBHOOK_GONE },   { 429, WEBHOOK_FAILED },
                  { 500, WEBHOOK_FAILED }, { 503, WEBHOOK_FAILED }, { 304, WEBHOOK_FAILED } };
    const struct webhook_settings settings = inside(LONG_MS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        atomic_store(&receiver.status, cases[i].status);
        assert_int_equal(deliver(&settings, here("127.0.0.1")), cases[i].outcome);
        char wanted[32];
        snprintf(wanted, sizeof wanted, "it answered %d", cases[i].status);
        assert_int_equal(strncmp(result, wanted, strlen(wanted)), 0);
    }
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    const struct webhook_settings settings = inside(LONG_MS);
    atomic_store(&receiver.way, RECEIVER_REDIRECT);
    assert_int_equal(deliver(&settings, here("127.0.0.1")), WEBHOOK_FAILED);
    assert_non_null(strstr(result, "redirects are not followed"));
    assert_int_equal(receiver_count(&receiver), 1);
    assert_string_equal(receiver_get(&receiver, 0).path, "/hook?a=b");
}

/* Each of them is given up within the time or the bytes there are, or the test ends by its
 * deadline. */
static void the_slow_the_silent_and_the_endless_are_given_up(void **state)
{
    (void)state;
    static const struct {
        enum receiver_way way;
        enum webhook_outcome outcome;
        unsigned timeout_ms;
    } cases[] = {
        { RECEIVER_SILENT, WEBHOOK_FAILED, SHORT_MS },
        { RECEIVER_DRIP, WEBHOOK_FAILED, SHORT_MS },
        { RECEIVER_CLOSE, WEBHOOK_FAILED, LONG_MS },
        { RECEIVER_HEADERS, WEBHOOK_TAKEN, 600000 }, /* bounded by bytes: */
        { RECEIVER_ENDLESS, WEBHOOK_TAKEN, 600000 }, /* its status was said; no more is read */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct webhook_settings settings = inside(cases[i].timeout_ms);
        atomic_store(&receiver.way, cases[i].way);
        if (deliver(&settings, here("127.0.0.1")) != cases[i].outcome)
            fail_msg("case %zu: %s", i, result);
    }
}

/* However this host is written, nothing reaches it unless the operator says so; and a name that
 * meant a public address when it was looked at, and this host when it is connected to, neither. */
static void nothing_inside_is_reached_however_it_is_written(void **state)
{
    (void)state;
    static const char *const hosts[] = { "127.0.0.1",  "127.1",           "2130706433",
                                         "0x7f000001", "0177.0.0.1",      "localhost",
                                         "0.0.0.0",    "[::1]",           "[::ffff:127.0.0.1]",
                                         "[::]",       "[::ffff:7f00:1]", "[::7f00:1]" };
    char resolve[96];
    struct webhook_settings settings = { .plain = true, .timeout_ms = LONG_MS };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_int_equal(deliver(&settings, here(hosts[i])), WEBHOOK_FAILED);
        /* A machine without IPv6 fails before it comes to that. */
        if (hosts[i][0] != '[' && strstr(result, "public internet") == NULL)
            fail_msg("%s: %s", hosts[i], result);
    }
    static const char *const answers[] = { "127.0.0.1", "10.0.0.1",  "169.254.169.254",
                                           "[::1]",     "[fd00::1]", "[fe80::1]" };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        snprintf(resolve, sizeof resolve, "hooks.example.org:%d:%s", receiver.port, answers[i]);
        settings.resolve = resolve;
        assert_int_equal(deliver(&settings, here("hooks.example.org")), WEBHOOK_FAILED);
        if (answers[i][0] != '[' && strstr(result, "public internet") == NULL)
            fail_msg("%s: %s", answers[i], result);
    }
    assert_int_equal(atomic_load(&receiver.connections), 0);
    /* The same name, where the operator allows what it leads to. */
    struct webhook_settings allowed = inside(LONG_MS);
    snprintf(resolve, sizeof resolve, "hooks.example.org:%d:127.0.0.1", receiver.port);
    allowed.resolve = resolve;
    assert_int_equal(deliver(&allowed, here("hooks.example.org")), WEBHOOK_TAKEN);
}

/* It is not given twice because the other could not be had. */
static void a_name_with_an_address_inside_is_reached_by_its_other(void **state)
{
    (void)state;
    char resolve[96];
    struct webhook_settings settings = inside(LONG_MS);
    snprintf(resolve, sizeof resolve, "hooks.example.org:%d:10.0.0.1,127.0.0.1", receiver.port);
    settings.resolve = resolve;
    assert_int_equal(deliver(&settings, here("hooks.example.org")), WEBHOOK_TAKEN);
    assert_string_equal(result, "it answered 200");
    assert_int_equal(receiver_count(&receiver), 1);
    atomic_store(&receiver.status, 410);
    assert_int_equal(deliver(&settings, here("hooks.example.org")), WEBHOOK_GONE);
    atomic_store(&receiver.way, RECEIVER_ENDLESS);
    assert_int_equal(deliver(&settings, here("hooks.example.org")), WEBHOOK_TAKEN);
    atomic_store(&receiver.way, RECEIVER_CLOSE); /* reached, if in vain */
    assert_int_equal(deliver(&settings, here("hooks.example.org")), WEBHOOK_FAILED);
    assert_null(strstr(result, "public internet"));
    snprintf(resolve, sizeof resolve, "hooks.example.org:%d:10.0.0.1,169.254.169.254",
             receiver.port);
    assert_int_equal(deliver(&settings, here("hooks.example.org")), WEBHOOK_FAILED);
    assert_non_null(strstr(result, "public internet"));
}

static void no_proxy_of_the_environment_is_used(void **state)
{
    (void)state;
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", receiver.port);
    static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], proxy, 1);
    const struct webhook_settings settings = { .plain = true,
                                               .timeout_ms = LONG_MS,
                                               .resolve = "hooks.example.org:80:127.0.0.2" };
    assert_int_equal(deliver(&settings, "http://hooks.example.org/"), WEBHOOK_FAILED);
    assert_non_null(strstr(result, "public internet"));
    assert_int_equal(atomic_load(&receiver.connections), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void a_url_is_https_without_credentials_on_a_usual_port(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool good, plain;
    } cases[] = {
        { "https://hooks.example.org", true, true },
        { "https://hooks.example.org/a/b?c=d", true, true },
        { "https://hooks.example.org:8443/a", true, true },
        { "https://[2606:4700::1111]/", true, true },
        { "http://hooks.example.org/", false, true },
        { "https://hooks.example.org:22/", false, false },
        { "https://hooks.example.org:25/", false, false },
        { "https://user@hooks.example.org/", false, false },
        { "https://user:word@hooks.example.org/", false, false },
        { "https://hooks.example.org/#part", false, false },
        { "https://", false, false },
        { "hooks.example.org", false, false },
        { "ftp://hooks.example.org/", false, false },
        { "file:///etc/passwd", false, false },
        { "gopher://hooks.example.org/", false, false },
        { "https://hooks.example.org/a b", false, false },
        { "https://hooks.example.org/\r\nX: y", false, false },
        { "https://hooks.example.org:99999/", false, false },
        { "", false, false },
    };
    struct error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (webhook_check(cases[i].url, false, &error) != cases[i].good ||
            webhook_check(cases[i].url, true, &error) != cases[i].plain)
            fail_msg("%s", cases[i].url);
    }
    /* What is refused is not connected to either. */
    const struct webhook_settings strict = { .timeout_ms = SHORT_MS };
    assert_int_equal(deliver(&strict, here("127.0.0.1")), WEBHOOK_FAILED);
    assert_int_equal(atomic_load(&receiver.connections), 0);
}

/* Whoever names the receiver may run the name's server as well. */
static void a_name_that_nobody_resolves_holds_a_try_no_longer_than_its_time(void **state)
{
    (void)state;
    const struct webhook_settings settings = { .plain = true, .timeout_ms = SHORT_MS };
    let_resolver_hang(true);
    assert_int_equal(deliver(&settings, here("hooks.example.invalid")), WEBHOOK_FAILED);
    assert_true(resolver_is_asked());
    let_resolver_hang(false);
}

/* Who may choose the URL decides, not which one it is. */
static void the_operators_own_receiver_may_be_inside(void **state)
{
    (void)state;
    struct webhook_settings settings = { .plain = true, .anywhere = true, .timeout_ms = LONG_MS };
    assert_int_equal(deliver(&settings, here("127.0.0.1")), WEBHOOK_TAKEN);
    settings.anywhere = false;
    assert_int_equal(deliver(&settings, here("127.0.0.1")), WEBHOOK_FAILED);
    assert_int_equal(receiver_count(&receiver), 1);
}

static void *raise_flag(void *context)
{
    atomic_store((_Atomic bool *)context, true);
    return NULL;
}

static void a_try_ends_when_it_is_told_to(void **state)
{
    (void)state;
    _Atomic bool stop = false;
    pthread_t thread;
    struct webhook_settings settings = inside(600000);
    settings.stop = &stop;
    atomic_store(&receiver.way, RECEIVER_SILENT);
    assert_int_equal(pthread_create(&thread, NULL, raise_flag, &stop), 0);
    assert_int_equal(deliver(&settings, here("127.0.0.1")), WEBHOOK_FAILED);
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_signature_is_the_one_of_standard_webhooks),
        TEST(a_receiver_is_given_the_body_signed),
        TEST(only_an_answer_of_two_hundred_counts_as_taken),
        TEST(a_redirect_is_not_followed),
        TEST(the_slow_the_silent_and_the_endless_are_given_up),
        TEST(nothing_inside_is_reached_however_it_is_written),
        TEST(a_name_with_an_address_inside_is_reached_by_its_other),
        TEST(no_proxy_of_the_environment_is_used),
        TEST(a_url_is_https_without_credentials_on_a_usual_port),
        TEST(a_name_that_nobody_resolves_holds_a_try_no_longer_than_its_time),
        TEST(the_operators_own_receiver_may_be_inside),
        TEST(a_try_ends_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
