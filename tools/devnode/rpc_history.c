/* What became of the wallet's transactions: gettransaction, with negative confirmations where a
 * block holds another transaction that spends the same. */
#include "tools/devnode/consensus/address.h"
#include "tools/devnode/rpc.h"

/* The output an input spends, wherever it is known from; NULL where it is not. */
static const struct tx_output *spent_output(const struct node *node,
                                            const struct outpoint *outpoint)
{
    size_t index = 0;
    const struct chain_block *block = rpc_find_confirmed(node, outpoint->txid, &index);
    const struct mempool_entry *entry = mempool_find(&node->mempool, outpoint->txid);
    const struct tx *tx = block != NULL   ? block->block->txs[index]
                          : entry != NULL ? entry->tx
                                          : table_get(&node->sent_index, outpoint->txid);
    return tx == NULL || outpoint->index >= tx->output_count ? NULL : &tx->outputs[outpoint->index];
}

struct wallet_view {
    bool from_us;
    int64_t debit;  /* what it spends of ours */
    int64_t credit; /* what it pays to us */
    int64_t out;
    bool inputs_known;
    int64_t in;
};

static struct wallet_view view_of(const struct node *node, const struct tx *tx)
{
    struct wallet_view view = { .inputs_known = !tx_is_coinbase(tx) };
    for (size_t i = 0; i < tx->input_count; i++) {
        const struct tx_output *spent = spent_output(node, &tx->inputs[i].previous);
        if (spent == NULL) {
            view.inputs_known = false;
            continue;
        }
        view.in += spent->value;
        if (wallet_key_of(&node->wallet, buffer_span(&spent->script)) != NULL) {
            view.from_us = true;
            view.debit += spent->value;
        }
    }
    for (size_t i = 0; i < tx->output_count; i++) {
        view.out += tx->outputs[i].value;
        if (wallet_key_of(&node->wallet, buffer_span(&tx->outputs[i].script)) != NULL)
            view.credit += tx->outputs[i].value;
    }
    return view;
}

/* Depth of the deepest block that spends an input of tx in another transaction, or 0. */
static uint32_t conflict_depth(const struct node *node, const struct tx *tx)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < tx->input_count; i++) {
        uint8_t key[36];
        outpoint_key(&tx->inputs[i].previous, key);
        const struct tx *other = table_get(&node->chain.spenders, key);
        const struct chain_block *block =
            other == NULL ? NULL : table_get(&node->chain.tx_block, other->txid);
        if (block == NULL)
            continue;
        uint32_t here = chain_tip(&node->chain)->height - block->height + 1;
        depth = here > depth ? here : depth;
    }
    return depth;
}

/* Transactions that spend an input of this one: confirmed ones, or those waiting. */
static json_t *conflicts_json(const struct node *node, const struct tx *tx, bool confirmed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tx->input_count; i++) {
        uint8_t key[36];
        outpoint_key(&tx->inputs[i].previous, key);
        const struct mempool_entry *entry =
            mempool_spender(&node->mempool, &tx->inputs[i].previous);
        const struct tx *other = confirmed       ? table_get(&node->chain.spenders, key)
                                 : entry != NULL ? entry->tx
                                                 : NULL;
        if (other != NULL && memcmp(other->txid, tx->txid, 32) != 0)
            json_array_append_new(list, json_hash(other->txid));
    }
    return list;
}

static json_t *detail(const struct tx_output *output, size_t index, const char *category,
                      int64_t amount)
{
    char address[ADDRESS_TEXT_BYTES];
    json_t *json = json_object();
    if (address_encode(buffer_span(&output->script), address))
        json_object_set_new(json, "address", json_string(address));
    json_object_set_new(json, "category", json_string(category));
    json_object_set_new(json, "amount", json_amount(amount));
    json_object_set_new(json, "label", json_string(""));
    json_object_set_new(json, "vout", json_integer((json_int_t)index));
    return json;
}

