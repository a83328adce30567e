#include "adapter/store_sqlite/store_sqlite.h"
#include "adapter/store_sqlite/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WRITABLE_MS = 100 }; /* so long others' writes are waited for where one only asks */

static struct sqlite_store *sqlite_of(struct store *store)
{
    return (struct sqlite_store *)store;
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Called while another holds the lock: waits a random moment of up to 4 ms, so that several waiting
 * processes do not move in step and none starves behind SQLite's own growing pauses. 0 gives up. */
static int on_busy(void *context, int times)
{
    struct sqlite_store *sqlite = context;
    if (times == 0)
        sqlite->busy_since_ms = clock_ms();
    else if (clock_ms() - sqlite->busy_since_ms >= sqlite->timeout_ms)
        return 0;
    sqlite->busy_random = sqlite->busy_random * 6364136223846793005u + 1442695040888963407u;
    struct timespec pause = { 0, 200000 + (long)((sqlite->busy_random >> 33) % 3800000) };
    nanosleep(&pause, NULL);
    return 1;
}

/* A statement that answers no row: begin, commit, rollback. */
static int step_once(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code;
}

static bool begin(struct sqlite_store *sqlite, struct error *error)
{
    if (!sqlite_is_in_place(sqlite, error))
        return false;
    if (sqlite_prepare(sqlite, &sqlite->begin, "BEGIN IMMEDIATE", error) == NULL ||
        sqlite_prepare(sqlite, &sqlite->commit, "COMMIT", error) == NULL ||
        sqlite_prepare(sqlite, &sqlite->rollback, "ROLLBACK", error) == NULL)
        return false;
    if (step_once(sqlite->begin) != SQLITE_DONE)
        return sqlite_trouble(sqlite, "cannot begin to write", error);
    return true;
}

static void roll_back(struct sqlite_store *sqlite)
{
    /* some errors have rolled back by themselves */
    if (!sqlite3_get_autocommit(sqlite->db))
        (void)step_once(sqlite->rollback);
}

/* STORE_DONE when durable. SQLITE_BUSY leaves the transaction open and nothing written: FAILED.
 * Any other failure may have come after the commit's frame reached the file, from where a recovery
 * could bring it back: UNKNOWN. */
static enum store_outcome commit(struct sqlite_store *sqlite, struct error *error)
{
    int code = step_once(sqlite->commit);
    if (code == SQLITE_DONE) {
        sqlite->wrote = true;
        return STORE_DONE;
    }
    (void)sqlite_trouble(sqlite, "cannot commit", error);
    roll_back(sqlite);
    return (code & 0xff) == SQLITE_BUSY ? STORE_FAILED : STORE_UNKNOWN;
}

static void bind_value(sqlite3_stmt *statement, int place, enum store_type type,
                       const struct store_value *value)
{
    /* a NULL pointer would bind NULL, not the empty value */
    const void *data = value->bytes.length == 0 ? "" : (const void *)value->bytes.data;
    if (type == STORE_INT)
        sqlite3_bind_int64(statement, place, value->integer);
    else if (type == STORE_TEXT)
        sqlite3_bind_text64(statement, place, data, value->bytes.length, SQLITE_STATIC,
                            SQLITE_UTF8);
    else
        sqlite3_bind_blob64(statement, place, data, value->bytes.length, SQLITE_STATIC);
}

/* One write inside the transaction. False with *error when the transaction cannot go on. */
static bool write_one(struct sqlite_store *sqlite, struct store_write *write, struct error *error)
{
    struct table *table = sqlite_table(sqlite, write->collection, error);
    sqlite3_stmt *statement =
        table == NULL ? NULL : sqlite_write_statement(sqlite, table, write->verb, error);
    if (statement == NULL)
        return false;
    sqlite3_bind_text(statement, 1, write->record.id, -1, SQLITE_STATIC);
    if (write->verb != STORE_INSERT)
        sqlite3_bind_int64(statement, 2, (int64_t)write->record.version);
    if (write->verb != STORE_DELETE)
        for (size_t i = 0; i < table->collection->field_count; i++)
            bind_value(statement, (int)i + 3, table->collection->fields[i].type,
                       &write->record.values[i]);
    int code = sqlite3_step(statement);
    int changed = sqlite3_changes(sqlite->db);
    bool done = code == SQLITE_DONE || sqlite_trouble(sqlite, "cannot write", error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (done)
        write->outcome = changed == 1                  ? STORE_DONE
                         : write->verb == STORE_INSERT ? STORE_EXISTS
                                                       : STORE_CONFLICT;
    return done;
}

/* Writes that cannot be carried out at all fail alone; a transaction that breaks fails them all. */
static enum store_outcome sqlite_apply(struct store *store, struct store_write *writes,
                                       size_t count, struct error *error)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    size_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        bool valid = store_rules_write(&writes[i], error);
        writes[i].outcome = valid ? STORE_DONE : STORE_FAILED;
        refused += !valid;
    }
    if (refused == count)
        return store_rules_total(writes, count);
    bool going = begin(sqlite, error);
    bool began = going;
    for (size_t i = 0; going && i < count; i++)
        if (writes[i].outcome != STORE_FAILED)
            going = write_one(sqlite, &writes[i], error);
    enum store_outcome end = going ? commit(sqlite, error) : STORE_FAILED;
    if (began && !going)
        roll_back(sqlite);
    for (size_t i = 0; end != STORE_DONE && i < count; i++)
        if (writes[i].outcome != STORE_FAILED)
            writes[i].outcome = end;
    return store_rules_total(writes, count);
}

