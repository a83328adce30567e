/* Live push: GET /api/v1/live, a stream of the pool's news (news.h) as server-sent events. What
 * happened is told once for everybody, at most a few events a second; who asks for an account is
 * told of it besides. Every number in an event is the one the API says: the same functions make
 * both.
 *
 *     jobs, chain ─▶ job             the loop, as they happen
 *     series      ─▶ shares          every second, while anybody watches
 *     heartbeats  ─▶ status          when it is another than a second before
 *     store       ─▶ block, payment  every second or two, read on the readers' worker
 *     series      ─▶ account, …      every five seconds, of accounts that are watched
 *
 * Nothing here is durable: a client that comes back is told what it missed as far as the ring
 * reaches (http.h), and else that it must ask the API anew. On the loop. */
#pragma once
#include "adapter/http_kore/http.h"

struct live;
struct scheduler;

/* Before http_serve; the caller's, destroyed after scheduler_close. The scheduler then tells it of
 * jobs (scheduler->live). */
MUST_CHECK struct live *live_create(struct scheduler *scheduler, struct service *service);
void live_destroy(struct live *live);

/* GET /api/v1/live?account=NAME&kinds=LIST&since=ID; the context is the scheduler. */
void live_open(void *context, struct http_exchange *exchange);
