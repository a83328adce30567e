/* The gateway's parts by themselves. */
#include "adapter/bus_fake/bus_fake.h"
#include "base/test_random.h"
#include "service/resolver/resolver.h"
#include "services/stratum-gateway/dispatcher.h"
#include "services/stratum-gateway/duplicates.h"
#include "services/stratum-gateway/extranonces.h"
#include "services/stratum-gateway/shedding.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* Duplicates. */

enum { EXTENT_BYTES = DUPLICATES_EXTENT_BLOCKS * DUPLICATES_BLOCK_BYTES };

static struct duplicates_memory open_memory(size_t bytes)
{
    struct duplicates_memory memory;
    const uint64_t seed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
    assert_true(duplicates_memory_open(&memory, bytes, seed));
    return memory;
}

static void a_key_is_seen_once_until_it_is_removed(void **state)
{
    (void)state;
    enum { KEYS = 4096, STEPS = 200000 };
    struct test_random random = test_random_begin("duplicates");
    struct duplicates_memory memory = open_memory(EXTENT_BYTES);
    struct duplicates set = { 0 };
    static bool model[KEYS];
    unsigned count = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned k = (unsigned)test_random_below(&random, KEYS);
        /* Key 0 is all zero; many share parts. */
        const struct duplicates_key key = { { k % 8, k / 8 % 8, k / 64 } };
        duplicates_prefetch(&set, &memory, &key);
        if (test_random_below(&random, 3) == 0) {
            duplicates_remove(&set, &memory, &key);
            count -= model[k];
            model[k] = false;
        } else {
            assert_int_equal(duplicates_add(&set, &memory, &key),
                             model[k] ? DUPLICATES_SEEN : DUPLICATES_NEW);
            count += !model[k];
            model[k] = true;
        }
        assert_int_equal(set.count, count);
        if (i % 2000 == 0)
            assert_true(duplicates_verify(&set, &memory));
    }
    /* What was removed leaves its place to the next. */
    assert_true(set.places <= KEYS);
    duplicates_clear(&set, &memory);
    assert_int_equal(memory.used, 0);
    duplicates_memory_close(&memory);
}

static void a_set_grows_leaf_by_leaf_and_forgets_nothing(void **state)
{
    (void)state;
    enum { KEYS = 200000 };
    struct duplicates_memory memory = open_memory(6 * EXTENT_BYTES);
    struct duplicates set = { 0 };
    for (uint64_t i = 0; i < KEYS; i++) {
        uint32_t before = memory.used;
        const struct duplicates_key key = { { i, 0, i << 40 } };
        assert_int_equal(duplicates_add(&set, &memory, &key), DUPLICATES_NEW);
        assert_true(memory.used <= before + 2); /* a leaf and a block of keys at the most */
    }
    assert_true(duplicates_verify(&set, &memory));
    for (uint64_t i = 0; i < KEYS; i++) {
        const struct duplicates_key key = { { i, 0, i << 40 } }, other = { { i, 1, i << 40 } };
        assert_int_equal(duplicates_add(&set, &memory, &key), DUPLICATES_SEEN);
        duplicates_remove(&set, &memory, &other); /* was never there */
    }
    assert_int_equal(set.count, KEYS);
    uint64_t bytes = (uint64_t)memory.used * DUPLICATES_BLOCK_BYTES;
    assert_true(bytes >= 24ull * KEYS && bytes <= 46ull * KEYS);
    duplicates_clear(&set, &memory);
    assert_int_equal(memory.used, 0);
    duplicates_memory_close(&memory);
}

