#include "services/stratum-gateway/duplicates.h"

#include <stdlib.h>

enum {
    LEAF_WORDS = DUPLICATES_BLOCK_BYTES / 8,
    LEAF_KEYS_MAX = 400, /* of 512, so that searches stay short; then it splits */
    BLOCK_KEYS = DUPLICATES_BLOCK_BYTES / DUPLICATES_KEY_BYTES,
    DEPTH_MAX = 20, /* 2^20 leaves hold more than PLACES_MAX keys, unless the hash is broken */
    PLACE_BITS = 24,
    PLACES_MAX = (1 << PLACE_BITS) - 1, /* a word holds the place + 1 */
    LOG_BLOCKS_MIN = 16,
};

_Static_assert(sizeof(struct duplicates_key) == DUPLICATES_KEY_BYTES, "a key has no padding");

struct duplicates_key duplicates_key_of(const struct job *job,
                                        const struct share_submission *submission)
{
    ASSERT(job->extranonce1_bytes <= 4 && job->extranonce2_bytes <= 8);
    struct share_key whole = share_key_of(job, submission);
    struct duplicates_key key;
    /* extranonce1 at 0 (8 bytes, 4 used), extranonce2 at 8 (16, 8 used), ntime, nonce, version. */
    key.part[0] = load_le32(whole.bytes) | (uint64_t)load_le32(whole.bytes + 24) << 32;
    key.part[1] = load_le64(whole.bytes + 8);
    key.part[2] = load_le64(whole.bytes + 28);
    return key;
}

static bool equal(const struct duplicates_key *a, const struct duplicates_key *b)
{
    return a->part[0] == b->part[0] && a->part[1] == b->part[1] && a->part[2] == b->part[2];
}

/* Multiply and fold, keyed: who does not know the seed cannot aim at one leaf. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const struct duplicates_memory *memory, const struct duplicates_key *key)
{
    uint64_t hash = fold(key->part[0] ^ memory->seed[0], key->part[1] ^ memory->seed[1]);
    return fold(hash ^ memory->seed[1], key->part[2] ^ memory->seed[0]);
}

/* A word is the hash's first 40 bits and the key's place + 1. The first bits of these choose the
 * leaf, the last where in the leaf the search begins. */

static uint64_t *leaf_at(const struct duplicates_memory *memory, uint32_t block)
{
    return duplicates_memory_at(memory, block);
}

static uint32_t directory_place(const struct duplicates *set, uint64_t hash)
{
    return set->depth == 0 ? 0 : (uint32_t)(hash >> (64 - set->depth));
}

static unsigned home_of(uint64_t word)
{
    return (unsigned)(word >> PLACE_BITS) % LEAF_WORDS;
}

static struct duplicates_key *key_at(const struct duplicates *set,
                                     const struct duplicates_memory *memory, uint32_t place)
{
    struct duplicates_key *block = duplicates_memory_at(memory, set->log[place / BLOCK_KEYS]);
    return &block[place % BLOCK_KEYS];
}

static uint32_t place_of(uint64_t word)
{
    return (uint32_t)(word & PLACES_MAX) - 1;
}

/* Where the key's word stands in its leaf, or the empty word where it would. */
static unsigned find(const struct duplicates *set, const struct duplicates_memory *memory,
                     const uint64_t *leaf, uint64_t hash, const struct duplicates_key *key)
{
    unsigned at = home_of(hash);
    for (; leaf[at] != 0; at = (at + 1) % LEAF_WORDS)
        if ((leaf[at] ^ hash) >> PLACE_BITS == 0 &&
            equal(key_at(set, memory, place_of(leaf[at])), key))
            break;
    return at;
}

static void put_word(uint64_t *leaf, uint64_t word)
{
    unsigned at = home_of(word);
    while (leaf[at] != 0)
        at = (at + 1) % LEAF_WORDS;
    leaf[at] = word;
}

static bool begin(struct duplicates *set, struct duplicates_memory *memory)
{
    if (duplicates_memory_left(memory) < 2)
        return false;
    set->directory = malloc(sizeof *set->directory);
    if (set->directory == NULL)
        return false;
    uint32_t block = duplicates_memory_take(memory);
    memory->leaves[block] = (struct duplicates_leaf){ .count = 0 };
    memset(leaf_at(memory, block), 0, DUPLICATES_BLOCK_BYTES);
    set->directory[0] = block;
    set->depth = 0;
    return true;
}

