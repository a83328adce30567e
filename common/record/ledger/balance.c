/* Balances: what follows from the entries, kept so that nobody need add them up. */
#include "record/ledger/keys.h"

#include <inttypes.h>
#include <stdlib.h>

enum balance_field {
    F_OWNER,
    F_ACCOUNT,
    F_IMMATURE,
    F_AVAILABLE,
    F_IN_FLIGHT,
    F_PAID,
    F_APPLIED_SEQ,
    F_WAITING_SINCE,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_OWNER] = { "owner", STORE_INT, false },
    [F_ACCOUNT] = { "account", STORE_INT, false },
    [F_IMMATURE] = { "immature", STORE_INT, false },
    [F_AVAILABLE] = { "available", STORE_INT, true },
    [F_IN_FLIGHT] = { "in_flight", STORE_INT, false },
    [F_PAID] = { "paid", STORE_INT, false },
    [F_APPLIED_SEQ] = { "applied_seq", STORE_INT, false },
    [F_WAITING_SINCE] = { "waiting_since", STORE_INT, false },
};

const struct store_collection balance_collection = { "balances", fields, F_COUNT };

enum {
    /* One call of the store. What is available is indexed, so the accounts of a batch lie all over
     * that index: each of its pages is written once a batch, not once an account. */
    BALANCE_BATCH = 8192,
    BALANCE_ATTEMPTS = 5,
    /* Reading a run of accounts in one walk pays where at least every eighth of them is wanted. */
    BALANCE_WALK_FACTOR = 8,
    BALANCE_ARENA_BYTES = 8192,
};

static void encode(const struct balance_record *balance, const char *id,
                   struct store_write *write_r)
{
    *write_r = (struct store_write){
        .verb = balance->version == 0 ? STORE_INSERT : STORE_REPLACE,
        .collection = &balance_collection,
        .record = { .id = id, .version = balance->version },
    };
    struct store_value *values = write_r->record.values;
    const struct ledger_balance *amounts = &balance->amounts;
    values[F_OWNER] = store_int(balance->account.owner);
    values[F_ACCOUNT] = store_int((int64_t)balance->account.id);
    values[F_IMMATURE] = store_int(amounts->immature);
    values[F_AVAILABLE] = store_int(amounts->available);
    values[F_IN_FLIGHT] = store_int(amounts->in_flight);
    values[F_PAID] = store_int(amounts->paid);
    values[F_APPLIED_SEQ] = store_int((int64_t)amounts->applied_seq);
    values[F_WAITING_SINCE] = store_int((int64_t)amounts->waiting_since);
}

static bool decode(const struct store_record *record, struct balance_record *balance_r)
{
    const struct store_value *values = record->values;
    int64_t owner = values[F_OWNER].integer;
    if (owner < LEDGER_MINER || owner > LEDGER_OWNER_LAST)
        return false;
    *balance_r = (struct balance_record){
        .account = { (enum ledger_owner)owner, (uint64_t)values[F_ACCOUNT].integer },
        .amounts = { .immature = values[F_IMMATURE].integer,
                     .available = values[F_AVAILABLE].integer,
                     .in_flight = values[F_IN_FLIGHT].integer,
                     .paid = values[F_PAID].integer,
                     .applied_seq = (uint64_t)values[F_APPLIED_SEQ].integer,
                     .waiting_since = (uint64_t)values[F_WAITING_SINCE].integer },
        .version = record->version,
    };
    return true;
}

static enum store_outcome damaged(struct error *error)
{
    error_fill(error, ERROR_INVALID, "a balance in the store is damaged");
    return STORE_FAILED;
}

