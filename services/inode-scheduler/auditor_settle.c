/* The end of a task: the core judges, who was wrong loses its score, and what was wrong is told.
 * First the dispute, then the scores, then the task, each durable before the next; whoever does it
 * again finds the first two done. */
#include "services/inode-scheduler/auditor_inside.h"

#include "core/identity/blake2b.h"
#include "core/score/score.h"
#include "service/log.h"
#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCORE_TRIES = 16 };

/* Scores. */

static uint64_t cause_of(const char *text)
{
    const struct span parts[] = { span_text(text) };
    uint8_t digest[8];
    blake2b(span_of(NULL, 0), parts, 1, digest, sizeof digest);
    return load_le64(digest);
}

enum change { CHANGE_LOSES, CHANGE_REPORTED, CHANGE_POOL_REPORTED };

static uint32_t changed(const struct member *member, enum change change, uint32_t stake)
{
    return change == CHANGE_LOSES      ? SCORE_NONE
           : change == CHANGE_REPORTED ? SCORE_VALIDATOR_ACTIVE
                                       : score_pool_reported(member->score, stake);
}

/* A member nobody registered has no score to change. */
static bool change_score(struct auditor *auditor, enum member_kind kind, const char *id,
                         enum change change, uint32_t stake, uint64_t cause, struct error *error)
{
    struct member member;
    for (int i = 0; i < SCORE_TRIES; i++) {
        enum store_outcome outcome = member_get(auditor->options.store, kind, id, &member, error);
        if (outcome == STORE_MISSING ||
            (outcome == STORE_DONE && member_knows_cause(&member, cause)))
            return true;
        if (outcome != STORE_DONE)
            return false;
        outcome = member_set_score(auditor->options.store, &member, changed(&member, change, stake),
                                   cause, auditor->options.epoch, error);
        if (outcome == STORE_DONE || outcome == STORE_EXISTS)
            return true;
        if (outcome == STORE_FAILED)
            return false;
    }
    return error_set(error, ERROR_REFUSED, "the score of %s is written by others", id);
}

bool auditor_punish(struct auditor *auditor, const char *member, const char *cause,
                    struct error *error)
{
    return change_score(auditor, MEMBER_VALIDATOR, member, CHANGE_LOSES, 0, cause_of(cause), error);
}

/* A good report makes its giver active, and, where what it vouches for was right, raises the pool.
 */
static bool reward(struct auditor *auditor, const char *reporter, bool pool_was_right,
                   uint64_t cause, struct error *error)
{
    struct member member;
    enum store_outcome outcome =
        member_get(auditor->options.store, MEMBER_VALIDATOR, reporter, &member, error);
    if (outcome == STORE_MISSING || (outcome == STORE_DONE && !score_may_report(member.stake)))
        return true;
    if (outcome != STORE_DONE ||
        !change_score(auditor, MEMBER_VALIDATOR, reporter, CHANGE_REPORTED, 0, cause, error))
        return false;
    return !pool_was_right || auditor->options.pool[0] == '\0' ||
           change_score(auditor, MEMBER_POOL, auditor->options.pool, CHANGE_POOL_REPORTED,
                        member.stake, cause, error);
}

/* Disputes. */

void auditor_describe(const struct auditor *auditor, const struct wire_audit_sample *sample,
                      const struct wire_share *share, const char *id, uint64_t now_ms,
                      struct dispute *dispute_r)
{
    *dispute_r = (struct dispute){ .at_ms = now_ms,
                                   .certain = auditor_is_certain(sample),
                                   .first_outcome = sample->outcome,
                                   .first_block = sample->is_block != 0,
                                   .lease_id = sample->lease_id,
                                   .sequence = sample->sequence,
                                   .index = sample->index,
                                   .account = share->account,
                                   .worker = share->worker,
                                   .work = share->work,
                                   .job_id = share->job_id,
                                   .received_ms = share->received_ms };
    snprintf(dispute_r->id, sizeof dispute_r->id, "%s", id);
    auditor_first(auditor, sample, dispute_r->first);
}

bool auditor_dispute(struct auditor *auditor, const struct dispute *dispute, struct error *error)
{
    enum store_outcome outcome = dispute_insert(auditor->options.store, dispute, error);
    if (outcome != STORE_DONE && outcome != STORE_EXISTS)
        return false;
    if (outcome == STORE_EXISTS) /* told when it was written */
        return true;
    auditor->counts.disputes++;
    log_error("validator.dispute",
              "id=%s kind=%s first=%s certain=%d reporter=%s verdict=%s reason=\"%s\"", dispute->id,
              dispute_kind_name(dispute->kind), dispute->first, dispute->certain,
              dispute->reporter[0] != '\0' ? dispute->reporter : "none",
              share_outcome_label((enum share_outcome)dispute->first_outcome), dispute->text);
    return true;
}

struct ending {
    struct audit_finding finding;
    enum task_word first, reporter;
};

static const char *wrong_text(const struct ending *ending)
{
    if (ending->first == TASK_RIGHT)
        return "the report is wrong, the first verdict was right";
    return ending->reporter == TASK_WRONG ? "the first verdict is wrong, and so is the report on it"
                                          : "the first verdict is wrong";
}

