#include "adapter/token_sodium/ring.h"

#include "adapter/token_sodium/inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct ring_keys {
    size_t count;
    uint64_t from_s[TOKEN_KEYS_MAX];
    uint8_t seeds[TOKEN_KEYS_MAX][SEED_BYTES];
    struct token_signer signers[TOKEN_KEYS_MAX];
};

struct token_ring {
    struct ring_keys keys;
    struct stat read; /* the file as it was read */
    char path[4096];
};

/* One line, which ends at `end`. */
static bool read_line(const char *line, const char *end, struct ring_keys *keys)
{
    const size_t digits = 2 * SEED_BYTES;
    if (keys->count == TOKEN_KEYS_MAX || (size_t)(end - line) < digits ||
        !hex_decode(line, digits, keys->seeds[keys->count], SEED_BYTES))
        return false;
    uint64_t from_s = 0;
    const char *at = line + digits;
    if (at < end && (*at++ != ' ' || at == end))
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || from_s > INT64_MAX / 100)
            return false;
        from_s = from_s * 10 + (uint64_t)(*at - '0');
    }
    /* in the order of their time, which is how they are written */
    if (keys->count > 0 && from_s <= keys->from_s[keys->count - 1])
        return false;
    keys->from_s[keys->count] = from_s;
    token_signer_fill(&keys->signers[keys->count], keys->seeds[keys->count]);
    keys->count++;
    return true;
}

static bool read_keys(const char *path, struct ring_keys *keys, bool *missing_r,
                      struct error *error)
{
    char text[KEYFILE_BYTES];
    if (!keyfile_read(path, text, missing_r, error))
        return false;
    bool valid = text[0] != '\0';
    memset(keys, 0, sizeof *keys);
    for (const char *line = text; valid && *line != '\0';) {
        const char *end = line + strcspn(line, "\r\n");
        valid = read_line(line, end, keys);
        line = end + strspn(end, "\r\n");
    }
    sodium_memzero(text, sizeof text);
    return valid ||
           error_set(error, ERROR_INVALID,
                     "%s must hold a key of 64 hex digits a line, each with a later second from "
                     "which it signs; moved away, a fresh key is made and everybody logs in again",
                     path);
}

struct token_ring *token_ring_open(const char *path, uint64_t now_s, struct error *error)
{
    bool missing;
    if (sodium_init() < 0) {
        error_fill(error, ERROR_SYSTEM, "libsodium cannot be started");
        return NULL;
    }
    struct token_ring *ring = sodium_malloc(sizeof *ring);
    if (ring == NULL) {
        error_fill(error, ERROR_SYSTEM, "no locked memory for the token keys");
        return NULL;
    }
    memset(ring, 0, sizeof *ring);
    snprintf(ring->path, sizeof ring->path, "%s", path);
    (void)stat(path, &ring->read);
    bool opened = read_keys(path, &ring->keys, &missing, error);
    if (!opened && missing)
        opened = keyfile_make(path, now_s, error) && stat(path, &ring->read) == 0 &&
                 read_keys(path, &ring->keys, &missing, error);
    if (opened)
        return ring;
    token_ring_close(ring);
    return NULL;
}

void token_ring_close(struct token_ring *ring)
{
    sodium_free(ring);
}

bool token_ring_refresh(struct token_ring *ring, bool *changed_r, struct error *error)
{
    struct stat now;
    bool missing;
    *changed_r = false;
    if (stat(ring->path, &now) != 0)
        return error_system(error, errno, "the token key %s cannot be read", ring->path);
    if (now.st_ino == ring->read.st_ino && now.st_dev == ring->read.st_dev &&
        now.st_size == ring->read.st_size && now.st_mtim.tv_sec == ring->read.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == ring->read.st_mtim.tv_nsec)
        return true;
    struct ring_keys *keys = sodium_malloc(sizeof *keys);
    if (keys == NULL)
        return error_set(error, ERROR_FULL, "no locked memory for the token keys");
    *changed_r = read_keys(ring->path, keys, &missing, error);
    if (*changed_r) {
        ring->keys = *keys;
        ring->read = now;
    }
    sodium_free(keys);
    return *changed_r;
}

