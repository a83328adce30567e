/* What a connection must show before it is used: that the server keeps what it acknowledges, and
 * that the window's functions are there and may be run. Between link.c and greeting.c alone. */
#pragma once
#include "adapter/window_redis/link.h"

enum { LINK_PATIENCE_MS = 5000 };

/* Sends the questions. Ends in link_greeted, or in link_break; answers that do not come are the
 * link's timer's. */
void link_greet(struct link *link);
/* Everything was as it must be; link->warning says what is odd all the same. */
void link_greeted(struct link *link);

/* watch.c: what the server says of itself, from the answer to link_ask_info. False where it says
 * nothing. */
MUST_CHECK bool link_take_info(struct link *link, const redisReply *answer);
/* Asks for it; `handler` as for any command of hiredis. False for want of memory. */
MUST_CHECK bool link_ask_info(struct link *link, redisCallbackFn *handler);
/* Asks while the link is ready, where the last answer is a second old. */
void link_watch(struct link *link, uint64_t now_ms);
