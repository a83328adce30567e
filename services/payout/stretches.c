/* Work bought from the reserve (PPS, FPPS), a stretch of the window at a time.
 *
 * From the first stretch of a run on, which only marks where it begins, the stretches cover the
 * window without gap or overlap; the last of a run is made when the settings say that blocks are
 * shared again. So every share is either bought once or shared by blocks, and what was bought is
 * never shared as well: a block found by bought work is the reserve's, and a window that is shared
 * does not reach back into it.
 *
 * Only shares that are segment_lag_ms old are bought: a failover of redis.window may take back
 * newer ones, and gateways send those again, to another place; there they would be bought again.
 *
 * A stretch's price is fixed when it is bought: what a block is worth over the network's work by
 * the node's tip. FPPS takes for the first the mean of what the node's templates would have paid at
 * the last stretches: blocks are found at times that know nothing of the template, as ours are
 * taken, so the mean of the one is the mean of the other.
 *
 * When the reserve cannot pay a stretch, smaller ones are tried, and then none: what was accepted
 * stays in redis.window and is bought, in order, when the reserve has something again (and when
 * that is full, the pool says that it accepts nothing). Only the last stretches of a run are bought
 * whatever the reserve has, down to below zero: it was promised. */
#include "services/payout/inside.h"

#include "core/difficulty/difficulty.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    STRETCH_SHARES_MAX = 1 << 20,
    SAMPLES = 36,
    SHORT_RETRY_MS = 10000,
    TEMPLATE_BYTES = 32 << 20,
};

/* The newest stretch, its carries, its proof and its set. Afterwards engine->stretch is it (number
 * 0: none).
 */
static enum step finish_newest(struct engine *engine, struct error *error)
{
    struct stretch_record newest;
    bool posted;
    enum store_outcome outcome = stretch_newest(engine->store, &newest, error);
    if (outcome == STORE_MISSING)
        return STEP_DONE;
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    struct ledger_cause cause = ledger_cause_payment(LEDGER_EARNED, newest.number, 1);
    enum step step = engine_is_posted(engine, &cause, &posted, error);
    if (step == STEP_DONE && !posted) {
        ENGINE_ROOM(engine, earnings, newest.accounts + (size_t)1);
        outcome = stretch_earnings(engine->store, &newest, engine->earnings, error);
        step = engine_step_of(engine, outcome, error);
        if (step == STEP_DONE)
            step = engine_lead(engine, error);
        if (step == STEP_DONE) {
            outcome =
                carry_apply(engine->store, newest.number, engine->earnings, newest.accounts, error);
            step = engine_step_of(engine, outcome, error);
        }
        if (step == STEP_DONE)
            step = engine_prove_stretch(engine, &newest, error);
        if (step == STEP_DONE)
            step = engine_post(engine, &cause, 0, error);
    }
    if (step == STEP_DONE)
        engine->stretch = newest;
    return step;
}

enum step engine_build_earned(struct engine *engine, const struct ledger_cause *cause,
                              struct ledger_legs *legs, struct error *error)
{
    struct stretch_record stretch;
    uint64_t number = ledger_cause_number(cause);
    enum store_outcome outcome = stretch_get(engine->store, number, &stretch, error);
    if (outcome == STORE_DONE) {
        ENGINE_ROOM(engine, earnings, stretch.accounts + (size_t)1);
        outcome = stretch_earnings(engine->store, &stretch, engine->earnings, error);
    }
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    ENGINE_ROOM(engine, credits, stretch.accounts + (size_t)1);
    ENGINE_ROOM(engine, legs, stretch.accounts + (size_t)2);
    for (uint32_t i = 0; i < stretch.accounts; i++)
        engine->credits[i] =
            (struct ledger_credit){ engine->earnings[i].account, { engine->earnings[i].amount } };
    *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
    return ledger_build_earned(engine->credits, stretch.accounts, stretch.fee, legs)
               ? STEP_DONE
               : engine_broken(error, "the credits of stretch %" PRIu64 " do not balance", number);
}

struct taking {
    struct engine *engine;
    struct pplns_table table;
    struct stretch_record *stretch;
    uint64_t limit;
    size_t batches;
    bool more; /* the limit ended it */
};

static bool take(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
                 const struct window_share *shares, size_t count)
{
    (void)lease_id;
    (void)sequence;
    struct taking *taking = context;
    if (!taking->engine->closing && !engine_is_ripe(taking->engine, &first))
        return false;
    if (taking->batches > 0 && taking->stretch->shares >= taking->limit) {
        taking->more = true;
        return false;
    }
    for (size_t i = 0; i < count; i++)
        while (pplns_add(&taking->table, shares[i].account, shares[i].work) == PPLNS_CROWDED)
            view_table_grow(&taking->engine->view, &taking->table);
    if (count > 0) {
        taking->stretch->end = first;
        taking->stretch->end.index = (uint32_t)count - 1;
        taking->stretch->empty = false;
        taking->batches++;
    }
    taking->stretch->shares += count;
    return true;
}

/* The work behind the stretch before, into engine->earnings; whether there is more than `limit`
 * shares let in, and whether less could be taken. */
