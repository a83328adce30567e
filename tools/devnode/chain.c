#include "tools/devnode/chain.h"
#include "tools/devnode/consensus/script.h"

#include <stdlib.h>

/* The regtest time, so that blocks made at once for a test lie in the past. */
#define GENESIS_TIME 1296688602
#define SCRIPTS_REMEMBERED_MAX 100000

static void list_put(struct chain_block ***list, size_t *count, size_t *capacity,
                     struct chain_block *block)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 256 : 2 * *capacity;
        *list = realloc(*list, *capacity * sizeof **list);
        ASSERT(*list != NULL);
    }
    (*list)[(*count)++] = block;
}

void outpoint_key(const struct outpoint *outpoint, uint8_t key_r[36])
{
    memcpy(key_r, outpoint->txid, 32);
    store_le32(key_r + 32, outpoint->index);
}

static void coin_destroy(struct coin *coin)
{
    if (coin != NULL)
        buffer_deinit(&coin->script);
    free(coin);
}

const struct coin *chain_coin(const struct chain *chain, const struct outpoint *outpoint)
{
    uint8_t key[36];
    outpoint_key(outpoint, key);
    return table_get(&chain->coins, key);
}

static const struct coin *find_in_chain(void *context, const struct outpoint *outpoint)
{
    return chain_coin(context, outpoint);
}

struct chain_block *chain_find(const struct chain *chain, const uint8_t id[32])
{
    return table_get(&chain->by_id, id);
}

static struct chain_block *index_block(struct chain *chain, struct block *block,
                                       struct chain_block *parent)
{
    struct chain_block *added = memory_take(sizeof *added);
    struct wide target;
    bool ok = target_from_bits(block->header.bits, &target);
    ASSERT(ok);
    added->block = block;
    added->parent = parent;
    added->work = target_work(&target);
    if (parent != NULL) {
        added->height = parent->height + 1;
        added->work = wide_add(&parent->work, &added->work);
        added->unusable = parent->unusable;
    }
    list_put(&chain->blocks, &chain->block_count, &chain->block_capacity, added);
    table_put(&chain->by_id, block->id, added);
    return added;
}

static struct block *genesis_create(const struct chain_params *params)
{
    struct block block = {
        .header = { .version = 0x20000000, .time = GENESIS_TIME, .bits = params->initial_bits }
    };
    static const struct outpoint null_outpoint = { { 0 }, UINT32_MAX };
    struct tx *coinbase = tx_create(2, 0);
    struct tx_input *input = tx_add_input(coinbase, &null_outpoint, UINT32_MAX);
    /* Chains of different algorithms must not share an id. */
    const char *name = hash_algorithm_name(params->algorithm);
    buffer_put_u8(&input->script, 0);
    buffer_put(&input->script, "devnode ", 8);
    buffer_put(&input->script, name, strlen(name));
    tx_add_output(coinbase, CHAIN_SUBSIDY, span_text("\x6a"));
    tx_finish(coinbase);
    memcpy(block.header.merkle_root, coinbase->txid, 32);
    struct buffer raw = { 0 };
    uint8_t header[HEADER_BYTES];
    block_header_encode(&block.header, header);
    buffer_put(&raw, header, sizeof header);
    buffer_put_u8(&raw, 1);
    tx_encode(coinbase, true, &raw);
    struct block *genesis = block_decode(buffer_span(&raw));
    ASSERT(genesis != NULL);
    buffer_deinit(&raw);
    tx_destroy(coinbase);
    return genesis;
}

void chain_init(struct chain *chain, const struct chain_params *params)
{
    *chain = (struct chain){ .params = *params,
                             .by_id = table_of(32),
                             .coins = table_of(36),
                             .tx_block = table_of(32),
                             .spenders = table_of(36),
                             .scripts_good = table_of(32) };
    struct chain_block *genesis = index_block(chain, genesis_create(params), NULL);
    genesis->on_main = true;
    list_put(&chain->main, &chain->main_count, &chain->main_capacity, genesis);
}

void chain_deinit(struct chain *chain)
{
    for (size_t i = 0; i < chain->block_count; i++) {
        struct chain_block *block = chain->blocks[i];
        for (size_t j = 0; j < block->undo_count; j++)
            coin_destroy(block->undo[j].coin);
        free(block->undo);
        block_destroy(block->block);
        free(block);
    }
    for (size_t i = 0; i < chain->coins.capacity; i++)
        coin_destroy(chain->coins.entries[i].value);
    free(chain->blocks);
    free(chain->main);
    table_deinit(&chain->by_id);
    table_deinit(&chain->coins);
    table_deinit(&chain->tx_block);
    table_deinit(&chain->spenders);
    table_deinit(&chain->scripts_good);
}

