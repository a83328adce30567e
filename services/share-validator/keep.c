#include "services/share-validator/keep.h"

#include "services/share-validator/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 8 + 8,
    SUM_BYTES = 8,
    FILE_BYTES_MAX = 16 << 20,
    WRITES_MAX = 32,
};
static const char magic[8] = { 'A', 'D', 'I', 'T', 'J', 'O', 'B', 1 };
static const char suffix[] = ".job";
static const char aside_suffix[] = ".new"; /* behind it, while it is written */

struct kept {
    uint64_t job_id;
    uint64_t since_ms; /* the loop's clock */
    bool old;          /* an earlier process's: written anew when it is heard again */
};

struct keep {
    struct keep_options options;
    char *folder;
    struct worker *worker;
    struct kept *kept; /* oldest first */
    size_t count;
    uint64_t writing[WRITES_MAX];
    size_t writing_count;
    bool ending;
};

struct write {
    struct worker_job job;
    struct keep *keep;
    uint64_t job_id;
    uint64_t gone[2]; /* files to remove on the way; 0: none */
    keep_handler handler;
    void *context;
    bool good;
    struct error error;
    size_t length;
    uint8_t bytes[];
};

static void path_of(const struct keep *keep, uint64_t job_id, const char *ending,
                    char path_r[FILE_PATH_BYTES])
{
    snprintf(path_r, FILE_PATH_BYTES, "%.4200s/%016" PRIx64 "%s%s", keep->folder, job_id, suffix,
             ending);
}

/* Tells a file that is whole from one that a power failure cut or left empty; a word at a time,
 * because somebody waits for it. */
static uint64_t checksum(struct span bytes)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ bytes.length;
    size_t at = 0;
    for (; bytes.length - at >= 8; at += 8) {
        sum = (sum ^ load_le64(bytes.data + at)) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    for (; at < bytes.length; at++)
        sum = (sum ^ bytes.data[at]) * UINT64_C(0x100000001b3);
    return sum ^ sum >> 32;
}

static void write_work(struct worker_job *job)
{
    struct write *write = (struct write *)job;
    char path[FILE_PATH_BYTES], aside[FILE_PATH_BYTES];
    uint8_t head[HEAD_BYTES], sum[SUM_BYTES];
    memcpy(head, magic, sizeof magic);
    store_le64(head + 8, write->length);
    store_le64(sum, checksum(span_of(write->bytes, write->length)));
    path_of(write->keep, write->job_id, "", path);
    path_of(write->keep, write->job_id, aside_suffix, aside);
    const struct span parts[] = { span_of(head, sizeof head), span_of(write->bytes, write->length),
                                  span_of(sum, sizeof sum) };
    write->good = file_write(path, aside, parts, 3, false, &write->error);
}

/* Behind the answer: nobody waits for these. */
static void remove_gone(struct worker_job *job)
{
    struct write *write = (struct write *)job;
    char path[FILE_PATH_BYTES];
    for (size_t i = 0; i < 2; i++)
        if (write->gone[i] != 0) {
            path_of(write->keep, write->gone[i], "", path);
            (void)unlink(path);
        }
}

static void free_write(struct worker_job *job)
{
    free(job);
}

static void forget(struct keep *keep, size_t at)
{
    keep->count--;
    memmove(keep->kept + at, keep->kept + at + 1, (keep->count - at) * sizeof *keep->kept);
}

/* The newest now; its file took the place of an older one of the same name. */
static void remember(struct keep *keep, uint64_t job_id, uint64_t now_ms)
{
    for (size_t i = 0; i < keep->count; i++)
        if (keep->kept[i].job_id == job_id) {
            forget(keep, i);
            break;
        }
    keep->kept[keep->count++] = (struct kept){ job_id, now_ms, false };
}

