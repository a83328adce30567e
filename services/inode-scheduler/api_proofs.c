/* The chain of proofs for everyone, and an account's own proofs. Every function whose name ends in
 * _read runs on the readers' worker, which alone touches the kept trees. */
#include "services/inode-scheduler/api.h"

#include "adapter/proof_json/proof_json.h"
#include "services/inode-scheduler/proof_trees.h"

#include <stdio.h>

/* The chain by its numbers, an account's proofs by their sets. */
static const struct api_list numbered = { API_LIMIT, API_LIMIT_MAX, HTTP_PAGE_NO_ID, INT64_MAX, 1 };

struct chain {
    struct api_page *page;
    json_t *list;
};

static bool add_statement(void *context, const struct proof_link *link)
{
    struct chain *chain = context;
    if (!api_page_takes(chain->page, json_array_size(chain->list), link->statement.number, ""))
        return false;
    json_array_append_new(chain->list, proof_json_of_statement(&link->statement));
    return true;
}

/* The statements above `after`, oldest first: whoever walks them all has the whole chain. */
static void chain_read(struct api_read *read)
{
    struct proof_link newest;
    struct store *store = read->scheduler->api_store;
    enum store_outcome outcome = proof_link_newest(store, &newest, &read->error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return;
    struct api_page *page = &read->page;
    struct chain chain = { page, json_array() };
    bool any = outcome == STORE_DONE;
    uint64_t after = page->behind ? page->place.number : page->after;
    if (any && proof_link_walk(store, after, page->limit + 1, add_statement, &chain,
                               &read->error) != STORE_DONE) {
        json_decref(chain.list);
        return;
    }
    read->document = json_pack("{s:o, s:I}", "proofs", chain.list, "newest",
                               any ? (json_int_t)newest.statement.number : 0);
    api_add_next(read->document, page);
    api_add_coin(read->document, read->scheduler);
}

void api_proof_chain(void *context, struct http_exchange *exchange)
{
    if (api_may_ask(context, exchange))
        api_list_begin(context, exchange, NULL, &numbered, chain_read);
}

/* The sets that may have credited the account, as its entries have them. */
struct credited {
    uint64_t sets[2 * 500]; /* each block is met twice: found, and matured */
    size_t count, limit;
};

static bool on_entry(void *context, const struct entry_record *entry)
{
    struct credited *credited = context;
    /* A block's credits are immature at first, those of bought work available at once. */
    bool may = entry->leg.kind == LEDGER_IMMATURE || entry->leg.kind == LEDGER_AVAILABLE;
    bool known = credited->count > 0 && credited->sets[credited->count - 1] == entry->seq;
    if (may && entry->leg.amount >= 0 && !known)
        credited->sets[credited->count++] = entry->seq;
    return credited->count < credited->limit;
}

static bool add_credited(struct api_read *read, uint64_t seq, json_t *list)
{
    struct set_record set;
    struct proof_link link;
    struct store *store = read->scheduler->api_store;
    enum store_outcome outcome = set_get(store, seq, &set, &read->error);
    /* A block that came back is credited again by the same proof. */
    bool first = outcome == STORE_DONE && set.state != SET_OPEN && set.cause.generation == 1 &&
                 (set.cause.kind == LEDGER_FOUND || set.cause.kind == LEDGER_EARNED);
    if (!first)
        return outcome != STORE_FAILED;
    /* A stretch's subject is the same in ledger and chain. */
    outcome = proof_link_of_block(store, set.cause.subject, &link, &read->error);
    if (outcome == STORE_DONE) {
        const struct proof_statement *statement = &link.statement;
        json_t *entry =
            json_pack("{s:I, s:I, s:o, s:i, s:I, s:s}", "sequence", (json_int_t)seq, "number",
                      (json_int_t)statement->number, "block", api_hash(statement->block_hash),
                      "height", (int)statement->height, "time", (json_int_t)(link.time_ms / 1000),
                      "scheme", statement->scheme);
        if (proof_stretch_of(statement) != 0)
            json_object_set_new(entry, "stretch",
                                json_integer((json_int_t)proof_stretch_of(statement)));
        json_array_append_new(list, entry);
    }
    return outcome != STORE_FAILED;
}

static void list_read(struct api_read *read)
{
    struct account account;
    struct api_page *page = &read->page;
    struct credited credited = { .limit = 2 * page->limit };
    if (!api_find_account(read, &account))
        return;
    struct ledger_account who = ledger_miner(account.id);
    uint64_t newest = page->behind ? page->place.number - 1 : page->before;
    if ((!page->behind || newest > 0) &&
        entry_walk_account(read->scheduler->api_store, &who, newest, 0, on_entry, &credited,
                           &read->error) != STORE_DONE)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < credited.count; i++) {
        if (!api_page_takes(page, json_array_size(list), credited.sets[i], ""))
            break;
        if (!add_credited(read, credited.sets[i], list)) {
            json_decref(list);
            return;
        }
    }
    page->more = page->more || credited.count == credited.limit;
    read->document = json_pack("{s:o}", "proofs", list);
    api_add_next(read->document, page);
}

void api_proofs(void *context, struct http_exchange *exchange)
{
    if (api_may_ask(context, exchange))
        api_list_begin(context, exchange, http_segment(exchange, 0), &numbered, list_read);
}

/* The statement of the path's block: by hash as explorers show it, or by number. */
static enum store_outcome find_link(struct api_read *read, struct proof_link *link_r)
{
    const char *text = http_segment(read->exchange, 1);
    size_t length = strlen(text);
    uint8_t shown[32], hash[32];
    u128 number;
    if (length == 64 && hex_decode(text, length, shown, sizeof shown)) {
        bytes_reverse(shown, sizeof shown, hash);
        return proof_link_of_block(read->scheduler->api_store, hash, link_r, &read->error);
    }
    if (!u128_parse(text, length, &number) || number > INT64_MAX)
        return STORE_MISSING;
    return proof_link_get(read->scheduler->api_store, (uint64_t)number, link_r, &read->error);
}

static void proof_read(struct api_read *read)
{
    struct scheduler *scheduler = read->scheduler;
    struct account account;
    struct proof_link link;
    static const char *const nothing = "there is no proof of such a block";
    if (!api_find_account(read, &account))
        return;
    enum store_outcome outcome = find_link(read, &link);
    if (outcome == STORE_MISSING) {
        read->status = 404;
        error_fill(&read->error, ERROR_INVALID, "%s", nothing);
    }
    if (outcome != STORE_DONE)
        return;
    if (scheduler->proof_trees == NULL)
        scheduler->proof_trees = proof_trees_create();
    struct proof proof;
    switch (proof_trees_prove(scheduler->proof_trees, scheduler->api_store, &scheduler->options.key,
                              &link, &account, &proof, &read->error)) {
    case PROOF_TREES_PROVEN:
        read->document = proof_json_of(&proof);
        json_object_set_new(read->document, "account", json_string(account.name));
        json_object_set_new(read->document, "profile", json_string(scheduler->options.coin.name));
        api_add_coin(read->document, scheduler);
        break;
    case PROOF_TREES_NO_PART:
        read->status = 404;
        error_fill(&read->error, ERROR_INVALID, "the account had no work in this window");
        break;
    case PROOF_TREES_BROKEN:
        read->status = 500;
        break;
    case PROOF_TREES_AWAY:
        break;
    }
}

void api_proof(void *context, struct http_exchange *exchange)
{
    if (api_may_ask(context, exchange))
        api_read_begin(context, exchange, http_segment(exchange, 0), proof_read);
}
