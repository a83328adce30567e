/* What receipts prove together. See receipt.h for the rule, docs/proofs.md for who could cheat with
 * it, and how far. */
#include "core/receipt/receipt.h"

/* No share is kept again so often; a bound on what a hostile pool can make of one. */
enum { CLAIMS_OF_SHARE_MAX = 256 };

/* The first and the last position that the claims have in one history. */
struct era {
    uint64_t history;
    struct proof_position first, last;
};

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* By name: that a batch and a place give it, or, of version 1, the position. */
static int compare_names(const struct receipt_claim *a, const struct receipt_claim *b)
{
    int by = order(a->version == 1, b->version == 1);
    if (by != 0 || a->version == 1)
        return by != 0 ? by : proof_position_compare(&a->share.position, &b->share.position);
    by = order(a->share.lease_id, b->share.lease_id);
    by = by != 0 ? by : order(a->share.sequence, b->share.sequence);
    return by != 0 ? by : order(a->share.place, b->share.place);
}

/* By what the share is. Of version 1 nothing but the position tells shares apart. */
static int compare_contents(const struct receipt_claim *a, const struct receipt_claim *b)
{
    if (a->version == 1)
        return 0;
    int by = order(a->share.account, b->share.account);
    by = by != 0 ? by : order(a->share.work, b->share.work);
    by = by != 0 ? by : order(a->share.time_ms, b->share.time_ms);
    return by != 0 ? by : order(a->share.nonce, b->share.nonce);
}

int receipt_claim_compare(const void *left, const void *right)
{
    const struct receipt_claim *a = left, *b = right;
    int by = compare_names(a, b);
    by = by != 0 ? by : compare_contents(a, b);
    by = by != 0 ? by : proof_position_compare(&a->share.position, &b->share.position);
    return by != 0 ? by : order(a->history, b->history);
}

/* Histories beyond the bound, and unknown ones, have no era: they excuse nothing. */
static size_t find_eras(const struct receipt_claim *claims, size_t count, struct era *eras_r)
{
    size_t eras = 0;
    for (size_t i = 0; i < count; i++) {
        const struct proof_position *at = &claims[i].share.position;
        size_t k = 0;
        while (k < eras && eras_r[k].history != claims[i].history)
            k++;
        if (k == RECEIPT_HISTORIES_MAX || claims[i].history == 0)
            continue;
        if (k == eras)
            eras_r[eras++] = (struct era){ claims[i].history, *at, *at };
        if (proof_position_compare(at, &eras_r[k].first) < 0)
            eras_r[k].first = *at;
        if (proof_position_compare(at, &eras_r[k].last) > 0)
            eras_r[k].last = *at;
    }
    return eras;
}

static const struct era *era_of(const struct era *eras, size_t count, uint64_t history)
{
    for (size_t i = 0; i < count && history != 0; i++)
        if (eras[i].history == history)
            return &eras[i];
    return NULL;
}

/* Whether `time` is later than `than` by more than `ms`; no sum can overflow. */
static bool later_by(uint64_t time, uint64_t than, uint64_t ms)
{
    return time > than && time - than > ms;
}

/* The excuse of receipt.h: `lost` stands in the window, `kept` behind its end. */
static bool excused(const struct era *lost, const struct era *kept,
                    const struct receipt_claim *again, const struct proof_position *end)
{
    if (lost == NULL || kept == NULL || lost == kept)
        return false;
    bool before = proof_position_compare(&kept->first, end) <= 0;
    if (!before && later_by(lost->last.high, end->high, RECEIPT_SKEW_MS))
        return false;
    return !later_by(again->share.position.high, kept->first.high, RECEIPT_AGAIN_MS) &&
           !later_by(lost->last.high, kept->first.high, RECEIPT_AGAIN_MS);
}

static bool is_moved(const struct receipt_claim *claim, const struct receipt_claim *same,
                     size_t count, const struct proof_statement *statement, const struct era *eras,
                     size_t era_count)
{
    const struct proof_position *end = &statement->newest;
    for (size_t i = 0; i < count && count <= CLAIMS_OF_SHARE_MAX; i++)
        if (proof_position_compare(&same[i].share.position, end) > 0 &&
            excused(era_of(eras, era_count, claim->history),
                    era_of(eras, era_count, same[i].history), &same[i], end))
            return true;
    return false;
}

/* One share: `count` claims of it. */
static void tally_share(const struct receipt_claim *same, size_t count,
                        const struct proof_statement *statement, const struct era *eras,
                        size_t era_count, struct receipt_tally *tally)
{
    bool inside = statement == NULL, moved = false;
    for (size_t i = 0; i < count; i++) {
        tally->again += i > 0 && proof_position_compare(&same[i - 1].share.position,
                                                        &same[i].share.position) != 0;
        if (statement == NULL || !receipt_counts(&same[i].share, statement))
            continue;
        if (is_moved(&same[i], same, count, statement, eras, era_count))
            moved = true;
        else
            inside = true;
    }
    if (inside) {
        tally->counted++;
        tally->work += same->share.work;
    } else if (moved) {
        tally->moved++;
        tally->moved_work += same->share.work;
    }
}

void receipt_tally(const struct receipt_claim *claims, size_t count,
                   const struct proof_statement *statement, struct receipt_tally *tally_r)
{
    struct era eras[RECEIPT_HISTORIES_MAX];
    *tally_r = (struct receipt_tally){ .histories = find_eras(claims, count, eras) };
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first + 1; next < count && compare_names(&claims[first], &claims[next]) == 0 &&
                               compare_contents(&claims[first], &claims[next]) == 0;)
            next++;
        tally_r->conflicts += next < count && compare_names(&claims[first], &claims[next]) == 0;
        tally_share(claims + first, next - first, statement, eras, tally_r->histories, tally_r);
    }
}
