/* The HTTP API, version 1: JSON for everyone, problem documents for errors. What is in
 * memory is answered at once; what is in the store is read on the readers' worker. What only some
 * may ask wants their token (api_access.h); what changes money is payout's to decide (api_order.c).
 *
 * Times are unix seconds unless their name ends in _ms; money is text in base units; hashes and ids
 * are hex (hashes as explorers show them). */
#pragma once
#include "adapter/http_kore/http.h"
#include "adapter/http_kore/page.h"
#include "adapter/token_sodium/token.h"
#include "record/account/account.h"
#include "record/ledger/ledger_record.h"
#include "services/inode-scheduler/api_values.h"
#include "services/inode-scheduler/scheduler.h"

/* For how long an answer is given to all who ask (http_keep). The pool's series are counted once a
 * second. An account is made of the store, which costs several times what giving it again does;
 * pages ask for it SOON_MS (site/main.js) after an event that changed it, which is not less. */
enum { API_POOL_KEEP_MS = 250, API_ACCOUNT_KEEP_MS = 1000 };

/* Ended by one with path NULL; the context is the scheduler. */
extern const struct http_route api_routes[];

/* Answers with the document, which is taken, and is for the asker alone. */
void api_reply(struct http_exchange *exchange, json_t *document);
/* Likewise what anybody may ask: with an entity tag (RFC 9110, 8.8.3); 304 where the client has
 * this very document. */
void api_reply_tagged(struct http_exchange *exchange, json_t *document);
/* `exponent` (a coin has 10^exponent base units) and `ticker`, beside whatever money it holds. */
void api_add_coin(json_t *document, const struct scheduler *scheduler);
/* A query parameter's number within bounds, or the fallback. */
uint64_t api_query_number(const struct http_exchange *exchange, const char *name, uint64_t fallback,
                          uint64_t max);

/* What a list's place is made of, and how many rows an answer has. */
struct api_list {
    uint64_t limit, limit_max;
    enum http_page_id id;
    uint64_t number_max;
    uint64_t number_min; /* 1: numbers that begin there */
};
enum { API_LIMIT = 50, API_LIMIT_MAX = 500 };
/* The page of a list that is asked for, and where it ended. */
struct api_page {
    uint64_t limit, before, after;
    bool behind; /* `page` was given: from behind this place, whatever before and after say */
    struct http_page place;
    bool more; /* rows are left behind `last` */
    struct http_page last;
};

struct api_guarded;

/* A read of the store for one exchange. */
struct api_read {
    struct worker_job job;
    struct scheduler *scheduler;
    struct http_exchange *exchange;
    /* on the worker: makes the document, or leaves it NULL with the status and the sentence */
    void (*read)(struct api_read *read);
    char name[IDENTITY_USERNAME_BYTES_MAX + 1]; /* the path's segment */
    char worker[IDENTITY_WORKER_BYTES_MAX + 1]; /* the second one, where there is one */
    bool has_worker;
    struct api_page page; /* of lists */
    json_t *aside;        /* what the loop knows and the worker may not look at; NULL: nothing */
    json_t *document;
    char *text;        /* or a CSV file, from the heap */
    int status;        /* of the trouble, where there is neither document nor text */
    const char *field; /* what the trouble is about; may be NULL */
    struct error error;
    /* of a request that not everybody may make (api_access.h) */
    const struct api_guarded *guarded;
    char *token;
    struct token_claims claims;
    json_t *body;  /* what was sent */
    json_t *order; /* what those said who were asked (api_order.c) */
};
/* Made on the loop, to be submitted to the readers' worker, where `read` runs; then it is ended.
 * api_read_submit answers 503 where too much is waiting. */
struct api_read *api_read_new(struct scheduler *scheduler, struct http_exchange *exchange,
                              void (*read)(struct api_read *read));
void api_read_submit(struct api_read *read);
/* On the loop: answers with the document, the text or the trouble, and frees it. */
void api_read_end(struct api_read *read);
/* Whether the client may ask for proofs and receipts now; if not, it was answered with 429. */
MUST_CHECK bool api_may_ask(struct scheduler *scheduler, struct http_exchange *exchange);
/* Copies the path's name (NULL: none), and its second segment. */
void api_read_names(struct api_read *read, const char *name);
/* Takes the exchange; answers 503 where too much is waiting. `name` may be NULL. */
void api_read_begin(struct scheduler *scheduler, struct http_exchange *exchange, const char *name,
                    void (*read)(struct api_read *read));

/* api_list.c: likewise of a list. Answers 400 where limit, page, before or after is no good. */
void api_list_begin(struct scheduler *scheduler, struct http_exchange *exchange, const char *name,
                    const struct api_list *list, void (*read)(struct api_read *read));
/* False where it has answered so. */
MUST_CHECK bool api_list_asked(struct http_exchange *exchange, const struct api_list *list,
                               struct api_page *page_r);
