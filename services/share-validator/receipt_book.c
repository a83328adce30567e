#include "services/share-validator/receipt_book.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PATH_BYTES = 4400, HOURS_MAX = 24 * RECEIPT_BOOK_DAYS + 2, HOUR_MS = 3600000 };

bool receipt_book_open(const char *folder, struct error *error)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_system(error, errno, "the folder %s cannot be made (validator.receipt_dir)",
                            folder);
    return access(folder, R_OK | W_OK | X_OK) == 0 ||
           error_system(error, errno, "the folder %s cannot be used (validator.receipt_dir)",
                        folder);
}

static void path_of(const char *folder, uint64_t hour, char path_r[PATH_BYTES])
{
    snprintf(path_r, PATH_BYTES, "%.4200s/%010llu.receipts", folder, (unsigned long long)hour);
}

struct hours {
    uint64_t hours[HOURS_MAX]; /* ascending */
    size_t count;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The hours there are files of. Where there are more than are ever kept, some are left for the next
 * look. */
static bool list_hours(const char *folder, struct hours *hours_r, struct error *error)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    hours_r->count = 0;
    if (dir == NULL)
        return error_system(error, errno, "the folder %s cannot be read", folder);
    while ((entry = readdir(dir)) != NULL && hours_r->count < HOURS_MAX) {
        u128 hour;
        if (strlen(entry->d_name) == 19 && strcmp(entry->d_name + 10, ".receipts") == 0 &&
            u128_parse(entry->d_name, 10, &hour))
            hours_r->hours[hours_r->count++] = (uint64_t)hour;
    }
    closedir(dir);
    qsort(hours_r->hours, hours_r->count, sizeof *hours_r->hours, compare);
    return true;
}

static void drop_old(const char *folder, uint64_t bytes_max, uint64_t now_hour)
{
    struct hours hours;
    struct error ignored;
    char path[PATH_BYTES];
    struct stat status;
    uint64_t kept = 0;
    if (!list_hours(folder, &hours, &ignored))
        return;
    for (size_t i = hours.count; i-- > 0;) {
        path_of(folder, hours.hours[i], path);
        kept += stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
        if (kept > bytes_max || hours.hours[i] + 24 * RECEIPT_BOOK_DAYS < now_hour)
            (void)unlink(path);
    }
}

bool receipt_book_append(const char *folder, uint64_t bytes_max, const struct receipt_slice *slice,
                         const uint8_t *shares, struct error *error)
{
    uint64_t hour = slice->ended_ms / HOUR_MS;
    char path[PATH_BYTES];
    struct stat status;
    path_of(folder, hour, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_system(error, cause, "%s cannot be opened", path);
    }
    uint8_t head[4 + RECEIPT_SLICE_BYTES];
    size_t shares_bytes = (size_t)slice->count * RECEIPT_SHARE_BYTES;
    store_le32(head, (uint32_t)(RECEIPT_SLICE_BYTES + shares_bytes));
    receipt_slice_write(slice, head + 4);
    struct iovec parts[] = { { head, sizeof head }, { (void *)(uintptr_t)shares, shares_bytes } };
    size_t whole = sizeof head + shares_bytes;
    /* The only writer: what stands there is as long as it was. A slice that was written in part (a
     * full disk) is taken back. */
    ssize_t written = pwritev(fd, parts, 2, status.st_size);
    bool good = written == (ssize_t)whole;
    if (!good) {
        int cause = written < 0 ? errno : ENOSPC;
        (void)!ftruncate(fd, status.st_size);
        error_fill_system(error, cause, "%s cannot be written", path);
    }
    close(fd);
    bool grown =
        (uint64_t)status.st_size / bytes_max != ((uint64_t)status.st_size + whole) / bytes_max;
    if (good && (status.st_size == 0 || grown))
        drop_old(folder, bytes_max, hour);
    return good;
}

struct walk {
    uint64_t from_ms, to_ms;
    receipt_book_visitor visit;
    void *context;
    uint8_t *memory;
    size_t capacity;
    uint64_t bytes; /* read so far */
    uint64_t next_ms;
    bool ended;
};

static bool read_whole(FILE *file, struct walk *walk, size_t length)
{
    if (length > walk->capacity) {
        walk->memory = realloc(walk->memory, length);
        ASSERT(walk->memory != NULL);
        walk->capacity = length;
    }
    return fread(walk->memory, 1, length, file) == length;
}

/* One file to its end, or to where its last slice was cut off. */
static void walk_file(FILE *file, struct walk *walk)
{
    uint8_t head[4 + RECEIPT_SLICE_BYTES];
    struct receipt_slice slice;
    while (!walk->ended && fread(head, 1, sizeof head, file) == sizeof head) {
        size_t length = load_le32(head);
        if (!receipt_slice_read(head + 4, &slice) ||
            length != RECEIPT_SLICE_BYTES + (size_t)slice.count * RECEIPT_SHARE_BYTES)
            return;
        length -= RECEIPT_SLICE_BYTES;
        if (slice.ended_ms >= walk->to_ms) {
            walk->ended = true;
        } else if (slice.ended_ms < walk->from_ms) {
            if (fseek(file, (long)length, SEEK_CUR) != 0)
                return;
        } else if (walk->bytes > RECEIPT_BOOK_SCAN_BYTES) {
            walk->next_ms = slice.ended_ms;
            walk->ended = true;
        } else {
            if (!read_whole(file, walk, length))
                return;
            walk->bytes += length;
            walk->ended = !walk->visit(walk->context, &slice, walk->memory);
        }
    }
}

bool receipt_book_walk(const char *folder, uint64_t from_ms, uint64_t to_ms,
                       receipt_book_visitor visit, void *context, uint64_t *next_ms_r,
                       uint64_t *oldest_ms_r, struct error *error)
{
    struct hours hours;
    struct walk walk = {
        .from_ms = from_ms, .to_ms = to_ms, .visit = visit, .context = context, .next_ms = to_ms
    };
    if (!list_hours(folder, &hours, error))
        return false;
    *oldest_ms_r = hours.count > 0 ? hours.hours[0] * HOUR_MS : 0;
    for (size_t i = 0; i < hours.count && !walk.ended; i++) {
        if (hours.hours[i] < from_ms / HOUR_MS || hours.hours[i] > to_ms / HOUR_MS)
            continue;
        char path[PATH_BYTES];
        path_of(folder, hours.hours[i], path);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue; /* dropped meanwhile */
        walk_file(file, &walk);
        fclose(file);
    }
    free(walk.memory);
    *next_ms_r = walk.next_ms;
    return true;
}
