/* A ledger of format 1, in which each leg and each balance was a record, brought into today's: set
 * by set in order, so that the balances add up on the way and say what each entry links to. The
 * balances that were kept are not read: they follow from the entries. A closed set that was not
 * applied yet stays so, and an open one open: the first tick completes them. */
#include "services/payout/audit_inside.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

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

static bool write_balances(struct audit *audit, struct error *error)
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
    bool written = balance_put_all(audit->store, balances, count, error) == STORE_DONE;
    free(balances);
    return written;
}

static bool convert(struct audit *audit, struct error *error)
{
    const struct store_collection *older = &entry_1_collection;
    struct set_record newest;
    if (!store_declare(audit->store, &older, 1, error) ||
        set_newest(audit->store, &newest, error) != STORE_DONE)
        return false;
    for (uint64_t seq = 1; seq <= newest.seq; seq++) {
        struct set_record set;
        if (set_get(audit->store, seq, &set, error) != STORE_DONE)
            return false;
        if (set.state != SET_OPEN && !convert_set(audit, &set, error))
            return false;
    }
    log_info("ledger.converted", "sets=%" PRIu64 " accounts=%zu format=%d", newest.seq,
             audit->tally_count, LEDGER_FORMAT);
    return write_balances(audit, error);
}

bool payout_convert(struct store *store, struct error *error)
{
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
        bool converted = convert(&audit, error);
        audit_free(&audit);
        if (!converted)
            return false;
    } else if (format != LEDGER_FORMAT_NONE) {
        return ledger_format_check(store, error);
    }
    return ledger_format_put(store, error) == STORE_DONE;
}
