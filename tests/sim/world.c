#include "tests/sim/sim.h"

#include "core/address/address.h"
#include "adapter/store_fake/fake.h"
#include "record/account/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t sim_seed;

uint64_t sim_next(struct sim_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t sim_below(struct sim_random *random, uint64_t below)
{
    return below == 0 ? 0 : sim_next(random) % below;
}

bool sim_chance(struct sim_random *random, unsigned percent)
{
    return sim_below(random, 100) < percent;
}

void sim_fail(const struct sim_world *world, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "seed %" PRIu64 ", call %lu, height %" PRIu32 ": ", sim_seed, world->calls,
            world->height);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  (run it again with ADIT_SEED=%" PRIu64 " ADIT_SIM_SEEDS=1)\n", sim_seed);
    abort();
}

static void bind_accounts(struct sim_world *world)
{
    for (size_t i = 0; i < world->account_count; i++) {
        struct account account = { .kind = IDENTITY_KIND_ADDRESS,
                                   .state = ACCOUNT_ACTIVE,
                                   .roles = ACCOUNT_ROLE_MINER,
                                   .created_ms = 1 };
        struct account_payout payout = { .script = { .data = { 0x00, 0x14 }, .length = 22 } };
        struct account bound;
        struct error error;
        /* Ascending, two to a page of balances. */
        account.id = world->ids[i] = (uint64_t)(i + 1) / 2 << 54 | ((i + 1) * UINT64_C(0x1234567) +
                                                                    sim_below(&world->random, 99));
        store_le64(payout.script.data + 2, account.id);
        bool formatted =
            address_format(world->coin, output_script_span(&payout.script), payout.address);
        ASSERT(formatted);
        account_set_payout(&account, world->coin, &payout);
        memcpy(world->scripts[i], payout.script.data, sizeof world->scripts[i]);
        snprintf(world->addresses[i], sizeof world->addresses[i], "%s", payout.address);
        world->account_class[i] = -1;
        if (sim_chance(&world->random, 25)) {
            world->account_class[i] = (int)sim_below(&world->random, world->class_count);
            snprintf(account.fee_class, sizeof account.fee_class, "%s",
                     world->classes[world->account_class[i]].name);
        } else if (sim_chance(&world->random, 10)) { /* a class nobody knows any more */
            snprintf(account.fee_class, sizeof account.fee_class, "gone");
        }
        snprintf(account.name, sizeof account.name, "%s", payout.address);
        if (account_bind(world->memory, &account, &bound, NULL, &error) != ACCOUNT_BOUND)
            sim_fail(world, "account: %s", error.text);
    }
}

struct sim_regime *sim_regime(struct sim_world *world)
{
    return &world->regimes[world->regime_count - 1];
}

struct sim_world *sim_create(uint64_t seed, size_t accounts, struct store *store)
{
    struct sim_world *world = calloc(1, sizeof *world);
    ASSERT(world != NULL);
    world->random.state = seed * 2654435761u + 17;
    world->luck.state = seed * 40503 + 11;
    world->received_confirmations = 2;
    world->coin = coin_profile_find(span_text("bitcoin-regtest"));
    world->blocks = calloc(SIM_BLOCKS_MAX, sizeof *world->blocks);
    world->txs = calloc(SIM_TXS_MAX, sizeof *world->txs);
    world->batches = calloc(SIM_BATCHES_MAX, sizeof *world->batches);
    world->receipts = calloc(SIM_RECEIPTS_MAX, sizeof *world->receipts);
    world->sayings = calloc(SIM_SAYINGS_MAX, sizeof *world->sayings);
    ASSERT(world->coin != NULL && world->blocks != NULL && world->txs != NULL &&
           world->batches != NULL && world->receipts != NULL && world->sayings != NULL);
    world->now_ms = 1000000;
    world->maturity = 4;
    world->regimes[0] = (struct sim_regime){ REWARD_PPLNS, 200, 0, 100 };
    world->regime_count = 1;
    world->block_reward = 3000000;
    world->network_work = 5000;
    world->spends_coinbases = true;
    world->account_count = accounts;
    world->memory = store != NULL ? store : store_fake_create();
    struct error error;
    if (!engine_declare(world->memory, &error))
        sim_fail(world, "declare: %s", error.text);
    world->classes[0] = (struct reward_class){ "vip", 0 };
    world->classes[1] = (struct reward_class){ "dear", 733 };
    world->class_count = 2;
    bind_accounts(world);
    world->store = sim_faulty_store(world, world->memory);
    world->window = sim_faulty_window(world, sim_window(world));
    world->node = sim_faulty_node(world, sim_node(world));
    world->blocks[0] = (struct sim_block){ .parent = -1, .finder_batch = -1 };
    world->block_count = 1;
    return world;
}

void sim_destroy(struct sim_world *world)
{
    store_close(world->store);
    window_reader_close(world->window);
    node_close(world->node);
    free(world->blocks);
    free(world->txs);
    free(world->batches);
    free(world->receipts);
    free(world->sayings);
    free(world);
}
