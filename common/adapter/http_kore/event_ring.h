/* The last events of a site, each kept once however many watch, and how far each watcher has read.
 * A watcher is a number and an offset: it costs nothing to keep, and one that falls behind the
 * oldest event has lost its place for good. Pure: bytes and numbers; no sockets, no clock.
 *
 *     oldest                          newest
 *       [41][42][43][44][45][46][47][48]        bounded by count and by bytes
 *            ^ a watcher, 17 bytes of 42 sent    ^ another, even
 *
 * Memory: the ring owns its events; who adds one gives it away. One thread at a time. */
#pragma once
#include "base/bytes.h"

#include <sys/uio.h>

struct stream_event {
    struct stream_event *next; /* on the way to the ring */
    uint64_t number;           /* 1, 2, 3, … without gaps */
    uint64_t topic;            /* 0: for everybody */
    uint32_t kind;             /* one bit */
    uint64_t made_ns;
    size_t length;
    uint8_t bytes[]; /* as it is sent */
};

struct event_ring {
    struct stream_event **events; /* number modulo room */
    uint64_t room;                /* a power of two */
    uint64_t oldest, next;        /* numbers; equal: empty */
    size_t bytes, bytes_max;
};

/* `room` is a power of two. The first event is number 1. */
void event_ring_init(struct event_ring *ring, uint64_t room, size_t bytes_max);
void event_ring_deinit(struct event_ring *ring);
/* Takes the event, which must be the next; the oldest go, until count and bytes are within their
 * bounds. One that is longer than all bounds stays alone. */
void event_ring_add(struct event_ring *ring, struct stream_event *event);
/* Forgets all; the next event is this number. */
void event_ring_clear(struct event_ring *ring, uint64_t next);

struct event_reader {
    uint64_t next;  /* number of the event to be sent, or being sent */
    size_t sent;    /* bytes of it */
    uint64_t topic; /* whose events it gets beside everybody's; 0: nobody's */
    uint32_t kinds; /* bits */
};

/* Whether its place is gone: events it never saw, or the rest of one, are not there any more. */
bool event_reader_is_lost(const struct event_ring *ring, const struct event_reader *reader);
/* What is to be sent to it next, as at most `max` pieces; passes over what is not for it. Returns
 * their number, 0 where it is even. It is not lost. The pieces are borrowed until the ring changes.
 */
MUST_CHECK size_t event_reader_look(const struct event_ring *ring, struct event_reader *reader,
                                    struct iovec *pieces_r, size_t max);
/* So many bytes of those pieces were sent. */
void event_reader_advance(const struct event_ring *ring, struct event_reader *reader, size_t bytes);
