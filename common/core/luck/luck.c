#include "core/luck/luck.h"

enum { BLOCK_BITS = 64, SHIFT = BLOCK_BITS - LUCK_STEP_BITS, STEPS_A_BLOCK = 1 << LUCK_STEP_BITS };

#define ONE ((uint64_t)1 << LUCK_SUM_BITS)
/* Where a sum is held: far above any alarm, and a product with the factors below still fits. */
#define MOST ((uint64_t)1 << 62)
/* floor(2^32 e^(1/64)), floor(2^32 e^(1/128)) */
#define GROW_NONE UINT64_C(4362603189)
#define GROW_HALF UINT64_C(4328653142)

void luck_begin(struct luck *luck)
{
    *luck = (struct luck){ .none = ONE, .half = ONE };
}

static uint64_t grow(uint64_t sum, uint64_t factor)
{
    u128 grown = (u128)sum * factor >> 32;
    return grown > MOST ? MOST : (uint64_t)grown;
}

/* A step of 1/64 of a block without a block; with each whole block a product begins. */
static void take_steps(struct luck *luck, u128 steps)
{
    for (; steps > 0; steps--) {
        luck->none = grow(luck->none, GROW_NONE);
        luck->half = grow(luck->half, GROW_HALF);
        if (++luck->steps % STEPS_A_BLOCK == 0) {
            luck->none += ONE;
            luck->half += ONE;
        }
        if (luck->none >= MOST && luck->half >= MOST) {
            luck->steps += (uint64_t)(steps - 1);
            return;
        }
    }
}

/* floor(2^64 part / whole), a little less where the numbers are long. part <= 2 whole. */
static u128 part_of(u128 part, u128 whole)
{
    unsigned shift = 0;
    while (part >> shift > UINT64_MAX)
        shift++;
    return (part >> shift << 64) / ((whole >> shift) + (shift > 0));
}

static void settle(struct luck *luck)
{
    if (luck->pending == 0)
        return;
    u128 total = luck->left + part_of(luck->pending, luck->network);
    luck->pending = 0;
    luck->left = (uint64_t)(total & (((u128)1 << SHIFT) - 1));
    take_steps(luck, total >> SHIFT);
}

void luck_work(struct luck *luck, uint64_t work, u128 network)
{
    ASSERT(network > 0);
    if (network != luck->network)
        settle(luck);
    luck->network = network;
    /* More than one block is no share worth. */
    luck->pending += work < network ? work : network;
    if (luck->pending >= network >> LUCK_STEP_BITS)
        settle(luck);
}

void luck_found(struct luck *luck, uint64_t blocks)
{
    settle(luck);
    luck->found += blocks;
    if (blocks == 0)
        return;
    luck->none = 0;
    luck->half = blocks < 64 ? luck->half >> blocks : 0;
}

static uint64_t evidence(const struct luck *luck)
{
    return (luck->none + luck->half) / 2 >> LUCK_SUM_BITS;
}

bool luck_reaches(const struct luck *luck, unsigned bits)
{
    return evidence(luck) >> bits > 0;
}

unsigned luck_bits(const struct luck *luck)
{
    unsigned bits = 0;
    while (evidence(luck) >> bits > 1)
        bits++;
    return bits;
}

void luck_forget(struct luck *luck)
{
    luck->none = ONE;
    luck->half = ONE;
}

void luck_encode(struct luck *luck, uint8_t bytes_r[LUCK_BYTES])
{
    settle(luck);
    const uint64_t values[] = { luck->left, luck->steps, luck->found, luck->none, luck->half };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        store_le64(bytes_r + 8 * i, values[i]);
}

void luck_decode(struct luck *luck_r, const uint8_t bytes[LUCK_BYTES])
{
    *luck_r = (struct luck){ .left = load_le64(bytes) & ((UINT64_C(1) << SHIFT) - 1),
                             .steps = load_le64(bytes + 8),
                             .found = load_le64(bytes + 16),
                             .none = load_le64(bytes + 24),
                             .half = load_le64(bytes + 32) };
    if (luck_r->none > MOST)
        luck_r->none = MOST;
    if (luck_r->half > MOST)
        luck_r->half = MOST;
}
