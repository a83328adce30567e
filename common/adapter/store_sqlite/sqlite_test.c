#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_sqlite/store_sqlite.h"
#include "port/suite/store/suite.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char database[96];

static struct store *open_store(const char *url, struct error *error)
{
    return store_sqlite_open(url, 20000, error);
}

static const struct store_field fields[] = { { "number", STORE_INT, false } };
static const struct store_collection things = { "things", fields, 1 };
static const struct store_collection *const all[] = { &things };

static struct store *open_fresh(const char *name, char path_r[160])
{
    snprintf(path_r, 160, "%s/%s.db", folder, name);
    struct error error = { 0 };
    struct store *store = store_sqlite_open(path_r, 50, &error);
    if (store == NULL || !store_declare(store, all, 1, &error))
        fail_msg("%s", error.text);
    return store;
}

static void the_files_are_the_owners_alone(void **state)
{
    (void)state;
    char path[160];
    struct store *store = open_fresh("rights", path);
    struct store_write write = { STORE_INSERT, &things, { .id = "a" }, 0 };
    struct error error;
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    static const char *const endings[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < 3; i++) {
        char file[176];
        struct stat info;
        snprintf(file, sizeof file, "%s%s", path, endings[i]);
        assert_int_equal(stat(file, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    store_close(store);
}

static void a_store_that_cannot_be_opened_says_why(void **state)
{
    (void)state;
    struct error error = { 0 };
    assert_null(store_sqlite_open("/nonexistent/folder/x.db", 50, &error));
    assert_non_null(strstr(error.text, "/nonexistent/folder/x.db"));
    char path[160];
    snprintf(path, sizeof path, "%s/text.db", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        fputs("this is not a database, whatever its name may say\n", file);
    fclose(file);
    assert_null(store_sqlite_open(path, 50, &error));
    assert_non_null(strstr(error.text, "not a database"));
}

static void a_write_that_waits_too_long_for_another_fails(void **state)
{
    (void)state;
    char path[160];
    struct store *store = open_fresh("busy", path);
    sqlite3 *rival;
    assert_int_equal(sqlite3_open(path, &rival), SQLITE_OK);
    assert_int_equal(sqlite3_exec(rival, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct store_write write = { STORE_INSERT, &things, { .id = "a" }, 0 };
    struct error error = { 0 };
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_FAILED);
    assert_int_equal(error.code, ERROR_TIMEOUT);
    uint8_t memory[256];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    assert_int_equal(store_get(store, &things, "a", &arena, &record, &error), STORE_MISSING);
    assert_int_equal(sqlite3_exec(rival, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    sqlite3_close(rival);
    store_close(store);
}

static const struct store_field blobs[] = { { "blob", STORE_BYTES, false } };
static const struct store_collection big = { "big", blobs, 1 };

static struct store *open_big(const char *name)
{
    char path[160];
    struct store *store = open_fresh(name, path);
    const struct store_collection *const declared[] = { &big };
    struct error error = { 0 };
    assert_true(store_declare(store, declared, 1, &error));
    return store;
}

static void a_record_too_large_fails_alone(void **state)
{
    (void)state;
    struct store *store = open_big("large");
    uint8_t *large = calloc(1, 13 << 20);
    assert_non_null(large);
    struct store_write writes[2] = { { STORE_INSERT, &big, { .id = "large" }, 0 },
                                     { STORE_INSERT, &big, { .id = "small" }, 0 } };
    writes[0].record.values[0] = store_bytes(span_of(large, 13 << 20));
    struct error error = { 0 };
    assert_int_equal(store_apply(store, writes, 2, &error), STORE_FAILED);
    assert_int_equal(writes[0].outcome, STORE_FAILED);
    assert_int_equal(writes[1].outcome, STORE_DONE);
    free(large);
    store_close(store);
}

/* The disk's end is played by the limit of a file's size. */
static void on_a_full_disk_nothing_is_said_to_be_done(void **state)
{
    (void)state;
    struct store *store = open_big("full");
    uint8_t *large = calloc(1, 8 << 20);
    assert_non_null(large);
    struct store_write write = { STORE_INSERT, &big, { .id = "large" }, 0 };
    write.record.values[0] = store_bytes(span_of(large, 8 << 20));
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = { 2 << 20, before.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct error error = { 0 };
    enum store_outcome outcome = store_apply(store, &write, 1, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(outcome == STORE_FAILED || outcome == STORE_UNKNOWN);
    assert_true(error.text[0] != '\0');
    enum store_outcome again = store_apply(store, &write, 1, &error);
    assert_int_equal(again, STORE_DONE);
    assert_int_equal(write.outcome, STORE_DONE);
    free(large);
    store_close(store);
}

/* Else what is said to be durable would be gone with the handle. */
static void a_file_that_was_moved_away_is_not_written_to_until_it_is_back(void **state)
{
    (void)state;
    char path[160], aside[170];
    struct store *store = open_fresh("moved", path);
    struct store_write write = { STORE_INSERT, &things, { .id = "a" }, 0 };
    struct error error = { 0 };
    assert_true(store_ping(store, &error));
    snprintf(aside, sizeof aside, "%s.aside", path);
    assert_int_equal(rename(path, aside), 0);
    assert_false(store_ping(store, &error));
    assert_non_null(strstr(error.text, "moved or deleted"));
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_FAILED);
    /* another in its place is not the same */
    FILE *other = fopen(path, "w");
    assert_non_null(other);
    fclose(other);
    assert_false(store_ping(store, &error));
    assert_int_equal(rename(aside, path), 0);
    assert_true(store_ping(store, &error));
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    store_close(store);
}

static void one_that_cannot_be_written_to_answers_all_the_same(void **state)
{
    (void)state;
    char path[160];
    struct store *store = open_fresh("held", path);
    static const struct store_collection *const known[] = { &things };
    sqlite3 *rival;
    struct error error = { 0 };
    assert_true(store_writable(store, &error));
    assert_int_equal(sqlite3_open(path, &rival), SQLITE_OK);
    assert_int_equal(sqlite3_exec(rival, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(store_writable(store, &error));
    assert_int_equal(error.code, ERROR_TIMEOUT);
    assert_true(store_ping(store, &error));
    /* one that starts now finds what was declared */
    struct store *late = store_sqlite_open(path, 100, &error);
    assert_non_null(late);
    assert_true(store_declare(late, known, 1, &error));
    store_close(late);
    assert_int_equal(sqlite3_exec(rival, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_true(store_writable(store, &error));
    /* and holds no lock itself */
    assert_int_equal(sqlite3_exec(rival, "BEGIN IMMEDIATE; COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(rival);
    store_close(store);
}

int main(int argc, char **argv)
{
    struct store_suite suite = { "store_sqlite", open_store, database };
    if (argc == 3)
        return store_suite_main(argc, argv, &suite);
    snprintf(folder, sizeof folder, "/tmp/adit-sqlite-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(database, sizeof database, "%s/suite.db", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_are_the_owners_alone),
        cmocka_unit_test(a_store_that_cannot_be_opened_says_why),
        cmocka_unit_test(a_write_that_waits_too_long_for_another_fails),
        cmocka_unit_test(a_record_too_large_fails_alone),
        cmocka_unit_test(on_a_full_disk_nothing_is_said_to_be_done),
        cmocka_unit_test(a_file_that_was_moved_away_is_not_written_to_until_it_is_back),
        cmocka_unit_test(one_that_cannot_be_written_to_answers_all_the_same),
    };
    int failed = cmocka_run_group_tests_name("store_sqlite alone", tests, NULL, NULL);
    failed += store_suite_main(argc, argv, &suite);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return failed + (system(command) != 0);
}