/* The index of the key that signs at `now_s`: the latest that has begun, or the first. */
static size_t signs(const struct ring_keys *keys, uint64_t now_s)
{
    size_t index = 0;
    while (index + 1 < keys->count && keys->from_s[index + 1] <= now_s)
        index++;
    return index;
}

const struct token_signer *token_ring_signer(const struct token_ring *ring, uint64_t now_s)
{
    return &ring->keys.signers[signs(&ring->keys, now_s)];
}

/* The last that is dead by now and all before it are; the index of the first that is not. */
static size_t first_alive(const struct ring_keys *keys, uint64_t now_s, uint64_t life_s)
{
    size_t index = 0;
    /* A token of its last second, made by a clock that was late, and read by one that is. */
    while (index + 1 < keys->count &&
           keys->from_s[index + 1] + life_s + 2 * TOKEN_LEEWAY_S <= now_s)
        index++;
    return index;
}

uint64_t token_ring_generation(const struct token_ring *ring)
{
    return ring->keys.from_s[ring->keys.count - 1];
}

void token_ring_verifier(const struct token_ring *ring, uint64_t now_s, uint64_t life_s,
                         struct token_verifier *verifier_r)
{
    const struct ring_keys *keys = &ring->keys;
    verifier_r->count = 0;
    for (size_t i = first_alive(keys, now_s, life_s); i < keys->count; i++) {
        bool added = token_verifier_add(verifier_r, keys->signers[i].public_key);
        ASSERT(added);
    }
}

/* Adds one key's line to the file's text. */
static void put_line(char *text, const uint8_t seed[SEED_BYTES], uint64_t from_s)
{
    size_t used = strlen(text);
    hex_encode(span_of(seed, SEED_BYTES), text + used);
    snprintf(text + used + (size_t)2 * SEED_BYTES, KEYFILE_BYTES - used - (size_t)2 * SEED_BYTES,
             " %" PRIu64 "\n", from_s);
}

bool token_ring_rotate(const char *path, uint64_t now_s, uint64_t life_s, uint64_t from_s,
                       bool alone, char kid_r[TOKEN_KID_BYTES], struct error *error)
{
    struct token_signer *signer = NULL;
    struct token_ring *ring = token_ring_open(path, now_s, error);
    char *text = ring != NULL ? sodium_malloc(KEYFILE_BYTES) : NULL;
    bool done = false;
    if (text == NULL)
        goto out; /* a ring that could not be opened has said why */
    text[0] = '\0';
    const struct ring_keys *keys = &ring->keys;
    size_t first = alone ? keys->count : first_alive(keys, now_s, life_s);
    if (keys->count - first == TOKEN_KEYS_MAX) {
        error_fill(error, ERROR_FULL, "%d keys are in use already: wait until tokens have died",
                   TOKEN_KEYS_MAX);
        goto out;
    }
    if (!alone && from_s <= keys->from_s[keys->count - 1]) {
        error_fill(error, ERROR_INVALID, "a key that begins later is there already");
        goto out;
    }
    if (from_s <= keys->from_s[keys->count - 1])
        from_s = keys->from_s[keys->count - 1] + 1;
    for (size_t i = first; i < keys->count; i++)
        put_line(text, keys->seeds[i], keys->from_s[i]);
    uint8_t seed[SEED_BYTES];
    randombytes_buf(seed, sizeof seed);
    put_line(text, seed, from_s);
    signer = sodium_malloc(sizeof *signer);
    if (signer != NULL) {
        token_signer_fill(signer, seed);
        memcpy(kid_r, signer->kid, TOKEN_KID_BYTES);
        done = keyfile_replace(path, text, error);
    } else {
        error_fill(error, ERROR_FULL, "no locked memory for the token keys");
    }
    sodium_memzero(seed, sizeof seed);
out:
    if (ring != NULL && text == NULL)
        error_fill(error, ERROR_FULL, "no locked memory for the token keys");
    sodium_free(signer);
    sodium_free(text);
    if (ring != NULL)
        token_ring_close(ring);
    return done;
}
