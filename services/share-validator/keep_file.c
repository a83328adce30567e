#include "services/share-validator/keep_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8, SUM_BYTES = 8, FILE_BYTES_MAX = 16 << 20 };
#define SUM_BEGIN UINT64_C(0xcbf29ce484222325)

static const char magic[8] = { 'A', 'D', 'I', 'T', 'J', 'O', 'B', 2 };

/* Tells a file that is whole from one that a power failure cut or left empty; a word at a time,
 * because somebody waits for it. */
static uint64_t checksum(uint64_t sum, struct span bytes)
{
    size_t at = 0;
    sum ^= bytes.length;
    for (; bytes.length - at >= 8; at += 8) {
        sum = (sum ^ load_le64(bytes.data + at)) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    for (; at < bytes.length; at++)
        sum = (sum ^ bytes.data[at]) * UINT64_C(0x100000001b3);
    return sum ^ sum >> 32;
}

static void fail(struct keep_file *file)
{
    error_fill_system(&file->error, errno, "%s cannot be written", file->aside);
    file->failed = true;
}

void keep_file_add(struct keep_file *file, struct span message)
{
    uint8_t length[LENGTH_BYTES];
    if (!file->open && !file->failed) {
        file->sum = SUM_BEGIN;
        file->fd = open(file->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        file->open = file->fd >= 0;
        if (!file->open || !file_write_all(file->fd, span_of(magic, sizeof magic)))
            fail(file);
        file->bytes = sizeof magic;
    }
    if (file->failed)
        return;
    file->bytes += sizeof length + message.length;
    if (file->bytes > FILE_BYTES_MAX - SUM_BYTES) {
        error_fill(&file->error, ERROR_FULL, "%zu bytes are more than a file takes", file->bytes);
        file->failed = true;
        return;
    }
    store_le64(length, message.length);
    if (!file_write_all(file->fd, span_of(length, sizeof length)) ||
        !file_write_all(file->fd, message))
        fail(file);
    file->sum = checksum(file->sum, message);
}

void keep_file_drop(struct keep_file *file)
{
    if (!file->open)
        return;
    close(file->fd);
    file->open = false;
    (void)unlink(file->aside);
}

bool keep_file_end(struct keep_file *file, const char *path, struct error *error)
{
    uint8_t sum[SUM_BYTES];
    store_le64(sum, file->sum);
    if (!file->failed && !file_write_all(file->fd, span_of(sum, sizeof sum)))
        fail(file);
    if (file->failed) {
        keep_file_drop(file);
        *error = file->error;
        return false;
    }
    file->open = false;
    bool good = close(file->fd) == 0 && rename(file->aside, path) == 0;
    if (!good) {
        error_fill_system(error, errno, "%s cannot be written", path);
        (void)unlink(file->aside);
    }
    return good;
}

/* The message at *at, behind which *at stands then. */
static bool next(struct span bytes, size_t *at, struct span *message_r)
{
    size_t left = bytes.length - SUM_BYTES - *at;
    if (left < LENGTH_BYTES)
        return false;
    uint64_t length = load_le64(bytes.data + *at);
    if (length > left - LENGTH_BYTES)
        return false;
    *message_r = span_of(bytes.data + *at + LENGTH_BYTES, (size_t)length);
    *at += LENGTH_BYTES + (size_t)length;
    return true;
}

bool keep_file_read(struct span bytes, keep_file_visitor visitor, void *context)
{
    struct span message;
    uint64_t sum = SUM_BEGIN;
    if (bytes.length < sizeof magic + LENGTH_BYTES + SUM_BYTES ||
        memcmp(bytes.data, magic, sizeof magic) != 0)
        return false;
    const size_t end = bytes.length - SUM_BYTES;
    for (size_t at = sizeof magic; at < end;) {
        if (!next(bytes, &at, &message))
            return false;
        sum = checksum(sum, message);
    }
    if (load_le64(bytes.data + end) != sum)
        return false;
    for (size_t at = sizeof magic; visitor != NULL && at < end;) {
        bool there = next(bytes, &at, &message);
        ASSERT(there);
        visitor(context, message, at == end);
    }
    return true;
}
