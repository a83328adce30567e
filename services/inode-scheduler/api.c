#include "services/inode-scheduler/api.h"

#include "adapter/http_kore/limit.h"
#include "core/pow/sha256.h"
#include "core/share/outcome.h"
#include "services/inode-scheduler/api_access.h"
#include "services/inode-scheduler/inode.h"
#include "services/inode-scheduler/live.h"

#include <stdio.h>
#include <stdlib.h>

enum { TAG_BYTES = 16 };

/* The document as text, which the caller frees; NULL, with the exchange answered, where it cannot
 * be written. */
static char *text_of(struct http_exchange *exchange, json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(document);
    if (text == NULL)
        http_problem(exchange, 500, "Internal error", "the answer could not be written", NULL);
    return text;
}

/* RFC 9110, 8.8.3; whether the client has it is looked at where the answer leaves. */
static void add_tag(struct http_exchange *exchange, const char *text)
{
    char tag[2 * TAG_BYTES + 3];
    uint8_t hash[32];
    sha256(span_text(text), hash);
    tag[0] = '"';
    hex_encode(span_of(hash, TAG_BYTES), tag + 1);
    strcpy(tag + 1 + 2 * TAG_BYTES, "\"");
    http_add_header(exchange, "etag", tag);
}

void api_reply(struct http_exchange *exchange, json_t *document)
{
    char *text = text_of(exchange, document);
    if (text == NULL)
        return;
    http_add_header(exchange, "cache-control", "no-store");
    http_reply(exchange, 200, "application/json", span_text(text));
    free(text);
}

void api_reply_tagged(struct http_exchange *exchange, json_t *document)
{
    char *text = text_of(exchange, document);
    if (text == NULL)
        return;
    http_add_header(exchange, "cache-control", "private, no-cache");
    add_tag(exchange, text);
    http_reply(exchange, 200, "application/json", span_text(text));
    free(text);
}

bool api_may_ask(struct scheduler *scheduler, struct http_exchange *exchange)
{
    const struct settings *settings = scheduler->options.settings;
    char client[HTTP_CLIENT_BYTES], wait[16];
    unsigned wait_s;
    if (scheduler->proofs_limit == NULL) {
        scheduler->proofs_limit = calloc(1, sizeof *scheduler->proofs_limit);
        ASSERT(scheduler->proofs_limit != NULL);
        scheduler->proofs_limit->seed = scheduler->options.boot_id;
        scheduler->proofs_limit->per_s = (uint32_t)settings->scheduler_proofs_per_s;
    }
    http_client(exchange, &settings->scheduler_proxies, client);
    if (http_limit_take(scheduler->proofs_limit, client, loop_now_ms(scheduler->options.loop),
                        &wait_s))
        return true;
    snprintf(wait, sizeof wait, "%u", wait_s);
    http_add_header(exchange, "retry-after", wait);
    http_problem(exchange, 429, "Too many questions",
                 "this address asked for too many proofs and receipts (scheduler.proofs_per_s); "
                 "wait as Retry-After says",
                 NULL);
    return false;
}

void api_add_coin(json_t *document, const struct scheduler *scheduler)
{
    json_object_set_new(document, "exponent", json_integer(scheduler->options.coin.decimals));
    json_object_set_new(document, "ticker", json_string(scheduler->options.coin.ticker));
}

uint64_t api_query_number(const struct http_exchange *exchange, const char *name, uint64_t fallback,
                          uint64_t max)
{
    uint64_t number;
    return http_number(http_parameter(http_query(exchange), name), max, &number) ? number
                                                                                 : fallback;
}

static void read_work(struct worker_job *job)
{
    struct api_read *read = (struct api_read *)job;
    read->read(read);
}

static void reply_csv(struct api_read *read)
{
    http_add_header(read->exchange, "cache-control", "no-store");
    http_add_header(read->exchange, "content-disposition", "attachment; filename=\"earnings.csv\"");
    api_link_next(read->exchange, &read->page);
    http_reply(read->exchange, 200, "text/csv; charset=utf-8; header=present",
               span_text(read->text));
    free(read->text);
}

static const char *title_of(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = { { 400, "Bad request" },
                   { 401, "Unauthorized" },
                   { 403, "Forbidden" },
                   { 404, "Not found" },
                   { 409, "Refused" } };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Unavailable";
}

void api_read_end(struct api_read *read)
{
    if (read->text != NULL) {
        reply_csv(read);
    } else if (read->document != NULL) {
        if (read->guarded != NULL)
            api_reply(read->exchange, read->document);
        else
            api_reply_tagged(read->exchange, read->document);
    } else {
        if (read->status == 401)
            http_add_header(read->exchange, "www-authenticate",
                            "Bearer realm=\"adit\", error=\"invalid_token\"");
        http_problem(read->exchange, read->status, title_of(read->status), read->error.text,
                     read->status == 404 ? "name" : read->field);
    }
    json_decref(read->aside);
    json_decref(read->body);
    json_decref(read->order);
    if (read->token != NULL)
        explicit_bzero(read->token, strlen(read->token));
    free(read->token);
    free(read);
}

