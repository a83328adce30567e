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
