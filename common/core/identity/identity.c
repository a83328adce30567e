#include "core/identity/identity.h"
#include "core/identity/blake2b.h"

const char *identity_outcome_text(enum identity_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        IDENTITY_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

static bool is_allowed(uint8_t c)
{
    return c >= 0x21 && c <= 0x7e && strchr("\"'`\\<>", c) == NULL;
}

enum identity_outcome identity_split(struct span username, struct identity_name *name_r)
{
    size_t dot = username.length;
    if (username.length == 0)
        return IDENTITY_EMPTY;
    if (username.length > IDENTITY_USERNAME_BYTES_MAX)
        return IDENTITY_TOO_LONG;
    for (size_t i = 0; i < username.length; i++) {
        if (!is_allowed(username.data[i]))
            return IDENTITY_BAD_CHARACTER;
        if (username.data[i] == '.' && dot == username.length)
            dot = i;
    }
    if (dot == 0)
        return IDENTITY_EMPTY;
    size_t worker_at = dot < username.length ? dot + 1 : dot;
    if (username.length - worker_at > IDENTITY_WORKER_BYTES_MAX)
        return IDENTITY_WORKER_TOO_LONG;
    name_r->account = span_of(username.data, dot);
    name_r->worker = span_of(username.data + worker_at, username.length - worker_at);
    return IDENTITY_OK;
}

/* Copies an account's name in lower case; false where the text cannot be one. */
static bool account_name(struct span text, char canonical_r[IDENTITY_CANONICAL_BYTES])
{
    if (text.length < IDENTITY_ACCOUNT_BYTES_MIN || text.length > IDENTITY_ACCOUNT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + 32);
        bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && (i == 0 || (c != '_' && c != '-')))
            return false;
        canonical_r[i] = (char)c;
    }
    canonical_r[text.length] = '\0';
    return true;
}

enum identity_outcome identity_resolve(const struct coin_profile *coin, struct span account,
                                       struct identity_account *account_r,
                                       enum address_outcome *address_outcome_r)
{
    memset(account_r, 0, sizeof *account_r);
    enum address_outcome outcome =
        address_parse(coin, account, &account_r->script, account_r->canonical);
    if (address_outcome_r != NULL)
        *address_outcome_r = outcome;
    if (outcome == ADDRESS_OK) {
        account_r->kind = IDENTITY_KIND_ADDRESS;
        return IDENTITY_OK;
    }
    if (address_is_bech32_text(coin, account))
        return IDENTITY_BAD_ADDRESS;
    memset(account_r, 0, sizeof *account_r);
    if (account_name(account, account_r->canonical)) {
        account_r->kind = IDENTITY_KIND_ACCOUNT;
        return IDENTITY_OK;
    }
    /* Whatever has an address's characters and length is meant as one. */
    return outcome == ADDRESS_BAD_CHARACTER || outcome == ADDRESS_EMPTY ||
                   account.length <= IDENTITY_ACCOUNT_BYTES_MAX
               ? IDENTITY_BAD_ACCOUNT
               : IDENTITY_BAD_ADDRESS;
}

/* 64 bits of BLAKE2b under the deployment's key over tag ‖ parts ‖ attempt; the attempt is only
 * there to leave 0 out. The tags have one length, and what varies in length stands last but one, so
 * no two different inputs are the same bytes. */
static uint64_t keyed_id(const struct identity_key *key, const char tag[8], struct span fixed,
                         struct span varying)
{
    uint64_t id = 0;
    for (uint8_t attempt = 0; id == 0; attempt++) {
        uint8_t digest[8];
        const struct span parts[] = {span_of(tag, 8), fixed, varying, span_of(&attempt, 1)};
        blake2b(span_of(key->bytes, sizeof key->bytes), parts, sizeof parts / sizeof *parts, digest,
                sizeof digest);
        id = load_le64(digest);
    }
    return id;
}

uint64_t identity_account_id(const struct identity_key *key, const struct identity_account *account)
{
    uint8_t kind = (uint8_t)account->kind;
    struct span name = account->kind == IDENTITY_KIND_ADDRESS ? output_script_span(&account->script)
                                                              : span_text(account->canonical);
    return keyed_id(key, "account1", span_of(&kind, 1), name);
}

uint64_t identity_worker_id(const struct identity_key *key, uint64_t account_id, struct span worker)
{
    uint8_t account[8];
    store_le64(account, account_id);
    return keyed_id(key, "worker-1", span_of(account, sizeof account), worker);
}
