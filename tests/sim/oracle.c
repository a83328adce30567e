/* What must be, from the world alone, computed the plain way: quadratic, with 128-bit products of
 * small numbers. */
#include "record/payment/payment_record.h"
#include "record/withdrawal/withdrawal.h"
#include "services/payout/audit.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>

/* What is known of a window from outside: work before `floor` was bought. */
struct reach {
    bool has_floor;
    struct window_position floor;
};

/* The regime a block was shared by: its snapshot says which, and it must be one there was. */
static bool regime_of(const struct sim_world *world, const struct sim_block *block,
                      struct sim_regime *regime_r, struct reach *reach_r)
{
    struct snapshot_record snapshot;
    struct error error;
    enum store_outcome outcome = snapshot_get(world->memory, block->hash, &snapshot, &error);
    if (outcome == STORE_MISSING)
        return false;
    if (outcome != STORE_DONE)
        sim_fail(world, "snapshot: %s", error.text);
    bool buys = strcmp(snapshot.scheme, "pps") == 0 || strcmp(snapshot.scheme, "fpps") == 0;
    if (block->finder_batch >= 0) {
        struct window_position place = world->batches[block->finder_batch].position;
        place.index = (uint32_t)block->finder_index;
        if (sim_is_bought(world, &place, snapshot.time_ms, &reach_r->has_floor, &reach_r->floor) &&
            !buys)
            sim_fail(world, "the block at height %" PRIu32 " was found by bought work",
                     block->height);
    }
    for (size_t i = 0; i < world->regime_count; i++) {
        const struct sim_regime *regime = &world->regimes[i];
        u128 target = regime->window_work != 0 ? regime->window_work
                                               : block->network_work * regime->window_percent / 100;
        if (strcmp(snapshot.scheme, reward_scheme_name(regime->scheme)) == 0 &&
            (buys || snapshot.fee_basis_points == regime->fee_basis_points) &&
            (regime->scheme != REWARD_PPLNS || snapshot.window_work == target)) {
            *regime_r = *regime;
            return true;
        }
    }
    sim_fail(world, "the block at height %" PRIu32 " was shared by a regime that never was",
             block->height);
}

static bool is_behind(const struct sim_block *block, const struct sim_block *other)
{
    return block->finder_batch > other->finder_batch ||
           (block->finder_batch == other->finder_batch &&
            block->finder_index > other->finder_index);
}

/* Of the blocks that were heard of earlier, the nearest one before it. */
static const struct sim_block *block_before(const struct sim_world *world,
                                            const struct sim_block *block)
{
    const struct sim_block *best = NULL;
    for (size_t i = 1; i < world->block_count; i++) {
        const struct sim_block *other = &world->blocks[i];
        if (other->ours && other->finder_batch >= 0 && other->first_event != 0 &&
            other->first_event < block->first_event && is_behind(block, other) &&
            (best == NULL || is_behind(other, best)))
            best = other;
    }
    return best;
}

/* What each account did of the work a block is shared by; the sum. */
static u128 window_of(const struct sim_world *world, const struct sim_block *block,
                      const struct sim_regime *regime, const struct reach *reach, u128 *work_r)
{
    u128 filled = 0, target = ~(u128)0;
    const struct sim_block *before = NULL;
    if (regime->scheme == REWARD_PPLNS)
        target = regime->window_work != 0 ? regime->window_work
                                          : block->network_work * regime->window_percent / 100;
    else if (regime->scheme == REWARD_PROP)
        before = block_before(world, block);
    for (int b = block->finder_batch; b >= 0 && filled < target; b--)
        for (size_t s = b == block->finder_batch ? block->finder_index + 1
                                                 : world->batches[b].count;
             s-- > 0 && filled < target;) {
            const struct window_share *share = &world->batches[b].shares[s];
            u128 counted = share->work;
            struct window_position place = world->batches[b].position;
            place.index = (uint32_t)s;
            if (reach->has_floor && regime->scheme != REWARD_SOLO &&
                window_position_compare(&place, &reach->floor) <= 0)
                continue;
            if (before != NULL && (b < before->finder_batch ||
                                   (b == before->finder_batch && s <= before->finder_index)))
                continue;
            if (regime->scheme == REWARD_SOLO)
                counted = b == block->finder_batch && s == block->finder_index;
            if (counted > target - filled)
                counted = target - filled;
            for (size_t a = 0; a < world->account_count; a++)
                if (world->ids[a] == share->account)
                    work_r[a] += counted;
            filled += counted;
        }
    return filled;
}

