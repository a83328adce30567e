#include "services/inode-scheduler/places.h"

#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = PLACES_MAX };

struct place {
    uint64_t lease_id, sequence, high, low;
    uint64_t read_ms; /* the newest time that everything was noted up to, when this was */
    uint32_t next;    /* in its bucket, place + 1; 0: none */
};

struct places {
    pthread_mutex_t lock;
    struct place ring[PLACES_MAX];
    uint32_t buckets[BUCKETS];
    uint64_t noted;              /* ever */
    uint64_t began_ms, up_to_ms; /* 0: never read */
    uint64_t forgotten_ms;       /* what was noted then may be gone; 0: nothing is */
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
    places->forgotten_ms = place->read_ms;
}

void places_note(struct places *places, uint64_t lease_id, uint64_t sequence,
                 struct window_position first)
{
    pthread_mutex_lock(&places->lock);
    uint32_t at = (uint32_t)(places->noted % PLACES_MAX);
    if (places->noted++ >= PLACES_MAX)
        forget(places, at);
    uint32_t *bucket = bucket_of(places, lease_id, sequence);
    places->ring[at] =
        (struct place){ lease_id, sequence, first.high, first.low, places->up_to_ms, *bucket };
    *bucket = at + 1;
    pthread_mutex_unlock(&places->lock);
}

void places_read_up_to(struct places *places, uint64_t unix_ms)
{
    pthread_mutex_lock(&places->lock);
    if (places->began_ms == 0)
        places->began_ms = unix_ms;
    places->up_to_ms = unix_ms;
    pthread_mutex_unlock(&places->lock);
}

enum places_outcome places_find(struct places *places, uint64_t lease_id, uint64_t sequence,
                                uint64_t from_ms, uint64_t to_ms,
                                struct window_position *position_r)
{
    enum places_outcome outcome = PLACES_NONE;
    pthread_mutex_lock(&places->lock);
    uint32_t at = *bucket_of(places, lease_id, sequence);
    while (at != 0 &&
           (places->ring[at - 1].lease_id != lease_id || places->ring[at - 1].sequence != sequence))
        at = places->ring[at - 1].next;
    if (at != 0) {
        *position_r =
            (struct window_position){ places->ring[at - 1].high, places->ring[at - 1].low, 0 };
        outcome = PLACES_FOUND;
    } else if (places->began_ms == 0 || from_ms <= places->began_ms ||
               from_ms <= places->forgotten_ms || places->up_to_ms <= to_ms) {
        outcome = PLACES_UNKNOWN;
    }
    pthread_mutex_unlock(&places->lock);
    return outcome;
}
