/* What is told, to whom, and once: on a store in memory that dies at every step. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/account/account.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "record/notice/audit_report.h"
#include "record/notice/notice_record.h"
#include "record/notice/preference.h"
#include "record/payment/payment_record.h"
#include "record/switch/switch.h"
#include "services/inode-scheduler/teller_inside.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { MINUTE = 60000, ANNA = 0xa, BERT = 0xb, CLAUS = 0xc, LIST = 400 };
#define ROLE "scheduler"
#define ALL UINT32_MAX
static const uint64_t start_ms = 1700000000000;

static struct store *store;
static struct teller *teller;
static struct teller_sight sight;
static struct teller_options options;
static struct notice *list;
static struct error error;

static void begin(void)
{
    teller_destroy(teller);
    teller = teller_create(&options);
}

static int setup(void **state)
{
    static const struct store_collection *const collections[] = {
        &account_collection, &worker_collection,  &event_collection,
        &leader_collection,  &payment_collection, &switch_collection,
    };
    (void)state;
    store = store_fake_create();
    assert_true(
        store_declare(store, collections, sizeof collections / sizeof *collections, &error));
    assert_true(notice_declare(store, &error));
    options = (struct teller_options){ .store = store,
                                       .coin = coin_profile_find(span_text("bitcoin-regtest")),
                                       .role = ROLE,
                                       .quiet_ms = 30 * MINUTE,
                                       .waiting_max = 10000,
                                       .operators_letters = true,
                                       .operators_webhook = true };
    assert_int_equal(leader_take(store, ROLE, "test", 1, start_ms, &options.epoch, &error),
                     STORE_DONE);
    sight = (struct teller_sight){ .now_ms = start_ms, .read_ms = start_ms };
    list = calloc(LIST, sizeof *list);
    begin();
    /* What was before is nobody's news. */
    assert_int_equal(teller_look(teller, &sight, &error), STORE_DONE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    teller_destroy(teller);
    teller = NULL;
    store_fake_verify(store);
    store_close(store);
    free(list);
    return 0;
}

static void want(uint64_t account, uint32_t letters, uint32_t webhooks)
{
    struct notice_preference preference;
    assert_int_equal(notice_preference_get(store, account, &preference, &error), STORE_DONE);
    preference.letters = letters;
    preference.webhooks = webhooks;
    preference.after_ms = 10 * MINUTE;
    preference.from_ms = start_ms;
    snprintf(preference.name, sizeof preference.name, "account-%x", (unsigned)account);
    snprintf(preference.url, sizeof preference.url, "https://hooks.example.org/");
    assert_int_equal(notice_preference_save(store, &preference, &error), STORE_DONE);
}

static void look(void)
{
    if (teller_look(teller, &sight, &error) != STORE_DONE)
        fail_msg("%s", error.text);
}

/* Those of an account, newest first, into `list`. */
static size_t told(uint64_t account)
{
    size_t count;
    assert_int_equal(notice_list(store, account, LIST, list, &count, &error), STORE_DONE);
    return count;
}

static json_t *data_of(const struct notice *notice)
{
    json_t *data = json_loads(notice->body, 0, NULL);
    assert_non_null(data);
    return data;
}

static void find_block(uint64_t sequence, uint64_t account, uint32_t generation)
{
    struct wire_reward_event event = { .sequence = sequence,
                                       .epoch = 1,
                                       .kind = WIRE_REWARD_FOUND,
                                       .generation = generation,
                                       .height = 100,
                                       .reward = 625000000,
                                       .account = account };
    event.block_hash[0] = (uint8_t)sequence;
    if (generation > 1)
        event.block_hash[0] = 1;
    assert_int_equal(event_append(store, &event, &error), STORE_DONE);
}

