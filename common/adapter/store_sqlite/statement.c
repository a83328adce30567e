/* SQL texts and prepared statements. Names come from schemas that the rules checked to be C
 * identifiers; they are quoted all the same, because "order" is an identifier and a keyword. */
#include "adapter/store_sqlite/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool sqlite_trouble(struct sqlite_store *sqlite, const char *doing, struct error *error)
{
    int code = sqlite3_errcode(sqlite->db) & 0xff;
    bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    bool input = code == SQLITE_ERROR || code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH;
    enum error_code kind = busy ? ERROR_TIMEOUT : input ? ERROR_INVALID : ERROR_UNAVAILABLE;
    if (code == SQLITE_FULL) {
        kind = ERROR_FULL;
        sqlite->wrote = false;
    }
    return error_set(error, kind, "%s in %s: %s", doing, sqlite3_db_filename(sqlite->db, "main"),
                     sqlite3_errmsg(sqlite->db));
}

bool sqlite_run(struct sqlite_store *sqlite, const char *sql, struct error *error)
{
    if (sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_trouble(sqlite, "cannot work", error);
    return true;
}

sqlite3_stmt *sqlite_prepare(struct sqlite_store *sqlite, sqlite3_stmt **statement, const char *sql,
                             struct error *error)
{
    if (*statement == NULL && sqlite3_prepare_v3(sqlite->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                                 statement, NULL) != SQLITE_OK)
        (void)sqlite_trouble(sqlite, "cannot work", error);
    return *statement;
}

static void table_finalize(struct table *table)
{
    sqlite3_finalize(table->insert);
    sqlite3_finalize(table->replace);
    sqlite3_finalize(table->delete);
    sqlite3_finalize(table->get);
    for (size_t field = 0; field <= STORE_FIELDS_MAX; field++)
        for (size_t form = 0; form < FIND_FORMS; form++)
            sqlite3_finalize(table->find[field][form]);
    memset(table, 0, sizeof *table);
}

struct table *sqlite_table(struct sqlite_store *sqlite, const struct store_collection *collection,
                           struct error *error)
{
    struct table *table = NULL;
    for (size_t i = 0; table == NULL && i < sqlite->table_count; i++)
        if (strcmp(sqlite->tables[i]->name, collection->name) == 0)
            table = sqlite->tables[i];
    if (table != NULL && table->collection == collection)
        return table;
    if (!store_rules_collection(collection, error))
        return NULL;
    if (table != NULL)
        table_finalize(table); /* another schema of the same name: extended meanwhile */
    else if (sqlite->table_count < COLLECTIONS_MAX && (table = calloc(1, sizeof *table)) != NULL)
        sqlite->tables[sqlite->table_count++] = table;
    if (table == NULL) {
        error_fill(error, ERROR_FULL, "no room for collection %s: at most %d are used at once",
                   collection->name, COLLECTIONS_MAX);
        return NULL;
    }
    memcpy(table->name, collection->name, strlen(collection->name) + 1);
    table->collection = collection;
    return table;
}

/* Text that grows in a buffer large enough for every statement of the largest schema. */
struct sql {
    size_t used;
    char text[8192];
};

PRINTF_LIKE(2, 3) static void sql_add(struct sql *sql, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(sql->text + sql->used, sizeof sql->text - sql->used, format, arguments);
    va_end(arguments);
    ASSERT(written >= 0 && (size_t)written < sizeof sql->text - sql->used);
    sql->used += (size_t)written;
}

sqlite3_stmt *sqlite_write_statement(struct sqlite_store *sqlite, struct table *table,
                                     enum store_verb verb, struct error *error)
{
    sqlite3_stmt **place = verb == STORE_INSERT    ? &table->insert
                           : verb == STORE_REPLACE ? &table->replace
                                                   : &table->delete;
    if (*place != NULL)
        return *place;
    const struct store_collection *collection = table->collection;
    struct sql sql = { 0 };
    /* ?1 the id, ?2 the version, ?3… the fields */
    if (verb == STORE_INSERT) {
        sql_add(&sql, "INSERT INTO \"%s\" (id, version", table->name);
        for (size_t i = 0; i < collection->field_count; i++)
            sql_add(&sql, ", \"%s\"", collection->fields[i].name);
        sql_add(&sql, ") VALUES (?1, 1");
        for (size_t i = 0; i < collection->field_count; i++)
            sql_add(&sql, ", ?%zu", i + 3);
        sql_add(&sql, ") ON CONFLICT (id) DO NOTHING");
    } else if (verb == STORE_REPLACE) {
        sql_add(&sql, "UPDATE \"%s\" SET version = version + 1", table->name);
        for (size_t i = 0; i < collection->field_count; i++)
            sql_add(&sql, ", \"%s\" = ?%zu", collection->fields[i].name, i + 3);
        sql_add(&sql, " WHERE id = ?1 AND version = ?2");
    } else {
        sql_add(&sql, "DELETE FROM \"%s\" WHERE id = ?1 AND version = ?2", table->name);
    }
    return sqlite_prepare(sqlite, place, sql.text, error);
}

static void sql_add_columns(struct sql *sql, const struct table *table)
{
    sql_add(sql, "SELECT id, version");
    for (size_t i = 0; i < table->collection->field_count; i++)
        sql_add(sql, ", \"%s\"", table->collection->fields[i].name);
    sql_add(sql, " FROM \"%s\"", table->name);
}

sqlite3_stmt *sqlite_get_statement(struct sqlite_store *sqlite, struct table *table,
                                   struct error *error)
{
    if (table->get != NULL)
        return table->get;
    struct sql sql = { 0 };
    sql_add_columns(&sql, table);
    sql_add(&sql, " WHERE id = ?1");
    return sqlite_prepare(sqlite, &table->get, sql.text, error);
}

sqlite3_stmt *sqlite_find_statement(struct sqlite_store *sqlite, struct table *table, size_t field,
                                    const struct store_query *query, struct error *error)
{
    bool down = query->order == STORE_DESCENDING;
    int form = (query->has_low ? 1 : 0) | (query->has_high ? 2 : 0) | (down ? 4 : 0) |
               (query->past_id != NULL ? 8 : 0);
    sqlite3_stmt **place = &table->find[field][form];
    if (*place != NULL)
        return *place;
    bool by_id = field == table->collection->field_count;
    const char *name = by_id ? "id" : table->collection->fields[field].name;
    const char *way = down ? " DESC" : "";
    struct sql sql = { 0 };
    sql_add_columns(&sql, table);
    if (query->has_low)
        sql_add(&sql, " WHERE \"%s\" >= ?1", name);
    if (query->has_high)
        sql_add(&sql, " %s \"%s\" <= ?2", query->has_low ? "AND" : "WHERE", name);
    /* Row values are compared along the index of (field, id). */
    if (query->past_id != NULL && by_id)
        sql_add(&sql, " %s id %s ?4", query->has_low || query->has_high ? "AND" : "WHERE",
                down ? "<" : ">");
    else if (query->past_id != NULL)
        sql_add(&sql, " AND (\"%s\", id) %s (%s, ?4)", name, down ? "<" : ">", down ? "?2" : "?1");
    sql_add(&sql, " ORDER BY \"%s\"%s", name, way);
    if (!by_id)
        sql_add(&sql, ", id%s", way);
    sql_add(&sql, " LIMIT ?3");
    return sqlite_prepare(sqlite, place, sql.text, error);
}

void sqlite_finalize_all(struct sqlite_store *sqlite)
{
    for (size_t i = 0; i < sqlite->table_count; i++) {
        struct table *table = sqlite->tables[i];
        table_finalize(table);
        free(table);
    }
    sqlite->table_count = 0;
    sqlite3_finalize(sqlite->begin);
    sqlite3_finalize(sqlite->commit);
    sqlite3_finalize(sqlite->rollback);
    sqlite3_finalize(sqlite->ping);
}
