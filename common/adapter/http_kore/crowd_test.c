#include "adapter/http_kore/crowd.h"

#include "base/test_random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static struct network_address address_of(const char *text)
{
    struct network_address address;
    assert_true(network_address_parse(span_text(text), &address));
    return address;
}

static void an_address_has_as_many_as_it_may_and_another_its_own(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_create(100, 3, 7);
    const struct network_address one = address_of("192.0.2.1"), other = address_of("192.0.2.2");
    for (unsigned i = 0; i < 3; i++)
        assert_true(crowd_enter(crowd, &one));
    assert_false(crowd_enter(crowd, &one));
    assert_true(crowd_enter(crowd, &other));
    crowd_leave(crowd, &one);
    assert_true(crowd_enter(crowd, &one));
    assert_false(crowd_enter(crowd, &one));
    crowd_destroy(crowd);
}

static void an_ipv6_network_of_64_bits_is_one_address(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_create(100, 2, 7);
    const struct network_address a = address_of("2001:db8::1"), b = address_of("2001:db8::2:2"),
                                 c = address_of("2001:db8:0:1::1");
    assert_true(crowd_enter(crowd, &a));
    assert_true(crowd_enter(crowd, &b));
    assert_false(crowd_enter(crowd, &a));
    assert_true(crowd_enter(crowd, &c));
    crowd_destroy(crowd);
}

static void no_more_enter_than_there_may_be_and_who_leaves_makes_room(void **state)
{
    (void)state;
    struct crowd *crowd = crowd_create(2, 0, 7);
    const struct network_address a = address_of("192.0.2.1"), b = address_of("192.0.2.2"),
                                 c = address_of("192.0.2.3");
    assert_true(crowd_enter(crowd, &a));
    assert_true(crowd_enter(crowd, &b));
    assert_true(crowd_is_full(crowd));
    assert_false(crowd_enter(crowd, &c));
    assert_false(crowd_enter(crowd, &a));
    crowd_leave(crowd, &a);
    assert_false(crowd_is_full(crowd));
    assert_true(crowd_enter(crowd, &c));
    assert_int_equal(crowd_count(crowd, &a), 0);
    crowd_destroy(crowd);
}

/* Against a plain array of counts. */
static void counts_are_right_in_any_order(void **state)
{
    (void)state;
    enum { ADDRESSES = 300, BOUND = 4 };
    static unsigned counts[ADDRESSES];
    struct test_random random = test_random_begin("crowd");
    struct crowd *crowd = crowd_create(ADDRESSES * BOUND, BOUND, test_random_u64(&random));
    for (unsigned round = 0; round < 200000; round++) {
        const uint64_t who = test_random_below(&random, ADDRESSES);
        const uint8_t bytes[4] = { 10, 0, (uint8_t)(who >> 8), (uint8_t)who };
        const struct network_address address = network_address_of_ipv4(bytes);
        assert_int_equal(crowd_count(crowd, &address), counts[who]);
        if (test_random_below(&random, 2) == 0) {
            const bool entered = crowd_enter(crowd, &address);
            assert_int_equal(entered, counts[who] < BOUND);
            counts[who] += entered;
        } else if (counts[who] > 0) {
            crowd_leave(crowd, &address);
            counts[who]--;
        }
    }
    crowd_destroy(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_as_many_as_it_may_and_another_its_own),
        cmocka_unit_test(an_ipv6_network_of_64_bits_is_one_address),
        cmocka_unit_test(no_more_enter_than_there_may_be_and_who_leaves_makes_room),
        cmocka_unit_test(counts_are_right_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
