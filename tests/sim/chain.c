/* Blocks, branches, the mempool; and the scheduler's word on them. */
#include "core/pow/sha256.h"
#include "tests/sim/sim.h"
#include "wire/messages.h"
#include "record/event/event.h"

#include <stdlib.h>

void sim_hash(uint64_t a, uint64_t b, uint8_t hash_r[32])
{
    uint8_t bytes[24];
    store_le64(bytes, a);
    store_le64(bytes + 8, b);
    store_le64(bytes + 16, sim_seed);
    sha256(span_of(bytes, sizeof bytes), hash_r);
}

static bool same_coin(const struct sim_coin *a, const struct sim_coin *b)
{
    return a->output == b->output && memcmp(a->txid, b->txid, 32) == 0;
}

uint32_t sim_confirmations(const struct sim_world *world, int block)
{
    uint32_t height = world->blocks[block].height;
    return height <= world->height && world->chain[height] == block ? world->height - height + 1
                                                                    : 0;
}

static int tx_block(const struct sim_world *world, size_t tx)
{
    for (uint32_t h = 0; h <= world->height; h++) {
        const struct sim_block *block = &world->blocks[world->chain[h]];
        for (size_t i = 0; i < block->tx_count; i++)
            if (block->txs[i] == tx)
                return world->chain[h];
    }
    return -1;
}

/* Whether the coin exists in the best branch and is old enough, and its amount. */
static bool coin_exists(const struct sim_world *world, const struct sim_coin *coin,
                        uint64_t *amount_r)
{
    for (size_t i = 0; i < world->fund_count; i++)
        if (same_coin(&world->funds[i], coin)) {
            *amount_r = world->fund_amounts[i];
            return true;
        }
    for (uint32_t h = 0; h <= world->height; h++) {
        const struct sim_block *block = &world->blocks[world->chain[h]];
        if (block->ours && coin->output == 0 && memcmp(block->hash, coin->txid, 32) == 0) {
            *amount_r = block->reward;
            return world->height - h + 1 >= world->maturity;
        }
    }
    for (size_t i = 0; i < world->tx_count; i++)
        if (memcmp(world->txs[i].txid, coin->txid, 32) == 0 &&
            coin->output < world->txs[i].output_count) {
            *amount_r = world->txs[i].outputs[coin->output].amount;
            return tx_block(world, i) >= 0;
        }
    return false;
}

bool sim_coin_exists(const struct sim_world *world, const struct sim_coin *coin, uint64_t *amount_r)
{
    return coin_exists(world, coin, amount_r);
}

static bool spends(const struct sim_tx *tx, const struct sim_coin *coin)
{
    for (size_t i = 0; i < tx->input_count; i++)
        if (same_coin(&tx->inputs[i], coin))
            return true;
    return false;
}

int sim_spender_in_chain(const struct sim_world *world, const struct sim_coin *coin, size_t but)
{
    for (uint32_t h = 0; h <= world->height; h++) {
        const struct sim_block *block = &world->blocks[world->chain[h]];
        for (size_t i = 0; i < block->tx_count; i++)
            if (block->txs[i] != but && spends(&world->txs[block->txs[i]], coin))
                return world->chain[h];
    }
    return -1;
}

/* Its inputs exist, and nobody else in chain or mempool spends them. */
bool sim_tx_valid(const struct sim_world *world, size_t tx)
{
    const struct sim_tx *one = &world->txs[tx];
    for (size_t i = 0; i < one->input_count; i++) {
        uint64_t amount;
        if (!coin_exists(world, &one->inputs[i], &amount) ||
            sim_spender_in_chain(world, &one->inputs[i], SIZE_MAX) >= 0)
            return false;
        for (size_t other = 0; other < world->tx_count; other++)
            if (other != tx && world->txs[other].pooled &&
                spends(&world->txs[other], &one->inputs[i]))
                return false;
    }
    return true;
}

int sim_tx_block(const struct sim_world *world, size_t tx)
{
    return tx_block(world, tx);
}

/* After the best branch changed: what is in a block leaves the mempool, what left the chain and is
 * still valid comes back. */
