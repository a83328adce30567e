/* Transactions without the wallet: decoding, building, the mempool, and finding them. */
#include "tools/devnode/consensus/address.h"
#include "tools/devnode/consensus/script.h"
#include "tools/devnode/rpc.h"

#include <stdio.h>
#include <stdlib.h>

#define FEERATE_MAX                                                                                \
    (COIN / 10) /* base units per 1000 vbytes: sendrawtransaction's default bound                  \
                 */

static json_t *asm_json(struct span script)
{
    struct buffer text = { 0 };
    script_asm(script, &text);
    buffer_put_u8(&text, 0);
    json_t *json = json_string((const char *)text.data);
    buffer_deinit(&text);
    return json;
}

json_t *rpc_script_json(struct span script)
{
    char address[ADDRESS_TEXT_BYTES];
    json_t *json = json_object();
    json_object_set_new(json, "asm", asm_json(script));
    json_object_set_new(json, "hex", json_hex(script));
    if (address_encode(script, address))
        json_object_set_new(json, "address", json_string(address));
    json_object_set_new(json, "type", json_string(script_type_name(script)));
    return json;
}

static json_t *input_json(const struct tx *tx, const struct tx_input *input)
{
    json_t *json = json_object();
    if (tx_is_coinbase(tx)) {
        json_object_set_new(json, "coinbase", json_script_hex(&input->script));
    } else {
        json_t *script = json_object();
        json_object_set_new(script, "asm", asm_json(buffer_span(&input->script)));
        json_object_set_new(script, "hex", json_script_hex(&input->script));
        json_object_set_new(json, "txid", json_hash(input->previous.txid));
        json_object_set_new(json, "vout", json_integer(input->previous.index));
        json_object_set_new(json, "scriptSig", script);
    }
    if (input->witness_count > 0) {
        json_t *witness = json_array();
        for (size_t i = 0; i < input->witness_count; i++)
            json_array_append_new(witness, json_script_hex(&input->witness[i]));
        json_object_set_new(json, "txinwitness", witness);
    }
    json_object_set_new(json, "sequence", json_integer(input->sequence));
    return json;
}

json_t *rpc_tx_hex(const struct tx *tx)
{
    struct buffer raw = { 0 };
    tx_encode(tx, true, &raw);
    json_t *json = json_hex(buffer_span(&raw));
    buffer_deinit(&raw);
    return json;
}

json_t *rpc_tx_json(const struct tx *tx)
{
    json_t *json = json_object();
    json_t *inputs = json_array();
    json_t *outputs = json_array();
    for (size_t i = 0; i < tx->input_count; i++)
        json_array_append_new(inputs, input_json(tx, &tx->inputs[i]));
    for (size_t i = 0; i < tx->output_count; i++) {
        json_t *output = json_object();
        json_object_set_new(output, "value", json_amount(tx->outputs[i].value));
        json_object_set_new(output, "n", json_integer((json_int_t)i));
        json_object_set_new(output, "scriptPubKey",
                            rpc_script_json(buffer_span(&tx->outputs[i].script)));
        json_array_append_new(outputs, output);
    }
    json_object_set_new(json, "txid", json_hash(tx->txid));
    json_object_set_new(json, "hash", json_hash(tx->wtxid));
    json_object_set_new(json, "version", json_integer(tx->version));
    json_object_set_new(json, "size", json_integer((json_int_t)tx->total_bytes));
    json_object_set_new(json, "vsize", json_integer((json_int_t)tx_vsize(tx)));
    json_object_set_new(json, "weight", json_integer((json_int_t)tx_weight(tx)));
    json_object_set_new(json, "locktime", json_integer(tx->lock_time));
    json_object_set_new(json, "vin", inputs);
    json_object_set_new(json, "vout", outputs);
    json_object_set_new(json, "hex", rpc_tx_hex(tx));
    return json;
}

struct chain_block *rpc_find_confirmed(const struct node *node, const uint8_t txid[32],
                                       size_t *index_r)
{
    struct chain_block *block = table_get(&node->chain.tx_block, txid);
    for (size_t i = 0; block != NULL && i < block->block->tx_count; i++)
        if (memcmp(block->block->txs[i]->txid, txid, 32) == 0) {
            *index_r = i;
            return block;
        }
    return NULL;
}

static json_t *tx_in_block(const struct node *node, const struct chain_block *block,
                           const struct tx *tx)
{
    json_t *json = rpc_tx_json(tx);
    json_object_set_new(json, "blockhash", json_hash(block->block->id));
    json_object_set_new(
        json, "confirmations",
        json_integer(block->on_main
                         ? (json_int_t)(chain_tip(&node->chain)->height - block->height) + 1
                         : 0));
    json_object_set_new(json, "time", json_integer(block->block->header.time));
    json_object_set_new(json, "blocktime", json_integer(block->block->header.time));
    return json;
}

