/* base/cursor: what is written is read; what lacks is noticed once and stays noticed. */
#include "base/cursor.h"
#include "base/test_random.h"

#include <setjmp.h>
#include <cmocka.h>

enum { FIELDS = 40, MEMORY = FIELDS * 20 };

struct field {
    unsigned bytes; /* 1, 2, 4, 8, 16, or 3 for a run of bytes */
    u128 value;
};

static void put(struct cursor_writer *writer, const struct field *field)
{
    static const uint8_t run[3] = { 7, 8, 9 };
    switch (field->bytes) {
    case 1:
        cursor_put_u8(writer, (uint8_t)field->value);
        break;
    case 2:
        cursor_put_u16(writer, (uint16_t)field->value);
        break;
    case 3:
        cursor_put(writer, run, sizeof run);
        break;
    case 4:
        cursor_put_u32(writer, (uint32_t)field->value);
        break;
    case 8:
        cursor_put_u64(writer, (uint64_t)field->value);
        break;
    default:
        cursor_put_u128(writer, field->value);
    }
}

static u128 get(struct cursor_reader *reader, unsigned bytes)
{
    uint8_t run[3];
    switch (bytes) {
    case 1:
        return cursor_get_u8(reader);
    case 2:
        return cursor_get_u16(reader);
    case 3:
        cursor_get(reader, run, sizeof run);
        return (u128)(run[0] + run[1] + run[2]);
    case 4:
        return cursor_get_u32(reader);
    case 8:
        return cursor_get_u64(reader);
    default:
        return cursor_get_u128(reader);
    }
}

static size_t make(struct test_random *random, struct field fields_r[FIELDS])
{
    static const unsigned kinds[] = { 1, 2, 3, 4, 8, 16 };
    size_t length = 0;
    for (size_t i = 0; i < FIELDS; i++) {
        unsigned bytes = kinds[test_random_below(random, 6)];
        u128 value = (u128)test_random_u64(random) << 64 | test_random_u64(random);
        if (bytes < 16)
            value &= ((u128)1 << 8 * bytes) - 1;
        fields_r[i] = (struct field){ bytes, bytes == 3 ? 24 : value };
        length += bytes;
    }
    return length;
}

static void what_is_written_is_read_again(void **state)
{
    struct test_random random = test_random_begin("cursor");
    uint8_t memory[MEMORY];
    struct field fields[FIELDS];
    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t length = make(&random, fields);
        struct cursor_writer writer = { .memory = memory, .capacity_bytes = length },
                             counter = { 0 };
        for (size_t i = 0; i < FIELDS; i++) {
            put(&writer, &fields[i]);
            put(&counter, &fields[i]); /* without memory it counts */
        }
        assert_false(writer.failed);
        assert_int_equal(writer.used_bytes, length);
        assert_int_equal(counter.used_bytes, length);
        struct cursor_reader reader = { .rest = span_of(memory, length) };
        for (size_t i = 0; i < FIELDS; i++) {
            assert_false(cursor_ended(&reader));
            assert_true(get(&reader, fields[i].bytes) == fields[i].value);
        }
        assert_true(cursor_ended(&reader));
        cursor_put_u8(&writer, 1);
        assert_true(writer.failed);
    }
}

/* Behind the first lack nothing is read, also where less would do; nothing is written behind the
 * end. */
static void a_lack_stays(void **state)
{
    struct test_random random = test_random_begin("cursor");
    uint8_t memory[MEMORY + 1];
    struct field fields[FIELDS];
    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t length = make(&random, fields), cut = test_random_below(&random, length);
        struct cursor_writer writer = { .memory = memory, .capacity_bytes = cut };
        memory[cut] = 0xa5;
        for (size_t i = 0; i < FIELDS; i++)
            put(&writer, &fields[i]);
        assert_true(writer.failed && writer.used_bytes <= cut);
        assert_int_equal(memory[cut], 0xa5);
        memset(memory, 0xff, sizeof memory);
        struct cursor_reader reader = { .rest = span_of(memory, cut) };
        for (size_t i = 0; i < FIELDS; i++) {
            u128 value = get(&reader, fields[i].bytes);
            assert_true(!reader.failed || value == 0);
        }
        assert_true(reader.failed && !cursor_ended(&reader));
        assert_int_equal(cursor_get_span(&reader, 0).length, 0);
    }
}

static void spans_are_borrowed_in_turn(void **state)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4 };
    struct cursor_reader reader = { .rest = span_of(bytes, sizeof bytes) };
    (void)state;
    assert_ptr_equal(cursor_get_span(&reader, 3).data, bytes);
    assert_int_equal(cursor_get_span(&reader, 0).length, 0);
    assert_int_equal(cursor_get_u8(&reader), 4);
    assert_true(cursor_ended(&reader));
    assert_int_equal(cursor_get_span(&reader, 1).length, 0);
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_lack_stays),
        cmocka_unit_test(spans_are_borrowed_in_turn),
    };
    return cmocka_run_group_tests_name("base/cursor", tests, NULL, NULL);
}
