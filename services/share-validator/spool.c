#include "services/share-validator/spool.h"

#include "core/pow/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 8 + 4 + 8,
    SUM_BYTES = 32,
    PATH_BYTES = 4400,
    FILE_BYTES_MAX = 64 << 20,
};
static const char magic[8] = { 'A', 'D', 'I', 'T', 'B', 'L', 'K', 1 };
static const char suffix[] = ".block";

static void path_of(const char *folder, const uint8_t block_hash[32], const char *ending,
                    char path_r[PATH_BYTES])
{
    uint8_t shown[32]; /* as explorers show it */
    char text[65];
    bytes_reverse(block_hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), text);
    snprintf(path_r, PATH_BYTES, "%.4200s/%s%s%s", folder, text, suffix, ending);
}

bool spool_open(const char *folder, struct error *error)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_system(error, errno, "the folder %s cannot be made (validator.spool_dir)",
                            folder);
    return access(folder, R_OK | W_OK | X_OK) == 0 ||
           error_system(error, errno, "the folder %s cannot be used (validator.spool_dir)", folder);
}

static bool write_all(int fd, struct span bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(fd, bytes.data, bytes.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes = span_of(bytes.data + written, bytes.length - (size_t)written);
    }
    return true;
}

static bool sync_folder(const char *folder, struct error *error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "the folder %s", folder);
    bool good = fsync(fd) == 0 || error_system(error, errno, "fsync of %s", folder);
    close(fd);
    return good;
}

bool spool_write(const char *folder, const uint8_t block_hash[32], struct span record,
                 struct span block, struct error *error)
{
    char aside[PATH_BYTES];
    char path[PATH_BYTES];
    path_of(folder, block_hash, ".new", aside);
    path_of(folder, block_hash, "", path);
    uint8_t head[HEAD_BYTES];
    uint8_t sum[SUM_BYTES];
    memcpy(head, magic, sizeof magic);
    store_le32(head + 8, (uint32_t)record.length);
    store_le64(head + 12, block.length);
    struct sha256_state state;
    sha256_init(&state);
    sha256_update(&state, span_of(head, sizeof head));
    sha256_update(&state, record);
    sha256_update(&state, block);
    sha256_final(&state, sum);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_system(error, errno, "%s cannot be written", aside);
    bool good = write_all(fd, span_of(head, sizeof head)) && write_all(fd, record) &&
                write_all(fd, block) && write_all(fd, span_of(sum, sizeof sum)) && fsync(fd) == 0;
    int reason = errno;
    if (close(fd) != 0 && good) {
        reason = errno;
        good = false;
    }
    if (good && rename(aside, path) != 0) {
        reason = errno;
        good = false;
    }
    if (!good) {
        (void)unlink(aside);
        return error_system(error, reason, "%s cannot be written", path);
    }
    return sync_folder(folder, error);
}

bool spool_remove(const char *folder, const uint8_t block_hash[32], struct error *error)
{
    char path[PATH_BYTES];
    path_of(folder, block_hash, "", path);
    /* Not synced: a file that comes back after a power failure is a block submitted once more. */
    return unlink(path) == 0 || errno == ENOENT ||
           error_system(error, errno, "%s cannot be removed", path);
}

bool spool_keep_aside(const char *folder, const uint8_t block_hash[32], struct error *error)
{
    char path[PATH_BYTES];
    char kept[PATH_BYTES];
    path_of(folder, block_hash, "", path);
    path_of(folder, block_hash, ".kept", kept);
    return rename(path, kept) == 0 || errno == ENOENT ||
           error_system(error, errno, "%s cannot be put aside", path);
}

static uint8_t *read_file(const char *path, size_t *length_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return NULL;
    uint8_t *bytes = NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size >= HEAD_BYTES + SUM_BYTES && status.st_size <= FILE_BYTES_MAX)
        bytes = malloc((size_t)status.st_size);
    size_t used = 0;
    while (bytes != NULL && used < (size_t)status.st_size) {
        ssize_t got = read(fd, bytes + used, (size_t)status.st_size - used);
        if (got <= 0) {
            free(bytes);
            bytes = NULL;
            break;
        }
        used += (size_t)got;
    }
    close(fd);
    *length_r = used;
    return bytes;
}

static bool split(struct span file, struct span *record_r, struct span *block_r)
{
    uint64_t record = load_le32(file.data + 8);
    uint64_t block = load_le64(file.data + 12);
    uint8_t sum[SUM_BYTES];
    if (memcmp(file.data, magic, sizeof magic) != 0 || block > FILE_BYTES_MAX ||
        HEAD_BYTES + record + block + SUM_BYTES != file.length)
        return false;
    sha256(span_of(file.data, file.length - SUM_BYTES), sum);
    if (memcmp(sum, file.data + file.length - SUM_BYTES, SUM_BYTES) != 0)
        return false;
    *record_r = span_of(file.data + HEAD_BYTES, (size_t)record);
    *block_r = span_of(record_r->data + record, (size_t)block);
    return true;
}

bool spool_read(const char *folder,
                void (*visitor)(void *context, struct span record, struct span block),
                void (*on_damaged)(void *context, const char *sentence), void *context,
                struct error *error)
{
    DIR *listing = opendir(folder);
    if (listing == NULL)
        return error_system(error, errno, "the folder %s cannot be read", folder);
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length < sizeof suffix ||
            strcmp(entry->d_name + length - (sizeof suffix - 1), suffix) != 0)
            continue;
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%.4000s/%.255s", folder, entry->d_name);
        size_t bytes = 0;
        uint8_t *file = read_file(path, &bytes);
        struct span record;
        struct span block;
        if (file != NULL && split(span_of(file, bytes), &record, &block)) {
            visitor(context, record, block);
        } else {
            char sentence[PATH_BYTES + 64];
            snprintf(sentence, sizeof sentence, "%s is damaged and is left where it is", path);
            on_damaged(context, sentence);
        }
        free(file);
    }
    closedir(listing);
    return true;
}