/* getrawtransaction with a block hash: from that block alone, on the best chain or not. */
static json_t *raw_from_block(struct rpc_call *call, const uint8_t txid[32], bool verbose)
{
    struct chain_block *block = rpc_block(call, 2, "blockhash");
    if (block == NULL)
        return NULL;
    for (size_t i = 0; i < block->block->tx_count; i++) {
        const struct tx *tx = block->block->txs[i];
        if (memcmp(tx->txid, txid, 32) != 0)
            continue;
        if (!verbose)
            return rpc_tx_hex(tx);
        json_t *json = tx_in_block(call->node, block, tx);
        json_object_set_new(json, "in_active_chain", json_boolean(block->on_main));
        return json;
    }
    return rpc_fail(call, RPC_NOT_FOUND,
                    "No such transaction found in the provided block. Use gettransaction for "
                    "wallet transactions.");
}

static json_t *getrawtransaction(struct rpc_call *call)
{
    const char *text;
    uint8_t txid[32];
    bool verbose;
    size_t index = 0;
    if (!rpc_text(call, 0, "txid", &text) || !rpc_hash(call, text, "parameter 1", txid) ||
        !rpc_flag(call, 1, "verbosity", false, &verbose))
        return NULL;
    if (rpc_param(call, 2) != NULL)
        return raw_from_block(call, txid, verbose);
    struct chain_block *block = rpc_find_confirmed(call->node, txid, &index);
    if (block != NULL)
        return verbose ? tx_in_block(call->node, block, block->block->txs[index])
                       : rpc_tx_hex(block->block->txs[index]);
    const struct mempool_entry *entry = mempool_find(&call->node->mempool, txid);
    if (entry != NULL)
        return verbose ? rpc_tx_json(entry->tx) : rpc_tx_hex(entry->tx);
    return rpc_fail(call, RPC_NOT_FOUND,
                    "No such mempool or blockchain transaction. Use gettransaction for wallet "
                    "transactions.");
}

static json_t *decoderawtransaction(struct rpc_call *call)
{
    const char *hex;
    if (!rpc_text(call, 0, "hexstring", &hex))
        return NULL;
    struct tx *tx = rpc_tx(call, hex);
    if (tx == NULL)
        return NULL;
    json_t *json = rpc_tx_json(tx);
    json_object_del(json, "hex");
    tx_destroy(tx);
    return json;
}

static bool add_given_inputs(struct rpc_call *call, struct tx *tx, json_t *inputs,
                             uint32_t sequence)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        json_t *input = json_array_get(inputs, i);
        const char *txid = json_string_value(json_object_get(input, "txid"));
        json_t *vout = json_object_get(input, "vout");
        json_t *own_sequence = json_object_get(input, "sequence");
        struct outpoint outpoint;
        if (txid == NULL) {
            rpc_fail(call, RPC_PARAMETER, "Invalid parameter, missing txid key");
            return false;
        }
        if (!rpc_hash(call, txid, "txid", outpoint.txid))
            return false;
        if (!json_is_integer(vout) || json_integer_value(vout) < 0 ||
            json_integer_value(vout) > UINT32_MAX) {
            rpc_fail(call, RPC_PARAMETER, "Invalid parameter, missing vout key");
            return false;
        }
        outpoint.index = (uint32_t)json_integer_value(vout);
        tx_add_input(tx, &outpoint,
                     json_is_integer(own_sequence) ? (uint32_t)json_integer_value(own_sequence)
                                                   : sequence);
    }
    return true;
}

static bool add_given_output(struct rpc_call *call, struct tx *tx, const char *key, json_t *value)
{
    struct address address;
    int64_t amount;
    if (strcmp(key, "data") == 0) {
        const char *hex = json_string_value(value);
        uint8_t script[2 + 80] = { 0x6a };
        size_t length = hex == NULL ? 0 : strlen(hex) / 2;
        if (hex == NULL || length < 1 || length > 75 || strlen(hex) % 2 != 0 ||
            !hex_decode(hex, 2 * length, script + 2, length)) {
            rpc_fail(call, RPC_PARAMETER, "Data must be hexadecimal string, at most 75 bytes");
            return false;
        }
        script[1] = (uint8_t)length;
        tx_add_output(tx, 0, span_of(script, length + 2));
        return true;
    }
    if (!address_decode(key, &address)) {
        rpc_fail(call, RPC_NOT_FOUND, "Invalid Bitcoin address: %.100s", key);
        return false;
    }
    if (!json_read_amount(value, &amount)) {
        rpc_fail(call, RPC_TYPE, "Invalid amount");
        return false;
    }
    tx_add_output(tx, amount, span_of(address.script, address.script_bytes));
    return true;
}

