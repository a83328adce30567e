#include "tools/devnode/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COINBASE_WEIGHT_RESERVED 4000
#define COINBASE_SIGOPS_RESERVED 400

static void params_text(const struct chain_params *params, char *text_r, size_t bytes)
{
    snprintf(text_r, bytes,
             "algorithm=%s initial-bits=%08x fixed-bits=%s block-interval-s=%u "
             "maturity=%u",
             hash_algorithm_name(params->algorithm), params->initial_bits,
             params->fixed_bits ? "yes" : "no", params->block_interval_s, params->maturity);
}

static void remember_sent(struct node *node, const struct tx *tx, int64_t time_s)
{
    if (table_get(&node->sent_index, tx->txid) != NULL)
        return;
    if (node->sent_count == node->sent_capacity) {
        node->sent_capacity = node->sent_capacity == 0 ? 64 : 2 * node->sent_capacity;
        node->sent = realloc(node->sent, node->sent_capacity * sizeof *node->sent);
        node->sent_times =
            realloc(node->sent_times, node->sent_capacity * sizeof *node->sent_times);
        ASSERT(node->sent != NULL && node->sent_times != NULL);
    }
    struct tx *kept = tx_clone(tx);
    node->sent[node->sent_count] = kept;
    node->sent_times[node->sent_count++] = time_s;
    table_put(&node->sent_index, kept->txid, kept);
}

int64_t node_sent_time(const struct node *node, const uint8_t txid[32])
{
    for (size_t i = 0; i < node->sent_count; i++)
        if (memcmp(node->sent[i]->txid, txid, 32) == 0)
            return node->sent_times[i];
    return 0;
}

static bool keep_nothing(void *context, const struct block *block)
{
    (void)context;
    (void)block;
    return true;
}

static bool replay_block(struct node *node, struct span payload, struct error *error)
{
    const char *reason = NULL;
    struct block *block = block_decode(payload);
    if (block == NULL)
        return error_set(error, ERROR_INVALID, "it holds no block");
    if (chain_add(&node->chain, block, INT64_MAX, keep_nothing, NULL, &reason) == CHAIN_REFUSED)
        return error_set(error, ERROR_INVALID, "its block is refused now: %s", reason);
    return true;
}

static bool replay_tx(struct node *node, struct span payload, struct error *error)
{
    if (payload.length < 8)
        return error_set(error, ERROR_INVALID, "it holds no transaction");
    struct tx *tx = tx_decode(span_of(payload.data + 8, payload.length - 8));
    if (tx == NULL)
        return error_set(error, ERROR_INVALID, "it holds no transaction");
    remember_sent(node, tx, (int64_t)load_le64(payload.data));
    tx_destroy(tx);
    return true;
}

/* The journal's first record: what the chain was begun with must be what it goes on with. */
static bool replay_params(struct node *node, struct span payload, struct error *error)
{
    char text[256];
    struct chain_params params = node->chain.params;
    struct wide target;
    uint8_t bits[4];
    const uint8_t *stored = memmem(payload.data, payload.length, "initial-bits=", 13);
    if (params.initial_bits_hinted && stored != NULL &&
        payload.length - (size_t)(stored - payload.data) >= 21 &&
        hex_decode((const char *)stored + 13, 8, bits, 4) &&
        target_from_bits(load_be32(bits), &target) && load_be32(bits) != params.initial_bits) {
        params.initial_bits = load_be32(bits);
        chain_deinit(&node->chain);
        chain_init(&node->chain, &params);
    }
    params_text(&params, text, sizeof text);
    return span_equal(payload, span_text(text)) ||
           error_set(error, ERROR_INVALID,
                     "the chain in this folder was begun with \"%.*s\", not \"%s\"; give those or "
                     "another --data",
                     (int)payload.length, (const char *)payload.data, text);
}

static bool replay_record(void *context, enum journal_kind kind, struct span payload,
                          struct error *error)
{
    struct node *node = context;
    if (kind == JOURNAL_PARAMS)
        return replay_params(node, payload, error);
    if (kind == JOURNAL_BLOCK)
        return replay_block(node, payload, error);
    if (kind == JOURNAL_TX)
        return replay_tx(node, payload, error);
    struct chain_block *block =
        payload.length == 32 ? chain_find(&node->chain, payload.data) : NULL;
    if (block == NULL)
        return error_set(error, ERROR_INVALID, "it names an unknown block");
    if (kind == JOURNAL_INVALIDATE)
        chain_invalidate(&node->chain, block);
    else
        chain_reconsider(&node->chain, block);
    return true;
}

