#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_mongo/inside.h"
#include "adapter/store_mongo/store_mongo.h"

static void only_what_surely_was_not_done_is_called_failed(void **state)
{
    (void)state;
    static const struct {
        uint32_t domain, code;
        enum store_outcome outcome;
    } cases[] = {
        { MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE, STORE_FAILED },
        { MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, STORE_FAILED },
        { MONGOC_ERROR_SERVER, 13, STORE_FAILED }, /* Unauthorized */
        { MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, STORE_UNKNOWN },
        { MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, STORE_UNKNOWN },
        { MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY, STORE_UNKNOWN },
        { MONGOC_ERROR_WRITE_CONCERN, 64, STORE_UNKNOWN },
        { MONGOC_ERROR_SERVER, 1, STORE_UNKNOWN },     /* InternalError */
        { MONGOC_ERROR_SERVER, 50, STORE_UNKNOWN },    /* MaxTimeMSExpired */
        { MONGOC_ERROR_SERVER, 91, STORE_UNKNOWN },    /* ShutdownInProgress */
        { MONGOC_ERROR_SERVER, 189, STORE_UNKNOWN },   /* PrimarySteppedDown */
        { MONGOC_ERROR_SERVER, 10107, STORE_UNKNOWN }, /* NotWritablePrimary */
        { MONGOC_ERROR_SERVER, 11600, STORE_UNKNOWN }, /* InterruptedAtShutdown */
        { MONGOC_ERROR_SERVER, 11602, STORE_UNKNOWN }, /* InterruptedDueToReplStateChange */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_error_t failure = { .domain = cases[i].domain, .code = cases[i].code };
        assert_int_equal(mongo_classify(&failure), cases[i].outcome);
    }
}

static void a_write_the_server_refused_failed_and_an_interrupted_one_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(mongo_classify_write(STORE_INSERT, 11000), STORE_EXISTS);
    assert_int_equal(mongo_classify_write(STORE_REPLACE, 11000), STORE_FAILED);
    assert_int_equal(mongo_classify_write(STORE_INSERT, 121), STORE_FAILED);
    static const int32_t unknown[] = { 6, 7, 89, 91, 189, 9001, 10107, 11600, 11602, 13435, 13436 };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(mongo_classify_write(STORE_REPLACE, unknown[i]), STORE_UNKNOWN);
}

static void a_url_gets_bounded_waits_and_majority(void **state)
{
    (void)state;
    struct error error;
    mongoc_uri_t *uri = mongo_uri("mongodb://127.0.0.1:1/x", 4000, &error);
    assert_non_null(uri);
    assert_int_equal(mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 0),
                     2000);
    assert_int_equal(mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 0), 4000);
    const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(uri);
    assert_true(mongoc_write_concern_get_wmajority(concern));
    assert_true(mongoc_write_concern_get_journal(concern));
    assert_int_equal(mongoc_write_concern_get_wtimeout(concern), 3000);
    mongoc_uri_destroy(uri);
    uri = mongo_uri("mongodb://h/?w=majority&journal=true&socketTimeoutMS=77&wtimeoutMS=5", 4000,
                    &error);
    assert_non_null(uri);
    assert_int_equal(mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 0), 77);
    assert_int_equal(mongoc_write_concern_get_wtimeout(mongoc_uri_get_write_concern(uri)), 5);
    mongoc_uri_destroy(uri);
}

static void a_url_that_would_lose_writes_is_refused_without_its_password(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "mongodb://u:hunter2@h/?w=1",
        "mongodb://u:hunter2@h/?w=0",
        "mongodb://u:hunter2@h/?w=majority&journal=false",
        "mongodb://u:hunter2@h/?readPreference=secondaryPreferred",
        "mongodb://u:hunter2@h:port/",
        "http://u:hunter2@h/",
        "",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct error error = { 0 };
        assert_null(store_mongo_open(urls[i], 100, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_null(strstr(error.text, "hunter2"));
    }
}

static void a_server_that_is_not_there_fails_in_time(void **state)
{
    (void)state;
    static const struct store_field fields[] = { { "number", STORE_INT, true } };
    static const struct store_collection things = { "things", fields, 1 };
    struct error error = { 0 };
    struct store *store = store_mongo_open("mongodb://u:hunter2@127.0.0.1:1/", 300, &error);
    assert_non_null(store);
    assert_false(store_ping(store, &error));
    assert_null(strstr(error.text, "hunter2"));
    const struct store_collection *const all[] = { &things };
    assert_false(store_declare(store, all, 1, &error));
    struct store_write writes[8];
    for (size_t i = 0; i < 8; i++)
        writes[i] = (struct store_write){
            i < 4 ? STORE_REPLACE : STORE_INSERT, &things, { .id = &"abcdefgh"[i], .version = 1 }, 0
        };
    assert_int_equal(store_apply(store, writes, 8, &error), STORE_FAILED);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(writes[i].outcome, STORE_FAILED);
    uint8_t memory[64];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    assert_int_equal(store_get(store, &things, "a", &arena, &record, &error), STORE_FAILED);
    store_close(store);
}

static void a_record_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const struct store_field fields[] = { { "n", STORE_INT, true },
                                                 { "t", STORE_TEXT, true },
                                                 { "b", STORE_BYTES, false },
                                                 { "added", STORE_TEXT, false } };
    static const struct store_collection old = { "things", fields, 3 };
    static const struct store_collection new = { "things", fields, 4 };
    struct store_record record = { 0 }, back;
    record.values[0] = store_int(INT64_MIN);
    record.values[1] = store_text("größer");
    record.values[2] = store_bytes(span_of("\0\1\2", 3));
    bson_t document = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&document, "_id", "x");
    BSON_APPEND_INT64(&document, "v", 7);
    mongo_append_fields(&document, &old, &record);
    struct error error;
    assert_true(mongo_read(&document, &new, &back, &error));
    assert_string_equal(back.id, "x");
    assert_int_equal(back.version, 7);
    assert_int_equal(back.values[0].integer, INT64_MIN);
    assert_true(span_equal(back.values[1].bytes, record.values[1].bytes));
    assert_true(span_equal(back.values[2].bytes, record.values[2].bytes));
    assert_int_equal(back.values[3].bytes.length, 0);
    bson_destroy(&document);
    static const struct store_field swapped[] = { { "t", STORE_INT, true } };
    static const struct store_collection wrong = { "things", swapped, 1 };
    bson_t other = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&other, "_id", "x");
    BSON_APPEND_INT64(&other, "v", 7);
    BSON_APPEND_UTF8(&other, "t", "text");
    assert_false(mongo_read(&other, &wrong, &back, &error));
    bson_destroy(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_surely_was_not_done_is_called_failed),
        cmocka_unit_test(a_write_the_server_refused_failed_and_an_interrupted_one_is_unknown),
        cmocka_unit_test(a_url_gets_bounded_waits_and_majority),
        cmocka_unit_test(a_url_that_would_lose_writes_is_refused_without_its_password),
        cmocka_unit_test(a_server_that_is_not_there_fails_in_time),
        cmocka_unit_test(a_record_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests_name("store_mongo without a server", tests, NULL, NULL);
}
