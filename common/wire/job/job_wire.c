#include "wire/job/job_wire.h"

_Static_assert(sizeof(struct wire_hash) == TEMPLATE_HASH_BYTES, "a hash on the wire has 32 bytes");

static struct span shorter_part(const struct job *job, enum job_shape shape, bool behind)
{
    struct job_coinbase coinbase;
    if (!job_coinbase(job, shape, &coinbase))
        return span_of(NULL, 0);
    return behind ? coinbase.behind : coinbase.before;
}

static bool take_shorter(struct job *job, enum job_shape shape, struct span before,
                         struct span behind)
{
    struct job_shorter *shorter = &job->shorter[shape - 1];
    if (before.length > sizeof shorter->coinbase1 || behind.length > sizeof shorter->coinbase2)
        return false;
    if (before.length == 0 || behind.length == 0)
        return before.length == behind.length;
    memcpy(shorter->coinbase1, before.data, before.length);
    memcpy(shorter->coinbase2, behind.data, behind.length);
    shorter->coinbase1_bytes = (uint16_t)before.length;
    shorter->coinbase2_bytes = (uint16_t)behind.length;
    return true;
}

void job_to_wire(const struct job *job, uint64_t sequence, struct wire_job *wire_r)
{
    *wire_r = (struct wire_job){
        .epoch = job->epoch,
        .sequence = sequence,
        .job_id = job->id,
        .template_id = job->template_id,
        .height = job->height,
        .coinbase1 = span_of(job->coinbase1, job->coinbase1_bytes),
        .coinbase2 = span_of(job->coinbase2, job->coinbase2_bytes),
        .branches = (struct wire_hash *)(uintptr_t)job->branches,
        .branches_count = job->branches_count,
        .version = job->version,
        .version_mask = job->version_mask,
        .bits = job->bits,
        .cur_time = job->cur_time,
        .min_time = job->min_time,
        .clean = job->clean,
        .algorithm = (uint8_t)job->algorithm,
        .extranonce1_bytes = job->extranonce1_bytes,
        .extranonce2_bytes = job->extranonce2_bytes,
        .has_witness = job->witness,
        .coinbase_value = job->coinbase_value,
        .untagged1 = shorter_part(job, JOB_SHAPE_UNTAGGED, false),
        .untagged2 = shorter_part(job, JOB_SHAPE_UNTAGGED, true),
        .least1 = shorter_part(job, JOB_SHAPE_LEAST, false),
        .least2 = shorter_part(job, JOB_SHAPE_LEAST, true),
    };
    memcpy(wire_r->prev_hash, job->prev_hash, sizeof wire_r->prev_hash);
}

