#include "base/test_random.h"
#include "core/network/network.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>

static struct network_address address(const char *text)
{
    struct network_address result;
    if (!network_address_parse(span_text(text), &result))
        fail_msg("\"%s\" is not read", text);
    return result;
}

static void a_printed_address_is_read_back_and_the_systems_own_agrees(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("network");
    for (unsigned i = 0; i < 20000; i++) {
        struct network_address one, again;
        char text[NETWORK_ADDRESS_TEXT], theirs[INET6_ADDRSTRLEN];
        test_random_bytes(&random, one.bytes, sizeof one.bytes);
        /* Zero groups of every pattern, which is where the spellings differ. */
        uint64_t zero = test_random_u64(&random);
        for (unsigned group = 0; group < 8; group++)
            if ((zero >> group & 1) != 0)
                one.bytes[2 * group] = one.bytes[2 * group + 1] = 0;
        if (test_random_below(&random, 3) == 0)
            one = network_address_of_ipv4(one.bytes + 4);
        size_t length = network_address_print(&one, text);
        assert_int_equal(length, strlen(text));
        again = address(text);
        assert_memory_equal(&again, &one, sizeof one);
        uint8_t bytes[16];
        if (network_address_is_ipv4(&one)) {
            assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
            assert_memory_equal(bytes, one.bytes + 12, 4);
            continue;
        }
        assert_int_equal(inet_pton(AF_INET6, text, bytes), 1);
        assert_memory_equal(bytes, one.bytes, 16);
        inet_ntop(AF_INET6, one.bytes, theirs, sizeof theirs);
        again = address(theirs);
        assert_memory_equal(&again, &one, sizeof one);
    }
}

static void what_the_system_refuses_is_refused(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("network_texts");
    static const char ALPHABET[] = "0012af:::...9/";
    unsigned taken = 0;
    for (unsigned i = 0; i < 300000; i++) {
        char text[24];
        size_t length = test_random_below(&random, sizeof text - 1);
        for (size_t j = 0; j < length; j++)
            text[j] = ALPHABET[test_random_below(&random, sizeof ALPHABET - 1)];
        text[length] = '\0';
        uint8_t bytes[16];
        struct network_address one;
        bool theirs = inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
        bool ours = network_address_parse(span_of(text, length), &one);
        taken += ours;
        if (ours != theirs)
            fail_msg("\"%s\": system %d, ours %d", text, theirs, ours);
    }
    assert_true(taken > 0);
}

static void a_network_holds_what_agrees_with_its_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool inside;
    } CASES[] = {
        { "10.0.0.0/8", "10.255.1.2", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "203.0.113.9", true },
        { "2001:db8::/32", "2001:db8:ffff::", true },
        { "2001:db8::/32", "2001:db9::", false },
        { "10.0.0.0/8", "::ffff:10.1.1.1", true },
        { "203.0.113.128/25", "203.0.113.127", false },
        { "fe80::/10", "febf::1", true },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct network network, again;
        char text[NETWORK_TEXT];
        struct network_address one = address(CASES[i].address);
        assert_true(network_parse(span_text(CASES[i].network), &network));
        assert_int_equal(network_contains(&network, &one), CASES[i].inside);
        network_print(&network, text);
        assert_string_equal(text, CASES[i].network);
        assert_true(network_parse(span_text(text), &again));
    }
    static const char *const BAD[] = { "10.0.0.1/8", "10.0.0.0/33", "::/129",      "/8",
                                       "",           "10.0.0.0/",   "10.0.0.0/08", "2001:db8::1/32",
                                       "a/8",        "1.2.3.4/-1" };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct network network;
        assert_false(network_parse(span_text(BAD[i]), &network));
    }
}

static void a_customer_is_an_address_of_ipv4_or_64_bits_of_ipv6(void **state)
{
    (void)state;
    struct network_address a = address("2001:db8:1:2:3::1"), b = address("2001:db8:1:2:ffff::9"),
                           c = address("2001:db8:1:3::1"), d = address("192.0.2.1"),
                           e = address("192.0.2.2");
    struct network of_a = network_of_customer(&a), of_d = network_of_customer(&d);
    assert_true(network_contains(&of_a, &b));
    assert_false(network_contains(&of_a, &c));
    assert_true(network_contains(&of_d, &d));
    assert_false(network_contains(&of_d, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_printed_address_is_read_back_and_the_systems_own_agrees),
        cmocka_unit_test(what_the_system_refuses_is_refused),
        cmocka_unit_test(a_network_holds_what_agrees_with_its_prefix),
        cmocka_unit_test(a_customer_is_an_address_of_ipv4_or_64_bits_of_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
