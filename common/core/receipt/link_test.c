/* Links of keys: their bytes, what they are signed over, and which keys belong to one chain. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/receipt/link.h"

enum { KEYS = 12 };

static uint8_t keys[KEYS][RECEIPT_KEY_BYTES];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        memset(keys[i], (int)(0xa0 + i), RECEIPT_KEY_BYTES);
    return 0;
}

static struct receipt_link link_of(size_t from, size_t to)
{
    struct receipt_link link = { .time_ms = UINT64_C(1700000000000) + from };
    memcpy(link.from, keys[from], sizeof link.from);
    memcpy(link.to, keys[to], sizeof link.to);
    memset(link.from_signature, 0x11, sizeof link.from_signature);
    memset(link.to_signature, 0x22, sizeof link.to_signature);
    return link;
}

static void a_link_is_read_as_it_was_written_and_every_byte_of_what_is_signed_counts(void **state)
{
    (void)state;
    uint8_t bytes[RECEIPT_LINK_BYTES], digest[RECEIPT_HASH_BYTES], other[RECEIPT_HASH_BYTES];
    const struct receipt_link link = link_of(0, 1);
    struct receipt_link read;
    receipt_link_encode(&link, bytes);
    receipt_link_digest(&link, digest);
    assert_true(receipt_link_decode(span_of(bytes, sizeof bytes), &read));
    assert_memory_equal(&read, &link, sizeof link);
    assert_false(receipt_link_decode(span_of(bytes, sizeof bytes - 1), &read));
    const size_t head = 5, signed_bytes = 2 * (size_t)RECEIPT_KEY_BYTES + 8;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        bool decoded = receipt_link_decode(span_of(bytes, sizeof bytes), &read);
        assert_int_equal(decoded, i >= head);
        if (decoded) {
            receipt_link_digest(&read, other);
            bool same = memcmp(digest, other, sizeof digest) == 0;
            assert_int_equal(same, i >= head + signed_bytes);
        }
        bytes[i] ^= 1;
    }
    const struct receipt_link own = link_of(3, 3);
    receipt_link_encode(&own, bytes);
    assert_false(receipt_link_decode(span_of(bytes, sizeof bytes), &read));
}

/* Whatever the order of the links, and from whichever key it begins. */
static void a_chain_is_followed_in_both_directions_and_no_other_is_entered(void **state)
{
    (void)state;
    /* 0-1-2-3-4-5, and 6-7-8; 9 to 11 alone. */
    struct receipt_link links[7];
    size_t count = 0;
    for (size_t i = 0; i < 8; i++)
        if (i != 5)
            links[count++] = link_of(i, i + 1);
    struct test_random random = test_random_begin("receipt_link_test");
    for (int round = 0; round < 500; round++) {
        bool known[KEYS] = { false };
        for (size_t i = count - 1; i > 0; i--) {
            size_t k = (size_t)test_random_below(&random, i + 1);
            struct receipt_link swapped = links[i];
            links[i] = links[k];
            links[k] = swapped;
        }
        size_t begin = (size_t)test_random_below(&random, KEYS);
        known[begin] = true;
        receipt_links_follow(links, count, (const uint8_t(*)[RECEIPT_KEY_BYTES])keys, KEYS, known);
        for (size_t i = 0; i < KEYS; i++) {
            size_t mine = i < 6 ? 0 : i < 9 ? 1 : i, its = begin < 6 ? 0 : begin < 9 ? 1 : begin;
            assert_int_equal(known[i], mine == its);
        }
    }
}

static void nothing_known_makes_nothing_known(void **state)
{
    (void)state;
    const struct receipt_link links[] = { link_of(0, 1), link_of(1, 0) };
    bool known[KEYS] = { false };
    receipt_links_follow(links, 2, (const uint8_t(*)[RECEIPT_KEY_BYTES])keys, KEYS, known);
    for (size_t i = 0; i < KEYS; i++)
        assert_false(known[i]);
    known[1] = true;
    receipt_links_follow(links, 2, (const uint8_t(*)[RECEIPT_KEY_BYTES])keys, KEYS, known);
    assert_true(known[0] && known[1] && !known[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_read_as_it_was_written_and_every_byte_of_what_is_signed_counts),
        cmocka_unit_test(a_chain_is_followed_in_both_directions_and_no_other_is_entered),
        cmocka_unit_test(nothing_known_makes_nothing_known),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
