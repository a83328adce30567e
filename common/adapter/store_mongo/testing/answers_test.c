/* What the adapter makes of answers that only a MongoDB in trouble gives. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_mongo/store_mongo.h"
#include "adapter/store_mongo/testing/scripted.h"

#include <stdatomic.h>
#include <stdio.h>

#ifdef __SANITIZE_THREAD__
/* Debian's driver is built without the sanitizer: see mongo_test.c. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libmongoc-1.0.so\nrace:libbson-1.0.so\n";
}
#endif

static const struct store_field fields[] = { { "number", STORE_INT, false } };
static const struct store_collection things = { "things", fields, 1 };

/* The script: what writes are answered (as JSON; "" hangs up), one after the other, the last again
 * and again; and what a read finds. */
struct script {
    const char *writes[4];
    atomic_int written;
    int64_t marks[16]; /* of the replaces that came last */
    /* of the records "0", "1", …: versions read back, and whose mark they carry: 1 ours */
    uint64_t versions[16];
    bool ours[16];
    size_t records;
    bool reads_fail;
};

static void note_marks(struct script *script, const bson_t *list)
{
    bson_iter_t at, mark;
    size_t count = 0;
    if (!bson_iter_init(&at, list))
        return;
    while (bson_iter_next(&at) && count < 16) {
        bson_iter_t inside;
        if (bson_iter_recurse(&at, &inside) &&
            bson_iter_find_descendant(&inside, "u.$set.w", &mark))
            script->marks[count++] = bson_iter_int64(&mark);
    }
}

static void fill_batch(const struct script *script, bson_t *reply)
{
    bson_t cursor, batch, one;
    BSON_APPEND_DOCUMENT_BEGIN(reply, "cursor", &cursor);
    BSON_APPEND_ARRAY_BEGIN(&cursor, "firstBatch", &batch);
    uint32_t count = 0;
    for (size_t i = 0; i < script->records; i++) {
        char key[16], id[24];
        const char *name;
        if (script->versions[i] == 0)
            continue;
        bson_uint32_to_string(count++, &name, key, sizeof key);
        snprintf(id, sizeof id, "%zu", i);
        BSON_APPEND_DOCUMENT_BEGIN(&batch, name, &one);
        BSON_APPEND_UTF8(&one, "_id", id);
        BSON_APPEND_INT64(&one, "v", (int64_t)script->versions[i]);
        BSON_APPEND_INT64(&one, "w", script->ours[i] ? script->marks[i] : 12345);
        bson_append_document_end(&batch, &one);
    }
    bson_append_array_end(&cursor, &batch);
    BSON_APPEND_INT64(&cursor, "id", 0);
    BSON_APPEND_UTF8(&cursor, "ns", "x.things");
    bson_append_document_end(reply, &cursor);
    BSON_APPEND_DOUBLE(reply, "ok", 1);
}

static bool answer(void *context, const char *command, const bson_t *request, const bson_t *list,
                   bson_t *reply)
{
    struct script *script = context;
    (void)request;
    if (strcmp(command, "find") == 0) {
        if (script->reads_fail)
            return false;
        fill_batch(script, reply);
        return true;
    }
    note_marks(script, list);
    int turn = atomic_fetch_add(&script->written, 1);
    while (turn > 0 && (turn >= 4 || script->writes[turn] == NULL))
        turn--;
    const char *text = script->writes[turn];
    if (text[0] == '\0')
        return false;
    bson_error_t failure;
    bson_t *parsed = bson_new_from_json((const uint8_t *)text, -1, &failure);
    if (parsed == NULL)
        return false;
    bson_concat(reply, parsed);
    bson_destroy(parsed);
    return true;
}

/* Applies `count` writes of one verb, of version 5, to the records "0", "1", … under the script. */
static enum store_outcome apply(struct script *script, enum store_verb verb,
                                struct store_write *writes, size_t count, struct error *error)
{
    static char ids[16][24];
    char url[128];
    struct scripted *server = scripted_start(answer, script, url);
    struct store *store = store_mongo_open(url, 2000, error);
    assert_non_null(store);
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%zu", i);
        writes[i] = (struct store_write){ verb, &things, { .id = ids[i], .version = 5 }, 0 };
    }
    enum store_outcome outcome = store_apply(store, writes, count, error);
    store_close(store);
    scripted_stop(server);
    return outcome;
}

static void a_write_concern_time_out_is_unknown_for_every_write(void **state)
{
    (void)state;
    struct script script = {
        .writes = { "{\"n\":3,\"ok\":1,\"writeErrors\":[{\"index\":1,\"code\":11000,\"errmsg\":"
                    "\"E11000\"}],\"writeConcernError\":{\"code\":64,\"errmsg\":\"waiting for "
                    "replication timed out\",\"errInfo\":{\"wtimeout\":true}}}" }
    };
    struct store_write writes[4];
    struct error error = { 0 };
    assert_int_equal(apply(&script, STORE_INSERT, writes, 4, &error), STORE_UNKNOWN);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(writes[i].outcome, STORE_UNKNOWN);
    assert_true(error.text[0] != '\0');
}

