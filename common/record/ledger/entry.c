/* Entries: the legs of sets. A set's legs lie, in their canonical order, in *pages* of some
 * hundreds; a page's id is "<set>:<owner>:<account>" of its first leg, so the ids of a set sort in
 * the legs' order, and the page an account is in is the last one that does not begin behind it. No
 * account lies in two pages of a set.
 *
 * Each leg carries its account's link (ledger_link): the account's entries are a list from its
 * balance back to its first one. */
#include "record/ledger/keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum entry_field { F_PACKED, F_COUNT };

static const struct store_field fields[F_COUNT] = {
    [F_PACKED] = { "packed", STORE_BYTES, false },
};

const struct store_collection entry_collection = { "entry_pages", fields, F_COUNT };

enum {
    PAGE_FORMAT = 1,
    PAGE_LEGS = 256, /* and the rest of the last account's */
    PAGE_LEGS_MAX = PAGE_LEGS + LEDGER_PAID,
    LEG_BYTES = 1 + 1 + 4 * 8, /* owner, kind, account, amount, link */
    /* One call of the store, and so one wait for the disk (SQLite) or the majority (MongoDB). */
    ENTRY_BATCH = 128,
    ENTRY_ID_BYTES = 48,
};

/* One hex digit, so that owners sort as their numbers do. */
_Static_assert(LEDGER_OWNER_LAST < 16, "an owner is one digit of an entry page's id");
static void format_id(uint64_t seq, const struct ledger_account *account, char id_r[ENTRY_ID_BYTES])
{
    snprintf(id_r, ENTRY_ID_BYTES, "%020" PRIu64 ":%x:%016" PRIx64, seq, (unsigned)account->owner,
             account->id);
}

static void put_leg(uint8_t *at, const struct ledger_leg *leg, const struct ledger_link *link)
{
    at[0] = (uint8_t)leg->account.owner;
    at[1] = (uint8_t)leg->kind;
    store_le64(at + 2, leg->account.id);
    store_le64(at + 10, (uint64_t)leg->amount);
    store_le64(at + 18, link->before);
    store_le64(at + 26, link->earlier);
}

static bool get_leg(const uint8_t *at, struct entry_record *entry_r)
{
    entry_r->leg = (struct ledger_leg){
        { (enum ledger_owner)at[0], load_le64(at + 2) },
        (enum ledger_kind)at[1],
        (int64_t)load_le64(at + 10),
    };
    entry_r->link = (struct ledger_link){ load_le64(at + 18), load_le64(at + 26) };
    return at[0] >= LEDGER_MINER && at[0] <= LEDGER_OWNER_LAST && at[1] >= LEDGER_IMMATURE &&
           at[1] <= LEDGER_PAID;
}

/* The pages being written. */
struct entry_batch {
    char ids[ENTRY_BATCH][ENTRY_ID_BYTES];
    uint8_t packed[ENTRY_BATCH][1 + PAGE_LEGS_MAX * LEG_BYTES];
    struct store_write writes[ENTRY_BATCH];
};

/* One page from legs[0] on; returns how many it took. */
static size_t encode(uint64_t seq, const struct ledger_leg *legs, const struct ledger_link *links,
                     size_t count, struct entry_batch *batch, size_t place)
{
    uint8_t *packed = batch->packed[place];
    size_t taken = 0;
    packed[0] = PAGE_FORMAT;
    while (taken < count) {
        size_t same = ledger_legs_of_account(legs + taken, count - taken);
        if (taken > 0 && taken + same > PAGE_LEGS)
            break;
        ASSERT(taken + same <= PAGE_LEGS_MAX);
        for (size_t end = taken + same; taken < end; taken++)
            put_leg(packed + 1 + taken * LEG_BYTES, &legs[taken], &links[taken]);
    }
    format_id(seq, &legs[0].account, batch->ids[place]);
    struct store_write *write = &batch->writes[place];
    *write = (struct store_write){ .verb = STORE_INSERT, .collection = &entry_collection };
    write->record.id = batch->ids[place];
    write->record.values[F_PACKED] = store_bytes(span_of(packed, 1 + taken * LEG_BYTES));
    return taken;
}

enum store_outcome entry_insert_linked(struct store *store, uint64_t seq,
                                       const struct ledger_leg *legs,
                                       const struct ledger_link *links, size_t count,
                                       struct error *error)
{
    struct entry_batch *batch = malloc(sizeof *batch);
    enum store_outcome outcome = STORE_DONE;
    ASSERT(batch != NULL);
    for (size_t done = 0; done < count && outcome == STORE_DONE;) {
        size_t pages = 0;
        while (done < count && pages < ENTRY_BATCH)
            done += encode(seq, legs + done, links + done, count - done, batch, pages++);
        outcome = store_apply(store, batch->writes, pages, error);
    }
    free(batch);
    return outcome;
}

enum store_outcome entry_insert_all(struct store *store, uint64_t seq,
                                    const struct ledger_leg *legs, size_t count,
                                    struct error *error)
{
    struct ledger_link *links = calloc(count + 1, sizeof *links);
    ASSERT(links != NULL);
    enum store_outcome outcome = balance_links(store, seq, legs, count, links, error);
    if (outcome == STORE_DONE)
        outcome = entry_insert_linked(store, seq, legs, links, count, error);
    free(links);
    return outcome;
}

struct entry_search {
    entry_visitor visit;
    void *context;
    bool broken, ended;
};

