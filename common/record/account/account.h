/* Accounts and workers: who is paid, and the names their 64-bit ids stand for.
 *
 * Where an account is paid it says for each coin by itself: address, threshold, and until when a
 * fresh address waits. A deployment pays one coin; several may share one store of accounts.
 *
 * An account is an address (paid to itself, made when a miner first names it) or a registered name
 * (made by registration, paid to its payout address). Its id, like a worker's, is a keyed hash of
 * the canonical name (core/identity) and is bound here for ever: a record's id, kind and name never
 * change, and another name that meets a taken id is refused.
 *
 * Blocking, like the store. Structs hold no memory of others; any thread, one at a time per store
 * handle. */
#pragma once
#include "core/identity/identity.h"
#include "port/store.h"

/* For store_declare: `accounts` and `workers`. */
extern const struct store_collection account_collection;
extern const struct store_collection worker_collection;
MUST_CHECK bool account_declare(struct store *store, struct error *error);

enum {
    ACCOUNT_EMAIL_BYTES = 255,    /* RFC 5321's 254 characters and a NUL */
    ACCOUNT_PASSWORD_BYTES = 128, /* crypto_pwhash_STRBYTES */
    ACCOUNT_CLASS_BYTES = 17,
    ACCOUNT_ID_BYTES = 17,
    ACCOUNT_WORKER_PASSWORD_BYTES = 32,
    ACCOUNT_COIN_BYTES = 32,
    ACCOUNT_COINS_MAX = 16, /* more than there are coin profiles, so there is always room */
    WORKER_ID_BYTES = 34,
};

enum account_state {
    ACCOUNT_ACTIVE = 1,
    ACCOUNT_LOCKED = 2, /* mines and is credited, is not paid and cannot log in */
    ACCOUNT_CLOSED = 3, /* authorises no miner any more; what it is owed is still paid */
};

enum account_role { /* bits */
                    ACCOUNT_ROLE_MINER = 1,
                    ACCOUNT_ROLE_VIEWER = 2,
                    ACCOUNT_ROLE_OPERATOR = 4,
};

/* Where one coin is paid. */
struct account_payout {
    char coin[ACCOUNT_COIN_BYTES];    /* the coin profile's name; "": of before coins had names */
    char address[ADDRESS_TEXT_BYTES]; /* canonical by that coin's rules; "": nowhere */
    struct output_script script;      /* of the address; empty: nowhere */
    uint64_t threshold;               /* base units of the coin; 0: the pool's payout.threshold */
    uint64_t lock_until_ms;           /* nothing is paid before: the address was changed */
};

struct account {
    uint64_t id;
    enum identity_kind kind;
    char name[IDENTITY_CANONICAL_BYTES];     /* canonical: the address, or the name in lower case */
    struct account_payout payouts[ACCOUNT_COINS_MAX]; /* one a coin: see account_payout */
    size_t payout_count;
    enum account_state state;
    uint32_t roles; /* of enum account_role */
    uint64_t created_ms;
    char email[ACCOUNT_EMAIL_BYTES];       /* lower case; "" for an address */
    char password[ACCOUNT_PASSWORD_BYTES]; /* Argon2id, as crypto_pwhash_str has it; "": none */
    char fee_class[ACCOUNT_CLASS_BYTES];   /* of reward.fee_classes; "": pays what all pay */
    uint64_t sessions_from_ms;             /* of a login before, no session counts any more */
    uint64_t grants_from_ms;               /* nor does a key or link made before */
    bool email_confirmed;
    bool has_worker_password; /* its miners must show one: */
    uint8_t worker_password[ACCOUNT_WORKER_PASSWORD_BYTES]; /* a keyed hash of it */
    uint64_t version;                                       /* the store's; as read */
};

struct account_worker {
    uint64_t account_id;
    uint64_t id;
    char name[IDENTITY_WORKER_BYTES_MAX + 1]; /* "" for the nameless one */
    uint64_t created_ms;
};

