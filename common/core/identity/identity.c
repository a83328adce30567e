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

/* The bytes of the well-formed UTF-8 character beyond ASCII that a text begins with (RFC 3629:
 * shortest form, no surrogates, none above U+10FFFF); 0 where there is none. */
static size_t character_bytes(struct span text)
{
    const uint8_t *c = text.data;
    size_t bytes = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4 || bytes > text.length)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    bool short_form = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool beyond = (c[0] == 0xed && c[1] >= 0xa0) || (c[0] == 0xf4 && c[1] >= 0x90);
    return short_form || beyond ? 0 : bytes;
}

enum identity_outcome identity_split(struct span username, struct identity_name *name_r)
{
    size_t dot = username.length;
    if (username.length == 0)
        return IDENTITY_EMPTY;
    if (username.length > IDENTITY_USERNAME_BYTES_MAX)
        return IDENTITY_TOO_LONG;
    for (size_t i = 0; i < username.length; i++) {
        if (username.data[i] == '.' && dot == username.length)
            dot = i;
        if (is_allowed(username.data[i]))
            continue;
        size_t bytes = character_bytes(span_of(username.data + i, username.length - i));
        if (bytes == 0 || dot < i)
            return IDENTITY_BAD_CHARACTER;
        i += bytes - 1;
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

bool identity_is_like_address(struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return text.length >= IDENTITY_ADDRESS_BYTES_MIN;
}

/* Copies an account's name, ASCII in lower case; false where the text cannot be one. */
static bool account_name(struct span text, char canonical_r[IDENTITY_CANONICAL_BYTES])
{
    size_t characters = 0;
    if (text.length < IDENTITY_ACCOUNT_BYTES_MIN || text.length > IDENTITY_ACCOUNT_BYTES_MAX ||
        identity_is_like_address(text))
        return false;
    for (size_t i = 0; i < text.length; characters++) {
        uint8_t c = text.data[i];
        if (c >= 0x80) {
            size_t bytes = character_bytes(span_of(text.data + i, text.length - i));
            if (bytes == 0)
                return false;
            memcpy(canonical_r + i, text.data + i, bytes);
            i += bytes;
            continue;
        }
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + 32);
        bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && (i == 0 || (c != '_' && c != '-')))
            return false;
        canonical_r[i++] = (char)c;
    }
    canonical_r[text.length] = '\0';
    return characters >= IDENTITY_ACCOUNT_BYTES_MIN &&
           characters <= IDENTITY_ACCOUNT_CHARACTERS_MAX;
}

enum identity_outcome identity_resolve(const struct coin_profile *coin, struct span account,
                                       struct identity_account *account_r,
                                       enum address_outcome *address_outcome_r)
{
    memset(account_r, 0, sizeof *account_r);
    char text[ADDRESS_TEXT_BYTES];
    _Static_assert(IDENTITY_CANONICAL_BYTES >= ADDRESS_TEXT_BYTES &&
                       IDENTITY_CANONICAL_BYTES > IDENTITY_ACCOUNT_BYTES_MAX,
                   "addresses and names fit");
    enum address_outcome outcome = address_parse(coin, account, &account_r->script, text);
    if (address_outcome_r != NULL)
        *address_outcome_r = outcome;
    if (outcome == ADDRESS_OK) {
        account_r->kind = IDENTITY_KIND_ADDRESS;
        memcpy(account_r->canonical, text, sizeof text);
        return IDENTITY_OK;
    }
    if (address_is_prefixed_text(coin, account))
        return IDENTITY_BAD_ADDRESS;
    memset(account_r, 0, sizeof *account_r);
    if (account_name(account, account_r->canonical)) {
        account_r->kind = IDENTITY_KIND_ACCOUNT;
        return IDENTITY_OK;
    }
    /* Whatever has an address's characters and length is meant as one. */
    return outcome == ADDRESS_BAD_CHARACTER || outcome == ADDRESS_EMPTY ||
                   !identity_is_like_address(account)
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
