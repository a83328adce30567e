/* Files of secrets. They are written under another name first, so that whoever reads meanwhile
 * finds a whole file, the old one or the new. */
#include "adapter/token_sodium/inside.h"

#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_whole(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return fsync(fd) == 0;
}

/* Writes the text to a fresh file beside `path`. */
static bool write_beside(const char *path, const char *text, char *temporary, size_t bytes,
                         struct error *error)
{
    if ((size_t)snprintf(temporary, bytes, "%s.XXXXXX", path) >= bytes)
        return error_set(error, ERROR_INVALID, "the path of the token key is too long");
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "the token key %s cannot be made", path);
    bool made = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write_whole(fd, text, strlen(text));
    int cause = errno;
    close(fd);
    if (made)
        return true;
    (void)unlink(temporary);
    return error_system(error, cause, "the token key %s cannot be written", path);
}

bool keyfile_make(const char *path, uint64_t from_s, struct error *error)
{
    char temporary[4096];
    uint8_t seed[SEED_BYTES];
    char text[SEED_TEXT_BYTES + 24];
    randombytes_buf(seed, sizeof seed);
    hex_encode(span_of(seed, sizeof seed), text);
    char *end = text + (size_t)2 * SEED_BYTES;
    if (from_s == 0)
        memcpy(end, "\n", 2);
    else
        snprintf(end, sizeof text - (size_t)2 * SEED_BYTES, " %" PRIu64 "\n", from_s);
    bool made = write_beside(path, text, temporary, sizeof temporary, error);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(text, sizeof text);
    if (!made)
        return false;
    /* Linked, not renamed: of two that make it, one does. */
    int cause = link(temporary, path) != 0 && errno != EEXIST ? errno : 0;
    (void)unlink(temporary);
    if (cause != 0)
        return error_system(error, cause, "the token key %s cannot be written", path);
    return folder_sync_of(path, error);
}

bool keyfile_replace(const char *path, const char *text, struct error *error)
{
    char temporary[4096];
    if (!write_beside(path, text, temporary, sizeof temporary, error))
        return false;
    if (rename(temporary, path) != 0) {
        int cause = errno;
        (void)unlink(temporary);
        return error_system(error, cause, "the token key %s cannot be replaced", path);
    }
    return folder_sync_of(path, error);
}

bool keyfile_read(const char *path, char text_r[KEYFILE_BYTES], bool *missing_r,
                  struct error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *missing_r = fd < 0 && errno == ENOENT;
    if (fd < 0)
        return error_system(error, errno, "the token key %s cannot be read", path);
    ssize_t got = fstat(fd, &status) == 0 ? read(fd, text_r, KEYFILE_BYTES - 1) : -1;
    int cause = errno;
    close(fd);
    if (got < 0)
        return error_system(error, cause, "the token key %s cannot be read", path);
    /* A group may read: that is how a container is handed its secrets. */
    if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0) {
        sodium_memzero(text_r, KEYFILE_BYTES);
        return error_set(error, ERROR_INVALID, "%s is open to others: chmod 600 %s", path, path);
    }
    size_t length = (size_t)got;
    while (length > 0 && (text_r[length - 1] == '\n' || text_r[length - 1] == '\r'))
        length--;
    text_r[length] = '\0';
    return true;
}
