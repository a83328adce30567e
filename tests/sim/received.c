/* Payments from outside: in which blocks they stand, among whom the scheduler splits them, what it
 * says of them, and what everybody must have of them. Draws of its own: what else happens in a seed
 * stays as it was. */
#include "record/event/event.h"
#include "tests/sim/sim.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <stdlib.h>

/* Whether a branch up to this block holds it. */
static bool is_below(const struct sim_world *world, int block, size_t receipt)
{
    for (; block >= 0; block = world->blocks[block].parent)
        for (size_t i = 0; i < world->blocks[block].receipt_count; i++)
            if (world->blocks[block].receipts[i] == receipt)
                return true;
    return false;
}

static bool is_full(const struct sim_block *block)
{
    return block->receipt_count == SIM_BLOCK_RECEIPTS_MAX;
}

void sim_receive(struct sim_world *world, int at)
{
    struct sim_block *block = &world->blocks[at];
    if (!world->receives)
        return;
    /* Those that another branch holds come into this one sooner or later. */
    for (size_t i = 0; i < world->receipt_count && !is_full(block); i++)
        if (!is_below(world, at, i) && sim_chance(&world->luck, 40))
            block->receipts[block->receipt_count++] = i;
    for (int i = 0; i < 2; i++) {
        if (!sim_chance(&world->luck, 12) || world->receipt_count == SIM_RECEIPTS_MAX ||
            is_full(block))
            continue;
        struct sim_receipt *receipt = &world->receipts[world->receipt_count];
        bool tiny = sim_chance(&world->luck, 20);
        *receipt = (struct sim_receipt){ .amount = 1 + sim_below(&world->luck, tiny ? 20 : 3000000),
                                         .block = -1 };
        sim_hash(4, world->receipt_count, receipt->txid);
        block->receipts[block->receipt_count++] = world->receipt_count++;
    }
}

/* Whoever has a weight, by ascending account; the pool's own is account 0. */
static size_t weigh(struct sim_world *world, uint32_t most, struct emission_receiver *receivers_r)
{
    size_t count = 0;
    bool nobody = sim_chance(&world->luck, 20);
    for (size_t i = 0; i <= world->account_count && !nobody; i++)
        if (sim_chance(&world->luck, 50))
            receivers_r[count++] = (struct emission_receiver){
                .account = i == 0 ? 0 : world->ids[i - 1],
                .weight = 1 + (uint32_t)sim_below(&world->luck, most),
            };
    return count;
}

/* Scores and stakes as they stand now: everything may have changed since the last one. */
static void split(struct sim_world *world, struct sim_receipt *receipt)
{
    static const struct emission_terms terms[] = {
        { 1800, 4100, 4100 }, { 1800, 4100, 4100 }, { 3333, 3333, 3334 }, { 0, 10000, 0 }
    };
    struct emission_record *record = &receipt->record;
    struct error error;
    *record = (struct emission_record){ .reward = { receipt->amount },
                                        .time_ms = world->now_ms,
                                        .terms = terms[sim_below(&world->luck, 4)],
                                        .epoch = 1,
                                        .pools = receipt->pools,
                                        .validators = receipt->validators };
    if (sim_chance(&world->luck, 30))
        record->fee_account = world->ids[sim_below(&world->luck, world->account_count)];
    record->pool_count = weigh(world, 100, receipt->pools);
    record->validator_count = weigh(world, 5000, receipt->validators);
    memcpy(record->txid, receipt->txid, 32);
    memcpy(record->block_hash, world->blocks[receipt->block].hash, 32);
    record->height = world->blocks[receipt->block].height;
    if (emission_insert(world->memory, record, &error) != STORE_DONE)
        sim_fail(world, "emission: %s", error.text);
}

/* What the newest event said; a scheduler may die before it gets there, and the next one does it
 * before it says anything more. */
static void keep(struct sim_world *world, struct sim_receipt *receipt)
{
    struct error error;
    memcpy(receipt->record.block_hash, world->blocks[receipt->block].hash, 32);
    receipt->record.height = world->blocks[receipt->block].height;
    receipt->record.generation = receipt->generation;
    receipt->record.credited = receipt->credited;
    receipt->record.event_sequence = receipt->event;
    if (emission_save(world->memory, &receipt->record, &error) != STORE_DONE)
        sim_fail(world, "emission: %s", error.text);
    receipt->behind = false;
}

