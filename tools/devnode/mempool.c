#include "tools/devnode/mempool.h"
#include "tools/devnode/consensus/script.h"

#include <stdlib.h>

void mempool_init(struct mempool *mempool)
{
    *mempool = (struct mempool){ .by_txid = table_of(32), .spenders = table_of(36) };
}

static void entry_destroy(struct mempool_entry *entry)
{
    for (size_t i = 0; i < entry->tx->output_count; i++)
        buffer_deinit(&entry->outputs[i].script);
    free(entry->outputs);
    tx_destroy(entry->tx);
    free(entry);
}

void mempool_deinit(struct mempool *mempool)
{
    for (size_t i = 0; i < mempool->count; i++)
        entry_destroy(mempool->entries[i]);
    free(mempool->entries);
    table_deinit(&mempool->by_txid);
    table_deinit(&mempool->spenders);
}

struct mempool_entry *mempool_find(const struct mempool *mempool, const uint8_t txid[32])
{
    return table_get(&mempool->by_txid, txid);
}

struct mempool_entry *mempool_spender(const struct mempool *mempool,
                                      const struct outpoint *outpoint)
{
    uint8_t key[36];
    outpoint_key(outpoint, key);
    return table_get(&mempool->spenders, key);
}

const struct coin *mempool_coin(const struct mempool *mempool, const struct chain *chain,
                                const struct outpoint *outpoint)
{
    const struct coin *coin = chain_coin(chain, outpoint);
    if (coin != NULL)
        return coin;
    const struct mempool_entry *entry = mempool_find(mempool, outpoint->txid);
    return entry == NULL || outpoint->index >= entry->tx->output_count
               ? NULL
               : &entry->outputs[outpoint->index];
}

struct finder {
    const struct mempool *mempool;
    const struct chain *chain;
};

static const struct coin *find_coin(void *context, const struct outpoint *outpoint)
{
    const struct finder *finder = context;
    return mempool_coin(finder->mempool, finder->chain, outpoint);
}

/* Marks in `marked` (one flag per entry, none set yet) everything that conflicts with tx, and what
 * depends on that; returns the sum of their fees. */
static int64_t mark_replaced(const struct mempool *mempool, const struct tx *tx, bool *marked,
                             bool *any_r)
{
    int64_t fees = 0;
    bool conflicts = false;
    *any_r = false;
    for (size_t i = 0; i < tx->input_count && !conflicts; i++)
        conflicts = mempool_spender(mempool, &tx->inputs[i].previous) != NULL;
    for (size_t i = 0; conflicts && i < mempool->count; i++) { /* `marked` begins as all false */
        const struct tx *other = mempool->entries[i]->tx;
        for (size_t j = 0; j < tx->input_count; j++)
            if (mempool_spender(mempool, &tx->inputs[j].previous) == mempool->entries[i])
                marked[i] = true;
        /* Parents stand before children, so one pass finds all descendants. */
        for (size_t j = 0; j < i && !marked[i]; j++)
            for (size_t k = 0; marked[j] && k < other->input_count; k++)
                if (memcmp(other->inputs[k].previous.txid, mempool->entries[j]->tx->txid, 32) == 0)
                    marked[i] = true;
        if (marked[i]) {
            fees += mempool->entries[i]->fee;
            *any_r = true;
        }
    }
    return fees;
}

/* Bitcoin's threshold at its default of 3000 base units per 1000 bytes. */
static bool is_dust(const struct tx_output *output)
{
    struct span script = buffer_span(&output->script);
    if (script_is_unspendable(script))
        return false;
    bool witness = script.length >= 4 && script.length <= 42 &&
                   (script.data[0] == 0 || (script.data[0] >= 0x51 && script.data[0] <= 0x60));
    int64_t bytes = (int64_t)script.length + 9 + (witness ? 67 : 148);
    return output->value < bytes * 3;
}

static const char *check_policy(const struct tx *tx)
{
    if (tx_weight(tx) > 400000)
        return "tx-size";
    if (tx->version < 1 || tx->version > 3)
        return "version";
    if (tx->base_bytes < 65)
        return "tx-size-small";
    for (size_t i = 0; i < tx->output_count; i++)
        if (is_dust(&tx->outputs[i]))
            return "dust";
    return NULL;
}

static const char *check_replacement(const struct mempool *mempool, const struct tx *tx,
                                     int64_t fee)
{
    bool any = false;
    bool *marked = memory_take(mempool->count);
    int64_t replaced = mark_replaced(mempool, tx, marked, &any);
    bool spends_replaced = false;
    for (size_t i = 0; i < mempool->count; i++)
        for (size_t j = 0; marked[i] && j < tx->input_count; j++)
            if (memcmp(tx->inputs[j].previous.txid, mempool->entries[i]->tx->txid, 32) == 0)
                spends_replaced = true;
    free(marked);
    if (!any)
        return mempool->count >= MEMPOOL_TXS_MAX ? "mempool full" : NULL;
    if (spends_replaced)
        return "bad-txns-spends-conflicting-tx";
    int64_t relay = ((int64_t)tx_vsize(tx) * MEMPOOL_FEERATE_MIN + 999) / 1000;
    return fee < replaced + relay ? "insufficient fee" : NULL;
}