static void memory_is_bounded_and_what_is_known_stays_known(void **state)
{
    (void)state;
    struct duplicates_memory memory = open_memory(EXTENT_BYTES);
    struct duplicates one = { 0 }, other = { 0 };
    uint64_t added = 0;
    enum duplicates_outcome outcome = DUPLICATES_NEW;
    for (uint64_t i = 1; outcome == DUPLICATES_NEW; i++) {
        const struct duplicates_key key = { { i, i, i } };
        outcome = duplicates_add(&one, &memory, &key);
        added += outcome == DUPLICATES_NEW;
    }
    assert_int_equal(outcome, DUPLICATES_FULL);
    assert_true(added > EXTENT_BYTES / 46);
    assert_true(memory.used <= memory.max);
    assert_true(duplicates_verify(&one, &memory));
    const struct duplicates_key first = { { 1, 1, 1 } };
    assert_int_equal(duplicates_add(&one, &memory, &first), DUPLICATES_SEEN);
    assert_int_equal(duplicates_add(&other, &memory, &first), DUPLICATES_FULL);
    duplicates_clear(&one, &memory);
    assert_int_equal(duplicates_add(&other, &memory, &first), DUPLICATES_NEW);
    duplicates_clear(&other, &memory);
    duplicates_memory_close(&memory);
}

static void blocks_are_given_once_and_what_is_unused_goes_back(void **state)
{
    (void)state;
    enum { EXTENTS = 12, BLOCKS = EXTENTS * DUPLICATES_EXTENT_BLOCKS, STEPS = 100000 };
    struct test_random random = test_random_begin("blocks");
    struct duplicates_memory memory = open_memory(EXTENTS * EXTENT_BYTES);
    static bool taken[BLOCKS];
    static uint32_t list[BLOCKS];
    uint32_t count = 0, left = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        if (test_random_below(&random, 8) < (i < STEPS / 2 ? 5 : 3)) {
            uint32_t block = duplicates_memory_take(&memory);
            if (block == DUPLICATES_NO_BLOCK) {
                assert_int_equal(count, BLOCKS);
                continue;
            }
            assert_true(block < BLOCKS && !taken[block]);
            taken[block] = true;
            list[count++] = block;
            memset(duplicates_memory_at(&memory, block), 0xee, 64);
        } else if (count > 0) {
            uint32_t place = (uint32_t)test_random_below(&random, count);
            uint32_t block = list[place];
            list[place] = list[--count];
            taken[block] = false;
            duplicates_memory_give(&memory, block);
        }
        assert_int_equal(memory.used, count);
        if (i % 64 == 0)
            duplicates_memory_trim(&memory);
        uint32_t cold;
        if (i % 512 == 0 && duplicates_memory_next_cold(&memory, &cold)) {
            duplicates_memory_warm(&memory, cold); /* what is in it stays */
            for (uint32_t k = 0; k < count; k++)
                assert_int_equal(*(uint8_t *)duplicates_memory_at(&memory, list[k]), 0xee);
            if (i % 1024 == 0)
                duplicates_memory_warmed(&memory, cold);
        }
    }
    while (count > 0)
        duplicates_memory_give(&memory, list[--count]);
    for (unsigned i = 0; i < EXTENTS; i++)
        duplicates_memory_trim(&memory);
    for (unsigned i = 0; i < EXTENTS; i++)
        left += memory.extents[i].begun > 0 && memory.extents[i].warmth != DUPLICATES_WARMING;
    assert_in_range(left, 0, 4);
    duplicates_memory_close(&memory);
}

static void only_the_free_parts_of_the_header_make_the_key(void **state)
{
    (void)state;
    struct job job = { .id = 5,
                       .version = 0x20000000,
                       .version_mask = 0x1fffe000,
                       .extranonce1_bytes = 4,
                       .extranonce2_bytes = 8 };
    struct share_submission share = { .job_id = 5,
                                      .extranonce1 = { 1, 2, 3, 4 },
                                      .extranonce2 = { 5 },
                                      .extranonce1_bytes = 4,
                                      .extranonce2_bytes = 8,
                                      .ntime = 6,
                                      .nonce = 7,
                                      .version_mask = 0x1fffe000 };
    struct duplicates_key key = duplicates_key_of(&job, &share), other;
    struct share_submission changed = share;
    changed.account_id = 99;
    changed.worker_id = 98;
    changed.work = work_of(97);
    changed.received_ms = 96;
    changed.has_version_bits = true; /* and zero: the same header */
    other = duplicates_key_of(&job, &changed);
    assert_memory_equal(&key, &other, sizeof key);
#define DIFFERS(change)                                                                            \
    changed = share;                                                                               \
    change;                                                                                        \
    other = duplicates_key_of(&job, &changed);                                                     \
    assert_memory_not_equal(&key, &other, sizeof key)
    DIFFERS(changed.extranonce1[3]++);
    DIFFERS(changed.extranonce2[7]++);
    DIFFERS(changed.extranonce2[0]++);
    DIFFERS(changed.ntime++);
    DIFFERS(changed.nonce++);
    DIFFERS(changed.has_version_bits = true; changed.version_bits = 0x2000);
}