static void a_block_is_told_to_those_who_want_it_and_to_its_finder_as_its_own(void **state)
{
    (void)state;
    want(ANNA, ALL, 0);
    want(BERT, notice_bit(NOTICE_BLOCK_OWN), ALL);
    want(CLAUS, notice_bit(NOTICE_PAYMENT_SENT), 0);
    find_block(1, ANNA, 1);
    for (int i = 0; i < 3; i++)
        look();
    assert_int_equal(told(ANNA), 1);
    assert_int_equal(list[0].kind, NOTICE_BLOCK_OWN);
    json_t *data = data_of(&list[0]);
    assert_string_equal(json_string_value(json_object_get(data, "account")), "account-a");
    assert_string_equal(json_string_value(json_object_get(data, "reward")), "625000000");
    assert_int_equal(json_integer_value(json_object_get(data, "exponent")), 8);
    json_decref(data);
    assert_int_equal(told(BERT), 1);
    assert_int_equal(list[0].kind, NOTICE_BLOCK_FOUND);
    assert_int_equal(list[0].channel, NOTICE_WEBHOOK);
    assert_int_equal(told(CLAUS), 0);
    /* It left the chain and came back. */
    struct wire_reward_event orphaned = {
        .sequence = 2, .epoch = 1, .kind = WIRE_REWARD_ORPHANED, .generation = 1
    };
    orphaned.block_hash[0] = 1;
    assert_int_equal(event_append(store, &orphaned, &error), STORE_DONE);
    find_block(3, ANNA, 2);
    look();
    assert_int_equal(told(ANNA), 1);
    find_block(4, BERT, 1);
    look();
    assert_int_equal(told(ANNA), 2);
    assert_int_equal(told(BERT), 3); /* its own, by both channels */
}

static void what_was_before_anybody_listened_is_not_told(void **state)
{
    (void)state;
    struct store *kept = store;
    store = store_fake_create();
    static const struct store_collection *const collections[] = {
        &account_collection, &worker_collection,  &event_collection,
        &leader_collection,  &payment_collection, &switch_collection,
    };
    assert_true(
        store_declare(store, collections, sizeof collections / sizeof *collections, &error));
    assert_true(notice_declare(store, &error));
    options.store = store;
    assert_int_equal(leader_take(store, ROLE, "test", 1, start_ms, &options.epoch, &error),
                     STORE_DONE);
    want(ANNA, ALL, 0);
    find_block(1, ANNA, 1);
    begin();
    look();
    assert_int_equal(told(ANNA), 0);
    find_block(2, ANNA, 1);
    look();
    assert_int_equal(told(ANNA), 1);
    teller_destroy(teller);
    teller = NULL;
    store_close(store);
    store = kept;
}

static void pay(uint64_t number, enum payment_state state, uint64_t account, uint64_t units)
{
    struct payment_output outputs[3] = { { .account = account, .amount = { units } },
                                         { .account = CLAUS, .amount = { 5 } },
                                         { .account = account, .amount = { 1 } } };
    uint8_t memory[8192];
    struct arena arena = arena_over(memory, sizeof memory);
    struct payment_record payment;
    if (payment_get(store, number, &arena, &payment, &error) == STORE_MISSING) {
        payment = (struct payment_record){ .number = number,
                                           .state = PAYMENT_PLANNED,
                                           .epoch = 1,
                                           .amount = { units + 6 },
                                           .outputs = outputs,
                                           .output_count = 3 };
        for (size_t i = 0; i < 3; i++)
            snprintf(outputs[i].address, sizeof outputs[i].address, "bcrt1qaddress");
        assert_int_equal(payment_insert(store, &payment, &error), STORE_DONE);
    }
    static const uint8_t raw[] = { 1, 2, 3 };
    if (state != PAYMENT_PLANNED && payment.version_count == 0) {
        payment.version_count = 1;
        payment.versions[0] = (struct payment_version){ .raw = span_of(raw, sizeof raw) };
        payment.versions[0].txid[0] = payment.txid[0] = (uint8_t)number;
    }
    payment.state = state;
    payment.updated_ms = sight.now_ms;
    if (payment_save(store, &payment, &error) != STORE_DONE)
        fail_msg("%s", error.text);
}