static enum step gather(struct engine *engine, struct stretch_record *stretch, bool *more_r,
                        bool *divisible_r, struct error *error)
{
    uint64_t limit = engine->stretch_limit;
    struct taking taking = { .engine = engine,
                             .stretch = stretch,
                             .limit = limit < STRETCH_SHARES_MAX ? limit : STRETCH_SHARES_MAX };
    view_table_begin(&engine->view, &taking.table, ~(u128)0);
    const struct window_position *after = stretch->empty ? NULL : &stretch->begin;
    if (!window_walk_on(engine->window, after, take, &taking, error))
        return engine_window_away(engine, error);
    size_t count = taking.table.accounts;
    ENGINE_ROOM(engine, parts, count + 1);
    ENGINE_ROOM(engine, earnings, count + 1);
    pplns_collect(&taking.table, engine->parts);
    enum step step = engine_set_fees(engine, engine->parts, count, error);
    for (size_t i = 0; i < count; i++)
        engine->earnings[i] =
            (struct reward_earning){ .account = engine->parts[i].account,
                                     .work = engine->parts[i].work,
                                     .fee_basis_points = engine->parts[i].fee_basis_points };
    stretch->accounts = (uint32_t)count;
    *more_r = taking.more;
    *divisible_r = taking.batches > 1;
    return step;
}

struct samples {
    uint64_t values[SAMPLES];
    size_t count;
};

static bool take_sample(void *context, const struct stretch_record *stretch)
{
    struct samples *samples = context;
    if (stretch->sample.units != 0)
        samples->values[samples->count++] = stretch->sample.units;
    return samples->count < SAMPLES && !stretch->first;
}

