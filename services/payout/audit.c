/* Three passes: the headers of the sets, then every entry in the order of sets (balances are added
 * up on the way), then what was kept beside them: balances, snapshots, payments. What is newer than
 * the last applied set seen in the first pass belongs to a payout that is at work, and is left out.
 */
#include "services/payout/audit.h"

#include "record/ledger/ledger_record.h"
#include "core/reward/reward.h"
#include "services/payout/audit_proofs.h"
#include "services/payout/payment_legs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BYTES = 4 << 20, TABLE_BITS_FIRST = 12 };

struct tally {
    struct ledger_account account;
    struct ledger_balance amounts;
    bool used;
    bool seen; /* a balance record was compared with it */
};

struct audit {
    struct store *store;
    payout_audit_visitor visit;
    void *context;
    struct payout_audit_report *report;
    struct set_record *sets; /* by sequence; then by cause */
    size_t set_count, set_capacity;
    uint64_t last; /* the newest applied set: what is looked at ends here */
    struct ledger_leg *legs;
    size_t leg_count, leg_capacity;
    uint64_t legs_seq;
    uint64_t next_seq;     /* the first set whose entries were not met yet */
    struct tally *tallies; /* open addressing, 1 << bits */
    unsigned bits;
    size_t tally_count;
    uint8_t *memory;
    uint64_t *numbers; /* of payments */
    size_t number_count, number_capacity;
    struct snapshot_record *snapshots;
    size_t snapshot_count, snapshot_capacity;
};

static void differ(struct audit *audit, const char *format, ...) PRINTF_LIKE(2, 3);
static void differ(struct audit *audit, const char *format, ...)
{
    char text[sizeof audit->report->first];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (audit->report->differences++ == 0)
        memcpy(audit->report->first, text, sizeof text);
    if (audit->visit != NULL)
        audit->visit(audit->context, text);
}

static void *grow(void *memory, size_t *capacity, size_t need, size_t element_bytes)
{
    if (need <= *capacity)
        return memory;
    size_t wanted = *capacity < 256 ? 256 : 2 * *capacity;
    while (wanted < need)
        wanted *= 2;
    memory = realloc(memory, wanted * element_bytes);
    ASSERT(memory != NULL);
    *capacity = wanted;
    return memory;
}

static struct tally *find_tally(const struct audit *audit, const struct ledger_account *account)
{
    size_t mask = ((size_t)1 << audit->bits) - 1;
    uint64_t key = account->id ^ (uint64_t)account->owner << 60;
    size_t place = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - audit->bits));
    while (audit->tallies[place].used &&
           ledger_account_compare(&audit->tallies[place].account, account) != 0)
        place = (place + 1) & mask;
    return &audit->tallies[place];
}

static void make_table(struct audit *audit, unsigned bits)
{
    struct tally *old = audit->tallies;
    size_t old_count = old == NULL ? 0 : (size_t)1 << audit->bits;
    audit->bits = bits;
    audit->tallies = calloc((size_t)1 << bits, sizeof *audit->tallies);
    ASSERT(audit->tallies != NULL);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].used)
            *find_tally(audit, &old[i].account) = old[i];
    free(old);
}

static struct tally *tally_of(struct audit *audit, const struct ledger_account *account)
{
    if (audit->tally_count >= ((size_t)1 << audit->bits) / 2)
        make_table(audit, audit->bits + 2);
    struct tally *tally = find_tally(audit, account);
    if (!tally->used) {
        tally->used = true;
        tally->account = *account;
        audit->tally_count++;
    }
    return tally;
}

static bool take_set(void *context, const struct set_record *set)
{
    struct audit *audit = context;
    audit->sets =
        grow(audit->sets, &audit->set_capacity, audit->set_count + 1, sizeof *audit->sets);
    if (audit->set_count > 0 && audit->sets[audit->set_count - 1].state != SET_APPLIED)
        differ(audit, "posting set %" PRIu64 " is not applied, though %" PRIu64 " follows it",
               audit->sets[audit->set_count - 1].seq, set->seq);
    if (set->seq != audit->set_count + 1)
        differ(audit, "posting set %zu is missing", audit->set_count + 1);
    audit->sets[audit->set_count++] = *set;
    if (set->state == SET_APPLIED)
        audit->last = set->seq;
    return true;
}

