/* The audit against tampering: after a month of everything, each number of each record that money
 * follows from is changed, one at a time, and the audit must say so; and balances that were changed
 * are rebuilt to what they were. ADIT_AUDIT_STRIDE takes every nth change only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/event/event.h"
#include "record/ledger/stretch_record.h"
#include "service/log.h"
#include "services/payout/audit.h"
#include "tests/sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_MAX = 4000, MEMORY_BYTES = 1 << 20 };

struct ids {
    char list[IDS_MAX][STORE_ID_BYTES_MAX + 1];
    size_t count;
};

static bool take_id(void *context, const struct store_record *record)
{
    struct ids *ids = context;
    if (ids->count < IDS_MAX)
        snprintf(ids->list[ids->count++], sizeof ids->list[0], "%s", record->id);
    return true;
}

static uint64_t differences_of(struct store *store)
{
    struct payout_audit_report report;
    struct error error;
    return payout_audit(store, NULL, NULL, &report, &error) ? report.differences : UINT64_MAX;
}

/* What people read and no money follows from. */
static bool is_told_only(const char *collection, const char *field)
{
    static const char *const told[][2] = {
        { "sets", "epoch" },
        { "sets", "time_ms" },
        { "windows", "time_ms" },
        { "windows", "empty" },
        { "windows", "window_percent" },
        { "windows", "fee_basis_points" },
        { "windows", "network_work" },
        { "windows", "window_work" },
        { "windows", "terms" },
        { "stretches", "shares" },
        { "stretches", "time_ms" },
        { "stretches", "sample" },
        { "stretches", "fee_basis_points" },
        { "carries", "stretch" },
        { "stretches", "places" },
        { "balances", "waiting_since" },
    };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (strcmp(told[i][0], collection) == 0 && strcmp(told[i][1], field) == 0)
            return true;
    return false;
}

/* Amounts and fees are changed to what none can be, too. */
static bool is_money(const char *field)
{
    static const char *const money[] = { "reward", "fee",    "unallocated", "fee_basis_points",
                                         "block",  "amount", "sum",         "spent" };
    for (size_t i = 0; i < sizeof money / sizeof *money; i++)
        if (strcmp(money[i], field) == 0)
            return true;
    return false;
}

/* A stretch in which nobody worked cost nothing, whatever a block was worth. */
static bool is_idle(const struct store_collection *collection, const struct store_record *record,
                    size_t field)
{
    const char *name = collection->fields[field].name;
    if (collection != &stretch_collection ||
        (strcmp(name, "block") != 0 && strcmp(name, "network_work") != 0))
        return false;
    for (size_t i = 0; i < collection->field_count; i++)
        if (strcmp(collection->fields[i].name, "accounts") == 0)
            return record->values[i].integer == 0;
    return false;
}

/* What a window is added up by, which the audit can see only where segments keep its shares. */
static bool is_of_shares(const struct store_collection *collection, size_t field)
{
    static const char *const names[] = { "shares",       "filled",   "oldest_high", "oldest_low",
                                         "oldest_index", "end_high", "end_low",     "end_index" };
    for (size_t i = 0; i < sizeof names / sizeof *names && collection == &snapshot_collection; i++)
        if (strcmp(names[i], collection->fields[field].name) == 0)
            return true;
    return false;
}