static void a_payment_is_told_when_it_is_on_its_way_whatever_the_order(void **state)
{
    (void)state;
    want(ANNA, ALL, ALL);
    want(BERT, ALL, 0);
    pay(1, PAYMENT_PLANNED, ANNA, 100);
    pay(2, PAYMENT_PLANNED, BERT, 200);
    look();
    assert_int_equal(told(ANNA) + told(BERT), 0);
    pay(2, PAYMENT_BROADCAST, BERT, 200);
    look();
    look();
    assert_int_equal(told(ANNA), 0);
    assert_int_equal(told(BERT), 1);
    json_t *data = data_of(&list[0]);
    assert_string_equal(json_string_value(json_object_get(data, "amount")), "201");
    assert_int_equal(json_integer_value(json_object_get(data, "payment")), 2);
    json_decref(data);
    begin(); /* another leads */
    look();
    assert_int_equal(told(BERT), 1);
    pay(1, PAYMENT_BROADCAST, ANNA, 100);
    pay(3, PAYMENT_VOIDED, ANNA, 7);
    pay(4, PAYMENT_CONFIRMED, ANNA, 9); /* it went by between two looks */
    look();
    pay(1, PAYMENT_CONFIRMED, ANNA, 100);
    look();
    begin();
    look();
    assert_int_equal(told(ANNA), 4); /* payments 1 and 4, by two channels */
    assert_int_equal(told(BERT), 1);
}

static void audit(uint64_t differences, const char *first, uint64_t time_ms)
{
    struct audit_report report = { .time_ms = time_ms, .differences = differences };
    snprintf(report.first, sizeof report.first, "%s", first);
    assert_int_equal(audit_report_append(store, &report, &error), STORE_DONE);
}

static void operators_are_told_of_differences_and_pauses_once(void **state)
{
    (void)state;
    audit(0, "", start_ms);
    look();
    assert_int_equal(told(0), 0);
    audit(2, "set 4 does not balance", start_ms + 1);
    look();
    audit(2, "set 4 does not balance", start_ms + MINUTE); /* the same again */
    look();
    begin();
    look();
    assert_int_equal(told(0), 2);
    assert_int_equal(list[0].kind, NOTICE_AUDIT);
    audit(3, "set 4 does not balance", start_ms + 2 * MINUTE);
    look();
    assert_int_equal(told(0), 4);
    audit(3, "set 4 does not balance", start_ms + 25 * 60 * (uint64_t)MINUTE); /* a day later */
    look();
    assert_int_equal(told(0), 6);

    assert_int_equal(
        switch_turn(store, SWITCH_PAYOUT_PAUSED, true, "olga", "\"why\"", start_ms + 5, &error),
        STORE_DONE);
    look();
    begin();
    look();
    assert_int_equal(told(0), 8);
    assert_int_equal(
        switch_turn(store, SWITCH_PAYOUT_PAUSED, false, "olga", "", start_ms + 6, &error),
        STORE_DONE);
    look();
    assert_int_equal(told(0), 8);
    /* Where operators have no address nothing is made. */
    options.operators_letters = options.operators_webhook = false;
    begin();
    audit(9, "another", start_ms + 7);
    look();
    assert_int_equal(told(0), 8);
}

static void a_difference_that_stays_is_told_every_day_however_often_it_is_audited(void **state)
{
    (void)state;
    const uint64_t hour_ms = 60 * (uint64_t)MINUTE;
    options.operators_webhook = false;
    begin();
    for (uint64_t hour = 0; hour < 24 * 3; hour++) {
        audit(1, "set 4 does not balance", start_ms + hour * hour_ms);
        look();
        if (hour % 7 == 0)
            begin();
    }
    assert_in_range(told(0), 3, 4);
    /* Another one is told at once. */
    size_t before = told(0);
    audit(1, "set 5 does not balance", start_ms + 24 * 3 * hour_ms);
    look();
    assert_int_equal(told(0), before + 1);
}

enum { WORKERS = 40 };
static struct stats_last last[WORKERS];

/* Looks as if it were `ms` after the start. */
static void look_at(uint64_t ms)
{
    sight.now_ms = sight.read_ms = start_ms + ms;
    sight.last = last;
    teller_sort(last, sight.last_count);
    look();
}

static uint64_t workers_in(const struct notice *notice)
{
    json_t *data = data_of(notice);
    uint64_t count = (uint64_t)json_integer_value(json_object_get(data, "count"));
    json_decref(data);
    return count;
}

