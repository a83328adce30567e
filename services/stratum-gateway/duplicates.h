/* The submissions one job has seen, as the exact free parts of their headers: 24 bytes each. An
 * open-addressing table that doubles, its slots counted in a budget all jobs share, so that memory
 * is bounded by what the gateway allows. The hash is keyed, because miners choose the keys. One
 * thread. */
#pragma once
#include "core/share/share.h"

#define DUPLICATES_KEY_BYTES 24

struct duplicates_key {
    uint64_t part[3];
};

/* All jobs' slots together. */
struct duplicates_budget {
    size_t slots;
    size_t slots_max;
    uint64_t seed[2]; /* random */
};

struct duplicates {
    struct duplicates_key *keys; /* capacity of them, all zero where empty; caller never touches */
    size_t capacity;             /* a power of two, or 0 */
    size_t count;
    bool has_zero; /* the one key that looks like an empty slot */
};

enum duplicates_outcome {
    DUPLICATES_NEW,  /* it was not there, now it is */
    DUPLICATES_SEEN, /* it was there */
    DUPLICATES_FULL, /* no room: it was not added */
};

/* Exact for extranonces of at most 4 and 8 bytes, which is all a gateway hands out. The job is left
 * out: each has a set of its own. */
struct duplicates_key duplicates_key_of(const struct job *job,
                                        const struct share_submission *submission);

MUST_CHECK enum duplicates_outcome duplicates_add(struct duplicates *set,
                                                  struct duplicates_budget *budget,
                                                  const struct duplicates_key *key);
/* Nothing where it is not there. */
void duplicates_remove(struct duplicates *set, const struct duplicates_budget *budget,
                       const struct duplicates_key *key);
/* Forgets all and gives the memory back. */
void duplicates_clear(struct duplicates *set, struct duplicates_budget *budget);

/* True where every key is found from its place on: for tests. */
bool duplicates_verify(const struct duplicates *set, const struct duplicates_budget *budget);
