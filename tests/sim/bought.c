/* What work that was bought must have earned, computed the plain way: every share once, added up
 * from the beginning of the world in 256-bit fixed point, with nothing carried. The stretches in
 * the store say where prices changed; they are held against the world on the way. */
#include "base/u256.h"
#include "record/ledger/stretch_record.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>

struct stretches {
    const struct sim_world *world;
    struct stretch_record list[SIM_STRETCHES_MAX];
    size_t count;
};

static bool gather(void *context, const struct stretch_record *stretch)
{
    struct stretches *stretches = context;
    if (stretches->count == SIM_STRETCHES_MAX)
        sim_fail(stretches->world, "too many stretches");
    if (stretch->number != stretches->count + 1)
        sim_fail(stretches->world, "stretch %zu is missing", stretches->count + 1);
    stretches->list[stretches->count++] = *stretch;
    return true;
}

static struct stretches *read_all(const struct sim_world *world)
{
    struct error error;
    struct stretches *all = calloc(1, sizeof *all);
    ASSERT(all != NULL);
    all->world = world;
    if (stretch_walk(world->memory, STORE_ASCENDING, gather, all, &error) != STORE_DONE)
        sim_fail(world, "stretches: %s", error.text);
    return all;
}

static bool covers(const struct stretch_record *stretch, const struct window_position *place)
{
    return !stretch->first && !stretch->empty &&
           window_position_compare(place, &stretch->end) <= 0 &&
           (stretch->begin_empty || window_position_compare(place, &stretch->begin) > 0);
}

static void check_order(const struct sim_world *world, const struct stretches *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct stretch_record *one = &all->list[i], *before = i > 0 ? one - 1 : NULL;
        if (one->first != (before == NULL || before->last))
            sim_fail(world, "stretch %" PRIu64 " begins a run where it must not", one->number);
        if (!one->first && (one->begin_empty != before->empty ||
                            window_position_compare(&one->begin, &before->end) != 0))
            sim_fail(world, "stretch %" PRIu64 " does not begin where the one before it ends",
                     one->number);
        if (one->scheme == REWARD_PPS && one->block.units != world->block_reward)
            sim_fail(world, "stretch %" PRIu64 " has the wrong price", one->number);
    }
}

/* What FPPS takes a block to be worth: the mean of its own template and of the 35 before it. */
static void check_mean(const struct sim_world *world, const struct stretches *all, size_t at)
{
    uint64_t sum = 0, count = 0;
    if (all->list[at].scheme != REWARD_FPPS || all->list[at].shares == 0)
        return;
    for (size_t i = at + 1; i-- > 0 && count < 36 && !all->list[i].first;)
        if (all->list[i].sample.units != 0) {
            sum += all->list[i].sample.units;
            count++;
        }
    if (count == 0 || all->list[at].block.units != sum / count)
        sim_fail(world, "stretch %zu does not have the mean price", at + 1);
}

void sim_oracle_bought(const struct sim_world *world, struct sim_bought *bought_r)
{
    struct u256 earned[SIM_ACCOUNTS_MAX] = { U256_ZERO }, fees = U256_ZERO, product;
    struct stretches *all = read_all(world);
    uint64_t spent = 0;
    bool lost = false;
    check_order(world, all);
    *bought_r = (struct sim_bought){ .open = all->count > 0 && !all->list[all->count - 1].last };
    for (size_t i = 0; i < all->count; i++) {
        const struct stretch_record *one = &all->list[i];
        struct u256 price = U256_ZERO, net;
        check_mean(world, all, i);
        if (one->shares > 0)
            price = u256_divide_floor((struct u256){ { 0, 0, one->block.units, 0 } },
                                      u256_from_u128(one->network_work), NULL);
        for (size_t b = 0; b < world->batch_count; b++)
            for (size_t s = 0; s < world->batches[b].count; s++) {
                struct window_position place = world->batches[b].position;
                place.index = (uint32_t)s;
                if (!covers(one, &place))
                    continue;
                for (size_t a = 0; a < world->account_count; a++) {
                    if (world->ids[a] != world->batches[b].shares[s].account)
                        continue;
                    uint64_t work = world->batches[b].shares[s].work;
                    int class = world->account_class[a];
                    uint32_t fee =
                        class >= 0 ? world->classes[class].basis_points : one->fee_basis_points;
                    lost |= u256_multiply_u64(price, 10000 - fee, &net);
                    net = u256_divide_u64_floor(net, 10000, NULL);
                    lost |= u256_multiply_u64(net, work, &product);
                    lost |= u256_add(earned[a], product, &earned[a]);
                    lost |= u256_subtract(price, net, &net);
                    lost |= u256_multiply_u64(net, work, &product);
                    lost |= u256_add(fees, product, &fees);
                    bought_r->shares++;
                }
            }
        spent += one->spent.units;
    }
    for (size_t a = 0; a < world->account_count; a++) {
        bought_r->credits[a] = u256_shift_right(earned[a], 128).limb[0];
        bought_r->spent += bought_r->credits[a];
    }
    bought_r->fee = u256_shift_right(fees, 128).limb[0];
    bought_r->spent += bought_r->fee;
    if (lost || spent != bought_r->spent)
        sim_fail(world, "the reserve spent %" PRIu64 ", the work was worth %" PRIu64, spent,
                 bought_r->spent);
    if (all->count > 0)
        bought_r->newest = all->list[all->count - 1];
    free(all);
}

bool sim_is_bought(const struct sim_world *world, const struct window_position *place,
                   uint64_t until_ms, bool *has_floor_r, struct window_position *floor_r)
{
    bool is = false;
    *has_floor_r = false;
    if (!world->has_bits)
        return false;
    struct stretches *all = read_all(world);
    for (size_t i = 0; i < all->count && all->list[i].time_ms <= until_ms; i++) {
        const struct stretch_record *one = &all->list[i];
        is = is || covers(one, place);
        if (one->last && !one->empty && window_position_compare(&one->end, place) < 0) {
            *has_floor_r = true;
            *floor_r = one->end;
        }
    }
    free(all);
    return is;
}
