#include "services/stratum-gateway/batches.h"

#include <stdlib.h>

enum { SPARE_MAX = 64 };

void batch_queue_push(struct batch_queue *queue, struct batch *batch)
{
    batch->next = NULL;
    if (queue->tail != NULL)
        queue->tail->next = batch;
    else
        queue->head = batch;
    queue->tail = batch;
}

struct batch *batch_queue_pop(struct batch_queue *queue)
{
    struct batch *batch = queue->head;
    queue->head = batch->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    return batch;
}

void batch_queue_remove(struct batch_queue *queue, struct batch *batch)
{
    struct batch *before = NULL;
    for (struct batch *at = queue->head; at != batch; at = at->next)
        before = at;
    if (before != NULL)
        before->next = batch->next;
    else
        queue->head = batch->next;
    if (queue->tail == batch)
        queue->tail = before;
}

struct batch *batches_new(struct batches *batches)
{
    struct batch *batch = batches->spare;
    if (batch != NULL) {
        batches->spare = batch->next;
        batches->spare_count--;
    } else {
        batch = malloc(sizeof *batch);
        if (batch == NULL)
            return NULL;
    }
    /* Only the head: the arrays are written as they fill. */
    memset(batch, 0, offsetof(struct batch, shares));
    return batch;
}

void batches_free(struct batches *batches, struct batch *batch)
{
    if (batches->spare_count == SPARE_MAX) {
        free(batch);
        return;
    }
    batch->next = batches->spare;
    batches->spare = batch;
    batches->spare_count++;
}

void batches_deinit(struct batches *batches)
{
    while (batches->spare != NULL) {
        struct batch *batch = batches->spare;
        batches->spare = batch->next;
        free(batch);
    }
}

void batches_enter(struct batches *batches, struct batch *batch, uint64_t lease_id,
                   uint64_t sequence)
{
    batch->lease_id = lease_id;
    batch->sequence = sequence;
    batch->older = batches->newest;
    if (batches->newest != NULL)
        batches->newest->newer = batch;
    else
        batches->oldest = batch;
    batches->newest = batch;
}

void batches_leave(struct batches *batches, struct batch *batch)
{
    if (batch->sequence == 0)
        return;
    if (batch->older != NULL)
        batch->older->newer = batch->newer;
    else
        batches->oldest = batch->newer;
    if (batch->newer != NULL)
        batch->newer->older = batch->older;
    else
        batches->newest = batch->older;
}

/* Batches of an older lease stand before those of the present one. */
uint64_t batches_lowest(const struct batches *batches, const struct batch *batch)
{
    const struct batch *at = batches->oldest;
    while (at->lease_id != batch->lease_id)
        at = at->newer;
    return at->sequence;
}

unsigned batch_flights(const struct batch *batch)
{
    unsigned count = 0;
    for (unsigned i = 0; i < BATCH_FLIGHTS_MAX; i++)
        count += batch->flights[i] != NULL;
    return count;
}

bool batch_is_at(const struct batch *batch, const struct validator *validator)
{
    for (unsigned i = 0; i < BATCH_FLIGHTS_MAX; i++)
        if (batch->flights[i] != NULL && batch->flights[i]->at == validator)
            return true;
    return false;
}

uint64_t batch_holders(const struct batch *batch)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < BATCH_FLIGHTS_MAX; i++)
        if (batch->flights[i] != NULL)
            bits |= batch->flights[i]->at->bit;
    return bits;
}

void batch_take_off(struct batch *batch, struct flight *flight)
{
    unsigned place = 0;
    while (batch->flights[place] != NULL)
        ASSERT(++place < BATCH_FLIGHTS_MAX);
    batch->flights[place] = flight;
}

void batch_land(struct batch *batch, struct flight *flight)
{
    for (unsigned i = 0; i < BATCH_FLIGHTS_MAX; i++)
        if (batch->flights[i] == flight)
            batch->flights[i] = NULL;
    flight->batch = NULL;
}
