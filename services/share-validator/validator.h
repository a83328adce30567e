/* The share-validator's own state: what main.c opens, and what it does with messages. Everything on
 * the loop's thread. */
#pragma once
#include "port/bus.h"
#include "port/node.h"
#include "port/window.h"
#include "service/service.h"
#include "services/share-validator/batches.h"
#include "services/share-validator/rechecks.h"

struct validator {
    struct service *service;
    struct window_writer *window;         /* taken: closed by validator_stop */
    struct node *nodes[BLOCKS_NODES_MAX]; /* borrowed: the threads that use them end in stop */
    size_t node_count;
    bool window_ready;
    char window_text[512]; /* why it is not, or what is odd about it */
    char window_slow[512]; /* what does not answer though it is connected; "": it does */
    bool window_refuses;
    bool linked; /* to the scheduler */
    struct job_table *jobs;
    struct template_table *templates;
    struct keep *keep;
    struct feed *feed;
    struct outbox *outbox;
    struct blocks *blocks;
    struct validator_identity *identity;
    struct rechecks *rechecks; /* NULL: not yet */
    struct receipts *receipts; /* NULL: nothing is signed for */
    struct batches *batches;
    struct bus_server *server;
};

/* Begins to listen to the scheduler, submits what the spool holds, and serves gateways: also while
 * the window is away, because a share may be a block. False with *code_r and *error. */
MUST_CHECK bool validator_start(struct validator *validator, enum service_exit *code_r,
                                struct error *error);
/* The window's word about itself (window_redis_options.on_state). */
void validator_window_state(void *context, bool ready, const char *text);
/* Likewise (window_redis_options.on_slow). */
void validator_window_slow(void *context, const char *text);
/* For service_wait_for: whether appends can succeed. */
MUST_CHECK bool validator_window_reached(void *context, struct error *error);
/* Says that it is ready, and what it still misses: the scheduler is waited for without end. */
void validator_ready(struct validator *validator);
/* Finishes what is in flight, for a bounded time, then lets go of everything. Also after a start
 * that failed, or none. */
void validator_stop(struct validator *validator);
