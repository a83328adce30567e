/* Who a miner says it is, and the 64-bit ids its shares carry.
 *
 * A user name is `account` or `account.worker`, split at the first '.'; the account is an address
 * of the pool's coin or the name of a registered account. Ids are 64 bits of BLAKE2b keyed with the
 * deployment's secret, so nobody outside can search for two names with one id; binding an id to its
 * name for ever, and refusing a second name, is the store's duty. An id is never 0.
 *
 * Pure; no memory but the caller's; any thread. Spans in results are borrowed from the inputs. */
#pragma once
#include "core/address/address.h"

#define IDENTITY_USERNAME_BYTES_MAX 128
#define IDENTITY_WORKER_BYTES_MAX 64
/* Of a registered account's name: its bytes, and its characters. */
#define IDENTITY_ACCOUNT_BYTES_MIN 3
#define IDENTITY_ACCOUNT_BYTES_MAX 120
#define IDENTITY_ACCOUNT_CHARACTERS_MAX 50
/* From this length on a name of ASCII letters and digits alone could be an address with a mistake in
 * it, and is none: no base58 address is shorter, and none has another character. */
#define IDENTITY_ADDRESS_BYTES_MIN 25
#define IDENTITY_KEY_BYTES 32
#define IDENTITY_CANONICAL_BYTES 128

/* The deployment's secret. Never logged. */
struct identity_key {
    uint8_t bytes[IDENTITY_KEY_BYTES];
};

/* X(enum name, sentence) */
#define IDENTITY_OUTCOMES(X)                                                                       \
    X(IDENTITY_OK, "the name is valid")                                                            \
    X(IDENTITY_EMPTY, "the user name is empty")                                                    \
    X(IDENTITY_TOO_LONG, "the user name is longer than 128 characters")                            \
    X(IDENTITY_BAD_CHARACTER,                                                                      \
      "the user name contains a space, a quote or another character that no name has")             \
    X(IDENTITY_WORKER_TOO_LONG, "the worker name is longer than 64 characters")                    \
    X(IDENTITY_BAD_ACCOUNT,                                                                        \
      "the user name is neither an address nor an account's name (3 to 50 letters, digits, _, -)") \
    X(IDENTITY_BAD_ADDRESS, "the address is not valid on this network")

enum identity_outcome {
#define X(name, text) name,
    IDENTITY_OUTCOMES(X)
#undef X
};

const char *identity_outcome_text(enum identity_outcome outcome);

struct identity_name {
    struct span account; /* 1 to 128 bytes: address or account name as typed */
    struct span worker;  /* 0 to 64 bytes; empty where none was given */
};

/* Splits a user name: printable ASCII (0x21 to 0x7e) without quotes, backslash and angle brackets,
 * so that names can stand in JSON, logs and pages as they are; in the account's part UTF-8 too. */
MUST_CHECK enum identity_outcome identity_split(struct span username, struct identity_name *name_r);

enum identity_kind {
    IDENTITY_KIND_ADDRESS = 1, /* paid to the address itself */
    IDENTITY_KIND_ACCOUNT = 2, /* a registered account, which the store must know */
};

/* What the account part of a name is. */
struct identity_account {
    enum identity_kind kind;
    struct output_script script;              /* where kind is address */
    char canonical[IDENTITY_CANONICAL_BYTES]; /* canonical address, or account name in lower case */
};

/* Whether a text is ASCII letters and digits alone, and as long as addresses are. */
bool identity_is_like_address(struct span text);

/* IDENTITY_OK, or BAD_ACCOUNT, or BAD_ADDRESS (with *address_outcome_r, which may be NULL, saying
 * why) where the text can only be meant as an address. Of a name beyond ASCII only the form that
 * auth keeps (adapter/names_icu) is ever somebody's; this knows no Unicode, so another form of it is
 * another name here, which nobody has. Whether a registered account exists is not
 * known here. A name that parses as an address is always the address, so registration must refuse
 * names for which this gives IDENTITY_KIND_ADDRESS. */
MUST_CHECK enum identity_outcome identity_resolve(const struct coin_profile *coin,
                                                  struct span account,
                                                  struct identity_account *account_r,
                                                  enum address_outcome *address_outcome_r);

/* Never 0; the same account always has the same id under the same key. */
uint64_t identity_account_id(const struct identity_key *key,
                             const struct identity_account *account);
uint64_t identity_worker_id(const struct identity_key *key, uint64_t account_id,
                            struct span worker);
