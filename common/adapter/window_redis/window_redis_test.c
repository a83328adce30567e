/* Addresses and packed bytes, without a server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/window_redis/address.h"
#include "adapter/window_redis/packed.h"
#include "base/test_random.h"

#include <unistd.h>

static void an_address_is_taken_apart(void **state)
{
    (void)state;
    struct redis_address address;
    struct error error;
    assert_true(redis_address_parse("unix:/run/redis.sock", NULL, &address, &error));
    assert_string_equal(address.unix_path, "/run/redis.sock");
    assert_true(redis_address_parse("unix:///run/redis.sock", NULL, &address, &error));
    assert_string_equal(address.unix_path, "/run/redis.sock");
    assert_true(redis_address_parse("tcp://window:7000", NULL, &address, &error));
    assert_string_equal(address.host, "window");
    assert_int_equal(address.port, 7000);
    assert_string_equal(address.password, "");
    assert_true(redis_address_parse("tcp://:a:b@c@[::1]", "", &address, &error));
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 6379);
    assert_string_equal(address.password, "a:b@c");
    assert_null(strstr(address.name, "a:b"));
}

static void a_broken_address_is_refused_without_repeating_it(void **state)
{
    (void)state;
    static const char *const broken[] = { "",
                                          "redis",
                                          "unix:",
                                          "tcp://",
                                          "tcp://h:",
                                          "tcp://h:0",
                                          "tcp://h:65536",
                                          "tcp://h:12x",
                                          "tcp://user:secret@h",
                                          "tcp://[::1",
                                          "tcp://[::1]secret",
                                          "http://h:1" };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct redis_address address;
        struct error error;
        assert_false(redis_address_parse(broken[i], NULL, &address, &error));
        assert_null(strstr(error.text, "secret"));
    }
}

static void a_password_file_is_read_without_its_newline(void **state)
{
    (void)state;
    char path[] = "/tmp/adit-password-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "s3cret word\n", 12) == 12);
    close(fd);
    struct redis_address address;
    struct error error;
    char password[ADDRESS_TEXT_BYTES_MAX];
    assert_true(redis_address_parse("tcp://:other@h", path, &address, &error));
    assert_true(redis_address_password(&address, password, &error));
    assert_string_equal(password, "s3cret word");
    unlink(path);
    assert_false(redis_address_password(&address, password, &error));
}

static struct packed_batch read_back;

static void a_batch_reads_back_as_it_was_packed(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("packed");
    static struct window_share shares[WINDOW_BATCH_SHARES_MAX];
    static uint8_t bytes[PACKED_BATCH_BYTES_MAX];
    for (unsigned round = 0; round < 200; round++) {
        test_random_bytes(&random, shares, sizeof shares);
        struct window_batch batch = {
            .lease_id = test_random_magnitude(&random),
            .sequence = test_random_magnitude(&random),
            .shares = shares,
            .share_count = 1 + (size_t)test_random_below(&random, WINDOW_BATCH_SHARES_MAX),
        };
        size_t length = packed_batch_write(&batch, bytes);
        struct error error;
        assert_true(packed_batch_read(span_of(bytes, length), &read_back, &error));
        assert_true(read_back.lease_id == batch.lease_id && read_back.sequence == batch.sequence);
        assert_int_equal(read_back.share_count, batch.share_count);
        assert_memory_equal(read_back.shares, shares, batch.share_count * sizeof shares[0]);
        size_t cut = (size_t)test_random_below(&random, length);
        assert_false(packed_batch_read(span_of(bytes, cut), &read_back, &error));
        bytes[0] = 2;
        assert_false(packed_batch_read(span_of(bytes, length), &read_back, &error));
    }
}

static void the_packed_bytes_are_these(void **state)
{
    (void)state;
    const struct window_share share = {
        .account = 1, .worker = 2, .work = 3, .job_id = 4, .time_ms = 0x0102030405060708
    };
    const struct window_batch batch = {
        .lease_id = 5, .sequence = 6, .shares = &share, .share_count = 1
    };
    uint8_t bytes[PACKED_BATCH_HEADER_BYTES + WINDOW_SHARE_BYTES];
    char text[2 * sizeof bytes + 1];
    assert_int_equal(packed_batch_write(&batch, bytes), sizeof bytes);
    hex_encode(span_of(bytes, sizeof bytes), text);
    assert_string_equal(text, "01"
                              "0000000000000005"
                              "0000000000000006"
                              "00000000"
                              "0000000000000001"
                              "0000000000000002"
                              "0000000000000003"
                              "0000000000000004"
                              "0102030405060708");
}

static void ids_are_two_64_bit_decimals(void **state)
{
    (void)state;
    struct error error;
    struct window_position position;
    assert_true(
        packed_id_read(span_text("18446744073709551615-18446744073709551615"), &position, &error));
    assert_true(position.high == UINT64_MAX && position.low == UINT64_MAX && position.index == 0);
    char text[PACKED_ID_BYTES];
    packed_id_write(&position, text);
    assert_string_equal(text, "18446744073709551615-18446744073709551615");
    static const char *const broken[] = { "1",     "-",    "1-",  "-1",
                                          "1-2-3", "1-2 ", "a-b", "18446744073709551616-0",
                                          "1.5-2" };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_false(packed_id_read(span_text(broken[i]), &position, &error));
}

static void damaged_records_are_refused(void **state)
{
    (void)state;
    struct error error;
    struct window_position position;
    struct span verdicts;
    struct window_found found;
    static const uint8_t record[] = "\0\0\0\0\0\0\0\7\1\003"
                                    "1-2vv";
    assert_true(packed_record_read(span_of(record, 15), &position, &verdicts, &error));
    assert_true(position.high == 1 && position.low == 2 && verdicts.length == 2);
    for (size_t cut = 0; cut < 13; cut++)
        assert_false(packed_record_read(span_of(record, cut), &position, &verdicts, &error));
    static const uint8_t candidate[] = "\1c\0\0\0\5\003"
                                       "1-2r";
    uint8_t hash[32] = { 1 };
    assert_true(packed_candidate_read(span_of(hash, 32), span_of(candidate, 11), &found, &error));
    assert_true(found.credited && found.end.index == 5 && found.record.length == 1);
    for (size_t cut = 0; cut < 10; cut++)
        assert_false(
            packed_candidate_read(span_of(hash, 32), span_of(candidate, cut), &found, &error));
    assert_false(packed_candidate_read(span_of(hash, 31), span_of(candidate, 11), &found, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_apart),
        cmocka_unit_test(a_broken_address_is_refused_without_repeating_it),
        cmocka_unit_test(a_password_file_is_read_without_its_newline),
        cmocka_unit_test(a_batch_reads_back_as_it_was_packed),
        cmocka_unit_test(the_packed_bytes_are_these),
        cmocka_unit_test(ids_are_two_64_bit_decimals),
        cmocka_unit_test(damaged_records_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
