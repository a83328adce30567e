/* The wallet: addresses, balances, funding and signing. There is one wallet; every /wallet/NAME is
 * it. */
#include "tools/devnode/consensus/address.h"
#include "tools/devnode/consensus/script.h"
#include "tools/devnode/rpc.h"

#include <stdlib.h>

#define FEERATE_FALLBACK 10000 /* base units per 1000 vbytes, as Core's -fallbackfee=0.0001 */

static void key_script(const struct wallet_key *key, bool legacy, struct address *address_r)
{
    *address_r = (struct address){ .witness_version = legacy ? -1 : 0 };
    uint8_t *s = address_r->script;
    if (legacy) {
        memcpy(s, "\x76\xa9\x14", 3);
        memcpy(s + 3, key->hash, 20);
        memcpy(s + 23, "\x88\xac", 2);
        address_r->script_bytes = 25;
    } else {
        s[0] = 0;
        s[1] = 20;
        memcpy(s + 2, key->hash, 20);
        address_r->script_bytes = 22;
    }
}

static json_t *new_address(struct rpc_call *call, size_t type_at, bool change)
{
    const char *type = "bech32";
    struct error error;
    if (rpc_param(call, type_at) != NULL && !rpc_text(call, type_at, "address_type", &type))
        return NULL;
    bool legacy = strcmp(type, "legacy") == 0;
    if (!legacy && strcmp(type, "bech32") != 0)
        return rpc_fail(call, RPC_NOT_FOUND, "Unknown address type '%s'", type);
    const struct wallet_key *key = wallet_new_key(&call->node->wallet, change, &error);
    if (key == NULL)
        return rpc_fail(call, RPC_WALLET, "%s", error.text);
    struct address address;
    char text[ADDRESS_TEXT_BYTES];
    key_script(key, legacy, &address);
    bool ok = address_encode(span_of(address.script, address.script_bytes), text);
    ASSERT(ok);
    return json_string(text);
}

static json_t *getnewaddress(struct rpc_call *call)
{
    return new_address(call, 1, false);
}

static json_t *getrawchangeaddress(struct rpc_call *call)
{
    return new_address(call, 0, true);
}

static json_t *getaddressinfo(struct rpc_call *call)
{
    const char *text;
    struct address address;
    if (!rpc_text(call, 0, "address", &text))
        return NULL;
    if (!address_decode(text, &address))
        return rpc_fail(call, RPC_NOT_FOUND,
                        "Invalid or unsupported Segwit (Bech32) or Base58 encoding.");
    struct span script = span_of(address.script, address.script_bytes);
    const struct wallet_key *key = wallet_key_of(&call->node->wallet, script);
    json_t *json = json_object();
    json_object_set_new(json, "address", json_string(text));
    json_object_set_new(json, "scriptPubKey", json_hex(script));
    json_object_set_new(json, "ismine", json_boolean(key != NULL));
    json_object_set_new(json, "solvable", json_boolean(key != NULL));
    json_object_set_new(json, "iswatchonly", json_false());
    json_object_set_new(json, "isscript", json_boolean(address.is_script));
    json_object_set_new(json, "iswitness", json_boolean(address.witness_version >= 0));
    if (address.witness_version >= 0) {
        json_object_set_new(json, "witness_version", json_integer(address.witness_version));
        json_object_set_new(json, "witness_program",
                            json_hex(span_of(address.script + 2, address.script_bytes - 2)));
    }
    if (key != NULL)
        json_object_set_new(json, "pubkey", json_hex(span_of(key->public_key, 33)));
    json_object_set_new(json, "ischange", json_boolean(key != NULL && key->change));
    json_object_set_new(json, "labels",
                        key == NULL || key->change ? json_array() : json_pack("[s]", ""));
    return json;
}

struct balances {
    int64_t trusted;
    int64_t pending;
    int64_t immature;
};

static struct balances balances_of(const struct node *node)
{
    struct balances sum = { 0 };
    struct wallet_coin *coins = NULL;
    size_t count = wallet_coins(&node->wallet, &node->chain, &node->mempool, &coins);
    for (size_t i = 0; i < count; i++) {
        int64_t value = coins[i].coin->value;
        if (coins[i].immature)
            sum.immature += value;
        else if (coins[i].safe)
            sum.trusted += value;
        else
            sum.pending += value;
    }
    free(coins);
    return sum;
}

