/* A node in a few lines, over HTTP on a port of its own: answers each request with what the test
 * has put down. Its thread ends with scripted_node_close. */
#pragma once
#include "adapter/node_rpc/node_rpc.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SCRIPTED_BODY_BYTES = 4096 };

enum scripted_manner {
    SCRIPTED_ANSWERS,  /* status and body; "$id" in the body becomes the request's id */
    SCRIPTED_HANGS_UP, /* reads the request and closes */
    SCRIPTED_IS_SILENT,
};

struct scripted_node {
    int listener;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic int manner;
    _Atomic unsigned requests;
    pthread_mutex_t lock; /* over the rest */
    const char *status;   /* borrowed, like the body */
    const char *body;
    size_t promised; /* Content-Length, where it is not the body's */
    char seen[4096]; /* the last request */
    char url[96];
};

/* `login`: "" or user:password@. */
void scripted_node_open(struct scripted_node *node, const char *login);
void scripted_node_close(struct scripted_node *node);
void scripted_node_put(struct scripted_node *node, const char *status, const char *body);
/* Whether the last request has this in it. */
bool scripted_node_has_seen(struct scripted_node *node, const char *text);
/* A node of this coin behind the URL; fails the test where there is none. */
struct node *scripted_node_connect(const char *url, const char *coin, unsigned call_timeout_ms);
