/* A collection as a table: STRICT, so that a column holds what the schema says, with an index on
 * (field, id) for each indexed field, which is the order store_find promises. */
#include "adapter/store_sqlite/inside.h"

#include <stdio.h>

static const char *const column_types[] = {
    [STORE_INT] = "INTEGER", [STORE_TEXT] = "TEXT", [STORE_BYTES] = "BLOB"
};
static const char *const column_defaults[] = {
    [STORE_INT] = "0", [STORE_TEXT] = "''", [STORE_BYTES] = "x''"
};

/* A column's definition; its length. */
static int column_print(const struct store_field *field, char *text_r, size_t bytes)
{
    return snprintf(text_r, bytes, "\"%s\" %s NOT NULL DEFAULT %s", field->name,
                    column_types[field->type], column_defaults[field->type]);
}

/* The stored table in the words of store_rules_schema; *exists_r says whether there is one. */
static bool read_schema(struct sqlite_store *sqlite, const char *table,
                        char text_r[STORE_SCHEMA_TEXT_BYTES], bool *exists_r, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite_prepare(sqlite, &statement,
                       "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid", error) == NULL)
        return false;
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    size_t used = 0, column = 0;
    int step;
    text_r[0] = '\0';
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (column++ < 2) /* id and version */
            continue;
        const char *type = (const char *)sqlite3_column_text(statement, 1);
        const char *word = strcmp(type, "INTEGER") == 0 ? "int"
                           : strcmp(type, "TEXT") == 0  ? "text"
                           : strcmp(type, "BLOB") == 0  ? "bytes"
                                                        : type;
        int written = snprintf(text_r + used, STORE_SCHEMA_TEXT_BYTES - used, "%s%s:%s",
                               column == 3 ? "" : ",", sqlite3_column_text(statement, 0), word);
        if (written < 0 || (size_t)written >= STORE_SCHEMA_TEXT_BYTES - used)
            break; /* more than any schema of ours: the comparison will say that it differs */
        used += (size_t)written;
    }
    bool read = step == SQLITE_DONE || step == SQLITE_ROW ||
                sqlite_trouble(sqlite, "cannot read a schema", error);
    sqlite3_finalize(statement);
    *exists_r = column > 0;
    return read;
}

static bool create_table(struct sqlite_store *sqlite, const struct store_collection *collection,
                         struct error *error)
{
    char sql[8192], column[128];
    bool blobs = false;
    int used = snprintf(sql, sizeof sql,
                        "CREATE TABLE \"%s\" (id TEXT NOT NULL PRIMARY KEY, version INTEGER NOT "
                        "NULL",
                        collection->name);
    for (size_t i = 0; i < collection->field_count; i++) {
        column_print(&collection->fields[i], column, sizeof column);
        used += snprintf(sql + used, sizeof sql - (size_t)used, ", %s", column);
        blobs = blobs || collection->fields[i].type == STORE_BYTES;
        ASSERT((size_t)used < sizeof sql - 64);
    }
    /* Without rowid the id's index is the table itself: one tree less for small rows, but large
     * ones would make it deep. */
    snprintf(sql + used, sizeof sql - (size_t)used, ") STRICT%s", blobs ? "" : ", WITHOUT ROWID");
    return sqlite_run(sqlite, sql, error);
}

static bool has_index(struct sqlite_store *sqlite, const struct store_collection *collection,
                      const char *field, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite_prepare(sqlite, &statement,
                       "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1 || '.' || "
                       "?2",
                       error) == NULL)
        return false;
    sqlite3_bind_text(statement, 1, collection->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, field, -1, SQLITE_STATIC);
    bool has = sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_finalize(statement);
    return has;
}

bool sqlite_is_declared(struct sqlite_store *sqlite, const struct store_collection *collection)
{
    char stored[STORE_SCHEMA_TEXT_BYTES];
    struct error error;
    bool exists;
    size_t known = 0;
    bool declared = store_rules_collection(collection, &error) &&
                    read_schema(sqlite, collection->name, stored, &exists, &error) && exists &&
                    store_rules_extends(collection, stored, &known, &error) &&
                    known >= collection->field_count;
    for (size_t i = 0; declared && i < collection->field_count; i++)
        declared = !collection->fields[i].indexed ||
                   has_index(sqlite, collection, collection->fields[i].name, &error);
    return declared;
}

bool sqlite_declare_one(struct sqlite_store *sqlite, const struct store_collection *collection,
                        struct error *error)
{
    char stored[STORE_SCHEMA_TEXT_BYTES], column[128], sql[512];
    bool exists;
    size_t known = collection->field_count;
    if (!store_rules_collection(collection, error) ||
        !read_schema(sqlite, collection->name, stored, &exists, error))
        return false;
    if (!exists && !create_table(sqlite, collection, error))
        return false;
    if (exists && !store_rules_extends(collection, stored, &known, error))
        return false;
    for (size_t i = known; i < collection->field_count; i++) {
        column_print(&collection->fields[i], column, sizeof column);
        snprintf(sql, sizeof sql, "ALTER TABLE \"%s\" ADD COLUMN %s", collection->name, column);
        if (!sqlite_run(sqlite, sql, error))
            return false;
    }
    for (size_t i = 0; i < collection->field_count; i++) {
        const char *field = collection->fields[i].name;
        if (!collection->fields[i].indexed)
            continue;
        snprintf(sql, sizeof sql, "CREATE INDEX IF NOT EXISTS \"%s.%s\" ON \"%s\" (\"%s\", id)",
                 collection->name, field, collection->name, field);
        if (!sqlite_run(sqlite, sql, error))
            return false;
    }
    return true;
}
