/* One payout in the world: its engine opened, ticked, killed, taken over; and one fixed month that
 * meets every kind of set and every step of a payment. */
#include "tests/sim/run.h"

#include "record/leader/leader.h"
#include "record/switch/switch.h"
#include "record/withdrawal/withdrawal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUIET_ROUNDS = 400 };

struct engine_options sim_options(const struct sim_world *world)
{
    const struct sim_regime *regime = &world->regimes[world->regime_count - 1];
    return (struct engine_options){
        .instance = "sim",
        .boot_id = 1,
        .coin = world->coin,
        .scheme = regime->scheme,
        .window_percent = regime->window_percent,
        .window_work = regime->window_work,
        .fee_basis_points = regime->fee_basis_points,
        .classes = world->classes,
        .class_count = world->class_count,
        .block_reward = { world->block_reward },
        .stretch_interval_ms = 9000,
        .miners_may_owe = world->miners_may_owe,
        .payment = { 2, world->maturity, 3 },
        .pays = true,
        .fee_rate_max = 100,
        .threshold = { SIM_THRESHOLD },
        .outputs_max = 5,
        .push_interval_ms = 3000,
        .trim_interval_ms = 7000,
        .segment_shares = 5,
        .segment_lag_ms = 6000,
        .raw_shares = 7,
        .candidate_wait_ms = 30000,
        .day_max = { world->day_max },
        .requests_open = world->requests_open,
        .requests_day = world->requests_day,
    };
}

static void open_engine(struct run *run)
{
    struct error error;
    struct sim_world *world = run->world;
    run->options.boot_id++;
    run->engine =
        engine_open(&run->options, world->store, world->window, world->node, world->now_ms, &error);
}

void sim_stop(struct run *run)
{
    if (run->engine != NULL)
        engine_close(run->engine);
    run->engine = NULL;
}

void sim_switch(struct run *run, struct sim_regime regime)
{
    struct sim_world *world = run->world;
    if (world->regime_count == SIM_REGIMES_MAX)
        return;
    world->regimes[world->regime_count++] = regime;
    struct engine_options options = sim_options(world);
    run->options.scheme = options.scheme;
    run->options.window_percent = options.window_percent;
    run->options.window_work = options.window_work;
    run->options.fee_basis_points = options.fee_basis_points;
    if (sim_chance(&world->random, 40)) {
        run->options.miners_may_owe = !run->options.miners_may_owe;
        world->owing_changed = true;
    }
    sim_stop(run);
}

static bool leads(const struct run *run)
{
    struct leader leader;
    struct error error;
    if (leader_read(run->world->memory, ENGINE_ROLE, &leader, &error) != STORE_DONE)
        sim_fail(run->world, "leader: %s", error.text);
    return run->engine == NULL || engine_counters(run->engine).epoch == leader.epoch;
}

static bool is_paused(const struct sim_world *world)
{
    struct switch_record paused;
    struct error error;
    if (switch_get(world->memory, ENGINE_PAUSED, &paused, &error) != STORE_DONE)
        sim_fail(world, "switch: %s", error.text);
    return paused.on;
}

static void turn_paused(const struct sim_world *world, bool on)
{
    struct error error;
    if (switch_turn(world->memory, ENGINE_PAUSED, on, "sim", "", world->now_ms, &error) !=
        STORE_DONE)
        sim_fail(world, "switch: %s", error.text);
}

