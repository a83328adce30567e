#include "services/share-validator/testing/play_node.h"

#include <stdio.h>
#include <stdlib.h>

static const char *name_of(const struct node *node)
{
    return ((const struct play_node *)node)->name;
}

static enum node_submit submit(struct node *base, struct span block, char *answer_r,
                               size_t answer_bytes)
{
    struct play_node *node = (struct play_node *)base;
    pthread_mutex_lock(&node->mutex);
    enum node_submit answer = node->answer;
    if (node->submissions < PLAY_NODE_BLOCKS_MAX) {
        uint8_t *copy = malloc(block.length);
        ASSERT(copy != NULL);
        memcpy(copy, block.data, block.length);
        node->blocks[node->submissions] = span_of(copy, block.length);
    }
    node->submissions++;
    pthread_mutex_unlock(&node->mutex);
    snprintf(answer_r, answer_bytes, "%s", answer == NODE_SUBMIT_REJECTED ? "high-hash" : "");
    return answer;
}

static void interrupt(struct node *node)
{
    (void)node;
}

void play_node_begin(struct play_node *node, const char *name)
{
    static const struct node_ops ops = { .name = name_of,
                                         .submit = submit,
                                         .interrupt = interrupt };
    memset(node, 0, sizeof *node);
    node->node.ops = &ops;
    node->name = name;
    node->answer = NODE_SUBMIT_ACCEPTED;
    pthread_mutex_init(&node->mutex, NULL);
}

void play_node_end(struct play_node *node)
{
    for (size_t i = 0; i < PLAY_NODE_BLOCKS_MAX; i++)
        free((void *)(uintptr_t)node->blocks[i].data);
    pthread_mutex_destroy(&node->mutex);
}

void play_node_answer(struct play_node *node, enum node_submit answer)
{
    pthread_mutex_lock(&node->mutex);
    node->answer = answer;
    pthread_mutex_unlock(&node->mutex);
}

unsigned play_node_submissions(struct play_node *node)
{
    pthread_mutex_lock(&node->mutex);
    unsigned submissions = node->submissions;
    pthread_mutex_unlock(&node->mutex);
    return submissions;
}

bool play_node_has(struct play_node *node, struct span block)
{
    pthread_mutex_lock(&node->mutex);
    bool has = false;
    for (size_t i = 0; i < PLAY_NODE_BLOCKS_MAX && !has; i++)
        has = span_equal(node->blocks[i], block);
    pthread_mutex_unlock(&node->mutex);
    return has;
}