static void write_done(struct worker_job *job)
{
    struct write *write = (struct write *)job;
    struct keep *keep = write->keep;
    uint64_t now_ms = loop_now_ms(keep->options.loop);
    for (size_t i = 0; i < keep->writing_count; i++)
        if (keep->writing[i] == write->job_id) {
            keep->writing[i] = keep->writing[--keep->writing_count];
            break;
        }
    if (write->handler != NULL)
        write->handler(write->context, write->job_id, write->good ? NULL : &write->error);
    if (write->good)
        remember(keep, write->job_id, now_ms);
    /* One file comes and up to two go, so the number settles. A job is of no use memory_ms after
     * the next one took its place. */
    for (int i = 0; i < 2 && keep->count > 1 &&
                    (keep->count > keep->options.files_max ||
                     now_ms - keep->kept[1].since_ms > keep->options.memory_ms);
         i++) {
        write->gone[i] = keep->kept[0].job_id;
        forget(keep, 0);
    }
    write->job = (struct worker_job){ .work = remove_gone, .done = free_write };
    if (write->gone[0] == 0 || keep->ending || !worker_submit(keep->worker, &write->job)) {
        remove_gone(job);
        free(write);
    }
}

bool keep_is_writing(const struct keep *keep, uint64_t job_id)
{
    for (size_t i = 0; i < keep->writing_count; i++)
        if (keep->writing[i] == job_id)
            return true;
    return false;
}

bool keep_has(const struct keep *keep, uint64_t job_id)
{
    for (size_t i = 0; i < keep->count; i++)
        if (keep->kept[i].job_id == job_id && !keep->kept[i].old)
            return true;
    return keep_is_writing(keep, job_id);
}

bool keep_write(struct keep *keep, uint64_t job_id, struct span message, keep_handler handler,
                void *context, struct error *error)
{
    if (keep_has(keep, job_id))
        return error_set(error, ERROR_INVALID, "it is kept already");
    if (keep->writing_count == WRITES_MAX)
        return error_set(error, ERROR_FULL, "too much is being written");
    if (message.length > FILE_BYTES_MAX - HEAD_BYTES - SUM_BYTES)
        return error_set(error, ERROR_FULL, "%zu bytes are more than a file takes", message.length);
    struct write *write = malloc(sizeof *write + message.length);
    if (write == NULL)
        return error_set(error, ERROR_FULL, "no memory for %zu bytes", message.length);
    *write = (struct write){ .job = { .work = write_work, .done = write_done },
                             .keep = keep,
                             .job_id = job_id,
                             .handler = handler,
                             .context = context,
                             .length = message.length };
    memcpy(write->bytes, message.data, message.length);
    if (!worker_submit(keep->worker, &write->job)) {
        free(write);
        return error_set(error, ERROR_FULL, "too much is being written");
    }
    keep->writing[keep->writing_count++] = job_id;
    return true;
}

static bool is_ours(const struct dirent *entry, uint64_t *job_id_r)
{
    return strlen(entry->d_name) == 16 + sizeof suffix - 1 &&
           strcmp(entry->d_name + 16, suffix) == 0 && hex_decode_u64(entry->d_name, 16, job_id_r) &&
           *job_id_r != 0;
}

static int name_is_ours(const struct dirent *entry)
{
    uint64_t job_id;
    return is_ours(entry, &job_id);
}

/* What a process left that died while it wrote. */
static void remove_unfinished(const struct keep *keep)
{
    DIR *listing = opendir(keep->folder);
    const struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        size_t length = strlen(entry->d_name), tail = sizeof suffix - 1 + sizeof aside_suffix - 1;
        uint64_t job_id;
        if (length == 16 + tail && hex_decode_u64(entry->d_name, 16, &job_id) &&
            strncmp(entry->d_name + 16, suffix, sizeof suffix - 1) == 0 &&
            strcmp(entry->d_name + 16 + sizeof suffix - 1, aside_suffix) == 0) {
            char path[FILE_PATH_BYTES];
            path_of(keep, job_id, aside_suffix, path);
            (void)unlink(path);
        }
    }
    if (listing != NULL)
        closedir(listing);
}