enum store_outcome balance_get(struct store *store, const struct ledger_account *account,
                               struct balance_record *balance_r, struct error *error)
{
    _Alignas(16) uint8_t memory[BALANCE_ARENA_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[LEDGER_ACCOUNT_BYTES];
    ledger_account_format(account, id);
    enum store_outcome outcome = store_get(store, &balance_collection, id, &arena, &record, error);
    if (outcome == STORE_MISSING)
        *balance_r = (struct balance_record){ .account = *account };
    else if (outcome == STORE_DONE && !decode(&record, balance_r))
        return damaged(error);
    return outcome;
}

enum store_outcome balance_put(struct store *store, const struct balance_record *balance,
                               struct error *error)
{
    struct store_write write;
    char id[LEDGER_ACCOUNT_BYTES];
    ledger_account_format(&balance->account, id);
    encode(balance, id, &write);
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE && write.outcome == STORE_EXISTS ? STORE_CONFLICT : outcome;
}

struct balance_search {
    balance_visitor visit;
    void *context;
    bool broken;
};

static bool on_balance(void *context, const struct store_record *record)
{
    struct balance_search *search = context;
    struct balance_record balance;
    if (!decode(record, &balance)) {
        search->broken = true;
        return false;
    }
    return search->visit(search->context, &balance);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              balance_visitor visit, void *context, struct error *error)
{
    struct balance_search search = { .visit = visit, .context = context };
    enum store_outcome outcome =
        store_find(store, &balance_collection, query, on_balance, &search, error);
    return outcome == STORE_DONE && search.broken ? damaged(error) : outcome;
}

enum store_outcome balance_walk(struct store *store, balance_visitor visit, void *context,
                                struct error *error)
{
    struct store_query query = { .field = "id" };
    return run(store, &query, visit, context, error);
}

enum store_outcome balance_walk_available(struct store *store, int64_t least, balance_visitor visit,
                                          void *context, struct error *error)
{
    struct store_query query = { .field = "available", .has_low = true, .low = store_int(least) };
    return run(store, &query, visit, context, error);
}

/* The accounts a piece of a set names, in canonical order. */
struct batch {
    size_t count;
    const struct ledger_leg *legs[BALANCE_BATCH];
    size_t leg_counts[BALANCE_BATCH];
    struct balance_record balances[BALANCE_BATCH];
    char ids[BALANCE_BATCH][LEDGER_ACCOUNT_BYTES];
    bool read[BALANCE_BATCH];
    struct store_write writes[BALANCE_BATCH];
    size_t next;    /* where the walk stands */
    size_t visited; /* records it has seen */
};

static bool take_walked(void *context, const struct balance_record *balance)
{
    struct batch *batch = context;
    if (batch->visited++ > (size_t)BALANCE_BATCH * BALANCE_WALK_FACTOR)
        return false;
    while (batch->next < batch->count &&
           ledger_account_compare(&batch->balances[batch->next].account, &balance->account) < 0)
        batch->next++;
    if (batch->next < batch->count &&
        ledger_account_compare(&batch->balances[batch->next].account, &balance->account) == 0) {
        batch->balances[batch->next] = *balance;
        batch->read[batch->next] = true;
    }
    return true;
}

/* Runs of miners' names sort as their accounts do; the few house accounts are read singly. */
static enum store_outcome read_batch(struct store *store, struct batch *batch, struct error *error)
{
    size_t miners = 0;
    for (size_t i = 0; i < batch->count; i++) {
        batch->balances[i] = (struct balance_record){ .account = batch->legs[i]->account };
        batch->read[i] = false;
        miners += batch->legs[i]->account.owner == LEDGER_MINER;
    }
    batch->next = batch->visited = 0;
    if (miners >= BALANCE_WALK_FACTOR) {
        struct store_query query = { .field = "id",
                                     .has_low = true,
                                     .has_high = true,
                                     .low = store_text(batch->ids[0]),
                                     .high = store_text(batch->ids[miners - 1]) };
        enum store_outcome outcome = run(store, &query, take_walked, batch, error);
        if (outcome != STORE_DONE)
            return outcome;
    }
    bool whole = miners >= BALANCE_WALK_FACTOR &&
                 batch->visited <= (size_t)BALANCE_BATCH * BALANCE_WALK_FACTOR;
    for (size_t i = whole ? miners : 0; i < batch->count; i++) {
        if (batch->read[i])
            continue;
        enum store_outcome outcome =
            balance_get(store, &batch->legs[i]->account, &batch->balances[i], error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return outcome;
    }
    return STORE_DONE;
}

/* One round: those that lack the set take it in. CONFLICT when somebody else wrote one of them. */
static enum store_outcome apply_round(struct store *store, uint64_t seq,
                                      enum ledger_cause_kind cause, struct batch *batch,
                                      struct error *error)
{
    struct store_write *writes = batch->writes;
    size_t count = 0;
    enum store_outcome outcome = read_batch(store, batch, error);
    if (outcome != STORE_DONE)
        return outcome;
    for (size_t i = 0; i < batch->count; i++) {
        struct balance_record *balance = &batch->balances[i];
        switch (ledger_balance_apply(&balance->amounts, seq, cause, batch->legs[i],
                                     batch->leg_counts[i])) {
        case LEDGER_APPLIED:
            encode(balance, batch->ids[i], &writes[count++]);
            break;
        case LEDGER_ALREADY:
            break;
        case LEDGER_REFUSED:
            error_fill(error, ERROR_INVALID,
                       "posting set %" PRIu64 " would bring %s below zero or out of range", seq,
                       batch->ids[i]);
            return STORE_FAILED;
        }
    }
    if (count == 0)
        return STORE_DONE;
    outcome = store_apply(store, writes, count, error);
    for (size_t i = 0; i < count && outcome == STORE_DONE; i++)
        if (writes[i].outcome == STORE_EXISTS) /* made by somebody else since we looked */
            return STORE_CONFLICT;
    return outcome;
}

enum store_outcome balance_apply_all(struct store *store, uint64_t seq,
                                     enum ledger_cause_kind cause, const struct ledger_leg *legs,
                                     size_t count, struct error *error)
{
    struct batch *batch = malloc(sizeof *batch);
    enum store_outcome outcome = STORE_DONE;
    ASSERT(batch != NULL);
    for (size_t done = 0; done < count && outcome == STORE_DONE;) {
        batch->count = 0;
        while (done < count && batch->count < BALANCE_BATCH) {
            size_t same = ledger_legs_of_account(legs + done, count - done);
            ledger_account_format(&legs[done].account, batch->ids[batch->count]);
            batch->legs[batch->count] = legs + done;
            batch->leg_counts[batch->count++] = same;
            done += same;
        }
        outcome = STORE_CONFLICT;
        for (int i = 0; i < BALANCE_ATTEMPTS && outcome == STORE_CONFLICT; i++)
            outcome = apply_round(store, seq, cause, batch, error);
    }
    free(batch);
    return outcome;
}