json_t *rpc_last_block_json(const struct node *node)
{
    const struct chain_block *tip = chain_tip(&node->chain);
    return json_pack("{s:o, s:I}", "hash", json_hash(tip->block->id), "height",
                     (json_int_t)tip->height);
}

static json_t *getbalance(struct rpc_call *call)
{
    return json_amount(balances_of(call->node).trusted);
}

static json_t *getbalances(struct rpc_call *call)
{
    struct balances sum = balances_of(call->node);
    json_t *mine = json_object();
    json_t *json = json_object();
    json_object_set_new(mine, "trusted", json_amount(sum.trusted));
    json_object_set_new(mine, "untrusted_pending", json_amount(sum.pending));
    json_object_set_new(mine, "immature", json_amount(sum.immature));
    json_object_set_new(json, "mine", mine);
    json_object_set_new(json, "lastprocessedblock", rpc_last_block_json(call->node));
    return json;
}

static json_t *getwalletinfo(struct rpc_call *call)
{
    struct balances sum = balances_of(call->node);
    json_t *json = json_object();
    json_object_set_new(json, "walletname", json_string(""));
    json_object_set_new(json, "walletversion", json_integer(169900));
    json_object_set_new(json, "format", json_string("devnode"));
    json_object_set_new(json, "balance", json_amount(sum.trusted));
    json_object_set_new(json, "unconfirmed_balance", json_amount(sum.pending));
    json_object_set_new(json, "immature_balance", json_amount(sum.immature));
    json_object_set_new(json, "txcount", json_integer((json_int_t)call->node->sent_count));
    json_object_set_new(json, "paytxfee", json_amount(0));
    json_object_set_new(json, "private_keys_enabled", json_true());
    json_object_set_new(json, "scanning", json_false());
    json_object_set_new(json, "descriptors", json_true());
    json_object_set_new(json, "lastprocessedblock", rpc_last_block_json(call->node));
    return json;
}

static json_t *listunspent(struct rpc_call *call)
{
    int64_t least;
    int64_t most;
    if (!rpc_number(call, 0, "minconf", 1, 0, 9999999, &least) ||
        !rpc_number(call, 1, "maxconf", 9999999, 0, 9999999, &most))
        return NULL;
    const struct node *node = call->node;
    struct wallet_coin *coins = NULL;
    size_t count = wallet_coins(&node->wallet, &node->chain, &node->mempool, &coins);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct wallet_coin *coin = &coins[i];
        if (coin->immature || coin->locked || coin->confirmations < least ||
            coin->confirmations > most)
            continue;
        struct span script = buffer_span(&coin->coin->script);
        char address[ADDRESS_TEXT_BYTES];
        json_t *json = json_object();
        json_object_set_new(json, "txid", json_hash(coin->outpoint.txid));
        json_object_set_new(json, "vout", json_integer(coin->outpoint.index));
        if (address_encode(script, address))
            json_object_set_new(json, "address", json_string(address));
        json_object_set_new(json, "label", json_string(""));
        json_object_set_new(json, "scriptPubKey", json_hex(script));
        json_object_set_new(json, "amount", json_amount(coin->coin->value));
        json_object_set_new(json, "confirmations", json_integer(coin->confirmations));
        json_object_set_new(json, "spendable", json_true());
        json_object_set_new(json, "solvable", json_true());
        json_object_set_new(json, "safe", json_boolean(coin->safe));
        json_array_append_new(list, json);
    }
    free(coins);
    return list;
}

static bool read_feerate(struct rpc_call *call, json_t *options, int64_t *feerate_r)
{
    json_t *per_kvb = json_object_get(options, "feeRate"); /* coins per 1000 vbytes */
    json_t *per_vb = json_object_get(options, "fee_rate"); /* base units per vbyte */
    *feerate_r = FEERATE_FALLBACK;
    if (per_kvb != NULL && per_vb != NULL) {
        rpc_fail(call, RPC_PARAMETER,
                 "Cannot specify both fee_rate (sat/vB) and feeRate (BTC/kvB)");
        return false;
    }
    if (per_kvb != NULL && !json_read_amount(per_kvb, feerate_r)) {
        rpc_fail(call, RPC_TYPE, "Invalid amount");
        return false;
    }
    if (json_is_number(per_vb))
        *feerate_r = (int64_t)(json_number_value(per_vb) * 1000 + 0.5);
    if (*feerate_r < 0 || *feerate_r > COIN) {
        rpc_fail(call, RPC_PARAMETER, "feeRate out of range");
        return false;
    }
    return true;
}

