/* Which route a path means. */
#include "adapter/http_kore/router.h"

#include "base/test_random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct row {
    const char *pattern;
    unsigned method;
};

static const struct row rows[] = {
    { "/", 0 },
    { "/api/v1/accounts/{}", 0 },
    { "/api/v1/accounts/{}", 3 },
    { "/api/v1/accounts/{}/workers/{}", 0 },
    { "/api/v1/accounts", 1 },
    { "/api/v1/accounts/me", 2 },
    { NULL, 0 },
};

static bool next(const void *table, size_t index, const char **pattern_r, unsigned *method_r)
{
    const struct row *row = (const struct row *)table + index;
    *pattern_r = row->pattern;
    *method_r = row->method;
    return row->pattern != NULL;
}

static enum router_outcome find(const char *path, unsigned method, struct router_match *match)
{
    return router_find(next, rows, path, method, match);
}

static void a_path_finds_its_route_and_gives_its_segments_decoded(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("/", 0, &match), ROUTER_FOUND);
    assert_int_equal(match.route, 0);
    assert_int_equal(match.segment_count, 0);
    assert_int_equal(find("/api/v1/accounts/bob", 0, &match), ROUTER_FOUND);
    assert_int_equal(match.route, 1);
    assert_string_equal(match.segments[0], "bob");
    assert_int_equal(find("/api/v1/accounts/a%2Fb%20c/workers/rig%2e1", 0, &match), ROUTER_FOUND);
    assert_int_equal(match.route, 3);
    assert_int_equal(match.segment_count, 2);
    assert_string_equal(match.segments[0], "a/b c");
    assert_string_equal(match.segments[1], "rig.1");
}

static void other_paths_are_unknown(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "x",
        "//",
        "/api",
        "/api/v1/accounts/",
        "/api/v1/accounts/bob/",
        "/api/v1/accounts//workers/x",
        "/api/v1/accounts/a/b/workers/x",
        "/API/v1/accounts/bob",
        "/api/v1/accounts/bob/../bob",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct router_match match;
        assert_int_equal(find(paths[i], 0, &match), ROUTER_UNKNOWN);
    }
}

static void another_method_is_told_from_an_unknown_path(void **state)
{
    (void)state;
    struct router_match match;
    assert_int_equal(find("/api/v1/accounts/bob", 1, &match), ROUTER_METHOD);
    assert_int_equal(match.methods, 1u << 0 | 1u << 3);
    assert_int_equal(find("/api/v1/accounts/me", 2, &match), ROUTER_FOUND);
    assert_int_equal(match.route, 5);
    assert_int_equal(find("/api/v1/accounts/me", 0, &match), ROUTER_FOUND);
    assert_int_equal(match.route, 1);
}

static void broken_encodings_are_malformed(void **state)
{
    (void)state;
    static const char *const names[] = { "%", "a%2", "%zz", "%2g", "%00", "a%" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct router_match match;
        char path[64];
        snprintf(path, sizeof path, "/api/v1/accounts/%s", names[i]);
        assert_int_equal(find(path, 0, &match), ROUTER_MALFORMED);
    }
}

static void any_bytes_are_answered_and_segments_stay_inside(void **state)
{
    (void)state;
    const char *given = getenv("ADIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    printf("ADIT_SEED=%u\n", seed);
    srandom(seed);
    for (unsigned round = 0; round < 20000; round++) {
        char path[700];
        size_t length = (size_t)random() % (sizeof path - 1);
        for (size_t i = 0; i < length; i++)
            path[i] = "/%ab2e.{}\x80"[(size_t)random() % 10];
        path[length] = '\0';
        if (round % 2 == 0)
            memcpy(path, "/api/v1/accounts/", length < 17 ? length : 17);
        struct router_match match;
        if (find(path, 0, &match) != ROUTER_FOUND)
            continue;
        for (size_t i = 0; i < match.segment_count; i++) {
            assert_true(match.segments[i] >= match.storage);
            assert_true(match.segments[i] + strlen(match.segments[i]) <
                        match.storage + sizeof match.storage);
        }
    }
}

static void a_parameter_is_found_by_its_whole_name_and_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        enum router_query outcome;
        const char *value;
    } cases[] = {
        { "", ROUTER_QUERY_NONE, "" },
        { "a=1&b=2", ROUTER_QUERY_NONE, "" },
        { "account", ROUTER_QUERY_NONE, "" },
        { "accounts=x", ROUTER_QUERY_NONE, "" },
        { "my_account=x&account=y", ROUTER_QUERY_FOUND, "y" },
        { "account=", ROUTER_QUERY_FOUND, "" },
        { "account=bob&account=eve", ROUTER_QUERY_FOUND, "bob" },
        { "a=1&&account=b%6fb%20%26%3D&x", ROUTER_QUERY_FOUND, "bob &=" },
        { "account=1234567", ROUTER_QUERY_FOUND, "1234567" },
        { "account=12345678", ROUTER_QUERY_MALFORMED, "" },
        { "account=%", ROUTER_QUERY_MALFORMED, "" },
        { "account=a%2&b=c", ROUTER_QUERY_MALFORMED, "" },
        { "account=%00", ROUTER_QUERY_MALFORMED, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char value[8 + 4] = "";
        memset(value + 8, 'x', 4);
        size_t room = strchr(cases[i].query, '%') != NULL ? sizeof value : 8;
        if (router_query(cases[i].query, "account", value, room) != cases[i].outcome)
            fail_msg("%s", cases[i].query);
        if (cases[i].outcome == ROUTER_QUERY_FOUND && strcmp(value, cases[i].value) != 0)
            fail_msg("%s: %s", cases[i].query, value);
        if (room == 8)
            assert_memory_equal(value + 8, "xxxx", 4);
    }
}

static void any_query_is_answered_within_its_room(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("queries");
    for (unsigned round = 0; round < 20000; round++) {
        char query[200], value[40 + 1];
        size_t length = test_random_below(&random, sizeof query);
        size_t room = 1 + test_random_below(&random, 40);
        for (size_t i = 0; i < length; i++)
            query[i] = "aa==&%2e0\x80"[test_random_below(&random, 10)];
        query[length < sizeof query ? length : sizeof query - 1] = '\0';
        value[room] = '!';
        enum router_query outcome = router_query(query, "a", value, room);
        assert_int_equal(value[room], '!');
        if (outcome == ROUTER_QUERY_FOUND)
            assert_true(strlen(value) < room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route_and_gives_its_segments_decoded),
        cmocka_unit_test(other_paths_are_unknown),
        cmocka_unit_test(another_method_is_told_from_an_unknown_path),
        cmocka_unit_test(broken_encodings_are_malformed),
        cmocka_unit_test(a_parameter_is_found_by_its_whole_name_and_decoded),
        cmocka_unit_test(any_query_is_answered_within_its_room),
        cmocka_unit_test(any_bytes_are_answered_and_segments_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
