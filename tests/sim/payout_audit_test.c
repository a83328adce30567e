/* The audit against tampering: after a month of everything, each number of each record that money
 * follows from is changed, one at a time, and the audit must say so; and balances that were changed
 * are rebuilt to what they were. ADIT_AUDIT_STRIDE takes every nth change only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "record/ledger/stretch_record.h"
#include "service/log.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"
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
    /* A record that cannot be read is a difference, too. */
    assert_true(payout_audit(store, NULL, NULL, &report, &error));
    return report.differences;
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
        /* where and when; and what the events say (one of them it may not know yet) */
        { "emissions", "block_hash" },
        { "emissions", "height" },
        { "emissions", "time_ms" },
        { "emissions", "credited" },
        { "emissions", "generation" },
        { "emissions", "event_sequence" },
        { "emissions", "epoch" },
        /* a weight may be another without an amount being one (tests/emission changes one) */
        { "emissions", "receivers" },
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

static int64_t number_in(const struct store_collection *collection,
                         const struct store_record *record, const char *field)
{
    for (size_t i = 0; i < collection->field_count; i++)
        if (strcmp(collection->fields[i].name, field) == 0)
            return record->values[i].integer;
    fail_msg("%s has no %s", collection->name, field);
    return 0;
}

/* A stretch in which nobody worked cost nothing, whatever a block was worth; and of an emission
 * without a fee nobody was given one. */
