#include "services/stratum-gateway/duplicates.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

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

static bool is_empty(const struct duplicates_key *key)
{
    return (key->part[0] | key->part[1] | key->part[2]) == 0;
}

static bool equal(const struct duplicates_key *a, const struct duplicates_key *b)
{
    return a->part[0] == b->part[0] && a->part[1] == b->part[1] && a->part[2] == b->part[2];
}

/* Multiply and fold, keyed: who does not know the seed cannot aim at one slot. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t place_of(const struct duplicates *set, const struct duplicates_budget *budget,
                       const struct duplicates_key *key)
{
    uint64_t hash = fold(key->part[0] ^ budget->seed[0], key->part[1] ^ budget->seed[1]);
    hash = fold(hash ^ budget->seed[1], key->part[2] ^ budget->seed[0]);
    return (size_t)hash & (set->capacity - 1);
}

/* The key's slot, or the empty one where it would stand. */
static size_t find(const struct duplicates *set, const struct duplicates_budget *budget,
                   const struct duplicates_key *key)
{
    size_t place = place_of(set, budget, key);
    while (!is_empty(&set->keys[place]) && !equal(&set->keys[place], key))
        place = (place + 1) & (set->capacity - 1);
    return place;
}

static bool grow(struct duplicates *set, struct duplicates_budget *budget)
{
    size_t capacity = set->capacity == 0 ? CAPACITY_MIN : 2 * set->capacity;
    if (budget->slots - set->capacity + capacity > budget->slots_max)
        return false;
    struct duplicates larger = { .keys = calloc(capacity, sizeof *larger.keys),
                                 .capacity = capacity };
    if (larger.keys == NULL)
        return false;
    for (size_t i = 0; i < set->capacity; i++)
        if (!is_empty(&set->keys[i]))
            larger.keys[find(&larger, budget, &set->keys[i])] = set->keys[i];
    budget->slots += capacity - set->capacity;
    free(set->keys);
    set->keys = larger.keys;
    set->capacity = capacity;
    return true;
}

enum duplicates_outcome duplicates_add(struct duplicates *set, struct duplicates_budget *budget,
                                       const struct duplicates_key *key)
{
    if (is_empty(key)) {
        bool seen = set->has_zero;
        set->has_zero = true;
        return seen ? DUPLICATES_SEEN : DUPLICATES_NEW;
    }
    if (set->capacity > 0) {
        size_t place = find(set, budget, key);
        if (!is_empty(&set->keys[place]))
            return DUPLICATES_SEEN;
    }
    /* At most three quarters full, so that searches stay short. */
    if (4 * (set->count + 1) > 3 * set->capacity && !grow(set, budget))
        return DUPLICATES_FULL;
    set->keys[find(set, budget, key)] = *key;
    set->count++;
    return DUPLICATES_NEW;
}

void duplicates_remove(struct duplicates *set, const struct duplicates_budget *budget,
                       const struct duplicates_key *key)
{
    if (is_empty(key)) {
        set->has_zero = false;
        return;
    }
    if (set->capacity == 0)
        return;
    size_t hole = find(set, budget, key), mask = set->capacity - 1;
    if (is_empty(&set->keys[hole]))
        return;
    set->count--;
    /* What stands behind moves up, so that no search ends at the hole too early. */
    for (size_t at = (hole + 1) & mask; !is_empty(&set->keys[at]); at = (at + 1) & mask) {
        size_t home = place_of(set, budget, &set->keys[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            set->keys[hole] = set->keys[at];
            hole = at;
        }
    }
    memset(&set->keys[hole], 0, sizeof set->keys[hole]);
}

void duplicates_clear(struct duplicates *set, struct duplicates_budget *budget)
{
    budget->slots -= set->capacity;
    free(set->keys);
    memset(set, 0, sizeof *set);
}

bool duplicates_verify(const struct duplicates *set, const struct duplicates_budget *budget)
{
    size_t count = 0;
    for (size_t i = 0; i < set->capacity; i++) {
        if (is_empty(&set->keys[i]))
            continue;
        count++;
        if (find(set, budget, &set->keys[i]) != i)
            return false;
    }
    return count == set->count && 4 * count <= 3 * set->capacity;
}
