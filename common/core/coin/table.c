/* The profiles that are built in. Their rows are made of profiles/ at build time. */
#include "core/coin/coin.h"

static const struct coin_profile profiles[] = {
#include "coin_rows.inc"
};

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
