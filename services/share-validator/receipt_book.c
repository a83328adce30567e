#include "services/share-validator/receipt_book.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4400,
    FILES_MAX = 24 * RECEIPT_BOOK_DAYS + 64,
    PARTS = 16,
    PARTS_SPARE = 2, /* room for so many more files, else it is scarce */
    HOUR_MS = 3600000
};

bool receipt_book_open(const char *folder, struct error *error)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_system(error, errno, "the folder %s cannot be made (validator.receipt_dir)",
                            folder);
    return access(folder, R_OK | W_OK | X_OK) == 0 ||
           error_system(error, errno, "the folder %s cannot be used (validator.receipt_dir)",
                        folder);
}

static void path_of(const char *folder, uint64_t start_ms, char path_r[PATH_BYTES])
{
    snprintf(path_r, PATH_BYTES, "%.4200s/%013llu.receipts", folder, (unsigned long long)start_ms);
}

struct files {
    uint64_t starts[FILES_MAX]; /* when the first slice of each ended, ascending */
    size_t count;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Where there are more files than are ever kept, some are left for the next look. */
static bool list_files(const char *folder, struct files *files_r, struct error *error)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    files_r->count = 0;
    if (dir == NULL)
        return error_system(error, errno, "the folder %s cannot be read", folder);
    while ((entry = readdir(dir)) != NULL && files_r->count < FILES_MAX) {
        u128 start;
        if (strlen(entry->d_name) == 22 && strcmp(entry->d_name + 13, ".receipts") == 0 &&
            u128_parse(entry->d_name, 13, &start))
            files_r->starts[files_r->count++] = (uint64_t)start;
    }
    closedir(dir);
    qsort(files_r->starts, files_r->count, sizeof *files_r->starts, compare);
    return true;
}

/* All but the newest may go. What goes for want of room although it is young breaks the promise,
 * which stays told while what is kept is not as old as was promised. */
static void drop_old(const char *folder, const struct receipt_book_bounds *bounds, uint64_t now_ms,
                     struct receipt_book_state *state)
{
    const uint64_t days_ms = (uint64_t)bounds->days * 24 * HOUR_MS;
    struct files files;
    struct error ignored;
    char path[PATH_BYTES];
    struct stat status;
    uint64_t kept = 0;
    bool broken = false;
    if (!list_files(folder, &files, &ignored))
        return;
    for (size_t i = files.count; i-- > 0;) {
        path_of(folder, files.starts[i], path);
        uint64_t bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
        bool old = files.starts[i] + days_ms<now_ms, full = kept + bytes> bounds->bytes_max;
        if (i + 1 == files.count || (!old && !full)) {
            kept += bytes;
            state->oldest_ms = files.starts[i];
            continue;
        }
        broken = broken || !old;
        (void)unlink(path);
        kept = full ? bounds->bytes_max : kept; /* what is older goes, too */
    }
    bool young = state->oldest_ms + days_ms > now_ms;
    bool scarce = kept > bounds->bytes_max - bounds->bytes_max / PARTS * PARTS_SPARE;
    if (broken)
        state->room = RECEIPT_BOOK_BROKEN;
    else if (!young || !scarce)
        state->room = RECEIPT_BOOK_ROOM;
    else if (state->room != RECEIPT_BOOK_BROKEN)
        state->room = RECEIPT_BOOK_SCARCE;
}

/* The file that takes a slice: the newest, unless it is of another hour or long enough. */
static bool choose_file(const char *folder, uint64_t bytes_max, uint64_t ended_ms,
                        char path_r[PATH_BYTES], struct error *error)
{
    struct files files;
    struct stat status;
    if (!list_files(folder, &files, error))
        return false;
    uint64_t newest = files.count > 0 ? files.starts[files.count - 1] : 0;
    path_of(folder, newest, path_r);
    bool goes_on = files.count > 0 && newest / HOUR_MS == ended_ms / HOUR_MS &&
                   stat(path_r, &status) == 0 && (uint64_t)status.st_size < bytes_max / PARTS;
    if (!goes_on)
        path_of(folder, ended_ms, path_r);
    return true;
}

bool receipt_book_append(const char *folder, const struct receipt_book_bounds *bounds,
                         const struct receipt_slice *slice, const uint8_t *shares,
                         struct receipt_book_state *state, struct error *error)
{
    char path[PATH_BYTES];
    struct stat status;
    if (!choose_file(folder, bounds->bytes_max, slice->ended_ms, path, error))
        return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_system(error, cause, "%s cannot be opened", path);
    }
    uint8_t head[4 + RECEIPT_SLICE_BYTES];
    size_t slice_bytes = receipt_slice_bytes(slice->version), head_bytes = 4 + slice_bytes;
    size_t shares_bytes = (size_t)slice->count * RECEIPT_SHARE_BYTES;
    store_le32(head, (uint32_t)(slice_bytes + shares_bytes));
    receipt_slice_write(slice, head + 4);
    struct iovec parts[] = { { head, head_bytes }, { (void *)(uintptr_t)shares, shares_bytes } };
    /* The only writer: what stands there is as long as it was. A slice that was written in part (a
     * full disk) is taken back. */
    ssize_t written = pwritev(fd, parts, 2, status.st_size);
    bool good = written == (ssize_t)(head_bytes + shares_bytes);
    if (!good) {
        int cause = written < 0 ? errno : ENOSPC;
        (void)!ftruncate(fd, status.st_size);
        error_fill_system(error, cause, "%s cannot be written", path);
    }
    close(fd);
    if (good && status.st_size == 0)
        drop_old(folder, bounds, slice->ended_ms, state);
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

/* The next slice's head and the length of its shares; false at the end, and where it was cut off.
 * Of which version it is follows from the lengths. */
static bool read_head(FILE *file, struct receipt_slice *slice_r, size_t *length_r)
{
    uint8_t head[4 + RECEIPT_SLICE_BYTES];
    const size_t least = 4 + RECEIPT_SLICE_1_BYTES;
    if (fread(head, 1, least, file) != least || !receipt_slice_read(1, head + 4, slice_r))
        return false;
    size_t whole = load_le32(head);
    *length_r = (size_t)slice_r->count * RECEIPT_SHARE_BYTES;
    if (whole == RECEIPT_SLICE_1_BYTES + *length_r)
        return true;
    const size_t rest = sizeof head - least;
    return whole == RECEIPT_SLICE_BYTES + *length_r && fread(head + least, 1, rest, file) == rest &&
           receipt_slice_read(RECEIPT_VERSION, head + 4, slice_r);
}

/* One file to its end, or to where its last slice was cut off. */
static void walk_file(FILE *file, struct walk *walk)
{
    struct receipt_slice slice;
    size_t length;
    while (!walk->ended && read_head(file, &slice, &length)) {
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
    struct files files;
    struct walk walk = {
        .from_ms = from_ms, .to_ms = to_ms, .visit = visit, .context = context, .next_ms = to_ms
    };
    if (!list_files(folder, &files, error))
        return false;
    *oldest_ms_r = files.count > 0 ? files.starts[0] : 0;
    for (size_t i = 0; i < files.count && !walk.ended; i++) {
        bool before = i + 1 < files.count && files.starts[i + 1] <= from_ms;
        if (before || files.starts[i] >= to_ms)
            continue;
        char path[PATH_BYTES];
        path_of(folder, files.starts[i], path);
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
