#include "copy.h"
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 65536, PATH_BYTES = 1024, HASH_TEXT = 2 * crypto_hash_sha256_BYTES };

static bool join(char path_r[PATH_BYTES], const char *folder, const char *name, struct error *error)
{
    if ((size_t)snprintf(path_r, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES)
        return true;
    return error_set(error, ERROR_INVALID, "the path of %.200s is too long", name);
}

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        length -= (size_t)put;
    }
    return true;
}

/* Reads `from` to its end, into `to` where that is not -1. */
static bool pass(int from, int to, uint64_t *bytes_r, char hash_r[HASH_TEXT + 1],
                 struct error *error)
{
    static uint8_t block[BLOCK_BYTES];
    crypto_hash_sha256_state state;
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    *bytes_r = 0;
    for (;;) {
        const ssize_t got = read(from, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(error, errno, "reading");
        if (got == 0)
            break;
        crypto_hash_sha256_update(&state, block, (unsigned long long)got);
        *bytes_r += (uint64_t)got;
        if (to >= 0 && !write_all(to, block, (size_t)got))
            return error_system(error, errno, "writing");
    }
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(hash_r, HASH_TEXT + 1, hash, sizeof hash);
    explicit_bzero(block, sizeof block); /* keys pass through here */
    return to < 0 || fsync(to) == 0 || error_system(error, errno, "syncing");
}

static bool list(struct copy_job *job, const char *name, uint64_t bytes, const char *hash,
                 struct error *error)
{
    job->files++;
    job->bytes += bytes;
    if (job->list == NULL || fprintf(job->list, "%s  %s\n", hash, name) > 0)
        return true;
    return error_system(error, errno, "the list of files");
}

static bool copy_file(struct copy_job *job, const char *name, struct error *error)
{
    char from_path[PATH_BYTES], to_path[PATH_BYTES], hash[HASH_TEXT + 1];
    if (!join(from_path, job->from, name, error) || !join(to_path, job->to, name, error))
        return false;
    const int from = open(from_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0 && errno == ENOENT)
        return true;
    if (from < 0)
        return error_system(error, errno, "%s", from_path);
    const int to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const int reason = errno;
    uint64_t bytes = 0;
    const bool good =
        to < 0 ? error_system(error, reason, "%s", to_path)
               : pass(from, to, &bytes, hash, error) || error_prefix(error, "%s", from_path);
    close(from);
    if (to >= 0)
        close(to);
    return good && list(job, name, bytes, hash, error);
}

static bool copy_folder(struct copy_job *job, const char *name, struct error *error)
{
    char path[PATH_BYTES], inner[PATH_BYTES];
    if (!join(path, job->to, name, error))
        return false;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_system(error, errno, "%s", path);
    if (!join(path, job->from, name, error))
        return false;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT || error_system(error, errno, "%s", path);
    bool good = true;
    for (const struct dirent *entry; good && (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        good = join(inner, name, entry->d_name, error) && copy_tree(job, inner, error);
    }
    closedir(folder);
    return good && join(path, job->to, name, error) && folder_sync(path, error);
}

bool copy_tree(struct copy_job *job, const char *name, struct error *error)
{
    char path[PATH_BYTES];
    struct stat about;
    if (!join(path, job->from, name, error))
        return false;
    if (lstat(path, &about) != 0)
        return errno == ENOENT || error_system(error, errno, "%s", path);
    if (S_ISDIR(about.st_mode))
        return copy_folder(job, name, error);
    return !S_ISREG(about.st_mode) || copy_file(job, name, error);
}

static bool hash_of(const char *folder, const char *name, uint64_t *bytes_r,
                    char hash_r[HASH_TEXT + 1], struct error *error)
{
    char path[PATH_BYTES];
    if (!join(path, folder, name, error))
        return false;
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "%s", path);
    const bool good = pass(fd, -1, bytes_r, hash_r, error) || error_prefix(error, "%s", path);
    close(fd);
    return good;
}

bool copy_listed(struct copy_job *job, const char *name, struct error *error)
{
    char hash[HASH_TEXT + 1];
    uint64_t bytes;
    return hash_of(job->to, name, &bytes, hash, error) && list(job, name, bytes, hash, error);
}

static bool leads_out(const char *name)
{
    return name[0] == '/' || strcmp(name, "..") == 0 || strncmp(name, "../", 3) == 0 ||
           strstr(name, "/../") != NULL ||
           (strlen(name) >= 3 && strcmp(name + strlen(name) - 3, "/..") == 0);
}

bool copy_check(const char *folder,
                bool (*each)(void *context, const char *name, struct error *error), void *context,
                struct error *error)
{
    char path[PATH_BYTES], line[PATH_BYTES + HASH_TEXT + 8], hash[HASH_TEXT + 1];
    uint64_t bytes;
    if (!join(path, folder, COPY_LIST, error))
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, "%s (a backup that was not finished has none)", path);
    bool good = true;
    while (good && fgets(line, sizeof line, file) != NULL) {
        const size_t length = strcspn(line, "\n");
        const char *name = line + HASH_TEXT + 2;
        good = length > HASH_TEXT + 2 && line[length] == '\n' &&
               memcmp(line + HASH_TEXT, "  ", 2) == 0;
        line[length] = '\0';
        if (!good || leads_out(name))
            good =
                error_set(error, ERROR_INVALID, "%s has a line that is none of a backup's", path);
        good = good && hash_of(folder, name, &bytes, hash, error);
        if (good && memcmp(hash, line, HASH_TEXT) != 0)
            good = error_set(error, ERROR_INVALID, "%s/%s is not what was backed up", folder, name);
        good = good && (each == NULL || each(context, name, error));
    }
    fclose(file);
    return good;
}