enum account_outcome {
    ACCOUNT_BOUND = 1, /* it is this name's, durably: now, or before (then as stored) */
    ACCOUNT_TAKEN,     /* the id belongs to another name: refuse */
    ACCOUNT_UNKNOWN,   /* the store may or may not have it: bind again; *error */
    ACCOUNT_FAILED,    /* the store is away; *error */
};

/* The records' ids: 16 hex digits; account's and worker's joined by ':'. */
void account_id_text(uint64_t id, char text_r[ACCOUNT_ID_BYTES]);
void worker_id_text(uint64_t account_id, uint64_t id, char text_r[WORKER_ID_BYTES]);

/* An address's account as it is first bound: paid to itself, active, a miner. */
void account_of_address(uint64_t id, const struct coin_profile *coin,
                        const struct identity_account *address, uint64_t now_ms,
                        struct account *account_r);

/* Where it is paid this coin; with an empty address where nowhere. */
struct account_payout account_payout(const struct account *account,
                                     const struct coin_profile *coin);
/* In place of what stands there for the coin (whatever coin `payout` names). */
void account_set_payout(struct account *account, const struct coin_profile *coin,
                        const struct account_payout *payout);

/* Inserts the account, or compares it with the one that has its id: ACCOUNT_BOUND with what is
 * stored in *bound_r (whose address, state … may be newer than `account`'s), else as the outcome
 * says, with *bound_r undefined. *made_r (may be NULL) says whether this call made it. */
MUST_CHECK enum account_outcome account_bind(struct store *store, const struct account *account,
                                             struct account *bound_r, bool *made_r,
                                             struct error *error);

/* Whether payout may send it this coin at `now_ms`: it is not locked, nor the coin's new address
 * too young. */
static inline bool account_is_payable(const struct account *account,
                                      const struct account_payout *payout, uint64_t now_ms)
{
    return account->state != ACCOUNT_LOCKED && now_ms >= payout->lock_until_ms;
}

/* Whether an access token of then counts no more: what it was made from, a session or a key, was
 * ended with all others of the account since. Tokens know whole seconds; one of that very second
 * counts. */
static inline bool account_token_is_void(const struct account *account, bool of_session,
                                         uint64_t issued_s)
{
    return issued_s < (of_session ? account->sessions_from_ms : account->grants_from_ms) / 1000;
}

/* The same for a worker of a bound account. */
MUST_CHECK enum account_outcome
worker_bind(struct store *store, const struct account_worker *worker, struct error *error);

/* STORE_DONE, STORE_MISSING, or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome account_get(struct store *store, uint64_t id,
                                          struct account *account_r, struct error *error);
/* By canonical name. */
MUST_CHECK enum store_outcome account_find(struct store *store, const char *name,
                                           struct account *account_r, struct error *error);
MUST_CHECK enum store_outcome worker_get(struct store *store, uint64_t account_id, uint64_t id,
                                         struct account_worker *worker_r, struct error *error);

/* Replaces the account as read (account->version): STORE_DONE with the new version in *account,
 * STORE_CONFLICT when it is another's by now, STORE_UNKNOWN or STORE_FAILED with *error. */
MUST_CHECK enum store_outcome account_save(struct store *store, struct account *account,
                                           struct error *error);

/* Borrowed until the visitor returns; false ends the walk. The visitor must not call the store. */
typedef bool (*account_visitor)(void *context, const struct account *account);
typedef bool (*worker_visitor)(void *context, const struct account_worker *worker);

/* Accounts by id from `after` on (exclusive; 0: from the first), at most `limit` (0: all). */
MUST_CHECK enum store_outcome account_walk(struct store *store, uint64_t after, size_t limit,
                                           account_visitor visit, void *context,
                                           struct error *error);
/* The accounts that have a fee class, by class. */
typedef bool (*account_class_visitor)(void *context, uint64_t id, const char *fee_class);
MUST_CHECK enum store_outcome account_walk_classes(struct store *store, account_class_visitor visit,
                                                   void *context, struct error *error);
/* The workers of an account, by id; behind *past, where it is not NULL. At most `limit` (0: all). */
MUST_CHECK enum store_outcome worker_walk(struct store *store, uint64_t account_id,
                                          const uint64_t *past, size_t limit, worker_visitor visit, void *context, struct error *error);
