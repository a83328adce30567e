/* What became of an output of the wallet's: is it spent, and by whom. */
#include "adapter/node_rpc/inside.h"
#include "core/transaction/transaction.h"

#include <stdio.h>
#include <stdlib.h>

enum { HISTORY_MAX = 10000 }; /* entries of the wallet looked through */

enum node_answer node_rpc_output(struct node *port, const uint8_t txid[32], uint32_t output,
                                 struct node_output *output_r, struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char shown[65], params[128];
    struct rpc_reply reply;
    *output_r = (struct node_output){ .unspent = false };
    node_rpc_show_hash(txid, shown);
    snprintf(params, sizeof params, "[\"%s\",%u,false]", shown, output);
    enum node_answer answer = node_rpc_ask(node, "gettxout", params, &reply, error);
    if (answer != NODE_OK)
        return answer;
    bool ok = json_is_null(reply.result);
    if (!ok) {
        ok = amount_read(json_object_get(reply.result, "value"), node->coin->decimals,
                         &output_r->amount) &&
             node_rpc_read_u32(json_object_get(reply.result, "confirmations"),
                               &output_r->confirmations);
        output_r->unspent = output_r->confirmations > 0;
    }
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its gettxout lacks fields", error);
}

/* The parent of the block the wallet has a transaction in; NODE_MISSING where it has not. */
static enum node_answer block_before(struct node_rpc *node, const char *shown, char hash_r[65],
                                     struct error *error)
{
    char params[128];
    struct rpc_reply reply;
    snprintf(params, sizeof params, "[\"%s\"]", shown);
    enum node_answer answer =
        node_rpc_ask_wallet(node, "gettransaction", params, false, &reply, error);
    if (answer != NODE_OK)
        return answer == NODE_REFUSED ? NODE_MISSING : answer;
    const char *block = json_string_value(json_object_get(reply.result, "blockhash"));
    bool in_chain = block != NULL && strlen(block) == 64 &&
                    json_integer_value(json_object_get(reply.result, "confirmations")) > 0;
    if (in_chain)
        snprintf(params, sizeof params, "[\"%s\"]", block);
    json_decref(reply.result);
    if (!in_chain)
        return NODE_MISSING;
    answer = node_rpc_ask(node, "getblockheader", params, &reply, error);
    if (answer != NODE_OK)
        return answer == NODE_REFUSED ? NODE_MISSING : answer;
    const char *parent = json_string_value(json_object_get(reply.result, "previousblockhash"));
    bool has = parent != NULL && strlen(parent) == 64;
    if (has)
        memcpy(hash_r, parent, 65);
    json_decref(reply.result);
    return has ? NODE_OK : NODE_MISSING;
}

/* Whether the transaction (as the wallet shows it) spends the output. */
static bool spends(const json_t *shown, const uint8_t txid[32], uint32_t output)
{
    const json_t *hex = json_object_get(shown, "hex");
    size_t length = json_string_length(hex);
    uint8_t *bytes =
        json_is_string(hex) && length > 0 && length % 2 == 0 ? malloc(length / 2) : NULL;
    struct raw_transaction transaction;
    bool found = false;
    if (bytes != NULL && hex_decode(json_string_value(hex), length, bytes, length / 2) &&
        raw_transaction_read(span_of(bytes, length / 2), &transaction)) {
        uint8_t spent[32];
        uint32_t index;
        for (uint64_t i = 0; !found && raw_transaction_input(&transaction, i, spent, &index); i++)
            found = index == output && memcmp(spent, txid, 32) == 0;
    }
    free(bytes);
    return found;
}

/* Looks at one entry of the wallet's history; NODE_OK when it is the spender. */
static enum node_answer look_at(struct node_rpc *node, const json_t *entry, const uint8_t txid[32],
                                uint32_t output, uint8_t spender_r[32], uint32_t *confirmations_r,
                                struct error *error)
{
    const char *shown = json_string_value(json_object_get(entry, "txid"));
    char params[128];
    struct rpc_reply reply;
    if (shown == NULL || strlen(shown) != 64 ||
        json_integer_value(json_object_get(entry, "confirmations")) <= 0)
        return NODE_MISSING;
    snprintf(params, sizeof params, "[\"%s\"]", shown);
    enum node_answer answer =
        node_rpc_ask_wallet(node, "gettransaction", params, false, &reply, error);
    if (answer != NODE_OK)
        return answer == NODE_REFUSED ? NODE_MISSING : answer;
    json_int_t depth = json_integer_value(json_object_get(reply.result, "confirmations"));
    bool found = depth > 0 && depth <= INT32_MAX && spends(reply.result, txid, output) &&
                 node_rpc_read_hash(json_object_get(entry, "txid"), spender_r);
    *confirmations_r = found ? (uint32_t)depth : 0;
    json_decref(reply.result);
    return found ? NODE_OK : NODE_MISSING;
}

enum node_answer node_rpc_spender(struct node *port, const uint8_t txid[32], uint32_t output,
                                  uint8_t spender_r[32], uint32_t *confirmations_r,
                                  struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char shown[65], before[65], params[128];
    struct rpc_reply reply;
    node_rpc_show_hash(txid, shown);
    enum node_answer answer = block_before(node, shown, before, error);
    if (answer != NODE_OK)
        return answer;
    snprintf(params, sizeof params, "[\"%s\"]", before);
    answer = node_rpc_ask_wallet(node, "listsinceblock", params, false, &reply, error);
    if (answer != NODE_OK)
        return answer == NODE_REFUSED ? NODE_MISSING : answer;
    const json_t *list = json_object_get(reply.result, "transactions");
    answer = NODE_MISSING;
    for (size_t i = 0; i < json_array_size(list) && i < HISTORY_MAX && answer == NODE_MISSING; i++)
        answer =
            look_at(node, json_array_get(list, i), txid, output, spender_r, confirmations_r, error);
    json_decref(reply.result);
    return answer;
}
