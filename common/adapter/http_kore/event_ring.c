#include "adapter/http_kore/event_ring.h"

#include <stdlib.h>

void event_ring_init(struct event_ring *ring, uint64_t room, size_t bytes_max)
{
    ASSERT(room > 0 && (room & (room - 1)) == 0);
    *ring = (struct event_ring){ .room = room, .oldest = 1, .next = 1, .bytes_max = bytes_max };
    ring->events = calloc(room, sizeof(struct stream_event *));
    ASSERT(ring->events != NULL);
}

static struct stream_event **place_of(const struct event_ring *ring, uint64_t number)
{
    return &ring->events[number & (ring->room - 1)];
}

static void drop_oldest(struct event_ring *ring)
{
    struct stream_event **place = place_of(ring, ring->oldest++);
    ring->bytes -= (*place)->length;
    free(*place);
    *place = NULL;
}

void event_ring_clear(struct event_ring *ring, uint64_t next)
{
    while (ring->oldest != ring->next)
        drop_oldest(ring);
    ring->oldest = ring->next = next;
}

void event_ring_deinit(struct event_ring *ring)
{
    if (ring->events == NULL)
        return;
    event_ring_clear(ring, ring->next);
    free(ring->events);
    ring->events = NULL;
}

void event_ring_add(struct event_ring *ring, struct stream_event *event)
{
    ASSERT(event->number == ring->next);
    while (ring->oldest != ring->next && (ring->next - ring->oldest == ring->room ||
                                          ring->bytes + event->length > ring->bytes_max))
        drop_oldest(ring);
    *place_of(ring, ring->next++) = event;
    ring->bytes += event->length;
}

bool event_reader_is_lost(const struct event_ring *ring, const struct event_reader *reader)
{
    return reader->next < ring->oldest;
}

static bool is_for(const struct event_reader *reader, const struct stream_event *event)
{
    return (event->kind & reader->kinds) != 0 &&
           (event->topic == 0 || event->topic == reader->topic);
}

size_t event_reader_look(const struct event_ring *ring, struct event_reader *reader,
                         struct iovec *pieces_r, size_t max)
{
    size_t count = 0;
    ASSERT(!event_reader_is_lost(ring, reader));
    for (uint64_t number = reader->next; number < ring->next && count < max; number++) {
        struct stream_event *event = *place_of(ring, number);
        size_t sent = number == reader->next ? reader->sent : 0;
        if (sent == 0 && !is_for(reader, event)) {
            if (count == 0)
                reader->next = number + 1;
            continue;
        }
        pieces_r[count++] =
            (struct iovec){ .iov_base = event->bytes + sent, .iov_len = event->length - sent };
    }
    return count;
}

void event_reader_advance(const struct event_ring *ring, struct event_reader *reader, size_t bytes)
{
    while (bytes > 0) {
        const struct stream_event *event = *place_of(ring, reader->next);
        if (reader->sent == 0 && !is_for(reader, event)) {
            reader->next++;
            continue;
        }
        size_t rest = event->length - reader->sent;
        if (bytes < rest) {
            reader->sent += bytes;
            return;
        }
        bytes -= rest;
        reader->sent = 0;
        reader->next++;
    }
}
