#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/payment/payment_record.h"

#include <stdio.h>
#include <stdlib.h>

static struct store *store;
static struct error error;
static _Alignas(16) uint8_t memory[1 << 20];

static int set_up(void **state)
{
    static const struct store_collection *const all[] = { &payment_collection };
    (void)state;
    store = store_fake_create();
    return store_declare(store, all, 1, &error) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    return 0;
}

static struct payment_output outputs[PAYMENT_OUTPUTS_MAX];

static struct payment_record planned(uint64_t number, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        outputs[i] = (struct payment_output){ .account = i + 1, .amount = { 10 + i } };
        snprintf(outputs[i].address, sizeof outputs[i].address, "%0*zu", (int)(1 + i % 90), i);
    }
    return (struct payment_record){ .number = number,
                                    .state = PAYMENT_PLANNED,
                                    .epoch = 2,
                                    .amount = { 1234 },
                                    .created_ms = 5,
                                    .outputs = outputs,
                                    .output_count = count };
}

static void a_payment_reads_back_as_it_was_saved(void **state)
{
    (void)state;
    static const uint8_t raw[3000] = { 1, 2, 3 };
    struct payment_record payment = planned(1, PAYMENT_OUTPUTS_MAX), read;
    assert_int_equal(payment_insert(store, &payment, &error), STORE_DONE);
    assert_int_equal(payment_insert(store, &payment, &error), STORE_EXISTS);
    struct payment_record stale = payment;
    payment.state = PAYMENT_SIGNED;
    for (size_t i = 0; i < PAYMENT_VERSIONS_MAX; i++) {
        payment.versions[i] = (struct payment_version){ .fee = { 50 + i },
                                                        .height = 9 + (uint32_t)i,
                                                        .raw = span_of(raw, sizeof raw - i) };
        payment.versions[i].txid[3] = (uint8_t)i;
    }
    payment.version_count = PAYMENT_VERSIONS_MAX;
    payment.receivers_pay = payment.approve = true;
    snprintf(payment.approvals, sizeof payment.approvals, "ann bob");
    snprintf(payment.request, sizeof payment.request, "0000000000000001:a");
    payment.txid[0] = 7;
    payment.fee.units = 55;
    payment.confirmations = -3;
    payment.anchor_output = UINT32_MAX;
    snprintf(payment.reason, sizeof payment.reason, "because");
    assert_int_equal(payment_save(store, &payment, &error), STORE_DONE);
    assert_int_equal(payment_save(store, &stale, &error), STORE_CONFLICT);
    struct arena arena = arena_over(
        memory, payment_record_bytes(PAYMENT_OUTPUTS_MAX, PAYMENT_VERSIONS_MAX * sizeof raw));
    assert_int_equal(payment_get(store, 1, &arena, &read, &error), STORE_DONE);
    assert_int_equal(read.output_count, PAYMENT_OUTPUTS_MAX);
    for (size_t i = 0; i < PAYMENT_OUTPUTS_MAX; i++) {
        assert_int_equal(read.outputs[i].account, outputs[i].account);
        assert_int_equal(read.outputs[i].amount.units, outputs[i].amount.units);
        assert_string_equal(read.outputs[i].address, outputs[i].address);
    }
    assert_int_equal(read.version_count, PAYMENT_VERSIONS_MAX);
    for (size_t i = 0; i < PAYMENT_VERSIONS_MAX; i++) {
        assert_true(span_equal(read.versions[i].raw, payment.versions[i].raw));
        assert_memory_equal(read.versions[i].txid, payment.versions[i].txid, 32);
        assert_int_equal(read.versions[i].fee.units, 50 + i);
        assert_int_equal(read.versions[i].height, 9 + i);
    }
    assert_true(read.receivers_pay && read.approve);
    assert_string_equal(read.approvals, "ann bob");
    assert_string_equal(read.request, payment.request);
    uint64_t number;
    assert_int_equal(payment_of_request(store, payment.request, &number, &error), STORE_DONE);
    assert_int_equal(number, 1);
    assert_int_equal(payment_of_request(store, "0000000000000001:b", &number, &error),
                     STORE_MISSING);
    assert_memory_equal(read.txid, payment.txid, 32);
    assert_true(read.state == PAYMENT_SIGNED && read.fee.units == 55 && read.confirmations == -3 &&
                read.anchor_output == UINT32_MAX && read.version == payment.version);
    assert_string_equal(read.reason, "because");
    arena = arena_over(memory, 2000);
    assert_int_equal(payment_get(store, 1, &arena, &read, &error), STORE_FAILED);
    assert_int_equal(payment_get(store, 2, &arena, &read, &error), STORE_MISSING);
}

static bool note(void *context, const struct payment_record *payment)
{
    uint64_t *seen = context;
    *seen = *seen * 10 + payment->number;
    return true;
}

static void open_ones_are_walked_by_state_and_all_of_them_newest_first(void **state)
{
    (void)state;
    static const enum payment_state states[] = {
        PAYMENT_BROADCAST, PAYMENT_SETTLED, PAYMENT_INTENT,
        PAYMENT_VOIDED,    PAYMENT_VOIDING, PAYMENT_INTENT
    };
    uint64_t seen = 0, newest;
    assert_int_equal(payment_newest(store, &newest, &error), STORE_DONE);
    assert_int_equal(newest, 0);
    for (uint64_t i = 0; i < 6; i++) {
        struct payment_record payment = planned(i + 1, 1);
        payment.state = states[i];
        assert_int_equal(payment_insert(store, &payment, &error), STORE_DONE);
    }
    assert_int_equal(payment_walk_open(store, note, &seen, &error), STORE_DONE);
    assert_int_equal(seen, 3615);
    seen = 0;
    assert_int_equal(payment_walk_newest(store, 5, 3, note, &seen, &error), STORE_DONE);
    assert_int_equal(seen, 543);
    assert_int_equal(payment_newest(store, &newest, &error), STORE_DONE);
    assert_int_equal(newest, 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_payment_reads_back_as_it_was_saved),
        TEST(open_ones_are_walked_by_state_and_all_of_them_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