/* Outputs are an object, or an array of objects; an address twice is refused, as Core does. */
static bool add_given_outputs(struct rpc_call *call, struct tx *tx, json_t *outputs)
{
    json_t *list = json_is_object(outputs) ? json_pack("[O]", outputs) : json_incref(outputs);
    json_t *seen = json_object();
    bool good = json_is_array(list);
    if (!good)
        rpc_fail(call, RPC_PARAMETER, "Invalid parameter, output argument must be non-null");
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const char *key;
        json_t *value;
        json_object_foreach(json_array_get(list, i), key, value)
        {
            if (strcmp(key, "data") != 0 && json_object_get(seen, key) != NULL) {
                rpc_fail(call, RPC_PARAMETER, "Invalid parameter, duplicated address: %.100s", key);
                good = false;
            }
            good = good && add_given_output(call, tx, key, value);
            json_object_set_new(seen, key, json_true());
        }
    }
    json_decref(seen);
    json_decref(list);
    return good;
}

static json_t *createrawtransaction(struct rpc_call *call)
{
    int64_t lock_time;
    bool replaceable;
    if (!json_is_array(rpc_param(call, 0)))
        return rpc_fail(call, RPC_TYPE, "Expected type array for inputs");
    if (!rpc_number(call, 2, "locktime", 0, 0, UINT32_MAX, &lock_time) ||
        !rpc_flag(call, 3, "replaceable", true, &replaceable))
        return NULL;
    struct tx *tx = tx_create(2, (uint32_t)lock_time);
    uint32_t sequence = replaceable ? 0xfffffffd : lock_time != 0 ? 0xfffffffe : UINT32_MAX;
    json_t *json = NULL;
    if (add_given_inputs(call, tx, rpc_param(call, 0), sequence) &&
        add_given_outputs(call, tx, rpc_param(call, 1)))
        json = rpc_tx_hex(tx);
    tx_destroy(tx);
    return json;
}

static void describe(const struct mempool_verdict *verdict, char *text_r, size_t bytes)
{
    if (verdict->detail != NULL)
        snprintf(text_r, bytes, "%s (%s)", verdict->reason, verdict->detail);
    else
        snprintf(text_r, bytes, "%s", verdict->reason);
}

static json_t *sendrawtransaction(struct rpc_call *call)
{
    struct node *node = call->node;
    const char *hex;
    int64_t feerate_max = FEERATE_MAX;
    if (!rpc_text(call, 0, "hexstring", &hex))
        return NULL;
    if (rpc_param(call, 1) != NULL && !json_read_amount(rpc_param(call, 1), &feerate_max))
        return rpc_fail(call, RPC_TYPE, "Invalid amount");
    struct tx *tx = rpc_tx(call, hex);
    if (tx == NULL)
        return NULL;
    json_t *id = json_hash(tx->txid);
    if (mempool_find(&node->mempool, tx->txid) != NULL) { /* Core: fine, it is broadcast again */
        tx_destroy(tx);
        return id;
    }
    struct mempool_verdict verdict = mempool_check(&node->mempool, &node->chain, tx);
    bool too_dear = verdict.reason == NULL && feerate_max != 0 &&
                    verdict.fee * 1000 > feerate_max * (int64_t)tx_vsize(tx);
    if (verdict.reason == NULL && !too_dear) {
        verdict = node_enter_tx(node, tx);
    } else {
        tx_destroy(tx);
    }
    if (verdict.reason == NULL && !too_dear)
        return id;
    json_decref(id);
    if (too_dear)
        return rpc_fail(call, RPC_VERIFY,
                        "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)");
    if (strcmp(verdict.reason, "txn-already-known") == 0)
        return rpc_fail(call, RPC_ALREADY_IN_CHAIN, "Transaction outputs already in utxo set");
    if (strcmp(verdict.reason, "missing-inputs") == 0)
        return rpc_fail(call, RPC_VERIFY, "bad-txns-inputs-missingorspent");
    char text[256];
    describe(&verdict, text, sizeof text);
    return rpc_fail(call, RPC_VERIFY_REJECTED, "%s", text);
}

