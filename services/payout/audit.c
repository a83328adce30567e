/* First every set with its entries, in order (audit_sets.c; balances are added up on the way), then
 * what was kept beside them: balances, snapshots, events, stretches, statements, payments. What is
 * newer than the last applied set at the beginning belongs to a payout that is at work, and is left
 * out. */
#include "services/payout/audit_inside.h"

#include "record/ledger/ledger_record.h"
#include "core/reward/reward.h"
#include "services/payout/audit_proofs.h"
#include "services/payout/payment_legs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BYTES = 4 << 20, TABLE_BITS_FIRST = 12 };

static bool take_balance(void *context, const struct balance_record *balance)
{
    struct audit *audit = context;
    struct tally *tally = audit_find_tally(audit, &balance->account);
    audit->report->accounts += balance->account.owner == LEDGER_MINER;
    if (balance->amounts.applied_seq > audit->last) {
        if (tally->used)
            tally->seen = true; /* it moved on since; to a set that is there? */
        if (balance->amounts.applied_seq > audit->moved_to) {
            audit->moved_to = balance->amounts.applied_seq;
            audit->moved = balance->account;
        }
        return true;
    }
    const struct ledger_balance *kept = &balance->amounts, *sum = &tally->amounts;
    if (!tally->used || !ledger_balance_equal(kept, sum)) {
        char name[LEDGER_ACCOUNT_BYTES];
        ledger_account_format(&balance->account, name);
        differ(audit,
               "the balance of %s is kept as %" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64
               ", its entries sum to %" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64,
               name, kept->immature, kept->available, kept->in_flight, kept->paid, sum->immature,
               sum->available, sum->in_flight, sum->paid);
    }
    if (balance->misindexed)
        differ(audit, "the index over available balances is not what they are");
    if (tally->used)
        tally->seen = true;
    return true;
}