/* The number to begin at, 0: from the end on; and the id to begin behind, or NULL. */
uint64_t api_page_from(const struct api_page *page);
const char *api_page_past(const struct api_page *page);
/* Whether there is room for one more row behind so many, whose place becomes the last one; the
 * first without room says that there are more. Stores are asked for limit + 1 rows. */
MUST_CHECK bool api_page_takes(struct api_page *page, size_t rows, uint64_t number, const char *id);
/* `next`: where the following page begins, or null. */
void api_add_next(json_t *document, const struct api_page *page);
/* Likewise beside what is no JSON: `Link: <?page=…>; rel="next"` (RFC 8288), or nothing. */
void api_link_next(struct http_exchange *exchange, const struct api_page *page);

/* An account's entries, one page of them, newest first. */
enum { API_ENTRIES_MAX = 500 };
struct api_entries {
    struct api_page *page;
    struct entry_record entries[API_ENTRIES_MAX];
    size_t count;
    uint64_t seq; /* of the entry looked at, and the how manieth of its set that is */
    unsigned nth;
};
extern const struct api_list api_entries_list;
/* On the worker. False with read->error. */
MUST_CHECK bool api_read_entries(struct api_read *read, uint64_t account,
                                 struct api_entries *entries_r);

/* api_health.c */
void api_status(void *context, struct http_exchange *exchange);
/* api_members.c */
void api_validators(void *context, struct http_exchange *exchange);
void api_pools(void *context, struct http_exchange *exchange);
/* api_store.c */
void api_blocks(void *context, struct http_exchange *exchange);
void api_account(void *context, struct http_exchange *exchange);
void api_workers(void *context, struct http_exchange *exchange);
void api_credits(void *context, struct http_exchange *exchange);
void api_payments(void *context, struct http_exchange *exchange);
/* The account of the path's name; false with status and sentence. On the worker. */
MUST_CHECK bool api_find_account(struct api_read *read, struct account *account_r);
/* api_earnings.c, api_outlook.c */
void api_earnings(void *context, struct http_exchange *exchange);
void api_outlook(void *context, struct http_exchange *exchange);
/* api_series.c */
void api_pool_series(void *context, struct http_exchange *exchange);
void api_account_series(void *context, struct http_exchange *exchange);
void api_worker_series(void *context, struct http_exchange *exchange);
/* Expected hashes a second by span: `1m`, `10m`, `1h`, `1d`. */
json_t *api_rates(const struct stats_sums *sums, uint64_t now_ms);
/* All that is known of how an account or a worker works: shares, rates, their errors. */
void api_add_rates(json_t *document, const struct stats_sums *sums, uint64_t now_ms);
/* A worker as its account's list has it. */
json_t *api_worker(uint64_t id, const char *name, const struct stats_sums *sums, uint64_t now_ms);
/* api.c: the pool's rates, of its statistics; the chain and the job of now, likewise */
json_t *api_shares(const struct scheduler *scheduler, uint64_t now_ms);
json_t *api_network(const struct scheduler *scheduler);
/* One standard deviation of each, as a part of it; null where there was no share. */
json_t *api_rate_errors(const struct stats_sums *sums);
/* api_proofs.c */
void api_proof_chain(void *context, struct http_exchange *exchange);
void api_proofs(void *context, struct http_exchange *exchange);
void api_proof(void *context, struct http_exchange *exchange);
/* api_receipts.c */
void api_receipts(void *context, struct http_exchange *exchange);
/* api_disputes.c */
void api_disputes(void *context, struct http_exchange *exchange);
void api_dispute(void *context, struct http_exchange *exchange);
void api_tasks(void *context, struct http_exchange *exchange);
/* api_rejects.c */
void api_rejects(void *context, struct http_exchange *exchange);
/* api_about.c */
void api_about(void *context, struct http_exchange *exchange);
/* api_operator.c: what operators see */
void api_operator_nodes(void *context, struct http_exchange *exchange);
void api_operator_payments(void *context, struct http_exchange *exchange);
void api_operator_ledger(void *context, struct http_exchange *exchange);
void api_operator_bans(void *context, struct http_exchange *exchange);
/* api_order.c: what operators and owners of accounts ask of payout and gateways */
void api_operator_audit(void *context, struct http_exchange *exchange);
void api_operator_luck(void *context, struct http_exchange *exchange); /* api_luck.c */
void api_operator_turn(void *context, struct http_exchange *exchange);
void api_operator_payment(void *context, struct http_exchange *exchange);
void api_operator_ban(void *context, struct http_exchange *exchange);
void api_withdrawals(void *context, struct http_exchange *exchange);
void api_withdraw(void *context, struct http_exchange *exchange);
/* site.c */
void site_page(void *context, struct http_exchange *exchange);
void site_file(void *context, struct http_exchange *exchange);
