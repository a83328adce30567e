/* The section `reward` of the settings, as the engine takes it: how blocks are shared from now on.
 * Pure but for the settings it reads; any thread. */
#pragma once
#include "core/reward/reward.h"
#include "service/settings.h"

struct payout_terms {
    enum reward_scheme scheme;
    uint32_t window_percent;
    u128 window_work; /* 0: by window_percent */
    uint32_t fee_basis_points;
    struct money block_reward;
    uint64_t stretch_interval_ms;
    struct reward_class classes[REWARD_CLASSES_MAX];
    size_t class_count;
};

/* False with one sentence about the setting that makes no sense. */
MUST_CHECK bool payout_terms_read(const struct settings *settings, struct payout_terms *terms_r,
                                  struct error *error);
