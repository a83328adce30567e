#include "record/account/inside.h"

enum account_field {
    NAME,
    KIND,
    SCRIPT, /* this one and the next two, and LOCK_UNTIL_MS: of before there were PAYOUTS */
    PAYOUT_ADDRESS,
    THRESHOLD,
    STATE,
    ROLES,
    CREATED_MS,
    EMAIL,
    PASSWORD,
    FEE_CLASS,
    LOCK_UNTIL_MS,
    SESSIONS_FROM_MS,
    EMAIL_CONFIRMED,
    WORKER_PASSWORD,
    PAYOUTS,
    GRANTS_FROM_MS,
    ACCOUNT_FIELDS
};

static const struct store_field account_fields[ACCOUNT_FIELDS] = {
    [NAME] = {"name", STORE_TEXT, true},
    [KIND] = {"kind", STORE_INT, false},
    [SCRIPT] = {"script", STORE_BYTES, false},
    [PAYOUT_ADDRESS] = {"payout_address", STORE_TEXT, false},
    [THRESHOLD] = {"threshold", STORE_INT, false},
    [STATE] = {"state", STORE_INT, false},
    [ROLES] = {"roles", STORE_INT, false},
    [CREATED_MS] = {"created_ms", STORE_INT, false},
    [EMAIL] = {"email", STORE_TEXT, true},
    [PASSWORD] = {"password", STORE_TEXT, false},
    [FEE_CLASS] = {"fee_class", STORE_TEXT, true},
    [LOCK_UNTIL_MS] = {"lock_until_ms", STORE_INT, false},
    [SESSIONS_FROM_MS] = {"sessions_from_ms", STORE_INT, false},
    [EMAIL_CONFIRMED] = {"email_confirmed", STORE_INT, false},
    [WORKER_PASSWORD] = {"worker_password", STORE_BYTES, false},
    [PAYOUTS] = {"payouts", STORE_BYTES, false},
    [GRANTS_FROM_MS] = {"grants_from_ms", STORE_INT, false},
};

const struct store_collection account_collection = {"accounts", account_fields, ACCOUNT_FIELDS};

enum worker_field { WORKER_NAME, WORKER_CREATED_MS, WORKER_FIELDS };

static const struct store_field worker_fields[WORKER_FIELDS] = {
    [WORKER_NAME] = {"name", STORE_TEXT, false},
    [WORKER_CREATED_MS] = {"created_ms", STORE_INT, false},
};

const struct store_collection worker_collection = {"workers", worker_fields, WORKER_FIELDS};

bool account_declare(struct store *store, struct error *error)
{
    static const struct store_collection *const both[] = {&account_collection, &worker_collection};
    return store_declare(store, both, 2, error);
}

void account_id_text(uint64_t id, char text_r[ACCOUNT_ID_BYTES])
{
    snprintf(text_r, ACCOUNT_ID_BYTES, "%016llx", (unsigned long long)id);
}

void worker_id_text(uint64_t account_id, uint64_t id, char text_r[WORKER_ID_BYTES])
{
    snprintf(text_r, WORKER_ID_BYTES, "%016llx:%016llx", (unsigned long long)account_id,
             (unsigned long long)id);
}

void account_of_address(uint64_t id, const struct coin_profile *coin,
                        const struct identity_account *address, uint64_t now_ms,
                        struct account *account_r)
{
    ASSERT(address->kind == IDENTITY_KIND_ADDRESS);
    memset(account_r, 0, sizeof *account_r);
    account_r->id = id;
    account_r->kind = IDENTITY_KIND_ADDRESS;
    account_r->state = ACCOUNT_ACTIVE;
    account_r->roles = ACCOUNT_ROLE_MINER;
    account_r->created_ms = now_ms;
    memcpy(account_r->name, address->canonical, sizeof account_r->name);
    struct account_payout payout = {.script = address->script};
    memcpy(payout.address, address->canonical, sizeof payout.address);
    account_set_payout(account_r, coin, &payout);
}

/* What a record's values point to, for as long as it is used. */
struct account_memory {
    char id[ACCOUNT_ID_BYTES];
    uint8_t payouts[ACCOUNT_PAYOUTS_BYTES];
};

/* The fields of before stay empty, so that a payout of before pays nobody at an address that is not
 * kept there any more. */