static void a_farm_without_power_is_one_notice_and_who_follows_is_another_later(void **state)
{
    (void)state;
    want(ANNA, 0, notice_bit(NOTICE_WORKER_OFFLINE));
    want(BERT, notice_bit(NOTICE_WORKER_OFFLINE), 0);
    want(CLAUS, notice_bit(NOTICE_BLOCK_FOUND), 0);
    for (size_t i = 0; i < WORKERS; i++)
        last[i] = (struct stats_last){ i < 30   ? ANNA
                                       : i < 38 ? CLAUS
                                                : BERT,
                                       i + 1, start_ms + MINUTE + i * 1000 };
    last[39].last_ms = start_ms; /* BERT's, before it was chosen */
    last[38].last_ms = start_ms + 90 * MINUTE;
    sight.last_count = WORKERS;
    look_at(11 * MINUTE + 1000);
    assert_int_equal(told(ANNA), 0); /* the others have time to fall silent, too */
    look_at(12 * MINUTE);
    look_at(13 * MINUTE);
    assert_int_equal(told(ANNA), 1);
    assert_int_equal(workers_in(&list[0]), 30);
    json_t *data = data_of(&list[0]);
    assert_in_range(json_array_size(json_object_get(data, "workers")), 1, 12);
    json_decref(data);
    assert_int_equal(told(BERT) + told(CLAUS), 0);
    begin();
    look_at(20 * MINUTE);
    assert_int_equal(told(ANNA), 1);
    /* One came back and went again; the quiet time passes first. */
    for (size_t i = 0; i < WORKERS; i++)
        if (last[i].worker == 5)
            last[i].last_ms = start_ms + 15 * MINUTE;
    look_at(30 * MINUTE);
    assert_int_equal(told(ANNA), 1);
    look_at(43 * MINUTE);
    assert_int_equal(told(ANNA), 2);
    assert_int_equal(workers_in(&list[0]), 1);
    assert_int_equal(told(BERT) + told(CLAUS), 0);
}

static void an_outage_of_ours_or_a_window_that_was_not_read_is_held_against_nobody(void **state)
{
    (void)state;
    want(ANNA, notice_bit(NOTICE_WORKER_OFFLINE), 0);
    last[0] = (struct stats_last){ ANNA, 1, start_ms + MINUTE };
    sight.last_count = 1;
    sight.steady_ms = UINT64_MAX;
    look_at(60 * MINUTE);
    sight.steady_ms = start_ms + 55 * MINUTE;
    look_at(60 * MINUTE);
    sight.read_ms = 0;
    sight.now_ms = start_ms + 70 * MINUTE;
    look();
    /* The window was read up to the fifth minute, and no further since. */
    sight.steady_ms = 0;
    sight.read_ms = start_ms + 5 * MINUTE;
    look();
    assert_int_equal(told(ANNA), 0);
    sight.steady_ms = start_ms + 55 * MINUTE;
    look_at(66 * MINUTE);
    assert_int_equal(told(ANNA), 1);
}

static size_t mark_count;

static void count_mark(void *context, uint64_t number)
{
    (void)context;
    (void)number;
    mark_count++;
}

static size_t marks(void)
{
    mark_count = 0;
    assert_int_equal(notice_marks(store, "payments", count_mark, NULL, &error), STORE_DONE);
    return mark_count;
}

/* Everything that can be told at once, with the store failing at one write: afterwards all of it is
 * there, and once. */
