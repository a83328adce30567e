/* Where miners come from: nobody fills the table, and who owes most is not forgotten first. */
#include "services/stratum-gateway/hash_addresses.h"

#include "base/test_random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct budget_params params = { .share_interval_ms = 5000,
                                             .multiple = 50,
                                             .burst = 20 };

/* 2001:db8:NETWORK:SUBNET::HOST */
static void v6(uint16_t network, uint16_t subnet, uint64_t host, uint8_t ip_r[HASH_ADDRESS_BYTES])
{
    store_be32(ip_r, 0x20010db8);
    ip_r[4] = (uint8_t)(network >> 8);
    ip_r[5] = (uint8_t)network;
    ip_r[6] = (uint8_t)(subnet >> 8);
    ip_r[7] = (uint8_t)subnet;
    store_be64(ip_r + 8, host);
}

static void v4(uint32_t number, uint8_t ip_r[HASH_ADDRESS_BYTES])
{
    memset(ip_r, 0, HASH_ADDRESS_BYTES);
    ip_r[10] = ip_r[11] = 0xff;
    store_be32(ip_r + 12, number);
}

/* A new session there takes what it is given, and ends unless it is to stay. */
static unsigned visit(struct hash_addresses *addresses, const uint8_t ip[HASH_ADDRESS_BYTES],
                      uint64_t now_ms, bool stays)
{
    struct budget budget = { 0 };
    struct budget_origin origin;
    unsigned taken = 0;
    uint32_t place = hash_addresses_join(addresses, ip, now_ms);
    assert_true(hash_addresses_find(addresses, place, &origin));
    while (taken < 1000 && budget_take(&budget, &origin, &params, 1, now_ms))
        taken++;
    if (!stays)
        hash_addresses_leave(addresses, place);
    return taken;
}

static void hosts_of_one_ipv6_network_are_one_address(void **state)
{
    (void)state;
    static struct hash_addresses addresses;
    uint8_t ip[HASH_ADDRESS_BYTES];
    v6(1, 1, 1, ip);
    assert_int_equal(visit(&addresses, ip, 1000, false), params.burst);
    v6(1, 1, 0x1234567890, ip);
    assert_int_equal(visit(&addresses, ip, 1000, false), 0);
    assert_int_equal(addresses.used, 2); /* and what is above it */
    assert_true(hash_addresses_verify(&addresses));
    hash_addresses_deinit(&addresses);
}

static void a_whole_48_neither_fills_the_table_nor_has_more_than_its_part(void **state)
{
    (void)state;
    static struct hash_addresses addresses;
    uint8_t ip[HASH_ADDRESS_BYTES];
    unsigned taken = 0;
    for (uint32_t subnet = 0; subnet < 65536; subnet++) {
        v6(7, (uint16_t)subnet, subnet, ip);
        taken += visit(&addresses, ip, 1000, false);
    }
    assert_int_equal(addresses.used, HASH_ADDRESSES_CHILDREN + 1);
    assert_int_equal(taken, params.burst); /* its sessions came one after the other */
    /* The one next to it does not know of it. */
    v6(8, 0, 1, ip);
    assert_int_equal(visit(&addresses, ip, 1000, false), params.burst);
    assert_true(hash_addresses_verify(&addresses));
    hash_addresses_deinit(&addresses);
}

static void many_sessions_of_a_48_have_as_much_as_a_large_address(void **state)
{
    (void)state;
    static struct hash_addresses addresses;
    uint8_t ip[HASH_ADDRESS_BYTES];
    unsigned taken = 0;
    for (uint32_t subnet = 0; subnet < 2000; subnet++) {
        v6(7, (uint16_t)subnet, 1, ip);
        (void)hash_addresses_join(&addresses, ip, 1000);
    }
    for (uint32_t subnet = 0; subnet < 2000; subnet++) {
        v6(7, (uint16_t)subnet, 1, ip);
        taken += visit(&addresses, ip, 1000, true);
    }
    assert_true(taken >= BUDGET_ADDRESS_SESSIONS_MAX * params.burst / 2);
    assert_true(taken <= BUDGET_ADDRESS_SESSIONS_MAX * params.burst);
    assert_true(hash_addresses_verify(&addresses));
    hash_addresses_deinit(&addresses);
}