static struct store_record account_record(const struct account *account,
                                          struct account_memory *memory)
{
    account_id_text(account->id, memory->id);
    struct store_record record = {.id = memory->id, .version = account->version};
    record.values[NAME] = store_text(account->name);
    record.values[KIND] = store_int(account->kind);
    record.values[PAYOUTS] = store_bytes(account_payouts_encode(account, memory->payouts));
    record.values[GRANTS_FROM_MS] = store_int((int64_t)account->grants_from_ms);
    record.values[STATE] = store_int(account->state);
    record.values[ROLES] = store_int(account->roles);
    record.values[CREATED_MS] = store_int((int64_t)account->created_ms);
    record.values[EMAIL] = store_text(account->email);
    record.values[PASSWORD] = store_text(account->password);
    record.values[FEE_CLASS] = store_text(account->fee_class);
    record.values[SESSIONS_FROM_MS] = store_int((int64_t)account->sessions_from_ms);
    record.values[EMAIL_CONFIRMED] = store_int(account->email_confirmed);
    record.values[WORKER_PASSWORD] = store_bytes(span_of(
        account->worker_password, account->has_worker_password ? ACCOUNT_WORKER_PASSWORD_BYTES : 0));
    return record;
}

/* A text that this program wrote fits; one that another hand wrote longer is refused. */
static bool read_text(struct span from, char *text_r, size_t bytes)
{
    if (from.length >= bytes)
        return false;
    if (from.length > 0)
        memcpy(text_r, from.data, from.length);
    text_r[from.length] = '\0';
    return true;
}

/* Coin by coin, or the one address of a record written before. */
static bool read_payouts(const struct store_value *values, struct account *account_r)
{
    struct account_payout *first = &account_r->payouts[0];
    struct span script = values[SCRIPT].bytes;
    if (values[PAYOUTS].bytes.length > 0)
        return account_payouts_decode(values[PAYOUTS].bytes, account_r);
    if (values[THRESHOLD].integer < 0 || values[LOCK_UNTIL_MS].integer < 0 ||
        script.length > sizeof first->script.data ||
        !read_text(values[PAYOUT_ADDRESS].bytes, first->address, sizeof first->address))
        return false;
    if (script.length > 0)
        memcpy(first->script.data, script.data, script.length);
    first->script.length = (uint8_t)script.length;
    first->threshold = (uint64_t)values[THRESHOLD].integer;
    first->lock_until_ms = (uint64_t)values[LOCK_UNTIL_MS].integer;
    account_r->payout_count = 1;
    return true;
}

static bool account_read(const struct store_record *record, struct account *account_r,
                         struct error *error)
{
    const struct store_value *values = record->values;
    memset(account_r, 0, sizeof *account_r);
    struct span worker_password = values[WORKER_PASSWORD].bytes;
    int64_t kind = values[KIND].integer;
    int64_t state = values[STATE].integer;
    bool valid =
        strlen(record->id) == ACCOUNT_ID_BYTES - 1 &&
        hex_decode_u64(record->id, ACCOUNT_ID_BYTES - 1, &account_r->id) &&
        read_text(values[NAME].bytes, account_r->name, sizeof account_r->name) &&
        read_payouts(values, account_r) &&
        read_text(values[EMAIL].bytes, account_r->email, sizeof account_r->email) &&
        read_text(values[FEE_CLASS].bytes, account_r->fee_class, sizeof account_r->fee_class) &&
        read_text(values[PASSWORD].bytes, account_r->password, sizeof account_r->password) &&
        (kind == IDENTITY_KIND_ADDRESS || kind == IDENTITY_KIND_ACCOUNT) &&
        state >= ACCOUNT_ACTIVE && state <= ACCOUNT_CLOSED &&
        values[SESSIONS_FROM_MS].integer >= 0 && values[GRANTS_FROM_MS].integer >= 0 &&
        (worker_password.length == 0 || worker_password.length == ACCOUNT_WORKER_PASSWORD_BYTES);
    if (!valid)
        return error_set(error, ERROR_INVALID, "the record of account %s is damaged", record->id);
    account_r->kind = (enum identity_kind)kind;
    account_r->state = (enum account_state)state;
    account_r->roles = (uint32_t)values[ROLES].integer;
    account_r->created_ms = (uint64_t)values[CREATED_MS].integer;
    account_r->grants_from_ms = (uint64_t)values[GRANTS_FROM_MS].integer;
    account_r->sessions_from_ms = (uint64_t)values[SESSIONS_FROM_MS].integer;
    account_r->email_confirmed = values[EMAIL_CONFIRMED].integer != 0;
    account_r->has_worker_password = worker_password.length > 0;
    if (worker_password.length > 0)
        memcpy(account_r->worker_password, worker_password.data, worker_password.length);
    account_r->version = record->version;
    return true;
}