static bool is_idle(const struct store_collection *collection, const struct store_record *record,
                    size_t field)
{
    const char *name = collection->fields[field].name;
    if (collection == &emission_collection && strcmp(name, "fee_account") == 0)
        return number_in(collection, record, "reward") * number_in(collection, record, "fee") <
               EMISSION_WHOLE;
    return collection == &stretch_collection &&
           (strcmp(name, "block") == 0 || strcmp(name, "network_work") == 0) &&
           number_in(collection, record, "accounts") == 0;
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

/* Changes one field (of bytes, the one at `at`; SIZE_MAX: in the middle), audits, and puts it back.
 * *seen_r counts what it saw of fields like these. */
static void change(struct store *store, const struct store_collection *collection, const char *id,
                   size_t field, bool wildly, size_t at, unsigned seen_r[STORE_FIELDS_MAX])
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
        bytes[at == SIZE_MAX ? length / 2 : at] ^= 1;
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

/* `receives`: also payments from outside. */
static struct run play(bool receives)
{
    sim_seed = 4711;
    struct run run = sim_start_month(NULL);
    run.world->receives = receives;
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
        &stretch_part_collection, &carry_collection,         &emission_collection,
    };
    struct run run = play(true);
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
                change(store, collections[c], ids->list[i], f, false, SIZE_MAX, seen);
                made++;
                if (collections[c]->fields[f].type != STORE_INT ||
                    !is_money(collections[c]->fields[f].name))
                    continue;
                change(store, collections[c], ids->list[i], f, true, SIZE_MAX, seen);
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

static bool count_house(void *context, const struct balance_record *balance)
{
    *(uint64_t *)context += balance->account.owner != LEDGER_MINER;
    return true;
}

static bool take_length(void *context, const struct store_record *record)
{
    *(size_t *)context = record->values[0].bytes.length + record->values[1].bytes.length;
    return false;
}

/* Many legs and balances lie in one record: each byte of some of them, or every nth. */
static void whatever_is_changed_within_a_page_the_audit_sees_it(void **state)
{
    (void)state;
    const struct {
        const struct store_collection *collection;
        size_t field;
    } pages[] = { { &entry_collection, 0 }, { &balance_collection, 1 } };
    struct run run = play(true);
    struct store *store = run.world->memory;
    struct ids *ids = calloc(1, sizeof *ids);
    unsigned long stride = stride_of();
    unsigned seen[STORE_FIELDS_MAX] = { 0 };
    assert_non_null(ids);
    for (size_t c = 0; c < sizeof pages / sizeof *pages; c++) {
        struct store_query all = { .field = "id" };
        struct error error;
        ids->count = 0;
        assert_int_equal(store_find(store, pages[c].collection, &all, take_id, ids, &error),
                         STORE_DONE);
        assert_true(ids->count > 3);
        for (size_t i = 0; i < ids->count; i += ids->count / 3) {
            struct store_query query = store_query_of(ids->list[i]);
            size_t length = 0;
            assert_int_equal(
                store_find(store, pages[c].collection, &query, take_length, &length, &error),
                STORE_DONE);
            for (size_t at = 0; at < length; at += stride)
                change(store, pages[c].collection, ids->list[i], pages[c].field, false, at, seen);
        }
    }
    free(ids);
    sim_end(&run);
}

static void balances_are_rebuilt_to_what_they_were(void **state)
{
    (void)state;
    struct run run = play(true);
    struct store *store = run.world->memory;
    struct error error;
    struct balance_record first, again;
    const struct ledger_account account = ledger_miner(run.world->ids[0]);
    const struct ledger_account house = ledger_house(LEDGER_FEE);
    uint64_t changed = 0;
    assert_int_equal(balance_get(store, &account, &first, &error), STORE_DONE);
    struct ledger_balance wrong = first.amounts;
    wrong.available += 5;
    wrong.waiting_since++;
    assert_int_equal(balance_put(store, &first, &wrong, &error), STORE_DONE);
    struct balance_record fee;
    uint64_t own = 0;
    assert_int_equal(balance_get(store, &house, &fee, &error), STORE_DONE);
    assert_int_equal(balance_walk(store, count_house, &own, &error), STORE_DONE);
    struct store_write remove = { .verb = STORE_DELETE,
                                  .collection = &balance_collection,
                                  .record = { .id = "house", .version = fee.version } };
    assert_int_equal(store_apply(store, &remove, 1, &error), STORE_DONE);
    assert_true(differences_of(store) > 0);
    assert_true(payout_rebuild(store, 77, run.world->now_ms, &changed, &error));
    assert_int_equal(changed, 1 + own);
    assert_int_equal(differences_of(store), 0);
    assert_int_equal(balance_get(store, &account, &again, &error), STORE_DONE);
    assert_memory_equal(&again.amounts, &first.amounts, sizeof first.amounts);
    assert_true(payout_rebuild(store, 78, run.world->now_ms, &changed, &error));
    assert_int_equal(changed, 0);
    sim_end(&run);
}

/* What a store holds in pages, as one text of bytes. */
struct pages {
    uint8_t bytes[MEMORY_BYTES];
    size_t length;
    struct store *store; /* where they are removed from */
    const struct store_collection *collection;
};

static void add_bytes(struct pages *pages, const void *data, size_t length)
{
    assert_true(length <= sizeof pages->bytes - pages->length);
    memcpy(pages->bytes + pages->length, data, length);
    pages->length += length;
}

static bool take_page(void *context, const struct store_record *record)
{
    struct pages *pages = context;
    add_bytes(pages, record->id, strlen(record->id));
    for (size_t i = 0; i < pages->collection->field_count; i++) {
        add_bytes(pages, &record->values[i].integer, sizeof record->values[i].integer);
        if (record->values[i].bytes.length > 0)
            add_bytes(pages, record->values[i].bytes.data, record->values[i].bytes.length);
    }
    return true;
}

static void read_pages(struct store *store, struct pages *pages_r)
{
    const struct store_collection *const both[] = { &entry_collection, &balance_collection };
    struct error error;
    pages_r->length = 0;
    for (size_t i = 0; i < 2; i++) {
        struct store_query query = { .field = "id" };
        pages_r->collection = both[i];
        assert_int_equal(store_find(store, both[i], &query, take_page, pages_r, &error),
                         STORE_DONE);
    }
}

struct versions {
    struct ids ids;
    uint64_t list[IDS_MAX];
};

static bool take_version(void *context, const struct store_record *record)
{
    struct versions *versions = context;
    versions->list[versions->ids.count] = record->version;
    return take_id(&versions->ids, record);
}

static void remove_all(struct store *store, const struct store_collection *collection)
{
    struct versions *versions = calloc(1, sizeof *versions);
    struct store_query query = { .field = "id" };
    struct error error;
    assert_non_null(versions);
    assert_int_equal(store_find(store, collection, &query, take_version, versions, &error),
                     STORE_DONE);
    for (size_t i = 0; i < versions->ids.count; i++) {
        struct store_write write = { .verb = STORE_DELETE,
                                     .collection = collection,
                                     .record = { .id = versions->ids.list[i],
                                                 .version = versions->list[i] } };
        assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    }
    free(versions);
}

struct older {
    struct entry_record entries[IDS_MAX];
    size_t count;
};

static bool take_entry(void *context, const struct entry_record *entry)
{
    struct older *older = context;
    assert_true(older->count < IDS_MAX);
    older->entries[older->count++] = *entry;
    return true;
}

/* As format 1 kept an account's balance; only whether there is one matters here. */
static const struct store_field old_fields[] = {
    { "owner", STORE_INT, false },       { "account", STORE_INT, false },
    { "immature", STORE_INT, false },    { "available", STORE_INT, true },
    { "in_flight", STORE_INT, false },   { "paid", STORE_INT, false },
    { "applied_seq", STORE_INT, false }, { "waiting_since", STORE_INT, false },
};
static const struct store_collection old_balances = { "balances", old_fields, 8 };

static size_t old_balances_in(struct store *store)
{
    const struct store_collection *old = &old_balances;
    struct ids ids = { .count = 0 };
    struct store_query query = { .field = "id" };
    struct error error;
    assert_true(store_declare(store, &old, 1, &error));
    assert_int_equal(store_find(store, old, &query, take_id, &ids, &error), STORE_DONE);
    return ids.count;
}

static void add_old_balance(struct store *store)
{
    const struct store_collection *old = &old_balances;
    struct store_write write = { .verb = STORE_INSERT,
                                 .collection = old,
                                 .record = { .id = "1:0000000000000001" } };
    struct error error;
    assert_true(store_declare(store, &old, 1, &error));
    for (size_t i = 0; i < 8; i++)
        write.record.values[i] = store_int(1);
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
}

/* Writes the entries as format 1 had them, and takes away everything newer. */
static void make_older(struct store *store)
{
    const struct store_collection *format_1 = &entry_1_collection;
    struct older *older = calloc(1, sizeof *older);
    struct error error;
    assert_non_null(older);
    assert_true(store_declare(store, &format_1, 1, &error));
    assert_int_equal(entry_walk(store, 1, take_entry, older, &error), STORE_DONE);
    for (size_t i = 0; i < older->count; i++) {
        const struct ledger_leg *leg = &older->entries[i].leg;
        char id[80], account[LEDGER_ACCOUNT_BYTES], place[80];
        ledger_account_format(&leg->account, account);
        snprintf(id, sizeof id, "%020" PRIu64 ":%u:%016" PRIx64 ":%u", older->entries[i].seq,
                 (unsigned)leg->account.owner, leg->account.id, (unsigned)leg->kind);
        snprintf(place, sizeof place, "%s/%020" PRIu64, account, older->entries[i].seq);
        struct store_write write = { .verb = STORE_INSERT,
                                     .collection = &entry_1_collection,
                                     .record = { .id = id } };
        write.record.values[0] = store_text(place);
        write.record.values[1] = store_int((int64_t)older->entries[i].seq);
        write.record.values[2] = store_int(leg->account.owner);
        write.record.values[3] = store_int((int64_t)leg->account.id);
        write.record.values[4] = store_int(leg->kind);
        write.record.values[5] = store_int(leg->amount);
        assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    }
    remove_all(store, &entry_collection);
    remove_all(store, &balance_collection);
    remove_all(store, &format_collection);
    add_old_balance(store);
    free(older);
}

/* Of whoever leads. */
static uint64_t epoch_of(struct store *store)
{
    struct leader leader;
    struct error error;
    assert_int_equal(leader_read(store, ENGINE_ROLE, &leader, &error), STORE_DONE);
    return leader.epoch;
}

static void a_ledger_of_an_older_format_becomes_what_it_would_have_been(void **state)
{
    (void)state;
    static struct pages before, after;
    struct run run = play(false); /* format 1 knew of none */
    struct store *store = run.world->memory;
    struct payout_audit_report report;
    struct error error;
    read_pages(store, &before);
    make_older(store);
    const uint64_t epoch = epoch_of(store);
    assert_false(payout_audit(store, NULL, NULL, &report, &error));
    assert_non_null(strstr(error.text, "format 1"));
    /* Cut off anywhere, any number of times. */
    bool converted = false;
    for (uint64_t i = 1; i <= 1000 && !converted; i++) {
        store_fake_inject_random(store, i, 5);
        converted = payout_convert(store, epoch, &error);
    }
    store_fake_inject_random(store, 0, 0);
    assert_true(converted);
    assert_int_equal(differences_of(store), 0);
    assert_int_equal(old_balances_in(store), 0); /* an older payout finds nothing to pay */
    read_pages(store, &after);
    assert_true(after.length == before.length && after.length > 0);
    assert_memory_equal(after.bytes, before.bytes, before.length);
    assert_true(payout_convert(store, epoch, &error));
    sim_end(&run);
}

static bool has_open_set(struct store *store)
{
    struct set_record newest;
    struct error error;
    assert_int_equal(set_newest(store, &newest, &error), STORE_DONE);
    return newest.state == SET_OPEN;
}

/* Its payout died in the middle of it: there may be no entry of it yet. */
static void a_set_that_is_open_is_completed_after_the_conversion(void **state)
{
    (void)state;
    struct run run = play(false); /* format 1 knew of none */
    struct sim_world *world = run.world;
    struct store *store = world->memory;
    struct error error;
    for (unsigned long call = 1; !has_open_set(store); call++) {
        world->now_ms += 9500;
        sim_share(world, 5);
        sim_mine(world, true, false);
        sim_scheduler(world);
        world->fault = SIM_DIE_AFTER;
        world->calls = 0;
        world->fault_at = call;
        sim_tick(&run);
        world->fault = SIM_WELL;
        assert_true(call < 500);
    }
    make_older(store);
    assert_true(payout_convert(store, epoch_of(store), &error));
    assert_int_equal(differences_of(store), 0);
    assert_true(has_open_set(store));
    sim_end(&run);
}

static void who_lost_the_lead_converts_nothing(void **state)
{
    (void)state;
    struct run run = play(false); /* format 1 knew of none */
    struct store *store = run.world->memory;
    struct error error;
    uint64_t epoch;
    make_older(store);
    const uint64_t deposed = epoch_of(store);
    assert_int_equal(leader_take(store, ENGINE_ROLE, "another", 7, 1, &epoch, &error), STORE_DONE);
    assert_false(payout_convert(store, deposed, &error));
    assert_int_equal(error.code, ERROR_REFUSED);
    struct ids balances = { .count = 0 };
    struct store_query query = { .field = "id" };
    assert_int_equal(store_find(store, &balance_collection, &query, take_id, &balances, &error),
                     STORE_DONE);
    assert_int_equal(balances.count, 0);
    assert_int_equal(old_balances_in(store), 1);
    assert_true(payout_convert(store, epoch, &error));
    assert_int_equal(differences_of(store), 0);
    sim_end(&run);
}

static void a_ledger_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct run run = play(false); /* format 1 knew of none */
    struct store *store = run.world->memory;
    struct payout_audit_report report;
    struct error error;
    make_older(store);
    const uint64_t epoch = epoch_of(store);
    struct store_write write = { .verb = STORE_INSERT,
                                 .collection = &format_collection,
                                 .record = { .id = "ledger" } };
    write.record.values[0] = store_int(LEDGER_FORMAT + 1);
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    assert_false(payout_convert(store, epoch, &error));
    assert_false(payout_audit(store, NULL, NULL, &report, &error));
    assert_int_equal(error.code, ERROR_REFUSED);
    remove_all(store, &format_collection);
    /* One entry that is not what its set says, and nothing is converted. */
    struct versions *versions = calloc(1, sizeof *versions);
    struct store_query query = { .field = "id" };
    assert_non_null(versions);
    assert_int_equal(store_find(store, &entry_1_collection, &query, take_version, versions, &error),
                     STORE_DONE);
    static _Alignas(16) uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    write = (struct store_write){ .verb = STORE_DELETE, .collection = &entry_1_collection };
    assert_int_equal(store_get(store, &entry_1_collection,
                               versions->ids.list[versions->ids.count / 2], &arena, &write.record,
                               &error),
                     STORE_DONE);
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    assert_false(payout_convert(store, epoch, &error));
    assert_int_equal(error.code, ERROR_INVALID);
    write.verb = STORE_INSERT;
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    assert_true(payout_convert(store, epoch, &error));
    assert_int_equal(differences_of(store), 0);
    free(versions);
    sim_end(&run);
}

int main(void)
{
    log_open("payout-audit", "1", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_changed_the_audit_sees_it),
        cmocka_unit_test(whatever_is_changed_within_a_page_the_audit_sees_it),
        cmocka_unit_test(a_ledger_of_an_older_format_becomes_what_it_would_have_been),
        cmocka_unit_test(a_set_that_is_open_is_completed_after_the_conversion),
        cmocka_unit_test(who_lost_the_lead_converts_nothing),
        cmocka_unit_test(a_ledger_that_cannot_be_read_is_refused),
        cmocka_unit_test(balances_are_rebuilt_to_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
