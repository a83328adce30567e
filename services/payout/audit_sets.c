/* The first pass: sets by the slice, each with its entries, in order. What a set says that follows
 * from those before it (a maturing, a reversal, a return, a deposit) is derived again and compared;
 * what follows from other records (a block's credits, a payment's, a stretch's) is compared where
 * those are looked at. Balances are added up on the way, so a late orphan's legs can be derived
 * from what each miner had available just then. */
#include "services/payout/audit_inside.h"

#include <inttypes.h>
#include <stdlib.h>

void *audit_grow(void *memory, size_t *capacity, size_t need, size_t element_bytes)
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

struct tally *audit_find_tally(const struct audit *audit, const struct ledger_account *account)
{
    size_t mask = ((size_t)1 << audit->bits) - 1;
    uint64_t key = account->id ^ (uint64_t)account->owner << 60;
    size_t place = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - audit->bits));
    while (audit->tallies[place].used &&
           ledger_account_compare(&audit->tallies[place].account, account) != 0)
        place = (place + 1) & mask;
    return &audit->tallies[place];
}

void audit_make_table(struct audit *audit, unsigned bits)
{
    struct tally *old = audit->tallies;
    size_t old_count = old == NULL ? 0 : (size_t)1 << audit->bits;
    audit->bits = bits;
    audit->tallies = calloc((size_t)1 << bits, sizeof *audit->tallies);
    ASSERT(audit->tallies != NULL);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].used)
            *audit_find_tally(audit, &old[i].account) = old[i];
    free(old);
}

struct tally *audit_tally(struct audit *audit, const struct ledger_account *account)
{
    if (audit->tally_count >= ((size_t)1 << audit->bits) / 2)
        audit_make_table(audit, audit->bits + 2);
    struct tally *tally = audit_find_tally(audit, account);
    if (!tally->used) {
        tally->used = true;
        tally->account = *account;
        audit->tally_count++;
    }
    return tally;
}

const struct set_record *set_of(struct audit *audit, const struct ledger_cause *cause)
{
    struct set_record *set = &audit->found[audit->found_next];
    enum store_outcome outcome = set_of_cause(audit->store, cause, set, audit->error);
    audit->failed = audit->failed || (outcome != STORE_DONE && outcome != STORE_MISSING);
    if (outcome != STORE_DONE || set->seq > audit->last)
        return NULL;
    audit->found_next = (audit->found_next + 1) % AUDIT_FOUND_SETS;
    return set;
}

bool is_set(const struct set_record *set, const struct ledger_legs *legs, bool built)
{
    return built && ledger_legs_verify(&set->cause, &set->digest, legs->legs, legs->count);
}

static bool take_set(void *context, const struct set_record *set)
{
    struct audit *audit = context;
    if (set->seq >= audit->first + AUDIT_SLICE)
        return false;
    audit->sets =
        audit_grow(audit->sets, &audit->set_capacity, audit->set_count + 1, sizeof *audit->sets);
    audit->sets[audit->set_count++] = *set;
    return true;
}

/* The entries of a set, as kept, into room for them; more of them than its header says are a
 * difference. */
static bool read_legs(struct audit *audit, const struct set_record *set, struct ledger_leg *legs,
                      struct ledger_link *links, size_t capacity, size_t *count_r,
                      struct error *error)
{
    if (entry_read_all(audit->store, set->seq, legs, links, capacity, count_r, error) == STORE_DONE)
        return true;
    if (error->code != ERROR_INVALID)
        return false;
    differ(audit, "%s", error->text);
    *count_r = 0;
    return true;
}

/* What was available just before a late orphan, as its builder saw it. */
static bool derive_late(struct audit *audit, const struct set_record *set, size_t count)
{
    const struct ledger_account house = ledger_house(LEDGER_RESERVE);
    struct ledger_legs legs = ledger_legs_over(audit->derived, audit->derived_capacity);
    audit->amounts =
        audit_grow(audit->amounts, &audit->amounts_capacity, count + 1, sizeof *audit->amounts);
    for (size_t i = 0; i < count; i++)
        audit->amounts[i] = audit_find_tally(audit, &audit->source[i].account)->amounts.available;
    bool built =
        ledger_build_orphaned_late(audit->source, count, audit->amounts,
                                   audit_find_tally(audit, &house)->amounts.available, &legs);
    if (is_set(set, &legs, built))
        return true;
    /* Or miners owed it then: which of both the operator wanted is not kept. */
    legs = ledger_legs_over(audit->derived, audit->derived_capacity);
    built = ledger_build_owed(audit->source, count, &legs);
    return is_set(set, &legs, built);
}

