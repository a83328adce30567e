/* The jobs this validator can judge by: those alive, and retired ones for as long as the scheduler
 * remembers them. Bounded: beyond JOB_TABLE_MAX the oldest goes, and is fetched again if a share of
 * it still comes. One thread, except that a held entry may be read on any. */
#pragma once
#include "core/share/share.h"
#include "wire/messages.h"

enum { JOB_TABLE_MAX = 2048 };

struct job_entry {
    struct job job;
    struct job_prepared prepared[JOB_SHAPES]; /* of the shapes the job has */
    uint64_t sequence;     /* within job.epoch; 0: read from a file, not heard from a scheduler */
    uint64_t retired_ms;   /* the loop's clock; 0: the newest */
    uint64_t left_ms;      /* unix: when another tip than its own was heard of; 0: not seen */
    unsigned holders;
    bool forgotten; /* freed with its last holder */
    struct job_entry *next_in_bucket;
    struct job_entry *next; /* by age of arrival */
};

struct job_table;

MUST_CHECK struct job_table *job_table_create(uint64_t memory_ms);
/* Nothing may be held any more. */
void job_table_destroy(struct job_table *table);

/* Takes a job in; one already known is left as it is, but one that a file told (sequence 0) gives
 * way to what a scheduler says. The newest job (by epoch, then sequence; what was heard before what
 * a file told) says what the tip is. False with one sentence for a job that breaks a bound. */
MUST_CHECK bool job_table_take(struct job_table *table, const struct wire_job *wire,
                               uint64_t now_ms, uint64_t unix_ms, struct error *error);

/* Borrowed until the next take; NULL: not known. */
struct job_entry *job_table_find(const struct job_table *table, uint64_t job_id);
/* The one that says what the tip is; NULL: none yet. */
const struct job_entry *job_table_newest(const struct job_table *table);
/* How the job's previous block stands to the tip. */
enum share_tip job_table_tip(const struct job_table *table, const struct job_entry *entry);
/* Whether a share of the job was stale when its gateway took it, by the gateway's clock: that is
 * what its miner is owed, however late it comes here. A gateway that knows says so itself
 * (`found`); this is for those that have not heard of the tip yet, and so a second between the
 * clocks of two hosts is in the miner's favour. */
bool job_table_was_stale(const struct job_table *table, const struct job_entry *entry,
                         uint64_t received_ms);
size_t job_table_count(const struct job_table *table);

/* Keeps an entry alive beyond the next take. */
struct job_entry *job_entry_hold(struct job_entry *entry);
void job_entry_release(struct job_entry *entry);
