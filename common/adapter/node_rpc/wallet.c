/* Payments through the node's wallet: build, fund and sign without broadcasting, so that the signed
 * bytes can be stored first; then broadcast those bytes as often as it takes. */
#include "adapter/node_rpc/inside.h"
#include "core/address/address.h"
#include "core/transaction/transaction.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRANSACTION_BYTES_MAX = 400000 }; /* consensus allows more, no node relays it */

enum node_answer node_rpc_ask_wallet(struct node_rpc *node, const char *method, const char *params,
                                     bool changes, struct rpc_reply *reply_r, struct error *error)
{
    struct rpc_request request = { .method = method,
                                   .params = params,
                                   .params_bytes = strlen(params),
                                   .wallet = true,
                                   .changes = changes };
    return rpc_call(node->rpc, &request, reply_r, error);
}

enum node_answer node_rpc_wallet_balance(struct node *port, uint64_t *amount_r, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    struct rpc_reply reply;
    enum node_answer answer = node_rpc_ask_wallet(node, "getbalance", "[]", false, &reply, error);
    if (answer != NODE_OK)
        return answer;
    bool ok = amount_read(reply.result, node->coin->decimals, amount_r);
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its getbalance is no amount", error);
}

/* `[[],[{"address":amount},…]]`: as text, because a JSON writer would make a double of the amount.
 * NULL where an address is none or memory is out. */
static char *outputs_text(const struct node_payment_output *outputs, size_t count,
                          unsigned decimals)
{
    size_t capacity = 16;
    for (size_t i = 0; i < count; i++) {
        for (const char *p = outputs[i].address; *p != '\0'; p++)
            if (!isalnum((unsigned char)*p) && *p != ':')
                return NULL;
        capacity += strlen(outputs[i].address) + AMOUNT_TEXT_BYTES + 8;
    }
    char *text = malloc(capacity);
    if (text == NULL)
        return NULL;
    size_t used = (size_t)snprintf(text, capacity, "[[],[");
    for (size_t i = 0; i < count; i++) {
        char amount[AMOUNT_TEXT_BYTES];
        amount_write(outputs[i].amount, decimals, amount);
        used += (size_t)snprintf(text + used, capacity - used, "%s{\"%s\":%s}", i == 0 ? "" : ",",
                                 outputs[i].address, amount);
    }
    snprintf(text + used, capacity - used, "]]");
    return text;
}

/* `["<hex>"<tail>]`; NULL where the hex is not the node's own word or memory is out. */
static char *hex_params(const char *hex, const char *tail)
{
    if (hex == NULL || strspn(hex, "0123456789abcdefABCDEF") != strlen(hex))
        return NULL;
    size_t capacity = strlen(hex) + strlen(tail) + 8;
    char *text = malloc(capacity);
    if (text != NULL)
        snprintf(text, capacity, "[\"%s\"%s]", hex, tail);
    return text;
}

/* A signature that failed must not leave coins locked for ever. */
static void unlock_inputs(struct node_rpc *node, const char *hex)
{
    size_t length = hex != NULL ? strlen(hex) : 0;
    struct raw_transaction transaction;
    uint8_t *bytes = length % 2 == 0 && length > 0 ? malloc(length / 2) : NULL;
    if (bytes != NULL && hex_decode(hex, length, bytes, length / 2) &&
        raw_transaction_read(span_of(bytes, length / 2), &transaction)) {
        uint8_t txid[32];
        uint32_t output;
        struct error ignored;
        for (uint64_t i = 0; raw_transaction_input(&transaction, i, txid, &output); i++)
            if (node_rpc_lock_input(&node->port, txid, output, false, &ignored) != NODE_OK)
                break;
    }
    free(bytes);
}

/* An address of the wallet for the change, so that the change can be told from what nobody asked
 * for. */
static enum node_answer change_address(struct node_rpc *node, struct arena *arena, char text_r[],
                                       struct span *script_r, struct error *error)
{
    struct rpc_reply reply;
    struct output_script script;
    enum node_answer answer =
        node_rpc_ask_wallet(node, "getrawchangeaddress", "[]", true, &reply, error);
    if (answer != NODE_OK)
        return answer;
    const char *address = json_string_value(reply.result);
    bool ok = address != NULL &&
              address_parse(node->coin, span_text(address), &script, text_r) == ADDRESS_OK;
    json_decref(reply.result);
    uint8_t *bytes = ok ? arena_take(arena, script.length) : NULL;
    if (bytes == NULL)
        return node_rpc_odd(node, "its getrawchangeaddress is no address of this chain", error);
    memcpy(bytes, script.data, script.length);
    *script_r = span_of(bytes, script.length);
    return NODE_OK;
}