/* Derives a set that follows from an earlier one. */
static bool derive(struct audit *audit, const struct set_record *set, struct error *error)
{
    struct ledger_cause cause = set->cause, maturing = set->cause;
    bool late = false, built = false;
    switch (cause.kind) {
    case LEDGER_FOUND:
        if (cause.generation == 1)
            return true;
        cause.kind = LEDGER_ORPHANED;
        cause.generation--;
        break;
    case LEDGER_ORPHANED:
        maturing.kind = LEDGER_MATURED;
        late = set_of(audit, &maturing) != NULL;
        cause.kind = LEDGER_FOUND;
        break;
    case LEDGER_MATURED:
        cause.kind = LEDGER_FOUND;
        break;
    case LEDGER_RECEIVED:
        if (cause.generation == 1)
            return audit_received(audit, set, error);
        cause.kind = LEDGER_RETRACTED;
        cause.generation--;
        break;
    case LEDGER_RETRACTED:
        late = true;
        cause.kind = LEDGER_RECEIVED;
        break;
    case LEDGER_FUNDED: {
        struct ledger_leg memory[2];
        struct ledger_legs legs = ledger_legs_over(memory, 2);
        built = ledger_build_funded(ledger_cause_amount(&cause), &legs);
        if (!is_set(set, &legs, built))
            differ(audit, "posting set %" PRIu64 " is not its deposit", set->seq);
        return true;
    }
    default:
        return true;
    }
    const struct set_record *earlier = set_of(audit, &cause);
    size_t count = 0;
    if (audit->failed)
        return false;
    if (earlier == NULL || earlier->seq > set->seq) {
        differ(audit, "posting set %" PRIu64 " follows from one that never was", set->seq);
        return true;
    }
    audit->source = audit_grow(audit->source, &audit->source_capacity,
                               earlier->digest.leg_count + (size_t)1, sizeof *audit->source);
    if (!read_legs(audit, earlier, audit->source, NULL, audit->source_capacity, &count, error))
        return false;
    audit->derived =
        audit_grow(audit->derived, &audit->derived_capacity, 2 * count + 2, sizeof *audit->derived);
    struct ledger_legs legs = ledger_legs_over(audit->derived, audit->derived_capacity);
    if (set->cause.kind == LEDGER_FOUND)
        built = ledger_build_returned(audit->source, count, &legs);
    else if (set->cause.kind == LEDGER_RECEIVED)
        built = ledger_build_restored(audit->source, count, &legs);
    else if (set->cause.kind == LEDGER_MATURED)
        built = ledger_build_matured(audit->source, count, &legs);
    else if (!late)
        built = ledger_build_orphaned(audit->source, count, &legs);
    if (!(late ? derive_late(audit, set, count) : is_set(set, &legs, built)))
        differ(audit, "posting set %" PRIu64 " is not what follows from posting set %" PRIu64,
               set->seq, earlier->seq);
    return true;
}

/* Every leg of an account in a set has the same link, which follows from the sets before. */
static bool are_linked(const struct ledger_link *links, size_t count, struct ledger_link expected)
{
    for (size_t i = 0; i < count; i++)
        if (links[i].before != expected.before || links[i].earlier != expected.earlier)
            return false;
    return true;
}

