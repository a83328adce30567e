#include "core/coin/coin.h"

static const struct coin_profile profiles[] = {
    {
        .name = "bitcoin",
        .ticker = "BTC",
        .chain = "main",
        .algorithm = POW_SHA256D,
        .bech32_hrp = "bc",
        .p2pkh_version = 0,
        .p2sh_version = 5,
        .p2sh_version_legacy = 5,
        .coinbase_maturity = 100,
        .decimals = 8,
        .target_spacing_seconds = 600,
        .subsidy = 5000000000,
        .halving_interval = 210000,
        .retarget_interval = 2016,
        .segwit = true,
        .gbt_rules = { "segwit" },
    },
    {
        .name = "bitcoin-testnet",
        .ticker = "tBTC",
        .chain = "test",
        .algorithm = POW_SHA256D,
        .bech32_hrp = "tb",
        .p2pkh_version = 111,
        .p2sh_version = 196,
        .p2sh_version_legacy = 196,
        .coinbase_maturity = 100,
        .decimals = 8,
        .target_spacing_seconds = 600,
        .subsidy = 5000000000,
        .halving_interval = 210000,
        .retarget_interval = 1,
        .segwit = true,
        .gbt_rules = { "segwit" },
    },
    {
        .name = "bitcoin-signet",
        .ticker = "sBTC",
        .chain = "signet",
        .algorithm = POW_SHA256D,
        .bech32_hrp = "tb",
        .p2pkh_version = 111,
        .p2sh_version = 196,
        .p2sh_version_legacy = 196,
        .coinbase_maturity = 100,
        .decimals = 8,
        .target_spacing_seconds = 600,
        .subsidy = 5000000000,
        .halving_interval = 210000,
        .retarget_interval = 2016,
        .segwit = true,
        .gbt_rules = { "segwit", "signet" },
    },
    {
        .name = "bitcoin-regtest",
        .ticker = "rBTC",
        .chain = "regtest",
        .algorithm = POW_SHA256D,
        .bech32_hrp = "bcrt",
        .p2pkh_version = 111,
        .p2sh_version = 196,
        .p2sh_version_legacy = 196,
        .coinbase_maturity = 100,
        .decimals = 8,
        .target_spacing_seconds = 600,
        .subsidy = 5000000000,
        .halving_interval = 150,
        .retarget_interval = 0,
        .segwit = true,
        .gbt_rules = { "segwit" },
    },
    {
        .name = "litecoin",
        .ticker = "LTC",
        .chain = "main",
        .algorithm = POW_SCRYPT,
        .bech32_hrp = "ltc",
        .p2pkh_version = 48,
        .p2sh_version = 50,
        .p2sh_version_legacy = 5,
        .coinbase_maturity = 100,
        .decimals = 8,
        .target_spacing_seconds = 150,
        .subsidy = 5000000000,
        .halving_interval = 840000,
        .retarget_interval = 2016,
        .segwit = true,
        .mweb = true,
        .gbt_rules = { "segwit", "mweb" },
    },
    {
        .name = "litecoin-regtest",
        .ticker = "rLTC",
        .chain = "regtest",
        .algorithm = POW_SCRYPT,
        .bech32_hrp = "rltc",
        .p2pkh_version = 111,
        .p2sh_version = 58,
        .p2sh_version_legacy = 196,
        .coinbase_maturity = 100,
        .decimals = 8,
        .target_spacing_seconds = 150,
        .subsidy = 5000000000,
        .halving_interval = 150,
        .retarget_interval = 0,
        .segwit = true,
        .mweb = true,
        .gbt_rules = { "segwit", "mweb" },
    },
#define DEVNET(devnet_name, devnet_algorithm)                                                      \
    {                                                                                              \
        .name = devnet_name, .ticker = "DEV", .chain = "regtest", .algorithm = devnet_algorithm,   \
        .bech32_hrp = "bcrt", .p2pkh_version = 111, .p2sh_version = 196,                           \
        .p2sh_version_legacy = 196, .coinbase_maturity = 3, .decimals = 8,                         \
        .target_spacing_seconds = 10, .subsidy = 5000000000, .retarget_interval = 1,               \
        .segwit = true, .gbt_rules = { "segwit" },                                                 \
    }
    DEVNET("devnet-blake2s", POW_BLAKE2S),
    DEVNET("devnet-sha256d", POW_SHA256D),
    DEVNET("devnet-scrypt", POW_SCRYPT),
#undef DEVNET
};

uint64_t coin_subsidy(const struct coin_profile *coin, uint32_t height)
{
    uint32_t halvings = coin->halving_interval != 0 ? height / coin->halving_interval : 0;
    return halvings < 64 ? coin->subsidy >> halvings : 0;
}

bool coin_keeps_bits(const struct coin_profile *coin, uint32_t height)
{
    return coin->retarget_interval == 0 || height % coin->retarget_interval != 0;
}

const struct coin_profile *coin_profile_find(struct span name)
{
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (span_equal(name, span_text(profiles[i].name)))
            return &profiles[i];
    return NULL;
}

const struct coin_profile *coin_profiles(size_t *count_r)
{
    *count_r = sizeof profiles / sizeof *profiles;
    return profiles;
}