static json_t *details_json(const struct node *node, const struct tx *tx,
                            const struct wallet_view *view, json_int_t confirmations)
{
    json_t *list = json_array();
    const char *received = !tx_is_coinbase(tx)                                       ? "receive"
                           : confirmations < 1                                       ? "orphan"
                           : confirmations < (json_int_t)node->chain.params.maturity ? "immature"
                                                                                     : "generate";
    for (int sent = 1; sent >= 0; sent--)
        for (size_t i = 0; i < tx->output_count; i++) {
            const struct tx_output *output = &tx->outputs[i];
            const struct wallet_key *key =
                wallet_key_of(&node->wallet, buffer_span(&output->script));
            if (view->from_us && key != NULL && key->change)
                continue;
            if (sent == 1 && view->from_us) {
                json_t *json = detail(output, i, "send", -output->value);
                if (view->inputs_known)
                    json_object_set_new(json, "fee", json_amount(view->out - view->in));
                json_object_set_new(json, "abandoned", json_false());
                json_array_append_new(list, json);
            } else if (sent == 0 && key != NULL) {
                json_t *json = detail(output, i, received, output->value);
                json_object_set_new(json, "abandoned", json_false());
                json_array_append_new(list, json);
            }
        }
    return list;
}

static json_t *gettransaction(struct rpc_call *call)
{
    const struct node *node = call->node;
    const char *text;
    uint8_t txid[32];
    size_t index = 0;
    if (!rpc_text(call, 0, "txid", &text) || !rpc_hash(call, text, "txid", txid))
        return NULL;
    const struct chain_block *block = rpc_find_confirmed(node, txid, &index);
    const struct mempool_entry *entry = mempool_find(&node->mempool, txid);
    const struct tx *tx = block != NULL   ? block->block->txs[index]
                          : entry != NULL ? entry->tx
                                          : table_get(&node->sent_index, txid);
    struct wallet_view view = { 0 };
    if (tx != NULL)
        view = view_of(node, tx);
    if (tx == NULL || (!view.from_us && view.credit == 0))
        return rpc_fail(call, RPC_NOT_FOUND, "Invalid or non-wallet transaction id");
    json_int_t confirmations =
        block != NULL   ? (json_int_t)(chain_tip(&node->chain)->height - block->height) + 1
        : entry != NULL ? 0
                        : -(json_int_t)conflict_depth(node, tx);
    int64_t fee = view.from_us && view.inputs_known ? view.in - view.out : 0;
    json_t *json = json_object();
    json_object_set_new(json, "amount", json_amount(view.credit - view.debit + fee));
    if (view.from_us && view.inputs_known)
        json_object_set_new(json, "fee", json_amount(-fee));
    json_object_set_new(json, "confirmations", json_integer(confirmations));
    int64_t time_s = node_sent_time(node, txid);
    if (block != NULL) {
        json_int_t block_time = block->block->header.time;
        if (tx_is_coinbase(tx))
            json_object_set_new(json, "generated", json_true());
        json_object_set_new(json, "blockhash", json_hash(block->block->id));
        json_object_set_new(json, "blockheight", json_integer(block->height));
        json_object_set_new(json, "blockindex", json_integer((json_int_t)index));
        json_object_set_new(json, "blocktime", json_integer(block_time));
        time_s = time_s == 0 ? block_time : time_s;
    } else {
        json_object_set_new(json, "trusted", json_boolean(entry != NULL && view.from_us));
        json_object_set_new(json, "in_mempool", json_boolean(entry != NULL));
    }
    json_object_set_new(json, "txid", json_hash(tx->txid));
    json_object_set_new(json, "wtxid", json_hash(tx->wtxid));
    json_object_set_new(json, "walletconflicts", conflicts_json(node, tx, true));
    json_object_set_new(json, "mempoolconflicts", conflicts_json(node, tx, false));
    json_object_set_new(json, "time", json_integer(time_s));
    json_object_set_new(json, "timereceived", json_integer(time_s));
    json_object_set_new(json, "bip125-replaceable", json_string(entry != NULL ? "yes" : "no"));
    json_object_set_new(json, "details", details_json(node, tx, &view, confirmations));
    json_object_set_new(json, "hex", rpc_tx_hex(tx));
    json_object_set_new(json, "lastprocessedblock", rpc_last_block_json(node));
    return json;
}

