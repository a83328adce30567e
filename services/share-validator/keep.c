#include "services/share-validator/keep.h"

#include "services/share-validator/keep_file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 16 << 20,
    FRAME_BYTES = 8 + 8 + 8, /* of a file with one message */
    WRITES_MAX = 32,
    DRAFTS_MAX = 32,
    PIECES_MAX = 192, /* of drafts, not written yet */
    QUEUE_MAX = 512,  /* all these, and the files to remove */
};
static const char suffix[] = ".job";
static const char draft_suffix[] = ".txs";
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
    size_t drafts, pieces; /* of drafts: alive; to be written */
    bool ending;
};

struct keep_draft {
    struct worker_job job; /* when it is dropped */
    struct keep *keep;
    struct keep_file file; /* the thread's */
    bool incomplete;       /* a piece could not be taken */
};

/* A message on its way into a file. */
struct write {
    struct worker_job job;
    struct keep *keep;
    struct keep_draft *draft;
    uint64_t job_id;  /* 0: others follow */
    uint64_t gone[2]; /* files to remove on the way; 0: none */
    keep_handler handler;
    void *context;
    bool good;
    struct error error;
    size_t length;
    uint8_t bytes[];
};

static void path_of(const struct keep *keep, uint64_t name, const char *kind, const char *ending,
                    char path_r[FILE_PATH_BYTES])
{
    snprintf(path_r, FILE_PATH_BYTES, "%.4200s/%016" PRIx64 "%s%s", keep->folder, name, kind,
             ending);
}

static void write_work(struct worker_job *job)
{
    struct write *write = (struct write *)job;
    char path[FILE_PATH_BYTES];
    keep_file_add(&write->draft->file, span_of(write->bytes, write->length));
    if (write->job_id == 0)
        return;
    path_of(write->keep, write->job_id, suffix, "", path);
    write->good = keep_file_end(&write->draft->file, path, &write->error);
}

/* Behind the answer: nobody waits for these. */
static void remove_gone(struct worker_job *job)
{
    struct write *write = (struct write *)job;
    char path[FILE_PATH_BYTES];
    for (size_t i = 0; i < 2; i++)
        if (write->gone[i] != 0) {
            path_of(write->keep, write->gone[i], suffix, "", path);
            (void)unlink(path);
        }
}

static void free_write(struct worker_job *job)
{
    free(job);
}

