/* Work bought at a price: 128.128 fixed point, nothing rounded but the price itself. */
#include "core/reward/reward.h"

struct reward_price reward_price(struct money block, u128 network_work)
{
    ASSERT(network_work != 0 && block.units <= MONEY_MAX);
    struct u256 whole = { { 0, 0, block.units, 0 } }; /* block · 2^128 */
    return (struct reward_price){ u256_divide_floor(whole, u256_from_u128(network_work), NULL) };
}

struct reward_price reward_price_net(struct reward_price price, uint32_t basis_points)
{
    ASSERT(basis_points <= MONEY_BASIS_POINTS);
    struct u256 product;
    /* A price is below 2^191, so this fits. */
    bool lost = u256_multiply_u64(price.units, MONEY_BASIS_POINTS - basis_points, &product);
    ASSERT(!lost);
    return (struct reward_price){ u256_divide_u64_floor(product, MONEY_BASIS_POINTS, NULL) };
}

struct money reward_mean(const uint64_t *values, size_t count)
{
    struct money sum = MONEY_ZERO;
    ASSERT(count > 0);
    for (size_t i = 0; i < count; i++) {
        bool fits = money_add(sum, (struct money){ values[i] }, &sum);
        ASSERT(fits);
    }
    return (struct money){ sum.units / count };
}

/* sum += price · work; true where it does not fit. */
static bool add_product(struct u256 price, u128 work, struct u256 *sum)
{
    struct u256 low, high;
    bool lost = u256_multiply_u64(price, (uint64_t)work, &low);
    lost |= u256_multiply_u64(price, (uint64_t)(work >> 64), &high);
    lost |= high.limb[3] != 0;
    lost |= u256_add(*sum, low, sum);
    lost |= u256_add(*sum, u256_shift_left(high, 64), sum);
    return lost;
}

/* Takes the whole base units out of a sum, leaves the fraction; false above MONEY_MAX. */
static bool take_whole(struct u256 sum, uint64_t *amount_r, u128 *carry_r)
{
    *carry_r = u256_low_u128(sum);
    *amount_r = sum.limb[2];
    return sum.limb[3] == 0 && sum.limb[2] <= MONEY_MAX;
}

bool reward_buy(struct reward_price price, struct reward_earning *earnings, size_t count,
                u128 *fee_carry, struct money *fee_r, struct money *spent_r)
{
    struct u256 fee = u256_from_u128(*fee_carry);
    struct reward_price net = price;
    uint32_t net_of = 0;
    *spent_r = MONEY_ZERO;
    for (size_t i = 0; i < count; i++) {
        struct reward_earning *earning = &earnings[i];
        struct u256 kept, sum = u256_from_u128(earning->carry);
        if (earning->fee_basis_points != net_of) {
            net_of = earning->fee_basis_points;
            net = reward_price_net(price, net_of);
        }
        bool lost = u256_subtract(price.units, net.units, &kept);
        ASSERT(!lost);
        if (add_product(net.units, earning->work, &sum) || add_product(kept, earning->work, &fee) ||
            !take_whole(sum, &earning->amount, &earning->carry) ||
            !money_add(*spent_r, (struct money){ earning->amount }, spent_r))
            return false;
    }
    return take_whole(fee, &fee_r->units, fee_carry) && money_add(*spent_r, *fee_r, spent_r);
}