static void renew_mempool(struct sim_world *world, const bool *was_mined)
{
    for (size_t i = 0; i < world->tx_count; i++) {
        /* A thief may think better of it; and the wallet offers its own again by itself. */
        bool thief = world->txs[i].outputs[0].account == -2;
        bool pooled =
            world->txs[i].pooled || (was_mined[i] && !(thief && sim_chance(&world->random, 50))) ||
            (world->txs[i].known && world->txs[i].robbed && sim_chance(&world->random, 50));
        world->txs[i].pooled = false;
        world->txs[i].pooled = pooled && tx_block(world, i) < 0 && sim_tx_valid(world, i);
    }
}

static void note_mined(const struct sim_world *world, bool *mined_r)
{
    for (size_t i = 0; i < world->tx_count; i++)
        mined_r[i] = tx_block(world, i) >= 0;
}

static int add_block(struct sim_world *world, int parent, bool ours)
{
    ASSERT(world->block_count < SIM_BLOCKS_MAX);
    struct sim_block *block = &world->blocks[world->block_count];
    *block = (struct sim_block){ .parent = parent, .ours = ours, .finder_batch = -1 };
    block->height = world->blocks[parent].height + 1;
    sim_hash(1, world->block_count, block->hash);
    sim_receive(world, (int)world->block_count);
    return (int)world->block_count++;
}

/* A transaction that spends the change of one whose other version is in the chain can never
 * confirm while that stays: as if it had been robbed. */
static void note_orphans(struct sim_world *world)
{
    for (size_t i = 0; i < world->tx_count; i++)
        for (size_t k = 0; k < world->txs[i].input_count && !world->txs[i].robbed; k++)
            for (size_t p = 0; p < world->tx_count; p++) {
                if (memcmp(world->txs[p].txid, world->txs[i].inputs[k].txid, 32) != 0)
                    continue;
                for (size_t n = 0; n < world->tx_count; n++)
                    if (n != p && world->txs[n].original == world->txs[p].original &&
                        tx_block(world, n) >= 0)
                        world->txs[i].robbed = true;
                world->txs[i].robbed = world->txs[i].robbed || world->txs[p].robbed;
            }
}

static void set_tip(struct sim_world *world, int tip)
{
    bool mined[SIM_TXS_MAX];
    note_mined(world, mined);
    world->height = world->blocks[tip].height;
    ASSERT(world->height < SIM_CHAIN_MAX);
    for (int at = tip; at >= 0; at = world->blocks[at].parent)
        world->chain[world->blocks[at].height] = at;
    renew_mempool(world, mined);
    note_orphans(world);
}

void sim_fund(struct sim_world *world, uint64_t amount)
{
    ASSERT(world->fund_count < SIM_COINS_MAX);
    struct sim_coin *coin = &world->funds[world->fund_count];
    sim_hash(2, world->fund_count, coin->txid);
    coin->output = 1;
    world->fund_amounts[world->fund_count++] = amount;
}

void sim_share(struct sim_world *world, size_t count)
{
    if (world->batch_count == SIM_BATCHES_MAX)
        return;
    struct sim_batch *batch = &world->batches[world->batch_count];
    *batch = (struct sim_batch){ .lease = 1 + sim_below(&world->random, 3),
                                 .sequence = world->batch_count + 1,
                                 .count = count };
    batch->position =
        (struct window_position){ .high = world->now_ms, .low = world->batch_count % 5 };
    if (world->batch_count > 0 &&
        window_position_compare(&batch->position,
                                &world->batches[world->batch_count - 1].position) <= 0) {
        batch->position = world->batches[world->batch_count - 1].position;
        batch->position.low++;
    }
    for (size_t i = 0; i < count; i++)
        batch->shares[i] = (struct window_share){
            .account = world->ids[sim_below(&world->random, world->account_count)],
            .worker = 1,
            .work = 1 + sim_below(&world->random, sim_chance(&world->random, 10) ? 600 : 300),
            .time_ms = world->now_ms,
        };
    world->batch_count++;
}

/* The block is found by a share of the newest batch. */
static void set_finder(struct sim_world *world, struct sim_block *block)
{
    block->finder_batch = (int)world->batch_count - 1;
    if (block->finder_batch >= 0)
        block->finder_index = sim_below(&world->random, world->batches[block->finder_batch].count);
    if (block->finder_batch >= 0) {
        uint64_t *account =
            &world->batches[block->finder_batch].shares[block->finder_index].account;
        if (block->finder == 0)
            block->finder = *account;
        *account = block->finder; /* known before its share came, where that came late */
    }
}