struct mempool_verdict mempool_check(const struct mempool *mempool, const struct chain *chain,
                                     const struct tx *tx)
{
    struct mempool_verdict verdict = { 0 };
    struct finder finder = { mempool, chain };
    const struct chain_block *tip = chain_tip(chain);
    verdict.reason = tx_check(tx);
    if (verdict.reason == NULL && tx_is_coinbase(tx))
        verdict.reason = "coinbase";
    if (verdict.reason == NULL)
        verdict.reason = check_policy(tx);
    if (verdict.reason == NULL && !tx_is_final(tx, tip->height + 1, chain_median_time(tip)))
        verdict.reason = "non-final";
    if (verdict.reason == NULL && mempool_find(mempool, tx->txid) != NULL)
        verdict.reason = "txn-already-in-mempool";
    if (verdict.reason == NULL && table_get(&chain->tx_block, tx->txid) != NULL)
        verdict.reason = "txn-already-known";
    for (size_t i = 0; i < tx->input_count && verdict.reason == NULL; i++)
        if (mempool_coin(mempool, chain, &tx->inputs[i].previous) == NULL)
            verdict.reason = "missing-inputs";
    if (verdict.reason == NULL)
        verdict.reason = chain_check_inputs(chain, tx, tip->height + 1, find_coin, &finder,
                                            &verdict.fee, &verdict.sigops_cost, &verdict.detail);
    if (verdict.reason == NULL && verdict.fee * 1000 < (int64_t)tx_vsize(tx) * MEMPOOL_FEERATE_MIN)
        verdict.reason = "min relay fee not met";
    if (verdict.reason == NULL)
        verdict.reason = check_replacement(mempool, tx, verdict.fee);
    return verdict;
}

/* Takes the entry out of the tables; its slot in the list is the caller's. */
static void unlink_entry(struct mempool *mempool, struct mempool_entry *entry)
{
    uint8_t key[36];
    table_remove(&mempool->by_txid, entry->tx->txid);
    for (size_t i = 0; i < entry->tx->input_count; i++) {
        outpoint_key(&entry->tx->inputs[i].previous, key);
        table_remove(&mempool->spenders, key);
    }
}

static void evict_replaced(struct mempool *mempool, const struct tx *tx)
{
    bool any = false;
    bool *marked = memory_take(mempool->count);
    size_t kept = 0;
    mark_replaced(mempool, tx, marked, &any);
    for (size_t i = 0; i < mempool->count; i++) {
        struct mempool_entry *entry = mempool->entries[i];
        if (marked[i]) {
            unlink_entry(mempool, entry);
            entry_destroy(entry);
        } else {
            mempool->entries[kept++] = entry;
        }
    }
    mempool->count = kept;
    free(marked);
}

void mempool_enter(struct mempool *mempool, const struct chain *chain, struct tx *tx,
                   const struct mempool_verdict *verdict, int64_t now_s)
{
    uint8_t key[36];
    evict_replaced(mempool, tx);
    struct mempool_entry *entry = memory_take(sizeof *entry);
    *entry =
        (struct mempool_entry){ .tx = tx,
                                .fee = verdict->fee,
                                .sigops_cost = verdict->sigops_cost,
                                .time_s = now_s,
                                .outputs = memory_take(tx->output_count * sizeof(struct coin)) };
    for (size_t i = 0; i < tx->output_count; i++) {
        struct span script = buffer_span(&tx->outputs[i].script);
        entry->outputs[i] =
            (struct coin){ .value = tx->outputs[i].value, .height = chain_tip(chain)->height + 1 };
        buffer_put(&entry->outputs[i].script, script.data, script.length);
    }
    if (mempool->count == mempool->capacity) {
        mempool->capacity = mempool->capacity == 0 ? 64 : 2 * mempool->capacity;
        mempool->entries = realloc(mempool->entries, mempool->capacity * sizeof *mempool->entries);
        ASSERT(mempool->entries != NULL);
    }
    mempool->entries[mempool->count++] = entry;
    table_put(&mempool->by_txid, tx->txid, entry);
    for (size_t i = 0; i < tx->input_count; i++) {
        outpoint_key(&tx->inputs[i].previous, key);
        table_put(&mempool->spenders, key, entry);
    }
    mempool->changes++;
}

static void try_again(struct mempool *mempool, const struct chain *chain, struct tx *tx,
                      int64_t time_s)
{
    struct mempool_verdict verdict = mempool_check(mempool, chain, tx);
    if (verdict.reason == NULL)
        mempool_enter(mempool, chain, tx, &verdict, time_s);
    else
        tx_destroy(tx);
}

void mempool_follow(struct mempool *mempool, const struct chain *chain, struct tx **returned,
                    size_t returned_count, int64_t now_s)
{
    /* Simple and right: begin anew, in the old order. */
    struct mempool old = *mempool;
    mempool_init(mempool);
    mempool->changes = old.changes + 1;
    for (size_t i = 0; i < returned_count; i++)
        try_again(mempool, chain, returned[i], now_s);
    for (size_t i = 0; i < old.count; i++) {
        struct mempool_entry *entry = old.entries[i];
        try_again(mempool, chain, tx_clone(entry->tx), entry->time_s);
        entry_destroy(entry);
    }
    free(old.entries);
    table_deinit(&old.by_txid);
    table_deinit(&old.spenders);
}
