/* A table of chains over one array of places; places are numbers, 0 is none. Every place in use is
 * in its bucket's chain and in the list from the newest to the oldest use; free places are chained,
 * too. */
#include "services/auth/known.h"

#include <stdlib.h>

struct place {
    uint8_t key[KNOWN_KEY_BYTES];
    uint64_t seen_ms;
    uint32_t chain;
    uint32_t newer, older;
};

struct known {
    struct place *places; /* [1, max] */
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t max, count;
    uint32_t newest, oldest;
    uint32_t free;
};

struct known *known_create(size_t max)
{
    ASSERT(max >= 1 && max < UINT32_MAX / 4);
    struct known *known = calloc(1, sizeof *known);
    if (known == NULL)
        return NULL;
    uint32_t buckets = 16;
    while (buckets < max)
        buckets *= 2;
    known->places = calloc(max + 1, sizeof *known->places);
    known->buckets = calloc(buckets, sizeof *known->buckets);
    if (known->places == NULL || known->buckets == NULL) {
        known_destroy(known);
        return NULL;
    }
    known->bucket_mask = buckets - 1;
    known->max = (uint32_t)max;
    return known;
}

void known_destroy(struct known *known)
{
    if (known == NULL)
        return;
    free(known->places);
    free(known->buckets);
    free(known);
}

/* The number in the table, chain or bucket, that leads to the key's place, or to none. */
static uint32_t *way_to(const struct known *known, const uint8_t key[KNOWN_KEY_BYTES])
{
    uint32_t *at = &known->buckets[load_le32(key) & known->bucket_mask];
    while (*at != 0 && memcmp(known->places[*at].key, key, KNOWN_KEY_BYTES) != 0)
        at = &known->places[*at].chain;
    return at;
}

static void unlink_use(struct known *known, uint32_t place)
{
    const struct place *one = &known->places[place];
    *(one->newer != 0 ? &known->places[one->newer].older : &known->newest) = one->older;
    *(one->older != 0 ? &known->places[one->older].newer : &known->oldest) = one->newer;
}

static void link_newest(struct known *known, uint32_t place)
{
    struct place *one = &known->places[place];
    one->newer = 0;
    one->older = known->newest;
    *(known->newest != 0 ? &known->places[known->newest].newer : &known->oldest) = place;
    known->newest = place;
}

bool known_find(struct known *known, const uint8_t key[KNOWN_KEY_BYTES], uint64_t *seen_ms_r)
{
    uint32_t place = *way_to(known, key);
    if (place == 0)
        return false;
    unlink_use(known, place);
    link_newest(known, place);
    *seen_ms_r = known->places[place].seen_ms;
    return true;
}

void known_remove(struct known *known, const uint8_t key[KNOWN_KEY_BYTES])
{
    uint32_t *way = way_to(known, key);
    uint32_t place = *way;
    if (place == 0)
        return;
    *way = known->places[place].chain;
    unlink_use(known, place);
    known->places[place].chain = known->free;
    known->free = place;
    known->count--;
}

static uint32_t take_place(struct known *known)
{
    if (known->count == known->max) {
        uint8_t oldest[KNOWN_KEY_BYTES];
        memcpy(oldest, known->places[known->oldest].key, sizeof oldest);
        known_remove(known, oldest);
    }
    uint32_t place = known->free;
    if (place != 0)
        known->free = known->places[place].chain;
    else
        place = known->count + 1; /* nothing was ever given back: the first never used */
    known->count++;
    return place;
}

void known_put(struct known *known, const uint8_t key[KNOWN_KEY_BYTES], uint64_t now_ms)
{
    uint32_t place = *way_to(known, key);
    if (place != 0) {
        unlink_use(known, place);
    } else {
        place = take_place(known);
        uint32_t *bucket = &known->buckets[load_le32(key) & known->bucket_mask];
        memcpy(known->places[place].key, key, KNOWN_KEY_BYTES);
        known->places[place].chain = *bucket;
        *bucket = place;
    }
    known->places[place].seen_ms = now_ms;
    link_newest(known, place);
}

size_t known_count(const struct known *known)
{
    return known->count;
}

void known_verify(const struct known *known)
{
    uint32_t listed = 0;
    uint32_t newer = 0;
    for (uint32_t at = known->newest; at != 0; at = known->places[at].older) {
        ASSERT(++listed <= known->count);
        ASSERT(known->places[at].newer == newer);
        ASSERT(*way_to(known, known->places[at].key) == at);
        newer = at;
    }
    ASSERT(known->oldest == newer && listed == known->count);
    uint32_t chained = 0;
    for (uint32_t bucket = 0; bucket <= known->bucket_mask; bucket++)
        for (uint32_t at = known->buckets[bucket]; at != 0; at = known->places[at].chain)
            ASSERT(++chained <= known->count);
    ASSERT(chained == known->count);
}
