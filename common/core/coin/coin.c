#include "core/coin/coin.h"

uint64_t coin_subsidy(const struct coin_profile *coin, uint32_t height)
{
    uint32_t halvings = coin->halving_interval != 0 ? height / coin->halving_interval : 0;
    return halvings < 64 ? coin->subsidy >> halvings : 0;
}

bool coin_keeps_bits(const struct coin_profile *coin, uint32_t height)
{
    return coin->retarget_interval == 0 || height % coin->retarget_interval != 0;
}