/* A miner may have kept a version that others replaced. */
static size_t another_version(const struct sim_world *world, size_t tx)
{
    for (size_t i = 0; i < world->tx_count; i++)
        if (world->txs[i].original == world->txs[tx].original && world->txs[i].known && i != tx &&
            !world->txs[i].robbed && world->txs[i].outputs[0].account != -2)
            return i;
    return tx;
}

void sim_mine(struct sim_world *world, bool ours, bool candidate_lost)
{
    int tip = world->chain[world->height];
    /* Its share comes with it; the very first block may be found before any share counted. */
    if (ours && (world->batch_count > 0 || sim_chance(&world->random, 70)))
        sim_share(world, 1 + sim_below(&world->random, SIM_BATCH_SHARES_MAX));
    int at = add_block(world, tip, ours);
    for (size_t i = 0; i < world->tx_count && world->rebroadcasts; i++)
        world->txs[i].pooled = world->txs[i].known && tx_block(world, i) < 0 &&
                               (world->txs[i].pooled || sim_tx_valid(world, i));
    struct sim_block *block = &world->blocks[at];
    bool full = !ours && world->congested && sim_chance(&world->random, 70);
    for (size_t i = 0; i < world->tx_count && block->tx_count < SIM_BLOCK_TXS_MAX && !full; i++)
        if (world->txs[i].pooled)
            block->txs[block->tx_count++] =
                sim_chance(&world->random, 30) ? another_version(world, i) : i;
    if (ours) {
        block->reward = 1000000 + sim_below(&world->random, 5000000);
        set_finder(world, block);
        block->network_work =
            world->network_work + sim_below(&world->random, world->network_work * 3 / 10);
        block->found_ms = world->now_ms;
        if ((!candidate_lost || block->finder_batch < 0) && world->candidate_count < 64)
            world->candidates[world->candidate_count++] = at;
    }
    set_tip(world, at);
}

void sim_mine_early(struct sim_world *world)
{
    sim_arrive(world, 0);
    sim_mine(world, true, true);
    int at = world->chain[world->height];
    world->blocks[at].finder_batch = -2;
    world->blocks[at].finder = world->ids[sim_below(&world->random, world->account_count)];
    if (world->candidate_count > 0 && world->candidates[world->candidate_count - 1] == at)
        world->candidate_count--;
}

void sim_arrive(struct sim_world *world, uint64_t after_ms)
{
    for (size_t i = 1; i < world->block_count; i++) {
        struct sim_block *block = &world->blocks[i];
        if (block->finder_batch != -2 || world->now_ms < block->found_ms + after_ms)
            continue;
        sim_share(world, 1 + sim_below(&world->random, SIM_BATCH_SHARES_MAX));
        set_finder(world, block);
        if (world->candidate_count < 64)
            world->candidates[world->candidate_count++] = (int)i;
    }
}

void sim_reorganise(struct sim_world *world, uint32_t depth)
{
    if (depth > world->height)
        depth = world->height;
    int at = world->chain[world->height - depth];
    for (uint32_t i = 0; i <= depth; i++)
        at = add_block(world, at, false);
    set_tip(world, at);
}

void sim_bring_back(struct sim_world *world, size_t block)
{
    /* Its highest descendant, or itself; then as many as it takes to be the longest. */
    int at = (int)block;
    for (size_t i = block + 1; i < world->block_count; i++)
        if (world->blocks[i].parent == at)
            at = (int)i;
    while (world->blocks[at].height <= world->height)
        at = add_block(world, at, false);
    set_tip(world, at);
}

int sim_lost_block(struct sim_world *world, uint32_t depth)
{
    for (size_t i = world->block_count; i-- > 1;)
        if (world->blocks[i].ours && sim_confirmations(world, (int)i) == 0 &&
            world->blocks[i].height + depth > world->height) {
            /* Where it forked off must not be deeper either. */
            int at = (int)i;
            while (sim_confirmations(world, at) == 0)
                at = world->blocks[at].parent;
            if (world->height - world->blocks[at].height <= depth)
                return (int)i;
        }
    return -1;
}

void sim_empty_mempool(struct sim_world *world)
{
    for (size_t i = 0; i < world->tx_count; i++)
        world->txs[i].pooled = false;
}

