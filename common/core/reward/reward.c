#include "core/reward/reward.h"

const char *reward_scheme_name(enum reward_scheme scheme)
{
    switch (scheme) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        REWARD_SCHEMES(X)
#undef X
    }
    return "unknown";
}

bool reward_scheme_parse(struct span text, enum reward_scheme *scheme_r)
{
#define X(name, value, word)                                                                       \
    if (span_equal(text, span_text(word))) {                                                       \
        *scheme_r = name;                                                                          \
        return true;                                                                               \
    }
    REWARD_SCHEMES(X)
#undef X
    return false;
}

bool reward_class_is_name(struct span text)
{
    if (text.length == 0 || text.length >= REWARD_CLASS_BYTES)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char letter = (char)text.data[i];
        if (!((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
              letter == '-' || letter == '_'))
            return false;
    }
    return true;
}

bool reward_class_parse(struct span text, struct reward_class *class_r)
{
    const char *letters = (const char *)text.data;
    const char *equals = text.length == 0 ? NULL : memchr(letters, '=', text.length);
    u128 basis_points;
    if (equals == NULL)
        return false;
    size_t name = (size_t)(equals - letters);
    if (!reward_class_is_name(span_of(letters, name)) ||
        !u128_parse(equals + 1, text.length - name - 1, &basis_points) ||
        basis_points > MONEY_BASIS_POINTS)
        return false;
    *class_r = (struct reward_class){ .basis_points = (uint32_t)basis_points };
    memcpy(class_r->name, letters, name);
    return true;
}

/* The floor of what the pool is due of a reward: reward · sum(work · basis points) / (10000 · all
 * work). Where all pay the same, work falls out, and sums of work may be of any size. */
static struct money pool_part(const struct pplns_part *parts, size_t count, struct money reward)
{
    bool same = true;
    u128 total = 0, kept = 0;
    for (size_t i = 0; i < count; i++)
        same = same && parts[i].fee_basis_points == parts[0].fee_basis_points;
    if (same)
        return money_cut_fee(reward, parts[0].fee_basis_points).fee;
    for (size_t i = 0; i < count; i++) {
        ASSERT(parts[i].work >> 114 == 0 && parts[i].fee_basis_points <= MONEY_BASIS_POINTS);
        total += parts[i].work;
        ASSERT(total >> 114 == 0);
        kept += parts[i].work * parts[i].fee_basis_points;
    }
    return money_share_floor(reward, kept, total * MONEY_BASIS_POINTS, NULL);
}

struct reward_cut reward_share(struct pplns_part *parts, size_t count, struct money reward,
                               uint32_t basis_points)
{
    struct reward_cut cut = { MONEY_ZERO, MONEY_ZERO };
    if (count == 0) {
        struct money_cut whole = money_cut_fee(reward, basis_points);
        return (struct reward_cut){ whole.fee, whole.rest };
    }
    cut.fee = pool_part(parts, count, reward);
    struct money rest = { reward.units - cut.fee.units };
    if (!pplns_split(parts, count, rest)) {
        /* Every one of them pays all of it. */
        for (size_t i = 0; i < count; i++)
            parts[i].amount = 0;
        ASSERT(rest.units == 0);
    }
    return cut;
}
