/* Whether the database can be worked with, as the file's handle alone cannot tell: SQLite writes
 * happily into a file that has no name any more, and knows of a full disk only when it writes. */
#include "adapter/store_sqlite/inside.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

bool sqlite_is_in_place(struct sqlite_store *sqlite, struct error *error)
{
    int moved = 0;
    if (sqlite3_file_control(sqlite->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        moved == 0)
        return true;
    return error_set(error, ERROR_UNAVAILABLE,
                     "the database %s was moved or deleted: put the same file back, or start "
                     "again what uses it",
                     sqlite3_db_filename(sqlite->db, "main"));
}

bool sqlite_has_room(struct sqlite_store *sqlite, struct error *error)
{
    const char *path = sqlite3_db_filename(sqlite->db, "main");
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return error_system(error, errno, "the database %s cannot be looked at", path);
    if ((disk.f_flag & ST_RDONLY) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "the disk of %s can only be read", path);
    /* Some file systems count nothing; root may use what is kept back for it. */
    const bool crowded = disk.f_blocks != 0 && (geteuid() == 0 ? disk.f_bfree : disk.f_bavail) == 0;
    if (!crowded || !sqlite->crowded)
        sqlite->wrote = false;
    sqlite->crowded = crowded;
    /* The log's blocks are used again: only a write that failed, or none, makes it true. */
    return !crowded || sqlite->wrote ||
           error_set(error, ERROR_FULL, "the disk of %s is full", path);
}
