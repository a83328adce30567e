/* Every message of proto/: what is written is read back, and nothing else is read at all. The
 * schemas are read twice more here, to fill random messages and to compare two. */
#include "wire/examples.h"
#include "wire/messages.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY_BYTES = 4 << 20, LIST_MAX = 5, BLOB_MAX = 70, TEXT_MAX = 20, ROUNDS = 100 };

static uint8_t fill_memory[MEMORY_BYTES];
static uint8_t read_memory[MEMORY_BYTES];
static uint8_t encoded[1 << 20];
static struct arena fill_arena;

static uint64_t random_u64(void)
{
    uint64_t value = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
    /* The edges are met more often than chance would. */
    return random() % 8 == 0 ? 0 : random() % 8 == 0 ? UINT64_MAX : value;
}

static uint32_t random_below(uint32_t bound)
{
    return (uint32_t)random() % bound;
}

static void random_bytes(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random();
}

static struct span random_blob(uint32_t max)
{
    uint32_t length = random_below((max < BLOB_MAX ? max : BLOB_MAX) + 1);
    uint8_t *bytes = arena_take(&fill_arena, length);
    assert_non_null(bytes);
    random_bytes(bytes, length);
    return span_of(bytes, length);
}

static const char *random_text(uint32_t max)
{
    uint32_t length = random_below((max < TEXT_MAX ? max : TEXT_MAX) + 1);
    char *text = arena_take(&fill_arena, length + 1);
    assert_non_null(text);
    for (uint32_t i = 0; i < length; i++)
        text[i] = (char)(1 + random_below(255));
    return text;
}

