/* mining.submit [user, job id, extranonce2, ntime, nonce (, version bits)]. Everything is read to
 * integers and bytes of the exact length before anything is decided, so no two spellings of one
 * share exist. Only what cannot form a header is refused here; a share we see a reason against
 * travels on with it, because it may be a block all the same. */
#include "core/stratum/inside.h"

static bool read_u32(const struct json *json, unsigned token, uint32_t *value_r)
{
    uint64_t value;
    if (token == 0 || json->tokens[token].kind != JSON_STRING)
        return false;
    struct span text = json_inside(json, token);
    if (text.length != 8 || !hex_decode_u64((const char *)text.data, 8, &value))
        return false;
    *value_r = (uint32_t)value;
    return true;
}

static bool find_job(struct request *request, const struct stratum_job **job_r, unsigned *variant_r)
{
    unsigned token = json_element(request->json, request->params, 1);
    uint64_t id;
    if (token == 0 || request->json->tokens[token].kind != JSON_STRING ||
        !stratum_job_id_parse(json_inside(request->json, token), &id, variant_r))
        return false;
    *job_r = stratum_jobs_find(request->step->world->jobs, id);
    return *job_r != NULL;
}

/* What a miner chose; SHARE_ACCEPTED where a header can be formed of it. */
static enum share_outcome read_choice(struct request *request, const struct job *job,
                                      struct share_submission *submission_r)
{
    const struct json *json = request->json;
    unsigned extranonce2 = json_element(json, request->params, 2);
    unsigned bits = json_element(json, request->params, 5);
    if (extranonce2 == 0 || json->tokens[extranonce2].kind != JSON_STRING)
        return SHARE_MALFORMED;
    struct span text = json_inside(json, extranonce2);
    if (text.length != 2u * job->extranonce2_bytes)
        return SHARE_INVALID_EXTRANONCE2;
    if (!hex_decode((const char *)text.data, text.length, submission_r->extranonce2,
                    job->extranonce2_bytes))
        return SHARE_MALFORMED;
    submission_r->extranonce2_bytes = job->extranonce2_bytes;
    if (!read_u32(json, json_element(json, request->params, 3), &submission_r->ntime) ||
        !read_u32(json, json_element(json, request->params, 4), &submission_r->nonce))
        return SHARE_MALFORMED;
    if (bits == 0 || json->tokens[bits].kind == JSON_NULL)
        return SHARE_ACCEPTED;
    submission_r->has_version_bits = true;
    return read_u32(json, bits, &submission_r->version_bits) ? SHARE_ACCEPTED : SHARE_MALFORMED;
}

static const struct stratum_worker *find_worker(struct request *request)
{
    const struct json *json = request->json;
    unsigned token = json_element(json, request->params, 0);
    char name[STRATUM_NAME_BYTES_MAX + 1];
    size_t length;
    if (token == 0 || json->tokens[token].kind != JSON_STRING)
        return NULL;
    struct span text = json_inside(json, token);
    if (json->tokens[token].escaped) {
        if (!json_copy_text(json, token, name, sizeof name, &length))
            return NULL;
        text = span_of(name, length);
    }
    const struct stratum_worker *worker =
        worker_find(request->step->session, worker_name_hash(text));
    return worker != NULL && worker->state == STRATUM_WORKER_AUTHORISED ? worker : NULL;
}

/* The work of a share of this job and ntime; false where the job was never sent to this session, or
 * too long ago to know what it was worth. */
static bool find_work(const struct stratum_session *session, const struct stratum_job *job,
                      uint32_t ntime, struct work *work_r)
{
    uint64_t place = job->ordinal << 32 | ntime;
    if (job->ordinal > session->sent_ordinal)
        return false;
    for (unsigned i = session->marks_count; i > 0; i--) {
        if (session->marks[i - 1].place <= place) {
            *work_r = session->marks[i - 1].work;
            return true;
        }
    }
    return false;
}

/* Why it would not count, as far as that is known here; SHARE_ACCEPTED where it may. */
static enum share_outcome look_for_reason(const struct step *step, const struct stratum_job *job,
                                          const struct stratum_worker *worker, bool was_sent)
{
    if (worker == NULL)
        return SHARE_UNAUTHORIZED;
    if (!was_sent)
        return SHARE_JOB_NOT_FOUND;
    if (job->tip_gone_ms != 0 && step->world->now_ms - job->tip_gone_ms > STRATUM_STALE_CERTAIN_MS)
        return SHARE_STALE;
    return SHARE_ACCEPTED;
}

void method_submit(struct request *request)
{
    struct step *step = request->step;
    struct stratum_session *session = step->session;
    const struct stratum_job *job;
    unsigned variant;
    if (session->state == STRATUM_CONNECTED) {
        answer_rejected(request, SHARE_NOT_SUBSCRIBED);
        return;
    }
    if (request->params == 0 || request->json->tokens[request->params].count < 5) {
        answer_rejected(request, SHARE_MALFORMED);
        return;
    }
    if (!find_job(request, &job, &variant)) {
        answer_rejected(request, SHARE_JOB_NOT_FOUND);
        return;
    }
    struct share_submission submission = {
        .job_id = job->job->id,
        .received_ms = step->world->unix_ms,
        .version_mask = session->version_mask,
        .extranonce1_bytes = 4,
    };
    enum share_outcome outcome = read_choice(request, job->job, &submission);
    if (outcome != SHARE_ACCEPTED) {
        answer_rejected(request, outcome);
        return;
    }
    bool before_move = (job->ordinal << 8 | variant) < session->moved;
    store_be32(submission.extranonce1,
               before_move ? session->extranonce1_before : session->extranonce1);
    const struct stratum_worker *worker = find_worker(request);
    if (worker != NULL) {
        submission.account_id = worker->account_id;
        submission.worker_id = worker->worker_id;
    }
    submission.work = step->world->params->vardiff.min;
    bool was_sent = find_work(session, job, submission.ntime, &submission.work);
    submission.gateway_outcome = look_for_reason(step, job, worker, was_sent);
    session->rubbish = 0;
    struct stratum_effect *effect = step_effect(step, STRATUM_SUBMIT);
    effect->answer = answer_hold(request);
    effect->job = job;
    effect->submission = submission;
    if (submission.gateway_outcome != SHARE_ACCEPTED || session->state != STRATUM_MINING)
        return;
    struct vardiff_params bounds = session_bounds(step);
    if (vardiff_share(&session->vardiff, &bounds, submission.work, step->world->now_ms))
        step_tell_work(step);
}