static const struct set_record *set_at(const struct audit *audit, uint64_t seq)
{
    size_t low = 0, high = audit->set_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (audit->sets[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < audit->set_count && audit->sets[low].seq == seq ? &audit->sets[low] : NULL;
}

/* The gathered legs are one set's: hold them against its header, and add them up. */
static void close_set(struct audit *audit, uint64_t seq)
{
    const struct set_record *set = set_at(audit, seq);
    if (set == NULL) {
        differ(audit, "entries belong to posting set %" PRIu64 ", which does not exist", seq);
        return;
    }
    if (!ledger_legs_verify(&set->cause, &set->digest, audit->legs, audit->leg_count))
        differ(audit, "the entries of posting set %" PRIu64 " are not what its header says", seq);
    for (size_t i = 0; i < audit->leg_count;) {
        size_t same = ledger_legs_of_account(audit->legs + i, audit->leg_count - i);
        struct tally *tally = tally_of(audit, &audit->legs[i].account);
        if (ledger_balance_apply(&tally->amounts, seq, set->cause.kind, audit->legs + i, same) !=
            LEDGER_APPLIED) {
            char name[LEDGER_ACCOUNT_BYTES];
            ledger_account_format(&audit->legs[i].account, name);
            differ(audit, "posting set %" PRIu64 " brings %s below zero", seq, name);
        }
        i += same;
    }
}

/* Sets that have no entries at all. */
static void close_empty_sets(struct audit *audit, uint64_t before)
{
    for (; audit->next_seq < before && audit->next_seq <= audit->last; audit->next_seq++) {
        audit->leg_count = 0;
        if (set_at(audit, audit->next_seq) != NULL)
            close_set(audit, audit->next_seq);
    }
}

static void close_gathered(struct audit *audit)
{
    if (audit->legs_seq == 0)
        return;
    size_t count = audit->leg_count;
    uint64_t seq = audit->legs_seq;
    close_empty_sets(audit, seq);
    audit->leg_count = count;
    if (seq <= audit->last)
        close_set(audit, seq);
    audit->next_seq = seq + 1;
    audit->leg_count = 0;
}

static bool take_entry(void *context, const struct entry_record *entry)
{
    struct audit *audit = context;
    if (entry->seq > audit->last)
        return false;
    if (entry->seq != audit->legs_seq)
        close_gathered(audit);
    audit->legs_seq = entry->seq;
    audit->legs =
        grow(audit->legs, &audit->leg_capacity, audit->leg_count + 1, sizeof *audit->legs);
    audit->legs[audit->leg_count++] = entry->leg;
    audit->report->entries++;
    return true;
}

static bool take_balance(void *context, const struct balance_record *balance)
{
    struct audit *audit = context;
    struct tally *tally = find_tally(audit, &balance->account);
    audit->report->accounts += balance->account.owner == LEDGER_MINER;
    if (balance->amounts.applied_seq > audit->last) {
        if (tally->used)
            tally->seen = true; /* it moved on since */
        return true;
    }
    const struct ledger_balance *kept = &balance->amounts, *sum = &tally->amounts;
    if (!tally->used || kept->immature != sum->immature || kept->available != sum->available ||
        kept->in_flight != sum->in_flight || kept->paid != sum->paid ||
        kept->applied_seq != sum->applied_seq) {
        char name[LEDGER_ACCOUNT_BYTES];
        ledger_account_format(&balance->account, name);
        differ(audit,
               "the balance of %s is kept as %" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64
               ", its entries sum to %" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64,
               name, kept->immature, kept->available, kept->in_flight, kept->paid, sum->immature,
               sum->available, sum->in_flight, sum->paid);
    }
    if (tally->used)
        tally->seen = true;
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

static int compare_causes(const void *a, const void *b)
{
    const struct ledger_cause *x = &((const struct set_record *)a)->cause;
    const struct ledger_cause *y = &((const struct set_record *)b)->cause;
    int order = memcmp(x->subject, y->subject, sizeof x->subject);
    if (order == 0)
        order = (x->kind > y->kind) - (x->kind < y->kind);
    if (order == 0)
        order = (x->generation > y->generation) - (x->generation < y->generation);
    return order;
}

/* After the sets were sorted by cause. */
static const struct set_record *set_of(const struct audit *audit, const struct ledger_cause *cause)
{
    struct set_record wanted = { .cause = *cause };
    return audit->set_count == 0 ? NULL
                                 : bsearch(&wanted, audit->sets, audit->set_count,
                                           sizeof *audit->sets, compare_causes);
}

static void sort_by_cause(struct audit *audit)
{
    if (audit->set_count > 0)
        qsort(audit->sets, audit->set_count, sizeof *audit->sets, compare_causes);
    for (size_t i = 1; i < audit->set_count; i++)
        if (compare_causes(&audit->sets[i - 1], &audit->sets[i]) == 0)
            differ(audit, "posting sets %" PRIu64 " and %" PRIu64 " have the same cause",
                   audit->sets[i - 1].seq, audit->sets[i].seq);
}

static bool take_snapshot(void *context, const struct snapshot_record *snapshot)
{
    struct audit *audit = context;
    audit->snapshots = grow(audit->snapshots, &audit->snapshot_capacity, audit->snapshot_count + 1,
                            sizeof *audit->snapshots);
    audit->snapshots[audit->snapshot_count++] = *snapshot;
    return true;
}

/* Whether closed legs are those of a set's header. */
static bool is_set(const struct set_record *set, const struct ledger_legs *legs, bool built)
{
    return built && ledger_legs_verify(&set->cause, &set->digest, legs->legs, legs->count);
}

static bool check_snapshot(struct audit *audit, const struct snapshot_record *snapshot,
                           struct error *error)
{
    size_t count = snapshot->accounts;
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
        bool same = snapshot->reserve.units <= snapshot->reward.units &&
                    cut.fee.units == snapshot->fee.units &&
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
    }
    free(parts);
    free(credits);
    free(memory);
    return looked;
}

static bool take_number(void *context, const struct payment_record *payment)
{
    struct audit *audit = context;
    audit->numbers = grow(audit->numbers, &audit->number_capacity, audit->number_count + 1,
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
        check_payment_set(audit, &payment, LEDGER_CONFIRMED, i, true);
        if (i < payment.confirmed || !confirmed)
            check_payment_set(audit, &payment, LEDGER_REOPENED, i, true);
    }
    return true;
}

static void differ_of_proofs(void *context, const char *sentence)
{
    differ(context, "%s", sentence);
}

static bool run(struct audit *audit, struct error *error)
{
    audit->next_seq = 1;
    if (set_walk(audit->store, 0, take_set, audit, error) != STORE_DONE ||
        entry_walk(audit->store, take_entry, audit, error) != STORE_DONE)
        return false;
    close_gathered(audit);
    close_empty_sets(audit, audit->last + 1);
    if (balance_walk(audit->store, take_balance, audit, error) != STORE_DONE)
        return false;
    check_tallies(audit);
    sort_by_cause(audit);
    if (snapshot_walk(audit->store, 0, take_snapshot, audit, error) != STORE_DONE)
        return false;
    for (size_t i = 0; i < audit->snapshot_count; i++)
        if (!check_snapshot(audit, &audit->snapshots[i], error))
            return false;
    if (!audit_proofs(audit->store, audit->snapshots, audit->snapshot_count, differ_of_proofs,
                      audit, error))
        return false;
    if (payment_walk_newest(audit->store, 0, 0, take_number, audit, error) != STORE_DONE)
        return false;
    for (size_t i = 0; i < audit->number_count; i++)
        if (!check_payment(audit, audit->numbers[i], error))
            return false;
    audit->report->sets = audit->set_count;
    audit->report->snapshots = audit->snapshot_count;
    audit->report->payments = audit->number_count;
    return true;
}

bool payout_audit(struct store *store, payout_audit_visitor visit, void *context,
                  struct payout_audit_report *report_r, struct error *error)
{
    *report_r = (struct payout_audit_report){ 0 };
    struct audit audit = { .store = store, .visit = visit, .context = context, .report = report_r };
    make_table(&audit, TABLE_BITS_FIRST);
    audit.memory = malloc(ARENA_BYTES);
    ASSERT(audit.memory != NULL);
    bool looked = run(&audit, error);
    free(audit.sets);
    free(audit.legs);
    free(audit.tallies);
    free(audit.memory);
    free(audit.numbers);
    free(audit.snapshots);
    return looked;
}