static bool open_dispute(struct auditor *auditor, const struct held *held, const char *reporter,
                         const struct auditor_report *report, const struct ending *ending,
                         uint64_t now_ms, struct error *error)
{
    const struct task_body *body = &auditor->body;
    struct dispute dispute;
    auditor_describe(auditor, &body->sample, &body->share, held->task.id, now_ms, &dispute);
    dispute.kind = ending->first == TASK_RIGHT      ? DISPUTE_REPORTER_WRONG
                   : ending->reporter == TASK_WRONG ? DISPUTE_BOTH_WRONG
                                                    : DISPUTE_FIRST_WRONG;
    dispute.honest_outcomes = ending->finding.outcomes;
    dispute.honest_block = ending->finding.is_block;
    memcpy(dispute.hash, ending->finding.hash, sizeof dispute.hash);
    memcpy(dispute.header, ending->finding.header, sizeof dispute.header);
    dispute.body = held->task.body;
    if (reporter != NULL) {
        snprintf(dispute.reporter, sizeof dispute.reporter, "%s", reporter);
        dispute.report_valid = report->valid;
        dispute.report = report->evidence;
    }
    snprintf(dispute.text, sizeof dispute.text, "%s%s: an honest validator says %s%s",
             wrong_text(ending),
             ending->first == TASK_WRONG && !dispute.certain
                 ? " (more than one validator had its batch, or it did not prove who it is: "
                   "nobody loses a score for it)"
                 : "",
             share_outcome_label(ending->finding.outcome),
             ending->finding.is_block ? ", and that it is a block" : "");
    return auditor_dispute(auditor, &dispute, error);
}

/* Judging. */

static void *scratch_for(struct auditor *auditor, enum pow_algorithm algorithm)
{
    if (pow_scratch_bytes(algorithm) > 0 && auditor->scratch == NULL) {
        auditor->scratch = malloc(POW_SCRATCH_BYTES);
        ASSERT(auditor->scratch != NULL);
    }
    return auditor->scratch;
}

static bool report_is_right(const struct audit_finding *finding,
                            const struct auditor_report *report)
{
    if (!report->has_outcome)
        return audit_allows_validity(finding, report->valid);
    return report->outcome < SHARE_OUTCOMES_COUNT &&
           report->valid == (report->outcome == SHARE_ACCEPTED) &&
           audit_allows(finding, (enum share_outcome)report->outcome, report->is_block);
}

static void judge(struct auditor *auditor, const struct task *task,
                  const struct auditor_report *report, struct ending *ending_r)
{
    const struct task_body *body = &auditor->body;
    const struct audit_case given = { .tip_in_doubt = task->tip_in_doubt,
                                      .final = body->sample.final != 0,
                                      .judged_ms = body->sample.judged_ms };
    struct share_submission submission;
    struct job_prepared prepared;
    submission_from_wire(&body->share, &body->job, &submission);
    job_prepare(&body->job, submission.shape, &prepared);
    audit_judge(&prepared, &submission, &given, scratch_for(auditor, body->job.algorithm),
                &ending_r->finding);
    bool right = audit_allows(&ending_r->finding, (enum share_outcome)body->sample.outcome,
                              body->sample.is_block != 0);
    ending_r->first = right ? TASK_RIGHT : TASK_WRONG;
    ending_r->reporter = report == NULL                                ? TASK_NO_WORD
                         : report_is_right(&ending_r->finding, report) ? TASK_RIGHT
                                                                       : TASK_WRONG;
}

static bool settle_scores(struct auditor *auditor, const char *id, const char *reporter,
                          const struct ending *ending, struct error *error)
{
    char first[TASK_MEMBER_BYTES];
    auditor_first(auditor, &auditor->body.sample, first);
    if (ending->first == TASK_WRONG && auditor_is_certain(&auditor->body.sample) &&
        !auditor_punish(auditor, first, id, error))
        return false;
    if (ending->reporter == TASK_WRONG)
        return auditor_punish(auditor, reporter, id, error);
    return ending->reporter == TASK_NO_WORD ||
           reward(auditor, reporter, ending->first == TASK_RIGHT, cause_of(id), error);
}

static enum auditor_outcome save_end(struct auditor *auditor, size_t place,
                                     const struct ending *ending, uint64_t now_ms,
                                     struct error *error)
{
    struct task task = auditor->held[place]->task;
    task.state = TASK_SETTLED;
    task.settled_ms = now_ms;
    task.first = ending->first;
    task.reporter = ending->reporter;
    task.epoch = auditor->options.epoch;
    task.body = span_of(NULL, 0);
    enum store_outcome outcome = task_save(auditor->options.store, &task, error);
    if (outcome ==
        STORE_CONFLICT) { /* another scheduler's by now, or settled when that was unknown */
        auditor_remove(auditor, place);
        error_fill(error, ERROR_REFUSED, "the task was settled by another");
        return AUDITOR_REFUSED;
    }
    if (outcome != STORE_DONE)
        return AUDITOR_LATER;
    auditor_remove(auditor, place);
    return AUDITOR_DONE;
}

enum auditor_outcome auditor_settle(struct auditor *auditor, size_t place, const char *reporter,
                                    const struct auditor_report *report, uint64_t now_ms,
                                    struct error *error)
{
    const struct held *held = auditor->held[place];
    struct ending ending = { .first = TASK_NO_WORD };
    if (!task_body_read(held->task.body, &auditor->body, error)) {
        log_error("task.unreadable", "task=%s reason=\"%s\"", held->task.id, error->text);
        auditor->counts.unreadable++;
        return save_end(auditor, place, &ending, now_ms, error);
    }
    judge(auditor, &held->task, report, &ending);
    bool wrong = ending.first == TASK_WRONG || ending.reporter == TASK_WRONG;
    if (wrong && !open_dispute(auditor, held, reporter, report, &ending, now_ms, error))
        return AUDITOR_LATER;
    if (!settle_scores(auditor, held->task.id, reporter, &ending, error))
        return AUDITOR_LATER;
    enum auditor_outcome outcome = save_end(auditor, place, &ending, now_ms, error);
    auditor->counts.agreed += outcome == AUDITOR_DONE && !wrong;
    auditor->counts.alone += outcome == AUDITOR_DONE && reporter == NULL;
    return outcome;
}
