/* The table of who behaves how: keys as operators write them, its bound, who makes room. */
#include "base/test_random.h"
#include "services/stratum-gateway/conducts_table.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static struct conducts conducts;

static int set_up(void **state)
{
    (void)state;
    const struct conducts_rules rules = { .ban_ms = 600000 };
    conducts_init(&conducts, &rules, 12345);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    conducts_deinit(&conducts);
    return 0;
}

static void a_key_is_written_and_read_alike(void **state)
{
    (void)state;
    static const char *const SPELT[][2] = {
        { "192.0.2.7", "192.0.2.7" },
        { "2001:db8:1:2::9", "2001:db8:1:2::/64" },
        { "2001:db8:1:2::/64", "2001:db8:1:2::/64" },
        { "worker ab/1", "worker 00000000000000ab/0000000000000001" },
        { "worker ab/1 from 7", "worker 00000000000000ab/0000000000000001 from 00000000000007" },
    };
    for (unsigned i = 0; i < sizeof SPELT / sizeof *SPELT; i++) {
        struct conducts_key key, again;
        char text[CONDUCTS_KEY_TEXT];
        assert_true(conducts_key_parse(SPELT[i][0], &key));
        conducts_key_print(&key, text);
        assert_string_equal(text, SPELT[i][1]);
        assert_true(conducts_key_parse(text, &again));
        assert_memory_equal(&key, &again, sizeof key);
    }
    static const char *const BAD[] = { "",
                                       "all",
                                       "192.0.2.0/24",
                                       "2001:db8::/32",
                                       "worker",
                                       "worker 1",
                                       "worker /1",
                                       "worker g/1",
                                       "worker 1/1 at 7",
                                       "worker 1/1 from",
                                       "worker 1/1 from x" };
    struct conducts_key key;
    for (unsigned i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(conducts_key_parse(BAD[i], &key));
}

static struct conducts_key key_of(uint32_t number)
{
    uint8_t bytes[4];
    store_be32(bytes, number);
    const struct network_address address = network_address_of_ipv4(bytes);
    return conducts_key_of_address(&address);
}

static void a_full_table_forgets_who_did_nothing_and_keeps_who_is_banned(void **state)
{
    (void)state;
    const uint32_t BANNED_EVERY = 1000;
    uint32_t place;
    for (uint32_t i = 0; i < CONDUCTS_ENTRIES_MAX; i++) {
        const struct conducts_key key = key_of(i);
        struct conducts_entry *entry = conducts_table_make(&conducts, &key, 1000, &place);
        assert_non_null(entry);
        assert_ptr_equal(conducts_table_at(&conducts, place), entry);
        if (i % BANNED_EVERY == 0)
            entry->banned_until_ms = 100000;
    }
    assert_int_equal(conducts.used, CONDUCTS_ENTRIES_MAX);
    for (uint32_t i = 0; i < CONDUCTS_ENTRIES_MAX; i++) {
        const struct conducts_key key = key_of(0x01000000 + i);
        assert_non_null(conducts_table_make(&conducts, &key, 2000, NULL));
    }
    assert_int_equal(conducts.used, CONDUCTS_ENTRIES_MAX);
    for (uint32_t i = 0; i < CONDUCTS_ENTRIES_MAX; i += BANNED_EVERY) {
        const struct conducts_key key = key_of(i);
        assert_non_null(conducts_table_find(&conducts, &key));
    }
}

static void a_table_full_of_the_banned_lets_the_next_one_pass_unremembered(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CONDUCTS_ENTRIES_MAX; i++) {
        const struct conducts_key key = key_of(i);
        conducts_table_make(&conducts, &key, 1000, NULL)->banned_until_ms = 100000;
    }
    const struct conducts_key one_more = key_of(0x02000000);
    uint32_t place = 7;
    assert_null(conducts_table_make(&conducts, &one_more, 2000, &place));
    assert_int_equal(place, 0);
    /* When the bans are over there is room again. */
    assert_non_null(conducts_table_make(&conducts, &one_more, 100000, &place));
    assert_int_not_equal(place, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_written_and_read_alike),
        TEST(a_full_table_forgets_who_did_nothing_and_keeps_who_is_banned),
        TEST(a_table_full_of_the_banned_lets_the_next_one_pass_unremembered),
    };
    return cmocka_run_group_tests_name("conducts", tests, NULL, NULL);
}
