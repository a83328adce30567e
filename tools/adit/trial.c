#include "trial.h"

#include <math.h>
#include <stdlib.h>

static void *grow(void *memory, size_t *capacity, size_t need, size_t element_bytes)
{
    if (need <= *capacity)
        return memory;
    size_t wanted = *capacity < 1024 ? 1024 : 2 * *capacity;
    memory = realloc(memory, wanted * element_bytes);
    ASSERT(memory != NULL);
    *capacity = wanted;
    return memory;
}

void trial_add_share(struct trial_record *record, uint64_t account, uint64_t work)
{
    record->shares = grow(record->shares, &record->share_capacity, record->share_count + 1,
                          sizeof *record->shares);
    record->shares[record->share_count++] = (struct trial_share){ account, work };
}

void trial_add_block(struct trial_record *record, const struct trial_block *block)
{
    record->blocks = grow(record->blocks, &record->block_capacity, record->block_count + 1,
                          sizeof *record->blocks);
    record->blocks[record->block_count] = *block;
    record->blocks[record->block_count++].share = record->share_count - 1;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static size_t find(const struct trial_record *record, uint64_t account)
{
    size_t low = 0, high = record->account_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (record->accounts[middle] < account)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void trial_index(struct trial_record *record)
{
    size_t all = record->share_count + record->block_count, kept = 0;
    record->accounts = malloc((all + 1) * sizeof *record->accounts);
    ASSERT(record->accounts != NULL);
    for (size_t i = 0; i < record->share_count; i++)
        record->accounts[i] = record->shares[i].account;
    for (size_t i = 0; i < record->block_count; i++)
        record->accounts[record->share_count + i] = record->blocks[i].finder;
    qsort(record->accounts, all, sizeof *record->accounts, compare_ids);
    for (size_t i = 0; i < all; i++)
        if (record->accounts[i] != 0 &&
            (kept == 0 || record->accounts[kept - 1] != record->accounts[i]))
            record->accounts[kept++] = record->accounts[i];
    record->account_count = kept;
    record->fees = malloc((kept + 1) * sizeof *record->fees);
    ASSERT(record->fees != NULL);
    for (size_t i = 0; i < kept; i++)
        record->fees[i] = TRIAL_NO_CLASS;
    record->places = malloc((record->share_count + 1) * sizeof *record->places);
    ASSERT(record->places != NULL && kept < UINT32_MAX);
    for (size_t i = 0; i < record->share_count; i++)
        record->places[i] =
            (uint32_t)(record->shares[i].account == 0 ? kept
                                                      : find(record, record->shares[i].account));
}

void trial_free(struct trial_record *record)
{
    free(record->shares);
    free(record->blocks);
    free(record->accounts);
    free(record->fees);
    free(record->places);
}

static bool read_number(const char *text, size_t length, u128 most, u128 *value_r)
{
    return u128_parse(text, length, value_r) && *value_r <= most;
}

bool trial_parse(const char *text, struct trial_plan *plan, struct error *error)
{
    const char *comma = strchrnul(text, ',');
    if (!reward_scheme_parse(span_of(text, (size_t)(comma - text)), &plan->scheme))
        return error_set(error, ERROR_INVALID, "\"%s\" begins with no scheme's name", text);
    while (*comma != '\0') {
        const char *word = comma + 1, *equals = strchr(word, '=');
        comma = strchrnul(word, ',');
        u128 value = 0;
        bool known = false;
        if (equals != NULL && equals < comma) {
            size_t name = (size_t)(equals - word), length = (size_t)(comma - equals - 1);
            if (name == 6 && memcmp(word, "window", name) == 0) {
                known = read_number(equals + 1, length, 100000, &value) && value > 0;
                plan->window_percent = (uint32_t)value;
                plan->window_work = 0;
            } else if (name == 4 && memcmp(word, "work", name) == 0) {
                known = read_number(equals + 1, length, ((u128)1 << 114) - 1, &value) && value > 0;
                plan->window_work = value;
            } else if (name == 3 && memcmp(word, "fee", name) == 0) {
                known = read_number(equals + 1, length, MONEY_BASIS_POINTS, &value);
                plan->fee_basis_points = (uint32_t)value;
            } else if (name == 5 && memcmp(word, "block", name) == 0) {
                known = read_number(equals + 1, length, MONEY_MAX, &value) && value > 0;
                plan->block_reward = (uint64_t)value;
            }
        }
        if (!known)
            return error_set(
                error, ERROR_INVALID,
                "\"%s\": what follows a scheme is window=, work=, fee= or block=", text);
    }
    return true;
}

static u128 window_of(const struct trial_plan *plan, const struct trial_block *block)
{
    return plan->window_work != 0 ? plan->window_work
                                  : pplns_window_work(block->network_work, plan->window_percent);
}

size_t trial_first(const struct trial_record *record, const struct trial_plan *plan)
{
    /* Rounds, and work that is bought, count from the block before. */
    if (plan->scheme != REWARD_PPLNS)
        return record->block_count > 1 ? 1 : record->block_count;
    u128 before = 0;
    size_t share = 0;
    for (size_t b = 0; b < record->block_count; b++) {
        for (; share < record->share_count && share <= record->blocks[b].share; share++)
            before += record->shares[share].work;
        if (before >= window_of(plan, &record->blocks[b]))
            return b;
    }
    return record->block_count;
}

/* A plan being tried: the amounts of one block, by account. */
struct trying {
    const struct trial_record *record;
    const struct trial_plan *plan;
    struct trial_result *result;
    u128 *work;
    u128 *carries;
    uint64_t *amounts;
    struct pplns_part *parts;
    struct reward_earning *earnings;
    u128 fee_carry;
    uint64_t mean_reward;
    double *squares;
};

static uint32_t fee_of(const struct trying *trying, size_t account)
{
    uint32_t fee = trying->record->fees[account];
    return fee == TRIAL_NO_CLASS ? trying->plan->fee_basis_points : fee;
}

/* The work a block is paid by: back to `stop` shares (exclusive), at most `target`. */
static void add_work(struct trying *trying, size_t newest, size_t stop, u128 target)
{
    const struct trial_record *record = trying->record;
    memset(trying->work, 0, record->account_count * sizeof *trying->work);
    for (size_t i = newest + 1; i-- > stop && target > 0;) {
        u128 counted = record->shares[i].work < target ? record->shares[i].work : target;
        trying->work[record->places[i]] += counted; /* those of nobody behind all others */
        target -= counted;
    }
}

static void share_block(struct trying *trying, const struct trial_block *block)
{
    const struct trial_record *record = trying->record;
    size_t count = 0;
    for (size_t a = 0; a < record->account_count; a++)
        if (trying->work[a] != 0)
            trying->parts[count++] = (struct pplns_part){ .account = record->accounts[a],
                                                          .work = trying->work[a],
                                                          .fee_basis_points = fee_of(trying, a) };
    struct reward_cut cut = reward_share(trying->parts, count, (struct money){ block->reward },
                                         trying->plan->fee_basis_points);
    for (size_t i = 0; i < count; i++)
        trying->amounts[find(record, trying->parts[i].account)] = trying->parts[i].amount;
    trying->result->fee += cut.fee.units;
    trying->result->unallocated += cut.unallocated.units;
}

static void buy_work(struct trying *trying, const struct trial_block *block)
{
    const struct trial_record *record = trying->record;
    uint64_t worth = trying->plan->block_reward;
    if (trying->plan->scheme == REWARD_FPPS || worth == 0)
        worth = trying->mean_reward;
    for (size_t a = 0; a < record->account_count; a++)
        trying->earnings[a] = (struct reward_earning){ .account = record->accounts[a],
                                                       .work = trying->work[a],
                                                       .carry = trying->carries[a],
                                                       .fee_basis_points = fee_of(trying, a) };
    struct money fee, spent;
    bool fits =
        reward_buy(reward_price((struct money){ worth }, block->network_work), trying->earnings,
                   record->account_count, &trying->fee_carry, &fee, &spent);
    ASSERT(fits);
    for (size_t a = 0; a < record->account_count; a++) {
        trying->amounts[a] = trying->earnings[a].amount;
        trying->carries[a] = trying->earnings[a].carry;
    }
    struct trial_result *result = trying->result;
    result->fee += fee.units;
    result->reserve += (i128)block->reward - (i128)spent.units;
    if (result->reserve < result->reserve_low)
        result->reserve_low = result->reserve;
}

static void try_block(struct trying *trying, size_t at)
{
    const struct trial_record *record = trying->record;
    const struct trial_block *block = &record->blocks[at];
    enum reward_scheme scheme = trying->plan->scheme;
    size_t stop = scheme == REWARD_PPLNS || at == 0 ? 0 : record->blocks[at - 1].share + 1;
    memset(trying->amounts, 0, record->account_count * sizeof *trying->amounts);
    add_work(trying, block->share, stop,
             scheme == REWARD_PPLNS ? window_of(trying->plan, block) : ~(u128)0);
    if (scheme == REWARD_SOLO) {
        memset(trying->work, 0, record->account_count * sizeof *trying->work);
        if (block->finder != 0)
            trying->work[find(record, block->finder)] = 1;
    }
    if (reward_buys_work(scheme))
        buy_work(trying, block);
    else
        share_block(trying, block);
    trying->result->rewards += block->reward;
}

static void add_amounts(struct trying *trying, bool first)
{
    for (size_t a = 0; a < trying->record->account_count; a++) {
        struct trial_sum *sum = &trying->result->sums[a];
        uint64_t amount = trying->amounts[a];
        sum->total += amount;
        sum->least = first || amount < sum->least ? amount : sum->least;
        sum->most = amount > sum->most ? amount : sum->most;
        trying->squares[a] += (double)amount * (double)amount;
    }
}

void trial_run(const struct trial_record *record, const struct trial_plan *plan, size_t first,
               struct trial_result *result_r)
{
    size_t accounts = record->account_count, blocks = record->block_count - first;
    ASSERT(blocks > 0);
    *result_r = (struct trial_result){ .sums = calloc(accounts + 1, sizeof *result_r->sums) };
    struct trying trying = { .record = record,
                             .plan = plan,
                             .result = result_r,
                             .work = calloc(accounts + 1, sizeof *trying.work),
                             .carries = calloc(accounts + 1, sizeof *trying.carries),
                             .amounts = calloc(accounts + 1, sizeof *trying.amounts),
                             .parts = calloc(accounts + 1, sizeof *trying.parts),
                             .earnings = calloc(accounts + 1, sizeof *trying.earnings),
                             .squares = calloc(accounts + 1, sizeof *trying.squares) };
    ASSERT(result_r->sums != NULL && trying.work != NULL && trying.carries != NULL &&
           trying.amounts != NULL && trying.parts != NULL && trying.earnings != NULL &&
           trying.squares != NULL);
    u128 rewards = 0;
    for (size_t b = first; b < record->block_count; b++)
        rewards += record->blocks[b].reward;
    trying.mean_reward = (uint64_t)(rewards / blocks);
    for (size_t b = first; b < record->block_count; b++) {
        try_block(&trying, b);
        add_amounts(&trying, b == first);
    }
    for (size_t a = 0; a < accounts; a++) {
        struct trial_sum *sum = &result_r->sums[a];
        sum->mean = (double)sum->total / (double)blocks;
        double variance = trying.squares[a] / (double)blocks - sum->mean * sum->mean;
        sum->spread = variance > 0 ? sqrt(variance) : 0;
    }
    free(trying.work);
    free(trying.carries);
    free(trying.amounts);
    free(trying.parts);
    free(trying.earnings);
    free(trying.squares);
}
