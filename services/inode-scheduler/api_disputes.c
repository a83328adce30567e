/* What audits found: disputes with their evidence, and how many tasks there were. Public: whoever
 * wants to check a verdict has here what it takes. */
#include "services/inode-scheduler/api.h"

#include "adapter/proof_json/proof_json.h"
#include "core/share/outcome.h"

#include <stdio.h>

static json_t *outcomes_of(uint32_t bits)
{
    json_t *list = json_array();
    for (int i = 0; i < SHARE_OUTCOMES_COUNT; i++)
        if ((bits >> i & 1) != 0)
            json_array_append_new(list, json_string(share_outcome_label((enum share_outcome)i)));
    return list;
}

/* Beyond 63 bits it would not survive as a number. */
static json_t *count_of(uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return json_string(text);
}

static json_t *submission_of(const struct dispute *dispute)
{
    json_t *submission = json_pack(
        "{s:s, s:s, s:i, s:I, s:o}", "lease", "", "sequence", "", "index", (int)dispute->index,
        "received_ms", (json_int_t)dispute->received_ms, "work", count_of(dispute->work));
    json_object_set_new(submission, "lease", count_of(dispute->lease_id));
    json_object_set_new(submission, "sequence", count_of(dispute->sequence));
    json_object_set_new(submission, "account", api_id(dispute->account));
    json_object_set_new(submission, "worker", api_id(dispute->worker));
    json_object_set_new(submission, "job", api_id(dispute->job_id));
    return submission;
}

static json_t *entry_of(const struct dispute *dispute)
{
    bool judged = dispute->kind != DISPUTE_CREDIT_WRONG;
    json_t *entry = json_pack(
        "{s:s, s:s, s:I, s:s, s:b, s:s, s:s, s:b, s:s, s:o}", "id", dispute->id, "kind",
        dispute_kind_name(dispute->kind), "at_ms", (json_int_t)dispute->at_ms, "first",
        dispute->first, "certain", dispute->certain, "reporter", dispute->reporter, "verdict",
        share_outcome_label((enum share_outcome)dispute->first_outcome), "verdict_block",
        dispute->first_block, "reason", dispute->text, "submission", submission_of(dispute));
    json_object_set_new(entry, "honest",
                        judged ? outcomes_of(dispute->honest_outcomes) : json_null());
    return entry;
}

static json_t *hex_or_null(struct span bytes)
{
    return bytes.length > 0 ? proof_json_hex(bytes) : json_null();
}

struct listing {
    struct api_page *page;
    json_t *list;
};

static bool on_listed(void *context, const struct dispute *dispute)
{
    struct listing *listing = context;
    if (!api_page_takes(listing->page, json_array_size(listing->list), dispute->at_ms, dispute->id))
        return false;
    json_array_append_new(listing->list, entry_of(dispute));
    return true;
}

static void list_read(struct api_read *read)
{
    struct listing listing = { &read->page, json_array() };
    if (dispute_walk(read->scheduler->api_store, api_page_from(&read->page),
                     api_page_past(&read->page), read->page.limit + 1, on_listed, &listing,
                     &read->error) != STORE_DONE) {
        json_decref(listing.list);
        return;
    }
    read->document = json_pack("{s:o}", "disputes", listing.list);
    api_add_next(read->document, &read->page);
}

void api_disputes(void *context, struct http_exchange *exchange)
{
    static const struct api_list disputes = { API_LIMIT, API_LIMIT_MAX, HTTP_PAGE_ID, INT64_MAX,
                                              0 };
    api_list_begin(context, exchange, NULL, &disputes, list_read);
}

static bool on_found(void *context, const struct dispute *dispute)
{
    struct api_read *read = context;
    read->document = entry_of(dispute);
    json_object_set_new(read->document, "report_valid", json_boolean(dispute->report_valid));
    json_object_set_new(read->document, "honest_block", json_boolean(dispute->honest_block));
    json_object_set_new(read->document, "hash", api_hash(dispute->hash));
    json_object_set_new(read->document, "header",
                        proof_json_hex(span_of(dispute->header, sizeof dispute->header)));
    json_object_set_new(read->document, "sample", hex_or_null(dispute->body));
    json_object_set_new(read->document, "report", hex_or_null(dispute->report));
    json_object_set_new(read->document, "credited", hex_or_null(dispute->credited));
    return true;
}

static void one_read(struct api_read *read)
{
    enum store_outcome outcome =
        dispute_find(read->scheduler->api_store, read->name, on_found, read, &read->error);
    if (outcome != STORE_DONE || read->document != NULL)
        return;
    read->status = 404;
    error_fill(&read->error, ERROR_INVALID, "there is no such dispute");
}

void api_dispute(void *context, struct http_exchange *exchange)
{
    api_read_begin(context, exchange, http_segment(exchange, 0), one_read);
}

void api_tasks(void *context, struct http_exchange *exchange)
{
    const struct scheduler *scheduler = context;
    const struct auditor_counts *counts = &scheduler->tasks.counts;
    const uint64_t since_ms = places_steady_since_ms(scheduler->tasks.places);
    json_t *document =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "taken", (json_int_t)counts->taken,
                  "issued", (json_int_t)counts->issued, "reported", (json_int_t)counts->reported,
                  "refused", (json_int_t)counts->refused, "expired", (json_int_t)counts->expired,
                  "judged_alone", (json_int_t)counts->alone, "agreed", (json_int_t)counts->agreed);
    json_object_set_new(document, "disputes", json_integer((json_int_t)counts->disputes));
    json_object_set_new(document, "credits_checked", json_integer((json_int_t)counts->credits));
    json_object_set_new(document, "credits_unknown",
                        json_integer((json_int_t)counts->credits_unknown));
    json_object_set_new(document, "credits_since_ms",
                        since_ms != 0 ? json_integer((json_int_t)since_ms) : json_null());
    json_object_set_new(document, "waiting", json_integer((json_int_t)counts->waiting));
    json_object_set_new(document, "validators", json_integer((json_int_t)counts->askers));
    json_object_set_new(document, "rate", json_integer(scheduler->options.settings->audit_rate));
    api_reply_tagged(exchange, document);
}
