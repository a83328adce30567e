#include "services/stratum-gateway/rejects.h"

#include "loop/worker.h"
#include "service/log.h"
#include "services/stratum-gateway/gateway.h"
#include "wire/messages.h"

#include <stdlib.h>

struct kept {
    uint64_t account, worker;
    size_t bytes;
    uint8_t trace[REJECT_LOG_TRACE_BYTES_MAX];
};

struct rejects {
    struct loop *loop;
    struct worker *thread;
    struct reject_log *log; /* the thread's */
    struct kept ring[REJECTS_RING];
    unsigned first, count;
    struct rejects_counts counts;
    /* the ones under way */
    struct worker_job job;
    bool working;
    bool away; /* redis.cache, by the last answer: said once */
    struct kept out[REJECTS_AT_ONCE];
    unsigned out_count;
    bool put;
    struct error error;
};

static void put_work(struct worker_job *job)
{
    struct rejects *rejects = (struct rejects *)((char *)job - offsetof(struct rejects, job));
    struct reject_log_entry entries[REJECTS_AT_ONCE];
    for (unsigned i = 0; i < rejects->out_count; i++)
        entries[i] =
            (struct reject_log_entry){ rejects->out[i].account, rejects->out[i].worker,
                                       span_of(rejects->out[i].trace, rejects->out[i].bytes) };
    rejects->put = reject_log_put(rejects->log, entries, rejects->out_count, &rejects->error);
}

static void put_done(struct worker_job *job)
{
    struct rejects *rejects = (struct rejects *)((char *)job - offsetof(struct rejects, job));
    rejects->working = false;
    *(rejects->put ? &rejects->counts.kept : &rejects->counts.dropped) += rejects->out_count;
    if (!rejects->put && !rejects->away)
        log_warn("rejects.not_kept", "reason=\"%s\"", rejects->error.text);
    rejects->away = !rejects->put;
}

struct rejects *rejects_create(struct loop *loop, struct reject_log *log, struct error *error)
{
    struct rejects *rejects = calloc(1, sizeof *rejects);
    if (rejects == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for traces of rejected shares");
        return NULL;
    }
    rejects->loop = loop;
    rejects->job = (struct worker_job){ .work = put_work, .done = put_done };
    rejects->thread = worker_create(loop, "rejects", 1, 1, error);
    if (rejects->thread == NULL) {
        free(rejects);
        return NULL;
    }
    rejects->log = log;
    return rejects;
}

void rejects_destroy(struct rejects *rejects)
{
    if (rejects == NULL)
        return;
    worker_destroy(rejects->thread);
    reject_log_close(rejects->log);
    free(rejects);
}

struct rejects_counts rejects_counts(const struct rejects *rejects)
{
    return rejects->counts;
}

void rejects_tick(struct rejects *rejects)
{
    if (rejects->working || rejects->count == 0)
        return;
    rejects->out_count = 0;
    while (rejects->count > 0 && rejects->out_count < REJECTS_AT_ONCE) {
        rejects->out[rejects->out_count++] = rejects->ring[rejects->first];
        rejects->first = (rejects->first + 1) % REJECTS_RING;
        rejects->count--;
    }
    rejects->working = worker_submit(rejects->thread, &rejects->job);
    if (!rejects->working)
        rejects->counts.dropped += rejects->out_count;
}

/* Whether the session may leave one more: a bucket that fills slowly, so that a flood of junk does
 * not take the ring from the others. */
static bool may_leave(struct connection *connection, uint64_t now_ms)
{
    uint64_t full_ms = (uint64_t)REJECTS_OF_SESSION * REJECTS_OF_SESSION_MS;
    if (connection->traces_ahead_ms < now_ms)
        connection->traces_ahead_ms = now_ms;
    if (connection->traces_ahead_ms - now_ms > full_ms - REJECTS_OF_SESSION_MS)
        return false;
    connection->traces_ahead_ms += REJECTS_OF_SESSION_MS;
    return true;
}

