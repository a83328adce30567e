/* base: bytes, hex, decimal and the arena. */
#include "base/arena.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <cmocka.h>

/* Every byte in every place of every length, against one digit at a time. */
static void hex_is_read_alike_at_every_place(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    for (size_t length = 1; length <= 16; length++) {
        for (size_t place = 0; place < length; place++) {
            for (int c = 0; c < 256; c++) {
                char text[16];
                uint8_t bytes[8];
                uint64_t value, expected = 0;
                memcpy(text, "0f1E2d3C4b5A6978", sizeof text);
                text[place] = (char)c;
                const char *found = c != 0 ? strchr(digits, c) : NULL;
                for (size_t i = 0; i < length; i++) {
                    const char *digit = strchr(digits, text[i] != 0 ? text[i] : 'x');
                    long nibble = digit != NULL ? digit - digits : 0;
                    expected = expected << 4 | (uint64_t)(nibble > 15 ? nibble - 6 : nibble);
                }
                assert_int_equal(hex_decode_u64(text, length, &value), found != NULL);
                if (found != NULL)
                    assert_int_equal(value, expected);
                if (length % 2 != 0)
                    continue;
                assert_int_equal(hex_decode(text, length, bytes, length / 2), found != NULL);
                for (size_t i = 0; found != NULL && i < length / 2; i++)
                    assert_int_equal(bytes[i], (uint8_t)(expected >> 4 * (length - 2 - 2 * i)));
            }
        }
    }
}

static void hex_round_trips_and_refuses_everything_else(void **state)
{
    (void)state;
    uint8_t bytes[4];
    char text[9];
    assert_true(hex_decode("00ffA5b6", 8, bytes, 4));
    hex_encode(span_of(bytes, 4), text);
    assert_string_equal(text, "00ffa5b6");
    assert_false(hex_decode("00ff", 4, bytes, 4));
    assert_false(hex_decode("00ffa5bg", 8, bytes, 4));
    uint64_t value;
    assert_true(hex_decode_u64("fFfFffffffffffff", 16, &value));
    assert_true(value == UINT64_MAX);
    assert_false(hex_decode_u64("", 0, &value));
    assert_false(hex_decode_u64("0x1", 3, &value));
    assert_false(hex_decode_u64("00000000000000001", 17, &value));
}

/* Every byte at every place of a text long enough for the sixteen-at-a-time way and its rest. */
static void hex_is_decoded_up_to_the_first_byte_that_is_no_digit(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    char text[52];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = digits[i * 7 % 22];
    for (size_t at = 0; at < sizeof text; at++) {
        char kept = text[at];
        for (int c = 0; c < 256; c++) {
            uint8_t bytes[26], value;
            text[at] = (char)c;
            bool digit = c != 0 && strchr(digits, c) != NULL;
            size_t run = hex_decode_run(text, sizeof text, bytes, sizeof bytes);
            assert_int_equal(run, digit ? 26 : at / 2);
            for (size_t i = 0; i < run; i++) {
                assert_true(hex_decode(text + 2 * i, 2, &value, 1));
                assert_int_equal(bytes[i], value);
            }
        }
        text[at] = kept;
    }
    uint8_t few[3];
    assert_int_equal(hex_decode_run(text, sizeof text, few, sizeof few), 3);
    assert_int_equal(hex_decode_run(text, 5, few, sizeof few), 2);
}

static void decimal_of_128_bits_round_trips_at_its_edges(void **state)
{
    (void)state;
    const u128 values[] = { 0, 1, 9, 10, UINT64_MAX, (u128)1 << 64, ~(u128)0 };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[U128_TEXT_BYTES];
        u128 back;
        u128_format(values[i], text);
        assert_true(u128_parse(text, strlen(text), &back));
        assert_true(back == values[i]);
    }
    u128 back;
    assert_false(u128_parse("340282366920938463463374607431768211456", 39, &back));
    assert_false(u128_parse("", 0, &back));
    assert_false(u128_parse("-1", 2, &back));
}

static void an_arena_gives_zeroed_aligned_memory_and_never_more_than_it_has(void **state)
{
    (void)state;
    uint8_t memory[64];
    memset(memory, 0xaa, sizeof memory);
    struct arena arena = arena_over(memory + 1, sizeof memory - 1);
    uint8_t *taken = arena_take(&arena, 16);
    assert_non_null(taken);
    assert_int_equal((uintptr_t)taken % _Alignof(max_align_t), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(taken[i], 0);
    assert_null(arena_take(&arena, 64));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_text(&arena, (struct span){ memory, SIZE_MAX }));
    assert_string_equal(arena_text(&arena, span_text("abc")), "abc");
}

static void an_error_keeps_its_cause_behind_a_prefix(void **state)
{
    (void)state;
    struct error error;
    assert_false(error_set(&error, ERROR_INVALID, "no key %d", 7));
    assert_false(error_prefix(&error, "settings"));
    assert_string_equal(error.text, "settings: no key 7");
    assert_int_equal(error.code, ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_round_trips_and_refuses_everything_else),
        cmocka_unit_test(hex_is_read_alike_at_every_place),
        cmocka_unit_test(hex_is_decoded_up_to_the_first_byte_that_is_no_digit),
        cmocka_unit_test(decimal_of_128_bits_round_trips_at_its_edges),
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_and_never_more_than_it_has),
        cmocka_unit_test(an_error_keeps_its_cause_behind_a_prefix),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