/* A balance may be ahead of what was looked at, never of what was posted. */
static bool check_moved(struct audit *audit, struct error *error)
{
    struct set_record newest = { .seq = 0 };
    enum store_outcome outcome = set_newest(audit->store, &newest, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    if (audit->moved_to > newest.seq) {
        char name[LEDGER_ACCOUNT_BYTES];
        ledger_account_format(&audit->moved, name);
        differ(audit, "the balance of %s has taken in posting set %" PRIu64 ", which never was",
               name, audit->moved_to);
    }
    return true;
}

static void check_tallies(struct audit *audit)
{
    i128 total = 0;
    for (size_t i = 0; i < (size_t)1 << audit->bits; i++) {
        const struct tally *tally = &audit->tallies[i];
        if (!tally->used)
            continue;
        total += (i128)tally->amounts.immature + tally->amounts.available +
                 tally->amounts.in_flight + tally->amounts.paid;
        if (!tally->seen) {
            char name[LEDGER_ACCOUNT_BYTES];
            ledger_account_format(&tally->account, name);
            differ(audit, "%s has entries, but no balance", name);
        }
    }
    if (total != 0)
        differ(audit, "the ledger does not sum to zero");
}

static bool take_snapshot(void *context, const struct snapshot_record *snapshot)
{
    struct audit *audit = context;
    audit->snapshots = audit_grow(audit->snapshots, &audit->snapshot_capacity,
                                  audit->snapshot_count + 1, sizeof *audit->snapshots);
    audit->snapshots[audit->snapshot_count++] = *snapshot;
    return true;
}

/* What sharing it again takes for granted. */
static bool can_be_shared(const struct snapshot_record *snapshot)
{
    return snapshot->reward.units <= MONEY_MAX &&
           snapshot->reserve.units <= snapshot->reward.units &&
           snapshot->fee_basis_points <= MONEY_BASIS_POINTS;
}

static bool check_snapshot(struct audit *audit, const struct snapshot_record *snapshot,
                           struct error *error)
{
    size_t count = snapshot->accounts;
    if (!can_be_shared(snapshot)) {
        differ(audit, "the block at height %" PRIu32 " was not shared by its window's work",
               snapshot->height);
        return true;
    }
    struct pplns_part *parts = calloc(2 * count + 1, sizeof *parts);
    struct ledger_credit *credits = calloc(count + 1, sizeof *credits);
    struct ledger_leg *memory = calloc(count + 4, sizeof *memory);
    ASSERT(parts != NULL && credits != NULL && memory != NULL);
    bool looked = snapshot_parts(audit->store, snapshot, parts, error) == STORE_DONE;
    if (!looked && error->code == ERROR_INVALID) {
        looked = true;
        differ(audit, "%s", error->text);
    } else if (looked) {
        struct money shared = { snapshot->reward.units - snapshot->reserve.units };
        memcpy(parts + count, parts, count * sizeof *parts);
        struct reward_cut cut =
            reward_share(parts + count, count, shared, snapshot->fee_basis_points);
        bool same = cut.fee.units == snapshot->fee.units &&
                    snapshot->unallocated.units == cut.unallocated.units;
        for (size_t i = 0; i < count; i++) {
            same = same && parts[i].amount == parts[count + i].amount;
            credits[i] = (struct ledger_credit){ parts[i].account, { parts[i].amount } };
        }
        if (!same)
            differ(audit, "the block at height %" PRIu32 " was not shared by its window's work",
                   snapshot->height);
        struct ledger_cause cause = ledger_cause_block(LEDGER_FOUND, snapshot->block_hash, 1);
        const struct set_record *set = set_of(audit, &cause);
        struct ledger_legs legs = ledger_legs_over(memory, count + 4);
        const struct ledger_reward reward = { snapshot->reward, snapshot->fee,
                                              snapshot->unallocated, snapshot->reserve };
        bool built = ledger_build_found(&reward, credits, count, &legs);
        if (set != NULL && !is_set(set, &legs, built))
            differ(audit, "posting set %" PRIu64 " is not its block's snapshot", set->seq);
        looked = audit_window(audit, snapshot, parts, count, error);
    }
    free(parts);
    free(credits);
    free(memory);
    return looked;
}

static bool take_number(void *context, const struct payment_record *payment)
{
    struct audit *audit = context;
    audit->numbers = audit_grow(audit->numbers, &audit->number_capacity, audit->number_count + 1,
                                sizeof *audit->numbers);
    audit->numbers[audit->number_count++] = payment->number;
    return true;
}

/* One set a payment should have, or should not. */
static void check_payment_set(struct audit *audit, const struct payment_record *payment,
                              enum ledger_cause_kind kind, uint32_t generation, bool expected)
{
    struct ledger_cause cause = ledger_cause_payment(kind, payment->number, generation);
    const struct set_record *set = set_of(audit, &cause);
    char name[LEDGER_CAUSE_BYTES];
    ledger_cause_format(&cause, name);
    if ((set != NULL) != expected) {
        differ(audit, "%s is %s, though payment %" PRIu64 " is %s", name,
               set != NULL ? "posted" : "missing", payment->number,
               payment_state_name(payment->state));
        return;
    }
    if (set == NULL)
        return;
    size_t room = 3 * payment->output_count + 2;
    struct ledger_leg *memory = calloc(room, sizeof *memory);
    ASSERT(memory != NULL);
    struct ledger_cause intent = ledger_cause_payment(LEDGER_INTENT, payment->number, 1);
    bool intended = set_of(audit, &intent) != NULL, same = false;
    /* A generation that was undone may have been another version's. */
    for (size_t i = 0; i < payment->version_count || i == 0; i++) {
        struct ledger_legs legs = ledger_legs_over(memory, room);
        struct money fee = payment->version_count == 0 ? payment->fee : payment->versions[i].fee;
        bool built = payment_legs_build(payment, kind, fee, intended, &legs);
        same = same || is_set(set, &legs, built);
    }
    if (!same)
        differ(audit, "posting set %" PRIu64 " (%s) is not what its payment says", set->seq, name);
    free(memory);
}

/* Of the last time it was confirmed. */
static bool is_posted(struct audit *audit, enum ledger_cause_kind kind,
                      const struct payment_record *payment)
{
    struct ledger_cause cause = ledger_cause_payment(kind, payment->number, payment->confirmed);
    return set_of(audit, &cause) != NULL;
}

static bool check_payment(struct audit *audit, uint64_t number, struct error *error)
{
    struct payment_record payment;
    struct arena arena = arena_over(audit->memory, ARENA_BYTES);
    if (payment_get(audit->store, number, &arena, &payment, error) != STORE_DONE)
        return false;
    /* A set may be ahead of its record while a payout is at work, or was killed. */
    if (payment.state == PAYMENT_PLANNED || payment.state == PAYMENT_VOIDING)
        return true;
    uint64_t total = 0;
    for (size_t i = 0; i < payment.output_count; i++)
        total += payment.outputs[i].amount.units;
    if (total != payment.amount.units)
        differ(audit, "the outputs of payment %" PRIu64 " do not sum to its amount", number);
    bool voided = payment.state == PAYMENT_VOIDED;
    bool confirmed = payment.state == PAYMENT_CONFIRMED || payment.state == PAYMENT_SETTLED;
    if (!voided)
        check_payment_set(audit, &payment, LEDGER_INTENT, 1, true);
    check_payment_set(audit, &payment, LEDGER_VOIDED, 1, voided);
    for (uint32_t i = 1; i <= payment.confirmed; i++) {
        bool last = i == payment.confirmed;
        /* The record says so first. */
        if (!last || payment.state != PAYMENT_CONFIRMED ||
            is_posted(audit, LEDGER_CONFIRMED, &payment))
            check_payment_set(audit, &payment, LEDGER_CONFIRMED, i, true);
        if (!last || payment.state != PAYMENT_BROADCAST ||
            is_posted(audit, LEDGER_REOPENED, &payment))
            check_payment_set(audit, &payment, LEDGER_REOPENED, i, !last || !confirmed);
    }
    return true;
}

static void differ_of_proofs(void *context, const char *sentence)
{
    differ(context, "%s", sentence);
}

static bool run(struct audit *audit, struct error *error)
{
    if (!audit_sets(audit, error) ||
        balance_walk(audit->store, take_balance, audit, error) != STORE_DONE ||
        !check_moved(audit, error))
        return false;
    check_tallies(audit);
    if (snapshot_walk(audit->store, 0, take_snapshot, audit, error) != STORE_DONE)
        return false;
    if (!audit_open_windows(audit, error))
        return false;
    for (size_t i = 0; i < audit->snapshot_count; i++)
        if (!check_snapshot(audit, &audit->snapshots[i], error))
            return false;
    if (!audit_events(audit, error) || !audit_bought(audit, error) ||
        !audit_proofs(audit->store, audit->snapshots, audit->snapshot_count, differ_of_proofs,
                      audit, error))
        return false;
    if (payment_walk_newest(audit->store, 0, 0, take_number, audit, error) != STORE_DONE)
        return false;
    for (size_t i = 0; i < audit->number_count; i++)
        if (!check_payment(audit, audit->numbers[i], error))
            return false;
    audit->report->snapshots = audit->snapshot_count;
    audit->report->payments = audit->number_count;
    return !audit->failed;
}

void audit_free(struct audit *audit)
{
    view_close(&audit->view);
    free(audit->sets);
    free(audit->legs);
    free(audit->links);
    free(audit->source);
    free(audit->derived);
    free(audit->amounts);
    free(audit->tallies);
    free(audit->memory);
    free(audit->numbers);
    free(audit->snapshots);
}

bool payout_audit(struct store *store, payout_audit_visitor visit, void *context,
                  struct payout_audit_report *report_r, struct error *error)
{
    *report_r = (struct payout_audit_report){ 0 };
    if (!ledger_format_check(store, error))
        return false;
    struct audit audit = {
        .store = store, .visit = visit, .context = context, .report = report_r, .error = error
    };
    audit_make_table(&audit, TABLE_BITS_FIRST);
    audit.memory = malloc(ARENA_BYTES);
    ASSERT(audit.memory != NULL);
    bool looked = run(&audit, error);
    if (!looked && error->code == ERROR_INVALID) {
        /* What cannot be read any more is no ledger either. */
        differ(&audit, "%s, and nothing behind it was looked at", error->text);
        looked = true;
    }
    audit_free(&audit);
    return looked;
}