/* The statement's current row; texts and bytes are borrowed from it until the next step. */
static void read_row(sqlite3_stmt *statement, const struct store_collection *collection,
                     struct store_record *record_r)
{
    record_r->id = (const char *)sqlite3_column_text(statement, 0);
    record_r->version = (uint64_t)sqlite3_column_int64(statement, 1);
    for (size_t i = 0; i < collection->field_count; i++) {
        int column = (int)i + 2;
        struct store_value *value = &record_r->values[i];
        *value = (struct store_value){ 0 };
        if (collection->fields[i].type == STORE_INT) {
            value->integer = sqlite3_column_int64(statement, column);
            continue;
        }
        const void *data = collection->fields[i].type == STORE_TEXT
                               ? (const void *)sqlite3_column_text(statement, column)
                               : sqlite3_column_blob(statement, column);
        value->bytes =
            span_of(data == NULL ? "" : data, (size_t)sqlite3_column_bytes(statement, column));
    }
}

static enum store_outcome sqlite_get(struct store *store, const struct store_collection *collection,
                                     const char *id, struct arena *arena,
                                     struct store_record *record_r, struct error *error)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    if (!store_rules_id(id)) {
        error_fill(error, ERROR_INVALID, "a record of %s is asked for by an id that is no id",
                   collection->name);
        return STORE_FAILED;
    }
    struct table *table = sqlite_table(sqlite, collection, error);
    sqlite3_stmt *statement = table == NULL ? NULL : sqlite_get_statement(sqlite, table, error);
    if (statement == NULL)
        return STORE_FAILED;
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    enum store_outcome outcome = STORE_FAILED;
    int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) {
        outcome = STORE_MISSING;
    } else if (code == SQLITE_ROW) {
        struct store_record row = { 0 };
        read_row(statement, table->collection, &row);
        if (store_rules_copy(table->collection, &row, arena, record_r, error))
            outcome = STORE_DONE;
    } else {
        (void)sqlite_trouble(sqlite, "cannot read", error);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return outcome;
}

static enum store_outcome sqlite_find(struct store *store,
                                      const struct store_collection *collection,
                                      const struct store_query *query, store_visitor visitor,
                                      void *context, struct error *error)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    size_t field;
    struct table *table = sqlite_table(sqlite, collection, error);
    if (table == NULL || !store_rules_query(table->collection, query, &field, error))
        return STORE_FAILED;
    sqlite3_stmt *statement = sqlite_find_statement(sqlite, table, field, query, error);
    if (statement == NULL)
        return STORE_FAILED;
    enum store_type type = field == table->collection->field_count
                               ? STORE_TEXT
                               : table->collection->fields[field].type;
    if (query->has_low)
        bind_value(statement, 1, type, &query->low);
    if (query->has_high)
        bind_value(statement, 2, type, &query->high);
    if (query->past_id != NULL)
        sqlite3_bind_text(statement, 4, query->past_id, -1, SQLITE_STATIC);
    bool bounded = query->limit > 0 && query->limit < INT64_MAX;
    sqlite3_bind_int64(statement, 3, bounded ? (int64_t)query->limit : -1);
    struct store_record row = { 0 };
    bool on = true;
    int code = SQLITE_DONE;
    while (on && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        read_row(statement, table->collection, &row);
        on = visitor(context, &row);
    }
    enum store_outcome outcome = STORE_DONE;
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        (void)sqlite_trouble(sqlite, "cannot read", error);
        outcome = STORE_FAILED;
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return outcome;
}

static bool sqlite_declare(struct store *store, const struct store_collection *const *collections,
                           size_t count, struct error *error)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    /* Where all is there already, it need not be possible to write. */
    bool declared = true;
    for (size_t i = 0; declared && i < count; i++)
        declared = sqlite_is_declared(sqlite, collections[i]);
    if (declared)
        return sqlite_is_in_place(sqlite, error);
    if (!begin(sqlite, error))
        return false;
    bool done = true;
    for (size_t i = 0; done && i < count; i++)
        done = sqlite_declare_one(sqlite, collections[i], error);
    if (!done) {
        roll_back(sqlite);
        return false;
    }
    return commit(sqlite, error) == STORE_DONE;
}

