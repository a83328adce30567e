/* Drawing what is judged again: of every batch that was judged some submissions are picked by a
 * keyed hash of its id (core/audit), accepted and rejected alike, and handed in to inode-scheduler,
 * which has another validator judge them.
 *
 *   judged batch ─▶ drawn this second (the lowest numbers, so many a second at the most)
 *                        ─▶ held ─▶ inode-scheduler has them durably ─▶ forgotten
 *
 * The key is made at the start of the process, stays in its memory and dies with it. What is held
 * when the process is killed is lost: that is about the last second's, because they are handed in
 * every time.hand_in_audits and kept only while inode-scheduler does not answer. No validator can
 * know that its lie is among them.
 *
 * Bounded: AUDITS_HELD_MAX are held; more are dropped and counted. One thread. */
#pragma once
#include "core/job/job.h"
#include "service/metrics.h"
#include "services/stratum-gateway/batches.h"

enum { AUDITS_HELD_MAX = 1024, AUDITS_TURN_MAX = 256, AUDITS_MESSAGE_MAX = 32 };

struct audits_options {
    struct loop *loop;
    struct bus_client *const *scheduler; /* borrowed; where it will be once it is opened */
    uint32_t rate;                       /* of a million; 1 or more */
    uint32_t per_second;                 /* at the most */
    uint64_t period_ms;                  /* between two times of handing in */
    struct metrics *metrics;
    /* The job of that id, and when another tip than its own was heard of (unix; 0: not yet); NULL
     * where it is forgotten. */
    const struct job *(*find_job)(void *context, uint64_t job_id, uint64_t *tip_gone_ms_r);
    void *context;
};

struct audits;

/* NULL and *error where there is no memory, or no key can be had. */
MUST_CHECK struct audits *audits_create(const struct audits_options *options, struct error *error);
/* After the scheduler's client is closed, or nothing of it is under way any more. */
void audits_destroy(struct audits *audits);

/* The batch got these verdicts from this validator. */
void audits_draw(struct audits *audits, const struct batch *batch, const struct validator *by,
                 const struct wire_verdict_batch *verdicts);
/* Hands in now what was drawn; again after an answer that it is under way. */
void audits_hand_in(struct audits *audits);
/* How many are drawn and not acknowledged. */
size_t audits_waiting(const struct audits *audits);
