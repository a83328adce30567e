#include "services/share-validator/spool.h"

#include "base/folder.h"
#include "core/pow/sha256.h"
#include "services/share-validator/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 8 + 4 + 8,
    SUM_BYTES = 32,
    FILE_BYTES_MAX = 64 << 20,
};
static const char magic[8] = { 'A', 'D', 'I', 'T', 'B', 'L', 'K', 1 };
static const char suffix[] = ".block";

static void path_of(const char *folder, const uint8_t block_hash[32], const char *ending,
                    char path_r[FILE_PATH_BYTES])
{
    uint8_t shown[32]; /* as explorers show it */
    char text[65];
    bytes_reverse(block_hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), text);
    snprintf(path_r, FILE_PATH_BYTES, "%.4200s/%s%s%s", folder, text, suffix, ending);
}

bool spool_open(const char *folder, struct error *error)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_system(error, errno, "the folder %s cannot be made (validator.spool_dir)",
                            folder);
    return access(folder, R_OK | W_OK | X_OK) == 0 ||
           error_system(error, errno, "the folder %s cannot be used (validator.spool_dir)", folder);
}

bool spool_write(const char *folder, const uint8_t block_hash[32], struct span record,
                 struct span block, struct error *error)
{
    char aside[FILE_PATH_BYTES];
    char path[FILE_PATH_BYTES];
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
    const struct span parts[] = { span_of(head, sizeof head), record, block,
                                  span_of(sum, sizeof sum) };
    return file_write(path, aside, parts, 4, true, error) && folder_sync(folder, error);
}

bool spool_remove(const char *folder, const uint8_t block_hash[32], struct error *error)
{
    char path[FILE_PATH_BYTES];
    path_of(folder, block_hash, "", path);
    /* Not synced: a file that comes back after a power failure is a block submitted once more. */
    return unlink(path) == 0 || errno == ENOENT ||
           error_system(error, errno, "%s cannot be removed", path);
}

bool spool_keep_aside(const char *folder, const uint8_t block_hash[32], struct error *error)
{
    char path[FILE_PATH_BYTES];
    char kept[FILE_PATH_BYTES];
    path_of(folder, block_hash, "", path);
    path_of(folder, block_hash, ".kept", kept);
    return rename(path, kept) == 0 || errno == ENOENT ||
           error_system(error, errno, "%s cannot be put aside", path);
}

static bool split(struct span file, struct span *record_r, struct span *block_r)
{
    if (file.length < HEAD_BYTES + SUM_BYTES)
        return false;
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
        char path[FILE_PATH_BYTES];
        snprintf(path, sizeof path, "%.4000s/%.255s", folder, entry->d_name);
        size_t bytes = 0;
        uint8_t *file = NULL;
        struct span record;
        struct span block;
        struct error unread;
        if (!file_read(path, FILE_BYTES_MAX, &file, &bytes, &unread)) {
            on_damaged(context, unread.text);
        } else if (file != NULL && split(span_of(file, bytes), &record, &block)) {
            visitor(context, record, block);
        } else {
            char sentence[FILE_PATH_BYTES + 64];
            snprintf(sentence, sizeof sentence, "%s is damaged and is left where it is", path);
            on_damaged(context, sentence);
        }
        free(file);
    }
    closedir(listing);
    return true;
}
