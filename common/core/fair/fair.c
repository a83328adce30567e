#include "core/fair/fair.h"

/* Flows with items stand in two rings: of turns, and of flows with as many items. */
struct ring {
    struct ring *next, *previous;
};

struct fair_flow {
    uint64_t key;
    struct fair_item *first, *last;
    size_t count;
    uint32_t deficit; /* what it may still cost in this turn */
    struct ring turn;
    struct ring alike;
    struct fair_flow *next; /* in its bucket, or free */
};

struct fair {
    size_t items_max, flow_items_max, bucket_count;
    size_t count;
    size_t longest;    /* items of the longest line */
    struct ring turns; /* whose turn it is comes first */
    struct fair_flow *free;
    struct fair_flow *flows;    /* items_max */
    struct fair_flow **buckets; /* bucket_count, a power of two */
    struct ring *by_count;      /* flow_items_max + 1; [0] unused */
};

static size_t buckets_for(size_t items_max)
{
    size_t count = 1;
    while (count < items_max)
        count *= 2;
    return count;
}

size_t fair_bytes(size_t items_max, size_t flow_items_max)
{
    return sizeof(struct fair) + items_max * sizeof(struct fair_flow) +
           (flow_items_max + 1) * sizeof(struct ring) +
           buckets_for(items_max) * sizeof(struct fair_flow *);
}

static void ring_init(struct ring *ring)
{
    ring->next = ring->previous = ring;
}

static void ring_insert(struct ring *before, struct ring *ring)
{
    ring->next = before;
    ring->previous = before->previous;
    before->previous->next = ring;
    before->previous = ring;
}

static void ring_remove(struct ring *ring)
{
    ring->previous->next = ring->next;
    ring->next->previous = ring->previous;
}

static struct fair_flow *flow_of_turn(struct ring *ring)
{
    return (struct fair_flow *)(void *)((char *)ring - offsetof(struct fair_flow, turn));
}

static struct fair_flow *flow_of_alike(struct ring *ring)
{
    return (struct fair_flow *)(void *)((char *)ring - offsetof(struct fair_flow, alike));
}

struct fair *fair_init(void *memory, size_t items_max, size_t flow_items_max)
{
    ASSERT(items_max >= 1 && flow_items_max >= 1);
    struct fair *fair = memory;
    *fair = (struct fair){ .items_max = items_max,
                           .flow_items_max = flow_items_max,
                           .bucket_count = buckets_for(items_max) };
    fair->flows = (struct fair_flow *)(void *)(fair + 1);
    fair->by_count = (struct ring *)(void *)(fair->flows + items_max);
    fair->buckets = (struct fair_flow **)(void *)(fair->by_count + flow_items_max + 1);
    ring_init(&fair->turns);
    for (size_t i = 0; i <= flow_items_max; i++)
        ring_init(&fair->by_count[i]);
    for (size_t i = 0; i < fair->bucket_count; i++)
        fair->buckets[i] = NULL;
    for (size_t i = items_max; i > 0; i--) {
        fair->flows[i - 1].next = fair->free;
        fair->free = &fair->flows[i - 1];
    }
    return fair;
}

static struct fair_flow **bucket_of(struct fair *fair, uint64_t key)
{
    uint64_t mixed = key * 0x9e3779b97f4a7c15u;
    return &fair->buckets[(mixed ^ mixed >> 32) & (fair->bucket_count - 1)];
}

static struct fair_flow *find(struct fair *fair, uint64_t key)
{
    struct fair_flow *flow = *bucket_of(fair, key);
    while (flow != NULL && flow->key != key)
        flow = flow->next;
    return flow;
}

/* A line that begins gets its turn behind all who wait already. There is room: a flow has at least
 * one of the items. */
static struct fair_flow *begin(struct fair *fair, uint64_t key)
{
    struct fair_flow *flow = fair->free, **bucket = bucket_of(fair, key);
    ASSERT(flow != NULL);
    fair->free = flow->next;
    *flow = (struct fair_flow){ .key = key, .next = *bucket };
    *bucket = flow;
    ring_insert(&fair->turns, &flow->turn);
    ring_init(&flow->alike);
    return flow;
}

