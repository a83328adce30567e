/* With n shares observed and m expected at the aimed rate, n/m estimates how many times too fast
 * the shares come, and work · n/m is the work that would be right. Changing the work by a factor
 * keeps n and scales m by the same factor, because m counts what the work in force lets expect:
 * all evidence of a session, whatever the work was when it was gathered, stays one pair.
 *
 * Thresholds. While learning, the estimate is taken at n = 8, where it is within a factor of 2 in
 * 94.5 % of all cases (P(a ≤ Gamma(8) ≤ 4a), greatest at a = 8·ln 4 / 3), and on silence when
 * m > 3 + 2.5·n. Later it is taken when n leaves [0.8 m, 1.25 m] by more than three standard
 * deviations; for a burst (16 shares where 2 are due), and for 12 expected shares of silence
 * (chance: e^-12), the old evidence is dropped. Evidence is halved at 256 shares, so that it
 * follows a miner whose speed drifts. */
#include "core/vardiff/vardiff.h"

#define SHARE 256u /* one share in the struct's units */
#define LEARN_SHARES 8u
#define REFINE_SHARES 11u
#define EVIDENCE_SHARES 256u
#define BURST_SHARES 16u
#define BURST_EXPECTED 2u
#define SILENT_SHARES 12u
#define KEPT_SHARES 16u /* evidence kept over a change of a learned work */
#define SIGNIFICANT_BITS 5

/* More would be no better evidence, and bounds every product below. */
#define EXPECTED_MAX ((uint64_t)1 << 40)
#define OBSERVED_MAX ((uint64_t)1 << 32)

/* The five leading bits, rounded to nearest: what a miner reads stays short, and 3 % more or less
 * is far below what shares can tell. */
static uint64_t quantise(u128 work)
{
    unsigned shift = 0;
    if (work >> 64 != 0)
        return UINT64_MAX;
    for (uint64_t rest = (uint64_t)work; rest >> SIGNIFICANT_BITS != 0; rest >>= 1)
        shift++;
    if (shift == 0)
        return (uint64_t)work;
    u128 rounded = ((work >> (shift - 1)) + 1) >> 1 << shift;
    return rounded > UINT64_MAX ? UINT64_MAX : (uint64_t)rounded;
}

struct work vardiff_clamp(const struct vardiff_params *params, struct work work)
{
    if (work.expected_hashes <= params->min.expected_hashes)
        return params->min;
    if (work.expected_hashes >= params->max.expected_hashes)
        return params->max;
    return difficulty_representable(work);
}

void vardiff_init(struct vardiff *vardiff, const struct vardiff_params *params, struct work work,
                  uint64_t now_ms)
{
    *vardiff = (struct vardiff){
        .work = vardiff_clamp(params, work), .last_ms = now_ms, .changed_ms = now_ms};
}

void vardiff_skip(struct vardiff *vardiff, uint64_t now_ms)
{
    if (now_ms > vardiff->last_ms)
        vardiff->last_ms = now_ms;
}

static void advance(struct vardiff *vardiff, const struct vardiff_params *params, uint64_t now_ms)
{
    if (now_ms <= vardiff->last_ms)
        return;
    uint64_t elapsed_ms = now_ms - vardiff->last_ms;
    if (elapsed_ms > UINT32_MAX)
        elapsed_ms = UINT32_MAX;
    uint64_t due = elapsed_ms * SHARE / params->share_interval_ms;
    if (due == 0)
        return; /* too little to count yet; it is not lost */
    vardiff->last_ms = now_ms;
    vardiff->expected += due;
    vardiff->burst_expected += due;
    vardiff->silent += due;
    if (vardiff->expected > EXPECTED_MAX)
        vardiff->expected = EXPECTED_MAX;
    if (vardiff->silent > EXPECTED_MAX)
        vardiff->silent = EXPECTED_MAX;
}

static void drop_evidence(struct vardiff *vardiff)
{
    vardiff->observed = vardiff->expected = 0;
    vardiff->burst = vardiff->burst_expected = vardiff->silent = 0;
}

/* Moves to work · numerator / denominator and scales the evidence; false where rounding and bounds
 * leave the work as it is. */
static bool move(struct vardiff *vardiff, const struct vardiff_params *params, uint64_t numerator,
                 uint64_t denominator, uint64_t now_ms)
{
    struct work old = vardiff->work;
    if (denominator == 0)
        denominator = 1;
    bool capped = numerator / VARDIFF_RAISE_MAX >= denominator;
    if (capped) {
        numerator = VARDIFF_RAISE_MAX;
        denominator = 1;
    }
    u128 wanted = (u128)old.expected_hashes * numerator / denominator;
    struct work work = vardiff_clamp(params, work_of(quantise(wanted)));
    if (work.expected_hashes == old.expected_hashes)
        return false;
    vardiff->work = work;
    vardiff->changed_ms = now_ms;
    if (capped) { /* how much too slow is not known yet */
        drop_evidence(vardiff);
        vardiff->phase = VARDIFF_LEARNING;
        return true;
    }
    u128 expected = (u128)vardiff->expected * work.expected_hashes / old.expected_hashes;
    vardiff->expected = expected > EXPECTED_MAX ? EXPECTED_MAX : (uint64_t)expected;
    vardiff->burst = vardiff->burst_expected = vardiff->silent = 0;
    return true;
}

/* Shares of evidence beyond `shares` are forgotten, the ratio kept. */
static void keep_evidence(struct vardiff *vardiff, uint64_t shares)
{
    uint64_t most = shares * SHARE;
    uint64_t larger = vardiff->observed > vardiff->expected ? vardiff->observed : vardiff->expected;
    if (larger <= most)
        return;
    vardiff->observed = (uint64_t)((u128)vardiff->observed * most / larger);
    vardiff->expected = (uint64_t)((u128)vardiff->expected * most / larger);
}

