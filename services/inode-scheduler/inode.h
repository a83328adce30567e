/* WebSocket at /inode: outside validators. Each message is parsed here and proved by the registry;
 * the answer is one text. A connection is its validator's from the first message that is proved on;
 * one that proves nothing for INODE_SILENT_MS is closed, as is one that says too much.
 *
 * Bounds: max_concurrent.validators connections, scheduler.inode_address_max of an address,
 * INODE_MESSAGE_MAX bytes a message. On the loop's thread. */
#pragma once
#include "adapter/http_kore/http.h"
#include "services/inode-scheduler/scheduler.h"

enum {
    INODE_SILENT_MS = 30000,
    INODE_PACE_MS = 500, /* a message each, and INODE_BURST at once */
    INODE_BURST = 20,
};

struct inode;

/* The scheduler is borrowed, and knows of it from now on (scheduler->inode). */
struct inode *inode_create(struct scheduler *scheduler);
/* Says goodbye to all. After scheduler_close; before the service's HTTP ends. */
void inode_destroy(struct inode *inode);

/* The route's handler. */
void inode_open(void *context, struct http_exchange *exchange);

/* Sends a text to a connection of this validator. False where it has none. */
bool inode_send(struct inode *inode, const char *validator, struct span text);
