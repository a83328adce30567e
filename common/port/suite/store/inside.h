/* What the suite's files share. Not for others. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "port/suite/store/suite.h"

enum { NUMBER, NAME, BLOB, PLAIN, FIELDS };
#define SUITE_FIELDS                                                                               \
    [NUMBER] = { "number", STORE_INT, true }, [NAME] = { "name", STORE_TEXT, true },               \
    [BLOB] = { "blob", STORE_BYTES, false }, [PLAIN] = { "order", STORE_INT, false }
extern const struct store_field suite_fields[FIELDS];
/* A collection of a test's own, so that tests do not meet. */
#define SUITE_COLLECTION(variable, text)                                                           \
    static const struct store_collection variable = { text, suite_fields, FIELDS }

struct store *suite_open(void **state);
struct store *suite_open_declared(void **state, const struct store_collection *collection);
void suite_declare(struct store *store, const struct store_collection *collection);

uint64_t suite_seed(void); /* prints it */
uint64_t suite_random(uint64_t *random);

struct store_record suite_record(const char *id, int64_t number, const char *name);
/* One write; its outcome. */
enum store_outcome suite_write(struct store *store, enum store_verb verb,
                               const struct store_collection *collection,
                               const struct store_record *record);
/* STORE_DONE with the record in static memory valid until the next call, or MISSING. On the main
 * thread only. */
enum store_outcome suite_get(struct store *store, const struct store_collection *collection,
                             const char *id, struct store_record *record_r);
void suite_assert_same(const struct store_record *a, const struct store_record *b);

/* The tests, each list ended by an entry with test_func NULL. */
extern const struct CMUnitTest suite_record_tests[];
extern const struct CMUnitTest suite_find_tests[];
extern const struct CMUnitTest suite_together_tests[];
/* A part in a test of several processes; main's return value. */
int suite_child(const struct store_suite *suite, const char *part);