enum { RECORD_ARENA_BYTES = 4096 + ACCOUNT_PAYOUTS_BYTES };

enum store_outcome account_get(struct store *store, uint64_t id, struct account *account_r,
                               struct error *error)
{
    char id_text[ACCOUNT_ID_BYTES];
    account_id_text(id, id_text);
    uint8_t memory[RECORD_ARENA_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome =
        store_get(store, &account_collection, id_text, &arena, &record, error);
    if (outcome == STORE_DONE && !account_read(&record, account_r, error))
        return STORE_FAILED;
    return outcome;
}

static bool same_binding(const struct account *a, const struct account *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

/* What a failed or unknown write or read means to a binding. */
static enum account_outcome trouble(enum store_outcome outcome)
{
    return outcome == STORE_UNKNOWN ? ACCOUNT_UNKNOWN : ACCOUNT_FAILED;
}

enum account_outcome account_bind(struct store *store, const struct account *account,
                                  struct account *bound_r, bool *made_r, struct error *error)
{
    struct account_memory memory;
    struct store_write write = {
        .verb = STORE_INSERT,
        .collection = &account_collection,
        .record = account_record(account, &memory),
    };
    if (made_r != NULL)
        *made_r = false;
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    if (outcome != STORE_DONE)
        return trouble(outcome);
    if (write.outcome == STORE_DONE) {
        *bound_r = *account;
        bound_r->version = 1;
        if (made_r != NULL)
            *made_r = true;
        return ACCOUNT_BOUND;
    }
    outcome = account_get(store, account->id, bound_r, error);
    if (outcome == STORE_MISSING) {
        error_fill(error, ERROR_INVALID, "account %s was removed while it was being bound",
                   memory.id);
        return ACCOUNT_FAILED;
    }
    if (outcome != STORE_DONE)
        return trouble(outcome);
    return same_binding(account, bound_r) ? ACCOUNT_BOUND : ACCOUNT_TAKEN;
}

struct find {
    struct account *account_r;
    bool found;
    bool damaged;
    struct error *error;
};

static bool visit_find(void *context, const struct store_record *record)
{
    struct find *find = context;
    find->found = true;
    find->damaged = !account_read(record, find->account_r, find->error);
    return false;
}

enum store_outcome account_find(struct store *store, const char *name, struct account *account_r,
                                struct error *error)
{
    const struct store_query query = {
        .field = "name",
        .has_low = true,
        .has_high = true,
        .low = store_text(name),
        .high = store_text(name),
        .limit = 1,
    };
    struct find find = {account_r, false, false, error};
    enum store_outcome outcome =
        store_find(store, &account_collection, &query, visit_find, &find, error);
    if (outcome != STORE_DONE)
        return outcome;
    if (find.damaged)
        return STORE_FAILED;
    return find.found ? STORE_DONE : STORE_MISSING;
}

enum store_outcome account_save(struct store *store, struct account *account, struct error *error)
{
    struct account_memory memory;
    struct store_write write = {
        .verb = STORE_REPLACE,
        .collection = &account_collection,
        .record = account_record(account, &memory),
    };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    if (outcome == STORE_DONE)
        account->version++;
    return outcome;
}

struct account_walk {
    account_visitor visit;
    void *context;
    bool damaged;
    struct error *error;
};

static bool visit_account(void *context, const struct store_record *record)
{
    struct account_walk *walk = context;
    struct account account;
    walk->damaged = !account_read(record, &account, walk->error);
    return !walk->damaged && walk->visit(walk->context, &account);
}

enum store_outcome account_walk(struct store *store, uint64_t after, size_t limit,
                                account_visitor visit, void *context, struct error *error)
{
    if (after == UINT64_MAX)
        return STORE_DONE;
    char low[ACCOUNT_ID_BYTES];
    account_id_text(after + 1, low);
    const struct store_query query = {
        .field = "id", .has_low = true, .low = store_text(low), .limit = limit};
    struct account_walk walk = {visit, context, false, error};
    enum store_outcome outcome =
        store_find(store, &account_collection, &query, visit_account, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

struct class_walk {
    account_class_visitor visit;
    void *context;
};

static bool visit_class(void *context, const struct account *account)
{
    struct class_walk *walk = context;
    return walk->visit(walk->context, account->id, account->fee_class);
}

enum store_outcome account_walk_classes(struct store *store, account_class_visitor visit,
                                        void *context, struct error *error)
{
    /* "-" stands before every letter a class's name may have, and behind no class at all. */
    const struct store_query query = {
        .field = "fee_class", .has_low = true, .low = store_text("-")};
    struct class_walk classes = {visit, context};
    struct account_walk walk = {visit_class, &classes, false, error};
    enum store_outcome outcome =
        store_find(store, &account_collection, &query, visit_account, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

static bool worker_read(const struct store_record *record, struct account_worker *worker_r,
                        struct error *error)
{
    enum { HALF = ACCOUNT_ID_BYTES - 1 };
    memset(worker_r, 0, sizeof *worker_r);
    bool valid =
        strlen(record->id) == WORKER_ID_BYTES - 1 && record->id[HALF] == ':' &&
        hex_decode_u64(record->id, HALF, &worker_r->account_id) &&
        hex_decode_u64(record->id + HALF + 1, HALF, &worker_r->id) &&
        read_text(record->values[WORKER_NAME].bytes, worker_r->name, sizeof worker_r->name);
    if (!valid)
        return error_set(error, ERROR_INVALID, "the record of worker %s is damaged", record->id);
    worker_r->created_ms = (uint64_t)record->values[WORKER_CREATED_MS].integer;
    return true;
}

enum store_outcome worker_get(struct store *store, uint64_t account_id, uint64_t id,
                              struct account_worker *worker_r, struct error *error)
{
    char id_text[WORKER_ID_BYTES];
    worker_id_text(account_id, id, id_text);
    uint8_t memory[RECORD_ARENA_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome =
        store_get(store, &worker_collection, id_text, &arena, &record, error);
    if (outcome == STORE_DONE && !worker_read(&record, worker_r, error))
        return STORE_FAILED;
    return outcome;
}

enum account_outcome worker_bind(struct store *store, const struct account_worker *worker,
                                 struct error *error)
{
    char id[WORKER_ID_BYTES];
    worker_id_text(worker->account_id, worker->id, id);
    struct store_write write = {.verb = STORE_INSERT, .collection = &worker_collection};
    write.record.id = id;
    write.record.values[WORKER_NAME] = store_text(worker->name);
    write.record.values[WORKER_CREATED_MS] = store_int((int64_t)worker->created_ms);
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    if (outcome != STORE_DONE)
        return trouble(outcome);
    if (write.outcome == STORE_DONE)
        return ACCOUNT_BOUND;
    struct account_worker bound;
    outcome = worker_get(store, worker->account_id, worker->id, &bound, error);
    if (outcome == STORE_MISSING) {
        error_fill(error, ERROR_INVALID, "worker %s was removed while it was being bound", id);
        return ACCOUNT_FAILED;
    }
    if (outcome != STORE_DONE)
        return trouble(outcome);
    return strcmp(bound.name, worker->name) == 0 ? ACCOUNT_BOUND : ACCOUNT_TAKEN;
}

struct worker_walk {
    worker_visitor visit;
    void *context;
    bool damaged;
    struct error *error;
};

static bool visit_worker(void *context, const struct store_record *record)
{
    struct worker_walk *walk = context;
    struct account_worker worker;
    walk->damaged = !worker_read(record, &worker, walk->error);
    return !walk->damaged && walk->visit(walk->context, &worker);
}

enum store_outcome worker_walk(struct store *store, uint64_t account_id, const uint64_t *past,
                               size_t limit, worker_visitor visit, void *context,
                               struct error *error)
{
    /* an account's workers stand together, because their ids begin with its own */
    char low[WORKER_ID_BYTES], high[WORKER_ID_BYTES];
    worker_id_text(account_id, past != NULL ? *past : 0, low);
    worker_id_text(account_id, UINT64_MAX, high);
    const struct store_query query = {
        .field = "id",
        .has_low = true,
        .has_high = true,
        .low = store_text(low),
        .high = store_text(high),
        .limit = limit,
        .past_id = past != NULL ? low : NULL,
    };
    struct worker_walk walk = {visit, context, false, error};
    enum store_outcome outcome =
        store_find(store, &worker_collection, &query, visit_worker, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}
