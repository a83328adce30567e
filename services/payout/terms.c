#include "services/payout/terms.h"

static bool read_classes(const struct settings *settings, struct payout_terms *terms,
                         struct error *error)
{
    _Static_assert((int)SETTINGS_LIST_MAX <= (int)REWARD_CLASSES_MAX,
                   "a list may hold more classes");
    for (size_t i = 0; i < settings->reward_fee_classes.count; i++) {
        const char *text = settings->reward_fee_classes.items[i];
        struct reward_class *class = &terms->classes[terms->class_count];
        if (!reward_class_parse(span_text(text), class))
            return error_set(error, ERROR_INVALID,
                             "reward.fee_classes: \"%s\" is not name=basis points, as in vip=50",
                             text);
        for (size_t k = 0; k < terms->class_count; k++)
            if (strcmp(terms->classes[k].name, class->name) == 0)
                return error_set(error, ERROR_INVALID, "reward.fee_classes: \"%s\" stands twice",
                                 class->name);
        terms->class_count++;
    }
    return true;
}

bool payout_terms_read(const struct settings *settings, struct payout_terms *terms_r,
                       struct error *error)
{
    const char *work = settings->reward_window_work;
    *terms_r = (struct payout_terms){
        .window_percent = (uint32_t)settings->reward_window_percent,
        .fee_basis_points = (uint32_t)settings->reward_fee_basis_points,
        .block_reward = { (uint64_t)settings->reward_block_reward },
        .stretch_interval_ms = (uint64_t)settings->reward_stretch_s * 1000,
    };
    if (!reward_scheme_parse(span_text(settings->reward_scheme), &terms_r->scheme))
        return error_set(error, ERROR_INVALID,
                         "reward.scheme: \"%s\" is not known (pplns, prop, solo, pps, fpps are)",
                         settings->reward_scheme);
    if (terms_r->scheme == REWARD_PPS && terms_r->block_reward.units == 0)
        return error_set(error, ERROR_INVALID,
                         "reward.block_reward: pps needs to know what a block is worth");
    if (work[0] != '\0' && (!u128_parse(work, strlen(work), &terms_r->window_work) ||
                            terms_r->window_work == 0 || terms_r->window_work >> 114 != 0))
        return error_set(error, ERROR_INVALID,
                         "reward.window_work: \"%s\" is no number of expected hashes", work);
    return read_classes(settings, terms_r, error);
}