/* Whose it is where its own name says nothing: the connection's first. */
static bool find_owner(const struct stratum_session *session, uint64_t *account, uint64_t *worker)
{
    for (unsigned i = 0; i < STRATUM_WORKERS_OWN && *account == 0; i++) {
        if (session->workers[i].state != STRATUM_WORKER_AUTHORISED)
            continue;
        *account = session->workers[i].account_id;
        *worker = session->workers[i].worker_id;
    }
    return *account != 0;
}

static void add_job(struct wire_reject_trace *trace, const struct stratum_job *job,
                    const struct gateway *gateway)
{
    uint64_t now_ms = loop_now_ms(gateway->loop);
    uint64_t unix_s = loop_round_unix_ms(gateway->loop) / 1000;
    if (job == NULL)
        return;
    trace->job_id = job->job->id;
    if (unix_s > job->job->cur_time)
        trace->job_age_s = (uint32_t)(unix_s - job->job->cur_time);
    if (job->tip_gone_ms != 0) {
        uint64_t stale_ms = now_ms - job->tip_gone_ms;
        trace->stale_ms = stale_ms == 0           ? 1
                          : stale_ms > UINT32_MAX ? UINT32_MAX
                                                  : (uint32_t)stale_ms;
    }
}

static void keep(struct gateway *gateway, struct connection *connection, uint64_t account,
                 struct wire_reject_trace *trace)
{
    struct rejects *rejects = gateway->rejects;
    const struct stratum_session *session = &connection->session;
    if (!find_owner(session, &account, &trace->worker))
        return; /* nobody could ever ask for it */
    if (rejects->count == REJECTS_RING || !may_leave(connection, loop_now_ms(gateway->loop))) {
        rejects->counts.dropped++;
        return;
    }
    trace->unix_ms = loop_round_unix_ms(gateway->loop);
    trace->session = session->id;
    trace->rejects_in_row = session->rejects;
    trace->agent = session->agent;
    struct kept *kept = &rejects->ring[(rejects->first + rejects->count) % REJECTS_RING];
    kept->account = account;
    kept->worker = trace->worker;
    kept->bytes = wire_encode_reject_trace(trace, kept->trace, sizeof kept->trace);
    ASSERT(kept->bytes > 0);
    rejects->count++;
}

void rejects_refused(struct gateway *gateway, struct connection *connection)
{
    const struct stratum_refusal *refusal = &gateway->effects.refusal;
    if (gateway->rejects == NULL)
        return;
    struct wire_reject_trace trace = {
        .worker = refusal->worker_id,
        .outcome = (uint8_t)gateway->effects.refused,
        .version_mask = connection->session.version_mask,
        .has_version_bits = refusal->has_bits,
        .extranonce2_chars = refusal->extranonce2_chars,
        .extranonce2_wanted = refusal->extranonce2_wanted,
        .ntime_chars = refusal->ntime_chars,
        .nonce_chars = refusal->nonce_chars,
        .bits_chars = refusal->bits_chars,
    };
    add_job(&trace, refusal->job, gateway);
    keep(gateway, connection, refusal->account_id, &trace);
}

void rejects_judged(struct gateway *gateway, struct connection *connection,
                    const struct wire_share *share, enum share_outcome outcome)
{
    if (gateway->rejects == NULL || outcome == SHARE_ACCEPTED)
        return;
    const struct stratum_job *job = stratum_jobs_find(&gateway->feed.table, share->job_id);
    uint8_t wanted = (uint8_t)(2 * connection->session.extranonce2_bytes);
    struct wire_reject_trace trace = {
        .worker = share->worker,
        .work = share->work,
        .outcome = (uint8_t)outcome,
        .version_bits = share->version_bits,
        .version_mask = share->version_mask,
        .has_version_bits = share->has_version_bits,
        .extranonce2_chars = wanted,
        .extranonce2_wanted = wanted,
        .ntime_chars = 8,
        .nonce_chars = 8,
        .bits_chars = 8,
    };
    add_job(&trace, job, gateway);
    if (job != NULL)
        trace.ntime_offset_s = share->ntime - job->job->cur_time;
    keep(gateway, connection, share->account, &trace);
}
