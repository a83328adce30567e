/* What is wrong with a miner, from the traces gateways left of its rejected shares (redis.cache).
 * An account's and a worker's ids follow from their names; the store is asked for names only. On
 * the readers' worker. */
#include "services/inode-scheduler/api.h"

#include "core/forensics/forensics.h"
#include "wire/messages.h"

#include <stdio.h>

/* All that is kept fits one answer, so there are no pages. */
static const struct api_list rejects = { API_LIMIT, REJECT_LOG_OF_ACCOUNT_MAX, HTTP_PAGE_NO_ID, 0,
                                         0 };

struct gathering {
    struct scheduler *scheduler;
    uint64_t account;
    struct forensics_trace traces[REJECT_LOG_OF_ACCOUNT_MAX];
    size_t count;
    uint64_t limit;
    json_t *list;
};

static json_t *worker_of(struct gathering *gathering, uint64_t id)
{
    struct account_worker worker;
    struct error error;
    if (id != 0 && worker_get(gathering->scheduler->api_store, gathering->account, id, &worker,
                              &error) == STORE_DONE)
        return json_string(worker.name);
    return json_null();
}

static void show(struct gathering *gathering, const struct wire_reject_trace *trace,
                 const struct forensics_trace *known)
{
    char bits[12], mask[12];
    snprintf(bits, sizeof bits, "%08x", trace->version_bits);
    snprintf(mask, sizeof mask, "%08x", trace->version_mask);
    json_t *entry = json_pack(
        "{s:I, s:o, s:s, s:s, s:o, s:I, s:I, s:I, s:s, s:s, s:s}", "time_ms",
        (json_int_t)trace->unix_ms, "worker", worker_of(gathering, trace->worker), "reason",
        share_outcome_label(known->outcome), "kind", forensics_label(forensics_kind_of(known)),
        "work", api_number(trace->work), "job_age_s", (json_int_t)trace->job_age_s, "stale_ms",
        (json_int_t)trace->stale_ms, "ntime_offset_s", (json_int_t)known->ntime_offset_s,
        "version_bits", trace->has_version_bits ? bits : "", "version_mask", mask, "user_agent",
        trace->agent);
    json_array_append_new(gathering->list, entry);
}

static bool on_trace(void *context, struct span bytes)
{
    struct gathering *gathering = context;
    struct wire_reject_trace trace;
    struct error error;
    _Alignas(max_align_t) uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    enum share_outcome outcome;
    /* Of a version that is not ours, or no trace: left out. */
    if (!wire_decode_reject_trace(bytes, &arena, &trace, &error) ||
        !share_outcome_from_wire(trace.outcome, &outcome))
        return true;
    struct forensics_trace *known = &gathering->traces[gathering->count++];
    *known = (struct forensics_trace){
        .unix_ms = trace.unix_ms,
        .work = work_of(trace.work),
        .outcome = outcome,
        .job_age_s = trace.job_age_s,
        .stale_ms = trace.stale_ms,
        .ntime_offset_s = (int32_t)trace.ntime_offset_s,
        .version_bits = trace.version_bits,
        .version_mask = trace.version_mask,
        .has_version_bits = trace.has_version_bits != 0,
        .extranonce2_chars = trace.extranonce2_chars,
        .extranonce2_wanted = trace.extranonce2_wanted,
        .ntime_chars = trace.ntime_chars,
        .nonce_chars = trace.nonce_chars,
        .bits_chars = trace.bits_chars,
        .rejects_in_row = trace.rejects_in_row,
    };
    if (json_array_size(gathering->list) < gathering->limit)
        show(gathering, &trace, known);
    return gathering->count < REJECT_LOG_OF_ACCOUNT_MAX;
}

static json_t *advice_of(const struct gathering *gathering)
{
    struct forensics_report report;
    json_t *advice = json_array();
    forensics_explain(gathering->traces, gathering->count, &report);
    for (unsigned i = 0; i < report.count; i++) {
        const struct forensics_finding *finding = &report.list[i];
        json_array_append_new(
            advice,
            json_pack("{s:s, s:I, s:I, s:s, s:s, s:s}", "kind", forensics_label(finding->kind),
                      "count", (json_int_t)finding->count, "newest_ms",
                      (json_int_t)finding->newest_ms, "what", forensics_what(finding->kind),
                      "detail", finding->detail, "todo", forensics_todo(finding->kind)));
    }
    return advice;
}

static bool find_ids(struct api_read *read, uint64_t *account_r, uint64_t *worker_r)
{
    const struct scheduler_options *options = &read->scheduler->options;
    struct identity_account identity;
    enum identity_outcome outcome =
        identity_resolve(&options->coin, span_text(read->name), &identity, NULL);
    if (outcome != IDENTITY_OK) {
        read->status = 404;
        return error_set(&read->error, ERROR_INVALID, "%s", identity_outcome_text(outcome));
    }
    *account_r = identity_account_id(&options->key, &identity);
    *worker_r = read->has_worker
                    ? identity_worker_id(&options->key, *account_r, span_text(read->worker))
                    : 0;
    return true;
}

static void rejects_read(struct api_read *read)
{
    struct scheduler *scheduler = read->scheduler;
    const struct scheduler_world *world = &scheduler->options.world;
    struct gathering gathering = { .scheduler = scheduler, .limit = read->page.limit };
    uint64_t worker;
    if (!find_ids(read, &gathering.account, &worker))
        return;
    if (scheduler->api_rejects == NULL && world->open_rejects != NULL)
        scheduler->api_rejects = world->open_rejects(world->context, &read->error);
    if (scheduler->api_rejects == NULL) {
        if (world->open_rejects == NULL)
            error_fill(&read->error, ERROR_UNAVAILABLE, "traces of rejected shares are not kept");
        return;
    }
    gathering.list = json_array();
    if (reject_log_read(scheduler->api_rejects, gathering.account, worker, on_trace, &gathering,
                        &read->error))
        read->document = json_pack("{s:I, s:o, s:o}", "traces", (json_int_t)gathering.count,
                                   "advice", advice_of(&gathering), "rejects", gathering.list);
    else
        json_decref(gathering.list);
}

void api_rejects(void *context, struct http_exchange *exchange)
{
    api_list_begin(context, exchange, http_segment(exchange, 0), &rejects, rejects_read);
}