static json_t *testmempoolaccept(struct rpc_call *call)
{
    json_t *list = rpc_param(call, 0);
    if (!json_is_array(list) || json_array_size(list) != 1)
        return rpc_fail(call, RPC_PARAMETER, "Array must contain exactly one transaction here.");
    const char *hex = json_string_value(json_array_get(list, 0));
    struct tx *tx = hex == NULL ? NULL : rpc_tx(call, hex);
    if (tx == NULL)
        return call->code != 0 ? NULL : rpc_fail(call, RPC_TYPE, "Expected type string");
    struct mempool_verdict verdict = mempool_check(&call->node->mempool, &call->node->chain, tx);
    json_t *json = json_object();
    json_object_set_new(json, "txid", json_hash(tx->txid));
    json_object_set_new(json, "wtxid", json_hash(tx->wtxid));
    json_object_set_new(json, "allowed", json_boolean(verdict.reason == NULL));
    if (verdict.reason == NULL) {
        json_t *fees = json_object();
        int64_t vsize = (int64_t)tx_vsize(tx);
        json_object_set_new(fees, "base", json_amount(verdict.fee));
        json_object_set_new(fees, "effective-feerate", json_amount(verdict.fee * 1000 / vsize));
        json_object_set_new(fees, "effective-includes", json_pack("[o]", json_hash(tx->wtxid)));
        json_object_set_new(json, "vsize", json_integer(vsize));
        json_object_set_new(json, "fees", fees);
    } else {
        char text[256];
        describe(&verdict, text, sizeof text);
        json_object_set_new(json, "reject-reason", json_string(text));
    }
    tx_destroy(tx);
    return json_pack("[o]", json);
}

static json_t *getmempoolinfo(struct rpc_call *call)
{
    const struct mempool *mempool = &call->node->mempool;
    int64_t fees = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < mempool->count; i++) {
        fees += mempool->entries[i]->fee;
        bytes += tx_vsize(mempool->entries[i]->tx);
    }
    json_t *json = json_object();
    json_object_set_new(json, "loaded", json_true());
    json_object_set_new(json, "size", json_integer((json_int_t)mempool->count));
    json_object_set_new(json, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(json, "total_fee", json_amount(fees));
    json_object_set_new(json, "mempoolminfee", json_amount(MEMPOOL_FEERATE_MIN));
    json_object_set_new(json, "minrelaytxfee", json_amount(MEMPOOL_FEERATE_MIN));
    json_object_set_new(json, "incrementalrelayfee", json_amount(MEMPOOL_FEERATE_MIN));
    json_object_set_new(json, "fullrbf", json_true());
    return json;
}

static json_t *getrawmempool(struct rpc_call *call)
{
    const struct mempool *mempool = &call->node->mempool;
    json_t *json = json_array();
    for (size_t i = 0; i < mempool->count; i++)
        json_array_append_new(json, json_hash(mempool->entries[i]->tx->txid));
    return json;
}

static json_t *validateaddress(struct rpc_call *call)
{
    const char *text;
    struct address address;
    if (!rpc_text(call, 0, "address", &text))
        return NULL;
    if (!address_decode(text, &address))
        return json_pack("{s:b, s:[], s:s}", "isvalid", 0, "error_locations", "error",
                         "Invalid or unsupported Segwit (Bech32) or Base58 encoding.");
    json_t *json = json_object();
    char shown[ADDRESS_TEXT_BYTES];
    bool known = address_encode(span_of(address.script, address.script_bytes), shown);
    json_object_set_new(json, "isvalid", json_true());
    json_object_set_new(json, "address", json_string(known ? shown : text));
    json_object_set_new(json, "scriptPubKey",
                        json_hex(span_of(address.script, address.script_bytes)));
    json_object_set_new(json, "isscript", json_boolean(address.is_script));
    json_object_set_new(json, "iswitness", json_boolean(address.witness_version >= 0));
    if (address.witness_version >= 0) {
        json_object_set_new(json, "witness_version", json_integer(address.witness_version));
        json_object_set_new(json, "witness_program",
                            json_hex(span_of(address.script + 2, address.script_bytes - 2)));
    }
    return json;
}

static json_t *estimatesmartfee(struct rpc_call *call)
{
    (void)call; /* what a regtest node says: there is no market here */
    return json_pack("{s:[s], s:i}", "errors", "Insufficient data or no feerate found", "blocks",
                     0);
}

const struct rpc_entry rpc_tx_methods[] = {
    { "getrawtransaction", getrawtransaction, "txid|verbosity|blockhash" },
    { "decoderawtransaction", decoderawtransaction, "hexstring|iswitness" },
    { "createrawtransaction", createrawtransaction, "inputs|outputs|locktime|replaceable" },
    { "sendrawtransaction", sendrawtransaction, "hexstring|maxfeerate|maxburnamount" },
    { "testmempoolaccept", testmempoolaccept, "rawtxs|maxfeerate" },
    { "getmempoolinfo", getmempoolinfo, "" },
    { "getrawmempool", getrawmempool, "verbose|mempool_sequence" },
    { "validateaddress", validateaddress, "address" },
    { "estimatesmartfee", estimatesmartfee, "conf_target|estimate_mode" },
    { NULL, NULL, NULL },
};