void sim_oracle_block(const struct sim_world *world, int block, uint64_t *credits_r,
                      uint64_t *fee_r, uint64_t *unallocated_r, uint64_t *reserve_r)
{
    const struct sim_block *one = &world->blocks[block];
    struct sim_regime regime;
    struct reach reach = { .has_floor = false };
    u128 work[SIM_ACCOUNTS_MAX] = { 0 }, remainders[SIM_ACCOUNTS_MAX], weights = 0, kept = 0;
    memset(credits_r, 0, world->account_count * sizeof *credits_r);
    *fee_r = *unallocated_r = *reserve_r = 0;
    if (!regime_of(world, one, &regime, &reach))
        return;
    if (regime.scheme == REWARD_PPS || regime.scheme == REWARD_FPPS) {
        *reserve_r = one->reward;
        return;
    }
    u128 filled = window_of(world, one, &regime, &reach, work);
    if (filled == 0) {
        *fee_r = one->reward * regime.fee_basis_points / 10000;
        *unallocated_r = one->reward - *fee_r;
        return;
    }
    for (size_t a = 0; a < world->account_count; a++) {
        uint32_t fee = world->account_class[a] >= 0
                           ? world->classes[world->account_class[a]].basis_points
                           : regime.fee_basis_points;
        kept += work[a] * fee;
        work[a] *= 10000 - fee;
        weights += work[a];
    }
    *fee_r = (uint64_t)(one->reward * kept / (10000 * filled));
    uint64_t rest = one->reward - *fee_r, given = 0;
    for (size_t a = 0; a < world->account_count; a++) {
        credits_r[a] = (uint64_t)(work[a] * rest / weights);
        remainders[a] = work[a] * rest % weights;
        given += credits_r[a];
    }
    bool took[SIM_ACCOUNTS_MAX] = { false };
    while (given < rest) {
        size_t best = SIZE_MAX;
        for (size_t a = 0; a < world->account_count; a++)
            if (!took[a] && work[a] > 0 &&
                (best == SIZE_MAX || remainders[a] > remainders[best] ||
                 (remainders[a] == remainders[best] && world->ids[a] < world->ids[best])))
                best = a;
        if (best == SIZE_MAX)
            sim_fail(world, "the oracle has nobody left for %" PRIu64, rest - given);
        took[best] = true;
        credits_r[best]++;
        given++;
    }
}