static void read_done(struct worker_job *job)
{
    struct api_read *read = (struct api_read *)job;
    if (read->status == 0 && read->guarded != NULL && read->guarded->after != NULL)
        read->guarded->after(read);
    else
        api_read_end(read);
}

struct api_read *api_read_new(struct scheduler *scheduler, struct http_exchange *exchange,
                              void (*begin)(struct api_read *read))
{
    struct api_read *read = calloc(1, sizeof *read);
    ASSERT(read != NULL);
    read->job = (struct worker_job){ .work = read_work, .done = read_done };
    read->scheduler = scheduler;
    read->exchange = exchange;
    read->read = begin;
    read->status = 503;
    return read;
}

void api_read_submit(struct api_read *read)
{
    if (!read->scheduler->stopping && worker_submit(read->scheduler->readers, &read->job))
        return;
    error_fill(&read->error, ERROR_UNAVAILABLE, "too many questions are waiting; ask again");
    api_read_end(read);
}

void api_read_names(struct api_read *read, const char *name)
{
    const char *worker = name != NULL ? http_segment(read->exchange, 1) : NULL;
    snprintf(read->name, sizeof read->name, "%s", name != NULL ? name : "");
    read->has_worker = worker != NULL;
    snprintf(read->worker, sizeof read->worker, "%s", worker != NULL ? worker : "");
}

void api_read_begin(struct scheduler *scheduler, struct http_exchange *exchange, const char *name,
                    void (*begin)(struct api_read *read))
{
    struct api_read *read = api_read_new(scheduler, exchange, begin);
    api_read_names(read, name);
    api_read_submit(read);
}

/* Why shares were rejected, as the gateways that live now have counted since each began. */
static json_t *rejects_of(const struct health *health)
{
    json_t *reasons = json_object();
    for (int outcome = 1; outcome < SHARE_OUTCOMES_COUNT; outcome++) {
        const char *label = share_outcome_label((enum share_outcome)outcome);
        uint64_t count = health_sum(health, HEALTH_GATEWAY, label);
        json_object_set_new(reasons, label, json_integer((json_int_t)count));
    }
    return reasons;
}

/* Blocks found against those that the work was worth, each share at the network's difficulty of its
 * time. */
static json_t *luck_of(const struct scheduler *scheduler)
{
    const struct scheduler_summary *summary = &scheduler->summary;
    double expected = summary->luck_expected;
    if (!summary->known || expected <= 0)
        return json_null();
    return json_pack("{s:I, s:I, s:f, s:f}", "since", (json_int_t)(summary->luck_since_ms / 1000),
                     "blocks", (json_int_t)summary->luck_blocks, "expected_blocks", expected,
                     "luck", (double)summary->luck_blocks / expected);
}

json_t *api_network(const struct scheduler *scheduler)
{
    struct jobs_view view;
    jobs_look(scheduler->jobs, &view);
    char bits[12];
    snprintf(bits, sizeof bits, "%08x", view.bits);
    json_t *network =
        json_pack("{s:i, s:s, s:o, s:s, s:s}", "height", (int)scheduler->followed.height, "bits",
                  bits, "tip", api_hash(scheduler->followed.tip), "chain",
                  scheduler->options.coin.chain, "profile", scheduler->options.coin.name);
    json_object_set_new(network, "job_height", json_integer(view.height));
    json_object_set_new(network, "network_work", api_number(scheduler_network_work(scheduler)));
    json_object_set_new(network, "job_value", api_money((int64_t)view.coinbase_value));
    json_object_set_new(network, "coinbase_maturity",
                        json_integer(scheduler->options.coin.coinbase_maturity));
    json_object_set_new(network, "template_transactions",
                        json_integer((json_int_t)view.transactions));
    json_object_set_new(network, "template_age_ms", json_integer((json_int_t)view.template_age_ms));
    return network;
}