/* Reads fundrawtransaction's options; fee_outputs_r has room for every output. */
static bool read_funding(struct rpc_call *call, const struct tx *tx, struct address *change,
                         size_t *fee_outputs, struct wallet_funding *funding_r)
{
    json_t *options = rpc_param(call, 1);
    json_t *position = json_object_get(options, "changePosition");
    json_t *from = json_object_get(options, "subtractFeeFromOutputs");
    const char *address = json_string_value(json_object_get(options, "changeAddress"));
    *funding_r = (struct wallet_funding){ .change_position = -1, .fee_outputs = fee_outputs };
    if (!read_feerate(call, options, &funding_r->feerate))
        return false;
    if (address != NULL && !address_decode(address, change)) {
        rpc_fail(call, RPC_NOT_FOUND, "Change address must be a valid bitcoin address");
        return false;
    }
    if (address != NULL)
        funding_r->change_script = span_of(change->script, change->script_bytes);
    if (position != NULL) {
        json_int_t at = json_integer_value(position);
        if (!json_is_integer(position) || at < 0 || at > (json_int_t)tx->output_count) {
            rpc_fail(call, RPC_PARAMETER, "changePosition out of bounds");
            return false;
        }
        funding_r->change_position = (int)at;
    }
    for (size_t i = 0; i < json_array_size(from); i++) {
        json_int_t at = json_integer_value(json_array_get(from, i));
        if (at < 0 || at >= (json_int_t)tx->output_count || i >= tx->output_count) {
            rpc_fail(call, RPC_PARAMETER, "Invalid parameter, position out of bounds");
            return false;
        }
        fee_outputs[funding_r->fee_output_count++] = (size_t)at;
    }
    funding_r->lock_inputs = json_is_true(json_object_get(options, "lockUnspents"));
    return true;
}

static json_t *fundrawtransaction(struct rpc_call *call)
{
    struct node *node = call->node;
    const char *hex;
    if (!rpc_text(call, 0, "hexstring", &hex))
        return NULL;
    struct tx *tx = rpc_tx(call, hex);
    if (tx == NULL)
        return NULL;
    struct wallet_funding funding;
    struct address change;
    struct error error;
    int64_t fee = 0;
    int change_at = -1;
    json_t *json = NULL;
    size_t *fee_outputs = memory_take(tx->output_count * sizeof *fee_outputs);
    if (tx->output_count == 0) {
        rpc_fail(call, RPC_PARAMETER, "TX must have at least one output");
    } else if (read_funding(call, tx, &change, fee_outputs, &funding)) {
        if (wallet_fund(&node->wallet, &node->chain, &node->mempool, tx, &funding, &fee, &change_at,
                        &error))
            json = json_pack("{s:o, s:o, s:i}", "hex", rpc_tx_hex(tx), "fee", json_amount(fee),
                             "changepos", change_at);
        else
            rpc_fail(call, RPC_WALLET, "%s", error.text);
    }
    free(fee_outputs);
    tx_destroy(tx);
    return json;
}

/* What input `index` spends, from the chain and mempool. */
static json_t *sign_one(const struct node *node, struct tx *tx, size_t index)
{
    const struct outpoint *previous = &tx->inputs[index].previous;
    const struct coin *coin = mempool_coin(&node->mempool, &node->chain, previous);
    const char *trouble = "Input not found or already spent";
    if (coin != NULL) {
        struct span script = buffer_span(&coin->script);
        const struct wallet_key *key = wallet_key_of(&node->wallet, script);
        if (key != NULL)
            script_sign_input(tx, index, script, coin->value, key->private_key);
        trouble = script_verify_input(tx, index, script, coin->value);
    }
    if (trouble == NULL)
        return NULL;
    return json_pack("{s:o, s:I, s:[], s:s, s:I, s:s}", "txid", json_hash(previous->txid), "vout",
                     (json_int_t)previous->index, "witness", "scriptSig", "", "sequence",
                     (json_int_t)tx->inputs[index].sequence, "error", trouble);
}