/* What the node's template would pay now, and the mean of that and those before. */
static enum step sample_blocks(struct engine *engine, struct stretch_record *stretch,
                               struct error *error)
{
    struct block_template template;
    struct samples samples = { .count = 0 };
    uint8_t *memory = malloc(TEMPLATE_BYTES);
    ASSERT(memory != NULL);
    struct arena arena = arena_over(memory, TEMPLATE_BYTES);
    const char *longpoll_id;
    enum node_answer answer =
        node_get_template(engine->node, NULL, &arena, &template, &longpoll_id, error);
    free(memory);
    if (answer != NODE_OK)
        return engine_node_away(engine, error);
    if (template.coinbase_value == 0 || template.coinbase_value > MONEY_MAX / SAMPLES)
        return engine_broken(error, "the node's template pays %" PRIu64, template.coinbase_value);
    stretch->sample.units = samples.values[samples.count++] = template.coinbase_value;
    enum store_outcome outcome =
        stretch_walk(engine->store, STORE_DESCENDING, take_sample, &samples, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    stretch->block = reward_mean(samples.values, samples.count);
    return STEP_DONE;
}

/* The price's two numbers. */
static enum step fix_price(struct engine *engine, struct stretch_record *stretch,
                           struct error *error)
{
    struct node_chain chain;
    struct node_block block;
    struct u256 target;
    if (engine->node == NULL)
        return STEP_WAIT;
    if (node_chain(engine->node, &chain, error) != NODE_OK ||
        node_block(engine->node, chain.tip, &block, error) != NODE_OK)
        return engine_node_away(engine, error);
    struct u256 work = difficulty_target_from_bits(block.bits, &target)
                           ? difficulty_network_work(target)
                           : U256_ZERO;
    if (u256_is_zero(work) || !u256_fits_u128(work))
        return engine_broken(error, "the node's tip has no difficulty");
    stretch->network_work = u256_low_u128(work);
    if (stretch->scheme == REWARD_FPPS)
        return sample_blocks(engine, stretch, error);
    return STEP_DONE;
}

/* False, and smaller stretches from now on, where the reserve cannot pay it. */
static enum step ask_reserve(struct engine *engine, const struct stretch_record *stretch,
                             bool divisible, bool *pays_r, struct error *error)
{
    const struct ledger_account reserve = ledger_house(LEDGER_RESERVE);
    struct balance_record balance;
    enum store_outcome outcome = balance_get(engine->store, &reserve, &balance, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    int64_t missing = (int64_t)stretch->spent.units - balance.amounts.available;
    *pays_r = stretch->last || engine->closing || missing <= 0;
    if (*pays_r) {
        if (engine->counters.reserve_missing != 0)
            log_info("reserve.pays", "stretch=%" PRIu64, stretch->number);
        engine->counters.reserve_missing = 0;
        engine->stretch_limit = UINT64_MAX;
        return STEP_DONE;
    }
    if (divisible) {
        uint64_t tried = engine->stretch_limit;
        engine->stretch_limit = (stretch->shares < tried ? stretch->shares : tried) / 2;
        engine->stretch_due_ms = engine->now_ms;
        return STEP_DONE;
    }
    if (engine->counters.reserve_missing == 0)
        log_error("reserve.empty",
                  "stretch=%" PRIu64 " costs=%" PRIu64 " available=%" PRId64
                  " help=\"miners' work is kept and bought when the reserve has money again\"",
                  stretch->number, stretch->spent.units, balance.amounts.available);
    engine->counters.reserve_missing = (uint64_t)missing;
    engine->stretch_due_ms = engine->now_ms + SHORT_RETRY_MS;
    return STEP_DONE;
}

static enum step insert(struct engine *engine, struct stretch_record *stretch, struct error *error)
{
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    enum store_outcome outcome =
        stretch_insert(engine->store, stretch, engine->earnings, stretch->accounts, error);
    /* Taken by a rival, or by an insert of ours whose answer got lost. */
    if (outcome == STORE_EXISTS)
        return STEP_AGAIN;
    step = engine_step_of(engine, outcome, error);
    return step == STEP_DONE ? finish_newest(engine, error) : step;
}

/* One stretch behind the newest. *more_r: there may be another at once. */
static enum step buy(struct engine *engine, bool *more_r, struct error *error)
{
    const struct stretch_record *before = &engine->stretch;
    bool more = false, divisible = false, pays = false;
    struct stretch_record stretch = {
        .number = before->number + 1,
        .begin = before->end,
        .end = before->end,
        .begin_empty = before->empty,
        .empty = before->empty,
        .scheme = engine->closing ? before->scheme : engine->options.scheme,
        .block = engine->closing ? before->block : engine->options.block_reward,
        .fee_basis_points = engine->options.fee_basis_points,
        .fee_carry = before->fee_carry,
        .time_ms = engine->now_ms,
    };
    *more_r = false;
    engine->stretch_due_ms = engine->now_ms + engine->options.stretch_interval_ms;
    enum step step = gather(engine, &stretch, &more, &divisible, error);
    if (step != STEP_DONE || (stretch.shares == 0 && !engine->closing))
        return step;
    stretch.last = engine->closing && !more;
    if (stretch.shares > 0)
        step = fix_price(engine, &stretch, error);
    if (step == STEP_DONE)
        step = engine_step_of(
            engine, carry_read(engine->store, engine->earnings, stretch.accounts, error), error);
    if (step == STEP_DONE && stretch.shares > 0 &&
        !reward_buy(reward_price(stretch.block, stretch.network_work), engine->earnings,
                    stretch.accounts, &stretch.fee_carry, &stretch.fee, &stretch.spent))
        return engine_broken(error, "stretch %" PRIu64 " would cost more than there is money",
                             stretch.number);
    if (step == STEP_DONE)
        step = ask_reserve(engine, &stretch, divisible, &pays, error);
    if (step != STEP_DONE)
        return step;
    *more_r = pays ? more : engine->stretch_due_ms <= engine->now_ms;
    if (!pays)
        return STEP_DONE;
    step = insert(engine, &stretch, error);
    if (step == STEP_DONE)
        log_info("stretch.bought",
                 "stretch=%" PRIu64 " shares=%" PRIu64 " accounts=%" PRIu32 " spent=%" PRIu64
                 " fee=%" PRIu64,
                 stretch.number, stretch.shares, stretch.accounts, stretch.spent.units,
                 stretch.fee.units);
    return step;
}

static bool note_newest(void *context, struct window_position first, uint64_t lease_id,
                        uint64_t sequence, const struct window_share *shares, size_t count)
{
    (void)lease_id;
    (void)sequence;
    (void)shares;
    struct stretch_record *stretch = context;
    if (count == 0)
        return true;
    stretch->end = first;
    stretch->end.index = (uint32_t)count - 1;
    stretch->empty = false;
    return false;
}

/* Marks where a run begins. */
static enum step begin_run(struct engine *engine, struct error *error)
{
    struct stretch_record stretch = {
        .number = engine->stretch.number + 1,
        .first = true,
        .empty = true,
        .scheme = engine->options.scheme,
        .block = engine->options.block_reward,
        .fee_basis_points = engine->options.fee_basis_points,
        .fee_carry = engine->stretch.fee_carry,
        .time_ms = engine->now_ms,
    };
    if (!window_walk_back(engine->window, NULL, note_newest, &stretch, error))
        return engine_window_away(engine, error);
    stretch.begin = stretch.end;
    stretch.begin_empty = stretch.empty;
    engine->stretch_due_ms = engine->now_ms + engine->options.stretch_interval_ms;
    return insert(engine, &stretch, error);
}

enum step engine_stretches(struct engine *engine, struct error *error)
{
    bool buys = reward_buys_work(engine->options.scheme), more = true;
    if (engine->stretches_over && !buys)
        return STEP_DONE;
    enum step step = finish_newest(engine, error);
    if (step != STEP_DONE)
        return step;
    bool open = engine->stretch.number != 0 && !engine->stretch.last;
    engine->closing = open && !buys;
    if (!open && !buys) {
        engine->stretches_over = true;
        return STEP_DONE;
    }
    if (!open)
        return begin_run(engine, error);
    while (step == STEP_DONE && more &&
           (engine->closing ? !engine->stretch.last : engine->now_ms >= engine->stretch_due_ms))
        step = buy(engine, &more, error);
    /* While work is bought, blocks need not wait for it; before they are shared again they must. */
    return step == STEP_WAIT && !engine->closing ? STEP_DONE : step;
}
