/* The jobs a gateway has taken and not yet forgotten, and how a job reads on the wire
 * (mining.notify). Jobs stay for a while after newer ones came, because late shares may still be
 * blocks. Pure: entries and table are the caller's; one thread at a time. */
#pragma once
#include "core/job/job.h"

enum {
    STRATUM_JOBS_MAX = 256,
    STRATUM_JOB_MAP = 4 * STRATUM_JOBS_MAX,
    STRATUM_VARIANTS_MAX = 255, /* personal notifications of one job to one session */
    /* 16 digits, and two more for a variant */
    STRATUM_JOB_ID_DIGITS = 16,
    STRATUM_VARIANT_DIGITS = 2,
    STRATUM_SHORT_ID_DIGITS = 8, /* for clients that cut longer ones: 6 of the ordinal, 2 */
    STRATUM_NOTIFY_BYTES_MAX = 6144,
};

struct stratum_job {
    const struct job *job; /* borrowed while the entry is in a table */
    /* its mining.notify by shape, with clean_jobs false and true, newline included; empty where it
     * has no such shape */
    struct span text[JOB_SHAPES][2];
    uint64_t ordinal;       /* the table's: 1, 2, … in the order taken */
    uint64_t tip;           /* the table's: counts changes of the previous block */
    uint64_t superseded_ms; /* the table's: when a newer job came; 0: none did */
    uint64_t tip_gone_ms;   /* the table's: when a job on another block came; 0: none did */
};

/* Entries by ordinal (a ring), and by id (open addressing, places + 1). */
struct stratum_jobs {
    struct stratum_job *ring[STRATUM_JOBS_MAX];
    uint64_t oldest; /* ordinal; above newest where the table is empty */
    uint64_t newest;
    uint16_t map[STRATUM_JOB_MAP];
};

void stratum_jobs_init(struct stratum_jobs *jobs);

/* Takes the entry (borrowed until it is forgotten) as the current job. False where a job of this id
 * is known already or the table is full: forget the oldest first. now_ms must not be 0. */
MUST_CHECK bool stratum_jobs_add(struct stratum_jobs *jobs, struct stratum_job *entry,
                                 uint64_t now_ms);
/* Removes and returns the oldest entry; NULL where only the current one is left. */
struct stratum_job *stratum_jobs_forget(struct stratum_jobs *jobs);

/* NULL where there is none. */
struct stratum_job *stratum_jobs_current(const struct stratum_jobs *jobs);
struct stratum_job *stratum_jobs_oldest(const struct stratum_jobs *jobs);
struct stratum_job *stratum_jobs_find(const struct stratum_jobs *jobs, uint64_t id);

/* The mining.notify of a job, with its newline; returns the length, 0 where it does not fit (never
 * with STRATUM_NOTIFY_BYTES_MAX) or the job has no such shape (enum job_shape). Variant 0 is what
 * everybody gets; a session that needs the same job again (its difficulty or extranonce changed)
 * gets it as another variant, with an id of its own and a later ntime, so that it is other work. */
MUST_CHECK size_t stratum_notify(const struct job *job, unsigned shape, unsigned variant,
                                 uint32_t ntime, bool clean, char *text_r, size_t bytes);

/* The same with a short id, from the job's ordinal in the table. */
MUST_CHECK size_t stratum_notify_short(const struct job *job, unsigned shape, uint64_t ordinal,
                                       unsigned variant, uint32_t ntime, bool clean, char *text_r,
                                       size_t bytes);
/* The entry a short id means, and the variant; NULL for anything else. */
struct stratum_job *stratum_jobs_find_short(const struct stratum_jobs *jobs, struct span text,
                                            unsigned *variant_r);

/* Reads the id a notify carried; false for anything we never sent. */
MUST_CHECK bool stratum_job_id_parse(struct span text, uint64_t *id_r, unsigned *variant_r);
