#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/inode-scheduler/testing/pages.h"

#include "record/account/account.h"
#include "record/block/block.h"
#include "record/ledger/ledger_record.h"
#include "record/payment/payment_record.h"
#include "record/proof/proof_record.h"
#include "record/task/dispute.h"

#include <stdio.h>

#define TIME_MS UINT64_C(1700000000000)

static void well(enum store_outcome outcome, const struct error *error)
{
    if (outcome != STORE_DONE)
        fail_msg("%d: %s", (int)outcome, error->text);
}

/* Scattered, so that the order of ids is not that of numbers; never the same for two. */
static uint8_t scattered(unsigned number)
{
    return (uint8_t)(number * 77);
}

static void add_block(struct store *store, unsigned number, uint64_t found_ms)
{
    struct error error;
    struct wire_candidate candidate = { .height = 100 + number,
                                        .coinbase_value = 5000000000,
                                        .found_ms = found_ms,
                                        .instance = "validator-1" };
    struct block_record block;
    candidate.block_hash[0] = (uint8_t)number;
    candidate.block_hash[31] = scattered(number);
    store_le32(candidate.header + 72, 0x1d00ffff);
    block_from_candidate(&candidate, 1, &block);
    block.open = false; /* nobody follows it */
    block.chain = (struct maturity_block){ BLOCK_ORPHANED, 100 + number, 1, 0 };
    well(block_insert(store, &block, &error), &error);
}

void pages_add_block(struct store *store, unsigned number)
{
    add_block(store, number, TIME_MS + 5000);
}

static void add_dispute(struct store *store, unsigned number)
{
    struct error error = { .text = "" };
    struct dispute dispute = { .kind = DISPUTE_CREDIT_WRONG,
                               .certain = true,
                               .at_ms = TIME_MS + number / 10,
                               .first = "own:2",
                               .text = "it was credited to another account",
                               .body = span_text("body") };
    snprintf(dispute.id, sizeof dispute.id, "%03u:credit", (unsigned)scattered(number));
    well(dispute_insert(store, &dispute, &error), &error);
}

/* Every third one gives the account nothing. */
static void add_payment(struct store *store, uint64_t account, unsigned number)
{
    struct error error = { .text = "" };
    struct payment_output output = { .account = number % 3 == 0 ? account + 1 : account,
                                     .address = "x",
                                     .amount = { 10 } };
    struct payment_record payment = { .number = number,
                                      .state = PAYMENT_PLANNED,
                                      .epoch = 1,
                                      .amount = { 10 },
                                      .created_ms = TIME_MS,
                                      .updated_ms = TIME_MS,
                                      .outputs = &output,
                                      .output_count = 1 };
    well(payment_insert(store, &payment, &error), &error);
}

/* Two legs of the account in each; every fourth set is a payment's. */
static void add_set(struct store *store, uint64_t account, unsigned number)
{
    struct error error = { .text = "" };
    struct ledger_leg memory[4];
    struct ledger_legs legs = ledger_legs_over(memory, 4);
    uint8_t subject[32] = { (uint8_t)number, 1 };
    struct set_record set = { .seq = number,
                              .state = SET_OPEN,
                              .epoch = 1,
                              .time_ms = TIME_MS,
                              .cause = number % 4 == 0
                                           ? ledger_cause_payment(LEDGER_INTENT, number, 1)
                                           : ledger_cause_block(LEDGER_FOUND, subject, 1) };
    ledger_legs_add(&legs, ledger_miner(account), LEDGER_IMMATURE, 5);
    ledger_legs_add(&legs, ledger_miner(account), LEDGER_AVAILABLE, 6);
    ledger_legs_add(&legs, ledger_house(LEDGER_NETWORK), LEDGER_AVAILABLE, -11);
    assert_true(ledger_legs_close(&legs));
    set.digest = ledger_digest(&set.cause, legs.legs, legs.count);
    well(set_insert(store, &set, &error), &error);
    well(entry_insert_all(store, number, legs.legs, legs.count, &error), &error);
    well(set_advance(store, &set, SET_CLOSED, &error), &error);
    well(balance_apply_all(store, number, set.cause.kind, legs.legs, legs.count, &error), &error);
    well(set_advance(store, &set, SET_APPLIED, &error), &error);
}

static void add_statement(struct store *store, unsigned number, uint8_t head[32])
{
    struct error error = { .text = "" };
    struct proof_link link = { .statement = { .number = number,
                                              .height = number + 100,
                                              .reward = 10,
                                              .fee = 10,
                                              .empty = true,
                                              .scheme = "pplns" },
                               .epoch = 1,
                               .time_ms = TIME_MS };
    link.statement.block_hash[0] = (uint8_t)number;
    link.statement.block_hash[1] = 1;
    memcpy(link.statement.previous, head, 32);
    well(proof_link_append(store, &link, &error), &error);
    memcpy(head, link.head, 32);
}

void pages_fill(struct store *store, uint64_t account)
{
    static const struct store_collection *const all[] = {
        &block_collection, &dispute_collection, &payment_collection, &set_collection,
        &entry_collection, &balance_collection, &proof_collection,
    };
    struct error error = { .text = "" };
    uint8_t head[32] = { 0 };
    if (!store_declare(store, all, sizeof all / sizeof *all, &error) ||
        !account_declare(store, &error))
        fail_msg("%s", error.text);
    for (unsigned i = 1; i <= PAGES_ROWS; i++) {
        struct account_worker worker = { account, (uint64_t)scattered(i) << 56 | i, "", TIME_MS };
        snprintf(worker.name, sizeof worker.name, "w%u", i);
        assert_int_equal(worker_bind(store, &worker, &error), ACCOUNT_BOUND);
        add_block(store, i, TIME_MS + i / 10);
        add_dispute(store, i);
        add_payment(store, account, i);
        add_set(store, account, i);
        add_statement(store, i, head);
    }
}
