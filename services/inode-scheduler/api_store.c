/* The answers that come from the store: blocks, accounts and what they are owed. Every function
 * whose name ends in _read runs on the readers' worker. */
#include "services/inode-scheduler/api.h"

#include "record/account/account.h"
#include "record/ledger/ledger_record.h"
#include "record/payment/payment_record.h"
#include "services/inode-scheduler/news.h"

#include <stdio.h>
#include <stdlib.h>

/* A list with money in it, that seldom changes. */
static void reply_list(struct api_read *read, const char *name, json_t *list)
{
    read->document = json_pack("{s:o}", name, list);
    api_add_next(read->document, &read->page);
    api_add_coin(read->document, read->scheduler);
}

struct row_list {
    struct api_page *page;
    json_t *list;
};

static bool on_block(void *context, const struct block_record *block)
{
    struct row_list *rows = context;
    char id[BLOCK_ID_BYTES];
    block_id(block->hash, id);
    if (!api_page_takes(rows->page, json_array_size(rows->list), block->found_ms, id))
        return false;
    json_array_append_new(rows->list, news_block(block));
    return true;
}

static void blocks_read(struct api_read *read)
{
    struct row_list rows = { &read->page, json_array() };
    if (block_walk_newest(read->scheduler->api_store, api_page_from(&read->page),
                          api_page_past(&read->page), read->page.limit + 1, on_block, &rows,
                          &read->error) == STORE_DONE)
        reply_list(read, "blocks", rows.list);
    else
        json_decref(rows.list);
}

void api_blocks(void *context, struct http_exchange *exchange)
{
    static const struct api_list blocks = { API_LIMIT, API_LIMIT_MAX, HTTP_PAGE_ID, INT64_MAX, 0 };
    api_list_begin(context, exchange, NULL, &blocks, blocks_read);
}

bool api_find_account(struct api_read *read, struct account *account_r)
{
    struct identity_account identity;
    struct scheduler *scheduler = read->scheduler;
    enum identity_outcome outcome =
        identity_resolve(&scheduler->options.coin, span_text(read->name), &identity, NULL);
    if (outcome != IDENTITY_OK) {
        read->status = 404;
        error_fill(&read->error, ERROR_INVALID, "%s", identity_outcome_text(outcome));
        return false;
    }
    uint64_t id = identity_account_id(&scheduler->options.key, &identity);
    enum store_outcome found = account_get(scheduler->api_store, id, account_r, &read->error);
    if (found == STORE_MISSING) {
        read->status = 404;
        error_fill(&read->error, ERROR_INVALID, "nobody has mined under this name");
    }
    return found == STORE_DONE;
}

static void account_read(struct api_read *read)
{
    struct account account;
    struct balance_record balance;
    struct stats_sums sums;
    uint64_t now = loop_unix_ms();
    http_keep(read->exchange, API_ACCOUNT_KEEP_MS);
    if (!api_find_account(read, &account))
        return;
    struct account_payout payout = account_payout(&account, &read->scheduler->options.coin);
    struct ledger_account who = ledger_miner(account.id);
    if (balance_get(read->scheduler->api_store, &who, &balance, &read->error) == STORE_FAILED)
        return;
    stats_of(read->scheduler->stats, account.id, 0, now, &sums);
    read->document = json_pack(
        "{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:s}", "name", account.name, "id",
        api_id(account.id), "kind", account.kind == IDENTITY_KIND_ADDRESS ? "address" : "account",
        "payout_address", payout.address, "immature", api_money(balance.amounts.immature),
        "available", api_money(balance.amounts.available), "in_flight",
        api_money(balance.amounts.in_flight), "paid", api_money(balance.amounts.paid), "decimals",
        (int)read->scheduler->options.coin.decimals, "ticker",
        read->scheduler->options.coin.ticker);
    json_object_set_new(read->document, "shares_since",
                        json_integer((json_int_t)(sums.since_ms / 1000)));
    api_add_rates(read->document, &sums, now);
    api_add_coin(read->document, read->scheduler);
}

void api_account(void *context, struct http_exchange *exchange)
{
    api_read_begin(context, exchange, http_segment(exchange, 0), account_read);
}