static bool double_directory(struct duplicates *set)
{
    size_t count = (size_t)1 << set->depth;
    if (set->depth == DEPTH_MAX)
        return false;
    uint32_t *larger = malloc(2 * count * sizeof *larger);
    if (larger == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        larger[2 * i] = larger[2 * i + 1] = set->directory[i];
    free(set->directory);
    set->directory = larger;
    set->depth++;
    return true;
}

/* Makes two of the full leaf that `hash` belongs to. */
static bool split(struct duplicates *set, struct duplicates_memory *memory, uint64_t hash)
{
    uint32_t old = set->directory[directory_place(set, hash)];
    if (memory->leaves[old].depth == set->depth && !double_directory(set))
        return false;
    uint32_t new = duplicates_memory_take(memory);
    if (new == DUPLICATES_NO_BLOCK)
        return false;
    unsigned depth = memory->leaves[old].depth;
    uint64_t words[LEAF_WORDS];
    uint64_t *halves[2] = { leaf_at(memory, old), leaf_at(memory, new) };
    uint16_t counts[2] = { 0, 0 };
    memcpy(words, halves[0], sizeof words);
    memset(halves[0], 0, sizeof words);
    memset(halves[1], 0, sizeof words);
    for (unsigned i = 0; i < LEAF_WORDS; i++) {
        if (words[i] == 0)
            continue;
        unsigned half = (unsigned)(words[i] >> (63 - depth)) & 1;
        put_word(halves[half], words[i]);
        counts[half]++;
    }
    memory->leaves[old] =
        (struct duplicates_leaf){ .count = counts[0], .depth = (uint8_t)(depth + 1) };
    memory->leaves[new] =
        (struct duplicates_leaf){ .count = counts[1], .depth = (uint8_t)(depth + 1) };
    /* The directory's entries for this leaf stand together; the second half is the new one's. */
    uint32_t span = 1u << (set->depth - depth);
    uint32_t from = directory_place(set, hash) & ~(span - 1);
    for (uint32_t i = from + span / 2; i < from + span; i++)
        set->directory[i] = new;
    return true;
}

static bool extend_log(struct duplicates *set, struct duplicates_memory *memory)
{
    if (set->log_blocks == set->log_capacity) {
        uint32_t capacity = set->log_capacity == 0 ? LOG_BLOCKS_MIN : 2 * set->log_capacity;
        uint32_t *larger = realloc(set->log, capacity * sizeof *larger);
        if (larger == NULL)
            return false;
        set->log = larger;
        set->log_capacity = capacity;
    }
    uint32_t block = duplicates_memory_take(memory);
    if (block == DUPLICATES_NO_BLOCK)
        return false;
    set->log[set->log_blocks++] = block;
    return true;
}

/* A place for a key: one that was removed, or the next. */
static bool take_place(struct duplicates *set, struct duplicates_memory *memory, uint32_t *place_r)
{
    if (set->place_free != 0) {
        *place_r = set->place_free - 1;
        set->place_free = (uint32_t)key_at(set, memory, *place_r)->part[0];
        return true;
    }
    if (set->places == PLACES_MAX - 1 ||
        (set->places == set->log_blocks * BLOCK_KEYS && !extend_log(set, memory)))
        return false;
    *place_r = set->places++;
    return true;
}

void duplicates_prefetch(const struct duplicates *set, const struct duplicates_memory *memory,
                         const struct duplicates_key *key)
{
    if (set->directory == NULL)
        return;
    uint64_t hash = hash_of(memory, key);
    uint32_t block = set->directory[directory_place(set, hash)];
    __builtin_prefetch(&leaf_at(memory, block)[home_of(hash)], 1);
}

enum duplicates_outcome duplicates_add(struct duplicates *set, struct duplicates_memory *memory,
                                       const struct duplicates_key *key)
{
    uint64_t hash = hash_of(memory, key);
    uint32_t place;
    if (set->directory == NULL && !begin(set, memory))
        return DUPLICATES_FULL;
    uint32_t block = set->directory[directory_place(set, hash)];
    unsigned at = find(set, memory, leaf_at(memory, block), hash, key);
    if (leaf_at(memory, block)[at] != 0)
        return DUPLICATES_SEEN;
    while (memory->leaves[block].count >= LEAF_KEYS_MAX) {
        if (!split(set, memory, hash))
            return DUPLICATES_FULL;
        block = set->directory[directory_place(set, hash)];
        at = find(set, memory, leaf_at(memory, block), hash, key);
    }
    if (!take_place(set, memory, &place))
        return DUPLICATES_FULL;
    *key_at(set, memory, place) = *key;
    leaf_at(memory, block)[at] = (hash & ~(uint64_t)PLACES_MAX) | (place + 1);
    memory->leaves[block].count++;
    set->count++;
    return DUPLICATES_NEW;
}

void duplicates_remove(struct duplicates *set, const struct duplicates_memory *memory,
                       const struct duplicates_key *key)
{
    if (set->directory == NULL)
        return;
    uint64_t hash = hash_of(memory, key);
    uint32_t block = set->directory[directory_place(set, hash)];
    uint64_t *leaf = leaf_at(memory, block);
    unsigned hole = find(set, memory, leaf, hash, key);
    if (leaf[hole] == 0)
        return;
    uint32_t place = place_of(leaf[hole]);
    key_at(set, memory, place)->part[0] = set->place_free;
    set->place_free = place + 1;
    set->count--;
    memory->leaves[block].count--;
    /* What stands behind moves up, so that no search ends at the hole too early. */
    for (unsigned at = (hole + 1) % LEAF_WORDS; leaf[at] != 0; at = (at + 1) % LEAF_WORDS) {
        if ((at - home_of(leaf[at])) % LEAF_WORDS >= (at - hole) % LEAF_WORDS) {
            leaf[hole] = leaf[at];
            hole = at;
        }
    }
    leaf[hole] = 0;
}

void duplicates_clear(struct duplicates *set, struct duplicates_memory *memory)
{
    if (set->directory == NULL)
        return;
    for (uint32_t i = 0; i < 1u << set->depth;) {
        uint32_t block = set->directory[i];
        i += 1u << (set->depth - memory->leaves[block].depth);
        duplicates_memory_give(memory, block);
    }
    for (uint32_t i = 0; i < set->log_blocks; i++)
        duplicates_memory_give(memory, set->log[i]);
    free(set->directory);
    free(set->log);
    memset(set, 0, sizeof *set);
}

/* Every word of a leaf belongs there and is found. */
bool duplicates_at(const struct duplicates *set, const struct duplicates_memory *memory,
                   uint32_t place, struct duplicates_key *key_r)
{
    *key_r = *key_at(set, memory, place);
    uint64_t hash = hash_of(memory, key_r);
    const uint64_t *leaf = leaf_at(memory, set->directory[directory_place(set, hash)]);
    uint64_t word = leaf[find(set, memory, leaf, hash, key_r)];
    /* What a removed one left there is found nowhere, or by chance at another place. */
    return word != 0 && place_of(word) == place;
}

static bool verify_leaf(const struct duplicates *set, const struct duplicates_memory *memory,
                        uint32_t from, uint32_t *count)
{
    uint32_t block = set->directory[from];
    const uint64_t *leaf = leaf_at(memory, block);
    uint32_t counted = 0, span = 1u << (set->depth - memory->leaves[block].depth);
    for (uint32_t i = from; i < from + span; i++)
        if (set->directory[i] != block)
            return false;
    for (unsigned at = 0; at < LEAF_WORDS; at++) {
        if (leaf[at] == 0)
            continue;
        counted++;
        if (place_of(leaf[at]) >= set->places)
            return false;
        const struct duplicates_key *key = key_at(set, memory, place_of(leaf[at]));
        uint64_t hash = hash_of(memory, key);
        uint32_t place = directory_place(set, hash);
        if (place < from || place >= from + span || find(set, memory, leaf, hash, key) != at)
            return false;
    }
    *count += counted;
    return counted == memory->leaves[block].count && counted <= LEAF_KEYS_MAX;
}

bool duplicates_verify(const struct duplicates *set, const struct duplicates_memory *memory)
{
    uint32_t count = 0;
    if (set->directory == NULL)
        return set->count == 0;
    for (uint32_t i = 0; i < 1u << set->depth;) {
        uint8_t depth = memory->leaves[set->directory[i]].depth;
        if (depth > set->depth || !verify_leaf(set, memory, i, &count))
            return false;
        i += 1u << (set->depth - depth);
    }
    uint32_t removed = 0;
    for (uint32_t at = set->place_free; at != 0; removed++)
        at = (uint32_t)key_at(set, memory, at - 1)->part[0];
    return count == set->count && count + removed == set->places;
}
