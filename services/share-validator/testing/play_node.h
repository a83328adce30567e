/* A node that takes blocks as it is told, for tests: only node_submit may be called. Scripted on
 * one thread, used on another. */
#pragma once
#include "port/node.h"

#include <pthread.h>

enum { PLAY_NODE_BLOCKS_MAX = 64 };

struct play_node {
    struct node node; /* first: what the validator is given */
    const char *name;
    pthread_mutex_t mutex;
    enum node_submit answer;
    unsigned submissions;
    struct span blocks[PLAY_NODE_BLOCKS_MAX]; /* the first ones; owned */
};

void play_node_begin(struct play_node *node, const char *name);
void play_node_end(struct play_node *node);
void play_node_answer(struct play_node *node, enum node_submit answer);
unsigned play_node_submissions(struct play_node *node);
/* Whether it was given exactly these bytes. */
bool play_node_has(struct play_node *node, struct span block);