struct worker_list {
    struct api_read *read;
    json_t *list;
    uint64_t now;
};

static bool on_worker(void *context, const struct account_worker *worker)
{
    struct worker_list *workers = context;
    struct stats_sums sums;
    if (!api_page_takes(&workers->read->page, json_array_size(workers->list), worker->id, ""))
        return false;
    stats_of(workers->read->scheduler->stats, worker->account_id, worker->id, workers->now, &sums);
    json_array_append_new(workers->list, api_worker(worker->id, worker->name, &sums, workers->now));
    return true;
}

static void workers_read(struct api_read *read)
{
    struct account account;
    if (!api_find_account(read, &account))
        return;
    struct worker_list workers = { read, json_array(), loop_unix_ms() };
    if (worker_walk(read->scheduler->api_store, account.id,
                    read->page.behind ? &read->page.place.number : NULL, read->page.limit + 1,
                    on_worker, &workers, &read->error) != STORE_DONE) {
        json_decref(workers.list);
        return;
    }
    read->document = json_pack("{s:o}", "workers", workers.list);
    api_add_next(read->document, &read->page);
}

void api_workers(void *context, struct http_exchange *exchange)
{
    static const struct api_list workers = { API_LIMIT, API_LIMIT_MAX, HTTP_PAGE_NO_ID, UINT64_MAX,
                                             0 };
    api_list_begin(context, exchange, http_segment(exchange, 0), &workers, workers_read);
}

const struct api_list api_entries_list = { API_LIMIT, API_ENTRIES_MAX, HTTP_PAGE_COUNT, INT64_MAX,
                                           1 };

/* An entry's place is its set and the how manieth of the account's in it it is: what a balance has
 * taken in stays as it is. */
static bool on_entry(void *context, const struct entry_record *entry)
{
    struct api_entries *list = context;
    struct api_page *page = list->page;
    char nth[12];
    list->nth = entry->seq == list->seq ? list->nth + 1 : 1;
    list->seq = entry->seq;
    if (page->behind && entry->seq == page->place.number &&
        list->nth <= strtoul(page->place.id, NULL, 10))
        return true;
    snprintf(nth, sizeof nth, "%u", list->nth);
    if (!api_page_takes(page, list->count, entry->seq, nth))
        return false;
    list->entries[list->count++] = *entry;
    return true;
}

bool api_read_entries(struct api_read *read, uint64_t account, struct api_entries *entries_r)
{
    struct ledger_account who = ledger_miner(account);
    ASSERT(read->page.limit <= API_ENTRIES_MAX);
    entries_r->page = &read->page;
    return entry_walk_account(read->scheduler->api_store, &who, api_page_from(&read->page), 0,
                              on_entry, entries_r, &read->error) == STORE_DONE;
}

static bool is_of_block(enum ledger_cause_kind kind)
{
    return kind == LEDGER_FOUND || kind == LEDGER_MATURED || kind == LEDGER_ORPHANED;
}

/* One posting of the account, as far as its set counts (is closed). */
static json_t *posting_of(const struct entry_record *entry, const struct set_record *set)
{
    char cause[LEDGER_CAUSE_BYTES];
    ledger_cause_format(&set->cause, cause);
    json_t *posting = json_pack(
        "{s:I, s:s, s:s, s:s, s:o, s:I}", "sequence", (json_int_t)set->seq, "cause", cause, "event",
        ledger_cause_name(set->cause.kind), "kind", ledger_kind_name(entry->leg.kind), "amount",
        api_money(entry->leg.amount), "time", (json_int_t)(set->time_ms / 1000));
    if (is_of_block(set->cause.kind))
        json_object_set_new(posting, "block", api_hash(set->cause.subject));
    else if (ledger_cause_is_of_event(set->cause.kind))
        json_object_set_new(posting, "transaction", api_hash(set->cause.subject));
    else
        json_object_set_new(posting, "payment",
                            json_integer((json_int_t)ledger_cause_number(&set->cause)));
    return posting;
}