void sim_people(struct run *run)
{
    struct sim_world *world = run->world;
    struct sim_random *random = &world->random;
    struct withdrawal withdrawal;
    struct error error;
    char name[8];
    if (sim_chance(random, 10))
        turn_paused(world, sim_chance(random, 30));
    if (run->engine == NULL)
        return;
    size_t account = sim_below(random, world->account_count);
    snprintf(name, sizeof name, "r%u", (unsigned)sim_below(random, 40));
    struct engine_asking asking = { .account = world->ids[account],
                                    .request = name,
                                    .address = "" };
    if (sim_chance(random, 40)) {
        asking.amount.units = sim_below(random, 3) * sim_below(random, 900000);
        (void)!engine_withdraw(run->engine, &asking, &withdrawal, &error);
    }
    for (int i = 0; i < 6; i++)
        (void)!engine_approve(run->engine, 1 + sim_below(random, 20), 1 + sim_below(random, 2),
                              &error);
    if (!world->own_approvals)
        return;
    /* Its owner is an operator, too, and asks for much of it. */
    for (uint64_t number = 1; number < 40; number++)
        (void)!engine_approve(run->engine, number, world->ids[account], &error);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "m%u", (unsigned)sim_below(random, 200));
        asking.amount.units = 1000 + sim_below(random, 300000);
        (void)!engine_withdraw(run->engine, &asking, &withdrawal, &error);
    }
}

void sim_tick(struct run *run)
{
    struct sim_world *world = run->world;
    bool paused = is_paused(world);
    unsigned builds = world->builds;
    struct error error = { .text = "" };
    if (run->engine == NULL)
        open_engine(run);
    enum step step = STEP_AWAY;
    if (run->engine != NULL)
        step = engine_tick(run->engine, world->now_ms, &error);
    if (paused && world->builds != builds && !world->rival_ran)
        sim_fail(world, "something was signed though payments are paused");
    if (step == STEP_BROKEN)
        sim_fail(world, "the engine stands still: %s", error.text);
    if (world->rival_ran && !world->dead && step != STEP_LOST && !leads(run)) {
        /* It did what it was in the middle of; the next look tells it that it leads no more. */
        unsigned long writes = world->writes;
        step = engine_tick(run->engine, world->now_ms, &error);
        if ((step != STEP_LOST && !world->dead) || world->writes != writes)
            sim_fail(world, "a payout that lost the leadership goes on writing");
    }
    world->rival_ran = false;
    if (world->dead && world->owing_flips) {
        run->options.miners_may_owe = !run->options.miners_may_owe;
        world->owing_changed = true;
    }
    if (world->dead || step == STEP_LOST) {
        sim_stop(run);
        sim_revive(world);
    }
}

/* The operator puts something into the reserve, and asks until it hears that it is booked. */
void sim_deposit(struct run *run, uint64_t amount)
{
    struct sim_world *world = run->world;
    struct error error;
    struct money booked;
    if (!world->deposit_open && (amount == 0 || world->deposit_count == SIM_DEPOSITS_MAX))
        return;
    if (!world->deposit_open)
        world->deposits[world->deposit_count++] = amount;
    world->deposit_open = true;
    if (run->engine == NULL)
        return;
    amount = world->deposits[world->deposit_count - 1];
    enum step step =
        engine_fund(run->engine, world->deposit_count, (struct money){ amount }, &booked, &error);
    if (step == STEP_BROKEN)
        sim_fail(world, "deposit: %s", error.text);
    if (step == STEP_DONE && booked.units != amount)
        sim_fail(world, "deposit %zu is booked as %" PRIu64, world->deposit_count, booked.units);
    world->deposit_open = step != STEP_DONE;
    world->rival_ran = false; /* the next tick finds out */
    if (world->dead || step == STEP_LOST) {
        sim_stop(run);
        sim_revive(world);
    }
}

