#include "services/share-validator/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

bool file_write(const char *path, const char *aside, const struct span *parts, size_t parts_count,
                bool synced, struct error *error)
{
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_system(error, errno, "%s cannot be written", aside);
    bool good = true;
    for (size_t i = 0; good && i < parts_count; i++)
        good = write_all(fd, parts[i]);
    good = good && (!synced || fsync(fd) == 0);
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
    return true;
}

bool file_sync_folder(const char *folder, struct error *error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "the folder %s", folder);
    bool good = fsync(fd) == 0 || error_system(error, errno, "fsync of %s", folder);
    close(fd);
    return good;
}

uint8_t *file_read(const char *path, size_t bytes_max, size_t *length_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return NULL;
    uint8_t *bytes = NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        (size_t)status.st_size <= bytes_max)
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