static void piece_done(struct worker_job *job)
{
    struct write *write = (struct write *)job;
    write->keep->pieces--;
    free(write);
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
    keep->drafts--;
    free(write->draft);
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

static struct keep_draft *make_draft(struct keep *keep, uint64_t name, const char *kind)
{
    struct keep_draft *draft = calloc(1, sizeof *draft);
    if (draft == NULL)
        return NULL;
    draft->keep = keep;
    path_of(keep, name, kind, aside_suffix, draft->file.aside);
    keep->drafts++;
    return draft;
}

struct keep_draft *keep_begin(struct keep *keep, uint64_t name)
{
    return keep->drafts < DRAFTS_MAX ? make_draft(keep, name, draft_suffix) : NULL;
}

/* NULL for want of memory. */
static struct write *make_write(struct keep *keep, struct span message)
{
    struct write *write = malloc(sizeof *write + message.length);
    if (write == NULL)
        return NULL;
    *write = (struct write){ .job = { .work = write_work }, .keep = keep };
    write->length = message.length;
    memcpy(write->bytes, message.data, message.length);
    return write;
}

void keep_add(struct keep_draft *draft, struct span message)
{
    struct keep *keep = draft->keep;
    struct write *write =
        draft->incomplete || keep->pieces == PIECES_MAX ? NULL : make_write(keep, message);
    draft->incomplete = write == NULL;
    if (write == NULL)
        return;
    write->draft = draft;
    write->job.done = piece_done;
    draft->incomplete = !worker_submit(keep->worker, &write->job);
    if (draft->incomplete)
        free(write);
    else
        keep->pieces++;
}

static void drop_work(struct worker_job *job)
{
    keep_file_drop(&((struct keep_draft *)job)->file);
}

static void drop_done(struct worker_job *job)
{
    struct keep_draft *draft = (struct keep_draft *)job;
    draft->keep->drafts--;
    free(draft);
}

void keep_drop(struct keep_draft *draft)
{
    if (draft == NULL)
        return;
    draft->job = (struct worker_job){ .work = drop_work, .done = drop_done };
    bool queued = worker_submit(draft->keep->worker, &draft->job); /* there is room for all */
    ASSERT(queued);
}

static bool refuse_write(struct keep_draft *draft, struct error *error, enum error_code code,
                         const char *why)
{
    keep_drop(draft);
    return error_set(error, code, "%s", why);
}

bool keep_write(struct keep *keep, uint64_t job_id, struct keep_draft *draft, struct span message,
                keep_handler handler, void *context, struct error *error)
{
    if (keep_has(keep, job_id))
        return refuse_write(draft, error, ERROR_INVALID, "it is kept already");
    if (keep->writing_count == WRITES_MAX || (draft != NULL && draft->incomplete))
        return refuse_write(draft, error, ERROR_FULL, "too much is being written");
    if (message.length > FILE_BYTES_MAX - FRAME_BYTES) {
        keep_drop(draft);
        return error_set(error, ERROR_FULL, "%zu bytes are more than a file takes", message.length);
    }
    struct write *write = make_write(keep, message);
    if (write != NULL)
        write->draft = draft != NULL ? draft : make_draft(keep, job_id, suffix);
    if (write == NULL || write->draft == NULL) {
        free(write);
        return refuse_write(draft, error, ERROR_FULL, "no memory for a file");
    }
    write->job.done = write_done;
    write->job_id = job_id;
    write->handler = handler;
    write->context = context;
    draft = write->draft;
    if (!worker_submit(keep->worker, &write->job)) {
        free(write);
        return refuse_write(draft, error, ERROR_FULL, "too much is being written");
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

/* A name of ours that ends in `kind` and ".new". */
static bool is_unfinished(const char *name, const char *kind)
{
    uint64_t number;
    return strlen(name) == 16 + strlen(kind) + sizeof aside_suffix - 1 &&
           hex_decode_u64(name, 16, &number) && strncmp(name + 16, kind, strlen(kind)) == 0 &&
           strcmp(name + 16 + strlen(kind), aside_suffix) == 0;
}

/* What a process left that died while it wrote. */
static void remove_unfinished(const struct keep *keep)
{
    DIR *listing = opendir(keep->folder);
    const struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL)
        if (is_unfinished(entry->d_name, suffix) || is_unfinished(entry->d_name, draft_suffix)) {
            char path[FILE_PATH_BYTES];
            snprintf(path, sizeof path, "%.4200s/%.40s", keep->folder, entry->d_name);
            (void)unlink(path);
        }
    if (listing != NULL)
        closedir(listing);
}

struct visit {
    const struct keep_reader *reader;
    uint64_t job_id;
};

static void visit_message(void *context, struct span message, bool last)
{
    const struct visit *visit = context;
    visit->reader->visitor(visit->reader->context, visit->job_id, message, last);
}

/* Only what was read whole and is damaged goes: what cannot be read now may be the last copy of a
 * job, and stays for the next start, in its turn among the others. */
static void read_one(struct keep *keep, uint64_t job_id, const struct keep_reader *reader)
{
    char path[FILE_PATH_BYTES], sentence[FILE_PATH_BYTES + 64];
    struct visit visit = { reader, job_id };
    struct error error;
    uint8_t *file;
    size_t length;
    path_of(keep, job_id, suffix, "", path);
    bool read = file_read(path, FILE_BYTES_MAX, &file, &length, &error);
    bool whole = read && file != NULL && keep_file_read(span_of(file, length), NULL, NULL);
    if (whole || !read)
        keep->kept[keep->count++] = (struct kept){ job_id, loop_now_ms(keep->options.loop), true };
    if (whole) {
        (void)!keep_file_read(span_of(file, length), visit_message, &visit);
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
            path_of(keep, job_id, suffix, "", path);
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
    keep->worker = worker_create(options->loop, "keep", 1, QUEUE_MAX, error);
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
