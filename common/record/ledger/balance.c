/* Balances: what follows from the entries, kept so that nobody need add them up. */
#include "record/ledger/balance_page.h"
#include "record/ledger/keys.h"

#include <inttypes.h>
#include <stdlib.h>

enum balance_field { F_MOST, F_PACKED, F_COUNT };

static const struct store_field fields[F_COUNT] = {
    [F_MOST] = { "most", STORE_INT, true }, /* available of any of them */
    [F_PACKED] = { "packed", STORE_BYTES, false },
};

const struct store_collection balance_collection = { "balance_pages", fields, F_COUNT };

enum {
    /* Pages in one call of the store: a bound on memory, and on what one wait for the disk or the
     * majority takes. */
    BALANCE_BATCH = 256,
    BALANCE_ATTEMPTS = 5,
    /* Reading a run of pages in one walk pays where every fourth of them is wanted. */
    BALANCE_WALK_FACTOR = 4,
};

static enum store_outcome damaged(struct error *error)
{
    error_fill(error, ERROR_INVALID, "a page of balances in the store is damaged");
    return STORE_FAILED;
}

/* A page to be written, over the version it was read as; the bytes are owned by the caller. */
static void encode(const char *id, uint64_t version, const struct balance_record *items,
                   size_t count, uint8_t *packed_r, struct store_write *write_r)
{
    balance_page_encode(items, count, packed_r);
    *write_r = (struct store_write){
        .verb = version == 0 ? STORE_INSERT : STORE_REPLACE,
        .collection = &balance_collection,
        .record = { .id = id, .version = version },
    };
    write_r->record.values[F_MOST] = store_int(balance_page_most(items, count));
    write_r->record.values[F_PACKED] = store_bytes(span_of(packed_r, balance_page_bytes(count)));
}

struct page_read {
    struct balance_page *page;
    bool damaged;
};

static bool take_page(void *context, const struct store_record *record)
{
    struct page_read *read = context;
    read->damaged = !balance_page_decode(record, read->page);
    return false;
}

/* One page (owned: free its items); one that is not there is empty. STORE_DONE or STORE_FAILED. */
static enum store_outcome read_page(struct store *store, const char *id,
                                    struct balance_page *page_r, struct error *error)
{
    struct store_query query = store_query_of(id);
    struct page_read read = { page_r, false };
    *page_r = (struct balance_page){ 0 };
    enum store_outcome outcome =
        store_find(store, &balance_collection, &query, take_page, &read, error);
    if (outcome == STORE_DONE)
        return read.damaged ? damaged(error) : outcome;
    free(page_r->items); /* taken before the store failed */
    *page_r = (struct balance_page){ 0 };
    return outcome;
}

enum store_outcome balance_get(struct store *store, const struct ledger_account *account,
                               struct balance_record *balance_r, struct error *error)
{
    struct balance_page page;
    char id[BALANCE_PAGE_ID_BYTES];
    balance_page_id(balance_page_of(account), id);
    *balance_r = (struct balance_record){ .account = *account };
    enum store_outcome outcome = read_page(store, id, &page, error);
    if (outcome != STORE_DONE)
        return outcome;
    size_t at = balance_page_find(&page, account);
    bool there = at < page.count && ledger_account_compare(&page.items[at].account, account) == 0;
    if (there)
        *balance_r = page.items[at];
    free(page.items);
    return there ? STORE_DONE : STORE_MISSING;
}