bool sim_steal(struct sim_world *world)
{
    for (size_t i = 0; i < world->tx_count; i++) {
        const struct sim_tx *victim = &world->txs[i];
        uint64_t amount;
        if ((!victim->known && !sim_chance(&world->random, 30)) ||
            victim->outputs[0].account == -2 || tx_block(world, i) >= 0 ||
            world->tx_count == SIM_TXS_MAX || !coin_exists(world, &victim->inputs[0], &amount) ||
            sim_spender_in_chain(world, &victim->inputs[0], SIZE_MAX) >= 0)
            continue;
        struct sim_tx *thief = &world->txs[world->tx_count];
        *thief =
            (struct sim_tx){ .input_count = 1, .output_count = 1, .original = world->tx_count };
        thief->inputs[0] = victim->inputs[0];
        thief->outputs[0].account = -2;
        thief->outputs[0].amount = amount;
        sim_hash(3, world->tx_count, thief->txid);
        size_t at = world->tx_count++;
        for (size_t k = 0; k < at; k++) {
            struct sim_tx *tx = &world->txs[k];
            bool robbed = spends(tx, &thief->inputs[0]);
            for (size_t p = 0; p < at && !robbed; p++)
                for (size_t n = 0; n < tx->input_count; n++)
                    robbed = robbed || (world->txs[p].robbed &&
                                        memcmp(world->txs[p].txid, tx->inputs[n].txid, 32) == 0);
            tx->robbed = tx->robbed || robbed;
            tx->pooled = tx->pooled && !robbed;
        }
        world->txs[at].pooled = true;
        sim_mine(world, false, false);
        return true;
    }
    return false;
}

void sim_restart_node(struct sim_world *world)
{
    world->lock_count = 0;
}

uint64_t sim_on_chain(const struct sim_world *world, size_t account, bool mempool_too)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < world->tx_count; i++) {
        const struct sim_tx *tx = &world->txs[i];
        if (tx_block(world, i) < 0 && !(mempool_too && tx->pooled))
            continue;
        for (size_t k = 0; k < tx->output_count; k++)
            if (tx->outputs[k].account == (int)account)
                sum += tx->outputs[k].amount;
    }
    return sum;
}

static void write_event(struct sim_world *world, struct sim_block *block,
                        enum wire_reward_kind kind)
{
    struct error error;
    struct wire_reward_event event = {
        .sequence = ++world->events,
        .epoch = 1,
        .kind = (uint8_t)kind,
        .generation = block->generation,
        .height = block->height,
        .reward = block->reward,
        .network_work_low = (uint64_t)block->network_work,
        .account = block->finder,
        .time_ms = block->found_ms,
    };
    memcpy(event.block_hash, block->hash, 32);
    if (block->finder_batch >= 0) {
        const struct sim_batch *batch = &world->batches[block->finder_batch];
        event.lease_id = batch->lease;
        event.batch_sequence = batch->sequence;
        event.index = (uint32_t)block->finder_index;
    }
    if (kind == WIRE_REWARD_FOUND && block->first_event == 0)
        block->first_event = world->events;
    if (event_append(world->memory, &event, &error) != STORE_DONE)
        sim_fail(world, "event: %s", error.text);
}

void sim_scheduler(struct sim_world *world)
{
    if (sim_chance(&world->random, 5)) { /* another scheduler takes over */
        struct sim_block nothing = { .finder_batch = -1 };
        write_event(world, &nothing, WIRE_REWARD_TAKEN_OVER);
    }
    for (size_t i = 1; i < world->block_count; i++) {
        struct sim_block *block = &world->blocks[i];
        uint32_t confirmations = sim_confirmations(world, (int)i);
        if (!block->ours)
            continue;
        if (block->credited && confirmations == 0 && block->height <= world->height) {
            write_event(world, block, WIRE_REWARD_ORPHANED);
            block->credited = block->matured = false;
        } else if (!block->credited && confirmations > 0) {
            block->generation++;
            write_event(world, block, WIRE_REWARD_FOUND);
            block->credited = true;
        }
        if (block->credited && !block->matured && confirmations >= world->maturity) {
            write_event(world, block, WIRE_REWARD_MATURED);
            block->matured = block->matured_ever = true;
        }
    }
    sim_receipts(world);
}
