#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_fake/node_fake.h"
#include "adapter/node_fake/node_suite.h"

#include <stdio.h>

enum { BITS = 0x207fffff };

static void new_address(struct node_suite *suite, char address_r[ADDRESS_TEXT_BYTES])
{
    static unsigned number;
    struct output_script script = { .length = 22, .data = { 0x00, 0x14 } };
    script.data[5] = (uint8_t)++number;
    assert_true(address_format(suite->coin, output_script_span(&script), address_r));
}

static void fund(struct node_suite *suite)
{
    node_fake_fund(suite->context, 50 * UINT64_C(100000000));
}

static void open_node(struct node_suite *suite)
{
    struct node_fake_chain *chain = node_fake_chain_create("regtest", BITS);
    suite->context = chain;
    suite->coin = coin_profile_find(span_text("devnet-sha256d"));
    suite->node = node_fake_open(chain, "fake");
    suite->fund = fund;
    suite->new_address = new_address;
    new_address(suite, suite->address);
    assert_int_equal(address_parse(suite->coin, span_text(suite->address), &suite->script, NULL),
                     ADDRESS_OK);
}

static void close_node(struct node_suite *suite)
{
    node_close(suite->node);
    node_fake_chain_destroy(suite->context);
}

static void a_block_that_left_is_known_and_not_on_the_best_chain(void **state)
{
    struct node_fake_chain *chain = node_fake_chain_create("regtest", BITS);
    struct node *node = node_fake_open(chain, "fake");
    struct node_block block;
    struct error error;
    uint8_t tip[32], now[32];
    uint32_t height, after;
    (void)state;
    node_fake_mine(chain, 5);
    node_fake_tip(chain, tip, &height);
    node_fake_reorganise(chain, 2);
    assert_int_equal(node_block(node, tip, &block, &error), NODE_OK);
    assert_int_equal(block.confirmations, -1);
    node_fake_tip(chain, now, &after);
    assert_int_equal(after, height + 1);
    assert_true(node_fake_bring_back(chain, tip));
    assert_int_equal(node_block(node, tip, &block, &error), NODE_OK);
    assert_true(block.confirmations >= 2);
    node_close(node);
    node_fake_chain_destroy(chain);
}

static void troubles_answer_as_the_port_says(void **state)
{
    struct node_fake_chain *chain = node_fake_chain_create("regtest", BITS);
    struct node *node = node_fake_open(chain, "fake");
    struct node_chain seen;
    struct error error;
    static const uint8_t raw[4] = { 1 };
    (void)state;
    node_fake_trouble(node, NODE_FAKE_AWAY);
    assert_int_equal(node_chain(node, &seen, &error), NODE_UNAVAILABLE);
    assert_int_equal(node_broadcast(node, span_of(raw, 4), &error), NODE_UNAVAILABLE);
    assert_int_equal(node_fake_broadcasts(chain), 0);
    node_fake_trouble(node, NODE_FAKE_SILENT);
    assert_int_equal(node_broadcast(node, span_of(raw, 4), &error), NODE_UNKNOWN);
    assert_int_equal(node_fake_broadcasts(chain), 1);
    node_fake_trouble(node, NODE_FAKE_SYNCING);
    assert_int_equal(node_chain(node, &seen, &error), NODE_OK);
    assert_true(seen.initial_download);
    node_close(node);
    node_fake_chain_destroy(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_left_is_known_and_not_on_the_best_chain),
        cmocka_unit_test(troubles_answer_as_the_port_says),
    };
    return node_suite_run("fake", open_node, close_node) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
