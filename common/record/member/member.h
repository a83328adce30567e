/* The parties of the iNode: validators, which vouch for work, and pools, whose work they vouch for.
 * Both are kept alike, in the collections `validators` and `pools`: who it is, where it is paid,
 * with which key it signs, its stake, its score.
 *
 * Only the leading scheduler writes them. Every write replaces the version that was read, says
 * under which epoch it is made, and is refused where the record bears a newer one; whoever begins
 * to lead writes its epoch into all of them first, so a deposed leader that wakes up in the middle
 * of a write finds its place taken. A change of a score names its cause, of which a record
 * remembers the newest MEMBER_CAUSES: the same change again answers STORE_EXISTS.
 *
 * Blocking, like the store. Structs hold no memory of others; any thread, one at a time per store
 * handle. */
#pragma once
#include "core/address/address.h"
#include "port/store.h"

extern const struct store_collection validator_collection;
extern const struct store_collection pool_collection;

enum {
    MEMBER_ID_BYTES = 128,
    MEMBER_NAME_BYTES = 96,
    MEMBER_ENDPOINT_BYTES = 64,
    MEMBER_KEY_BYTES = 32,
    MEMBER_CAUSES = 64,
    MEMBER_STAKE_WHOLE = 10000, /* all stakes together are at most this */
};

enum member_kind { MEMBER_VALIDATOR, MEMBER_POOL };

/* Stored; never renumber. */
enum member_source {
    MEMBER_OWN = 1,    /* of this deployment: it registered itself over the bus */
    MEMBER_LISTED = 2, /* named by the list */
    MEMBER_GONE = 3,   /* neither any more: kept for its history, counts for nothing */
};
const char *member_source_name(enum member_source source); /* static */

struct member {
    enum member_kind kind;
    char id[MEMBER_ID_BYTES];        /* of a listed one its wallet; of our own "own:<key in hex>" */
    char wallet[ADDRESS_TEXT_BYTES]; /* the address it is paid at; "": none */
    char name[MEMBER_NAME_BYTES];    /* of our own the process's instance; else as listed, or "" */
    uint8_t key[MEMBER_KEY_BYTES];   /* Ed25519; all zeros: none, nothing it says is believed */
    uint32_t stake;                  /* in 1/10,000 of all; of a pool 0 */
    uint32_t score;
    char endpoint[MEMBER_ENDPOINT_BYTES]; /* "ip:port" by its own word: shown, never dialled */
    uint64_t seen_ms;                     /* unix: when it was last heard */
    uint64_t said_ms; /* the ts of the newest message that is durable: older ones are replays */
    enum member_source source;
    bool stale;                     /* its source could not be asked at the last turn */
    uint64_t decay_turn;            /* its score was decayed up to this turn (record/turn) */
    uint64_t epoch;                 /* of the leader that wrote it last */
    uint64_t causes[MEMBER_CAUSES]; /* of its score's changes, oldest first */
    size_t cause_count;
    uint64_t version; /* the store's; as read */
};

bool member_has_key(const struct member *member);
/* A printable id without spaces and control characters, of 1 to MEMBER_ID_BYTES - 1 bytes. */
bool member_id_is_good(const char *id);
/* "own:" and the key in hex. */
void member_own_id(const uint8_t key[MEMBER_KEY_BYTES], char id_r[MEMBER_ID_BYTES]);

/* STORE_DONE (durable; member->version and epoch are set), STORE_EXISTS where the id is taken,
 * STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome member_insert(struct store *store, struct member *member,
                                            uint64_t epoch, struct error *error);
/* Replaces it as read. STORE_DONE; STORE_CONFLICT where it changed since, or where member->epoch
 * (as read) is newer than `epoch`: another leads; STORE_UNKNOWN (read it again), STORE_FAILED. */
MUST_CHECK enum store_outcome member_save(struct store *store, struct member *member,
                                          uint64_t epoch, struct error *error);
/* Gives it this score for this cause (any number that names it, e.g. the task's id). STORE_DONE;
 * STORE_EXISTS where the cause was applied before, and nothing changes; else as member_save: after
 * STORE_CONFLICT and STORE_UNKNOWN read it again and compute the score anew. */
MUST_CHECK enum store_outcome member_set_score(struct store *store, struct member *member,
                                               uint32_t score, uint64_t cause, uint64_t epoch,
                                               struct error *error);
bool member_knows_cause(const struct member *member, uint64_t cause);

/* STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome member_get(struct store *store, enum member_kind kind, const char *id,
                                         struct member *member_r, struct error *error);
/* All of a kind, by id; false from the visitor ends the walk. It must not call the store.
 * STORE_DONE, STORE_FAILED. */
typedef bool (*member_visitor)(void *context, const struct member *member);
MUST_CHECK enum store_outcome member_walk(struct store *store, enum member_kind kind,
                                          member_visitor visit, void *context, struct error *error);
