/* Coin profiles: what a block may create, and when its bits may differ from its parent's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/coin/coin.h"

static const struct coin_profile *coin(const char *name)
{
    return coin_profile_find(span_text(name));
}

/* The heights and sums of validation_tests.cpp of Bitcoin Core. */
static void subsidies_halve_and_sum_to_what_consensus_allows(void **state)
{
    (void)state;
    const struct coin_profile *bitcoin = coin("bitcoin");
    assert_true(coin_subsidy(bitcoin, 0) == 5000000000);
    assert_true(coin_subsidy(bitcoin, 209999) == 5000000000);
    assert_true(coin_subsidy(bitcoin, 210000) == 2500000000);
    assert_true(coin_subsidy(bitcoin, 840000) == 312500000);
    assert_true(coin_subsidy(bitcoin, 63 * 210000) == 0);
    assert_true(coin_subsidy(bitcoin, UINT32_MAX) == 0);
    uint64_t sum = 0;
    for (uint32_t height = 0; height < 14000000; height += 1000)
        sum += coin_subsidy(bitcoin, height) * 1000;
    assert_true(sum == 2099999997690000);
    assert_true(coin_subsidy(coin("bitcoin-regtest"), 150) == 2500000000);
    assert_true(coin_subsidy(coin("litecoin"), 840000) == 2500000000);
    assert_true(coin_subsidy(coin("devnet-sha256d"), 5000000) == 5000000000);
}

static void bits_are_kept_where_nothing_retargets(void **state)
{
    (void)state;
    assert_true(coin_keeps_bits(coin("bitcoin"), 2015));
    assert_false(coin_keeps_bits(coin("bitcoin"), 2016));
    assert_true(coin_keeps_bits(coin("bitcoin-regtest"), 2016));
    assert_false(coin_keeps_bits(coin("bitcoin-testnet"), 2017)); /* 20 minutes change them */
    assert_false(coin_keeps_bits(coin("devnet-scrypt"), 7));
}

static void every_profile_says_what_a_block_may_create(void **state)
{
    size_t count;
    const struct coin_profile *profiles = coin_profiles(&count);
    (void)state;
    for (size_t i = 0; i < count; i++)
        assert_true(coin_subsidy(&profiles[i], 1) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subsidies_halve_and_sum_to_what_consensus_allows),
        cmocka_unit_test(bits_are_kept_where_nothing_retargets),
        cmocka_unit_test(every_profile_says_what_a_block_may_create),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
