/* Entries: the legs of sets. An id is "<set>:<owner>:<account>:<kind>", so the ids of a set sort
 * in the legs' canonical order; `place` is "<account name>/<set>", so that an account's sort in
 * time. */
#include "record/ledger/keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum entry_field {
    F_PLACE,
    F_SEQ,
    F_OWNER,
    F_ACCOUNT,
    F_KIND,
    F_AMOUNT,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_PLACE] = { "place", STORE_TEXT, true }, [F_SEQ] = { "seq", STORE_INT, false },
    [F_OWNER] = { "owner", STORE_INT, false }, [F_ACCOUNT] = { "account", STORE_INT, false },
    [F_KIND] = { "kind", STORE_INT, false },   [F_AMOUNT] = { "amount", STORE_INT, false },
};

const struct store_collection entry_collection = { "entries", fields, F_COUNT };

enum {
    /* One call of the store, and so one wait for the disk (SQLite) or the majority (MongoDB). */
    ENTRY_BATCH = 8192,
    ENTRY_ID_BYTES = 64,
    ENTRY_PLACE_BYTES = LEDGER_ACCOUNT_BYTES + KEY_SEQUENCE_BYTES + 1,
};

struct entry_names {
    char id[ENTRY_ID_BYTES];
    char place[ENTRY_PLACE_BYTES];
};

static void format_place(const struct ledger_account *account, uint64_t seq,
                         char text_r[ENTRY_PLACE_BYTES])
{
    char name[LEDGER_ACCOUNT_BYTES];
    ledger_account_format(account, name);
    snprintf(text_r, ENTRY_PLACE_BYTES, "%s/%020" PRIu64, name, seq);
}

static void format_id(uint64_t seq, const struct ledger_leg *leg, char id_r[ENTRY_ID_BYTES])
{
    snprintf(id_r, ENTRY_ID_BYTES, "%020" PRIu64 ":%u:%016" PRIx64 ":%u", seq,
             (unsigned)leg->account.owner, leg->account.id, (unsigned)leg->kind);
}

static void encode(uint64_t seq, const struct ledger_leg *leg, struct entry_names *names,
                   struct store_write *write_r)
{
    format_id(seq, leg, names->id);
    format_place(&leg->account, seq, names->place);
    *write_r = (struct store_write){ .verb = STORE_INSERT, .collection = &entry_collection };
    write_r->record.id = names->id;
    struct store_value *values = write_r->record.values;
    values[F_PLACE] = store_text(names->place);
    values[F_SEQ] = store_int((int64_t)seq);
    values[F_OWNER] = store_int(leg->account.owner);
    values[F_ACCOUNT] = store_int((int64_t)leg->account.id);
    values[F_KIND] = store_int(leg->kind);
    values[F_AMOUNT] = store_int(leg->amount);
}

static bool decode(const struct store_record *record, struct entry_record *entry_r)
{
    const struct store_value *values = record->values;
    int64_t owner = values[F_OWNER].integer, kind = values[F_KIND].integer;
    if (owner < LEDGER_MINER || owner > LEDGER_OWNER_LAST || kind < LEDGER_IMMATURE ||
        kind > LEDGER_PAID)
        return false;
    entry_r->seq = (uint64_t)values[F_SEQ].integer;
    entry_r->leg = (struct ledger_leg){
        { (enum ledger_owner)owner, (uint64_t)values[F_ACCOUNT].integer },
        (enum ledger_kind)kind,
        values[F_AMOUNT].integer,
    };
    /* It says in two places whose it is; both must. */
    char id[ENTRY_ID_BYTES];
    format_id(entry_r->seq, &entry_r->leg, id);
    return strcmp(id, record->id) == 0;
}

enum store_outcome entry_insert_all(struct store *store, uint64_t seq,
                                    const struct ledger_leg *legs, size_t count,
                                    struct error *error)
{
    size_t room = count < ENTRY_BATCH ? count : ENTRY_BATCH;
    struct store_write *writes = calloc(room + 1, sizeof *writes);
    struct entry_names *names = calloc(room + 1, sizeof *names);
    enum store_outcome outcome = STORE_DONE;
    ASSERT(writes != NULL && names != NULL);
    for (size_t done = 0; done < count && outcome == STORE_DONE;) {
        size_t batch = count - done < room ? count - done : room;
        for (size_t i = 0; i < batch; i++)
            encode(seq, &legs[done + i], &names[i], &writes[i]);
        outcome = store_apply(store, writes, batch, error);
        done += batch;
    }
    free(writes);
    free(names);
    return outcome;
}

struct entry_search {
    entry_visitor visit;
    void *context;
    bool broken;
};

static bool on_entry(void *context, const struct store_record *record)
{
    struct entry_search *search = context;
    struct entry_record entry;
    if (!decode(record, &entry)) {
        search->broken = true;
        return false;
    }
    return search->visit(search->context, &entry);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              entry_visitor visit, void *context, struct error *error)
{
    struct entry_search search = { .visit = visit, .context = context };
    enum store_outcome outcome =
        store_find(store, &entry_collection, query, on_entry, &search, error);
    if (outcome == STORE_DONE && search.broken) {
        error_fill(error, ERROR_INVALID, "an entry of the ledger in the store is damaged");
        return STORE_FAILED;
    }
    return outcome;
}

struct entry_gather {
    struct ledger_leg *legs;
    size_t capacity;
    size_t count;
};

static bool gather(void *context, const struct entry_record *entry)
{
    struct entry_gather *into = context;
    if (into->count < into->capacity)
        into->legs[into->count] = entry->leg;
    into->count++;
    return into->count <= into->capacity;
}

enum store_outcome entry_read_all(struct store *store, uint64_t seq, struct ledger_leg *legs_r,
                                  size_t capacity, size_t *count_r, struct error *error)
{
    char low[ENTRY_ID_BYTES], high[ENTRY_ID_BYTES];
    snprintf(low, sizeof low, "%020" PRIu64 ":", seq);
    snprintf(high, sizeof high, "%020" PRIu64 ";", seq); /* ';' follows ':' */
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high) };
    struct entry_gather into = { .legs = legs_r, .capacity = capacity };
    enum store_outcome outcome = run(store, &query, gather, &into, error);
    if (outcome == STORE_DONE && into.count > capacity) {
        error_fill(error, ERROR_INVALID,
                   "posting set %" PRIu64 " has more entries than its header says", seq);
        return STORE_FAILED;
    }
    *count_r = into.count;
    return outcome;
}

enum store_outcome entry_walk_account(struct store *store, const struct ledger_account *account,
                                      uint64_t newest, size_t limit, entry_visitor visit,
                                      void *context, struct error *error)
{
    char low[ENTRY_PLACE_BYTES], high[ENTRY_PLACE_BYTES];
    format_place(account, 0, low);
    format_place(account, newest == 0 ? UINT64_MAX : newest, high);
    struct store_query query = { .field = "place",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high),
                                 .order = STORE_DESCENDING,
                                 .limit = limit };
    return run(store, &query, visit, context, error);
}

enum store_outcome entry_walk(struct store *store, uint64_t first, entry_visitor visit,
                              void *context, struct error *error)
{
    char low[ENTRY_ID_BYTES];
    snprintf(low, sizeof low, "%020" PRIu64 ":", first);
    struct store_query query = { .field = "id", .has_low = true, .low = store_text(low) };
    return run(store, &query, visit, context, error);
}