static bool sqlite_ping(struct store *store, struct error *error)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    if (sqlite_prepare(sqlite, &sqlite->ping, "SELECT count(*) FROM sqlite_schema", error) ==
            NULL ||
        !sqlite_is_in_place(sqlite, error))
        return false;
    int code = sqlite3_step(sqlite->ping);
    bool here = code == SQLITE_ROW || sqlite_trouble(sqlite, "cannot read", error);
    sqlite3_reset(sqlite->ping);
    return here;
}

static bool sqlite_writable(struct store *store, struct error *error)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    const unsigned timeout_ms = sqlite->timeout_ms;
    if (!sqlite_ping(store, error) || !sqlite_has_room(sqlite, error))
        return false;
    sqlite->timeout_ms = timeout_ms < WRITABLE_MS ? timeout_ms : WRITABLE_MS;
    bool begun = begin(sqlite, error);
    sqlite->timeout_ms = timeout_ms;
    if (begun)
        roll_back(sqlite);
    return begun;
}

static void sqlite_close(struct store *store)
{
    struct sqlite_store *sqlite = sqlite_of(store);
    sqlite_finalize_all(sqlite);
    int code = sqlite3_close(sqlite->db);
    ASSERT(code == SQLITE_OK); /* else a statement was left open */
    free(sqlite);
}

static const struct store_ops sqlite_ops = {
    .declare = sqlite_declare,
    .apply = sqlite_apply,
    .get = sqlite_get,
    .find = sqlite_find,
    .ping = sqlite_ping,
    .writable = sqlite_writable,
    .close = sqlite_close,
};

/* Makes an empty file for the owner alone if there is none; SQLite gives the same rights to the
 * files it keeps beside it. The name is linked to a file already closed, because closing any
 * descriptor of a database's file would drop this process's locks on it. */
static bool make_file(const char *path, struct error *error)
{
    if (access(path, F_OK) == 0)
        return true;
    char fresh[PATH_MAX];
    int length = snprintf(fresh, sizeof fresh, "%s.new-XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof fresh)
        return error_set(error, ERROR_INVALID, "the database's path is too long");
    int fd = mkostemp(fresh, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return error_system(error, errno, "cannot make the database %s", path);
    close(fd);
    bool made = link(fresh, path) == 0 || errno == EEXIST ||
                error_system(error, errno, "cannot make the database %s", path);
    unlink(fresh);
    return made;
}

/* Write-ahead mode is a property of the file; switching to it needs the file alone for a moment,
 * and says BUSY at once when it has not got it. */
static bool set_wal(struct sqlite_store *sqlite, struct error *error)
{
    uint64_t until_ms = clock_ms() + sqlite->timeout_ms;
    sqlite3_stmt *statement = NULL;
    if (sqlite_prepare(sqlite, &statement, "PRAGMA journal_mode = WAL", error) == NULL)
        return false;
    int code;
    bool wal = false;
    while (true) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            wal = strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
        if ((code & 0xff) != SQLITE_BUSY || clock_ms() >= until_ms)
            break;
        sqlite3_reset(statement);
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    }
    bool done = wal;
    if (!wal && code == SQLITE_ROW)
        (void)error_set(error, ERROR_INVALID, "%s cannot be used in write-ahead mode",
                        sqlite3_db_filename(sqlite->db, "main"));
    else if (!wal)
        (void)sqlite_trouble(sqlite, "cannot set write-ahead mode", error);
    sqlite3_finalize(statement);
    return done;
}

struct store *store_sqlite_open(const char *path, unsigned timeout_ms, struct error *error)
{
    if (!make_file(path, error))
        return NULL;
    struct sqlite_store *sqlite = calloc(1, sizeof *sqlite);
    if (sqlite == NULL) {
        error_fill_system(error, ENOMEM, "cannot open %s", path);
        return NULL;
    }
    sqlite->store.ops = &sqlite_ops;
    sqlite->timeout_ms = timeout_ms;
    sqlite->busy_random = (uint64_t)(uintptr_t)sqlite ^ (uint64_t)getpid() << 32;
    int code =
        sqlite3_open_v2(path, &sqlite->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        error_fill(error, ERROR_UNAVAILABLE, "cannot open the database %s: %s", path,
                   sqlite->db == NULL ? "no memory" : sqlite3_errmsg(sqlite->db));
        goto close;
    }
    sqlite3_extended_result_codes(sqlite->db, 1);
    sqlite3_busy_handler(sqlite->db, on_busy, sqlite);
    /* The cache has room for all that a transaction of thousands of records touches, so that no
     * page goes into the log twice; the log is copied into the database every 16 MiB. */
    if (!set_wal(sqlite, error) ||
        !sqlite_run(sqlite,
                    "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; "
                    "PRAGMA cell_size_check = ON; PRAGMA cache_size = -32768; "
                    "PRAGMA wal_autocheckpoint = 4096;",
                    error))
        goto close;
    return &sqlite->store;
close:
    sqlite3_close(sqlite->db);
    free(sqlite);
    return NULL;
}