static bool check_set(struct audit *audit, const struct set_record *set, struct error *error)
{
    size_t count = 0, room = set->digest.leg_count + (size_t)1;
    audit->legs = audit_grow(audit->legs, &audit->leg_capacity, room, sizeof *audit->legs);
    audit->links = audit_grow(audit->links, &audit->link_capacity, room, sizeof *audit->links);
    if (!read_legs(audit, set, audit->legs, audit->links, room, &count, error))
        return false;
    audit->report->entries += count;
    if (!ledger_legs_verify(&set->cause, &set->digest, audit->legs, count))
        differ(audit, "the entries of posting set %" PRIu64 " are not what its header says",
               set->seq);
    if (!derive(audit, set, error))
        return false;
    for (size_t i = 0; i < count;) {
        size_t same = ledger_legs_of_account(audit->legs + i, count - i);
        struct tally *tally = audit_tally(audit, &audit->legs[i].account);
        if (!are_linked(audit->links + i, same, ledger_link_of(&tally->amounts, set->seq)))
            differ(audit,
                   "an account's entries before posting set %" PRIu64 " are not found from it",
                   set->seq);
        if (ledger_balance_apply(&tally->amounts, set->seq, set->cause.kind, audit->legs + i,
                                 same) != LEDGER_APPLIED) {
            char name[LEDGER_ACCOUNT_BYTES];
            ledger_account_format(&audit->legs[i].account, name);
            differ(audit, "posting set %" PRIu64 " brings %s below zero", set->seq, name);
        }
        i += same;
    }
    return true;
}

static bool check_slice(struct audit *audit, struct error *error)
{
    uint64_t expected = audit->first;
    audit->set_count = 0;
    if (set_walk(audit->store, audit->first, take_set, audit, error) != STORE_DONE)
        return false;
    for (size_t i = 0; i < audit->set_count; i++, expected++) {
        const struct set_record *set = &audit->sets[i];
        for (; expected < set->seq; expected++)
            differ(audit, "posting set %" PRIu64 " is missing", expected);
        if (set->seq > audit->last)
            return true;
        if (set->state != SET_APPLIED)
            differ(audit, "posting set %" PRIu64 " is not applied, though others follow it",
                   set->seq);
        bool of_event = set->event_sequence != 0;
        if (of_event != ledger_cause_is_of_event(set->cause.kind))
            differ(audit, "posting set %" PRIu64 " is of the wrong origin", set->seq);
        audit->event_sets += of_event;
        if (set->event_sequence > audit->newest_event)
            audit->newest_event = set->event_sequence;
        audit->report->sets++;
        if (!check_set(audit, set, error))
            return false;
    }
    return true;
}

struct neighbours {
    struct audit *audit;
    struct set_record before;
};

static bool compare_causes(void *context, const struct set_record *set)
{
    struct neighbours *neighbours = context;
    const struct ledger_cause *a = &set->cause, *b = &neighbours->before.cause;
    if (neighbours->before.seq != 0 && a->kind == b->kind && a->generation == b->generation &&
        memcmp(a->subject, b->subject, sizeof a->subject) == 0)
        differ(neighbours->audit, "posting sets %" PRIu64 " and %" PRIu64 " have the same cause",
               neighbours->before.seq, set->seq);
    neighbours->before = *set;
    return true;
}

static bool note_stray(void *context, const struct entry_record *entry)
{
    differ(context, "entries belong to posting set %" PRIu64 ", which does not exist", entry->seq);
    return false;
}

bool audit_sets(struct audit *audit, struct error *error)
{
    struct set_record newest;
    enum store_outcome outcome = set_newest(audit->store, &newest, error);
    if (outcome == STORE_MISSING)
        return entry_walk(audit->store, 2, note_stray, audit, error) == STORE_DONE;
    if (outcome != STORE_DONE)
        return false;
    audit->last = newest.state == SET_APPLIED ? newest.seq : newest.seq - 1;
    for (audit->first = 1; audit->first <= audit->last; audit->first += AUDIT_SLICE)
        if (!check_slice(audit, error))
            return false;
    /* A set that was just begun has entries before we could know of it; the ones behind have not.
     */
    if (set_newest(audit->store, &newest, error) != STORE_DONE ||
        entry_walk(audit->store, newest.seq + 2, note_stray, audit, error) != STORE_DONE)
        return false;
    struct neighbours neighbours = { .audit = audit };
    return set_walk_causes(audit->store, compare_causes, &neighbours, error) == STORE_DONE;
}