static void whatever_write_fails_nothing_is_lost_and_nothing_is_told_twice(void **state)
{
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE };
    for (size_t fault = 0; fault < sizeof faults / sizeof *faults; fault++) {
        bool failed = true;
        for (size_t step = 0; failed; step++) {
            assert_true(step < 200);
            want(ANNA, ALL, ALL);
            want(BERT, ALL, ALL);
            find_block(1, ANNA, 1);
            pay(1, PAYMENT_PLANNED, CLAUS, 1); /* the next one is marked */
            pay(2, PAYMENT_BROADCAST, BERT, 100);
            audit(1, "a difference", start_ms);
            last[0] = (struct stats_last){ ANNA, 1, start_ms + MINUTE };
            last[1] = (struct stats_last){ ANNA, 2, start_ms + 2 * MINUTE };
            sight = (struct teller_sight){ .last = last,
                                           .last_count = 2,
                                           .now_ms = start_ms + 13 * MINUTE,
                                           .read_ms = start_ms + 13 * MINUTE };
            store_fake_inject(store, faults[fault], step, 1);
            failed = teller_look(teller, &sight, &error) != STORE_DONE;
            store_fake_inject(store, faults[fault], 0, 0);
            /* It dies there; the next one looks later, when one more fell silent. */
            begin();
            last[2] = (struct stats_last){ ANNA, 3, start_ms + 4 * MINUTE };
            sight.last_count = 3;
            for (uint64_t i = 14; i < 90; i += 5) {
                look_at(i * MINUTE);
                if (i % 2 == 0)
                    begin();
            }
            uint64_t silent[2] = { 0 };
            size_t blocks = 0, payments = 0, count = told(ANNA);
            for (size_t i = 0; i < count; i++) {
                if (list[i].kind == NOTICE_WORKER_OFFLINE)
                    silent[list[i].channel - 1] += workers_in(&list[i]);
                blocks += list[i].kind == NOTICE_BLOCK_OWN;
            }
            assert_int_equal(silent[0], 3);
            assert_int_equal(silent[1], 3);
            assert_int_equal(blocks, 2);
            count = told(BERT);
            for (size_t i = 0; i < count; i++)
                payments += list[i].kind == NOTICE_PAYMENT_SENT;
            assert_int_equal(payments, 2);
            assert_int_equal(count, 4); /* and the block */
            assert_int_equal(told(0), 2);
            assert_int_equal(marks(), 1);
            (void)teardown(state);
            (void)setup(state);
        }
    }
}

static void a_deposed_one_tells_nothing_more(void **state)
{
    (void)state;
    uint64_t epoch;
    want(ANNA, ALL, 0);
    find_block(1, ANNA, 1);
    assert_int_equal(leader_take(store, ROLE, "rival", 2, start_ms, &epoch, &error), STORE_DONE);
    assert_int_equal(teller_look(teller, &sight, &error), STORE_CONFLICT);
    assert_int_equal(told(ANNA), 0);
    options.epoch = epoch;
    begin();
    look();
    assert_int_equal(told(ANNA), 1);
}

static void a_full_outbox_makes_what_is_durable_wait(void **state)
{
    (void)state;
    options.waiting_max = 3;
    begin();
    want(ANNA, ALL, 0);
    want(BERT, ALL, 0);
    find_block(1, ANNA, 1);
    find_block(2, ANNA, 1);
    look();
    look();
    assert_int_equal(told(ANNA), 1);
    assert_true(teller_counts(teller).full);
    /* The first ones were delivered. */
    for (uint64_t account = ANNA; account <= BERT; account++) {
        assert_int_equal(told(account), 1);
        list[0].state = NOTICE_SENT;
        list[0].due_ms = start_ms + MINUTE;
        assert_int_equal(notice_save(store, &list[0], &error), STORE_DONE);
    }
    look();
    assert_int_equal(told(ANNA), 2);
    assert_int_equal(told(BERT), 2);
    assert_false(teller_counts(teller).full);
}

static void a_pause_is_told_whatever_its_reason_is_written_in(void **state)
{
    (void)state;
    char reason[2 * SWITCH_REASON_BYTES + 2] = "x";
    for (size_t i = 0; i < SWITCH_REASON_BYTES; i++)
        memcpy(reason + strlen(reason), "\xc3\xa9", 3);
    for (size_t shift = 0; shift < 2; shift++) {
        sight.now_ms += MINUTE;
        assert_int_equal(switch_turn(store, SWITCH_PAYOUT_PAUSED, true, "olga", reason + shift,
                                     start_ms + 5 + shift, &error),
                         STORE_DONE);
        look();
        assert_int_equal(told(0), 2 * (shift + 1));
        json_t *data = data_of(&list[0]);
        const char *said = json_string_value(json_object_get(data, "reason"));
        assert_in_range(strlen(said), SWITCH_REASON_BYTES - 2, SWITCH_REASON_BYTES - 1);
        assert_memory_equal(said, reason + shift, strlen(said));
        json_decref(data);
    }
}

