/* What the gateway holds for sessions: extranonces of several leases, sessions between two
 * connections, names by account, profiles of ports, and the table of odd clients from a file. */
#include "base/test_random.h"
#include "services/stratum-gateway/account_workers.h"
#include "services/stratum-gateway/extranonce_pool.h"
#include "services/stratum-gateway/parking.h"
#include "services/stratum-gateway/profiles.h"
#include "services/stratum-gateway/quirks_file.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Leases. */

static void values_of_several_leases_are_never_given_twice(void **state)
{
    (void)state;
    enum { EACH = 64 };
    struct extranonce_pool pool = { .count = 0 };
    bool given[3 * EACH] = { false };
    for (uint64_t lease = 1; lease <= 3; lease++)
        assert_true(extranonce_pool_add(&pool, lease, (uint32_t)(lease - 1) * EACH, EACH));
    uint32_t value;
    uint64_t lease;
    for (unsigned i = 0; i < 3 * EACH; i++) {
        assert_true(extranonce_pool_take(&pool, 1, &value, &lease));
        assert_int_equal(lease, value / EACH + 1);
        assert_false(given[value]);
        given[value] = true;
    }
    assert_false(extranonce_pool_take(&pool, 1, &value, &lease));
    extranonce_pool_give_back(&pool, 1, 2 * EACH, 0); /* not of that lease */
    assert_false(extranonce_pool_take(&pool, 1, &value, &lease));
    extranonce_pool_give_back(&pool, 3, 2 * EACH, 0);
    assert_true(extranonce_pool_take(&pool, 1, &value, &lease));
    assert_int_equal(value, 2 * EACH);
    extranonce_pool_remove(&pool, 2);
    assert_false(extranonce_pool_holds(&pool, 2));
    assert_true(extranonce_pool_holds(&pool, 1) && extranonce_pool_holds(&pool, 3));
    extranonce_pool_give_back(&pool, 2, EACH, 0); /* nobody's any more */
    assert_false(extranonce_pool_take(&pool, 1, &value, &lease));
    extranonce_pool_remove(&pool, 2);
    extranonce_pool_deinit(&pool);
}

static void values_are_scarce_when_an_eighth_is_left_that_may_be_given_or_rests(void **state)
{
    (void)state;
    struct extranonce_pool pool = { .count = 0 };
    uint32_t value, first = 0;
    uint64_t lease;
    assert_true(extranonce_pool_add(&pool, 1, 0, 256));
    for (unsigned i = 0; i < 224; i++) {
        assert_false(extranonce_pool_is_scarce(&pool));
        assert_true(extranonce_pool_take(&pool, 1, &value, &lease));
        first = i == 0 ? value : first;
    }
    assert_false(extranonce_pool_is_scarce(&pool));
    assert_true(extranonce_pool_take(&pool, 1, &value, &lease));
    assert_true(extranonce_pool_is_scarce(&pool));
    extranonce_pool_give_back(&pool, 1, first, 5); /* rests, and will be there again */
    assert_false(extranonce_pool_is_scarce(&pool));
    assert_true(extranonce_pool_add(&pool, 2, 256, 256));
    for (unsigned i = 0; i < 30; i++)
        assert_true(extranonce_pool_take(&pool, 1, &value, &lease));
    assert_false(extranonce_pool_is_scarce(&pool));
    extranonce_pool_deinit(&pool);
}

/* Sessions between two connections. */

static bool park(struct parking *parking, uint64_t id, uint64_t now_ms)
{
    struct stratum_session session = { .id = id, .extranonce1 = (uint32_t)id };
    return parking_put(parking, &session, 1, now_ms);
}

