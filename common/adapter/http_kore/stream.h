/* An event stream on the way between Kore's thread and the service's loop. Inside http_kore only;
 * includes nothing of Kore's, so that both sides can see it.
 *
 * Life: made on the loop when a request is accepted, which goes back to Kore's thread as an answer
 * with a stream; from then on it is Kore's, which reads it on in the ring of events at its client's
 * pace. When its connection is gone it comes back as a last note, and is freed on the loop.
 * Events go the other way, once each, however many streams there are. */
#pragma once
#include "adapter/http_kore/event_ring.h"
#include "adapter/http_kore/exchange.h"

enum {
    STREAM_EVENTS_ROOM = 8192, /* of the ring */
    STREAM_EVENTS_BYTES_MAX = 4 << 20,
    STREAM_EVENTS_WAITING_MAX = 4096, /* that Kore's thread has not taken yet */
    STREAM_RETRY_MS = 3000,           /* when a client that lost its stream may come back */
    STREAM_HEARTBEAT_MS = 15000,      /* of silence, until a comment is sent */
    STREAM_STALLED_MS = 30000,        /* without taking a byte of what waits for it */
    STREAM_SEND_BYTES = 32768,        /* the kernel's share of a stream; it doubles this */
    STREAM_HEARD_MAX = 4096,          /* bytes that a client may say into a stream */
    STREAM_ID_BYTES = 40,             /* "<16 hex digits>-<number>" and a NUL */
};

struct http_stream {
    struct http_site *site;
    void (*on_closed)(void *context, bool slow);
    void *context;
    struct loop_task task; /* the last note */
    bool slow;             /* why it ended: its client did not keep up */

    /* Kore's */
    void *connection;
    struct event_reader reader;
    uint8_t *greeting;  /* owned; NULL once it was sent */
    const uint8_t *own; /* what is sent before the next event: of the greeting, or a heartbeat */
    size_t own_length;
    uint64_t sent_ms, blocked_ms; /* blocked_ms 0: its client took all there was */
    size_t heard;
    struct http_stream *other, **place; /* Kore's list of all that are open */
};

/* The last note: tells whose it is, and frees it. */
void stream_closed_run(struct loop_task *task);
void stream_free(struct http_stream *stream);
