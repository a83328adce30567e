/* What was bought, stretch by stretch: each begins where the one before it ended, costs what its
 * price and its work give with what was carried so far, is posted as that, and leaves the carries
 * that are kept. And the scheduler's events: each of those that were processed has its set. */
#include "services/payout/audit_inside.h"

#include "record/event/event.h"
#include "record/ledger/stretch_record.h"

#include <inttypes.h>
#include <stdlib.h>

enum { AT_ONCE = 64 };

struct stretches {
    struct stretch_record list[AT_ONCE];
    size_t count;
    uint64_t after;
};

static bool gather(void *context, const struct stretch_record *stretch)
{
    struct stretches *stretches = context;
    stretches->list[stretches->count++] = *stretch;
    return stretches->count < AT_ONCE;
}

/* Whether one follows the other. */
static bool follows(const struct stretch_record *before, const struct stretch_record *stretch)
{
    if (stretch->number != before->number + 1)
        return false;
    if (before->number == 0 || before->last)
        return stretch->first;
    return !stretch->first && stretch->begin_empty == before->empty &&
           window_position_compare(&stretch->begin, &before->end) == 0;
}

/* Buys it again. */
static bool is_worth(struct audit *audit, const struct stretch_record *stretch,
                     const struct reward_earning *kept, u128 *fee_carry)
{
    size_t count = stretch->accounts;
    struct reward_earning *again = calloc(count + 1, sizeof *again);
    struct money fee = MONEY_ZERO, spent = MONEY_ZERO;
    ASSERT(again != NULL);
    for (size_t i = 0; i < count; i++) {
        struct ledger_account account = ledger_miner(kept[i].account);
        again[i] = kept[i];
        again[i].carry = audit_tally(audit, &account)->carry;
    }
    bool same = count == 0 || (stretch->network_work != 0 && stretch->block.units <= MONEY_MAX &&
                               reward_buy(reward_price(stretch->block, stretch->network_work),
                                          again, count, fee_carry, &fee, &spent));
    same = same && fee.units == stretch->fee.units && spent.units == stretch->spent.units &&
           *fee_carry == stretch->fee_carry;
    for (size_t i = 0; i < count; i++) {
        struct ledger_account account = ledger_miner(kept[i].account);
        struct tally *tally = audit_tally(audit, &account);
        same = same && again[i].amount == kept[i].amount && again[i].carry == kept[i].carry;
        tally->carry = kept[i].carry;
        tally->carried = true;
    }
    free(again);
    return same;
}

static bool check_stretch(struct audit *audit, const struct stretch_record *stretch,
                          u128 *fee_carry, struct error *error)
{
    size_t count = stretch->accounts;
    struct ledger_cause cause = ledger_cause_payment(LEDGER_EARNED, stretch->number, 1);
    const struct set_record *set = set_of(audit, &cause);
    if (set == NULL) /* it is being bought */
        return !audit->failed;
    struct reward_earning *earnings = calloc(count + 1, sizeof *earnings);
    struct ledger_credit *credits = calloc(count + 1, sizeof *credits);
    struct ledger_leg *memory = calloc(count + 2, sizeof *memory);
    ASSERT(earnings != NULL && credits != NULL && memory != NULL);
    bool looked = stretch_earnings(audit->store, stretch, earnings, error) == STORE_DONE;
    if (!looked && error->code == ERROR_INVALID) {
        looked = true;
        differ(audit, "%s", error->text);
    } else if (looked) {
        struct ledger_legs legs = ledger_legs_over(memory, count + 2);
        for (size_t i = 0; i < count; i++)
            credits[i] = (struct ledger_credit){ earnings[i].account, { earnings[i].amount } };
        if (!is_worth(audit, stretch, earnings, fee_carry))
            differ(audit, "stretch %" PRIu64 " was not bought at its price", stretch->number);
        bool built = ledger_build_earned(credits, count, stretch->fee, &legs);
        if (!is_set(set, &legs, built))
            differ(audit, "posting set %" PRIu64 " is not its stretch", set->seq);
    }
    audit->report->stretches++;
    free(earnings);
    free(credits);
    free(memory);
    return looked;
}

struct carries {
    struct audit *audit;
    uint64_t wrong;
    uint64_t account; /* one of them */
};

static bool take_carry(void *context, uint64_t account, u128 carry)
{
    struct carries *carries = context;
    struct ledger_account miner = ledger_miner(account);
    struct tally *tally = audit_find_tally(carries->audit, &miner);
    if (!tally->used || !tally->carried || tally->carry != carry) {
        carries->wrong++;
        carries->account = account;
    }
    if (tally->used)
        tally->carried = false;
    return true;
}

/* Carries run ahead of their stretch's set while a payout is at work: compared only where the
 * newest stretch is posted, and was the newest until they were read. */
