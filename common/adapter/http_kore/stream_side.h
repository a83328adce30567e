/* Kore's side of event streams, between kore_side.c and stream_side.c; needs Kore's headers first.
 */
#pragma once
#include "adapter/http_kore/stream.h"

struct http_request;

void stream_side_begin(void);
/* The answer's head stands in the connection's queue; from here on it is a stream. */
void stream_side_open(struct http_request *request, struct http_stream *stream);
/* The client left before its stream was open. */
void stream_side_never(struct http_stream *stream);
/* Takes what was published, oldest first, and serves it. `lost`: more was published before than
 * could wait; everybody's place is gone. */
void stream_side_take(struct stream_event *events, bool lost);
/* From time to time: heartbeats, and who has stalled. */
void stream_side_tick(void);
/* The service's thread is gone: frees all that live. */
void stream_side_end(void);
