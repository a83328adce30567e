#include "adapter/node_fake/inside.h"

#include "core/pow/sha256.h"
#include "loop/deadline.h"

#include <stdio.h>
#include <stdlib.h>

#define GENESIS_TIME 1700000000u

size_t fake_find(const struct node_fake_chain *chain, const uint8_t hash[32])
{
    for (size_t i = 0; i < chain->blocks_count; i++)
        if (memcmp(chain->blocks[i].hash, hash, 32) == 0)
            return i;
    return NO_BLOCK;
}

size_t fake_at_height(const struct node_fake_chain *chain, size_t tip, uint32_t height)
{
    while (tip != NO_BLOCK && chain->blocks[tip].height > height)
        tip = chain->blocks[tip].parent;
    return tip != NO_BLOCK && chain->blocks[tip].height == height ? tip : NO_BLOCK;
}

size_t fake_tip_of(const struct node_fake *node)
{
    const struct node_fake_chain *chain = node->chain;
    size_t tip = chain->tip;
    for (uint32_t i = 0; i < node->lag && chain->blocks[tip].parent != NO_BLOCK; i++)
        tip = chain->blocks[tip].parent;
    return tip;
}

size_t fake_append(struct node_fake_chain *chain, size_t parent, const uint8_t hash[32])
{
    ASSERT(chain->blocks_count < BLOCKS_MAX);
    size_t at = chain->blocks_count++;
    struct fake_block *block = &chain->blocks[at];
    memcpy(block->hash, hash, 32);
    block->parent = parent;
    block->height = parent == NO_BLOCK ? 0 : chain->blocks[parent].height + 1;
    block->time = GENESIS_TIME + 600 * block->height;
    return at;
}

void fake_set_tip(struct node_fake_chain *chain, size_t tip)
{
    chain->tip = tip;
    chain->changes++;
    for (size_t i = 0; i < chain->known_count; i++)
        if (chain->known[i].height == 0)
            chain->known[i].height = chain->blocks[tip].height;
    pthread_cond_broadcast(&chain->changed);
}

static size_t append_foreign(struct node_fake_chain *chain, size_t parent)
{
    uint8_t number[8];
    uint8_t hash[32];
    store_le64(number, ++chain->made);
    sha256d(span_of(number, sizeof number), hash);
    return fake_append(chain, parent, hash);
}

struct node_fake_chain *node_fake_chain_create(const char *name, uint32_t bits)
{
    struct node_fake_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL)
        return NULL;
    pthread_mutex_init(&chain->lock, NULL);
    deadline_cond_init(&chain->changed);
    snprintf(chain->chain, sizeof chain->chain, "%s", name);
    chain->bits = bits;
    chain->tip = append_foreign(chain, NO_BLOCK);
    return chain;
}

void node_fake_chain_destroy(struct node_fake_chain *chain)
{
    for (size_t i = 0; i < chain->blocks_count; i++)
        free((void *)(uintptr_t)chain->blocks[i].bytes.data);
    pthread_cond_destroy(&chain->changed);
    pthread_mutex_destroy(&chain->lock);
    free(chain);
}

struct node *node_fake_open(struct node_fake_chain *chain, const char *name)
{
    struct node_fake *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->port.ops = &node_fake_ops;
    node->chain = chain;
    snprintf(node->name, sizeof node->name, "%s", name);
    return &node->port;
}

void node_fake_trouble(struct node *port, enum node_fake_trouble trouble)
{
    struct node_fake *node = (struct node_fake *)port;
    pthread_mutex_lock(&node->chain->lock);
    node->trouble = trouble;
    pthread_cond_broadcast(&node->chain->changed);
    pthread_mutex_unlock(&node->chain->lock);
}

void node_fake_lag(struct node *port, uint32_t blocks)
{
    struct node_fake *node = (struct node_fake *)port;
    pthread_mutex_lock(&node->chain->lock);
    node->lag = blocks;
    node->chain->changes++;
    pthread_cond_broadcast(&node->chain->changed);
    pthread_mutex_unlock(&node->chain->lock);
}