static void a_parked_session_is_taken_once_and_ends_in_its_time(void **state)
{
    (void)state;
    struct parking parking;
    struct parked parked;
    assert_true(parking_init(&parking, 4, 1000));
    for (uint64_t id = 1; id <= 4; id++)
        assert_true(park(&parking, id, id * 100));
    assert_true(parking_is_full(&parking));
    assert_true(parking_take(&parking, 2, &parked));
    assert_int_equal(parked.session.id, 2);
    assert_int_equal(parked.lease, 1);
    assert_false(parking_take(&parking, 2, &parked));
    assert_false(parking_take(&parking, 9, &parked));
    assert_false(parking_release(&parking, 1099, &parked));
    assert_true(parking_release(&parking, 1100, &parked));
    assert_int_equal(parked.session.id, 1);
    assert_false(parking_take(&parking, 1, &parked));
    assert_true(park(&parking, 5, 1200)); /* the place of 2 went with the one before it */
    assert_true(parking_release(&parking, UINT64_MAX, &parked));
    assert_int_equal(parked.session.id, 3);
    assert_true(parking_release(&parking, 1400, &parked));
    assert_int_equal(parked.session.id, 4);
    assert_false(parking_release(&parking, 1400, &parked));
    assert_true(parking_take(&parking, 5, &parked));
    assert_false(parking_release(&parking, UINT64_MAX, &parked));
    parking_deinit(&parking);
    assert_true(parking_init(&parking, 4, 0)); /* nothing is kept */
    assert_false(park(&parking, 1, 1));
    assert_false(parking_take(&parking, 1, &parked));
    assert_false(parking_release(&parking, UINT64_MAX, &parked));
    parking_deinit(&parking);
}

static void whatever_comes_and_goes_a_parked_session_is_one_place(void **state)
{
    (void)state;
    enum { PLACES = 16, IDS = 40 };
    struct test_random random = test_random_begin("gateway_holding_test");
    struct parking parking;
    struct parked parked;
    bool there[IDS + 1] = { false };
    assert_true(parking_init(&parking, PLACES, 50));
    for (uint64_t now = 1; now < 20000; now++) {
        uint64_t id = 1 + test_random_u64(&random) % IDS;
        if (test_random_u64(&random) % 2 == 0) {
            assert_int_equal(parking_take(&parking, id, &parked), there[id]);
            there[id] = false;
        } else if (!there[id]) {
            if (parking_is_full(&parking) && parking_release(&parking, UINT64_MAX, &parked))
                there[parked.session.id] = false;
            assert_true(park(&parking, id, now));
            there[id] = true;
        }
        while (parking_release(&parking, now, &parked)) {
            assert_true(there[parked.session.id]);
            there[parked.session.id] = false;
        }
    }
    parking_deinit(&parking);
}

/* Names by account. */

static void names_of_an_account_are_counted_as_an_array_would(void **state)
{
    (void)state;
    enum { ACCOUNTS = 300, MOST = 5 };
    struct test_random random = test_random_begin("gateway_holding_test");
    struct account_workers workers = { .workers_max = MOST };
    uint64_t ids[ACCOUNTS];
    uint32_t counts[ACCOUNTS] = { 0 };
    for (unsigned i = 0; i < ACCOUNTS; i++) /* many of one home */
        ids[i] = (test_random_u64(&random) & ~(uint64_t)0x3fff0000) | i % 3 << 16 | 1;
    for (unsigned round = 0; round < 100000; round++) {
        unsigned i = (unsigned)(test_random_u64(&random) % ACCOUNTS);
        if (test_random_u64(&random) % 2 == 0) {
            assert_int_equal(account_workers_add(&workers, ids[i]), counts[i] < MOST);
            counts[i] += counts[i] < MOST;
        } else if (counts[i] > 0) {
            account_workers_remove(&workers, ids[i]);
            counts[i]--;
        }
        assert_int_equal(account_workers_of(&workers, ids[i]), counts[i]);
    }
    for (unsigned i = 0; i < ACCOUNTS; i++)
        assert_int_equal(account_workers_of(&workers, ids[i]), counts[i]);
    account_workers_deinit(&workers);
    assert_int_equal(account_workers_of(&workers, 7), 0);
}

/* Profiles. */

static bool read_ports(const char *ports, struct profiles *profiles, struct error *error)
{
    struct settings settings;
    const struct stratum_params usual = { .algorithm = POW_SHA256D, .login_timeout_ms = 5 };
    if (ports != NULL)
        setenv("ADIT_STRATUM__PORTS", ports, 1);
    else
        unsetenv("ADIT_STRATUM__PORTS");
    assert_true(settings_load(&settings, NULL, "/tmp", "1", error));
    bool good = profiles_read(profiles, &settings, &usual, error);
    settings_deinit(&settings);
    unsetenv("ADIT_STRATUM__PORTS");
    return good;
}

