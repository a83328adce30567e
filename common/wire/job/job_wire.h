/* Jobs and submissions between core's structs and proto/'s messages: one place for both ends of the
 * wire. Pure; nothing is allocated; any thread. */
#pragma once
#include "core/job/job.h"
#include "core/share/share.h"
#include "wire/messages.h"

/* Fills *wire_r, borrowing the job for as long as the message is used. */
void job_to_wire(const struct job *job, uint64_t sequence, struct wire_job *wire_r);

/* A job from the wire, verified (job_verify). False with one sentence where it is none that can be
 * mined; then *job_r is undefined. */
MUST_CHECK bool job_from_wire(const struct wire_job *wire, struct job *job_r, struct error *error);

/* A submission for `job`, whose extranonce lengths say how many of the wire's bytes count. An
 * outcome byte this process does not know is taken as SHARE_MALFORMED: it is not credited, but is
 * still looked at as a block. */
void submission_from_wire(const struct wire_share *wire, const struct job *job,
                          struct share_submission *submission_r);
void submission_to_wire(const struct share_submission *submission, struct wire_share *wire_r);
