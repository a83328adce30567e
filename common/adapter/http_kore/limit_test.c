#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "adapter/http_kore/limit.h"

#include <stdio.h>

static struct http_limit limit;

static int set_up(void **state)
{
    (void)state;
    limit = (struct http_limit){ .seed = 99, .per_s = 20 };
    return 0;
}

/* However the questions are spread, no span of time sees more than its rate and the burst. */
static void nobody_exceeds_the_rate_and_the_burst(void **state)
{
    struct test_random random = test_random_begin("limit");
    uint64_t now_ms = 5000, granted = 0, refused = 0;
    const uint64_t began_ms = now_ms;
    unsigned wait_s = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        now_ms += test_random_below(&random, 60);
        if (http_limit_take(&limit, "203.0.113.9", now_ms, &wait_s)) {
            granted++;
        } else {
            refused++;
            assert_true(wait_s >= 1 && wait_s <= 1);
        }
        uint64_t most = (now_ms - began_ms) * limit.per_s / 1000 + 20 * HTTP_LIMIT_BURST_S + 1;
        assert_true(granted <= most);
    }
    assert_true(refused > 1000 && granted > 1000);
}

static void who_waits_as_told_is_answered(void **state)
{
    unsigned wait_s = 0;
    uint64_t now_ms = 1;
    (void)state;
    for (int i = 0; i < 20 * HTTP_LIMIT_BURST_S; i++)
        assert_true(http_limit_take(&limit, "2001:db8::", now_ms, &wait_s));
    assert_false(http_limit_take(&limit, "2001:db8::", now_ms, &wait_s));
    assert_true(http_limit_take(&limit, "2001:db8::", now_ms + wait_s * 1000, &wait_s));
    /* Others are not its business. */
    assert_true(http_limit_take(&limit, "2001:db9::", now_ms, &wait_s));
    limit.per_s = 0;
    for (int i = 0; i < 1000; i++)
        assert_true(http_limit_take(&limit, "2001:db8::", now_ms, &wait_s));
}

/* Many addresses that ask once cannot push out the one that asks too much. */
static void who_asks_too_much_is_remembered_among_many(void **state)
{
    unsigned wait_s = 0;
    char client[32];
    (void)state;
    while (http_limit_take(&limit, "198.51.100.1", 7, &wait_s))
        ;
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(client, sizeof client, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_true(http_limit_take(&limit, client, 7, &wait_s));
    }
    assert_false(http_limit_take(&limit, "198.51.100.1", 7, &wait_s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_exceeds_the_rate_and_the_burst, set_up),
        cmocka_unit_test_setup(who_waits_as_told_is_answered, set_up),
        cmocka_unit_test_setup(who_asks_too_much_is_remembered_among_many, set_up),
    };
    return cmocka_run_group_tests_name("http limit", tests, NULL, NULL);
}