static enum node_answer read_signed(struct node_rpc *node, const json_t *result,
                                    struct arena *arena, struct node_transaction *transaction_r,
                                    struct error *error)
{
    const json_t *hex = json_object_get(result, "hex");
    size_t length = json_is_string(hex) ? json_string_length(hex) : 0;
    if (!json_is_true(json_object_get(result, "complete"))) {
        error_fill(error, ERROR_REFUSED, "node %s: its wallet cannot sign the payment",
                   rpc_name(node->rpc));
        return NODE_REFUSED;
    }
    if (length == 0 || length % 2 != 0 || length / 2 > TRANSACTION_BYTES_MAX)
        return node_rpc_odd(node, "its signed transaction is no hex or too long", error);
    uint8_t *bytes = arena_take(arena, length / 2);
    if (bytes == NULL) {
        error_fill(error, ERROR_FULL, "the payment does not fit into the memory set aside");
        return NODE_REFUSED;
    }
    struct raw_transaction raw;
    transaction_r->raw = span_of(bytes, length / 2);
    if (!hex_decode(json_string_value(hex), length, bytes, length / 2) ||
        !raw_transaction_read(transaction_r->raw, &raw) || raw.bytes.length != length / 2 ||
        raw.other_flags ||
        !raw_transaction_input(&raw, 0, transaction_r->anchor_txid, &transaction_r->anchor_output))
        return node_rpc_odd(node, "its signed transaction is none", error);
    raw_transaction_txid(&raw, transaction_r->txid);
    return NODE_OK;
}

/* fundrawtransaction's parameters; NULL where the hex is none or memory is out. */
static char *fund_params(const char *bare, const char *change, const struct node_payment *payment,
                         bool confirmed_only)
{
    enum { OPTION_BYTES = 256, INDEX_BYTES = 8 };
    size_t capacity = OPTION_BYTES + ADDRESS_TEXT_BYTES + payment->count * INDEX_BYTES;
    char *tail = malloc(capacity);
    if (tail == NULL)
        return NULL;
    size_t used = (size_t)snprintf(
        tail, capacity, ",{\"lockUnspents\":true,\"replaceable\":true,\"changeAddress\":\"%s\"%s",
        change, confirmed_only ? ",\"minconf\":1" : "");
    for (size_t i = 0; i < payment->count && payment->receivers_pay; i++)
        used += (size_t)snprintf(tail + used, capacity - used, "%s%zu",
                                 i == 0 ? ",\"subtractFeeFromOutputs\":[" : ",", i);
    snprintf(tail + used, capacity - used, "%s}", payment->receivers_pay ? "]" : "");
    char *params = hex_params(bare, tail);
    free(tail);
    return params;
}

/* Funds the bare transaction; its inputs are locked from here on. Coins that are not in the chain
 * may vanish with a version that is replaced; where the node does not know how to leave them out,
 * the caller finds out by looking at the inputs. */
static enum node_answer fund(struct node_rpc *node, const char *bare, const char *change,
                             const struct node_payment *payment, char **hex_r, uint64_t *fee_r,
                             struct error *error)
{
    struct rpc_reply reply = { .code = RPC_NOTHING };
    enum node_answer answer = NODE_REFUSED;
    for (int attempt = 0; attempt < 2 && answer == NODE_REFUSED; attempt++) {
        if (attempt == 1 && strstr(reply.words, "minconf") == NULL)
            return answer;
        char *params = fund_params(bare, change, payment, attempt == 0);
        if (params == NULL)
            return node_rpc_odd(node, "its createrawtransaction is no hex", error);
        answer = node_rpc_ask_wallet(node, "fundrawtransaction", params, true, &reply, error);
        free(params);
    }
    if (answer != NODE_OK)
        return answer;
    const char *hex = json_string_value(json_object_get(reply.result, "hex"));
    *hex_r = hex != NULL ? strdup(hex) : NULL;
    bool ok = *hex_r != NULL &&
              amount_read(json_object_get(reply.result, "fee"), node->coin->decimals, fee_r);
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its fundrawtransaction lacks fields", error);
}

static enum node_answer sign(struct node_rpc *node, const char *funded, struct arena *arena,
                             struct node_transaction *transaction_r, struct error *error)
{
    char *params = hex_params(funded, "");
    if (params == NULL)
        return node_rpc_odd(node, "its fundrawtransaction is no hex", error);
    struct rpc_reply reply;
    enum node_answer answer =
        node_rpc_ask_wallet(node, "signrawtransactionwithwallet", params, false, &reply, error);
    free(params);
    if (answer != NODE_OK)
        return answer;
    answer = read_signed(node, reply.result, arena, transaction_r, error);
    json_decref(reply.result);
    return answer;
}

enum node_answer node_rpc_build_payment(struct node *port, const struct node_payment *payment,
                                        struct arena *arena, struct node_transaction *transaction_r,
                                        struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char change[ADDRESS_TEXT_BYTES];
    struct span change_script;
    *transaction_r = (struct node_transaction){ 0 };
    char *params = outputs_text(payment->outputs, payment->count, node->coin->decimals);
    if (params == NULL) {
        error_fill(error, ERROR_INVALID, "a payment's address contains what no address does");
        return NODE_REFUSED;
    }
    struct rpc_reply bare;
    enum node_answer answer =
        node_rpc_ask_wallet(node, "createrawtransaction", params, false, &bare, error);
    free(params);
    if (answer != NODE_OK)
        return answer;
    char *funded = NULL;
    answer = change_address(node, arena, change, &change_script, error);
    if (answer == NODE_OK)
        answer = fund(node, json_string_value(bare.result), change, payment, &funded,
                      &transaction_r->fee, error);
    json_decref(bare.result);
    if (answer == NODE_OK)
        answer = sign(node, funded, arena, transaction_r, error);
    transaction_r->change = change_script;
    if (answer != NODE_OK && funded != NULL)
        unlock_inputs(node, funded);
    free(funded);
    return answer;
}

