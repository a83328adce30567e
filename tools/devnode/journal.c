#include "tools/devnode/journal.h"
#include "base/folder.h"
#include "tools/devnode/consensus/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES 9
#define PAYLOAD_BYTES_MAX (8U << 20)

static uint32_t crc32_of(struct span bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.length; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320U & (0U - (crc & 1)));
    }
    return ~crc;
}

static bool kind_is_known(uint8_t kind)
{
    return kind == JOURNAL_PARAMS || kind == JOURNAL_BLOCK || kind == JOURNAL_TX ||
           kind == JOURNAL_INVALIDATE || kind == JOURNAL_RECONSIDER;
}

/* Reads the whole file; the chain is small. */
static bool read_all(int fd, struct buffer *bytes_r, struct error *error)
{
    uint8_t chunk[65536];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_system(error, errno, "cannot read the journal");
        if (got == 0)
            return true;
        buffer_put(bytes_r, chunk, (size_t)got);
    }
}

/* The size of the sound record at the start of bytes, or 0. */
static size_t record_bytes(struct span bytes)
{
    if (bytes.length < HEAD_BYTES + 4 || memcmp(bytes.data, "DEVN", 4) != 0)
        return 0;
    uint32_t length = load_le32(bytes.data + 5);
    if (!kind_is_known(bytes.data[4]) || length > PAYLOAD_BYTES_MAX ||
        bytes.length - HEAD_BYTES - 4 < length)
        return 0;
    uint32_t crc = crc32_of(span_of(bytes.data + 4, 5 + (size_t)length));
    return crc == load_le32(bytes.data + HEAD_BYTES + length) ? HEAD_BYTES + 4 + (size_t)length : 0;
}

static bool sound_record_follows(struct span bytes)
{
    for (size_t at = 1; at + HEAD_BYTES + 4 <= bytes.length; at++)
        if (bytes.data[at] == 'D' && record_bytes(span_of(bytes.data + at, bytes.length - at)) != 0)
            return true;
    return false;
}

static bool replay_all(struct span bytes, journal_replay *replay, void *context,
                       uint64_t *sound_bytes_r, struct error *error)
{
    size_t at = 0;
    while (at < bytes.length) {
        struct span rest = span_of(bytes.data + at, bytes.length - at);
        size_t size = record_bytes(rest);
        if (size == 0) {
            if (sound_record_follows(rest))
                return error_set(error, ERROR_INVALID,
                                 "the journal is damaged at byte %zu, with sound records behind it",
                                 at);
            break;
        }
        if (!replay(context, (enum journal_kind)rest.data[4],
                    span_of(rest.data + HEAD_BYTES, size - HEAD_BYTES - 4), error))
            return error_prefix(error, "journal record at byte %zu", at);
        at += size;
    }
    *sound_bytes_r = at;
    return true;
}

bool journal_open(struct journal *journal, const char *path, journal_replay *replay, void *context,
                  uint64_t *dropped_r, struct error *error)
{
    struct buffer bytes = { 0 };
    uint64_t sound = 0;
    *journal = (struct journal){ .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
    if (journal->fd < 0)
        return error_system(error, errno, "cannot open %s", path);
    if (flock(journal->fd, LOCK_EX | LOCK_NB) != 0) {
        error_fill(error, ERROR_REFUSED, "another devnode uses %s", path);
        goto close;
    }
    if (!folder_sync_of(path, error) || !read_all(journal->fd, &bytes, error) ||
        !replay_all(buffer_span(&bytes), replay, context, &sound, error))
        goto close;
    *dropped_r = bytes.length - sound;
    if (*dropped_r != 0 && (ftruncate(journal->fd, (off_t)sound) != 0 || fsync(journal->fd) != 0)) {
        error_fill_system(error, errno, "cannot cut the incomplete end off %s", path);
        goto close;
    }
    buffer_deinit(&bytes);
    journal->length_bytes = sound;
    return true;
close:
    buffer_deinit(&bytes);
    close(journal->fd);
    journal->fd = -1;
    return false;
}

void journal_close(struct journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
}

static bool write_all(int fd, struct span bytes, uint64_t at)
{
    while (bytes.length > 0) {
        ssize_t put = pwrite(fd, bytes.data, bytes.length, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes = span_of(bytes.data + put, bytes.length - (size_t)put);
        at += (uint64_t)put;
    }
    return true;
}

bool journal_append(struct journal *journal, enum journal_kind kind, struct span payload,
                    struct error *error)
{
    struct buffer record = { 0 };
    if (payload.length > PAYLOAD_BYTES_MAX)
        return error_set(error, ERROR_INVALID, "a record of %zu bytes is too long", payload.length);
    buffer_put(&record, "DEVN", 4);
    buffer_put_u8(&record, (uint8_t)kind);
    buffer_put_le32(&record, (uint32_t)payload.length);
    buffer_put(&record, payload.data, payload.length);
    buffer_put_le32(&record, crc32_of(span_of(record.data + 4, record.length - 4)));
    bool kept = write_all(journal->fd, buffer_span(&record), journal->length_bytes) &&
                fdatasync(journal->fd) == 0;
    if (kept) {
        journal->length_bytes += record.length;
    } else {
        error_fill_system(error, errno, "cannot append to the journal");
        /* Where even this fails, the next start cuts the rest off. */
        if (ftruncate(journal->fd, (off_t)journal->length_bytes) != 0)
            error_fill_prefix(error, "and cannot take it back");
    }
    buffer_deinit(&record);
    return kept;
}