bool job_from_wire(const struct wire_job *wire, struct job *job_r, struct error *error)
{
    memset(job_r, 0, sizeof *job_r);
    if (wire->coinbase1.length > sizeof job_r->coinbase1 ||
        wire->coinbase2.length > sizeof job_r->coinbase2 ||
        wire->branches_count > TEMPLATE_BRANCHES_MAX ||
        !take_shorter(job_r, JOB_SHAPE_UNTAGGED, wire->untagged1, wire->untagged2) ||
        !take_shorter(job_r, JOB_SHAPE_LEAST, wire->least1, wire->least2))
        return error_set(error, ERROR_INVALID, "its coinbase or merkle branch is too long");
    /* struct wire_share carries 4 and up to 8 bytes. */
    if (wire->extranonce1_bytes != sizeof((struct wire_share *)0)->extranonce1 ||
        wire->extranonce2_bytes < 1 ||
        wire->extranonce2_bytes > sizeof((struct wire_share *)0)->extranonce2)
        return error_set(error, ERROR_INVALID, "its extranonces have %u and %u bytes",
                         wire->extranonce1_bytes, wire->extranonce2_bytes);
    if (!pow_algorithm_from_wire(wire->algorithm, &job_r->algorithm) ||
        !difficulty_target_from_bits(wire->bits, &job_r->network_target))
        return error_set(error, ERROR_INVALID, "algorithm %u or bits %08x mean nothing here",
                         wire->algorithm, wire->bits);
    job_r->id = wire->job_id;
    job_r->epoch = wire->epoch;
    job_r->template_id = wire->template_id;
    job_r->height = wire->height;
    memcpy(job_r->prev_hash, wire->prev_hash, sizeof job_r->prev_hash);
    memcpy(job_r->coinbase1, wire->coinbase1.data, wire->coinbase1.length);
    memcpy(job_r->coinbase2, wire->coinbase2.data, wire->coinbase2.length);
    job_r->coinbase1_bytes = (uint16_t)wire->coinbase1.length;
    job_r->coinbase2_bytes = (uint16_t)wire->coinbase2.length;
    for (uint32_t i = 0; i < wire->branches_count; i++)
        memcpy(job_r->branches[i], wire->branches[i].bytes, TEMPLATE_HASH_BYTES);
    job_r->branches_count = (uint8_t)wire->branches_count;
    job_r->extranonce1_bytes = wire->extranonce1_bytes;
    job_r->extranonce2_bytes = wire->extranonce2_bytes;
    job_r->clean = wire->clean != 0;
    job_r->witness = wire->has_witness != 0;
    job_r->version = wire->version;
    job_r->version_mask = wire->version_mask;
    job_r->bits = wire->bits;
    job_r->cur_time = wire->cur_time;
    job_r->min_time = wire->min_time;
    job_r->max_time = wire->cur_time > UINT32_MAX - JOB_TIME_AHEAD_SECONDS
                          ? UINT32_MAX
                          : wire->cur_time + JOB_TIME_AHEAD_SECONDS;
    job_r->coinbase_value = wire->coinbase_value;
    if (!job_verify(job_r))
        return error_set(error, ERROR_INVALID, "its fields contradict each other");
    return true;
}

void submission_from_wire(const struct wire_share *wire, const struct job *job,
                          struct share_submission *submission_r)
{
    *submission_r = (struct share_submission){
        .job_id = wire->job_id,
        .account_id = wire->account,
        .worker_id = wire->worker,
        .work = { wire->work },
        .received_ms = wire->received_ms,
        .ntime = wire->ntime,
        .nonce = wire->nonce,
        .version_bits = wire->version_bits,
        .version_mask = wire->version_mask,
        .has_version_bits = wire->has_version_bits != 0,
        .extranonce1_bytes = job->extranonce1_bytes,
        .extranonce2_bytes = job->extranonce2_bytes,
    };
    memcpy(submission_r->extranonce1, wire->extranonce1, job->extranonce1_bytes);
    memcpy(submission_r->extranonce2, wire->extranonce2, job->extranonce2_bytes);
    if (!share_outcome_from_wire(wire->found, &submission_r->gateway_outcome))
        submission_r->gateway_outcome = SHARE_MALFORMED;
    if (wire->shape < JOB_SHAPES && job_coinbase_bytes(job, wire->shape) > 0) {
        submission_r->shape = wire->shape;
    } else if (submission_r->gateway_outcome == SHARE_ACCEPTED) {
        submission_r->gateway_outcome = SHARE_MALFORMED;
    }
}

void submission_to_wire(const struct share_submission *submission, struct wire_share *wire_r)
{
    *wire_r = (struct wire_share){
        .job_id = submission->job_id,
        .account = submission->account_id,
        .worker = submission->worker_id,
        .work = submission->work.expected_hashes,
        .received_ms = submission->received_ms,
        .ntime = submission->ntime,
        .nonce = submission->nonce,
        .version_bits = submission->version_bits,
        .version_mask = submission->version_mask,
        .has_version_bits = submission->has_version_bits,
        .shape = submission->shape,
        .found = (uint8_t)submission->gateway_outcome,
    };
    memcpy(wire_r->extranonce1, submission->extranonce1, sizeof wire_r->extranonce1);
    memcpy(wire_r->extranonce2, submission->extranonce2, sizeof wire_r->extranonce2);
}