/* Shedding. */

static void who_sends_most_is_asked_to_send_less_and_only_under_pressure(void **state)
{
    (void)state;
    struct shedding shedding = { 0 };
    const uint32_t sessions[] = { 0, 1, 1, 10, 400, 800 };
    enum { COUNT = sizeof sessions / sizeof *sessions };
    for (unsigned second = 0; second < 3; second++) {
        shedding_begin(&shedding);
        for (unsigned i = 0; i < COUNT; i++)
            assert_false(shedding_chooses(&shedding, sessions[i]));
    }
    assert_false(shedding_look(&shedding, 250, 1000));
    assert_true(shedding_look(&shedding, 251, 1000));
    assert_false(shedding_look(&shedding, 900, 1000));
    shedding_begin(&shedding); /* the mean of those that sent: 242 */
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(shedding_chooses(&shedding, sessions[i]), sessions[i] >= 242);
    /* Where all send alike all are asked, whoever sends nothing is not. */
    shedding_begin(&shedding);
    for (unsigned i = 0; i < COUNT; i++)
        (void)shedding_chooses(&shedding, 3);
    shedding_begin(&shedding);
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(shedding_chooses(&shedding, 3));
    assert_false(shedding_chooses(&shedding, 0));
    assert_true(shedding_look(&shedding, 250, 1000));
    assert_false(shedding_chooses(&shedding, 800));
}

/* Extranonces. */

static void no_value_is_given_twice_or_too_early(void **state)
{
    (void)state;
    enum { VALUES = 64, STEPS = 100000 };
    struct test_random random = test_random_begin("extranonces");
    struct extranonces values;
    bool used[VALUES] = { false };
    uint64_t rests_until[VALUES] = { 0 }; /* the job that must be dead */
    uint64_t oldest = 1, newest = 1;
    assert_true(extranonces_init(&values, 1, 0xffffffc0, VALUES));
    unsigned taken = 0, refused = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        uint32_t value;
        switch (test_random_below(&random, 4)) {
        case 0:
        case 1:
            if (!extranonces_take(&values, oldest, &value)) {
                for (unsigned k = 0; k < VALUES; k++)
                    assert_true(used[k] || rests_until[k] >= oldest);
                refused++;
                break;
            }
            assert_true(value >= 0xffffffc0);
            value -= 0xffffffc0;
            assert_false(used[value]);
            assert_true(rests_until[value] < oldest);
            used[value] = true;
            taken++;
            break;
        case 2:
            value = (uint32_t)test_random_below(&random, VALUES);
            if (!used[value])
                break;
            used[value] = false;
            rests_until[value] = test_random_below(&random, 4) == 0 ? 0 : newest;
            extranonces_give_back(&values, 1, 0xffffffc0 + value, rests_until[value]);
            break;
        default:
            newest += test_random_below(&random, 2);
            if (oldest < newest && test_random_below(&random, 2) == 0)
                oldest++;
        }
    }
    assert_true(taken > 1000 && refused > 0);
    extranonces_give_back(&values, 1, 5, 3); /* not in its range: ignored */
    extranonces_deinit(&values);
}

static void what_was_not_given_by_this_lease_is_not_taken_back(void **state)
{
    (void)state;
    struct extranonces values;
    uint32_t value;
    assert_true(extranonces_init(&values, 2, 100, 4));
    assert_true(extranonces_take(&values, 1, &value));
    assert_int_equal(value, 100);
    for (unsigned i = 0; i < 8; i++) {
        extranonces_give_back(&values, 1, 100, i % 2); /* of a lease before it, the same range */
        extranonces_give_back(&values, 2, 101 + i % 3, i % 2); /* never given */
    }
    assert_int_equal(values.fresh_count + values.resting_count, 0);
    for (unsigned i = 1; i < 4; i++) {
        assert_true(extranonces_take(&values, 1, &value));
        assert_int_equal(value, 100 + i);
    }
    assert_false(extranonces_take(&values, 1, &value));
    extranonces_give_back(&values, 2, 100, 0);
    assert_true(extranonces_take(&values, 1, &value));
    assert_int_equal(value, 100);
    extranonces_deinit(&values);
}

