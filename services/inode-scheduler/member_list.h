/* Who validates with which stake, and which other pools there are, as an operator or a source says:
 * a JSON document, or entries of a setting.
 *
 *   { "validators": [ { "wallet": "bc1q…", "key": "<64 hex digits>", "stake": 1250, "name": "…" }
 * ], "pools":      [ { "wallet": "bc1q…", "name": "…" } ] }
 *
 * Stakes are whole numbers of 1/10,000, at least 1. A list is taken whole or not at all: a key it
 * does not know, a number that is none, an address of another coin, a wallet or a key that stands
 * twice, stakes of more than 100 % together, and the list that was there stays.
 *
 * The list owns its memory. Reads nothing by itself; any thread. */
#pragma once
#include "core/coin/coin.h"
#include "record/member/member.h"

enum { MEMBER_LIST_MAX = 4096, MEMBER_LIST_BYTES_MAX = 1 << 20 };

struct member_entry {
    char wallet[ADDRESS_TEXT_BYTES]; /* canonical */
    char name[MEMBER_NAME_BYTES];
    uint8_t key[MEMBER_KEY_BYTES];
    uint32_t stake;
};

struct member_list { /* zero-initialise; member_list_free */
    struct member_entry *validators, *pools;
    size_t validator_count, pool_count;
};

/* Adds what a document says. False with *error: the list is as good as none then. */
MUST_CHECK bool member_list_read(struct member_list *list, const struct coin_profile *coin,
                                 struct span document, struct error *error);
/* Adds an entry of scheduler.validators, "wallet=stake=key". */
MUST_CHECK bool member_list_add(struct member_list *list, const struct coin_profile *coin,
                                const char *entry, struct error *error);
/* Sorts both by wallet, and says whether nothing stands twice and the stakes are at most 100 %. */
MUST_CHECK bool member_list_check(struct member_list *list, struct error *error);
void member_list_free(struct member_list *list);
