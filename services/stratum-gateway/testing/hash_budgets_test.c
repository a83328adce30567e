/* The gateway's table of addresses: sessions share their address's budget while they are unproven,
 * the table is bounded, and what need not be remembered makes room. */
#include "services/stratum-gateway/hash_budgets.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

static const struct budget_params params = { .share_interval_ms = 5000,
                                             .multiple = 50,
                                             .burst = 20 };

static struct connection connected_from(const char *from)
{
    struct connection connection = { .source.fd = -1 };
    assert_true(network_address_parse(span_text(from), &connection.peer));
    return connection;
}

static unsigned taken(struct hash_budgets *budgets, struct connection *connection, uint64_t now_ms)
{
    unsigned count = 0;
    while (count < 10000 && hash_budgets_take(budgets, connection, 1, now_ms))
        count++;
    return count;
}

static void sessions_of_an_address_draw_on_one_budget_until_they_are_proven(void **state)
{
    (void)state;
    static struct hash_budgets budgets;
    static struct connection here[3], there;
    hash_budgets_init(&budgets, &params);
    for (size_t i = 0; i < 3; i++)
        here[i] = connected_from("127.0.0.1");
    there = connected_from("127.0.0.2");
    /* The first one counts alone at its address, and uses that up. */
    assert_int_equal(taken(&budgets, &here[0], 1000), params.burst);
    assert_int_equal(taken(&budgets, &there, 1000), params.burst);
    assert_int_equal(budgets.addresses.used, 2);
    /* One that sent junk and comes anew finds less than its burst. */
    for (int i = 0; i < 20; i++)
        hash_budgets_verdict(&budgets, &here[0], SHARE_LOW_DIFFICULTY, 1000);
    hash_budgets_closed(&budgets, &here[0]);
    assert_true(taken(&budgets, &here[1], 1000) < params.burst);
    /* One that is proven has its own. */
    hash_budgets_verdict(&budgets, &here[1], SHARE_ACCEPTED, 1000);
    assert_int_equal(taken(&budgets, &here[1], 61000), params.burst);
    /* What happens to honest miners is held against nobody. */
    hash_budgets_verdict(&budgets, &here[1], SHARE_STALE, 61000);
    hash_budgets_verdict(&budgets, &here[1], SHARE_DUPLICATE, 61000);
    hash_budgets_verdict(&budgets, &here[1], SHARE_OVERLOADED, 61000);
    assert_int_equal(here[1].hash_budget.strikes, 0);
    for (size_t i = 0; i < 3; i++)
        hash_budgets_closed(&budgets, &here[i]);
    hash_budgets_closed(&budgets, &there);
    hash_budgets_deinit(&budgets);
}

static void the_addresses_of_one_network_of_64_bits_are_one(void **state)
{
    (void)state;
    static struct hash_budgets budgets;
    static struct connection here[3];
    static const char *const FROM[] = { "2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1" };
    hash_budgets_init(&budgets, &params);
    for (unsigned i = 0; i < 3; i++) {
        here[i] = connected_from(FROM[i]);
        assert_true(hash_budgets_take(&budgets, &here[i], 1, 1000));
    }
    assert_int_equal(budgets.addresses.used, 3); /* with the network of 48 bits above both */
    for (unsigned i = 0; i < 3; i++)
        hash_budgets_closed(&budgets, &here[i]);
    hash_budgets_deinit(&budgets);
}

/* Charges an address for one hash at that time and lets its session end. */
static void visit(struct hash_budgets *budgets, unsigned network, unsigned number, uint64_t now_ms)
{
    char from[20];
    snprintf(from, sizeof from, "127.%u.%u.%u", network, number / 200, number % 200 + 1);
    struct connection connection = connected_from(from);
    assert_true(hash_budgets_take(budgets, &connection, 1, now_ms));
    hash_budgets_closed(budgets, &connection);
}

static void addresses_without_sessions_make_room(void **state)
{
    (void)state;
    enum { VISITS = 300 };
    static struct hash_budgets budgets;
    hash_budgets_init(&budgets, &params);
    for (unsigned i = 0; i < VISITS; i++)
        visit(&budgets, 1, i, 1000);
    assert_int_equal(budgets.addresses.used, VISITS);
    /* A search that comes round finds each of them forgettable. */
    budgets.addresses.swept = 0;
    for (unsigned i = 0; i < VISITS; i++)
        visit(&budgets, 2, i, 10000000);
    assert_int_equal(budgets.addresses.used, VISITS);
    hash_budgets_deinit(&budgets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_of_an_address_draw_on_one_budget_until_they_are_proven),
        cmocka_unit_test(the_addresses_of_one_network_of_64_bits_are_one),
        cmocka_unit_test(addresses_without_sessions_make_room),
    };
    return cmocka_run_group_tests_name("hash budgets", tests, NULL, NULL);
}
