/* The gateway's table of addresses: sessions share their address's budget while they are unproven,
 * the table is bounded, and what need not be remembered makes room. */
#include "services/stratum-gateway/hash_budgets.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct budget_params params = { .share_interval_ms = 5000,
                                             .multiple = 50,
                                             .burst = 20 };

/* A pair of connected sockets whose far side has that address; the near one is returned. */
static int connected_from(const char *from, int *far_r)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr *plain = (struct sockaddr *)(void *)&address;
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, plain, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, plain, &length), 0);
    struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from) };
    *far_r = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*far_r, (struct sockaddr *)(void *)&source, sizeof source), 0);
    assert_int_equal(connect(*far_r, plain, length), 0);
    int near = accept(listener, NULL, NULL);
    assert_true(near >= 0);
    close(listener);
    return near;
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
    int far[4];
    hash_budgets_init(&budgets, &params);
    for (size_t i = 0; i < 3; i++)
        here[i] = (struct connection){ .source.fd = connected_from("127.0.0.1", &far[i]) };
    there = (struct connection){ .source.fd = connected_from("127.0.0.2", &far[3]) };
    /* The first one counts alone at its address, and uses that up. */
    assert_int_equal(taken(&budgets, &here[0], 1000), params.burst);
    assert_int_equal(taken(&budgets, &there, 1000), params.burst);
    assert_int_equal(budgets.used, 2);
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
    for (size_t i = 0; i < 3; i++) {
        hash_budgets_closed(&budgets, &here[i]);
        close(here[i].source.fd);
        close(far[i]);
    }
    hash_budgets_closed(&budgets, &there);
    close(there.source.fd);
    close(far[3]);
    hash_budgets_deinit(&budgets);
}

static void a_peer_without_an_address_has_its_own_budget(void **state)
{
    (void)state;
    static struct hash_budgets budgets;
    static struct connection connection;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    hash_budgets_init(&budgets, &params);
    connection = (struct connection){ .source.fd = pair[0] };
    assert_int_equal(taken(&budgets, &connection, 5), params.burst);
    assert_int_equal(budgets.used, 0);
    hash_budgets_closed(&budgets, &connection);
    hash_budgets_deinit(&budgets);
    close(pair[0]);
    close(pair[1]);
}

/* Charges an address for one hash at that time and lets its session end. */
static void visit(struct hash_budgets *budgets, unsigned network, unsigned number, uint64_t now_ms)
{
    char from[20];
    int far;
    snprintf(from, sizeof from, "127.%u.%u.%u", network, number / 200, number % 200 + 1);
    struct connection connection = { .source.fd = connected_from(from, &far) };
    assert_true(hash_budgets_take(budgets, &connection, 1, now_ms));
    hash_budgets_closed(budgets, &connection);
    close(connection.source.fd);
    close(far);
}

static void addresses_without_sessions_make_room(void **state)
{
    (void)state;
    enum { VISITS = 300 };
    static struct hash_budgets budgets;
    hash_budgets_init(&budgets, &params);
    for (unsigned i = 0; i < VISITS; i++)
        visit(&budgets, 1, i, 1000);
    assert_int_equal(budgets.used, VISITS);
    /* A search that comes round finds each of them forgettable. */
    budgets.swept = 0;
    for (unsigned i = 0; i < VISITS; i++)
        visit(&budgets, 2, i, 10000000);
    assert_int_equal(budgets.used, VISITS);
    hash_budgets_deinit(&budgets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_of_an_address_draw_on_one_budget_until_they_are_proven),
        cmocka_unit_test(a_peer_without_an_address_has_its_own_budget),
        cmocka_unit_test(addresses_without_sessions_make_room),
    };
    return cmocka_run_group_tests_name("hash budgets", tests, NULL, NULL);
}