/* Everything works from here on, until nothing is left to do. */
static void quieten(struct run *run)
{
    struct sim_world *world = run->world;
    sim_revive(world);
    world->store_trouble_per_mille = world->node_trouble_per_mille = 0;
    world->node_away = world->window_away = world->congested = world->receives = false;
    sim_arrive(world, 0);
    /* Whose payment a wallet at fault spoiled is put aside, for a day at the most. */
    world->now_ms += world->errs > 0 ? 24 * 3600 * 1000 : 0;
    world->errs = 0;
    sim_fund(world, 1u << 30);
    turn_paused(world, false);
    sim_restart_node(world); /* the wallet forgets what it locked for transactions nobody got */
    bool funded = !world->has_bits;
    for (int i = 0; i < QUIET_ROUNDS; i++) {
        struct engine_sums sums;
        struct error error;
        world->now_ms += world->day_max > 0 ? 8 * 3600 * 1000 : 4000;
        sim_mine(world, false, false);
        sim_scheduler(world);
        for (uint64_t number = 1; run->engine != NULL && number < 100; number++)
            for (uint64_t who = 1; who <= 2 && run->options.approve_above.units > 0; who++)
                (void)!engine_approve(run->engine, number, who, &error);
        sim_tick(run);
        bool gives = !funded && !world->deposit_open;
        sim_deposit(run, gives ? 1u << 30 : 0);
        funded = funded || gives;
        if (!engine_sums(world->memory, &sums, &error))
            sim_fail(world, "sums: %s", error.text);
        uint64_t open = 0;
        for (int state = PAYMENT_PLANNED; state <= PAYMENT_VOIDING; state++)
            open += sums.payments[state];
        if (i > 16 && open == 0 && funded && !world->deposit_open && sums.open_sets == 0 &&
            run->engine != NULL && engine_counters(run->engine).newest_event == world->events)
            return;
    }
    sim_fail(world, "it never comes to rest");
}

void sim_end(struct run *run)
{
    quieten(run);
    sim_verify(run->world, true, SIM_THRESHOLD);
    sim_stop(run);
    if (run->rival != NULL)
        engine_close(run->rival);
    sim_destroy(run->world);
}

/* The other payout, while the first sleeps inside a call: it takes over and works through. */
void sim_rival_works(struct sim_world *world)
{
    struct run *run = world->rival_context;
    struct error error;
    struct engine_options options = run->options;
    options.boot_id = 1000000 + run->options.boot_id;
    if (run->rival != NULL)
        engine_close(run->rival);
    run->rival =
        engine_open(&options, world->store, world->window, world->node, world->now_ms, &error);
    if (run->rival == NULL)
        sim_fail(world, "the rival cannot open: %s", error.text);
    if (sim_chance(&world->random, 50)) {
        sim_mine(world, sim_chance(&world->random, 30), false);
        sim_scheduler(world);
    }
    unsigned rounds = 1 + (unsigned)sim_below(&world->random, 6);
    for (unsigned i = 0; i < rounds; i++) {
        enum step step = engine_tick(run->rival, world->now_ms, &error);
        if (step == STEP_BROKEN || step == STEP_LOST || step == STEP_AGAIN)
            sim_fail(world, "the rival: %s", error.text);
        if (sim_chance(&world->random, 50)) {
            sim_mine(world, false, false);
            sim_scheduler(world);
        }
        /* Miners and gateways do not sleep: what is on its way arrives before patience ends. */
        world->now_ms += 4000;
        sim_arrive(world, 3000);
    }
}

/* One fixed month that meets every kind of set and payment step. */
void sim_play_month(struct run *run)
{
    struct sim_world *world = run->world;
    sim_fund(world, 40000000);
    for (int day = 0; day < 34; day++) {
        world->now_ms += 3500;
        if (day < 24)
            sim_share(world, 4);
        if (day % 3 == 0 && day < 24)
            sim_mine(world, true, day == 9);
        else
            sim_mine(world, false, false);
        if (day == 5 || day == 15)
            sim_reorganise(world, 3);
        if (day == 17 && sim_lost_block(world, 8) >= 0)
            sim_bring_back(world, (size_t)sim_lost_block(world, 8));
        if (day == 20)
            sim_reorganise(world, 7);
        if (day == 24 && sim_lost_block(world, 16) >= 0)
            sim_bring_back(world, (size_t)sim_lost_block(world, 16));
        sim_scheduler(world);
        sim_tick(run);
        if (day % 4 == 3)
            sim_verify(world, false, SIM_THRESHOLD);
    }
}

struct run sim_start_month(struct store *store)
{
    struct run run = { .world = sim_create(sim_seed, 4, store) };
    sim_regime(run.world)->window_percent = 50;
    run.options = sim_options(run.world);
    run.options.candidate_wait_ms = 10000;
    run.options.payment.settle_depth = 16; /* deeper than anything comes back */
    run.world->rebroadcasts = run.world->receives = true;
    run.world->spends_coinbases = false;
    return run;
}