static bool decide_learning(struct vardiff *vardiff, const struct vardiff_params *params,
                            uint64_t now_ms)
{
    uint64_t n = vardiff->observed, m = vardiff->expected;
    if (n >= LEARN_SHARES * SHARE) {
        vardiff->phase = VARDIFF_REFINING;
        /* A little too fast is near enough: eight shares say no more. A little too slow is not,
         * because shares that come slowly are what takes long to notice. */
        if (n > m && 4 * n < 5 * m)
            return false;
        bool moved = move(vardiff, params, n - SHARE * 3 / 4, m, now_ms);
        keep_evidence(vardiff, KEPT_SHARES);
        return moved;
    }
    if (m <= 3 * SHARE + n * 5 / 2)
        return false;
    bool moved = move(vardiff, params, n + SHARE * 7 / 10, m, now_ms);
    if (!moved) /* at the minimum already: silence must not weigh more and more */
        keep_evidence(vardiff, 3);
    return moved;
}

/* a is beyond b by more than three standard deviations of `variance` shares. */
static bool beyond(uint64_t a, uint64_t b, uint64_t variance)
{
    return a > b && (u128)(a - b) * (a - b) > (u128)9 * variance * SHARE;
}

static bool decide_learned(struct vardiff *vardiff, const struct vardiff_params *params,
                           uint64_t now_ms)
{
    if (vardiff->burst >= BURST_SHARES * SHARE) {
        bool burst = vardiff->burst_expected < BURST_EXPECTED * SHARE;
        if (burst) {
            vardiff->observed = vardiff->burst;
            vardiff->expected = vardiff->burst_expected;
        }
        vardiff->burst = vardiff->burst_expected = 0;
        if (burst)
            return move(vardiff, params, vardiff->observed, vardiff->expected, now_ms);
    }
    if (vardiff->silent >= SILENT_SHARES * SHARE) {
        vardiff->phase = VARDIFF_LEARNING;
        drop_evidence(vardiff);
        return move(vardiff, params, 1, 4, now_ms);
    }
    uint64_t n = vardiff->observed, m = vardiff->expected;
    if (vardiff->phase == VARDIFF_REFINING && n >= REFINE_SHARES * SHARE) {
        vardiff->phase = VARDIFF_LEARNED;
        if (5 * n <= 4 * m || 4 * n >= 5 * m)
            return move(vardiff, params, n - SHARE * 3 / 4, m, now_ms);
    }
    if (n >= LEARN_SHARES * SHARE && beyond(n, m + m / 4, n)) {
        bool moved = move(vardiff, params, n, m, now_ms);
        keep_evidence(vardiff, KEPT_SHARES);
        return moved;
    }
    if (beyond(m - m / 5, n, m - m / 5)) {
        bool moved = move(vardiff, params, n + SHARE * 7 / 10, m, now_ms);
        keep_evidence(vardiff, KEPT_SHARES);
        return moved;
    }
    keep_evidence(vardiff, EVIDENCE_SHARES);
    return false;
}

static bool decide(struct vardiff *vardiff, const struct vardiff_params *params, uint64_t now_ms)
{
    if (vardiff->observed > OBSERVED_MAX)
        vardiff->observed = OBSERVED_MAX;
    if (now_ms < vardiff->changed_ms + VARDIFF_CHANGE_MS)
        return false;
    return vardiff->phase == VARDIFF_LEARNING ? decide_learning(vardiff, params, now_ms)
                                              : decide_learned(vardiff, params, now_ms);
}

bool vardiff_share(struct vardiff *vardiff, const struct vardiff_params *params, struct work work,
                   uint64_t now_ms)
{
    advance(vardiff, params, now_ms);
    /* A share of an older job counts by its work: many easy ones that were under way when the work
     * rose are no reason to raise it again; a hard one is at most one share. */
    uint64_t part = SHARE;
    if (work.expected_hashes < vardiff->work.expected_hashes)
        part = (uint64_t)((u128)SHARE * work.expected_hashes / vardiff->work.expected_hashes);
    vardiff->observed += part;
    vardiff->burst += part;
    if (part > 0)
        vardiff->silent = 0;
    return decide(vardiff, params, now_ms);
}

bool vardiff_tick(struct vardiff *vardiff, const struct vardiff_params *params, uint64_t now_ms)
{
    advance(vardiff, params, now_ms);
    return decide(vardiff, params, now_ms);
}

void vardiff_lower(struct vardiff *vardiff, const struct vardiff_params *params, struct work most,
                   uint64_t now_ms)
{
    const struct work work = vardiff_clamp(params, most);
    if (vardiff->work.expected_hashes <= work.expected_hashes)
        return;
    vardiff->work = work;
    vardiff->changed_ms = vardiff->last_ms = now_ms;
    drop_evidence(vardiff);
    vardiff->phase = VARDIFF_LEARNED;
}

bool vardiff_raise(struct vardiff *vardiff, const struct vardiff_params *params, uint64_t now_ms)
{
    if (now_ms < vardiff->changed_ms + VARDIFF_CHANGE_MS || !move(vardiff, params, 2, 1, now_ms))
        return false;
    drop_evidence(vardiff);
    vardiff->last_ms = now_ms;
    vardiff->phase = VARDIFF_LEARNED;
    return true;
}

bool vardiff_verify(const struct vardiff *vardiff, const struct vardiff_params *params)
{
    uint64_t work = vardiff->work.expected_hashes;
    return work >= params->min.expected_hashes && work <= params->max.expected_hashes &&
           difficulty_representable(vardiff->work).expected_hashes == work &&
           vardiff->expected <= EXPECTED_MAX && vardiff->observed <= OBSERVED_MAX + SHARE;
}