enum store_outcome balance_put(struct store *store, const struct balance_record *read,
                               const struct ledger_balance *amounts, struct error *error)
{
    struct balance_page page;
    struct store_write write;
    char id[BALANCE_PAGE_ID_BYTES];
    balance_page_id(balance_page_of(&read->account), id);
    enum store_outcome outcome = read_page(store, id, &page, error);
    if (outcome != STORE_DONE)
        return outcome;
    size_t at = balance_page_find(&page, &read->account);
    bool there =
        at < page.count && ledger_account_compare(&page.items[at].account, &read->account) == 0;
    if (there != (read->version != 0) ||
        (there && !ledger_balance_equal(&page.items[at].amounts, &read->amounts))) {
        free(page.items);
        return STORE_CONFLICT;
    }
    size_t count = page.count + !there;
    struct balance_record *items = calloc(count, sizeof *items);
    uint8_t *packed = malloc(balance_page_bytes(count));
    ASSERT(items != NULL && packed != NULL);
    for (size_t i = 0; i < at; i++)
        items[i] = page.items[i];
    items[at] = (struct balance_record){ .account = read->account, .amounts = *amounts };
    for (size_t i = at + 1; i < count; i++)
        items[i] = page.items[i - !there];
    encode(id, page.version, items, count, packed, &write);
    outcome = store_apply(store, &write, 1, error);
    free(packed);
    free(items);
    free(page.items);
    return outcome == STORE_DONE && write.outcome == STORE_EXISTS ? STORE_CONFLICT : outcome;
}

enum store_outcome balance_put_all(struct store *store, const struct balance_record *balances,
                                   size_t count, bool (*still)(void *context, struct error *error),
                                   void *context, struct error *error)
{
    enum store_outcome outcome = STORE_DONE;
    for (size_t first = 0, end; first < count && outcome == STORE_DONE; first = end) {
        struct balance_page before;
        struct store_write write;
        char id[BALANCE_PAGE_ID_BYTES];
        unsigned number = balance_page_of(&balances[first].account);
        for (end = first + 1; end < count && balance_page_of(&balances[end].account) == number;)
            end++;
        balance_page_id(number, id);
        outcome = read_page(store, id, &before, error);
        if (outcome != STORE_DONE)
            break;
        if (!still(context, error)) {
            free(before.items);
            return STORE_CONFLICT;
        }
        uint8_t *packed = malloc(balance_page_bytes(end - first));
        ASSERT(packed != NULL);
        encode(id, before.version, balances + first, end - first, packed, &write);
        outcome = store_apply(store, &write, 1, error);
        if (outcome == STORE_DONE && write.outcome == STORE_EXISTS)
            outcome = STORE_CONFLICT;
        free(packed);
        free(before.items);
    }
    return outcome;
}

struct balance_search {
    balance_visitor visit;
    void *context;
    int64_t least;
    bool broken;
};

static bool visit_page(void *context, const struct store_record *record)
{
    struct balance_search *search = context;
    struct balance_page page;
    bool on = true;
    if (!balance_page_decode(record, &page)) {
        search->broken = true;
        return false;
    }
    for (size_t i = 0; on && i < page.count; i++)
        if (page.items[i].amounts.available >= search->least)
            on = search->visit(search->context, &page.items[i]);
    free(page.items);
    return on;
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              struct balance_search *search, struct error *error)
{
    enum store_outcome outcome =
        store_find(store, &balance_collection, query, visit_page, search, error);
    return outcome == STORE_DONE && search->broken ? damaged(error) : outcome;
}

enum store_outcome balance_walk(struct store *store, balance_visitor visit, void *context,
                                struct error *error)
{
    struct store_query query = { .field = "id" };
    struct balance_search search = { visit, context, INT64_MIN, false };
    return run(store, &query, &search, error);
}

enum store_outcome balance_walk_available(struct store *store, int64_t least, balance_visitor visit,
                                          void *context, struct error *error)
{
    struct store_query query = { .field = "most", .has_low = true, .low = store_int(least) };
    struct balance_search search = { visit, context, least, false };
    return run(store, &query, &search, error);
}

/* The pages a piece of a set names, in order, each with the legs that are its. */
struct batch {
    size_t count;
    unsigned numbers[BALANCE_BATCH];
    char ids[BALANCE_BATCH][BALANCE_PAGE_ID_BYTES];
    const struct ledger_leg *legs[BALANCE_BATCH];
    size_t leg_counts[BALANCE_BATCH];
    struct balance_page pages[BALANCE_BATCH];
    uint8_t *packed[BALANCE_BATCH]; /* what is being written */
    struct store_write writes[BALANCE_BATCH];
    bool damaged;
};

