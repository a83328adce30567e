/* Counts in a real redis-server: bounds, time, and two who count together. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/cache_redis/cache.h"
#include "adapter/window_redis/testing/redis_server.h"

#include <signal.h>
#include <stdio.h>

static struct redis_server server;

static int setup(void **state)
{
    struct error error;
    (void)state;
    if (!redis_server_begin(&server, NULL, &error))
        fail_msg("%s", error.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_server_end(&server);
    return 0;
}

static struct cache *open_cache(void)
{
    struct error error;
    struct cache *cache = cache_open(server.url, 20000, &error);
    assert_non_null(cache);
    return cache;
}

static bool take(struct cache *cache, const char *key, unsigned max, uint64_t window_ms,
                 uint64_t *wait_ms_r)
{
    struct error error;
    bool allowed;
    const struct cache_count count = { span_text(key), max };
    if (!cache_take(cache, &count, 1, window_ms, &allowed, wait_ms_r, &error))
        fail_msg("%s", error.text);
    return allowed;
}

static void two_who_count_see_one_count(void **state)
{
    (void)state;
    struct cache *one = open_cache(), *other = open_cache();
    struct error error;
    uint64_t wait_ms;
    for (unsigned i = 0; i < 10; i++)
        assert_true(take(i % 2 == 0 ? one : other, "a", 10, 900000, &wait_ms));
    assert_false(take(one, "a", 10, 900000, &wait_ms));
    assert_false(take(other, "a", 10, 900000, &wait_ms));
    assert_in_range(wait_ms, 1, 900000);
    assert_true(take(other, "b", 10, 900000, &wait_ms));
    assert_true(cache_give_back(one, span_text("a"), &error));
    assert_true(take(other, "a", 10, 900000, &wait_ms));
    assert_false(take(one, "a", 10, 900000, &wait_ms));
    assert_true(cache_forget(other, span_text("a"), &error));
    for (unsigned i = 0; i < 3; i++) /* never below nothing */
        assert_true(cache_give_back(one, span_text("a"), &error));
    assert_true(take(one, "a", 1, 900000, &wait_ms));
    assert_false(take(one, "a", 1, 900000, &wait_ms));
    cache_close(one);
    cache_close(other);
}

static void where_one_key_is_full_none_is_counted(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct error error;
    bool allowed;
    uint64_t wait_ms;
    const struct cache_count both[] = { { span_text("wide"), 100 }, { span_text("narrow"), 1 } };
    assert_true(cache_take(cache, both, 2, 900000, &allowed, &wait_ms, &error) && allowed);
    for (int i = 0; i < 5; i++)
        assert_true(cache_take(cache, both, 2, 900000, &allowed, &wait_ms, &error) && !allowed);
    assert_true(take(cache, "wide", 2, 900000, &wait_ms)); /* one before, not six */
    assert_false(take(cache, "wide", 2, 900000, &wait_ms));
    cache_close(cache);
}

static void a_count_ends_with_its_window(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    uint64_t wait_ms;
    assert_true(take(cache, "short", 1, 50, &wait_ms));
    /* Full or not by now; that it is free again at some time is what counts. */
    for (int i = 0; i < 100000 && !take(cache, "short", 1, 50, &wait_ms); i++)
        assert_in_range(wait_ms, 1, 50);
    cache_close(cache);
}

static void a_server_that_is_away_is_said_to_be_and_found_again(void **state)
{
    (void)state;
    struct cache *cache = open_cache();
    struct error error;
    bool allowed;
    uint64_t wait_ms;
    const struct cache_count count = { span_text("c"), 10 };
    assert_true(take(cache, "c", 10, 900000, &wait_ms));
    redis_server_kill(&server);
    assert_false(cache_take(cache, &count, 1, 1000, &allowed, &wait_ms, &error));
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    assert_false(cache_take(cache, &count, 1, 1000, &allowed, &wait_ms, &error));
    cache_close(cache);
    assert_null(cache_open("nonsense", 100, &error));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as services do */
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_who_count_see_one_count),
        TEST(where_one_key_is_full_none_is_counted),
        TEST(a_count_ends_with_its_window),
        TEST(a_server_that_is_away_is_said_to_be_and_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
