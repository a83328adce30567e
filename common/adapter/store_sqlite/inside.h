/* What the adapter's files share. Not for others. */
#pragma once
#include "adapter/store_rules/rules.h"
#include "port/store.h"

#include <sqlite3.h>

enum { COLLECTIONS_MAX = 64, FIND_FORMS = 16 };

/* A collection's prepared statements, made when first used. */
struct table {
    char name[STORE_NAME_BYTES_MAX + 1];
    const struct store_collection *collection; /* borrowed: statically allocated */
    sqlite3_stmt *insert, *replace, *delete, *get;
    /* by field (the last is the id), then by form: bit 0 has a low end, 1 a high end, 2 descends */
    sqlite3_stmt *find[STORE_FIELDS_MAX + 1][FIND_FORMS];
};

struct sqlite_store {
    struct store store;
    sqlite3 *db;
    unsigned timeout_ms;
    uint64_t busy_since_ms; /* when the call now waiting for a lock began to */
    uint64_t busy_random;
    bool crowded; /* the disk had no free block when it was last looked at */
    bool wrote;   /* a write succeeded since the disk was first seen so */
    sqlite3_stmt *begin, *commit, *rollback, *ping;
    struct table *tables[COLLECTIONS_MAX];
    size_t table_count;
};

/* statement.c */

/* Fills *error from the database's last answer; false. */
bool sqlite_trouble(struct sqlite_store *sqlite, const char *doing, struct error *error);
/* Runs SQL that answers nothing. */
MUST_CHECK bool sqlite_run(struct sqlite_store *sqlite, const char *sql, struct error *error);
/* *statement, prepared from sql if it is not yet. NULL with *error. */
MUST_CHECK sqlite3_stmt *sqlite_prepare(struct sqlite_store *sqlite, sqlite3_stmt **statement,
                                        const char *sql, struct error *error);
/* The collection's table struct; NULL with *error when there are too many. */
MUST_CHECK struct table *sqlite_table(struct sqlite_store *sqlite,
                                      const struct store_collection *collection,
                                      struct error *error);
MUST_CHECK sqlite3_stmt *sqlite_write_statement(struct sqlite_store *sqlite, struct table *table,
                                                enum store_verb verb, struct error *error);
MUST_CHECK sqlite3_stmt *sqlite_get_statement(struct sqlite_store *sqlite, struct table *table,
                                              struct error *error);
MUST_CHECK sqlite3_stmt *sqlite_find_statement(struct sqlite_store *sqlite, struct table *table,
                                               size_t field, const struct store_query *query,
                                               struct error *error);
void sqlite_finalize_all(struct sqlite_store *sqlite);

/* presence.c */

/* The file is where it was opened; false with *error. What is written elsewhere is lost. */
MUST_CHECK bool sqlite_is_in_place(struct sqlite_store *sqlite, struct error *error);
/* Its disk can be written to and has room, or a write that succeeded shows that it has; false with
 * *error. */
MUST_CHECK bool sqlite_has_room(struct sqlite_store *sqlite, struct error *error);

/* schema.c */

/* The table is there with all fields and indexes; writes nothing. False also when it cannot say. */
MUST_CHECK bool sqlite_is_declared(struct sqlite_store *sqlite,
                                   const struct store_collection *collection);
/* Inside a transaction: makes the table, or extends it. */
MUST_CHECK bool sqlite_declare_one(struct sqlite_store *sqlite,
                                   const struct store_collection *collection, struct error *error);