static void end(struct fair *fair, struct fair_flow *flow)
{
    struct fair_flow **at = bucket_of(fair, flow->key);
    while (*at != flow)
        at = &(*at)->next;
    *at = flow->next;
    ring_remove(&flow->turn);
    flow->next = fair->free;
    fair->free = flow;
}

static void set_count(struct fair *fair, struct fair_flow *flow, size_t count)
{
    ring_remove(&flow->alike);
    ring_init(&flow->alike);
    flow->count = count;
    if (count > 0)
        ring_insert(&fair->by_count[count], &flow->alike);
    if (count > fair->longest)
        fair->longest = count;
    while (fair->longest > 0 &&
           fair->by_count[fair->longest].next == &fair->by_count[fair->longest])
        fair->longest--;
    if (count == 0)
        end(fair, flow);
}

static void append(struct fair *fair, struct fair_flow *flow, struct fair_item *item)
{
    item->flow = flow;
    item->next = NULL;
    item->previous = flow->last;
    if (flow->last != NULL)
        flow->last->next = item;
    else
        flow->first = item;
    flow->last = item;
    fair->count++;
    set_count(fair, flow, flow->count + 1);
}

static void detach(struct fair *fair, struct fair_item *item)
{
    struct fair_flow *flow = item->flow;
    if (item->previous != NULL)
        item->previous->next = item->next;
    else
        flow->first = item->next;
    if (item->next != NULL)
        item->next->previous = item->previous;
    else
        flow->last = item->previous;
    fair->count--;
    set_count(fair, flow, flow->count - 1);
}

enum fair_outcome fair_put(struct fair *fair, uint64_t key, uint32_t cost, struct fair_item *item,
                           struct fair_item **replaced_r)
{
    ASSERT(cost >= 1 && cost <= FAIR_COST_MAX);
    struct fair_flow *flow = find(fair, key);
    const size_t waiting = flow != NULL ? flow->count : 0;
    enum fair_outcome outcome = FAIR_TAKEN;
    if (waiting == fair->flow_items_max)
        return FAIR_REFUSED;
    if (fair->count == fair->items_max) {
        if (waiting + 1 >= fair->longest)
            return FAIR_REFUSED;
        *replaced_r = flow_of_alike(fair->by_count[fair->longest].next)->last;
        detach(fair, *replaced_r);
        outcome = FAIR_REPLACED;
    }
    if (flow == NULL)
        flow = begin(fair, key);
    item->cost = cost;
    append(fair, flow, item);
    return outcome;
}

struct fair_item *fair_next(struct fair *fair)
{
    if (fair->count == 0)
        return NULL;
    for (;;) {
        struct fair_flow *flow = flow_of_turn(fair->turns.next);
        if (flow->deficit >= flow->first->cost)
            return flow->first;
        /* Its turn is over, and the next one begins with what it has not used. */
        flow->deficit++;
        ring_remove(&flow->turn);
        ring_insert(&fair->turns, &flow->turn);
    }
}

struct fair_item *fair_take(struct fair *fair)
{
    struct fair_item *item = fair_next(fair);
    if (item == NULL)
        return NULL;
    item->flow->deficit -= item->cost;
    detach(fair, item);
    return item;
}

size_t fair_count(const struct fair *fair)
{
    return fair->count;
}

bool fair_verify(const struct fair *fair)
{
    size_t items = 0, flows = 0, longest = 0;
    for (const struct ring *ring = fair->turns.next; ring != &fair->turns; ring = ring->next) {
        const struct fair_flow *flow = flow_of_turn((struct ring *)(uintptr_t)ring);
        size_t count = 0;
        for (const struct fair_item *item = flow->first; item != NULL; item = item->next, count++)
            if (item->flow != flow || (item->next == NULL && flow->last != item))
                return false;
        if (count != flow->count || count == 0 || count > fair->flow_items_max ||
            flow->deficit > FAIR_COST_MAX || ++flows > fair->items_max)
            return false;
        items += count;
        longest = count > longest ? count : longest;
    }
    for (const struct fair_flow *flow = fair->free; flow != NULL; flow = flow->next)
        flows++;
    return items == fair->count && items <= fair->items_max && longest == fair->longest &&
           flows == fair->items_max;
}
