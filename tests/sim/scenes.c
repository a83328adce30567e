#include "tests/sim/scenes.h"

#include "record/withdrawal/withdrawal.h"
#include "tests/sim/run.h"

#include <stdio.h>

enum { SCENE_ACCOUNTS = 4 };

/* A month after which everybody has money that nobody asked for yet. */
static struct run start_rich(void)
{
    sim_seed = 4711;
    struct run run = sim_start_month(NULL);
    run.options.threshold.units = UINT64_C(1) << 40;
    sim_play_month(&run);
    return run;
}

static void end_rich(struct run *run)
{
    run->options.threshold.units = SIM_THRESHOLD;
    sim_stop(run);
    sim_end(run);
}

static struct withdrawal ask_for(struct run *run, size_t account, const char *request,
                                 uint64_t amount)
{
    struct withdrawal withdrawal;
    struct error error;
    const struct engine_asking asking = {
        .account = run->world->ids[account], .request = request, .amount = { amount }, .address = ""
    };
    if (run->engine == NULL ||
        engine_withdraw(run->engine, &asking, &withdrawal, &error) != STEP_DONE)
        sim_fail(run->world, "a request of account %zu is not taken", account);
    return withdrawal;
}

static void tick(struct run *run, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        run->world->now_ms += 4000;
        sim_tick(run);
    }
}

/* One tick with a fault at the call after `calls` others; false where it makes no more than these.
 */
static bool tick_with(struct run *run, enum sim_fault fault, unsigned long calls)
{
    struct sim_world *world = run->world;
    world->fault = fault;
    world->calls = 0;
    world->fault_at = calls + 1;
    tick(run, 1);
    bool met = world->fault == SIM_WELL;
    world->fault = SIM_WELL;
    return met;
}

/* sim_end looks for two payments of one request. */
void a_request_is_paid_once_whichever_call_is_the_last(void **state)
{
    static const enum sim_fault faults[] = { SIM_DIE_AFTER, SIM_STOP_AFTER };
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        unsigned long calls = 0;
        for (bool met = true; met; calls++) {
            struct run run = start_rich();
            run.world->rival = sim_rival_works;
            run.world->rival_context = &run;
            tick(&run, 1);
            for (size_t a = 0; a < SCENE_ACCOUNTS; a++)
                ask_for(&run, a, "some", 1000 * (a + 1));
            met = tick_with(&run, faults[f], calls);
            end_rich(&run);
        }
        printf("%lu calls\n", calls - 1);
    }
}

/* The wallet refuses it, and the account's other money is due in the same tick. */
void a_request_that_cannot_bear_its_fee_delays_nothing(void **state)
{
    (void)state;
    struct run run = start_rich();
    ask_for(&run, 0, "little", 402);
    run.options.receivers_pay = true;
    end_rich(&run);
}

/* A payment of two coins waits, because a reorganisation took the transaction that one of them is
 * the change of; meanwhile the node forgets its locks, or heeds none, and the other coin would do
 * for the next payment. */
static void leave_a_coin_alone(bool heeds_locks)
{
    struct run run = start_rich();
    struct sim_world *world = run.world;
    world->fund_amounts[0] = 450000; /* not spent yet */
    sim_fund(world, 450000);
    ask_for(&run, 0, "one", 300000);
    for (int i = 0; i < 2; i++) {
        tick(&run, 1);
        sim_mine(world, false, false);
    }
    ask_for(&run, 1, "two", 550000);
    tick(&run, 1);
    if (world->tx_count != 2 || world->txs[1].input_count != 2 || !world->txs[1].pooled)
        sim_fail(world, "the scene is not set");
    sim_reorganise(world, 3);
    sim_restart_node(world);
    world->ignores_locks = !heeds_locks;
    ask_for(&run, 2, "three", 100000);
    tick(&run, 2);
    sim_verify(world, false, SIM_THRESHOLD);
    unsigned built = 0; /* beside other versions of these */
    for (size_t i = 2; i < world->tx_count; i++)
        built += world->txs[i].original == i;
    if (world->txs[1].pooled || (built == 0) != heeds_locks)
        sim_fail(world, "the scene did not come about, or a locked coin was spent");
    world->ignores_locks = false;
    end_rich(&run);
}

void a_coin_of_a_payment_that_waits_goes_into_no_other(void **state)
{
    (void)state;
    leave_a_coin_alone(true);
    leave_a_coin_alone(false);
}

/* A payment waits; the wallet takes the only other coin for its next version, and locks it. The
 * version is refused, and that coin is all there is for the next account. */
