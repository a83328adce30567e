#include "services/inode-scheduler/nonces.h"

#include "services/inode-scheduler/member_list.h"

#include <stdio.h>
#include <stdlib.h>

struct heard {
    uint64_t ts_ms;
    char nonce[INODE_NONCE_MAX + 1];
};

struct speaker {
    char id[MEMBER_ID_BYTES];
    uint64_t floor_ms;
    struct heard heard[NONCES_MAX];
    size_t count;
};

struct nonces {
    struct speaker **speakers; /* by id */
    size_t count, room;
};

struct nonces *nonces_create(void)
{
    struct nonces *nonces = calloc(1, sizeof *nonces);
    ASSERT(nonces != NULL);
    return nonces;
}

void nonces_destroy(struct nonces *nonces)
{
    if (nonces == NULL)
        return;
    for (size_t i = 0; i < nonces->count; i++)
        free(nonces->speakers[i]);
    free(nonces->speakers);
    free(nonces);
}

/* Where it is, or belongs. */
static size_t place_of(const struct nonces *nonces, const char *id)
{
    size_t low = 0, high = nonces->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(nonces->speakers[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* NULL where more have spoken than can be registered. */
static struct speaker *speaker_of(struct nonces *nonces, const char *id, uint64_t said_ms)
{
    size_t place = place_of(nonces, id);
    if (place < nonces->count && strcmp(nonces->speakers[place]->id, id) == 0)
        return nonces->speakers[place];
    if (nonces->count >= 2 * MEMBER_LIST_MAX)
        return NULL;
    if (nonces->count == nonces->room) {
        nonces->room = nonces->room == 0 ? 64 : 2 * nonces->room;
        nonces->speakers = realloc(nonces->speakers, nonces->room * sizeof(struct speaker *));
        ASSERT(nonces->speakers != NULL);
    }
    struct speaker *speaker = calloc(1, sizeof *speaker);
    ASSERT(speaker != NULL);
    snprintf(speaker->id, sizeof speaker->id, "%s", id);
    speaker->floor_ms = said_ms;
    memmove(nonces->speakers + place + 1, nonces->speakers + place,
            (nonces->count - place) * sizeof(struct speaker *));
    nonces->speakers[place] = speaker;
    nonces->count++;
    return speaker;
}

/* A copy of what is older than this is stale by itself. */
static void forget_old(struct speaker *speaker, uint64_t now_ms, uint64_t skew_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < speaker->count; i++)
        if (speaker->heard[i].ts_ms + skew_ms >= now_ms)
            speaker->heard[kept++] = speaker->heard[i];
    speaker->count = kept;
}

enum inode_refusal nonces_take(struct nonces *nonces, const char *validator, uint64_t said_ms,
                               const char *nonce, uint64_t ts_ms, uint64_t now_ms, uint64_t skew_ms)
{
    /* ts_ms is at most INT64_MAX: the sums do not wrap. */
    if (ts_ms + skew_ms < now_ms || ts_ms > now_ms + skew_ms)
        return INODE_STALE;
    struct speaker *speaker = speaker_of(nonces, validator, said_ms);
    if (speaker == NULL)
        return INODE_TOO_MANY;
    if (ts_ms <= speaker->floor_ms)
        return INODE_STALE;
    forget_old(speaker, now_ms, skew_ms);
    for (size_t i = 0; i < speaker->count; i++)
        if (strcmp(speaker->heard[i].nonce, nonce) == 0)
            return INODE_REPLAYED;
    if (speaker->count == NONCES_MAX)
        return INODE_TOO_MANY;
    struct heard *heard = &speaker->heard[speaker->count++];
    heard->ts_ms = ts_ms;
    snprintf(heard->nonce, sizeof heard->nonce, "%s", nonce);
    return INODE_TAKEN;
}