static void keep_all(struct sim_world *world)
{
    for (size_t i = 0; i < world->receipt_count; i++)
        if (world->receipts[i].behind)
            keep(world, &world->receipts[i]);
}

static void say(struct sim_world *world, size_t index, bool credited)
{
    struct sim_receipt *receipt = &world->receipts[index];
    struct error error;
    keep_all(world);
    if (receipt->generation == 0)
        split(world, receipt);
    receipt->generation += credited;
    receipt->credited = credited;
    struct wire_reward_event event = {
        .sequence = ++world->events,
        .epoch = 1,
        .kind = credited ? WIRE_REWARD_RECEIVED : WIRE_REWARD_RETRACTED,
        .generation = receipt->generation,
        .height = world->blocks[receipt->block].height,
        .reward = receipt->amount,
        .time_ms = world->now_ms,
    };
    memcpy(event.block_hash, receipt->txid, 32);
    if (event_append(world->memory, &event, &error) != STORE_DONE)
        sim_fail(world, "event: %s", error.text);
    receipt->event = world->events;
    receipt->behind = true;
    ASSERT(world->saying_count < SIM_SAYINGS_MAX);
    world->sayings[world->saying_count++] = (struct sim_saying){ index, credited };
    if (sim_chance(&world->luck, 80))
        keep(world, receipt);
}

/* The newest block first, as the scheduler goes back. */
static void take_back(struct sim_world *world)
{
    for (uint32_t height = world->height + 8; height > 0; height--)
        for (size_t i = world->receipt_count; i-- > 0;) {
            const struct sim_receipt *receipt = &world->receipts[i];
            if (receipt->credited && world->blocks[receipt->block].height == height &&
                sim_confirmations(world, receipt->block) == 0)
                say(world, i, false);
        }
}

void sim_receipts(struct sim_world *world)
{
    take_back(world);
    for (uint32_t height = 1; height + world->received_confirmations <= world->height + 1;
         height++) {
        const struct sim_block *block = &world->blocks[world->chain[height]];
        for (size_t i = 0; i < block->receipt_count; i++)
            if (!world->receipts[block->receipts[i]].credited) {
                world->receipts[block->receipts[i]].block = world->chain[height];
                say(world, block->receipts[i], true);
            }
    }
}

static void give(const struct sim_world *world, uint64_t account, uint64_t amount, int sign,
                 bool first, struct sim_received *received)
{
    if (account == 0)
        received->fee += sign * (int64_t)amount;
    for (size_t a = 0; a < world->account_count; a++)
        if (world->ids[a] == account) {
            received->credits[a] += sign * (int64_t)amount;
            received->ever[a] += first ? amount : 0;
        }
}

/* What is credited again is what was credited first. */
void sim_oracle_received(const struct sim_world *world, struct sim_received *received_r)
{
    static struct oracle_split splits[SIM_RECEIPTS_MAX];
    bool split[SIM_RECEIPTS_MAX] = { false };
    memset(received_r, 0, sizeof *received_r);
    for (size_t i = 0; i < world->saying_count; i++) {
        size_t index = world->sayings[i].receipt;
        const struct emission_record *record = &world->receipts[index].record;
        struct oracle_split *parts = &splits[index];
        int sign = world->sayings[i].credited ? 1 : -1;
        bool first = !split[index];
        if (first)
            oracle_split(record, &received_r->carry, parts);
        split[index] = true;
        oracle_carry_on(&received_r->carry, parts, sign);
        give(world, record->fee_account, parts->fee, sign, first, received_r);
        for (size_t k = 0; k < record->pool_count; k++)
            give(world, record->pools[k].account, parts->pools[k], sign, first, received_r);
        for (size_t k = 0; k < record->validator_count; k++)
            give(world, record->validators[k].account, parts->validators[k], sign, first,
                 received_r);
        received_r->amount += sign * (int64_t)record->reward.units;
        received_r->taken_back = received_r->taken_back || sign < 0;
    }
}
