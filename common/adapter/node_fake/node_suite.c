/* What every node must do, run against the fake and the real adapter. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_fake/node_suite.h"
#include "core/job/job.h"
#include "core/payment/payment.h"

#include <stdlib.h>

enum { ARENA_BYTES = 24 << 20 };

void node_suite_mine(struct node_suite *f, uint8_t id_r[32])
{
    struct arena arena = arena_over(f->memory, ARENA_BYTES);
    struct block_template template;
    const char *longpoll;
    struct error error;
    static uint64_t number;
    if (node_get_template(f->node, NULL, &arena, &template, &longpoll, &error) != NODE_OK)
        fail_msg("%s", error.text);
    assert_non_null(longpoll);
    struct job_output output = { output_script_span(&f->script), template.coinbase_value };
    struct job job;
    number++;
    struct job_params params = { .id = number,
                                 .job_value = number,
                                 .algorithm = f->coin->algorithm,
                                 .extranonce1_bytes = 4,
                                 .extranonce2_bytes = 4,
                                 .outputs = &output,
                                 .outputs_count = 1 };
    assert_int_equal(job_from_template(&template, &params, &job), JOB_OK);
    struct job_prepared prepared;
    static const uint8_t extranonce[8] = { 0 };
    struct job_choice choice = { extranonce, extranonce, job.cur_time, 0, job.version };
    uint8_t header[80];
    uint8_t hash[32];
    job_prepare(&job, JOB_SHAPE_FULL, &prepared);
    do {
        job_build_header(&prepared, &choice, header);
        pow_hash(job.algorithm, header, NULL, hash);
        choice.nonce++;
    } while (u256_compare(u256_load_le(hash), job.network_target) > 0);
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    size_t coinbase_bytes =
        job_coinbase_for_block(&job, JOB_SHAPE_FULL, extranonce, extranonce, coinbase);
    struct span whole = span_of(coinbase, coinbase_bytes);
    size_t length = template_block_bytes(template.transactions, template.transactions_count, whole,
                                         template.mweb);
    uint8_t *block = malloc(length);
    template_block_serialize(header, template.transactions, template.transactions_count, whole,
                             template.mweb, block, length);
    char answer[128];
    assert_int_equal(node_submit(f->node, span_of(block, length), answer, sizeof answer),
                     NODE_SUBMIT_ACCEPTED);
    assert_int_equal(node_submit(f->node, span_of(block, length), answer, sizeof answer),
                     NODE_SUBMIT_DUPLICATE);
    block[76] ^= 1; /* another header, whose proof or merkle root is wrong */
    block[40] ^= 1;
    if (f->checks_work)
        assert_int_equal(node_submit(f->node, span_of(block, length), answer, sizeof answer),
                         NODE_SUBMIT_REJECTED);
    free(block);
    sha256d_header(header, id_r);
}

static void a_template_becomes_a_block_the_node_knows_all_about(void **state)
{
    struct node_suite *f = *state;
    struct node_chain chain;
    struct node_block block;
    struct error error;
    uint8_t id[32], hash[32], unknown[32] = { 1 };
    uint64_t amount;
    node_suite_mine(f, id);
    assert_int_equal(node_chain(f->node, &chain, &error), NODE_OK);
    assert_string_equal(chain.chain, "regtest");
    assert_memory_equal(chain.tip, id, 32);
    assert_int_equal(node_block_hash(f->node, chain.height, hash, &error), NODE_OK);
    assert_memory_equal(hash, id, 32);
    assert_int_equal(node_block_hash(f->node, chain.height + 1, hash, &error), NODE_MISSING);
    assert_int_equal(node_block(f->node, id, &block, &error), NODE_OK);
    assert_int_equal(block.confirmations, 1);
    assert_int_equal(block.height, chain.height);
    assert_int_equal(block.bits, 0x207fffff);
    assert_int_equal(node_block(f->node, unknown, &block, &error), NODE_MISSING);
    assert_int_equal(node_received(f->node, id, output_script_span(&f->script), &amount, &error),
                     NODE_OK);
    assert_int_equal(amount, 5000000000);
    assert_int_equal(node_received(f->node, id, span_text("else"), &amount, &error), NODE_OK);
    assert_int_equal(amount, 0);
}

struct watched {
    uint8_t tip[32];
    bool known;
};

static void on_tip(void *context, const uint8_t hash[32])
{
    struct watched *watched = context;
    assert_false(watched->known); /* once a template */
    memcpy(watched->tip, hash, 32);
    watched->known = true;
}

