#include "services/share-validator/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_write_all(int fd, struct span bytes)
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
        good = file_write_all(fd, parts[i]);
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

/* False where no memory or the disk fails it. */
static bool read_all(int fd, const char *path, size_t length, uint8_t **bytes_r,
                     struct error *error)
{
    uint8_t *bytes = malloc(length);
    if (bytes == NULL)
        return error_set(error, ERROR_FULL, "no memory to read %s", path);
    for (size_t used = 0; used < length;) {
        ssize_t got = read(fd, bytes + used, length - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            const int reason = got < 0 ? errno : EIO; /* it ends before the length it has */
            free(bytes);
            return error_system(error, reason, "%s cannot be read", path);
        }
        used += (size_t)got;
    }
    *bytes_r = bytes;
    return true;
}

bool file_read(const char *path, size_t bytes_max, uint8_t **bytes_r, size_t *length_r,
               struct error *error)
{
    struct stat status;
    *bytes_r = NULL;
    *length_r = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "%s cannot be read", path);
    bool good = fstat(fd, &status) == 0 || error_system(error, errno, "%s cannot be read", path);
    if (good && S_ISREG(status.st_mode) && status.st_size > 0 &&
        (size_t)status.st_size <= bytes_max) {
        good = read_all(fd, path, (size_t)status.st_size, bytes_r, error);
        *length_r = good ? (size_t)status.st_size : 0;
    }
    close(fd);
    return good;
}
