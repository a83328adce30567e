/* mining.submit [user, job id, extranonce2, ntime, nonce (, version bits)]. Everything is read to
 * integers and bytes of the exact length before anything is decided, so no two spellings of one
 * share exist. Only what cannot form a header is refused here; a share we see a reason against
 * travels on with it, because it may be a block all the same. */
#include "core/stratum/inside.h"

/* `may_be_short`: leading zeros may be missing. Numbers are compared as numbers from here on, so no
 * share has two spellings that count. */
static bool read_u32(struct span text, bool may_be_short, uint32_t *value_r)
{
    uint64_t value;
    if (text.data == NULL || text.length > 8 || text.length < (may_be_short ? 1u : 8u) ||
        !hex_decode_u64((const char *)text.data, text.length, &value))
        return false;
    *value_r = (uint32_t)value;
    return true;
}

bool session_find_job(const struct step *step, struct span text, const struct stratum_job **job_r,
                      unsigned *variant_r)
{
    uint64_t id;
    if (text.data == NULL)
        return false;
    if (stratum_job_id_parse(text, &id, variant_r))
        *job_r = stratum_jobs_find(step->world->jobs, id);
    else if (step->session->quirk.job_id_digits == STRATUM_SHORT_ID_DIGITS)
        *job_r = stratum_jobs_find_short(step->world->jobs, text, variant_r);
    else
        return false;
    return *job_r != NULL;
}

/* What a miner chose; SHARE_ACCEPTED where a header can be formed of it. */
static enum share_outcome read_choice(const struct submit_fields *fields, const struct job *job,
                                      bool may_be_short, struct share_submission *submission_r)
{
    struct span text = fields->extranonce2;
    if (text.data == NULL)
        return SHARE_MALFORMED;
    if (text.length != 2u * job->extranonce2_bytes)
        return SHARE_INVALID_EXTRANONCE2;
    if (!hex_decode((const char *)text.data, text.length, submission_r->extranonce2,
                    job->extranonce2_bytes))
        return SHARE_MALFORMED;
    submission_r->extranonce2_bytes = job->extranonce2_bytes;
    if (!read_u32(fields->ntime, may_be_short, &submission_r->ntime) ||
        !read_u32(fields->nonce, may_be_short, &submission_r->nonce))
        return SHARE_MALFORMED;
    if (!fields->has_bits)
        return SHARE_ACCEPTED;
    submission_r->has_version_bits = true;
    return read_u32(fields->bits, may_be_short, &submission_r->version_bits) ? SHARE_ACCEPTED
                                                                             : SHARE_MALFORMED;
}

static const struct stratum_worker *find_worker(struct stratum_session *session, struct span user)
{
    if (user.data == NULL)
        return NULL;
    const struct stratum_worker *worker = worker_find(session, worker_name_hash(user));
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

static struct span text_of(const struct json *json, unsigned params, unsigned index)
{
    unsigned token = json_element(json, params, index);
    return token != 0 && json->tokens[token].kind == JSON_STRING ? json_inside(json, token)
                                                                 : span_of(NULL, 0);
}

void submit_read(const struct json *json, unsigned params, char name[STRATUM_NAME_BYTES_MAX + 1],
                 struct submit_fields *fields_r)
{
    unsigned user = json_element(json, params, 0), bits = json_element(json, params, 5);
    size_t length;
    *fields_r = (struct submit_fields){
        .user = text_of(json, params, 0),
        .job = text_of(json, params, 1),
        .extranonce2 = text_of(json, params, 2),
        .ntime = text_of(json, params, 3),
        .nonce = text_of(json, params, 4),
        .bits = text_of(json, params, 5),
        .has_bits = bits != 0 && json->tokens[bits].kind != JSON_NULL,
        .enough = params != 0 && json->tokens[params].count >= 5,
    };
    if (user != 0 && json->tokens[user].escaped)
        fields_r->user = json_copy_text(json, user, name, STRATUM_NAME_BYTES_MAX + 1, &length)
                             ? span_of(name, length)
                             : span_of(NULL, 0);
}

void method_submit(struct request *request)
{
    char name[STRATUM_NAME_BYTES_MAX + 1];
    struct submit_fields fields;
    submit_read(request->json, request->params, name, &fields);
    submit_decide(request, &fields);
}

static uint8_t chars_of(struct span text)
{
    return text.data == NULL || text.length > UINT8_MAX ? UINT8_MAX : (uint8_t)text.length;
}

/* Refuses a share on the spot, and keeps what may tell its miner why. */
static void refuse(struct request *request, const struct submit_fields *fields,
                   const struct stratum_job *job, enum share_outcome outcome)
{
    struct stratum_session *session = request->step->session;
    const struct stratum_worker *worker = find_worker(session, fields->user);
    request->step->effects->refusal = (struct stratum_refusal){
        .account_id = worker != NULL ? worker->account_id : 0,
        .worker_id = worker != NULL ? worker->worker_id : 0,
        .job = job,
        .extranonce2_chars = chars_of(fields->extranonce2),
        .extranonce2_wanted = (uint8_t)(2 * session->extranonce2_bytes),
        .ntime_chars = chars_of(fields->ntime),
        .nonce_chars = chars_of(fields->nonce),
        .bits_chars = chars_of(fields->bits),
        .has_bits = fields->has_bits,
    };
    answer_rejected(request, outcome);
}

void submit_decide(struct request *request, const struct submit_fields *fields)
{
    struct step *step = request->step;
    struct stratum_session *session = step->session;
    const struct stratum_job *job;
    unsigned variant;
    if (session->state == STRATUM_CONNECTED) {
        refuse(request, fields, NULL, SHARE_NOT_SUBSCRIBED);
        return;
    }
    if (!fields->enough) {
        refuse(request, fields, NULL, SHARE_MALFORMED);
        return;
    }
    if (!session_find_job(step, fields->job, &job, &variant)) {
        refuse(request, fields, NULL, SHARE_JOB_NOT_FOUND);
        return;
    }
    struct share_submission submission = {
        .job_id = job->job->id,
        .received_ms = step->world->unix_ms,
        .extranonce1_bytes = 4,
    };
    enum share_outcome outcome =
        read_choice(fields, job->job, session->quirk.short_numbers, &submission);
    if (outcome != SHARE_ACCEPTED) {
        refuse(request, fields, job, outcome);
        return;
    }
    uint64_t notification = job->ordinal << 8 | variant;
    store_be32(submission.extranonce1,
               notification < session->moved ? session->extranonce1_before : session->extranonce1);
    submission.version_mask = notification < session->version_moved ? session->version_mask_before
                                                                    : session->version_mask;
    /* One it never was, because none is short enough, is not found to have been sent, either. */
    unsigned shape = session_shape(session, job->job, notification);
    submission.shape = shape < JOB_SHAPES ? (uint8_t)shape : JOB_SHAPE_FULL;
    const struct stratum_worker *worker = find_worker(session, fields->user);
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
    if (submission.gateway_outcome != SHARE_ACCEPTED || session->state != STRATUM_MINING ||
        session->fixed)
        return;
    struct vardiff_params bounds = session_bounds(step);
    if (vardiff_share(&session->vardiff, &bounds, submission.work, step->world->now_ms))
        step_tell_work(step);
}