static struct balance_record read_balance(const struct sim_world *world,
                                          struct ledger_account account)
{
    struct balance_record balance;
    struct error error;
    enum store_outcome outcome = balance_get(world->memory, &account, &balance, &error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        sim_fail(world, "balance: %s", error.text);
    return balance;
}

static int64_t total(struct ledger_balance balance)
{
    return balance.immature + balance.available + balance.in_flight + balance.paid;
}

/* Locks, re-established, keep the wallet from putting one coin into two payments; only a theft may
 * conflict with them. Versions of one payment share all their coins. */
static void verify_inputs(const struct sim_world *world)
{
    for (size_t i = 0; i < world->tx_count; i++)
        for (size_t k = 0; k < i; k++)
            for (size_t a = 0; a < world->txs[i].input_count * world->txs[k].input_count; a++) {
                const struct sim_tx *x = &world->txs[i], *y = &world->txs[k];
                const struct sim_coin *one = &x->inputs[a % x->input_count];
                const struct sim_coin *other = &y->inputs[a / x->input_count];
                if (x->known && y->known && !x->robbed && !y->robbed &&
                    x->original != y->original && one->output == other->output &&
                    memcmp(one->txid, other->txid, 32) == 0)
                    sim_fail(world, "transactions %zu and %zu spend one coin", k, i);
            }
}

static void audit(const struct sim_world *world)
{
    struct payout_audit_report report;
    struct error error;
    if (!payout_audit(world->memory, NULL, NULL, &report, &error))
        sim_fail(world, "the audit failed: %s", error.text);
    if (report.differences != 0)
        sim_fail(world, "the audit found %" PRIu64 " differences: %s", report.differences,
                 report.first);
}

/* What was kept of a block's window against what it was. */
static void verify_snapshot(const struct sim_world *world, const struct sim_block *block,
                            const uint64_t *credits)
{
    struct snapshot_record snapshot;
    struct pplns_part parts[SIM_ACCOUNTS_MAX];
    struct error error;
    if (snapshot_get(world->memory, block->hash, &snapshot, &error) == STORE_MISSING)
        return;
    if (snapshot.accounts > world->account_count ||
        snapshot_parts(world->memory, &snapshot, parts, &error) != STORE_DONE)
        sim_fail(world, "snapshot: %s", error.text);
    size_t next = 0;
    for (size_t a = 0; a < world->account_count; a++) {
        bool there = next < snapshot.accounts && parts[next].account == world->ids[a];
        uint64_t kept = there ? parts[next++].amount : 0;
        if (kept != credits[a])
            sim_fail(world,
                     "account %zu was given %" PRIu64 " of the block at height %" PRIu32
                     " (%s), must have %" PRIu64,
                     a, kept, block->height, snapshot.scheme, credits[a]);
    }
}

static uint64_t confirmed_fees(const struct sim_world *world)
{
    return (uint64_t)read_balance(world, ledger_house(LEDGER_COST)).amounts.paid;
}

/* What the best branch's transactions of ours cost; and what of it an account bore. */
static uint64_t fees_on_chain(const struct sim_world *world)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < world->tx_count; i++)
        if (world->txs[i].outputs[0].account >= 0 && sim_tx_block(world, i) >= 0)
            sum += world->txs[i].fee;
    return sum;
}

static int64_t borne_by(const struct sim_world *world, size_t account)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < world->tx_count; i++)
        for (size_t k = 0; k < world->txs[i].output_count; k++)
            if (world->txs[i].outputs[k].account == (int)account && sim_tx_block(world, i) >= 0)
                sum += world->txs[i].outputs[k].withheld;
    return (int64_t)sum;
}

/* What the house must have in all. */
struct house {
    uint64_t fees, unallocated, rewards, reserve, spent, deposits;
    int64_t excess; /* what miners have beyond what the chain gave them */
    struct sim_received received;
};

static int64_t total_of(const struct sim_world *world, enum ledger_owner owner)
{
    return total(read_balance(world, ledger_house(owner)).amounts);
}