/* Puts back into the mempool what is neither confirmed nor impossible now. */
static void revive_mempool(struct node *node)
{
    for (size_t i = 0; i < node->sent_count; i++) {
        struct mempool_verdict verdict = mempool_check(&node->mempool, &node->chain, node->sent[i]);
        if (verdict.reason == NULL)
            mempool_enter(&node->mempool, &node->chain, tx_clone(node->sent[i]), &verdict,
                          node->sent_times[i]);
    }
}

bool node_open(struct node *node, const char *folder, const struct chain_params *params,
               struct error *error)
{
    char path[4096];
    char text[256];
    uint64_t dropped = 0;
    pthread_condattr_t monotonic;
    *node = (struct node){ .sent_index = table_of(32),
                           .started_s = time(NULL),
                           .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                           .journal = { .fd = -1 } };
    pthread_mutex_init(&node->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&node->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    chain_init(&node->chain, params);
    mempool_init(&node->mempool);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        error_fill_system(error, errno, "cannot create the folder %s", folder);
        goto close;
    }
    if (snprintf(path, sizeof path, "%s/wallet.json", folder) >= (int)sizeof path) {
        error_fill(error, ERROR_INVALID, "the path %s is too long", folder);
        goto close;
    }
    if (!wallet_open(&node->wallet, path, error))
        goto close;
    snprintf(path, sizeof path, "%s/blocks.journal", folder);
    if (!journal_open(&node->journal, path, replay_record, node, &dropped, error))
        goto close;
    if (dropped != 0)
        printf("devnode: cut %llu bytes of an incomplete record off %s\n",
               (unsigned long long)dropped, path);
    params_text(params, text, sizeof text);
    if (node->journal.length_bytes == 0 &&
        !journal_append(&node->journal, JOURNAL_PARAMS, span_text(text), error))
        goto close;
    revive_mempool(node);
    return true;
close:
    node_close(node);
    return false;
}

void node_close(struct node *node)
{
    journal_close(&node->journal);
    mempool_deinit(&node->mempool);
    chain_deinit(&node->chain);
    wallet_deinit(&node->wallet);
    for (size_t i = 0; i < node->sent_count; i++)
        tx_destroy(node->sent[i]);
    free(node->sent);
    free(node->sent_times);
    free(node->fault.stale_template);
    table_deinit(&node->sent_index);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->lock);
    if (node->stop_fd >= 0)
        close(node->stop_fd);
}

static void encode_block(const struct block *block, struct buffer *raw_r)
{
    buffer_put(raw_r, block->raw_header, HEADER_BYTES);
    buffer_put_compact(raw_r, block->tx_count);
    for (size_t i = 0; i < block->tx_count; i++)
        tx_encode(block->txs[i], true, raw_r);
}

static bool keep_block(void *context, const struct block *block)
{
    struct node *node = context;
    struct error error;
    struct buffer raw = { 0 };
    encode_block(block, &raw);
    bool kept = journal_append(&node->journal, JOURNAL_BLOCK, buffer_span(&raw), &error);
    buffer_deinit(&raw);
    if (!kept)
        fprintf(stderr, "devnode: block not kept: %s\n", error.text);
    return kept;
}

/* Brings the mempool behind a best chain that was `old_tip`'s before. */
static void follow(struct node *node, const struct chain_block *old_tip)
{
    struct chain_block *tip = chain_tip(&node->chain);
    if (tip == old_tip)
        return;
    size_t count = 0;
    size_t length = 0;
    const struct chain_block *b;
    for (b = old_tip; !b->on_main; b = b->parent) {
        count += b->block->tx_count;
        length++;
    }
    struct tx **returned = memory_take(count * sizeof *returned);
    const struct chain_block **gone = memory_take(length * sizeof *gone);
    size_t at = 0;
    for (b = old_tip; !b->on_main; b = b->parent)
        gone[at++] = b;
    count = 0;
    while (at-- > 0) /* oldest block first, so that parents come before children */
        for (size_t i = 1; i < gone[at]->block->tx_count; i++)
            returned[count++] = tx_clone(gone[at]->block->txs[i]);
    mempool_follow(&node->mempool, &node->chain, returned, count, time(NULL));
    free(gone);
    free(returned);
    if (length > 0)
        printf("devnode: reorganised %zu blocks deep to height %u\n", length, tip->height);
    fflush(stdout);
    pthread_cond_broadcast(&node->changed);
}

