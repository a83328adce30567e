#include "record/withdrawal/withdrawal.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    F_STATE,
    F_AMOUNT,
    F_ADDRESS,
    F_PAYMENT,
    F_REASON,
    F_CREATED_MS,
    F_ASKED_BY,
    F_OPEN_OF, /* the account while it is open, else nothing: few to count, however many it has */
    F_DAY_OF,  /* "<account>/<unix day>" */
    F_COUNT,
};
enum { ACCOUNT_BYTES = 17, DAY_OF_BYTES = 40 };

static const struct store_field fields[F_COUNT] = {
    [F_STATE] = { "state", STORE_INT, true },
    [F_AMOUNT] = { "amount", STORE_INT, false },
    [F_ADDRESS] = { "address", STORE_TEXT, false },
    [F_PAYMENT] = { "payment", STORE_INT, false },
    [F_REASON] = { "reason", STORE_TEXT, false },
    [F_CREATED_MS] = { "created_ms", STORE_INT, false },
    [F_ASKED_BY] = { "asked_by", STORE_INT, false },
    [F_OPEN_OF] = { "open_of", STORE_TEXT, true },
    [F_DAY_OF] = { "day_of", STORE_TEXT, true },
};
const struct store_collection withdrawal_collection = { "withdrawals", fields, F_COUNT };

const char *withdrawal_state_name(enum withdrawal_state state)
{
    switch (state) {
    case WITHDRAWAL_OPEN:
        return "open";
    case WITHDRAWAL_PLANNED:
        return "planned";
    case WITHDRAWAL_REFUSED:
        return "refused";
    }
    return "unknown";
}

bool withdrawal_name_is_good(const char *request)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t length = strlen(request);
    return length > 0 && length < WITHDRAWAL_NAME_BYTES && strspn(request, allowed) == length;
}

void withdrawal_id(uint64_t account, const char *request, char id_r[WITHDRAWAL_ID_BYTES])
{
    ASSERT(withdrawal_name_is_good(request));
    snprintf(id_r, WITHDRAWAL_ID_BYTES, "%016" PRIx64 ":%s", account, request);
}

static void name_account(uint64_t account, char text_r[ACCOUNT_BYTES])
{
    snprintf(text_r, ACCOUNT_BYTES, "%016" PRIx64, account);
}

static void name_day(uint64_t account, uint64_t day, char text_r[DAY_OF_BYTES])
{
    snprintf(text_r, DAY_OF_BYTES, "%016" PRIx64 "/%" PRIu64, account, day);
}

static enum store_outcome write(struct store *store, enum store_verb verb,
                                const struct withdrawal *withdrawal, struct error *error)
{
    char id[WITHDRAWAL_ID_BYTES], open_of[ACCOUNT_BYTES] = "", day_of[DAY_OF_BYTES];
    withdrawal_id(withdrawal->account, withdrawal->request, id);
    if (withdrawal->state == WITHDRAWAL_OPEN)
        name_account(withdrawal->account, open_of);
    name_day(withdrawal->account, withdrawal->created_ms / WITHDRAWAL_DAY_MS, day_of);
    struct store_write one = { .verb = verb,
                               .collection = &withdrawal_collection,
                               .record = { .id = id, .version = withdrawal->version } };
    struct store_value *values = one.record.values;
    values[F_STATE] = store_int(withdrawal->state);
    values[F_AMOUNT] = store_int((int64_t)withdrawal->amount.units);
    values[F_ADDRESS] = store_text(withdrawal->address);
    values[F_PAYMENT] = store_int((int64_t)withdrawal->payment);
    values[F_REASON] = store_text(withdrawal->reason);
    values[F_CREATED_MS] = store_int((int64_t)withdrawal->created_ms);
    values[F_ASKED_BY] = store_int((int64_t)withdrawal->asked_by);
    values[F_OPEN_OF] = store_text(open_of);
    values[F_DAY_OF] = store_text(day_of);
    enum store_outcome outcome = store_apply(store, &one, 1, error);
    return outcome == STORE_DONE ? one.outcome : outcome;
}

enum store_outcome withdrawal_insert(struct store *store, struct withdrawal *withdrawal,
                                     struct error *error)
{
    enum store_outcome outcome = write(store, STORE_INSERT, withdrawal, error);
    if (outcome == STORE_DONE)
        withdrawal->version = 1;
    return outcome;
}

