/* A ledger of format 1, in which each leg and each balance was a record, brought into today's: set
 * by set in order, so that the balances add up on the way and say what each entry links to. The
 * balances that were kept are not read: they follow from the entries. A closed set that was not
 * applied yet stays so, and an open one open: the first tick completes them. */
#include "services/payout/audit_inside.h"
#include "services/payout/engine.h"

#include "record/leader/leader.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { RENEW_MS = 500, OLD_AT_ONCE = 1024 };

/* The leadership under which it is done, and kept for as long as it takes. */
struct lead {
    struct store *store;
    uint64_t epoch;
    uint64_t renewed_ms;
};

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool lost(struct error *error)
{
    return error_set(error, ERROR_REFUSED,
                     "another payout took the leadership while the ledger was being converted");
}

/* Nobody takes over because it takes long. */
static bool renew(struct lead *lead, struct error *error)
{
    const uint64_t now_ms = clock_ms();
    if (now_ms - lead->renewed_ms < RENEW_MS)
        return true;
    const enum store_outcome outcome = leader_renew(lead->store, ENGINE_ROLE, lead->epoch, error);
    if (outcome == STORE_DONE)
        lead->renewed_ms = now_ms;
    return outcome == STORE_DONE || (outcome == STORE_CONFLICT && lost(error));
}

static bool still(void *context, struct error *error)
{
    struct lead *lead = context;
    const enum store_outcome outcome = leader_still(lead->store, ENGINE_ROLE, lead->epoch, error);
    if (outcome == STORE_CONFLICT)
        return lost(error);
    return outcome == STORE_DONE && renew(lead, error);
}

static bool refuse(const struct set_record *set, struct error *error)
{
    return error_set(error, ERROR_INVALID,
                     "the ledger is in an older format and cannot be converted: the entries of "
                     "posting set %" PRIu64 " are not what its header says",
                     set->seq);
}

static bool convert_set(struct audit *audit, const struct set_record *set, struct error *error)
{
    size_t count = 0, room = set->digest.leg_count + (size_t)1;
    audit->legs = audit_grow(audit->legs, &audit->leg_capacity, room, sizeof *audit->legs);
    audit->links = audit_grow(audit->links, &audit->link_capacity, room, sizeof *audit->links);
    if (entry_1_read_all(audit->store, set->seq, audit->legs, room, &count, error) != STORE_DONE)
        return false;
    if (!ledger_legs_verify(&set->cause, &set->digest, audit->legs, count))
        return refuse(set, error);
    for (size_t i = 0, same; i < count; i += same) {
        struct tally *tally = audit_tally(audit, &audit->legs[i].account);
        same = ledger_legs_of_account(audit->legs + i, count - i);
        for (size_t k = i; k < i + same; k++)
            audit->links[k] = ledger_link_of(&tally->amounts, set->seq);
        if (set->state == SET_APPLIED &&
            ledger_balance_apply(&tally->amounts, set->seq, set->cause.kind, audit->legs + i,
                                 same) != LEDGER_APPLIED)
            return refuse(set, error);
    }
    return entry_insert_linked(audit->store, set->seq, audit->legs, audit->links, count, error) ==
           STORE_DONE;
}

static int compare_balances(const void *a, const void *b)
{
    return ledger_account_compare(&((const struct balance_record *)a)->account,
                                  &((const struct balance_record *)b)->account);
}

static bool write_balances(struct audit *audit, struct lead *lead, struct error *error)
{
    struct balance_record *balances = calloc(audit->tally_count + 1, sizeof *balances);
    size_t count = 0;
    ASSERT(balances != NULL);
    for (size_t i = 0; i < (size_t)1 << audit->bits; i++) {
        const struct tally *tally = &audit->tallies[i];
        if (tally->used && tally->amounts.applied_seq != 0)
            balances[count++] =
                (struct balance_record){ .account = tally->account, .amounts = tally->amounts };
    }
    qsort(balances, count, sizeof *balances, compare_balances);
    bool written = balance_put_all(audit->store, balances, count, still, lead, error) == STORE_DONE;
    free(balances);
    return written;
}

/* What an older payout would pay from, were one started again: nothing is left of it. */
static bool delete_old_balances(struct lead *lead, struct error *error)
{
    for (size_t count = OLD_AT_ONCE; count == OLD_AT_ONCE;)
        if (!still(lead, error) ||
            balance_1_delete(lead->store, OLD_AT_ONCE, &count, error) != STORE_DONE)
            return false;
    return true;
}

static bool convert(struct audit *audit, struct lead *lead, struct error *error)
{
    const struct store_collection *older = &entry_1_collection;
    struct set_record newest;
    if (!store_declare(audit->store, &older, 1, error) ||
        set_newest(audit->store, &newest, error) != STORE_DONE)
        return false;
    const struct set_record begun = newest;
    for (uint64_t seq = 1; seq <= newest.seq; seq++) {
        struct set_record set;
        if (!renew(lead, error) || set_get(audit->store, seq, &set, error) != STORE_DONE)
            return false;
        if (set.state != SET_OPEN && !convert_set(audit, &set, error))
            return false;
    }
    log_info("ledger.converted", "sets=%" PRIu64 " accounts=%zu format=%d", newest.seq,
             audit->tally_count, LEDGER_FORMAT);
    return write_balances(audit, lead, error) && delete_old_balances(lead, error) &&
           set_newest(audit->store, &newest, error) == STORE_DONE && newest.seq == begun.seq &&
           newest.state == begun.state && still(lead, error);
}

bool payout_convert(struct store *store, uint64_t epoch, struct error *error)
{
    struct lead lead = { .store = store, .epoch = epoch };
    uint32_t format = 0;
    struct payout_audit_report report = { 0 };
    struct audit audit = { .store = store, .report = &report, .error = error };
    if (ledger_format_get(store, &format, error) != STORE_DONE)
        return false;
    if (format == LEDGER_FORMAT)
        return true;
    error_fill(error, ERROR_UNAVAILABLE, "the ledger changed while it was being converted");
    if (format == 1) {
        audit_make_table(&audit, 12);
        bool converted = convert(&audit, &lead, error);
        audit_free(&audit);
        if (!converted)
            return false;
    } else if (format != LEDGER_FORMAT_NONE) {
        return ledger_format_check(store, error);
    }
    return ledger_format_put(store, error) == STORE_DONE;
}