enum node_answer node_rpc_sign(struct node *port, struct span raw, struct arena *arena,
                               struct node_transaction *transaction_r, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    *transaction_r = (struct node_transaction){ 0 };
    char *hex = malloc(2 * raw.length + 1);
    if (hex == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory to sign");
        return NODE_UNAVAILABLE;
    }
    hex_encode(raw, hex);
    enum node_answer answer = sign(node, hex, arena, transaction_r, error);
    free(hex);
    return answer;
}

enum node_answer node_rpc_broadcast(struct node *port, struct span raw, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char *params = malloc(2 * raw.length + 8);
    if (params == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory to broadcast");
        return NODE_UNAVAILABLE;
    }
    memcpy(params, "[\"", 2);
    hex_encode(raw, params + 2);
    memcpy(params + 2 + 2 * raw.length, "\"]", 3);
    struct rpc_request request = { .method = "sendrawtransaction",
                                   .params = params,
                                   .params_bytes = strlen(params),
                                   .changes = true };
    struct rpc_reply reply;
    enum node_answer answer = rpc_call(node->rpc, &request, &reply, error);
    free(params);
    if (answer == NODE_OK)
        json_decref(reply.result);
    if (answer != NODE_REFUSED)
        return answer;
    bool there = reply.code == RPC_ALREADY_IN_CHAIN ||
                 strstr(reply.words, "txn-already-in-mempool") != NULL ||
                 strstr(reply.words, "txn-already-known") != NULL ||
                 strstr(reply.words, "already in block chain") != NULL;
    return there ? NODE_OK : NODE_REFUSED;
}

static bool read_state(const json_t *result, struct node_transaction_state *state_r)
{
    *state_r = (struct node_transaction_state){ .known = true };
    const json_t *confirmations = json_object_get(result, "confirmations");
    const json_t *block = json_object_get(result, "blockhash");
    if (confirmations != NULL) {
        if (!json_is_integer(confirmations) || json_integer_value(confirmations) < INT32_MIN ||
            json_integer_value(confirmations) > INT32_MAX)
            return false;
        state_r->confirmations = (int32_t)json_integer_value(confirmations);
    }
    return block == NULL || node_rpc_read_hash(block, state_r->block_hash);
}

enum node_answer node_rpc_transaction(struct node *port, const uint8_t txid[32],
                                      struct node_transaction_state *state_r, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char shown[65];
    char params[96];
    node_rpc_show_hash(txid, shown);
    snprintf(params, sizeof params, "[\"%s\"]", shown);
    struct rpc_reply reply;
    enum node_answer answer =
        node_rpc_ask_wallet(node, "gettransaction", params, false, &reply, error);
    if (answer == NODE_REFUSED) {
        /* Not the wallet's (or there is no wallet): mempool and, with an index, the chain. */
        snprintf(params, sizeof params, "[\"%s\",true]", shown);
        answer = node_rpc_ask(node, "getrawtransaction", params, &reply, error);
    }
    if (answer == NODE_REFUSED && reply.code == RPC_NOT_FOUND) {
        *state_r = (struct node_transaction_state){ 0 };
        return NODE_MISSING;
    }
    if (answer != NODE_OK)
        return answer;
    bool ok = read_state(reply.result, state_r);
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its gettransaction lacks fields", error);
}

enum node_answer node_rpc_lock_input(struct node *port, const uint8_t txid[32], uint32_t output,
                                     bool lock, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char shown[65];
    char params[160];
    node_rpc_show_hash(txid, shown);
    snprintf(params, sizeof params, "[%s,[{\"txid\":\"%s\",\"vout\":%u}]]", lock ? "false" : "true",
             shown, output);
    struct rpc_reply reply;
    enum node_answer answer = node_rpc_ask_wallet(node, "lockunspent", params, true, &reply, error);
    if (answer == NODE_OK) {
        bool ok = json_is_true(reply.result);
        json_decref(reply.result);
        return ok ? NODE_OK : node_rpc_odd(node, "its lockunspent did not succeed", error);
    }
    if (answer != NODE_REFUSED || reply.code != RPC_BAD_PARAMETER)
        return answer;
    if (strstr(reply.words, lock ? "already locked" : "expected locked output") != NULL)
        return NODE_OK;
    return NODE_MISSING; /* "unknown transaction", "expected unspent output", … */
}

enum node_answer node_rpc_unlock_all(struct node *port, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    struct rpc_reply reply;
    enum node_answer answer =
        node_rpc_ask_wallet(node, "lockunspent", "[true]", true, &reply, error);
    if (answer == NODE_OK)
        json_decref(reply.result);
    return answer;
}
