/* Validation tasks: a submission that a gateway drew, on its way to being judged again.
 *
 *     WAITING ──▶ OPEN ──▶ ISSUED ──▶ SETTLED ──▶ forgotten
 *        handed in   │  made ▲  │ to one validator, under a val_id of its own
 *                    │       └──┘ expired: to another, under another val_id
 *                    └──────────────▶ nobody may have it: judged by the scheduler alone
 *
 * Its id is the submission's (lease, sequence, index), so that handing it in again changes nothing.
 * A val_id is random, is valid for whom it was issued to until it expires, and counts once:
 * settling replaces the record as it was read. Of a settled task the submission is not kept.
 *
 * Blocking, like the store; the caller's memory; one thread at a time per store handle. */
#pragma once
#include "core/job/job.h"
#include "port/store.h"
#include "wire/messages.h"

extern const struct store_collection task_collection;

enum {
    TASK_ID_BYTES = 48,
    TASK_MEMBER_BYTES = 128, /* a validator's id (MEMBER_ID_BYTES) */
    TASK_BODY_BYTES_MAX = 9216,
};

/* Stored; never renumber. */
enum task_state { TASK_WAITING = 1, TASK_OPEN = 2, TASK_ISSUED = 3, TASK_SETTLED = 4 };

/* Who was right, by the scheduler's own core. Stored; never renumber. */
enum task_word { TASK_NO_WORD = 0, TASK_RIGHT = 1, TASK_WRONG = 2 };

struct task {
    char id[TASK_ID_BYTES];
    enum task_state state;
    uint64_t val_id;                   /* 0: it was never issued */
    char issued_to[TASK_MEMBER_BYTES]; /* ""; who had it last */
    uint64_t issued_ms, expires_ms;    /* unix */
    uint32_t tries;                    /* how often it was issued */
    uint64_t handed_in_ms, settled_ms; /* unix; 0: not settled */
    bool tip_in_doubt;
    enum task_word first, reporter;
    uint64_t epoch;   /* of the scheduler that wrote it last */
    uint64_t version; /* the store's; as read */
    struct span body; /* borrowed: an encoded audit_samples of one; empty where settled */
};

void task_id(uint64_t lease_id, uint64_t sequence, uint32_t index, char id_r[TASK_ID_BYTES]);

/* What a body holds. Texts and lists are in `memory`. */
struct task_body {
    struct wire_audit_sample sample;
    struct wire_share share;
    struct job job;
    struct span job_message; /* borrowed from the bytes */
    _Alignas(max_align_t) uint8_t memory[1024];
};
/* One sample of a message (its share's job among those of it) as a body, into bytes_r of
 * TASK_BODY_BYTES_MAX. Its length; 0 where the job is missing or something is too long. */
size_t task_body_write(const struct wire_audit_samples *samples, uint32_t index, uint8_t *bytes_r);
/* False with *error where it is none: damaged, or of a newer version. */
MUST_CHECK bool task_body_read(struct span bytes, struct task_body *body_r, struct error *error);

/* STORE_DONE (version 1), STORE_EXISTS, STORE_UNKNOWN or STORE_FAILED with *error. Many at once:
 * fills each version; 0 where it was there before. */
MUST_CHECK enum store_outcome task_insert(struct store *store, struct task *tasks, size_t count,
                                          struct error *error);
/* Replaces it as read. STORE_DONE with the new version, STORE_CONFLICT, STORE_UNKNOWN,
 * STORE_FAILED. */
MUST_CHECK enum store_outcome task_save(struct store *store, struct task *task,
                                        struct error *error);
/* Removes it as read. As task_save. */
MUST_CHECK enum store_outcome task_forget(struct store *store, const struct task *task,
                                          struct error *error);
/* STORE_DONE, with the body in `memory` of TASK_BODY_BYTES_MAX; STORE_MISSING; STORE_FAILED. */
MUST_CHECK enum store_outcome task_get(struct store *store, const char *id, struct task *task_r,
                                       uint8_t *memory, struct error *error);

/* The task is borrowed until the visitor returns; false ends the walk; it must not call the store.
 * STORE_DONE, STORE_FAILED. */
typedef bool (*task_visitor)(void *context, const struct task *task);
/* Those not settled, by state. */
MUST_CHECK enum store_outcome task_walk_open(struct store *store, task_visitor visit, void *context,
                                             struct error *error);
/* Those settled up to then, oldest first, at most `limit`. */
MUST_CHECK enum store_outcome task_walk_settled(struct store *store, uint64_t until_ms,
                                                size_t limit, task_visitor visit, void *context,
                                                struct error *error);