/* The wallet's part in one block, added to the list: what it sent. */
static void add_sent(const struct node *node, const struct chain_block *block, json_t *list)
{
    json_int_t confirmations = (json_int_t)(chain_tip(&node->chain)->height - block->height) + 1;
    for (size_t i = 1; i < block->block->tx_count; i++) { /* a coinbase spends nothing */
        const struct tx *tx = block->block->txs[i];
        struct wallet_view view = view_of(node, tx);
        if (!view.from_us)
            continue;
        json_t *json = json_object();
        json_object_set_new(json, "category", json_string("send"));
        json_object_set_new(json, "amount", json_amount(view.credit - view.debit));
        json_object_set_new(json, "confirmations", json_integer(confirmations));
        json_object_set_new(json, "blockhash", json_hash(block->block->id));
        json_object_set_new(json, "blockheight", json_integer(block->height));
        json_object_set_new(json, "txid", json_hash(tx->txid));
        json_array_append_new(list, json);
    }
}

static json_t *listsinceblock(struct rpc_call *call)
{
    const struct node *node = call->node;
    /* From where the block's branch left the best chain, as Bitcoin Core has it. */
    const struct chain_block *block = rpc_block(call, 0, "blockhash");
    if (block == NULL)
        return NULL;
    while (!block->on_main)
        block = block->parent;
    json_t *list = json_array();
    for (size_t height = block->height + 1; chain_at(&node->chain, height) != NULL; height++)
        add_sent(node, chain_at(&node->chain, height), list);
    return json_pack("{s:o, s:[], s:o}", "transactions", list, "removed", "lastblock",
                     json_hash(chain_tip(&node->chain)->block->id));
}

static json_t *gettxout(struct rpc_call *call)
{
    const struct node *node = call->node;
    const char *text;
    struct outpoint outpoint;
    int64_t output;
    bool mempool;
    if (!rpc_text(call, 0, "txid", &text) || !rpc_hash(call, text, "txid", outpoint.txid) ||
        !rpc_number(call, 1, "n", 0, 0, UINT32_MAX, &output) ||
        !rpc_flag(call, 2, "include_mempool", true, &mempool))
        return NULL;
    outpoint.index = (uint32_t)output;
    const struct coin *confirmed = chain_coin(&node->chain, &outpoint);
    const struct coin *coin =
        mempool ? mempool_coin(&node->mempool, &node->chain, &outpoint) : confirmed;
    if (coin == NULL || (mempool && mempool_spender(&node->mempool, &outpoint) != NULL))
        return json_null();
    uint32_t tip = (uint32_t)chain_tip(&node->chain)->height;
    json_t *script = json_pack("{s:o}", "hex", json_hex(buffer_span(&coin->script)));
    return json_pack(
        "{s:o, s:I, s:o, s:o, s:b}", "bestblock", json_hash(chain_tip(&node->chain)->block->id),
        "confirmations", confirmed != NULL ? (json_int_t)(tip - coin->height) + 1 : (json_int_t)0,
        "value", json_amount(coin->value), "scriptPubKey", script, "coinbase", coin->coinbase);
}

const struct rpc_entry rpc_history_methods[] = {
    { "gettxout", gettxout, "txid|n|include_mempool" },
    { "listsinceblock", listsinceblock, "blockhash|target_confirmations|include_watchonly" },
    { "gettransaction", gettransaction, "txid|include_watchonly|verbose" },
    { NULL, NULL, NULL },
};