#define MESSAGE(name, type, version)                                                               \
    static void fill_##name(struct wire_##name *m)                                                 \
    {
#define RECORD(name) MESSAGE(name, 0, 0)
#define U8(field) m->field = (uint8_t)random_u64();
#define U16(field) m->field = (uint16_t)random_u64();
#define U32(field) m->field = (uint32_t)random_u64();
#define U64(field) m->field = random_u64();
#define BYTES(field, length) random_bytes(m->field, length);
#define BLOB(field, max) m->field = random_blob(max);
#define TEXT(field, max) m->field = random_text(max);
#define LIST(field, record, max)                                                                   \
    m->field##_count = random_below((max < LIST_MAX ? max : LIST_MAX) + 1);                        \
    m->field = arena_take(&fill_arena, m->field##_count * sizeof *m->field);                       \
    assert_non_null(m->field);                                                                     \
    for (uint32_t i = 0; i < m->field##_count; i++)                                                \
        fill_##record(&m->field[i]);
#define END(name) }
#include "proto/all.def"
#include "wire/undefine.h"

#define MESSAGE(name, type, version)                                                               \
    static bool same_##name(const struct wire_##name *a, const struct wire_##name *b)              \
    {
#define RECORD(name) MESSAGE(name, 0, 0)
#define SAME(condition)                                                                            \
    if (!(condition))                                                                              \
        return false;
#define U8(field) SAME(a->field == b->field)
#define U16(field) U8(field)
#define U32(field) U8(field)
#define U64(field) U8(field)
#define BYTES(field, length) SAME(memcmp(a->field, b->field, length) == 0)
#define BLOB(field, max) SAME(span_equal(a->field, b->field))
#define TEXT(field, max) SAME(strcmp(a->field, b->field) == 0)
#define LIST(field, record, max)                                                                   \
    U8(field##_count)                                                                              \
    for (uint32_t i = 0; i < a->field##_count; i++)                                                \
    SAME(same_##record(&a->field[i], &b->field[i]))
#define END(name)                                                                                  \
    return true;                                                                                   \
    }
#include "proto/all.def"
#include "wire/undefine.h"

/* One test a message: `check_<name>` with a random message, and decode to try bytes. */
static void check_prefixes(size_t length, bool (*decode)(struct span bytes, struct error *error))
{
    struct error error;
    /* Each prefix in memory of its own, so that a sanitizer sees a read behind its end. */
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1);
        assert_non_null(copy);
        memcpy(copy, encoded, cut);
        error.text[0] = '\0';
        assert_false(decode(span_of(copy, cut), &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_true(error.text[0] != '\0');
        free(copy);
    }
}

static void check_spoiled(size_t length, bool (*decode)(struct span bytes, struct error *error))
{
    struct error error;
    for (unsigned byte = 0; byte < 256; byte++) {
        encoded[length] = (uint8_t)byte;
        assert_false(decode(span_of(encoded, length + 1), &error));
        assert_non_null(strstr(error.text, "1 bytes too many"));
    }
    for (size_t at = 0; at < WIRE_HEADER_BYTES; at++) {
        for (unsigned by = 1; by < 256; by++) {
            encoded[at] = (uint8_t)(encoded[at] ^ by);
            assert_false(decode(span_of(encoded, length), &error));
            assert_non_null(strstr(error.text, at < 2    ? "not a message of this pool"
                                               : at == 2 ? " message came where a "
                                                         : "run the same release everywhere"));
            encoded[at] = (uint8_t)(encoded[at] ^ by);
        }
    }
}

#define MESSAGE(name, type, version)                                                               \
    static bool decode_##name(struct span bytes, struct error *error)                              \
    {                                                                                              \
        static struct wire_##name message;                                                         \
        struct arena arena = arena_over(read_memory, sizeof read_memory);                          \
        return wire_decode_##name(bytes, &arena, &message, error);                                 \
    }                                                                                              \
    static void check_##name(void)                                                                 \
    {                                                                                              \
        static struct wire_##name sent;                                                            \
        static struct wire_##name read;                                                            \
        struct error error;                                                                        \
        fill_arena = arena_over(fill_memory, sizeof fill_memory);                                  \
        fill_##name(&sent);                                                                        \
        size_t length = wire_encode_##name(&sent, NULL, 0);                                        \
        assert_in_range(length, WIRE_HEADER_BYTES, sizeof encoded - 1);                            \
        assert_int_equal(wire_encode_##name(&sent, encoded, length - 1), 0);                       \
        assert_int_equal(wire_encode_##name(&sent, encoded, length), length);                      \
        struct arena arena = arena_over(read_memory, sizeof read_memory);                          \
        assert_true(wire_decode_##name(span_of(encoded, length), &arena, &read, &error));          \
        assert_true(same_##name(&sent, &read));                                                    \
        if (arena.used_bytes > 0) {                                                                \
            arena = arena_over(read_memory, arena.used_bytes - 1);                                 \
            assert_false(wire_decode_##name(span_of(encoded, length), &arena, &read, &error));     \
        }                                                                                          \
        check_prefixes(length, decode_##name);                                                     \
        check_spoiled(length, decode_##name);                                                      \
    }
#include "wire/ignore_fields.h"
#include "proto/all.def"

static void
every_message_reads_back_as_written_and_nothing_shorter_longer_or_foreign_does(void **state)
{
    (void)state;
    const char *given = getenv("ADIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    printf("ADIT_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < ROUNDS; round++) {
#undef MESSAGE
#define MESSAGE(name, type, version) check_##name();
#include "proto/all.def"
    }
}

static void type_numbers_are_given_once_and_published_ones_are_below_16(void **state)
{
    (void)state;
    bool used[256] = { false };
#undef MESSAGE
#define MESSAGE(name, type, version)                                                               \
    assert_in_range(type, 1, 127);                                                                 \
    assert_false(used[type]);                                                                      \
    used[type] = true;                                                                             \
    assert_string_equal(wire_type_name(type), #name);
#include "proto/all.def"
#include "wire/undefine.h"
    assert_string_equal(wire_type_name((enum wire_type)0), "unknown");
    assert_string_equal(wire_type_name((enum wire_type)255), "unknown");
}

static void a_field_beyond_its_bound_is_neither_written_nor_read(void **state)
{
    (void)state;
    struct error error;
    char text[600];
    memset(text, 'x', sizeof text);
    text[513] = '\0';
    struct wire_ack ack = { .ok = 1, .text = text };
    assert_int_equal(wire_encode_ack(&ack, encoded, sizeof encoded), 0);
    text[512] = '\0';
    size_t length = wire_encode_ack(&ack, encoded, sizeof encoded);
    assert_int_equal(length, WIRE_HEADER_BYTES + 1 + 2 + 512);
    store_le16(encoded + WIRE_HEADER_BYTES + 1, 513);
    encoded[length] = 'x';
    assert_false(decode_ack(span_of(encoded, length + 1), &error));
    store_le16(encoded + WIRE_HEADER_BYTES + 1, 512);
    encoded[20] = '\0'; /* a NUL inside */
    assert_false(decode_ack(span_of(encoded, length), &error));

    static struct wire_share shares[1025];
    struct wire_share_batch batch = { .shares = shares, .shares_count = 1025 };
    assert_int_equal(wire_encode_share_batch(&batch, encoded, sizeof encoded), 0);
    batch.shares_count = 1024;
    length = wire_encode_share_batch(&batch, encoded, sizeof encoded);
    assert_true(length > 0);
    assert_true(decode_share_batch(span_of(encoded, length), &error));
    /* A count that lies about what follows. */
    store_le32(encoded + WIRE_HEADER_BYTES + 24, UINT32_MAX);
    assert_false(decode_share_batch(span_of(encoded, length), &error));
    store_le32(encoded + WIRE_HEADER_BYTES + 24, 1025);
    assert_false(decode_share_batch(span_of(encoded, length), &error));

    struct wire_job job = { .coinbase1 = { encoded, 1025 } };
    assert_int_equal(wire_encode_job(&job, NULL, 0), 0);
}

static void a_missing_text_is_written_as_an_empty_one(void **state)
{
    (void)state;
    struct wire_ack ack = { .ok = 1, .text = NULL };
    struct wire_ack read;
    struct error error;
    struct arena arena = arena_over(read_memory, sizeof read_memory);
    size_t length = wire_encode_ack(&ack, encoded, sizeof encoded);
    assert_true(wire_decode_ack(span_of(encoded, length), &arena, &read, &error));
    assert_string_equal(read.text, "");
}

static void example_path(const char *name, char *path_r, size_t bytes)
{
    const char *source = getenv("ADIT_SOURCE");
    snprintf(path_r, bytes, "%s/proto/examples/%s.hex", source != NULL ? source : ".", name);
}

static void write_example(const char *path, struct span bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < bytes.length; i++)
        fprintf(file, "%02x%s", bytes.data[i], i + 1 == bytes.length || i % 32 == 31 ? "\n" : "");
    fclose(file);
}

/* Hex digits with line breaks between; the length, at most `capacity`. */
static size_t read_example(const char *path, uint8_t *bytes_r, size_t capacity)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is missing: run this test once with ADIT_WRITE_EXAMPLES=1", path);
    size_t length = 0;
    char pair[2];
    while (length < capacity && fscanf(file, " %1c %1c", &pair[0], &pair[1]) == 2)
        assert_true(hex_decode(pair, 2, &bytes_r[length++], 1));
    assert_true(feof(file));
    fclose(file);
    return length;
}

static void check_example(void *context, const char *name, enum wire_type type, struct span example)
{
    static uint8_t kept[8192];
    char path[4096];
    unsigned *count = context;
    enum wire_type found;
    struct error error;
    ++*count;
    example_path(name, path, sizeof path);
    if (getenv("ADIT_WRITE_EXAMPLES") != NULL)
        write_example(path, example);
    size_t length = read_example(path, kept, sizeof kept);
    if (!span_equal(example, span_of(kept, length)))
        fail_msg(
            "%s is encoded otherwise than proto/examples/%s.hex says: a changed encoding needs "
            "a new version",
            name, name);
    assert_true(wire_peek(example, &found, &error));
    assert_int_equal(found, type);
}

static void the_examples_are_still_encoded_as_they_were(void **state)
{
    (void)state;
    unsigned count = 0;
    wire_examples_visit(check_example, &count);
    assert_true(count > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            every_message_reads_back_as_written_and_nothing_shorter_longer_or_foreign_does),
        cmocka_unit_test(type_numbers_are_given_once_and_published_ones_are_below_16),
        cmocka_unit_test(a_field_beyond_its_bound_is_neither_written_nor_read),
        cmocka_unit_test(a_missing_text_is_written_as_an_empty_one),
        cmocka_unit_test(the_examples_are_still_encoded_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
