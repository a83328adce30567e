/* Reports to the scheduler that must arrive: each is sent again until it is acknowledged, for as
 * long as the process lives. Bounded. On the loop's thread. */
#pragma once
#include "services/share-validator/feed.h"

struct outbox;

/* `accepted`: whether the scheduler said yes; a no is final, too. */
typedef void (*outbox_handler)(void *context, bool accepted);

MUST_CHECK struct outbox *outbox_create(struct loop *loop, struct feed *feed, size_t letters_max);
/* Drops what is not acknowledged, without a callback. Before the feed is destroyed. */
void outbox_destroy(struct outbox *outbox);

/* Copies the message. The handler (may be NULL) is called once, never before this returns. False
 * when letters_max are under way. */
MUST_CHECK bool outbox_send(struct outbox *outbox, const char *what, struct span message,
                            outbox_handler handler, void *context);
/* The connection came up: what waited is sent now. */
void outbox_link_up(struct outbox *outbox);
size_t outbox_waiting(const struct outbox *outbox);