static void what_cannot_be_written_down_stops_nobody(void **state)
{
    (void)state;
    uint32_t channels = teller_channels(teller, NULL, NOTICE_PAUSED);
    assert_int_equal(
        teller_add(teller, NULL, NOTICE_PAUSED, channels, "paused:1", NULL, &sight, &error),
        STORE_DONE);
    static char text[NOTICE_BODY_BYTES];
    memset(text, 'x', sizeof text - 1);
    json_t *data = json_pack("{s:s}", "first", text);
    assert_int_equal(
        teller_add(teller, NULL, NOTICE_AUDIT, channels, "audit:1", data, &sight, &error),
        STORE_DONE);
    json_decref(data);
    assert_int_equal(teller_flush(teller, &error), STORE_DONE);
    assert_int_equal(told(0), 0);
    data = teller_text("a\xff");
    assert_string_equal(json_string_value(data), "a?");
    json_decref(data);
}

/* One notice for somebody, as if nobody delivered it. */
static void wait_for_delivery(uint64_t number)
{
    struct notice notice = { .account = ANNA,
                             .kind = NOTICE_PAYMENT_SENT,
                             .channel = NOTICE_LETTER,
                             .created_ms = start_ms,
                             .body = "{}" };
    char cause[32];
    snprintf(cause, sizeof cause, "waits:%d", (int)number);
    notice_name(&notice, cause);
    assert_int_equal(notice_insert(store, &notice, &error), STORE_DONE);
}

static void those_who_want_nothing_of_it_take_no_room(void **state)
{
    (void)state;
    options.waiting_max = 10;
    begin();
    for (uint64_t account = 1; account <= 8; account++)
        want(account, notice_bit(NOTICE_WORKER_OFFLINE), 0);
    want(ANNA, notice_bit(NOTICE_BLOCK_FOUND), 0);
    for (uint64_t i = 0; i < 7; i++)
        wait_for_delivery(i);
    find_block(1, BERT, 1);
    look();
    assert_int_equal(told(ANNA), 8);
    assert_false(teller_counts(teller).full);
}

static void
a_cause_larger_than_all_room_goes_when_half_is_free_and_holds_no_other_kind(void **state)
{
    (void)state;
    options.waiting_max = 10;
    begin();
    for (uint64_t account = 1; account <= 12; account++)
        want(account, notice_bit(NOTICE_BLOCK_FOUND), 0);
    want(BERT, notice_bit(NOTICE_PAYMENT_SENT), 0);
    for (uint64_t i = 0; i < 6; i++)
        wait_for_delivery(i);
    find_block(1, CLAUS, 1);
    pay(1, PAYMENT_BROADCAST, BERT, 100);
    look();
    assert_true(teller_counts(teller).full);
    assert_int_equal(told(1), 0);
    assert_int_equal(told(BERT), 1);
    /* Some were delivered; others wait still. */
    for (size_t i = 0, count = told(ANNA); i < count && i < 3; i++) {
        list[i].state = NOTICE_SENT;
        list[i].due_ms = start_ms + MINUTE;
        assert_int_equal(notice_save(store, &list[i], &error), STORE_DONE);
    }
    look();
    assert_int_equal(told(1), 1);
    assert_int_equal(told(12), 1);
    assert_false(teller_counts(teller).full);
}