/* Best block, its header, and a template agree on what the next block builds on. */
static void a_tip_says_what_the_template_on_it_will_say(void **state)
{
    struct node_suite *f = *state;
    struct arena arena = arena_over(f->memory, ARENA_BYTES);
    struct block_template template;
    struct node_tip tip;
    struct error error;
    const char *longpoll;
    uint8_t id[32], best[32], unknown[32] = { 1 };
    struct watched begun = { 0 };
    node_suite_mine(f, id);
    assert_int_equal(node_best(f->node, best, &error), NODE_OK);
    assert_memory_equal(best, id, 32);
    assert_int_equal(node_tip(f->node, id, &tip, &error), NODE_OK);
    node_watch(f->node, &(struct node_watcher){ .on_tip = on_tip, .context = &begun });
    assert_int_equal(node_get_template(f->node, NULL, &arena, &template, &longpoll, &error),
                     NODE_OK);
    node_watch(f->node, NULL);
    assert_memory_equal(begun.tip, id, 32);
    assert_memory_equal(tip.hash, template.prev_hash, 32);
    assert_int_equal(tip.height + 1, template.height);
    assert_int_equal(tip.median_time + 1, template.min_time);
    assert_int_equal(tip.bits, 0x207fffff);
    assert_true(tip.is_tip);
    assert_int_equal(node_tip(f->node, unknown, &tip, &error), NODE_MISSING);
    node_suite_mine(f, best);
    assert_int_equal(node_tip(f->node, id, &tip, &error), NODE_OK);
    assert_false(tip.is_tip);
}

static void addresses_are_the_nodes_to_judge(void **state)
{
    struct node_suite *f = *state;
    struct error error;
    bool valid = false;
    assert_int_equal(node_validate_address(f->node, f->address, &valid, &error), NODE_OK);
    assert_true(valid);
    assert_int_equal(node_validate_address(f->node, "nobody\"\\", &valid, &error), NODE_OK);
    assert_false(valid);
}

static void a_payment_is_signed_kept_back_broadcast_twice_and_confirmed(void **state)
{
    struct node_suite *f = *state;
    struct error error;
    uint8_t id[32];
    uint64_t balance = 0;
    struct node_transaction_state seen;
    f->fund(f);
    assert_int_equal(node_wallet_balance(f->node, &balance, &error), NODE_OK);
    assert_true(balance >= 5000000000);

    static uint8_t kept[1 << 16]; /* mining uses the other memory */
    struct arena arena = arena_over(kept, sizeof kept);
    struct node_transaction transaction;
    struct node_payment_output outputs[2] = { { .address = f->address, .amount = 123456789 },
                                              { .amount = 1000001 } };
    char other[ADDRESS_TEXT_BYTES];
    f->new_address(f, other);
    outputs[1].address = other;
    struct output_script script;
    outputs[0].script = outputs[1].script = output_script_span(&f->script);
    if (address_parse(f->coin, span_text(other), &script, NULL) == ADDRESS_OK)
        outputs[1].script = output_script_span(&script);
    struct node_payment payment = { outputs, 2, false };
    if (node_build_payment(f->node, &payment, &arena, &transaction, &error) != NODE_OK)
        fail_msg("%s", error.text);
    struct node_output coin;
    assert_int_equal(
        node_output(f->node, transaction.anchor_txid, transaction.anchor_output, &coin, &error),
        NODE_OK);
    assert_true(coin.unspent && coin.confirmations > 0);
    assert_true(coin.amount >= 123456789 + 1000001 + transaction.fee);
    assert_true(transaction.fee > 0 && transaction.fee < 1000000);
    assert_true(transaction.raw.length > 100);
    /* Nothing left our hands yet. */
    assert_int_equal(node_transaction(f->node, transaction.txid, &seen, &error), NODE_MISSING);
    assert_int_equal(node_broadcast(f->node, transaction.raw, &error), NODE_OK);
    assert_int_equal(node_broadcast(f->node, transaction.raw, &error), NODE_OK);
    assert_int_equal(node_transaction(f->node, transaction.txid, &seen, &error), NODE_OK);
    assert_true(seen.known);
    assert_int_equal(seen.confirmations, 0);
    node_suite_mine(f, id);
    node_suite_mine(f, id);
    assert_int_equal(node_transaction(f->node, transaction.txid, &seen, &error), NODE_OK);
    assert_int_equal(seen.confirmations, 2);
    if (node_broadcast(f->node, transaction.raw, &error) != NODE_OK)
        fail_msg("%s", error.text);
}

/* The same transaction again with more left to the miner: signed by the wallet, taken by the node
 * in place of the first, and named as the spender of their common input once it is in a block. */
