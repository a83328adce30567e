/* What a miner's name means, and its durable binding: the store's side of authorisation, without
 * loops and messages. Blocking; on the store's thread. */
#pragma once
#include "adapter/names_icu/names.h"
#include "core/identity/identity.h"
#include "port/store.h"
#include "record/account/account.h"
#include "services/auth/secrets.h"

struct binding_name {
    const struct coin_profile *coin; /* borrowed: whose addresses it may be */
    struct identity_account account;
    char worker[IDENTITY_WORKER_BYTES_MAX + 1]; /* "": the nameless one */
    uint64_t account_id, worker_id;
    /* of the password that was shown; zeroes for an address, which has none */
    uint8_t password[ACCOUNT_WORKER_PASSWORD_BYTES];
    bool read_only; /* the store cannot be written to now: nothing is bound anew */
};

/* What stands for a worker's password in the store and here. It is hashed quickly, because miners
 * come by thousands; the key keeps the store's thief from guessing it. */
void binding_password_hash(const struct secrets *secrets, uint64_t account_id, struct span password,
                           uint8_t hash_r[ACCOUNT_WORKER_PASSWORD_BYTES]);

/* IDENTITY_OK with the name and its ids, or why not; *address_outcome_r then says what is wrong
 * with what can only be an address. Names are brought into their one form first. Pure. */
MUST_CHECK enum identity_outcome binding_read(const struct names *names,
                                              const struct identity_key *key,
                                              const struct coin_profile *coin, struct span user,
                                              struct binding_name *name_r,
                                              enum address_outcome *address_outcome_r);

/* X(enum name, sentence for the miner) */
#define BINDING_OUTCOMES(X)                                                                        \
    X(BINDING_DONE, "")                                                                            \
    X(BINDING_STORE, "the pool's records cannot be read now; try again")                           \
    X(BINDING_UNREGISTERED, "no account of this name is registered")                               \
    X(BINDING_CLOSED, "this account is closed")                                                    \
    X(BINDING_PASSWORD, "this account's miners must show its worker password")                     \
    X(BINDING_TAKEN, "this name meets another name's id and cannot be used; choose another")

enum binding_outcome {
#define X(name, text) name,
    BINDING_OUTCOMES(X)
#undef X
};
const char *binding_outcome_text(enum binding_outcome outcome);

/* BINDING_DONE: account and worker are bound to these ids durably; *made_r says whether the account
 * was new. BINDING_STORE with *error: not known to be; ask again. Else: never, and nothing was
 * bound but what was bound before. */
MUST_CHECK enum binding_outcome binding_bind(struct store *store, const struct binding_name *name,
                                             uint64_t now_ms, bool *made_r, struct error *error);