static void batch_forget(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->pages[i].items);
        free(batch->packed[i]);
        batch->pages[i] = (struct balance_page){ 0 };
        batch->packed[i] = NULL;
    }
}

static bool take_wanted(void *context, const struct store_record *record)
{
    struct batch *batch = context;
    for (size_t low = 0, high = batch->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(batch->ids[middle], record->id);
        if (order == 0) {
            batch->damaged = !balance_page_decode(record, &batch->pages[middle]);
            return !batch->damaged;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return true;
}

/* Many pages in one walk, few of them singly. */
static enum store_outcome read_batch(struct store *store, struct batch *batch, struct error *error)
{
    size_t miners = batch->count;
    if (miners > 0 && batch->numbers[miners - 1] == BALANCE_HOUSE)
        miners--;
    size_t first = 0;
    batch->damaged = false;
    if (miners > 1 &&
        (batch->numbers[miners - 1] - batch->numbers[0] + 1) <= miners * BALANCE_WALK_FACTOR) {
        size_t all = batch->count;
        struct store_query query = { .field = "id",
                                     .has_low = true,
                                     .has_high = true,
                                     .low = store_text(batch->ids[0]),
                                     .high = store_text(batch->ids[miners - 1]) };
        batch->count = miners; /* "house" sorts before all of them */
        enum store_outcome outcome =
            store_find(store, &balance_collection, &query, take_wanted, batch, error);
        batch->count = all;
        if (outcome != STORE_DONE || batch->damaged)
            return outcome == STORE_DONE ? damaged(error) : outcome;
        first = miners;
    }
    for (size_t i = first; i < batch->count; i++) {
        enum store_outcome outcome = read_page(store, batch->ids[i], &batch->pages[i], error);
        if (outcome != STORE_DONE)
            return outcome;
    }
    return STORE_DONE;
}

/* The next accounts of a set, as many as have room in a batch; returns how many legs those are. */
static size_t fill_batch(struct batch *batch, const struct ledger_leg *legs, size_t count)
{
    size_t done = 0;
    batch->count = 0;
    while (done < count && batch->count < BALANCE_BATCH) {
        size_t i = batch->count++;
        unsigned number = balance_page_of(&legs[done].account);
        batch->numbers[i] = number;
        balance_page_id(number, batch->ids[i]);
        batch->legs[i] = legs + done;
        size_t first = done;
        while (done < count && balance_page_of(&legs[done].account) == number)
            done++;
        batch->leg_counts[i] = done - first;
    }
    return done;
}

/* A page with a set's legs taken in. */
struct taking {
    uint64_t seq;
    enum ledger_cause_kind cause;
    struct balance_record *items;
    size_t count;
    bool changed;
};

static bool take_legs(struct taking *taking, const struct ledger_leg *legs, size_t count,
                      struct balance_record balance, struct error *error)
{
    switch (ledger_balance_apply(&balance.amounts, taking->seq, taking->cause, legs, count)) {
    case LEDGER_APPLIED:
        taking->changed = true;
        break;
    case LEDGER_ALREADY:
        break;
    case LEDGER_REFUSED: {
        char name[LEDGER_ACCOUNT_BYTES];
        ledger_account_format(&balance.account, name);
        return error_set(error, ERROR_INVALID,
                         "posting set %" PRIu64 " would bring %s below zero or out of range",
                         taking->seq, name);
    }
    }
    taking->items[taking->count++] = balance;
    return true;
}

/* Items and legs are both in order: they are merged. */
static bool take_page_in(struct taking *taking, const struct balance_page *page,
                         const struct ledger_leg *legs, size_t count, struct error *error)
{
    for (size_t i = 0, k = 0; i < page->count || k < count;) {
        int order = k == count ? -1
                    : i == page->count
                        ? 1
                        : ledger_account_compare(&page->items[i].account, &legs[k].account);
        if (order < 0) {
            taking->items[taking->count++] = page->items[i++];
            continue;
        }
        struct balance_record balance = { .account = legs[k].account };
        if (order == 0)
            balance = page->items[i++];
        size_t same = ledger_legs_of_account(legs + k, count - k);
        if (!take_legs(taking, legs + k, same, balance, error))
            return false;
        k += same;
    }
    return true;
}

/* One round: the pages that lack the set take it in. CONFLICT when somebody else wrote one. */
static enum store_outcome apply_round(struct store *store, uint64_t seq,
                                      enum ledger_cause_kind cause, struct batch *batch,
                                      struct error *error)
{
    size_t count = 0;
    enum store_outcome outcome = read_batch(store, batch, error);
    for (size_t i = 0; i < batch->count && outcome == STORE_DONE; i++) {
        const struct balance_page *page = &batch->pages[i];
        struct taking taking = { .seq = seq, .cause = cause };
        taking.items = calloc(page->count + batch->leg_counts[i], sizeof *taking.items);
        ASSERT(taking.items != NULL);
        if (!take_page_in(&taking, page, batch->legs[i], batch->leg_counts[i], error)) {
            outcome = STORE_FAILED;
        } else if (taking.changed) {
            batch->packed[i] = malloc(balance_page_bytes(taking.count));
            ASSERT(batch->packed[i] != NULL);
            encode(batch->ids[i], page->version, taking.items, taking.count, batch->packed[i],
                   &batch->writes[count++]);
        }
        free(taking.items);
    }
    if (outcome == STORE_DONE && count > 0)
        outcome = store_apply(store, batch->writes, count, error);
    for (size_t i = 0; i < count && outcome == STORE_DONE; i++)
        if (batch->writes[i].outcome == STORE_EXISTS) /* made by somebody else since we looked */
            outcome = STORE_CONFLICT;
    batch_forget(batch);
    return outcome;
}

enum store_outcome balance_apply_all(struct store *store, uint64_t seq,
                                     enum ledger_cause_kind cause, const struct ledger_leg *legs,
                                     size_t count, struct error *error)
{
    struct batch *batch = calloc(1, sizeof *batch);
    enum store_outcome outcome = STORE_DONE;
    ASSERT(batch != NULL);
    for (size_t done = 0; done < count && outcome == STORE_DONE;) {
        done += fill_batch(batch, legs + done, count - done);
        outcome = STORE_CONFLICT;
        for (int i = 0; i < BALANCE_ATTEMPTS && outcome == STORE_CONFLICT; i++)
            outcome = apply_round(store, seq, cause, batch, error);
    }
    free(batch);
    return outcome;
}

/* The links of one page's legs. False where a balance has the set, or a newer one, already. */
static bool link_page(uint64_t seq, const struct balance_page *page, const struct ledger_leg *legs,
                      size_t count, struct ledger_link *links_r)
{
    for (size_t i = 0, k = 0; k < count; k++) {
        while (i < page->count &&
               ledger_account_compare(&page->items[i].account, &legs[k].account) < 0)
            i++;
        static const struct ledger_balance none = { .applied_seq = 0 };
        bool there = i < page->count &&
                     ledger_account_compare(&page->items[i].account, &legs[k].account) == 0;
        const struct ledger_balance *amounts = there ? &page->items[i].amounts : &none;
        if (amounts->applied_seq >= seq)
            return false;
        links_r[k] = ledger_link_of(amounts, seq);
    }
    return true;
}

enum store_outcome balance_links(struct store *store, uint64_t seq, const struct ledger_leg *legs,
                                 size_t count, struct ledger_link *links_r, struct error *error)
{
    struct batch *batch = calloc(1, sizeof *batch);
    enum store_outcome outcome = STORE_DONE;
    ASSERT(batch != NULL);
    for (size_t done = 0; done < count && outcome == STORE_DONE;) {
        size_t filled = fill_batch(batch, legs + done, count - done);
        outcome = read_batch(store, batch, error);
        for (size_t i = 0; i < batch->count && outcome == STORE_DONE; i++)
            if (!link_page(seq, &batch->pages[i], batch->legs[i], batch->leg_counts[i],
                           links_r + (batch->legs[i] - legs)))
                outcome = STORE_CONFLICT;
        batch_forget(batch);
        done += filled;
    }
    free(batch);
    return outcome;
}