enum store_outcome withdrawal_save(struct store *store, struct withdrawal *withdrawal,
                                   struct error *error)
{
    enum store_outcome outcome = write(store, STORE_REPLACE, withdrawal, error);
    if (outcome == STORE_DONE)
        withdrawal->version++;
    return outcome;
}

static bool take_text(struct span text, char *text_r, size_t bytes)
{
    if (text.length >= bytes)
        return false;
    if (text.length > 0)
        memcpy(text_r, text.data, text.length);
    return true;
}

static bool decode(const struct store_record *record, struct withdrawal *withdrawal_r)
{
    const struct store_value *values = record->values;
    int64_t state = values[F_STATE].integer;
    *withdrawal_r = (struct withdrawal){
        .state = (enum withdrawal_state)state,
        .amount = { (uint64_t)values[F_AMOUNT].integer },
        .payment = (uint64_t)values[F_PAYMENT].integer,
        .created_ms = (uint64_t)values[F_CREATED_MS].integer,
        .asked_by = (uint64_t)values[F_ASKED_BY].integer,
        .version = record->version,
    };
    size_t length = strlen(record->id);
    if (length < 18 || record->id[16] != ':' || !withdrawal_name_is_good(record->id + 17) ||
        !hex_decode_u64(record->id, 16, &withdrawal_r->account) || state < WITHDRAWAL_OPEN ||
        state > WITHDRAWAL_REFUSED ||
        !take_text(values[F_ADDRESS].bytes, withdrawal_r->address, sizeof withdrawal_r->address) ||
        !take_text(values[F_REASON].bytes, withdrawal_r->reason, sizeof withdrawal_r->reason))
        return false;
    memcpy(withdrawal_r->request, record->id + 17, length - 16);
    return true;
}

static enum store_outcome damaged(struct error *error)
{
    error_fill(error, ERROR_INVALID, "a withdrawal in the store is damaged");
    return STORE_FAILED;
}

enum store_outcome withdrawal_get(struct store *store, uint64_t account, const char *request,
                                  struct withdrawal *withdrawal_r, struct error *error)
{
    char id[WITHDRAWAL_ID_BYTES];
    withdrawal_id(account, request, id);
    return withdrawal_of_id(store, id, withdrawal_r, error);
}

enum store_outcome withdrawal_of_id(struct store *store, const char *id,
                                    struct withdrawal *withdrawal_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome =
        store_get(store, &withdrawal_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    return decode(&record, withdrawal_r) ? STORE_DONE : damaged(error);
}

static bool count_one(void *context, const struct store_record *record)
{
    (void)record;
    ++*(size_t *)context;
    return true;
}

static enum store_outcome count(struct store *store, const char *field, const char *value,
                                size_t limit, size_t *count_r, struct error *error)
{
    struct store_query query = { .field = field,
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(value),
                                 .high = store_text(value),
                                 .limit = limit };
    *count_r = 0;
    return store_find(store, &withdrawal_collection, &query, count_one, count_r, error);
}

enum store_outcome withdrawal_count(struct store *store, uint64_t account, uint64_t day,
                                    size_t limit, size_t *open_r, size_t *of_day_r,
                                    struct error *error)
{
    char open_of[ACCOUNT_BYTES], day_of[DAY_OF_BYTES];
    name_account(account, open_of);
    name_day(account, day, day_of);
    enum store_outcome outcome = count(store, "open_of", open_of, limit, open_r, error);
    return outcome == STORE_DONE ? count(store, "day_of", day_of, limit, of_day_r, error) : outcome;
}

struct search {
    withdrawal_visitor visit;
    void *context;
    bool broken;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct search *search = context;
    struct withdrawal withdrawal;
    search->broken = !decode(record, &withdrawal);
    return !search->broken && search->visit(search->context, &withdrawal);
}

enum store_outcome withdrawal_walk_open(struct store *store, size_t limit, withdrawal_visitor visit,
                                        void *context, struct error *error)
{
    struct search search = { visit, context, false };
    struct store_query query = { .field = "state",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_int(WITHDRAWAL_OPEN),
                                 .high = store_int(WITHDRAWAL_OPEN),
                                 .limit = limit };
    enum store_outcome outcome =
        store_find(store, &withdrawal_collection, &query, on_record, &search, error);
    return outcome == STORE_DONE && search.broken ? damaged(error) : outcome;
}