static void a_port_differs_where_it_says_so(void **state)
{
    (void)state;
    struct profiles profiles;
    struct error error;
    assert_true(read_ports(NULL, &profiles, &error));
    assert_int_equal(profiles.count, 1);
    assert_string_equal(profiles.address[0], "0.0.0.0:3333");
    if (!read_ports("0.0.0.0:3336 start=1000000 min=500000 interval_ms=10000, [::]:3337  max=2",
                    &profiles, &error))
        fail_msg("%s", error.text);
    assert_int_equal(profiles.count, 3);
    const struct stratum_params *rental = &profiles.params[1], *small = &profiles.params[2];
    assert_string_equal(profiles.address[1], "0.0.0.0:3336");
    assert_string_equal(profiles.address[2], "[::]:3337");
    assert_int_equal(rental->start.expected_hashes, (uint64_t)1000000 << 32);
    assert_int_equal(rental->vardiff.min.expected_hashes, (uint64_t)500000 << 32);
    assert_int_equal(rental->vardiff.max.expected_hashes,
                     profiles.params[0].vardiff.max.expected_hashes);
    assert_int_equal(rental->vardiff.share_interval_ms, 10000);
    assert_int_equal(rental->login_timeout_ms, 5);
    assert_int_equal(small->vardiff.max.expected_hashes, (uint64_t)2 << 32);
    assert_int_equal(small->start.expected_hashes, profiles.params[0].start.expected_hashes);
}

static void a_port_that_makes_no_sense_stops_the_start(void **state)
{
    (void)state;
    static const char *const bad[] = { "0.0.0.0:1 start=x", "0.0.0.0:1 nonsense", "0.0.0.0:1 a=1",
                                       "0.0.0.0:1 interval_ms=5", "0.0.0.0:1 min=5 max=4" };
    struct profiles profiles;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = { .text = "" };
        if (read_ports(bad[i], &profiles, &error))
            fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(error.text, "stratum.ports"));
    }
}

/* The table of clients. */

static void a_file_takes_the_place_of_the_built_in_table(void **state)
{
    (void)state;
    char name[] = "/tmp/adit-quirks-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    static const char text[] = "# ours\n{\"agent\":\"ours/\",\"name_bytes_max\":9}\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    struct settings settings;
    struct error error;
    struct quirks quirks;
    assert_true(settings_load(&settings, NULL, "/tmp", "1", &error));
    assert_true(quirks_file_read(&settings, POW_SHA256D, &quirks, &error));
    assert_true(quirks.count > 10);
    free(settings.stratum_quirks_file);
    settings.stratum_quirks_file = strdup(name);
    if (!quirks_file_read(&settings, POW_SHA256D, &quirks, &error))
        fail_msg("%s", error.text);
    assert_int_equal(quirks.count, 1);
    assert_int_equal(write(fd, "nonsense\n", 9), 9);
    assert_false(quirks_file_read(&settings, POW_SHA256D, &quirks, &error));
    assert_non_null(strstr(error.text, name));
    assert_non_null(strstr(error.text, "line 3"));
    assert_int_equal(quirks.count, 1); /* as it was */
    close(fd);
    unlink(name);
    assert_false(quirks_file_read(&settings, POW_SHA256D, &quirks, &error));
    settings_deinit(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_several_leases_are_never_given_twice),
        cmocka_unit_test(values_are_scarce_when_an_eighth_is_left_that_may_be_given_or_rests),
        cmocka_unit_test(a_parked_session_is_taken_once_and_ends_in_its_time),
        cmocka_unit_test(whatever_comes_and_goes_a_parked_session_is_one_place),
        cmocka_unit_test(names_of_an_account_are_counted_as_an_array_would),
        cmocka_unit_test(a_port_differs_where_it_says_so),
        cmocka_unit_test(a_port_that_makes_no_sense_stops_the_start),
        cmocka_unit_test(a_file_takes_the_place_of_the_built_in_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