static void a_version_with_a_higher_fee_replaces_the_first(void **state)
{
    struct node_suite *f = *state;
    struct error error;
    uint8_t id[32], spender[32];
    uint32_t depth = 0;
    struct node_transaction first, second;
    struct node_transaction_state seen;
    struct node_output coin;
    static uint8_t kept[1 << 16];
    struct arena arena = arena_over(kept, sizeof kept);
    if (!f->checks_work) /* the fake knows no coins */
        return;
    struct node_payment_output output = { f->address, 5000000, output_script_span(&f->script) };
    struct node_payment payment = { &output, 1, true };
    struct payment_receiver receiver = { output.script, { output.amount } };
    struct payment_terms terms = {
        .receivers = &receiver, .count = 1, .receivers_pay = true, .rate_max = 1000, .dust_scale = 1
    };
    if (node_build_payment(f->node, &payment, &arena, &first, &error) != NODE_OK)
        fail_msg("%s", error.text);
    assert_int_equal(node_output(f->node, first.anchor_txid, first.anchor_output, &coin, &error),
                     NODE_OK);
    assert_true(coin.unspent);
    uint64_t fee = 0;
    terms.input_sum = coin.amount;
    terms.change = first.change;
    assert_int_equal(payment_check(first.raw, &terms, &fee), PAYMENT_SOUND);
    assert_int_equal(fee, first.fee);
    assert_int_equal(node_broadcast(f->node, first.raw, &error), NODE_OK);

    uint8_t *bare = arena_take(&arena, first.raw.length);
    size_t length = payment_bump(first.raw, &terms, payment_next_fee(first.raw, &terms, fee), bare);
    assert_true(length > 0);
    if (node_sign(f->node, span_of(bare, length), &arena, &second, &error) != NODE_OK)
        fail_msg("%s", error.text);
    assert_int_equal(payment_check(second.raw, &terms, &fee), PAYMENT_SOUND);
    assert_true(fee > first.fee);
    assert_memory_equal(second.anchor_txid, first.anchor_txid, 32);
    if (node_broadcast(f->node, second.raw, &error) != NODE_OK)
        fail_msg("%s", error.text);
    assert_int_equal(node_broadcast(f->node, first.raw, &error), NODE_REFUSED);
    assert_int_equal(
        node_spender(f->node, first.anchor_txid, first.anchor_output, spender, &depth, &error),
        NODE_MISSING);
    node_suite_mine(f, id);
    node_suite_mine(f, id);
    assert_int_equal(node_transaction(f->node, second.txid, &seen, &error), NODE_OK);
    assert_int_equal(seen.confirmations, 2);
    assert_int_equal(node_transaction(f->node, first.txid, &seen, &error), NODE_OK);
    assert_int_equal(seen.confirmations, -2);
    assert_int_equal(node_output(f->node, first.anchor_txid, first.anchor_output, &coin, &error),
                     NODE_OK);
    assert_false(coin.unspent);
    if (node_spender(f->node, first.anchor_txid, first.anchor_output, spender, &depth, &error) !=
        NODE_OK)
        fail_msg("%s", error.text);
    assert_memory_equal(spender, second.txid, 32);
    assert_int_equal(depth, 2);
}

static void inputs_stay_locked_until_they_are_let_go(void **state)
{
    struct node_suite *f = *state;
    struct error error;
    struct arena arena = arena_over(f->memory, 1 << 20);
    struct node_transaction first, second;
    struct node_payment_output output = { f->address, 1000000, output_script_span(&f->script) };
    struct node_payment payment = { &output, 1, false };
    assert_int_equal(node_build_payment(f->node, &payment, &arena, &first, &error), NODE_OK);
    assert_int_equal(node_build_payment(f->node, &payment, &arena, &second, &error), NODE_OK);
    assert_memory_not_equal(first.anchor_txid, second.anchor_txid, 32);
    assert_int_equal(node_lock_input(f->node, first.anchor_txid, first.anchor_output, true, &error),
                     NODE_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            node_lock_input(f->node, first.anchor_txid, first.anchor_output, false, &error),
            NODE_OK);
    assert_int_equal(node_unlock_all(f->node, &error), NODE_OK);
}

static void more_than_there_is_cannot_be_paid(void **state)
{
    struct node_suite *f = *state;
    struct error error;
    struct arena arena = arena_over(f->memory, 1 << 20);
    struct node_transaction transaction;
    struct node_payment_output output = { f->address, 4000000000000000,
                                          output_script_span(&f->script) };
    struct node_payment payment = { &output, 1, false };
    assert_int_equal(node_build_payment(f->node, &payment, &arena, &transaction, &error),
                     NODE_REFUSED);
    output = (struct node_payment_output){ "x\",\"data", 1, output_script_span(&f->script) };
    assert_int_equal(node_build_payment(f->node, &payment, &arena, &transaction, &error),
                     NODE_REFUSED);
}

static void (*opener)(struct node_suite *suite);
static void (*closer)(struct node_suite *suite);

static int open_suite(void **state)
{
    struct node_suite *f = calloc(1, sizeof *f);
    f->memory = malloc(ARENA_BYTES);
    opener(f);
    *state = f;
    return 0;
}

static int close_suite(void **state)
{
    struct node_suite *f = *state;
    closer(f);
    free(f->memory);
    free(f);
    return 0;
}

int node_suite_run(const char *name, void (*open)(struct node_suite *suite),
                   void (*close)(struct node_suite *suite))
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_becomes_a_block_the_node_knows_all_about),
        cmocka_unit_test(a_tip_says_what_the_template_on_it_will_say),
        cmocka_unit_test(addresses_are_the_nodes_to_judge),
        cmocka_unit_test(a_payment_is_signed_kept_back_broadcast_twice_and_confirmed),
        cmocka_unit_test(a_version_with_a_higher_fee_replaces_the_first),
        cmocka_unit_test(inputs_stay_locked_until_they_are_let_go),
        cmocka_unit_test(more_than_there_is_cannot_be_paid),
    };
    opener = open;
    closer = close;
    return cmocka_run_group_tests_name(name, tests, open_suite, close_suite);
}