json_t *api_shares(const struct scheduler *scheduler, uint64_t now)
{
    struct stats_pool pool;
    stats_of_pool(scheduler->stats, now, &pool);
    uint64_t age_s = now > pool.sums.since_ms ? (now - pool.sums.since_ms) / 1000 : 0;
    double span_s = age_s >= 60 ? 60 : age_s < 10 ? 10 : (double)age_s;
    json_t *shares = json_pack("{s:I, s:I, s:I, s:o, s:I}", "total_shares",
                               (json_int_t)(pool.totals.accepted + pool.totals.rejected),
                               "valid_shares", (json_int_t)pool.totals.accepted, "invalid_shares",
                               (json_int_t)pool.totals.rejected, "total_difficulty",
                               api_number(pool.sums.accepted_work), "last_updated",
                               (json_int_t)(pool.read_ms / 1000));
    json_t *answer = json_pack("{s:I, s:I, s:I, s:o, s:o, s:f, s:o, s:I}", "total_miners",
                               (json_int_t)health_sum(&scheduler->health, HEALTH_GATEWAY, "miners"),
                               "active_miners", (json_int_t)pool.workers_active, "active_accounts",
                               (json_int_t)pool.accounts_active, "total_hashrate",
                               api_number(stats_rate(&pool.sums, STATS_TEN_MINUTES, now)),
                               "hashrate", api_rates(&pool.sums, now), "shares_per_second",
                               (double)pool.sums.shares[STATS_MINUTE] / span_s, "share_statistics",
                               shares, "last_updated", (json_int_t)(now / 1000));
    json_object_set_new(answer, "hashrate_errors", api_rate_errors(&pool.sums));
    return answer;
}

static void on_statistics(void *context, struct http_exchange *exchange)
{
    const struct scheduler *scheduler = context;
    const struct scheduler_summary *summary = &scheduler->summary;
    http_keep(exchange, API_POOL_KEEP_MS);
    json_t *answer = api_shares(scheduler, loop_unix_ms());
    json_object_set_new(answer, "blocks_found", json_integer((json_int_t)summary->blocks_found));
    json_object_set_new(answer, "blocks_orphaned",
                        json_integer((json_int_t)summary->blocks_orphaned));
    json_object_set_new(answer, "last_block_time",
                        json_integer((json_int_t)(summary->last_block_ms / 1000)));
    json_object_set_new(answer, "network", api_network(scheduler));
    json_object_set_new(answer, "rejects", rejects_of(&scheduler->health));
    json_object_set_new(answer, "luck", luck_of(scheduler));
    api_add_coin(answer, scheduler);
    api_reply_tagged(exchange, answer);
}

const struct http_route api_routes[] = {
    { HTTP_METHOD_GET, "/", site_page },
    { HTTP_METHOD_GET, "/site/{}", site_file },
    { HTTP_METHOD_GET, "/account/confirm", site_page }, /* where letters lead */
    { HTTP_METHOD_GET, "/account/reset", site_page },
    { HTTP_METHOD_GET, "/account/unsubscribe", site_page },
    { HTTP_METHOD_GET, "/api/v1/pool/status", api_status },
    { HTTP_METHOD_GET, "/api/v1/pool/statistics", on_statistics },
    { HTTP_METHOD_GET, "/api/v1/pool/series", api_pool_series },
    { HTTP_METHOD_GET, "/api/v1/live", live_open },
    { HTTP_METHOD_GET, "/api/v1/blocks", api_blocks },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}", api_account },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/workers", api_workers },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/rejects", api_rejects },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/workers/{}/rejects", api_rejects },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/workers/{}/series", api_worker_series },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/series", api_account_series },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/credits", api_credits },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/earnings.csv", api_earnings },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/outlook", api_outlook },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/payments", api_payments },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/proofs", api_proofs },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/proofs/{}", api_proof },
    { HTTP_METHOD_GET, "/api/v1/accounts/{}/receipts", api_receipts },
    { HTTP_METHOD_GET, "/api/v1/proofs", api_proof_chain },
    { HTTP_METHOD_GET, "/api/v1/validators", api_validators },
    { HTTP_METHOD_GET, "/api/v1/pools", api_pools },
    { HTTP_METHOD_GET, "/api/v1/tasks", api_tasks },
    { HTTP_METHOD_GET, "/api/v1/disputes", api_disputes },
    { HTTP_METHOD_GET, "/api/v1/disputes/{}", api_dispute },
    { HTTP_METHOD_GET, "/api/v1/pool/about", api_about },
    { HTTP_METHOD_GET, "/api/v1/withdrawals", api_withdrawals },
    { HTTP_METHOD_POST, "/api/v1/withdrawals", api_withdraw },
    { HTTP_METHOD_GET, "/api/v1/operator/nodes", api_operator_nodes },
    { HTTP_METHOD_GET, "/api/v1/operator/luck", api_operator_luck },
    { HTTP_METHOD_GET, "/api/v1/operator/ledger", api_operator_ledger },
    { HTTP_METHOD_POST, "/api/v1/operator/audit", api_operator_audit },
    { HTTP_METHOD_GET, "/api/v1/operator/payments", api_operator_payments },
    { HTTP_METHOD_POST, "/api/v1/operator/payments", api_operator_turn },
    { HTTP_METHOD_POST, "/api/v1/operator/payments/{}", api_operator_payment },
    { HTTP_METHOD_GET, "/api/v1/operator/bans", api_operator_bans },
    { HTTP_METHOD_POST, "/api/v1/operator/bans", api_operator_ban },
    { HTTP_METHOD_GET, "/inode", inode_open },
    { HTTP_METHOD_GET, NULL, NULL },
};
