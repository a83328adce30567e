#include "services/auth/limiter.h"

#include <sodium.h>
#include <stdlib.h>

struct place {
    uint64_t key;
    uint32_t since_s; /* of the limiter's start */
    uint32_t count;   /* 0: free */
};

struct limiter {
    uint8_t secret[crypto_generichash_KEYBYTES];
    uint64_t start_s;
    struct place sets[LIMITER_SETS][LIMITER_WAYS];
};

struct limiter *limiter_create(void)
{
    struct limiter *limiter = sodium_init() >= 0 ? calloc(1, sizeof *limiter) : NULL;
    if (limiter != NULL)
        randombytes_buf(limiter->secret, sizeof limiter->secret);
    return limiter;
}

void limiter_destroy(struct limiter *limiter)
{
    free(limiter);
}

static uint64_t hash(const struct limiter *limiter, const struct span *parts, size_t parts_count)
{
    crypto_generichash_state state;
    uint8_t digest[crypto_generichash_BYTES_MIN];
    crypto_generichash_init(&state, limiter->secret, sizeof limiter->secret, sizeof digest);
    for (size_t i = 0; i < parts_count; i++) {
        uint8_t length[8];
        store_le64(length, parts[i].length);
        crypto_generichash_update(&state, length, sizeof length);
        crypto_generichash_update(&state, parts[i].data, parts[i].length);
    }
    crypto_generichash_final(&state, digest, sizeof digest);
    return load_le64(digest);
}

static struct place *find(struct limiter *limiter, uint64_t key)
{
    struct place *set = limiter->sets[key % LIMITER_SETS];
    for (size_t i = 0; i < LIMITER_WAYS; i++)
        if (set[i].count > 0 && set[i].key == key)
            return &set[i];
    return NULL;
}

/* The least worth keeping. */
static struct place *make_room(struct limiter *limiter, uint64_t key, uint32_t now_s)
{
    struct place *set = limiter->sets[key % LIMITER_SETS];
    struct place *worst = &set[0];
    for (size_t i = 0; i < LIMITER_WAYS; i++) {
        if (set[i].count == 0 || now_s - set[i].since_s >= LIMITER_WINDOW_S)
            return &set[i];
        if (set[i].count < worst->count ||
            (set[i].count == worst->count && set[i].since_s < worst->since_s))
            worst = &set[i];
    }
    return worst;
}

bool limiter_take(struct limiter *limiter, const struct span *parts, size_t parts_count,
                  unsigned max, uint64_t now_s, unsigned *wait_s_r)
{
    if (limiter->start_s == 0)
        limiter->start_s = now_s;
    uint32_t now = (uint32_t)(now_s - limiter->start_s);
    uint64_t key = hash(limiter, parts, parts_count);
    struct place *place = find(limiter, key);
    if (place == NULL) {
        place = make_room(limiter, key, now);
        *place = (struct place){ key, now, 0 };
    } else if (now - place->since_s >= LIMITER_WINDOW_S) {
        *place = (struct place){ key, now, 0 };
    }
    if (place->count >= max) {
        *wait_s_r = LIMITER_WINDOW_S - (now - place->since_s);
        return false;
    }
    place->count++;
    return true;
}

void limiter_give_back(struct limiter *limiter, const struct span *parts, size_t parts_count)
{
    struct place *place = find(limiter, hash(limiter, parts, parts_count));
    if (place != NULL)
        place->count--;
}

void limiter_forget(struct limiter *limiter, const struct span *parts, size_t parts_count)
{
    struct place *place = find(limiter, hash(limiter, parts, parts_count));
    if (place != NULL)
        place->count = 0;
}