/* The account's postings of blocks and received payments (credits), newest first. */
static void credits_read(struct api_read *read)
{
    struct account account;
    struct store *store = read->scheduler->api_store;
    if (!api_find_account(read, &account))
        return;
    struct api_entries *found = calloc(1, sizeof *found);
    ASSERT(found != NULL);
    json_t *list = json_array();
    bool ok = api_read_entries(read, account.id, found);
    for (size_t i = 0; ok && i < found->count; i++) {
        struct set_record set;
        enum store_outcome outcome = set_get(store, found->entries[i].seq, &set, &read->error);
        ok = outcome != STORE_FAILED;
        if (outcome == STORE_DONE && set.state != SET_OPEN &&
            ledger_cause_is_of_event(set.cause.kind))
            json_array_append_new(list, posting_of(&found->entries[i], &set));
    }
    free(found);
    if (ok)
        reply_list(read, "credits", list);
    else
        json_decref(list);
}

void api_credits(void *context, struct http_exchange *exchange)
{
    api_list_begin(context, exchange, http_segment(exchange, 0), &api_entries_list, credits_read);
}

struct payment_list {
    uint64_t numbers[500];
    size_t count;
};

static bool on_payment(void *context, const struct payment_record *payment)
{
    struct payment_list *list = context;
    list->numbers[list->count++] = payment->number;
    return list->count < sizeof list->numbers / sizeof *list->numbers;
}

/* What a payment gives the account, where it gives it anything. */
static void add_payment(json_t *list, const struct payment_record *payment, uint64_t account)
{
    for (size_t i = 0; i < payment->output_count; i++)
        if (payment->outputs[i].account == account)
            json_array_append_new(list, news_paid(payment, &payment->outputs[i]));
}

/* The next so many payments from `newest` on, of which those that give the account something go to
 * the list, as far as that has room. False where the store failed. */
static bool look_at_payments(struct api_read *read, uint64_t account, uint64_t newest, json_t *list,
                             struct payment_list *found)
{
    enum { PAYMENT_BYTES = 2 << 20 };
    struct store *store = read->scheduler->api_store;
    size_t most = sizeof found->numbers / sizeof *found->numbers;
    found->count = 0;
    if (payment_walk_newest(store, newest, most, on_payment, found, &read->error) != STORE_DONE)
        return false;
    void *memory = malloc(PAYMENT_BYTES);
    ASSERT(memory != NULL);
    bool ok = true;
    for (size_t i = 0; ok && i < found->count; i++) {
        struct arena arena = arena_over(memory, PAYMENT_BYTES);
        struct payment_record payment;
        if (!api_page_takes(&read->page, json_array_size(list), found->numbers[i], ""))
            break;
        enum store_outcome outcome =
            payment_get(store, found->numbers[i], &arena, &payment, &read->error);
        ok = outcome != STORE_FAILED;
        if (outcome == STORE_DONE)
            add_payment(list, &payment, account);
    }
    free(memory);
    return ok;
}

/* Most payments may be others': they are passed over, up to a bound for one question, whose answer
 * then has fewer than it may, and says where to go on. */
static void payments_read(struct api_read *read)
{
    enum { LOOKS_MAX = 8 };
    struct account account;
    struct payment_list found;
    if (!api_find_account(read, &account))
        return;
    json_t *list = json_array();
    struct api_page *page = &read->page;
    uint64_t newest = page->behind ? page->place.number - 1 : page->before;
    bool ok = true, more = !page->behind || newest > 0;
    for (int looks = 0; ok && more && looks < LOOKS_MAX; looks++) {
        ok = look_at_payments(read, account.id, newest, list, &found);
        more = ok && found.count == sizeof found.numbers / sizeof *found.numbers &&
               found.numbers[found.count - 1] > 1 && !page->more;
        newest = more ? found.numbers[found.count - 1] - 1 : 0;
    }
    page->more = page->more || more;
    if (ok)
        reply_list(read, "payments", list);
    else
        json_decref(list);
}

void api_payments(void *context, struct http_exchange *exchange)
{
    static const struct api_list payments = { API_LIMIT, API_LIMIT_MAX, HTTP_PAGE_NO_ID, INT64_MAX,
                                              1 };
    api_list_begin(context, exchange, http_segment(exchange, 0), &payments, payments_read);
}
