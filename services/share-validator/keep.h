/* Jobs, with the transactions their blocks need, as files: so that a
 * validator killed together with the scheduler can judge and complete a block of a job that nobody
 * else holds any more. One file a job, named by its id:
 *
 *   "ADITJOB" 2 · { length (8) · an encoded `template_reply` } · … · checksum (8)
 *
 * Its transactions stand in as many messages as they came in, the job in the last. Integers are
 * little-endian. Written aside and renamed, so a file that has its name is whole after
 * the death of any process. It is not fsynced: what a power failure leaves is found out by the
 * checksum. At most files_max of them; beyond that, and memory_ms after the next one was kept, the
 * oldest goes.
 *
 * On the loop's thread; a thread of its own writes. */
#pragma once
#include "loop/worker.h"

struct keep;

struct keep_options {
    struct loop *loop;
    const char *folder; /* made where it is not there; its parent is */
    size_t files_max;
    uint64_t memory_ms;
};

/* NULL and *error on failure. What an earlier process kept is left there: keep_read. */
MUST_CHECK struct keep *keep_create(const struct keep_options *options, struct error *error);
/* Finishes what is being written; its handlers are called. */
void keep_destroy(struct keep *keep);

/* A file that is begun before its job is known, while the transactions come. */
struct keep_draft;
/* `name` tells it from other drafts. NULL where there are too many, or no memory. Ended by
 * keep_write or keep_drop. */
struct keep_draft *keep_begin(struct keep *keep, uint64_t name);
/* The next message, which is copied. Where that cannot be, keep_write will say so. */
void keep_add(struct keep_draft *draft, struct span message);
/* NULL: nothing happens. */
void keep_drop(struct keep_draft *draft);

/* Keeps a job: `message`, which is copied, stands last in its file, behind what the draft has
 * (taken also on failure; NULL: none). The handler (may be NULL) is called once, when the file has
 * its name or cannot be written (error: the sentence), never before this returns. False and *error,
 * and no file is made, where too much is being written, the message is too long, there is no
 * memory, or keep_has this job already. */
typedef void (*keep_handler)(void *context, uint64_t job_id, const struct error *error);
MUST_CHECK bool keep_write(struct keep *keep, uint64_t job_id, struct keep_draft *draft,
                           struct span message, keep_handler handler, void *context,
                           struct error *error);
/* Kept by this process, or being written. */
bool keep_has(const struct keep *keep, uint64_t job_id);
/* Whether a write of this job has begun and its handler was not called yet. */
bool keep_is_writing(const struct keep *keep, uint64_t job_id);

struct keep_reader {
    /* of a file that is whole the messages, one after the other; each borrowed until it returns */
    void (*visitor)(void *context, uint64_t job_id, struct span message, bool last);
    /* a file that is damaged, and is removed; or that cannot be read now, and is left */
    void (*on_trouble)(void *context, const char *sentence);
    void *context;
};
/* Reads the newest files_max of the files that are there, oldest job first, and removes the others.
 * For the start. */
void keep_read(struct keep *keep, const struct keep_reader *reader);
/* Files, those that could not be read among them. */
size_t keep_count(const struct keep *keep);