const char *node_submit_block(struct node *node, struct span raw, bool *decoded_r)
{
    struct block *block = block_decode(raw);
    const char *reason = NULL;
    struct chain_block *old_tip = chain_tip(&node->chain);
    *decoded_r = block != NULL;
    if (block == NULL)
        return NULL;
    char id[65];
    uint8_t shown[32];
    bytes_reverse(block->id, 32, shown);
    hex_encode(span_of(shown, 32), id);
    enum chain_added added = chain_add(&node->chain, block, time(NULL), keep_block, node, &reason);
    if (added == CHAIN_REFUSED) {
        printf("devnode: block %s refused: %s\n", id, reason);
    } else {
        printf("devnode: block %s %s, tip %u\n", id,
               added == CHAIN_ADDED_TIP      ? "accepted"
               : added == CHAIN_ADDED_BRANCH ? "kept on a branch"
                                             : "failed on its branch",
               chain_tip(&node->chain)->height);
        follow(node, old_tip);
    }
    fflush(stdout);
    return added == CHAIN_ADDED_TIP ? NULL : added == CHAIN_ADDED_BRANCH ? "inconclusive" : reason;
}

struct mempool_verdict node_enter_tx(struct node *node, struct tx *tx)
{
    struct mempool_verdict verdict = mempool_check(&node->mempool, &node->chain, tx);
    struct error error;
    if (verdict.reason == NULL && table_get(&node->sent_index, tx->txid) == NULL) {
        struct buffer record = { 0 };
        int64_t now_s = time(NULL);
        buffer_put_le64(&record, (uint64_t)now_s);
        tx_encode(tx, true, &record);
        if (journal_append(&node->journal, JOURNAL_TX, buffer_span(&record), &error)) {
            remember_sent(node, tx, now_s);
        } else {
            fprintf(stderr, "devnode: transaction not kept: %s\n", error.text);
            verdict.reason = "not kept";
        }
        buffer_deinit(&record);
    }
    if (verdict.reason == NULL) {
        chain_remember_scripts(&node->chain, tx);
        mempool_enter(&node->mempool, &node->chain, tx, &verdict, time(NULL));
        pthread_cond_broadcast(&node->changed);
    } else {
        tx_destroy(tx);
    }
    return verdict;
}

bool node_invalidate(struct node *node, struct chain_block *block, struct error *error)
{
    struct chain_block *old_tip = chain_tip(&node->chain);
    if (!journal_append(&node->journal, JOURNAL_INVALIDATE, span_of(block->block->id, 32), error))
        return false;
    chain_invalidate(&node->chain, block);
    follow(node, old_tip);
    return true;
}

bool node_reconsider(struct node *node, struct chain_block *block, struct error *error)
{
    struct chain_block *old_tip = chain_tip(&node->chain);
    if (!journal_append(&node->journal, JOURNAL_RECONSIDER, span_of(block->block->id, 32), error))
        return false;
    chain_reconsider(&node->chain, block);
    follow(node, old_tip);
    return true;
}

size_t node_template_txs(const struct node *node, struct mempool_entry ***entries_r,
                         int64_t *fees_r)
{
    const struct mempool *mempool = &node->mempool;
    struct mempool_entry **chosen = memory_take(mempool->count * sizeof *chosen);
    struct table left_out = table_of(32);
    size_t count = 0;
    size_t weight = COINBASE_WEIGHT_RESERVED;
    size_t sigops = COINBASE_SIGOPS_RESERVED;
    *fees_r = 0;
    for (size_t i = 0; i < mempool->count; i++) {
        struct mempool_entry *entry = mempool->entries[i];
        bool fits = weight + tx_weight(entry->tx) <= BLOCK_WEIGHT_MAX &&
                    sigops + entry->sigops_cost <= BLOCK_SIGOPS_COST_MAX;
        for (size_t j = 0; fits && j < entry->tx->input_count; j++)
            fits = table_get(&left_out, entry->tx->inputs[j].previous.txid) == NULL;
        if (!fits) {
            table_put(&left_out, entry->tx->txid, entry);
            continue;
        }
        weight += tx_weight(entry->tx);
        sigops += entry->sigops_cost;
        *fees_r += entry->fee;
        chosen[count++] = entry;
    }
    table_deinit(&left_out);
    *entries_r = chosen;
    return count;
}

uint32_t node_template_time(const struct node *node, const struct chain_block *parent)
{
    (void)node;
    uint32_t least = chain_median_time(parent) + 1;
    uint32_t now = (uint32_t)time(NULL);
    return now > least ? now : least;
}