/* Changes one field, audits, and puts it back. *seen_r counts what it saw of fields like these. */
static void change(struct store *store, const struct store_collection *collection, const char *id,
                   size_t field, bool wildly, unsigned seen_r[STORE_FIELDS_MAX])
{
    static _Alignas(16) uint8_t memory[MEMORY_BYTES];
    static uint8_t bytes[MEMORY_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    struct error error;
    assert_int_equal(store_get(store, collection, id, &arena, &record, &error), STORE_DONE);
    struct store_write write = { .verb = STORE_REPLACE,
                                 .collection = collection,
                                 .record = record };
    struct store_value *value = &write.record.values[field];
    if (is_idle(collection, &record, field))
        return;
    if (collection->fields[field].type == STORE_INT) {
        value->integer = wildly ? ~value->integer : value->integer + 1;
    } else {
        size_t length = value->bytes.length;
        if (length == 0 || length > sizeof bytes || collection->fields[field].type == STORE_TEXT)
            return;
        memcpy(bytes, value->bytes.data, length);
        bytes[length / 2] ^= 1;
        value->bytes = span_of(bytes, length);
    }
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    bool seen = differences_of(store) > 0;
    seen_r[field] += is_of_shares(collection, field) && seen;
    if (!seen && !is_of_shares(collection, field))
        fail_msg("%s of %s %s was changed, and the audit did not see it",
                 collection->fields[field].name, collection->name, id);
    write.record = record;
    write.record.version++;
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
}

static unsigned long stride_of(void)
{
    const char *text = getenv("ADIT_AUDIT_STRIDE");
    return text == NULL ? 3 : strtoul(text, NULL, 10);
}

static struct run play(void)
{
    sim_seed = 4711;
    struct run run = sim_start_month(NULL);
    run.world->has_bits = true;
    sim_play_month(&run);
    sim_deposit(&run, 900000000);
    sim_switch(&run, (struct sim_regime){ REWARD_PPS, 50, 0, 100 });
    for (int i = 0; i < 12; i++) {
        run.world->now_ms += 9500;
        sim_share(run.world, 5);
        sim_mine(run.world, i % 4 == 0, false);
        sim_scheduler(run.world);
        sim_tick(&run);
    }
    return run;
}

static void whatever_is_changed_the_audit_sees_it(void **state)
{
    (void)state;
    const struct store_collection *const collections[] = {
        &set_collection,          &entry_collection,         &balance_collection,
        &snapshot_collection,     &snapshot_part_collection, &stretch_collection,
        &stretch_part_collection, &carry_collection,
    };
    struct run run = play();
    struct store *store = run.world->memory;
    struct ids *ids = calloc(1, sizeof *ids);
    unsigned long stride = stride_of(), changes = 0, made = 0;
    unsigned seen[STORE_FIELDS_MAX] = { 0 };
    assert_non_null(ids);
    assert_int_equal(differences_of(store), 0);
    for (size_t c = 0; c < sizeof collections / sizeof *collections; c++) {
        struct store_query query = { .field = "id" };
        struct error error;
        unsigned long before = made;
        ids->count = 0;
        assert_int_equal(store_find(store, collections[c], &query, take_id, ids, &error),
                         STORE_DONE);
        assert_true(ids->count > 0);
        for (size_t i = 0; i < ids->count; i++)
            for (size_t f = 0; f < collections[c]->field_count; f++) {
                if (is_told_only(collections[c]->name, collections[c]->fields[f].name))
                    continue;
                /* Every field of the last record, and every nth of all. */
                if (i + 1 < ids->count && ++changes % stride != 0)
                    continue;
                change(store, collections[c], ids->list[i], f, false, seen);
                made++;
                if (collections[c]->fields[f].type != STORE_INT ||
                    !is_money(collections[c]->fields[f].name))
                    continue;
                change(store, collections[c], ids->list[i], f, true, seen);
                made++;
            }
        printf("%s: %zu records, %lu changes\n", collections[c]->name, ids->count, made - before);
    }
    for (size_t f = 0; f < snapshot_collection.field_count && stride == 1; f++)
        if (is_of_shares(&snapshot_collection, f) && seen[f] == 0)
            fail_msg("%s of a window is never seen", snapshot_collection.fields[f].name);
    assert_int_equal(differences_of(store), 0);
    free(ids);
    sim_end(&run);
}

static void balances_are_rebuilt_to_what_they_were(void **state)
{
    (void)state;
    struct run run = play();
    struct store *store = run.world->memory;
    struct error error;
    struct balance_record first, again;
    const struct ledger_account account = ledger_miner(run.world->ids[0]);
    const struct ledger_account house = ledger_house(LEDGER_FEE);
    uint64_t changed = 0;
    assert_int_equal(balance_get(store, &account, &first, &error), STORE_DONE);
    struct balance_record wrong = first;
    wrong.amounts.available += 5;
    wrong.amounts.waiting_since++;
    assert_int_equal(balance_put(store, &wrong, &error), STORE_DONE);
    struct balance_record fee;
    assert_int_equal(balance_get(store, &house, &fee, &error), STORE_DONE);
    struct store_write remove = { .verb = STORE_DELETE,
                                  .collection = &balance_collection,
                                  .record = { .id = "fee", .version = fee.version } };
    assert_int_equal(store_apply(store, &remove, 1, &error), STORE_DONE);
    assert_true(differences_of(store) > 0);
    assert_true(payout_rebuild(store, 77, run.world->now_ms, &changed, &error));
    assert_int_equal(changed, 2);
    assert_int_equal(differences_of(store), 0);
    assert_int_equal(balance_get(store, &account, &again, &error), STORE_DONE);
    assert_memory_equal(&again.amounts, &first.amounts, sizeof first.amounts);
    assert_true(payout_rebuild(store, 78, run.world->now_ms, &changed, &error));
    assert_int_equal(changed, 0);
    sim_end(&run);
}

int main(void)
{
    log_open("payout-audit", "1", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_changed_the_audit_sees_it),
        cmocka_unit_test(balances_are_rebuilt_to_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