static int compare_times(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

uint32_t chain_median_time(const struct chain_block *block)
{
    uint32_t times[11];
    size_t count = 0;
    for (; block != NULL && count < 11; block = block->parent)
        times[count++] = block->block->header.time;
    qsort(times, count, sizeof *times, compare_times);
    return times[count / 2];
}

struct block_place chain_place_after(const struct chain *chain, const struct chain_block *parent,
                                     int64_t now_s)
{
    const struct chain_params *params = &chain->params;
    uint32_t bits = params->initial_bits;
    /* The first spacing that means something is between blocks 2 and 1: genesis lies in the past.
     */
    if (!params->fixed_bits && parent->height >= 2)
        bits = target_next_bits(parent->block->header.bits,
                                (int64_t)parent->block->header.time -
                                    (int64_t)parent->parent->block->header.time,
                                params->block_interval_s);
    return (struct block_place){ .algorithm = params->algorithm,
                                 .height = parent->height + 1,
                                 .bits = bits,
                                 .median_time_past = chain_median_time(parent),
                                 .now_s = now_s };
}

void chain_remember_scripts(struct chain *chain, const struct tx *tx)
{
    if (chain->scripts_good.count >= SCRIPTS_REMEMBERED_MAX)
        table_deinit(&chain->scripts_good);
    table_put(&chain->scripts_good, tx->wtxid, chain);
}

/* BIP68 for heights; locks by time are refused, which is stricter than Bitcoin. */
static bool sequence_locked(const struct tx *tx, const struct tx_input *input,
                            const struct coin *coin, uint32_t height)
{
    if (tx->version < 2 || (input->sequence & 0x80000000) != 0)
        return false;
    uint32_t blocks = input->sequence & 0xffff;
    if ((input->sequence & 0x00400000) != 0)
        return blocks != 0;
    return coin->height + blocks > height;
}

const char *chain_check_inputs(const struct chain *chain, const struct tx *tx, uint32_t height,
                               chain_coin_find *find, void *context, int64_t *fee_r,
                               size_t *sigops_r, const char **detail_r)
{
    int64_t in = 0;
    int64_t out = 0;
    bool scripts_good = table_get(&chain->scripts_good, tx->wtxid) != NULL;
    *sigops_r = 4 * tx_legacy_sigops(tx);
    for (size_t i = 0; i < tx->input_count; i++) {
        const struct coin *coin = find(context, &tx->inputs[i].previous);
        if (coin == NULL)
            return "bad-txns-inputs-missingorspent";
        if (coin->coinbase && height - coin->height < chain->params.maturity)
            return "bad-txns-premature-spend-of-coinbase";
        in += coin->value;
        if (in > MONEY_MAX)
            return "bad-txns-inputvalues-outofrange";
    }
    for (size_t i = 0; i < tx->output_count; i++)
        out += tx->outputs[i].value;
    if (in < out)
        return "bad-txns-in-belowout";
    for (size_t i = 0; i < tx->input_count; i++) {
        const struct coin *coin = find(context, &tx->inputs[i].previous);
        if (sequence_locked(tx, &tx->inputs[i], coin, height))
            return "non-BIP68-final";
        const char *bad = scripts_good
                              ? NULL
                              : script_verify_input(tx, i, buffer_span(&coin->script), coin->value);
        if (bad != NULL) {
            if (detail_r != NULL)
                *detail_r = bad;
            return "mandatory-script-verify-flag-failed";
        }
        if (script_is_p2wpkh(buffer_span(&coin->script)))
            *sigops_r += 1;
    }
    *fee_r = in - out;
    return NULL;
}

/* Adds and removes what one transaction makes and spends; undo gets the coins it spent. */
static void apply_tx(struct chain *chain, struct chain_block *at, struct tx *tx)
{
    uint8_t key[36];
    for (size_t i = 0; i < tx->input_count && !tx_is_coinbase(tx); i++) {
        outpoint_key(&tx->inputs[i].previous, key);
        at->undo[at->undo_count++] =
            (struct spent_coin){ tx->inputs[i].previous, table_remove(&chain->coins, key) };
        table_put(&chain->spenders, key, tx);
    }
    for (size_t i = 0; i < tx->output_count; i++) {
        struct span script = buffer_span(&tx->outputs[i].script);
        if (script_is_unspendable(script))
            continue;
        struct outpoint made = { .index = (uint32_t)i };
        memcpy(made.txid, tx->txid, 32);
        struct coin *coin = memory_take(sizeof *coin);
        *coin = (struct coin){ .value = tx->outputs[i].value,
                               .height = at->height,
                               .coinbase = tx_is_coinbase(tx) };
        buffer_put(&coin->script, script.data, script.length);
        outpoint_key(&made, key);
        table_put(&chain->coins, key, coin);
    }
    table_put(&chain->tx_block, tx->txid, at);
}

static void revert_tx(struct chain *chain, struct chain_block *at, const struct tx *tx)
{
    uint8_t key[36];
    table_remove(&chain->tx_block, tx->txid);
    for (size_t i = 0; i < tx->output_count; i++) {
        struct outpoint made = { .index = (uint32_t)i };
        memcpy(made.txid, tx->txid, 32);
        outpoint_key(&made, key);
        coin_destroy(table_remove(&chain->coins, key));
    }
    for (size_t i = tx->input_count; i-- > 0 && !tx_is_coinbase(tx);) {
        struct spent_coin *spent = &at->undo[--at->undo_count];
        outpoint_key(&spent->outpoint, key);
        table_remove(&chain->spenders, key);
        table_put(&chain->coins, key, spent->coin);
    }
}

/* Reverts the first `count` transactions, last first. */
static void revert_txs(struct chain *chain, struct chain_block *at, size_t count)
{
    while (count-- > 0)
        revert_tx(chain, at, at->block->txs[count]);
    free(at->undo);
    at->undo = NULL;
}

/* Applies the block's transactions to the coins, or leaves them as they were and says why. */
static const char *connect(struct chain *chain, struct chain_block *at)
{
    const struct block *block = at->block;
    const char *bad = NULL;
    int64_t fees = 0;
    size_t sigops = 4 * tx_legacy_sigops(block->txs[0]);
    size_t inputs = 0;
    size_t done = 0;
    for (size_t i = 0; i < block->tx_count; i++) {
        if (table_get(&chain->tx_block, block->txs[i]->txid) != NULL)
            return "bad-txns-BIP30"; /* also where its outputs are spent: stricter than Bitcoin */
        inputs += i == 0 ? 0 : block->txs[i]->input_count;
    }
    at->undo = memory_take(inputs * sizeof *at->undo);
    at->undo_count = 0;
    for (size_t i = 0; i < block->tx_count && bad == NULL; i++) {
        struct tx *tx = block->txs[i];
        int64_t fee = 0;
        size_t cost = 0;
        if (i > 0)
            bad =
                chain_check_inputs(chain, tx, at->height, find_in_chain, chain, &fee, &cost, NULL);
        if (bad != NULL)
            break;
        chain_remember_scripts(chain, tx);
        fees += fee;
        sigops += cost;
        apply_tx(chain, at, tx);
        done++;
    }
    int64_t paid = 0;
    for (size_t i = 0; i < block->txs[0]->output_count; i++)
        paid += block->txs[0]->outputs[i].value;
    if (bad == NULL && sigops > BLOCK_SIGOPS_COST_MAX)
        bad = "bad-blk-sigops";
    if (bad == NULL && paid > CHAIN_SUBSIDY + fees)
        bad = "bad-cb-amount";
    if (bad != NULL)
        revert_txs(chain, at, done);
    return bad;
}

static void disconnect_tip(struct chain *chain)
{
    struct chain_block *tip = chain_tip(chain);
    ASSERT(tip->height > 0);
    revert_txs(chain, tip, tip->block->tx_count);
    tip->on_main = false;
    chain->main_count--;
}

static void append_tip(struct chain *chain, struct chain_block *tip)
{
    tip->on_main = true;
    list_put(&chain->main, &chain->main_count, &chain->main_capacity, tip);
}

/* Passes the marks on to descendants; parents stand before children. */
static void spread_marks(struct chain *chain)
{
    for (size_t i = 0; i < chain->block_count; i++) {
        struct chain_block *b = chain->blocks[i];
        b->unusable = b->failed || b->invalidated || (b->parent != NULL && b->parent->unusable);
    }
}

static struct chain_block *best_usable(struct chain *chain)
{
    struct chain_block *best = chain->blocks[0];
    for (size_t i = 1; i < chain->block_count; i++) {
        struct chain_block *b = chain->blocks[i];
        int order = wide_compare(&b->work, &best->work);
        /* The first seen wins a tie, unless the other is the chain we are on. */
        if (!b->unusable && (order > 0 || (order == 0 && b->on_main)))
            best = b;
    }
    return best;
}

/* Moves the best chain to `goal`; the reason of the last failure where a block was bad. */
static const char *activate(struct chain *chain, struct chain_block *goal)
{
    const char *reason = NULL;
    while (goal != chain_tip(chain)) {
        size_t length = 0;
        struct chain_block *fork = goal;
        for (; !fork->on_main; fork = fork->parent)
            length++;
        struct chain_block **path = memory_take(length * sizeof *path);
        struct chain_block *at = goal;
        for (size_t i = length; i-- > 0; at = at->parent)
            path[i] = at;
        while (chain_tip(chain) != fork)
            disconnect_tip(chain);
        for (size_t i = 0; i < length; i++) {
            const char *bad = connect(chain, path[i]);
            if (bad != NULL) {
                reason = bad;
                path[i]->failed = true;
                spread_marks(chain);
                goal = best_usable(chain);
                break;
            }
            append_tip(chain, path[i]);
        }
        free(path);
    }
    return reason;
}

static const char *check_before_keeping(struct chain *chain, const struct block *block,
                                        int64_t now_s, struct chain_block **parent_r)
{
    struct chain_block *known = chain_find(chain, block->id);
    if (known != NULL)
        return known->failed ? "duplicate-invalid" : "duplicate";
    /* A block from the journal was hashed when it came; scrypt would make a start slow. */
    const char *bad = block_check(block, chain->params.algorithm, now_s != INT64_MAX);
    if (bad != NULL)
        return bad;
    *parent_r = chain_find(chain, block->header.previous);
    if (*parent_r == NULL)
        return "prev-blk-not-found";
    if ((*parent_r)->unusable)
        return "bad-prevblk";
    struct block_place place = chain_place_after(chain, *parent_r, now_s);
    bad = block_check_header_place(block, &place);
    return bad != NULL ? bad : block_check_place(block, &place);
}

enum chain_added chain_add(struct chain *chain, struct block *block, int64_t now_s,
                           chain_keep *keep, void *context, const char **reason_r)
{
    struct chain_block *parent = NULL;
    *reason_r = check_before_keeping(chain, block, now_s, &parent);
    if (*reason_r != NULL) {
        block_destroy(block);
        return CHAIN_REFUSED;
    }
    if (parent == chain_tip(chain)) { /* the usual case: its coins can be checked before keeping */
        struct chain_block trial = { .block = block,
                                     .parent = parent,
                                     .height = parent->height + 1 };
        *reason_r = connect(chain, &trial);
        if (*reason_r != NULL) {
            block_destroy(block);
            return CHAIN_REFUSED;
        }
        revert_txs(chain, &trial, block->tx_count);
    }
    if (!keep(context, block)) {
        *reason_r = "rejected";
        block_destroy(block);
        return CHAIN_REFUSED;
    }
    struct chain_block *added = index_block(chain, block, parent);
    struct chain_block *tip = chain_tip(chain);
    if (wide_compare(&added->work, &tip->work) <= 0)
        return CHAIN_ADDED_BRANCH;
    *reason_r = activate(chain, added);
    return *reason_r == NULL ? CHAIN_ADDED_TIP : CHAIN_FAILED;
}

const char *chain_check_proposal(struct chain *chain, const struct block *block, int64_t now_s)
{
    struct chain_block *tip = chain_tip(chain);
    struct chain_block *known = chain_find(chain, block->id);
    if (known != NULL)
        return known->failed ? "duplicate-invalid" : "duplicate";
    if (memcmp(block->header.previous, tip->block->id, 32) != 0)
        return "inconclusive-not-best-prevblk";
    struct block_place place = chain_place_after(chain, tip, now_s);
    const char *bad = block_check(block, chain->params.algorithm, false);
    if (bad == NULL)
        bad = block_check_header_place(block, &place);
    if (bad == NULL)
        bad = block_check_place(block, &place);
    if (bad != NULL)
        return bad;
    struct block *mutable_block = (struct block *)(uintptr_t)block; /* put back as it was */
    struct chain_block trial = { .block = mutable_block, .parent = tip, .height = place.height };
    bad = connect(chain, &trial);
    if (bad == NULL)
        revert_txs(chain, &trial, block->tx_count);
    return bad;
}

void chain_invalidate(struct chain *chain, struct chain_block *block)
{
    ASSERT(block->height > 0);
    block->invalidated = true;
    spread_marks(chain);
    while (chain_tip(chain)->unusable)
        disconnect_tip(chain);
    activate(chain, best_usable(chain));
}

static bool descends(const struct chain_block *block, const struct chain_block *from)
{
    while (block != NULL && block->height > from->height)
        block = block->parent;
    return block == from;
}

void chain_reconsider(struct chain *chain, struct chain_block *block)
{
    for (size_t i = 0; i < chain->block_count; i++)
        if (descends(chain->blocks[i], block) || descends(block, chain->blocks[i])) {
            chain->blocks[i]->invalidated = false;
            chain->blocks[i]->failed = false;
        }
    spread_marks(chain);
    activate(chain, best_usable(chain));
}