static void verify_house(const struct sim_world *world, const struct house *house)
{
    uint64_t cost = confirmed_fees(world), borne = 0;
    for (size_t a = 0; a < world->account_count; a++)
        borne += (uint64_t)borne_by(world, a);
    if (cost != fees_on_chain(world))
        sim_fail(world, "transactions cost %" PRIu64 ", the ledger says %" PRIu64,
                 fees_on_chain(world), cost);
    const struct {
        const char *name;
        int64_t is, must;
    } sums[] = {
        { "the fee account", total_of(world, LEDGER_FEE),
          (int64_t)house->fees + house->received.fee - (int64_t)(cost - borne) },
        { "the network", total_of(world, LEDGER_NETWORK),
          -(int64_t)house->rewards - house->received.amount },
        { "what pools wait for", total_of(world, LEDGER_UNALLOCATED_POOLS),
          house->received.carry.pools },
        { "what validators wait for", total_of(world, LEDGER_UNALLOCATED_VALIDATORS),
          house->received.carry.validators },
        { "unallocated", total_of(world, LEDGER_UNALLOCATED), (int64_t)house->unallocated },
        { "the operator", total_of(world, LEDGER_CAPITAL), -(int64_t)house->deposits },
        { "reserve and loss", total_of(world, LEDGER_RESERVE) + total_of(world, LEDGER_LOSS),
          (int64_t)(house->reserve + house->deposits) - (int64_t)house->spent - house->excess },
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (sums[i].is != sums[i].must)
            sim_fail(world, "%s: %" PRId64 ", must be %" PRId64, sums[i].name, sums[i].is,
                     sums[i].must);
}

/* When all is quiet, every share of a run has been bought, up to the newest one while it lasts. */
static void verify_bought(const struct sim_world *world, const struct sim_bought *bought)
{
    if (!bought->open || world->batch_count == 0)
        return;
    struct window_position end = world->batches[world->batch_count - 1].position;
    end.index = (uint32_t)world->batches[world->batch_count - 1].count - 1;
    if (bought->newest.empty || window_position_compare(&bought->newest.end, &end) != 0)
        sim_fail(world, "the newest work was never bought");
}

/* What people were promised: one request is one payment, what needs two has two, nobody approves
 * what it asked for, nothing is beyond its bounds. */
struct promises {
    const struct sim_world *world;
    char requests[SIM_TXS_MAX][PAYMENT_NAME_BYTES];
    size_t count;
    uint64_t day, of_day; /* planned */
    uint32_t asked[SIM_ACCOUNTS_MAX];
};

static bool count_open(void *context, const struct withdrawal *withdrawal)
{
    struct promises *promises = context;
    const struct sim_world *world = promises->world;
    for (size_t i = 0; i < world->account_count; i++)
        if (world->ids[i] == withdrawal->account && ++promises->asked[i] > world->requests_open)
            sim_fail(world, "account %zu has %" PRIu32 " requests open", i, promises->asked[i]);
    return true;
}

static bool check_promise(void *context, const struct payment_record *payment)
{
    struct promises *promises = context;
    const char *second = strchr(payment->approvals, ' ');
    bool two =
        promises->world->own_approvals
            ? payment->approvals[0] != '\0'
            : second != NULL && strncmp(payment->approvals, second + 1, strlen(second + 1)) != 0;
    if (payment->approve && payment->version_count > 0 && !two)
        sim_fail(promises->world, "payment %" PRIu64 " was signed without two approvals",
                 payment->number);
    bool dead = payment->state == PAYMENT_VOIDED || payment->state == PAYMENT_VOIDING;
    uint64_t day = payment->created_ms / (24 * 3600 * 1000);
    if (promises->day != day)
        promises->of_day = 0;
    promises->day = day;
    promises->of_day += dead ? 0 : payment->amount.units;
    if (promises->world->day_max > 0 && promises->of_day > promises->world->day_max)
        sim_fail(promises->world, "%" PRIu64 " were planned in a day", promises->of_day);
    if (payment->request[0] == '\0')
        return true;
    /* An operator's name is its account's id, which the request's begins with. */
    char asker[17] = "";
    memcpy(asker, payment->request, 16);
    if (strstr(payment->approvals, asker) != NULL)
        sim_fail(promises->world, "payment %" PRIu64 " was approved by who asked for it",
                 payment->number);
    for (size_t i = 0; i < promises->count; i++)
        if (strcmp(promises->requests[i], payment->request) == 0)
            sim_fail(promises->world, "the request %s was paid twice", payment->request);
    ASSERT(promises->count < SIM_TXS_MAX);
    memcpy(promises->requests[promises->count++], payment->request, PAYMENT_NAME_BYTES);
    return true;
}

static void verify_promises(const struct sim_world *world)
{
    static struct promises promises;
    struct error error;
    promises.world = world;
    promises.count = 0;
    promises.day = promises.of_day = 0;
    memset(&promises.asked, 0, sizeof promises.asked);
    if (world->requests_open > 0 &&
        withdrawal_walk_open(world->memory, 0, count_open, &promises, &error) != STORE_DONE)
        sim_fail(world, "withdrawals: %s", error.text);
    for (size_t i = 0; i < world->account_count && world->requests_day > 0; i++) {
        size_t open, of_day;
        if (withdrawal_count(world->memory, world->ids[i], world->now_ms / WITHDRAWAL_DAY_MS, 0,
                             &open, &of_day, &error) != STORE_DONE)
            sim_fail(world, "withdrawals: %s", error.text);
        if (of_day > world->requests_day || open != promises.asked[i])
            sim_fail(world, "account %zu asked %zu times today, %zu are open", i, of_day, open);
    }
    if (payment_walk_newest(world->memory, 0, 0, check_promise, &promises, &error) != STORE_DONE)
        sim_fail(world, "payments: %s", error.text);
}

void sim_verify(struct sim_world *world, bool quiet, uint64_t threshold)
{
    uint64_t now[SIM_ACCOUNTS_MAX] = { 0 }, ever[SIM_ACCOUNTS_MAX] = { 0 };
    struct house house = { 0 };
    struct sim_bought bought;
    bool deep = false, late = false; /* late: some block was ever orphaned so */
    audit(world);
    verify_inputs(world);
    verify_promises(world);
    for (size_t b = 1; b < world->block_count; b++) {
        const struct sim_block *block = &world->blocks[b];
        uint64_t credits[SIM_ACCOUNTS_MAX], fee, left, reserve;
        if (!block->ours || block->finder_batch == -2)
            continue;
        sim_oracle_block(world, (int)b, credits, &fee, &left, &reserve);
        verify_snapshot(world, block, credits);
        deep = deep || (block->matured_ever && !block->matured);
        late = late || (block->matured_ever && (block->generation > 1 || !block->matured));
        for (size_t a = 0; a < world->account_count; a++) {
            ever[a] += block->matured_ever ? credits[a] : 0;
            now[a] += block->credited ? credits[a] : 0;
        }
        house.fees += block->credited ? fee : 0;
        house.unallocated += block->credited ? left : 0;
        house.reserve += block->credited ? reserve : 0;
        house.rewards += block->credited ? block->reward : 0;
    }
    sim_oracle_bought(world, &bought);
    house.fees += bought.fee;
    house.spent = bought.spent;
    for (size_t i = 0; i < world->deposit_count; i++)
        house.deposits += world->deposits[i];
    sim_oracle_received(world, &house.received);
    deep = deep || house.received.taken_back;
    for (size_t a = 0; a < world->account_count; a++) {
        ever[a] += bought.credits[a] + house.received.ever[a];
        now[a] += bought.credits[a] + (uint64_t)house.received.credits[a];
    }
    for (size_t a = 0; a < world->account_count; a++) {
        uint64_t reached = sim_on_chain(world, a, true);
        if (reached > ever[a])
            sim_fail(world, "account %zu was sent %" PRIu64 " of %" PRIu64, a, reached, ever[a]);
        if (!quiet)
            continue;
        struct balance_record balance = read_balance(world, ledger_miner(world->ids[a]));
        int64_t has = total(balance.amounts) + borne_by(world, a);
        bool exact = !deep || (world->miners_may_owe && !world->owing_changed);
        if (has < (int64_t)now[a] || (exact && has != (int64_t)now[a]))
            sim_fail(world, "account %zu has %" PRId64 ", must have %" PRIu64, a, has, now[a]);
        house.excess += has - (int64_t)now[a];
        if (balance.amounts.paid != (int64_t)sim_on_chain(world, a, false))
            sim_fail(world, "account %zu: %" PRId64 " paid, %" PRIu64 " on the chain", a,
                     balance.amounts.paid, sim_on_chain(world, a, false));
        if (balance.amounts.in_flight != 0 || balance.amounts.available >= (int64_t)threshold)
            sim_fail(world,
                     "account %zu waits for its money: %" PRId64 " available, %" PRId64
                     " in flight",
                     a, balance.amounts.available, balance.amounts.in_flight);
    }
    /* Nothing but a late orphan, and what was promised before a switch, brings it below zero. */
    if (world->regime_count == 1 && !late &&
        read_balance(world, ledger_house(LEDGER_RESERVE)).amounts.available < 0)
        sim_fail(world, "the reserve bought what it cannot pay");
    if (!quiet)
        return;
    verify_house(world, &house);
    verify_bought(world, &bought);
}