static json_t *signrawtransactionwithwallet(struct rpc_call *call)
{
    const char *hex;
    if (!rpc_text(call, 0, "hexstring", &hex))
        return NULL;
    struct tx *tx = rpc_tx(call, hex);
    if (tx == NULL)
        return NULL;
    json_t *errors = json_array();
    for (size_t i = 0; i < tx->input_count; i++) {
        json_t *trouble = sign_one(call->node, tx, i);
        if (trouble != NULL)
            json_array_append_new(errors, trouble);
    }
    tx_finish(tx);
    json_t *json =
        json_pack("{s:o, s:b}", "hex", rpc_tx_hex(tx), "complete", json_array_size(errors) == 0);
    if (json_array_size(errors) > 0)
        json_object_set(json, "errors", errors);
    json_decref(errors);
    tx_destroy(tx);
    return json;
}

static json_t *lockunspent(struct rpc_call *call)
{
    struct wallet *wallet = &call->node->wallet;
    bool unlock;
    json_t *list = rpc_param(call, 1);
    if (!rpc_flag(call, 0, "unlock", false, &unlock))
        return NULL;
    if (list == NULL) {
        if (unlock) {
            table_deinit(&wallet->locked);
            wallet->locked = table_of(36);
        }
        return json_true();
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        const char *txid = json_string_value(json_object_get(item, "txid"));
        json_t *vout = json_object_get(item, "vout");
        struct outpoint outpoint;
        if (txid == NULL || !json_is_integer(vout))
            return rpc_fail(call, RPC_PARAMETER, "Invalid parameter, missing txid or vout key");
        if (!rpc_hash(call, txid, "txid", outpoint.txid))
            return NULL;
        outpoint.index = (uint32_t)json_integer_value(vout);
        if (!unlock && mempool_coin(&call->node->mempool, &call->node->chain, &outpoint) == NULL)
            return rpc_fail(call, RPC_PARAMETER, "Invalid parameter, unknown transaction");
        if (unlock != wallet_is_locked(wallet, &outpoint))
            return rpc_fail(call, RPC_PARAMETER, "Invalid parameter, %s",
                            unlock ? "expected locked output" : "output already locked");
        wallet_lock(wallet, &outpoint, !unlock);
    }
    return json_true();
}

static json_t *listlockunspent(struct rpc_call *call)
{
    const struct table *locked = &call->node->wallet.locked;
    json_t *list = json_array();
    for (size_t i = 0; i < locked->capacity; i++)
        if (locked->entries[i].value != NULL)
            json_array_append_new(
                list, json_pack("{s:o, s:I}", "txid", json_hash(locked->entries[i].key), "vout",
                                (json_int_t)load_le32(locked->entries[i].key + 32)));
    return list;
}

static json_t *createwallet(struct rpc_call *call)
{
    const char *name;
    if (!rpc_text(call, 0, "wallet_name", &name))
        return NULL;
    return json_pack("{s:s}", "name", name);
}

static json_t *listwallets(struct rpc_call *call)
{
    (void)call;
    return json_pack("[s]", "");
}

const struct rpc_entry rpc_wallet_methods[] = {
    { "getnewaddress", getnewaddress, "label|address_type" },
    { "getrawchangeaddress", getrawchangeaddress, "address_type" },
    { "getaddressinfo", getaddressinfo, "address" },
    { "getbalance", getbalance, "dummy|minconf|include_watchonly|avoid_reuse" },
    { "getbalances", getbalances, "" },
    { "getwalletinfo", getwalletinfo, "" },
    { "listunspent", listunspent, "minconf|maxconf|addresses|include_unsafe|query_options" },
    { "fundrawtransaction", fundrawtransaction, "hexstring|options|iswitness" },
    { "signrawtransactionwithwallet", signrawtransactionwithwallet,
      "hexstring|prevtxs|sighashtype" },
    { "lockunspent", lockunspent, "unlock|transactions|persistent" },
    { "listlockunspent", listlockunspent, "" },
    { "createwallet", createwallet, "wallet_name" },
    { "loadwallet", createwallet, "filename|load_on_startup" },
    { "listwallets", listwallets, "" },
    { NULL, NULL, NULL },
};
