#include "services/auth/binding.h"

const char *binding_outcome_text(enum binding_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        BINDING_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

void binding_password_hash(const struct secrets *secrets, uint64_t account_id, struct span password,
                           uint8_t hash_r[ACCOUNT_WORKER_PASSWORD_BYTES])
{
    uint8_t id[8];
    store_le64(id, account_id);
    const struct span parts[] = { span_of(id, sizeof id), password };
    secrets_hash(secrets->worker, parts, 2, hash_r, ACCOUNT_WORKER_PASSWORD_BYTES);
}

enum identity_outcome binding_read(const struct names *names, const struct identity_key *key,
                                   const struct coin_profile *coin, struct span user,
                                   struct binding_name *name_r,
                                   enum address_outcome *address_outcome_r)
{
    struct identity_name parts;
    char form[IDENTITY_CANONICAL_BYTES];
    memset(name_r, 0, sizeof *name_r);
    *address_outcome_r = ADDRESS_OK;
    enum identity_outcome outcome = identity_split(user, &parts);
    /* ASCII is its own form but for capitals, which an address may need. */
    bool beyond_ascii = false;
    for (size_t i = 0; outcome == IDENTITY_OK && i < parts.account.length; i++)
        beyond_ascii |= parts.account.data[i] >= 0x80;
    if (beyond_ascii && names_prepare(names, parts.account, form) == NAMES_OK)
        parts.account = span_text(form);
    else if (beyond_ascii)
        outcome = IDENTITY_BAD_ACCOUNT;
    if (outcome == IDENTITY_OK)
        outcome = identity_resolve(coin, parts.account, &name_r->account, address_outcome_r);
    if (outcome != IDENTITY_OK)
        return outcome;
    name_r->coin = coin;
    memcpy(name_r->worker, parts.worker.data, parts.worker.length);
    name_r->worker[parts.worker.length] = '\0';
    name_r->account_id = identity_account_id(key, &name_r->account);
    name_r->worker_id = identity_worker_id(key, name_r->account_id, parts.worker);
    return IDENTITY_OK;
}

static bool may_bind(const struct binding_name *name, struct error *error)
{
    return !name->read_only ||
           error_set(error, ERROR_TIMEOUT, "a new name waits: the store cannot be written to");
}

/* Reading comes first: most names are bound already, and a read costs the store least. */
static enum binding_outcome bind_account(struct store *store, const struct binding_name *name,
                                         uint64_t now_ms, bool *made_r, struct error *error)
{
    struct account account;
    enum store_outcome found = account_get(store, name->account_id, &account, error);
    if (found != STORE_DONE && found != STORE_MISSING)
        return BINDING_STORE;
    if (found == STORE_MISSING) {
        if (name->account.kind != IDENTITY_KIND_ADDRESS)
            return BINDING_UNREGISTERED;
        if (!may_bind(name, error))
            return BINDING_STORE;
        struct account fresh;
        account_of_address(name->account_id, name->coin, &name->account, now_ms, &fresh);
        enum account_outcome bound = account_bind(store, &fresh, &account, made_r, error);
        if (bound != ACCOUNT_BOUND)
            return bound == ACCOUNT_TAKEN ? BINDING_TAKEN : BINDING_STORE;
    }
    if (account.kind != name->account.kind || strcmp(account.name, name->account.canonical) != 0)
        return BINDING_TAKEN;
    if (account.state == ACCOUNT_CLOSED)
        return BINDING_CLOSED;
    return account.has_worker_password &&
                   !secrets_same(account.worker_password, name->password, sizeof name->password)
               ? BINDING_PASSWORD
               : BINDING_DONE;
}

static enum binding_outcome bind_worker(struct store *store, const struct binding_name *name,
                                        uint64_t now_ms, struct error *error)
{
    struct account_worker worker;
    enum store_outcome found = worker_get(store, name->account_id, name->worker_id, &worker, error);
    if (found == STORE_DONE)
        return strcmp(worker.name, name->worker) == 0 ? BINDING_DONE : BINDING_TAKEN;
    if (found != STORE_MISSING || !may_bind(name, error))
        return BINDING_STORE;
    memset(&worker, 0, sizeof worker);
    worker.account_id = name->account_id;
    worker.id = name->worker_id;
    worker.created_ms = now_ms;
    memcpy(worker.name, name->worker, sizeof worker.name);
    switch (worker_bind(store, &worker, error)) {
    case ACCOUNT_BOUND:
        return BINDING_DONE;
    case ACCOUNT_TAKEN:
        return BINDING_TAKEN;
    case ACCOUNT_UNKNOWN:
    case ACCOUNT_FAILED:
        break;
    }
    return BINDING_STORE;
}

enum binding_outcome binding_bind(struct store *store, const struct binding_name *name,
                                  uint64_t now_ms, bool *made_r, struct error *error)
{
    *made_r = false;
    enum binding_outcome outcome = bind_account(store, name, now_ms, made_r, error);
    return outcome == BINDING_DONE ? bind_worker(store, name, now_ms, error) : outcome;
}