/* Names of validators. */

static void only_names_are_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *host; /* NULL: used as it is */
        const char *port;
    } table[] = {
        { "tcp://validators:9000", "validators", "9000" },
        { "tcp://share-validator.pool.svc.cluster.local:7",
          "share-validator.pool.svc.cluster.local", "7" },
        { "tls+tcp://validators:9000", "validators", "9000" },
        { "tls+tcp://10.0.0.1:9000", NULL, NULL },
        { "tcp://10.0.0.1:9000", NULL, NULL },
        { "tcp://[::1]:9000", NULL, NULL },
        { "ipc:///run/adit/validator.rep", NULL, NULL },
        { "tcp://noport", NULL, NULL },
        { "tcp://:9000", NULL, NULL },
        { "", NULL, NULL },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char host[VALIDATORS_URL_BYTES], port[16];
        bool split = resolver_split(table[i].url, host, sizeof host, port, sizeof port);
        assert_int_equal(split, table[i].host != NULL);
        if (split) {
            assert_string_equal(host, table[i].host);
            assert_string_equal(port, table[i].port);
        }
    }
}

static void on_end(void *context, const struct dispatch_origin *origin,
                   const struct wire_share *share, const struct dispatch_result *result)
{
    (void)context;
    (void)origin;
    (void)share;
    (void)result;
}

static bool use(void *dispatcher, const char (*addresses)[RESOLVER_URL_BYTES], size_t count)
{
    return dispatcher_set_validators(dispatcher, addresses, count);
}

static void a_name_becomes_its_addresses_and_the_rest_is_used_at_once(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    struct bus *bus = bus_fake_create(loop);
    const struct dispatcher_options options = { .loop = loop,
                                                .bus = bus,
                                                .timeout_ms = 100,
                                                .hold_ms = 1000,
                                                .shares_max = 10,
                                                .handler = on_end };
    struct dispatcher *dispatcher = dispatcher_create(&options);
    char name[] = "tcp://localhost:9", plain[] = "ipc:///validator";
    char *urls[] = { name, plain };
    const struct resolver_options names = { .setting = "validators",
                                            .urls = urls,
                                            .count = 2,
                                            .refresh_ms = 1000,
                                            .use = use,
                                            .user = dispatcher };
    struct resolver *resolver = resolver_create(loop, &names, &error);
    assert_non_null(resolver);
    assert_int_equal(dispatcher_counts(dispatcher).validators, 1);
    uint64_t end_ns = loop_clock_ns() + 60000000000u;
    while (dispatcher_counts(dispatcher).validators < 2) {
        assert_true(loop_clock_ns() < end_ns);
        loop_run_once(loop, 10);
    }
    resolver_destroy(resolver);
    /* A list without the name: its addresses are let go, the other stays. */
    assert_true(dispatcher_set_validators(
        dispatcher, (const char[1][VALIDATORS_URL_BYTES]){ "ipc:///validator" }, 1));
    assert_int_equal(dispatcher_counts(dispatcher).validators, 1);
    dispatcher_destroy(dispatcher);
    bus_destroy(bus);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_seen_once_until_it_is_removed),
        cmocka_unit_test(a_set_grows_leaf_by_leaf_and_forgets_nothing),
        cmocka_unit_test(memory_is_bounded_and_what_is_known_stays_known),
        cmocka_unit_test(blocks_are_given_once_and_what_is_unused_goes_back),
        cmocka_unit_test(only_the_free_parts_of_the_header_make_the_key),
        cmocka_unit_test(who_sends_most_is_asked_to_send_less_and_only_under_pressure),
        cmocka_unit_test(no_value_is_given_twice_or_too_early),
        cmocka_unit_test(what_was_not_given_by_this_lease_is_not_taken_back),
        cmocka_unit_test(only_names_are_asked_for),
        cmocka_unit_test(a_name_becomes_its_addresses_and_the_rest_is_used_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