void what_a_refused_version_locked_pays_the_next_account(void **state)
{
    (void)state;
    struct run run = start_rich();
    struct sim_world *world = run.world;
    world->fund_amounts[0] = 450000; /* not spent yet */
    sim_fund(world, 450000);
    ask_for(&run, 0, "one", 300000);
    tick(&run, 1);
    if (world->tx_count != 1 || !world->txs[0].pooled)
        sim_fail(world, "the scene is not set");
    world->swaps_coins = true;
    world->rebroadcasts = false;
    for (int i = 0; i < 12 && world->tx_count < 2; i++) {
        sim_empty_mempool(world); /* it is in no block */
        sim_mine(world, false, false);
        tick(&run, 1);
    }
    if (world->tx_count != 2 || !world->txs[1].bad)
        sim_fail(world, "no version was asked for");
    ask_for(&run, 1, "two", 300000);
    for (int i = 0; i < 6; i++)
        tick(&run, 1);
    bool built = false;
    for (size_t i = 2; i < world->tx_count; i++)
        built = built || (world->txs[i].original == i && !world->txs[i].bad);
    if (!built)
        sim_fail(world, "account 1 waits for a coin that nobody spends");
    world->swaps_coins = false;
    end_rich(&run);
}

/* What the first payout saw undone is in a block again, and deep in it, when it wakes up. */
static void mine_and_work(struct sim_world *world)
{
    for (int i = 0; i < 6; i++)
        sim_mine(world, false, false);
    sim_rival_works(world);
}

void a_payment_that_another_settled_is_not_reopened(void **state)
{
    (void)state;
    unsigned long calls = 0;
    for (bool met = true; met; calls++) {
        struct run run = start_rich();
        struct sim_world *world = run.world;
        world->rival = mine_and_work;
        world->rival_context = &run;
        run.options.payment.settle_depth = 3;
        sim_stop(&run);
        tick(&run, 1);
        ask_for(&run, 0, "one", 300000);
        for (int i = 0; i < 3; i++) {
            tick(&run, 1);
            if (i < 2)
                sim_mine(world, false, false);
        }
        sim_reorganise(world, 3);
        if (world->tx_count != 1 || !world->txs[0].pooled)
            sim_fail(world, "the scene is not set");
        met = tick_with(&run, SIM_STOP_BEFORE, calls);
        end_rich(&run);
    }
    printf("%lu calls\n", calls - 1);
}

/* The first payout was about to call a payment paid. Another takes over on a chain where a theft
 * took its input and is buried, and dies behind one of its writes; then the first wakes
 * up. */
struct robbery {
    struct run *run;
    unsigned long writes; /* of the other before it dies */
    bool died;
};

static void rob_and_die(struct sim_world *world)
{
    struct robbery *robbery = world->rival_context;
    struct engine_options options = robbery->run->options;
    struct error error;
    options.boot_id += 1000000;
    world->rebroadcasts = false;
    sim_reorganise(world, 3);
    if (!sim_steal(world))
        sim_fail(world, "the scene is not set");
    for (int i = 0; i < 4; i++)
        sim_mine(world, false, false);
    sim_scheduler(world);
    struct engine *rival =
        engine_open(&options, world->store, world->window, world->node, world->now_ms, &error);
    if (rival == NULL)
        sim_fail(world, "the rival cannot open: %s", error.text);
    world->sheltered = false;
    world->writes_left = robbery->writes;
    (void)!engine_tick(rival, world->now_ms, &error);
    robbery->died = world->dead;
    world->writes_left = 0;
    engine_close(rival);
    sim_revive(world);
}

/* False where the first makes no more calls than these. */
static bool rob(unsigned long calls, struct robbery *robbery)
{
    struct run run = start_rich();
    struct sim_world *world = run.world;
    robbery->run = &run;
    world->rival = rob_and_die;
    world->rival_context = robbery;
    world->fund_amounts[0] = 450000; /* the only coin: not the change of another payment */
    run.options.payment.settle_depth = 3;
    sim_stop(&run);
    tick(&run, 1);
    ask_for(&run, 0, "one", 300000);
    for (int i = 0; i < 2; i++) {
        tick(&run, 1);
        sim_mine(world, false, false);
    }
    if (world->tx_count != 1 || world->txs[0].pooled)
        sim_fail(world, "the scene is not set");
    bool met = tick_with(&run, SIM_STOP_BEFORE, calls);
    end_rich(&run);
    return met;
}

void what_another_gives_back_is_not_called_paid(void **state)
{
    (void)state;
    unsigned long calls = 0, pairs = 0;
    struct robbery robbery = { .died = true };
    for (bool met = true; met; calls++) {
        robbery.died = true;
        for (robbery.writes = 1; met && robbery.died; robbery.writes++, pairs++)
            met = rob(calls, &robbery);
    }
    printf("%lu calls, %lu deaths\n", calls - 1, pairs);
}
