#include "adapter/store_sqlite/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

/* Runs a statement that takes the path, or none, and answers at most one text. */
static bool run(sqlite3 *db, const char *sql, const char *path, const char *wanted)
{
    sqlite3_stmt *statement = NULL;
    bool good =
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        (path == NULL || sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC) == SQLITE_OK);
    const int code = good ? sqlite3_step(statement) : SQLITE_ERROR;
    if (wanted == NULL)
        good = code == SQLITE_DONE;
    else
        good = code == SQLITE_ROW &&
               sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), wanted) == 0;
    sqlite3_finalize(statement);
    return good;
}

static bool sync_file(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

bool store_sqlite_copy(const char *path, const char *new_path, struct error *error)
{
    /* An empty file of the right mode is what VACUUM INTO fills. */
    const int fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_system(error, errno, "%s", new_path);
    close(fd);
    sqlite3 *db = NULL, *copy = NULL;
    bool good = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                sqlite3_busy_timeout(db, WAIT_MS) == SQLITE_OK &&
                run(db, "VACUUM INTO ?1", new_path, NULL);
    if (!good)
        error_fill(error, ERROR_SYSTEM, "the database %s cannot be copied: %s", path,
                   db == NULL ? "no memory" : sqlite3_errmsg(db));
    sqlite3_close(db);
    if (good) {
        good = sqlite3_open_v2(new_path, &copy, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
               run(copy, "PRAGMA quick_check(1)", NULL, "ok") && sync_file(new_path);
        if (!good)
            error_fill(error, ERROR_SYSTEM, "the copy %s is not whole: %s", new_path,
                       copy == NULL ? "no memory" : sqlite3_errmsg(copy));
        sqlite3_close(copy);
    }
    if (!good)
        unlink(new_path);
    return good;
}
