/* The submissions one job has seen, kept exactly: the free parts of their headers, 24 bytes each.
 *
 * The keys stand one behind the other in the order they came. Which are there is told by leaves of
 * 512 words, each word 40 bits of a key's hash and the key's place; a directory names the leaf for
 * the first bits of a hash, and a leaf that fills up becomes two (extendible hashing, Fagin et al.
 * 1979). So the set grows a leaf at a time and never stops to be made anew; a submission not seen
 * before, as nearly all are, costs one line of a leaf and its place at the end of the keys, and
 * another key is read only where the 40 bits agree. A submission takes 34 to 45 bytes.
 *
 * Memory comes from what all jobs share, so it is bounded by what the gateway allows. The hash is
 * keyed, because miners choose the keys. One thread. */
#pragma once
#include "core/share/share.h"
#include "services/stratum-gateway/duplicates_memory.h"

#define DUPLICATES_KEY_BYTES 24

struct duplicates_key {
    uint64_t part[3];
};

/* Zero-initialise; the fields are the set's own. */
struct duplicates {
    uint32_t *directory; /* 2^depth leaves; NULL: the set has no memory */
    uint32_t *log;       /* the blocks of the keys */
    uint32_t log_blocks;
    uint32_t log_capacity;
    uint32_t places;     /* of keys, used so far */
    uint32_t place_free; /* + 1: of one removed, which knows the next; 0: none */
    uint32_t count;
    uint8_t depth;
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

/* Brings what duplicates_add of this key will look at nearer to the processor. */
void duplicates_prefetch(const struct duplicates *set, const struct duplicates_memory *memory,
                         const struct duplicates_key *key);

MUST_CHECK enum duplicates_outcome duplicates_add(struct duplicates *set,
                                                  struct duplicates_memory *memory,
                                                  const struct duplicates_key *key);
/* Nothing where it is not there. */
void duplicates_remove(struct duplicates *set, const struct duplicates_memory *memory,
                       const struct duplicates_key *key);
/* Forgets all and gives the memory back: some nanoseconds a block. */
void duplicates_clear(struct duplicates *set, struct duplicates_memory *memory);

static inline bool duplicates_holds_memory(const struct duplicates *set)
{
    return set->directory != NULL;
}

/* The key at a place below set->places; false where it was removed. */
MUST_CHECK bool duplicates_at(const struct duplicates *set, const struct duplicates_memory *memory,
                              uint32_t place, struct duplicates_key *key_r);

/* True where every key is found from its place on: for tests. */
bool duplicates_verify(const struct duplicates *set, const struct duplicates_memory *memory);