static bool check_carries(struct audit *audit, uint64_t newest, struct error *error)
{
    struct stretch_record now;
    struct carries carries = { .audit = audit };
    struct ledger_cause cause = ledger_cause_payment(LEDGER_EARNED, newest, 1);
    bool posted = set_of(audit, &cause) != NULL;
    if (!posted || carry_walk(audit->store, take_carry, &carries, error) != STORE_DONE ||
        stretch_newest(audit->store, &now, error) != STORE_DONE)
        return !posted && !audit->failed;
    if (now.number != newest)
        return true;
    for (size_t i = 0; i < (size_t)1 << audit->bits; i++)
        if (audit->tallies[i].used && audit->tallies[i].carried) {
            carries.wrong++;
            carries.account = audit->tallies[i].account.id;
        }
    if (carries.wrong > 0)
        differ(audit, "what is carried for miner %016" PRIx64 " is not what its work left",
               carries.account);
    return true;
}

bool audit_bought(struct audit *audit, struct error *error)
{
    struct stretch_record before = { .number = 0 };
    struct stretches *stretches = calloc(1, sizeof *stretches);
    u128 fee_carry = 0;
    bool looked = true;
    ASSERT(stretches != NULL);
    do {
        stretches->count = 0;
        looked = stretch_walk_after(audit->store, before.number, AT_ONCE, gather, stretches,
                                    error) == STORE_DONE;
        for (size_t i = 0; i < stretches->count && looked; i++) {
            const struct stretch_record *stretch = &stretches->list[i];
            if (!follows(&before, stretch))
                differ(audit, "stretch %" PRIu64 " does not follow the one before it",
                       stretch->number);
            looked = check_stretch(audit, stretch, &fee_carry, error);
            before = *stretch;
        }
    } while (looked && stretches->count == AT_ONCE);
    free(stretches);
    return looked && (before.number == 0 || check_carries(audit, before.number, error));
}

struct events {
    struct wire_reward_event list[AT_ONCE];
    size_t count;
};

static bool gather_event(void *context, const struct wire_reward_event *event)
{
    struct events *events = context;
    events->list[events->count++] = *event;
    return events->count < AT_ONCE;
}

static bool check_event(struct audit *audit, const struct wire_reward_event *event,
                        struct error *error)
{
    static const enum ledger_cause_kind kinds[] = { [WIRE_REWARD_FOUND] = LEDGER_FOUND,
                                                    [WIRE_REWARD_MATURED] = LEDGER_MATURED,
                                                    [WIRE_REWARD_ORPHANED] = LEDGER_ORPHANED,
                                                    [WIRE_REWARD_RECEIVED] = LEDGER_RECEIVED,
                                                    [WIRE_REWARD_RETRACTED] = LEDGER_RETRACTED };
    struct snapshot_record snapshot;
    if (event->kind >= sizeof kinds / sizeof *kinds || kinds[event->kind] == 0)
        return true; /* between schedulers alone */
    audit->events++;
    const bool received =
        event->kind == WIRE_REWARD_RECEIVED || event->kind == WIRE_REWARD_RETRACTED;
    struct ledger_cause cause =
        received ? ledger_cause_received(kinds[event->kind], event->block_hash, event->generation)
                 : ledger_cause_block(kinds[event->kind], event->block_hash, event->generation);
    const struct set_record *set = set_of(audit, &cause);
    char name[LEDGER_CAUSE_BYTES];
    ledger_cause_format(&cause, name);
    if (set == NULL || set->event_sequence != event->sequence)
        differ(audit, "reward event %" PRIu64 " (%s) was passed over", event->sequence, name);
    if (received && !audit->failed)
        return audit_emission(audit, event, error);
    if (cause.kind != LEDGER_FOUND || audit->failed)
        return !audit->failed;
    enum store_outcome outcome = snapshot_get(audit->store, event->block_hash, &snapshot, error);
    if (outcome == STORE_MISSING ||
        (outcome == STORE_DONE && cause.generation == 1 && snapshot.reward.units != event->reward))
        differ(audit,
               "what was shared of the block at height %" PRIu32 " is not what the chain paid",
               event->height);
    return outcome == STORE_DONE || outcome == STORE_MISSING;
}

bool audit_events(struct audit *audit, struct error *error)
{
    struct events *events = calloc(1, sizeof *events);
    uint64_t after = 0;
    bool looked = true, more = true;
    ASSERT(events != NULL);
    while (looked && more) {
        events->count = 0;
        looked =
            event_walk(audit->store, after, AT_ONCE, gather_event, events, error) == STORE_DONE;
        more = events->count == AT_ONCE;
        for (size_t i = 0; i < events->count && looked; i++) {
            after = events->list[i].sequence;
            if (after > audit->newest_event) {
                more = false;
                break;
            }
            looked = check_event(audit, &events->list[i], error);
        }
    }
    free(events);
    if (looked && audit->events != audit->event_sets)
        differ(audit, "%" PRIu64 " posting sets answer %" PRIu64 " reward events",
               audit->event_sets, audit->events);
    return looked;
}