static void each_write_error_is_its_writes_own(void **state)
{
    (void)state;
    struct script script = { .writes = {
                                 "{\"n\":2,\"ok\":1,\"writeErrors\":["
                                 "{\"index\":1,\"code\":11000,\"errmsg\":\"E11000\"},"
                                 "{\"index\":3,\"code\":121,\"errmsg\":\"validation\"},"
                                 "{\"index\":4,\"code\":11602,\"errmsg\":\"interrupted\"}]}" } };
    struct store_write writes[5];
    struct error error = { 0 };
    assert_int_equal(apply(&script, STORE_INSERT, writes, 5, &error), STORE_FAILED);
    static const enum store_outcome expected[] = { STORE_DONE, STORE_EXISTS, STORE_DONE,
                                                   STORE_FAILED, STORE_UNKNOWN };
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(writes[i].outcome, expected[i]);
    assert_true(error.text[0] != '\0');
}

/* The whole command was refused, or met a server that steps down: the driver tries once more. */
static void a_refused_command_failed_and_one_met_by_an_election_is_unknown(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        enum store_outcome outcome;
    } cases[] = {
        { "{\"ok\":0,\"code\":13,\"errmsg\":\"not authorized\"}", NULL, STORE_FAILED },
        { "{\"ok\":0,\"code\":189,\"errmsg\":\"PrimarySteppedDown\",\"errorLabels\":["
          "\"RetryableWriteError\"]}",
          NULL, STORE_UNKNOWN },
        { "{\"ok\":0,\"code\":10107,\"errmsg\":\"NotWritablePrimary\",\"errorLabels\":["
          "\"RetryableWriteError\"]}",
          "{\"ok\":1,\"n\":1}", STORE_DONE },
        { "{\"ok\":0,\"code\":1,\"errmsg\":\"InternalError\"}", NULL, STORE_UNKNOWN },
        { "", NULL, STORE_UNKNOWN },
        { "", "{\"ok\":1,\"n\":1}", STORE_DONE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script script = { .writes = { cases[i].first, cases[i].second } };
        struct store_write writes[1];
        struct error error = { 0 };
        enum store_outcome outcome = apply(&script, STORE_INSERT, writes, 1, &error);
        if (outcome != cases[i].outcome)
            fail_msg("case %zu: %d, %s", i, outcome, error.text);
        assert_int_equal(writes[0].outcome, cases[i].outcome);
    }
}

static void a_single_replace_that_matched_nothing_is_a_conflict(void **state)
{
    (void)state;
    struct script script = { .writes = { "{\"ok\":1,\"n\":0,\"nModified\":0}" } };
    struct store_write writes[1];
    struct error error = { 0 };
    assert_int_equal(apply(&script, STORE_REPLACE, writes, 1, &error), STORE_CONFLICT);
    script = (struct script){ .writes = { "{\"ok\":1,\"n\":0}" } };
    assert_int_equal(apply(&script, STORE_DELETE, writes, 1, &error), STORE_CONFLICT);
}

static void replaces_of_a_bulk_are_told_apart_by_their_marks(void **state)
{
    (void)state;
    struct script script = {
        .writes = { "{\"ok\":1,\"n\":3,\"nModified\":3}" },
        /* version 5 was read: won by us, by a rival, another life, went on, gone, another life */
        .versions = { 6, 6, 5, 7, 0, 2 },
        .ours = { true, false, false, false, false, false },
        .records = 6,
    };
    struct store_write writes[6];
    struct error error = { 0 };
    assert_int_equal(apply(&script, STORE_REPLACE, writes, 6, &error), STORE_UNKNOWN);
    static const enum store_outcome expected[] = { STORE_DONE,    STORE_CONFLICT, STORE_UNKNOWN,
                                                   STORE_UNKNOWN, STORE_UNKNOWN,  STORE_UNKNOWN };
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(writes[i].outcome, expected[i]);
    assert_true(error.text[0] != '\0');
}

static void a_bulk_that_cannot_be_read_back_is_unknown(void **state)
{
    (void)state;
    struct script script = { .writes = { "{\"ok\":1,\"n\":5,\"nModified\":5}" },
                             .reads_fail = true };
    struct store_write writes[6];
    struct error error = { 0 };
    assert_int_equal(apply(&script, STORE_REPLACE, writes, 6, &error), STORE_UNKNOWN);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(writes[i].outcome, STORE_UNKNOWN);
}

static void deletes_that_cannot_match_never_leave_in_a_bulk(void **state)
{
    (void)state;
    struct script script = {
        .writes = { "{\"ok\":1,\"n\":4}" },
        .versions = { 5, 5, 4, 5, 0, 5 },
        .records = 6,
    };
    struct store_write writes[6];
    struct error error = { 0 };
    assert_int_equal(apply(&script, STORE_DELETE, writes, 6, &error), STORE_CONFLICT);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(writes[i].outcome, i == 2 || i == 4 ? STORE_CONFLICT : STORE_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_concern_time_out_is_unknown_for_every_write),
        cmocka_unit_test(each_write_error_is_its_writes_own),
        cmocka_unit_test(a_refused_command_failed_and_one_met_by_an_election_is_unknown),
        cmocka_unit_test(a_single_replace_that_matched_nothing_is_a_conflict),
        cmocka_unit_test(replaces_of_a_bulk_are_told_apart_by_their_marks),
        cmocka_unit_test(a_bulk_that_cannot_be_read_back_is_unknown),
        cmocka_unit_test(deletes_that_cannot_match_never_leave_in_a_bulk),
    };
    return cmocka_run_group_tests_name("store_mongo and a server in trouble", tests, NULL, NULL);
}
