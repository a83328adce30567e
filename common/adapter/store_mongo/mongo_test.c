#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_mongo/store_mongo.h"
#include "port/suite/store/suite.h"
#include "tests/ferretdb/server.h"

#include <mongoc/mongoc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#ifdef __SANITIZE_THREAD__
/* Debian's driver is built without the sanitizer, which therefore does not see how the driver's own
 * threads and clients synchronise. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libmongoc-1.0.so\nrace:libbson-1.0.so\n";
}
#endif

enum { PATIENCE_S = 60 };

static struct mongo_server server;

static struct store *open_store(const char *url, struct error *error)
{
    return store_mongo_open(url, 60000, error);
}

static const struct store_field fields[] = { { "number", STORE_INT, false } };
static const struct store_collection things = { "things", fields, 1 };

static enum store_outcome insert(struct store *store, const char *id, struct error *error)
{
    struct store_write write = { STORE_INSERT, &things, { .id = id }, 0 };
    (void)!store_apply(store, &write, 1, error);
    return write.outcome;
}

/* A handle whose calls take so long at the most; what is made once is made with patience. */
static struct store *open_things(unsigned timeout_ms)
{
    const struct store_collection *const all[] = { &things };
    struct error error = { 0 };
    struct store *patient = open_store(server.url, &error);
    if (patient == NULL || !store_declare(patient, all, 1, &error))
        fail_msg("%s", error.text);
    store_close(patient);
    struct store *store = NULL;
    for (time_t end_s = time(NULL) + PATIENCE_S; store == NULL;) {
        store = store_mongo_open(server.url, timeout_ms, &error);
        if (store != NULL && !store_declare(store, all, 1, &error)) {
            store_close(store);
            store = NULL;
        }
        if (time(NULL) > end_s)
            fail_msg("%s", error.text);
    }
    return store;
}

static bool is_known(enum store_outcome outcome)
{
    return outcome == STORE_DONE || outcome == STORE_EXISTS;
}

/* Inserts until the server has said what it has: a busy one may take longer than the handle's time
 * for a call. */
static enum store_outcome insert_in_the_end(struct store *store, const char *id)
{
    struct error error = { 0 };
    enum store_outcome outcome = STORE_FAILED;
    for (time_t end_s = time(NULL) + PATIENCE_S; !is_known(outcome);) {
        if (time(NULL) > end_s)
            fail_msg("%s", error.text);
        outcome = insert(store, id, &error);
    }
    return outcome;
}

/* It does nothing more when this returns. */
static void halt_server(void)
{
    int status;
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(server.pid, &status, WUNTRACED), server.pid);
}

/* A server that takes the request and does not answer may have carried it out. */
static void a_write_without_an_answer_is_unknown_and_can_be_repeated(void **state)
{
    (void)state;
    if (server.pid == 0)
        skip();
    struct store *store = open_things(500);
    struct error error = { 0 };
    (void)insert_in_the_end(store, "before");
    halt_server();
    enum store_outcome outcome = insert(store, "halted", &error);
    kill(server.pid, SIGCONT);
    assert_int_equal(outcome, STORE_UNKNOWN);
    assert_true(error.text[0] != '\0');
    (void)insert_in_the_end(store, "halted");
    assert_int_equal(insert_in_the_end(store, "halted"), STORE_EXISTS);
    store_close(store);
}

static void a_server_that_comes_back_serves_the_same_handle(void **state)
{
    (void)state;
    if (server.pid == 0)
        skip();
    struct store *store = open_things(1000);
    struct error error = { 0 };
    (void)insert_in_the_end(store, "kept");
    mongo_server_kill(&server);
    enum store_outcome outcome = insert(store, "away", &error);
    assert_true(outcome == STORE_FAILED || outcome == STORE_UNKNOWN);
    assert_int_equal(insert(store, "away", &error), STORE_FAILED);
    assert_true(mongo_server_restart(&server, &error));
    assert_int_equal(insert_in_the_end(store, "kept"), STORE_EXISTS);
    (void)insert_in_the_end(store, "away");
    assert_int_equal(insert_in_the_end(store, "away"), STORE_EXISTS);
    store_close(store);
}

static void drop_database(void)
{
    bson_error_t failure;
    mongoc_uri_t *uri = mongoc_uri_new(server.url);
    mongoc_client_t *client = mongoc_client_new_from_uri(uri);
    mongoc_database_t *database = mongoc_client_get_database(client, mongoc_uri_get_database(uri));
    if (!mongoc_database_drop(database, &failure))
        fprintf(stderr, "cannot drop the test's database: %s\n", failure.message);
    mongoc_database_destroy(database);
    mongoc_client_destroy(client);
    mongoc_uri_destroy(uri);
}

int main(int argc, char **argv)
{
    struct store_suite suite = { "store_mongo", open_store, server.url };
    if (argc == 3)
        return store_suite_main(argc, argv, &suite);
    struct error error;
    if (!mongo_server_start(&server, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    if (server.pid != 0 && !server.real)
        setenv("ADIT_STORE_MANY", "5000", 0); /* FerretDB replaces some hundreds a second */
    printf("tested against %s\n", server.pid == 0 ? "ADIT_TEST_MONGO_URL" : server.program);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_without_an_answer_is_unknown_and_can_be_repeated),
        cmocka_unit_test(a_server_that_comes_back_serves_the_same_handle),
    };
    int failed = cmocka_run_group_tests_name("store_mongo and its server", tests, NULL, NULL);
    failed += store_suite_main(argc, argv, &suite);
    if (server.pid == 0)
        drop_database();
    mongo_server_stop(&server);
    return failed;
}
