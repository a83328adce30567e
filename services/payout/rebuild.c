/* Balances written anew from the entries they follow from. Takes the leadership, so a payout that
 * is at work steps down first; every write is bound to the version that was read, so one that takes
 * over again meanwhile is not written over either. */
#include "services/payout/audit_inside.h"
#include "services/payout/engine.h"

#include "record/leader/leader.h"

#include <inttypes.h>
#include <stdlib.h>

enum { RENEW_EVERY = 256 };

struct wrong {
    struct audit audit;
    struct balance_record *list;
    size_t count, capacity;
    bool behind; /* a balance is newer than what was added up */
};

static bool take_balance(void *context, const struct balance_record *balance)
{
    struct wrong *wrong = context;
    struct tally *tally = audit_tally(&wrong->audit, &balance->account);
    wrong->behind = wrong->behind || balance->amounts.applied_seq > wrong->audit.last;
    tally->seen = true;
    if (ledger_balance_equal(&tally->amounts, &balance->amounts) && !balance->misindexed)
        return true;
    wrong->list = audit_grow(wrong->list, &wrong->capacity, wrong->count + 1, sizeof *wrong->list);
    wrong->list[wrong->count++] = *balance;
    return true;
}

static void take_missing(struct wrong *wrong)
{
    for (size_t i = 0; i < (size_t)1 << wrong->audit.bits; i++) {
        const struct tally *tally = &wrong->audit.tallies[i];
        if (!tally->used || tally->seen)
            continue;
        wrong->list =
            audit_grow(wrong->list, &wrong->capacity, wrong->count + 1, sizeof *wrong->list);
        wrong->list[wrong->count++] = (struct balance_record){ .account = tally->account };
    }
}

static bool write_all(struct wrong *wrong, uint64_t epoch, struct error *error)
{
    for (size_t i = 0; i < wrong->count; i++) {
        error_fill(error, ERROR_REFUSED, "another payout took the leadership: stop it first");
        if (i % RENEW_EVERY == 0 &&
            leader_renew(wrong->audit.store, ENGINE_ROLE, epoch, error) != STORE_DONE)
            return false;
        const struct ledger_balance *right =
            &audit_find_tally(&wrong->audit, &wrong->list[i].account)->amounts;
        if (balance_put(wrong->audit.store, &wrong->list[i], right, error) != STORE_DONE)
            return false;
    }
    return true;
}

static bool rebuild(struct wrong *wrong, uint64_t epoch, struct error *error)
{
    struct set_record newest;
    if (!ledger_format_check(wrong->audit.store, error))
        return false;
    enum store_outcome outcome = set_newest(wrong->audit.store, &newest, error);
    if (outcome == STORE_MISSING)
        return true;
    if (outcome != STORE_DONE)
        return false;
    if (newest.state != SET_APPLIED)
        return error_set(error, ERROR_REFUSED,
                         "posting set %" PRIu64 " is not applied yet: start payout once before",
                         newest.seq);
    if (!audit_sets(&wrong->audit, error))
        return false;
    if (wrong->audit.report->differences > 0)
        return error_set(error, ERROR_INVALID, "the entries themselves are damaged: %s",
                         wrong->audit.report->first);
    if (balance_walk(wrong->audit.store, take_balance, wrong, error) != STORE_DONE)
        return false;
    if (wrong->behind)
        return error_set(error, ERROR_REFUSED, "payout went on meanwhile: stop it first");
    take_missing(wrong);
    return write_all(wrong, epoch, error);
}

bool payout_rebuild(struct store *store, uint64_t boot_id, uint64_t now_ms, uint64_t *changed_r,
                    struct error *error)
{
    uint64_t epoch;
    struct payout_audit_report report = { 0 };
    struct wrong wrong = { .audit = { .store = store, .report = &report, .error = error } };
    error_fill(error, ERROR_REFUSED, "others take the payout's leadership all the time");
    if (leader_take(store, ENGINE_ROLE, "rebuild", boot_id, now_ms, &epoch, error) != STORE_DONE)
        return false;
    audit_make_table(&wrong.audit, 12);
    bool done = rebuild(&wrong, epoch, error);
    struct error ignored; /* where it cannot be said, the lease lapses */
    (void)!leader_release(store, ENGINE_ROLE, epoch, &ignored);
    *changed_r = done ? wrong.count : 0;
    audit_free(&wrong.audit);
    free(wrong.list);
    return done;
}