static bool is_whole(struct span file, struct span *message_r)
{
    if (file.length < HEAD_BYTES + SUM_BYTES || memcmp(file.data, magic, sizeof magic) != 0 ||
        load_le64(file.data + 8) != file.length - HEAD_BYTES - SUM_BYTES)
        return false;
    *message_r = span_of(file.data + HEAD_BYTES, file.length - HEAD_BYTES - SUM_BYTES);
    return load_le64(message_r->data + message_r->length) == checksum(*message_r);
}

/* Only what was read whole and is damaged goes: what cannot be read now may be the last copy of a
 * job, and stays for the next start, in its turn among the others. */
static void read_one(struct keep *keep, uint64_t job_id, const struct keep_reader *reader)
{
    char path[FILE_PATH_BYTES], sentence[FILE_PATH_BYTES + 64];
    struct span message;
    struct error error;
    uint8_t *file;
    size_t length;
    path_of(keep, job_id, "", path);
    bool read = file_read(path, FILE_BYTES_MAX, &file, &length, &error);
    bool whole = read && file != NULL && is_whole(span_of(file, length), &message);
    if (whole || !read)
        keep->kept[keep->count++] = (struct kept){ job_id, loop_now_ms(keep->options.loop), true };
    if (whole) {
        reader->visitor(reader->context, job_id, message);
    } else if (!read) {
        reader->on_trouble(reader->context, error.text);
    } else {
        snprintf(sentence, sizeof sentence, "%s is damaged and is removed", path);
        reader->on_trouble(reader->context, sentence);
        (void)unlink(path);
    }
    free(file);
}

void keep_read(struct keep *keep, const struct keep_reader *reader)
{
    struct dirent **names = NULL;
    struct error error;
    remove_unfinished(keep);
    int found = scandir(keep->folder, &names, name_is_ours, alphasort);
    if (found < 0) {
        error_fill_system(&error, errno, "the folder %s cannot be read", keep->folder);
        reader->on_trouble(reader->context, error.text);
        return;
    }
    for (int i = 0; i < found; i++) {
        uint64_t job_id = 0;
        bool ours = is_ours(names[i], &job_id);
        free(names[i]);
        if (!ours)
            continue;
        if ((size_t)(found - i) <= keep->options.files_max) {
            read_one(keep, job_id, reader);
        } else { /* more than there is room for */
            char path[FILE_PATH_BYTES];
            path_of(keep, job_id, "", path);
            (void)unlink(path);
        }
    }
    free(names);
}

size_t keep_count(const struct keep *keep)
{
    return keep->count;
}

struct keep *keep_create(const struct keep_options *options, struct error *error)
{
    struct keep *keep = calloc(1, sizeof *keep);
    if (keep != NULL) {
        keep->options = *options;
        keep->folder = strdup(options->folder);
        keep->kept = calloc(options->files_max + WRITES_MAX + 1, sizeof *keep->kept);
    }
    if (keep == NULL || keep->folder == NULL || keep->kept == NULL) {
        error_fill(error, ERROR_FULL, "no memory for the jobs that are kept");
        keep_destroy(keep);
        return NULL;
    }
    if (mkdir(keep->folder, 0700) != 0 && errno != EEXIST) {
        error_fill_system(error, errno, "the folder %s cannot be made", keep->folder);
        keep_destroy(keep);
        return NULL;
    }
    keep->worker = worker_create(options->loop, "keep", 1, 2 * WRITES_MAX, error);
    if (keep->worker == NULL) {
        keep_destroy(keep);
        return NULL;
    }
    return keep;
}

void keep_destroy(struct keep *keep)
{
    if (keep == NULL)
        return;
    keep->ending = true;
    if (keep->worker != NULL)
        worker_destroy(keep->worker);
    free(keep->folder);
    free(keep->kept);
    free(keep);
}