void node_fake_mine(struct node_fake_chain *chain, uint32_t count)
{
    pthread_mutex_lock(&chain->lock);
    size_t tip = chain->tip;
    for (uint32_t i = 0; i < count; i++)
        tip = append_foreign(chain, tip);
    fake_set_tip(chain, tip);
    pthread_mutex_unlock(&chain->lock);
}

void node_fake_reorganise(struct node_fake_chain *chain, uint32_t depth)
{
    pthread_mutex_lock(&chain->lock);
    size_t at = chain->tip;
    for (uint32_t i = 0; i < depth; i++) {
        ASSERT(chain->blocks[at].parent != NO_BLOCK);
        at = chain->blocks[at].parent;
    }
    for (uint32_t i = 0; i < depth + 1; i++)
        at = append_foreign(chain, at);
    fake_set_tip(chain, at);
    pthread_mutex_unlock(&chain->lock);
}

bool node_fake_bring_back(struct node_fake_chain *chain, const uint8_t hash[32])
{
    pthread_mutex_lock(&chain->lock);
    size_t at = fake_find(chain, hash);
    bool known = at != NO_BLOCK;
    if (known) {
        uint32_t above = chain->blocks[chain->tip].height;
        while (chain->blocks[at].height <= above)
            at = append_foreign(chain, at);
        fake_set_tip(chain, at);
    }
    pthread_mutex_unlock(&chain->lock);
    return known;
}

void node_fake_transactions(struct node_fake_chain *chain, size_t count, size_t bytes_each)
{
    pthread_mutex_lock(&chain->lock);
    chain->transactions_count = count;
    chain->transaction_bytes = bytes_each < 8 ? 8 : bytes_each;
    chain->changes++;
    pthread_cond_broadcast(&chain->changed);
    pthread_mutex_unlock(&chain->lock);
}

void node_fake_fund(struct node_fake_chain *chain, uint64_t amount)
{
    pthread_mutex_lock(&chain->lock);
    chain->balance += amount;
    pthread_mutex_unlock(&chain->lock);
}

void node_fake_excess(struct node_fake_chain *chain, uint64_t amount)
{
    pthread_mutex_lock(&chain->lock);
    chain->excess = amount;
    pthread_mutex_unlock(&chain->lock);
}

unsigned node_fake_submissions(struct node_fake_chain *chain)
{
    pthread_mutex_lock(&chain->lock);
    unsigned count = chain->submissions;
    pthread_mutex_unlock(&chain->lock);
    return count;
}

unsigned node_fake_broadcasts(struct node_fake_chain *chain)
{
    pthread_mutex_lock(&chain->lock);
    unsigned count = chain->broadcasts;
    pthread_mutex_unlock(&chain->lock);
    return count;
}

void node_fake_tip(struct node_fake_chain *chain, uint8_t hash_r[32], uint32_t *height_r)
{
    pthread_mutex_lock(&chain->lock);
    memcpy(hash_r, chain->blocks[chain->tip].hash, 32);
    *height_r = chain->blocks[chain->tip].height;
    pthread_mutex_unlock(&chain->lock);
}

void node_fake_pay(struct node_fake_chain *chain, const uint8_t txid[32], struct span script,
                   uint64_t amount)
{
    node_fake_pay_often(chain, txid, script, amount, 1);
}

void node_fake_pay_often(struct node_fake_chain *chain, const uint8_t txid[32], struct span script,
                         uint64_t amount, uint32_t times)
{
    pthread_mutex_lock(&chain->lock);
    ASSERT(chain->paid_count < PAID_MAX && script.length <= sizeof chain->paid[0].script);
    struct fake_paid *paid = &chain->paid[chain->paid_count++];
    paid->block = chain->tip;
    paid->times = times;
    paid->amount = amount;
    paid->script_length = script.length;
    memcpy(paid->txid, txid, 32);
    memcpy(paid->script, script.data, script.length);
    pthread_mutex_unlock(&chain->lock);
}