static void
a_finder_that_wants_its_own_by_one_channel_hears_of_it_by_the_other_as_chosen(void **state)
{
    (void)state;
    want(ANNA, notice_bit(NOTICE_BLOCK_OWN), notice_bit(NOTICE_BLOCK_FOUND));
    find_block(1, ANNA, 1);
    look();
    assert_int_equal(told(ANNA), 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(list[i].kind,
                         list[i].channel == NOTICE_LETTER ? NOTICE_BLOCK_OWN : NOTICE_BLOCK_FOUND);
}

static void a_payment_whose_notices_were_forgotten_is_not_told_again(void **state)
{
    (void)state;
    const uint64_t day_ms = 1440 * (uint64_t)MINUTE;
    want(BERT, ALL, 0);
    pay(1, PAYMENT_PLANNED, ANNA, 100); /* it waits for approvals */
    pay(2, PAYMENT_BROADCAST, BERT, 200);
    look();
    assert_int_equal(told(BERT), 1);
    pay(2, PAYMENT_SETTLED, BERT, 200);
    look();
    list[0].state = NOTICE_SENT;
    list[0].due_ms = start_ms + 7 * day_ms;
    assert_int_equal(notice_save(store, &list[0], &error), STORE_DONE);
    sight.now_ms = start_ms + 8 * day_ms;
    assert_int_equal(notice_forget(store, sight.now_ms, 100, &error), STORE_DONE);
    assert_int_equal(told(BERT), 0);
    begin(); /* another leads */
    look();
    assert_int_equal(told(BERT), 0);
    /* What settles now is told. */
    pay(3, PAYMENT_SETTLED, BERT, 300);
    look();
    assert_int_equal(told(BERT), 1);
}

/* Its notice is over and forgotten long before it is settled; and it stands behind one that waits
 * for approvals, so the cursor does not say that it was told. */
static void a_payment_that_takes_weeks_to_settle_is_told_once_whoever_leads(void **state)
{
    (void)state;
    const uint64_t day_ms = 1440 * (uint64_t)MINUTE;
    want(BERT, ALL, 0);
    pay(1, PAYMENT_PLANNED, ANNA, 100);
    pay(2, PAYMENT_BROADCAST, BERT, 200);
    pay(3, PAYMENT_VOIDED, BERT, 300);
    look();
    assert_int_equal(told(BERT), 1);
    list[0].state = NOTICE_SENT;
    list[0].due_ms = start_ms + 7 * day_ms;
    assert_int_equal(notice_save(store, &list[0], &error), STORE_DONE);
    for (uint64_t day = 8; day < 30; day++) {
        sight.now_ms = start_ms + day * day_ms;
        assert_int_equal(notice_forget(store, sight.now_ms, 100, &error), STORE_DONE);
        begin(); /* another leads */
        look();
        assert_int_equal(told(BERT), 0);
        pay(2, day < 20 ? PAYMENT_CONFIRMED : PAYMENT_SETTLED, BERT, 200);
    }
    assert_int_equal(marks(), 2);
    /* Once the cursor has passed them it says so by itself. */
    pay(1, PAYMENT_BROADCAST, ANNA, 100);
    look();
    assert_int_equal(marks(), 0);
    begin();
    pay(4, PAYMENT_BROADCAST, BERT, 400);
    look();
    assert_int_equal(told(BERT), 1);
    assert_int_equal(marks(), 0);
}

static void an_open_payment_does_not_hold_those_far_behind_it_for_ever(void **state)
{
    (void)state;
    want(BERT, notice_bit(NOTICE_PAYMENT_SENT), 0);
    pay(1, PAYMENT_PLANNED, ANNA, 100);
    for (uint64_t number = 2; number <= TELLER_PAYMENTS_MAX + 1; number++)
        pay(number, PAYMENT_VOIDED, ANNA, 100);
    pay(TELLER_PAYMENTS_MAX + 2, PAYMENT_BROADCAST, BERT, 100);
    for (int i = 0; i < 4; i++)
        look();
    assert_int_equal(told(BERT), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_told_to_those_who_want_it_and_to_its_finder_as_its_own),
        TEST(what_was_before_anybody_listened_is_not_told),
        TEST(a_payment_is_told_when_it_is_on_its_way_whatever_the_order),
        TEST(operators_are_told_of_differences_and_pauses_once),
        TEST(a_difference_that_stays_is_told_every_day_however_often_it_is_audited),
        TEST(a_farm_without_power_is_one_notice_and_who_follows_is_another_later),
        TEST(an_outage_of_ours_or_a_window_that_was_not_read_is_held_against_nobody),
        TEST(whatever_write_fails_nothing_is_lost_and_nothing_is_told_twice),
        TEST(a_deposed_one_tells_nothing_more),
        TEST(a_full_outbox_makes_what_is_durable_wait),
        TEST(a_pause_is_told_whatever_its_reason_is_written_in),
        TEST(what_cannot_be_written_down_stops_nobody),
        TEST(those_who_want_nothing_of_it_take_no_room),
        TEST(a_cause_larger_than_all_room_goes_when_half_is_free_and_holds_no_other_kind),
        TEST(a_finder_that_wants_its_own_by_one_channel_hears_of_it_by_the_other_as_chosen),
        TEST(a_payment_whose_notices_were_forgotten_is_not_told_again),
        TEST(a_payment_that_takes_weeks_to_settle_is_told_once_whoever_leads),
        TEST(an_open_payment_does_not_hold_those_far_behind_it_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