/* Three times as many addresses as there are places, all in the same second. */
static void in_a_full_table_who_owes_least_makes_room(void **state)
{
    (void)state;
    static struct hash_addresses addresses;
    uint8_t ip[HASH_ADDRESS_BYTES];
    struct budget_origin origin;
    v4(1, ip);
    uint32_t junk = hash_addresses_join(&addresses, ip, 1000);
    struct budget budget = { 0 };
    assert_true(hash_addresses_find(&addresses, junk, &origin));
    while (budget_take(&budget, &origin, &params, 1, 1000))
        budget_verdict(&budget, &origin, false, 1000);
    for (uint32_t i = 0; i < 3 * HASH_ADDRESSES_MAX; i++) {
        budget = (struct budget){ 0 };
        v4(1000 + i, ip);
        uint32_t place = hash_addresses_join(&addresses, ip, 1000);
        assert_true(hash_addresses_find(&addresses, place, &origin));
        assert_true(
            budget_take(&budget, &origin, &params, 1, 1000)); /* a newcomer may prove itself */
        if (i % 2 == 0)
            hash_addresses_leave(&addresses, place);
    }
    assert_int_equal(addresses.used, HASH_ADDRESSES_MAX);
    assert_true(hash_addresses_find(&addresses, junk, &origin));
    assert_true(origin.address->strikes > 0);
    hash_addresses_leave(&addresses, junk);
    assert_true(hash_addresses_verify(&addresses));
    hash_addresses_deinit(&addresses);
}

static void a_place_given_away_is_known_by_its_name(void **state)
{
    (void)state;
    static struct hash_addresses addresses;
    static uint32_t places[400];
    static uint8_t ips[400][HASH_ADDRESS_BYTES];
    struct test_random random = test_random_begin("hash addresses");
    uint64_t now_ms = 1000;
    uint8_t ip[HASH_ADDRESS_BYTES];
    for (uint32_t i = 0; i < 3 * HASH_ADDRESSES_MAX; i++) { /* so that the table is full */
        v4(0x0a000000 + i, ip);
        (void)visit(&addresses, ip, now_ms, true);
    }
    for (unsigned round = 0; round < 20000; round++) {
        struct budget_origin origin;
        const size_t i = (size_t)test_random_below(&random, 400);
        now_ms += test_random_below(&random, 20);
        if (test_random_below(&random, 3) == 0) {
            hash_addresses_leave(&addresses, places[i]);
            places[i] = 0;
        } else if (!hash_addresses_find(&addresses, places[i], &origin)) {
            if (test_random_below(&random, 2) == 0)
                v4((uint32_t)test_random_below(&random, 100), ips[i]);
            else
                v6((uint16_t)test_random_below(&random, 4),
                   (uint16_t)test_random_below(&random, 200), 1, ips[i]);
            places[i] = hash_addresses_join(&addresses, ips[i], now_ms);
        } else {
            assert_true(origin.address->sessions > 0);
            assert_true(origin.network == NULL ||
                        origin.network->sessions >= origin.address->sessions);
        }
        if (round % 2000 == 0)
            assert_true(hash_addresses_verify(&addresses));
    }
    for (size_t i = 0; i < 400; i++)
        hash_addresses_leave(&addresses, places[i]);
    assert_true(hash_addresses_verify(&addresses));
    hash_addresses_deinit(&addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_one_ipv6_network_are_one_address),
        cmocka_unit_test(a_whole_48_neither_fills_the_table_nor_has_more_than_its_part),
        cmocka_unit_test(many_sessions_of_a_48_have_as_much_as_a_large_address),
        cmocka_unit_test(in_a_full_table_who_owes_least_makes_room),
        cmocka_unit_test(a_place_given_away_is_known_by_its_name),
    };
    return cmocka_run_group_tests_name("hash addresses", tests, NULL, NULL);
}