/* Whose page it is stands in its id and in its first leg; both must agree. */
static bool on_page(void *context, const struct store_record *record)
{
    struct entry_search *search = context;
    struct span packed = record->values[F_PACKED].bytes;
    struct entry_record entry;
    char id[ENTRY_ID_BYTES], *end = NULL;
    entry.seq = strtoull(record->id, &end, 10);
    search->broken = *end != ':' || packed.length < 1 + LEG_BYTES ||
                     packed.data[0] != PAGE_FORMAT || (packed.length - 1) % LEG_BYTES != 0;
    for (size_t at = 1; at < packed.length && !search->broken && !search->ended; at += LEG_BYTES) {
        search->broken = !get_leg(packed.data + at, &entry);
        if (at == 1) {
            format_id(entry.seq, &entry.leg.account, id);
            search->broken = search->broken || strcmp(id, record->id) != 0;
        }
        search->ended = !search->broken && !search->visit(search->context, &entry);
    }
    return !search->broken && !search->ended;
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              entry_visitor visit, void *context, struct error *error)
{
    struct entry_search search = { .visit = visit, .context = context };
    enum store_outcome outcome =
        store_find(store, &entry_collection, query, on_page, &search, error);
    if (outcome == STORE_DONE && search.broken) {
        error_fill(error, ERROR_INVALID, "a page of the ledger's entries in the store is damaged");
        return STORE_FAILED;
    }
    return outcome;
}

struct entry_gather {
    struct ledger_leg *legs;
    struct ledger_link *links;
    size_t capacity;
    size_t count;
};

static bool gather(void *context, const struct entry_record *entry)
{
    struct entry_gather *into = context;
    if (into->count < into->capacity) {
        into->legs[into->count] = entry->leg;
        if (into->links != NULL)
            into->links[into->count] = entry->link;
    }
    into->count++;
    return into->count <= into->capacity;
}

enum store_outcome entry_read_all(struct store *store, uint64_t seq, struct ledger_leg *legs_r,
                                  struct ledger_link *links_r, size_t capacity, size_t *count_r,
                                  struct error *error)
{
    char low[ENTRY_ID_BYTES], high[ENTRY_ID_BYTES];
    snprintf(low, sizeof low, "%020" PRIu64 ":", seq);
    snprintf(high, sizeof high, "%020" PRIu64 ";", seq); /* ';' follows ':' */
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high) };
    struct entry_gather into = { .legs = legs_r, .links = links_r, .capacity = capacity };
    enum store_outcome outcome = run(store, &query, gather, &into, error);
    if (outcome == STORE_DONE && into.count > capacity) {
        error_fill(error, ERROR_INVALID,
                   "posting set %" PRIu64 " has more entries than its header says", seq);
        return STORE_FAILED;
    }
    *count_r = into.count;
    return outcome;
}

/* One account's legs of one set. */
struct entry_place {
    struct ledger_account account;
    struct entry_record entries[LEDGER_PAID];
    size_t count;
};

static bool take_own(void *context, const struct entry_record *entry)
{
    struct entry_place *place = context;
    int order = ledger_account_compare(&entry->leg.account, &place->account);
    if (order == 0 && place->count < LEDGER_PAID)
        place->entries[place->count++] = *entry;
    return order <= 0;
}

static enum store_outcome read_place(struct store *store, uint64_t seq, struct entry_place *place,
                                     struct error *error)
{
    char low[ENTRY_ID_BYTES], high[ENTRY_ID_BYTES];
    snprintf(low, sizeof low, "%020" PRIu64 ":", seq);
    format_id(seq, &place->account, high);
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high),
                                 .order = STORE_DESCENDING,
                                 .limit = 1 };
    place->count = 0;
    enum store_outcome outcome = run(store, &query, take_own, place, error);
    if (outcome == STORE_DONE && (place->count == 0 || place->entries[0].link.before >= seq ||
                                  place->entries[0].link.earlier > place->entries[0].link.before)) {
        char name[LEDGER_ACCOUNT_BYTES];
        ledger_account_format(&place->account, name);
        error_fill(error, ERROR_INVALID, "the entries of %s in posting set %" PRIu64 " are damaged",
                   name, seq);
        return STORE_FAILED;
    }
    return outcome;
}

enum store_outcome entry_walk_account(struct store *store, const struct ledger_account *account,
                                      uint64_t newest, size_t limit, entry_visitor visit,
                                      void *context, struct error *error)
{
    struct balance_record balance;
    struct entry_place place = { .account = *account };
    size_t visited = 0;
    enum store_outcome outcome = balance_get(store, account, &balance, error);
    if (outcome == STORE_MISSING)
        return STORE_DONE;
    for (uint64_t seq = balance.amounts.applied_seq; outcome == STORE_DONE && seq != 0;) {
        bool skips = newest != 0 && seq > newest;
        /* The newest set itself, and its era, are left by what the balance knows. */
        if (skips && seq == balance.amounts.applied_seq && balance.amounts.earlier_seq > newest) {
            seq = balance.amounts.earlier_seq;
            continue;
        }
        outcome = read_place(store, seq, &place, error);
        for (size_t i = place.count; i-- > 0 && outcome == STORE_DONE && !skips;)
            if (!visit(context, &place.entries[i]) || ++visited == limit)
                return STORE_DONE;
        const struct ledger_link *link = &place.entries[0].link;
        seq = skips && link->earlier > newest ? link->earlier : link->before;
    }
    return outcome;
}

enum store_outcome entry_walk(struct store *store, uint64_t first, entry_visitor visit,
                              void *context, struct error *error)
{
    char low[ENTRY_ID_BYTES];
    snprintf(low, sizeof low, "%020" PRIu64 ":", first);
    struct store_query query = { .field = "id", .has_low = true, .low = store_text(low) };
    return run(store, &query, visit, context, error);
}
