#include "services/inode-scheduler/places.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = PLACES_MAX };

struct place {
    uint64_t lease_id, sequence, high, low;
    uint64_t noted_ms; /* it was appended by then */
    uint32_t next;     /* in its bucket, place + 1; 0: none */
};

struct places {
    pthread_mutex_t lock;
    struct place ring[PLACES_MAX];
    uint32_t buckets[BUCKETS];
    uint64_t noted;              /* ever */
    uint64_t history;            /* of the steady stretch; 0: there is none */
    uint64_t since_ms, up_to_ms; /* it */
    uint64_t forgotten_ms;       /* what was appended by then may be gone; 0: nothing is */
};

struct places *places_create(void)
{
    struct places *places = calloc(1, sizeof *places);
    if (places != NULL && pthread_mutex_init(&places->lock, NULL) != 0) {
        free(places);
        return NULL;
    }
    return places;
}

void places_destroy(struct places *places)
{
    if (places == NULL)
        return;
    pthread_mutex_destroy(&places->lock);
    free(places);
}

static uint32_t *bucket_of(struct places *places, uint64_t lease_id, uint64_t sequence)
{
    uint64_t mixed = (lease_id * UINT64_C(0x9e3779b97f4a7c15)) ^ sequence;
    return &places->buckets[(mixed ^ mixed >> 32) % BUCKETS];
}

static void forget(struct places *places, uint32_t at)
{
    struct place *place = &places->ring[at];
    uint32_t *link = bucket_of(places, place->lease_id, place->sequence);
    while (*link != at + 1)
        link = &places->ring[*link - 1].next;
    *link = place->next;
    if (place->noted_ms > places->forgotten_ms)
        places->forgotten_ms = place->noted_ms;
}

void places_note(struct places *places, uint64_t lease_id, uint64_t sequence,
                 struct window_position first, uint64_t unix_ms)
{
    pthread_mutex_lock(&places->lock);
    uint32_t at = (uint32_t)(places->noted % PLACES_MAX);
    if (places->noted++ >= PLACES_MAX)
        forget(places, at);
    uint32_t *bucket = bucket_of(places, lease_id, sequence);
    places->ring[at] =
        (struct place){ lease_id, sequence, first.high, first.low, unix_ms, *bucket };
    *bucket = at + 1;
    pthread_mutex_unlock(&places->lock);
}

void places_read_up_to(struct places *places, uint64_t unix_ms, uint64_t history)
{
    pthread_mutex_lock(&places->lock);
    if (history == 0 || history != places->history)
        places->since_ms = unix_ms;
    places->history = history;
    places->up_to_ms = unix_ms;
    pthread_mutex_unlock(&places->lock);
}

uint64_t places_steady_since_ms(struct places *places)
{
    pthread_mutex_lock(&places->lock);
    uint64_t since_ms = places->history != 0 ? places->since_ms : 0;
    pthread_mutex_unlock(&places->lock);
    return since_ms;
}

/* The place of that batch in the ring; NULL where it is not noted. */
static const struct place *find(struct places *places, uint64_t lease_id, uint64_t sequence)
{
    uint32_t at = *bucket_of(places, lease_id, sequence);
    while (at != 0 &&
           (places->ring[at - 1].lease_id != lease_id || places->ring[at - 1].sequence != sequence))
        at = places->ring[at - 1].next;
    return at != 0 ? &places->ring[at - 1] : NULL;
}

struct places_found places_find(struct places *places, uint64_t lease_id, uint64_t sequence,
                                uint64_t from_ms, uint64_t to_ms)
{
    struct places_found found = { .outcome = PLACES_UNKNOWN };
    pthread_mutex_lock(&places->lock);
    const struct place *place = find(places, lease_id, sequence);
    found.steady = places->history != 0 && from_ms > places->since_ms;
    if (place != NULL) {
        found.position = (struct window_position){ place->high, place->low, 0 };
        found.outcome = PLACES_FOUND;
    } else if (found.steady && from_ms > places->forgotten_ms && places->up_to_ms > to_ms) {
        found.outcome = PLACES_NONE;
    }
    pthread_mutex_unlock(&places->lock);
    return found;
}
