#include "adapter/node_rpc/inside.h"

#include "core/transaction/transaction.h"
#include "core/pow/sha256.h"

#include <stdio.h>
#include <stdlib.h>

enum node_answer node_rpc_ask(struct node_rpc *node, const char *method, const char *params,
                              struct rpc_reply *reply_r, struct error *error)
{
    struct rpc_request request = { .method = method,
                                   .params = params,
                                   .params_bytes = strlen(params) };
    return rpc_call(node->rpc, &request, reply_r, error);
}

enum node_answer node_rpc_odd(struct node_rpc *node, const char *what, struct error *error)
{
    error_fill(error, ERROR_INVALID, "node %s: %s", rpc_name(node->rpc), what);
    return NODE_UNKNOWN;
}

void node_rpc_show_hash(const uint8_t hash[32], char text_r[65])
{
    uint8_t shown[32];
    bytes_reverse(hash, 32, shown);
    hex_encode(span_of(shown, 32), text_r);
}

bool node_rpc_read_hash(const json_t *value, uint8_t hash_r[32])
{
    uint8_t shown[32];
    if (!json_is_string(value) ||
        !hex_decode(json_string_value(value), json_string_length(value), shown, sizeof shown))
        return false;
    bytes_reverse(shown, sizeof shown, hash_r);
    return true;
}

bool node_rpc_read_u32(const json_t *value, uint32_t *value_r)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > UINT32_MAX)
        return false;
    *value_r = (uint32_t)json_integer_value(value);
    return true;
}

static struct node_rpc *rpc_of(struct node *node)
{
    return (struct node_rpc *)node;
}

static const char *op_name(const struct node *node)
{
    return rpc_name(((const struct node_rpc *)node)->rpc);
}

static enum node_answer op_chain(struct node *port, struct node_chain *chain_r, struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    struct rpc_reply reply;
    enum node_answer answer = node_rpc_ask(node, "getblockchaininfo", "[]", &reply, error);
    if (answer != NODE_OK)
        return answer;
    *chain_r = (struct node_chain){ 0 };
    const char *name = json_string_value(json_object_get(reply.result, "chain"));
    const char *work = json_string_value(json_object_get(reply.result, "chainwork"));
    bool ok =
        name != NULL && strlen(name) < sizeof chain_r->chain && work != NULL &&
        hex_decode(work, strlen(work), chain_r->chain_work, 32) &&
        node_rpc_read_u32(json_object_get(reply.result, "blocks"), &chain_r->height) &&
        node_rpc_read_u32(json_object_get(reply.result, "mediantime"), &chain_r->median_time) &&
        node_rpc_read_hash(json_object_get(reply.result, "bestblockhash"), chain_r->tip);
    if (ok)
        memcpy(chain_r->chain, name, strlen(name));
    chain_r->initial_download = json_is_true(json_object_get(reply.result, "initialblockdownload"));
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its getblockchaininfo lacks fields", error);
}

static enum node_answer op_best(struct node *port, uint8_t hash_r[32], struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    struct rpc_reply reply;
    enum node_answer answer = node_rpc_ask(node, "getbestblockhash", "[]", &reply, error);
    if (answer != NODE_OK)
        return answer;
    bool ok = node_rpc_read_hash(reply.result, hash_r);
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its getbestblockhash is no hash", error);
}

static void op_watch(struct node *port, const struct node_watcher *watcher)
{
    struct node_rpc *node = rpc_of(port);
    node->watcher = watcher != NULL ? *watcher : (struct node_watcher){ 0 };
}

/* BIP 22's words. "prev-blk-not-found" and "time-too-new" are no verdict on the block: the node
 * may be behind, or its clock. */
static enum node_submit judge_submission(const char *word)
{
    if (strcmp(word, "duplicate") == 0)
        return NODE_SUBMIT_DUPLICATE;
    if (strcmp(word, "inconclusive") == 0 || strcmp(word, "duplicate-inconclusive") == 0)
        return NODE_SUBMIT_INCONCLUSIVE;
    if (strcmp(word, "prev-blk-not-found") == 0 || strcmp(word, "time-too-new") == 0)
        return NODE_SUBMIT_UNREACHED;
    return NODE_SUBMIT_REJECTED;
}

static enum node_submit op_submit(struct node *port, struct span block, char *answer_r,
                                  size_t answer_bytes)
{
    struct node_rpc *node = rpc_of(port);
    char *params = malloc(2 * block.length + 8);
    if (params == NULL) {
        snprintf(answer_r, answer_bytes, "no memory to submit the block");
        return NODE_SUBMIT_UNREACHED;
    }
    memcpy(params, "[\"", 2);
    hex_encode(block, params + 2);
    memcpy(params + 2 + 2 * block.length, "\"]", 2);
    struct rpc_request request = { .method = "submitblock",
                                   .params = params,
                                   .params_bytes = 2 * block.length + 4,
                                   .changes = true };
    struct rpc_reply reply;
    struct error error = { 0 };
    enum node_answer answer = rpc_call(node->rpc, &request, &reply, &error);
    free(params);
    if (answer != NODE_OK) {
        snprintf(answer_r, answer_bytes, "%s", error.text);
        return answer == NODE_REFUSED && reply.code == RPC_UNDECODABLE ? NODE_SUBMIT_REJECTED
                                                                       : NODE_SUBMIT_UNREACHED;
    }
    enum node_submit submit = NODE_SUBMIT_UNREACHED;
    if (json_is_null(reply.result)) {
        submit = NODE_SUBMIT_ACCEPTED;
        snprintf(answer_r, answer_bytes, "accepted");
    } else if (json_is_string(reply.result)) {
        char word[64];
        snprintf(word, sizeof word, "%.63s", json_string_value(reply.result));
        for (char *p = word; *p != '\0'; p++)
            *p = *p < ' ' || *p == '"' || *p == 0x7f ? '?' : *p;
        submit = judge_submission(word);
        snprintf(answer_r, answer_bytes, "%s", word);
    } else {
        snprintf(answer_r, answer_bytes, "its answer is neither null nor a word");
    }
    json_decref(reply.result);
    return submit;
}

static enum node_answer op_block_hash(struct node *port, uint32_t height, uint8_t hash_r[32],
                                      struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    char params[32];
    snprintf(params, sizeof params, "[%u]", height);
    struct rpc_reply reply;
    enum node_answer answer = node_rpc_ask(node, "getblockhash", params, &reply, error);
    if (answer == NODE_REFUSED && reply.code == RPC_BAD_PARAMETER)
        return NODE_MISSING;
    if (answer != NODE_OK)
        return answer;
    bool ok = node_rpc_read_hash(reply.result, hash_r);
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its getblockhash is no hash", error);
}

/* getblock with a verbosity; NODE_MISSING where the node does not know it. */
static enum node_answer get_block(struct node_rpc *node, const uint8_t hash[32], int verbosity,
                                  struct rpc_reply *reply_r, struct error *error)
{
    char shown[65];
    char params[96];
    node_rpc_show_hash(hash, shown);
    snprintf(params, sizeof params, "[\"%s\",%d]", shown, verbosity);
    enum node_answer answer = node_rpc_ask(node, "getblock", params, reply_r, error);
    return answer == NODE_REFUSED && reply_r->code == RPC_NOT_FOUND ? NODE_MISSING : answer;
}

static enum node_answer op_block(struct node *port, const uint8_t hash[32],
                                 struct node_block *block_r, struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    struct rpc_reply reply;
    enum node_answer answer = get_block(node, hash, 1, &reply, error);
    if (answer != NODE_OK)
        return answer;
    *block_r = (struct node_block){ 0 };
    const json_t *confirmations = json_object_get(reply.result, "confirmations");
    const json_t *previous = json_object_get(reply.result, "previousblockhash");
    const char *bits = json_string_value(json_object_get(reply.result, "bits"));
    uint64_t compact = 0;
    bool ok = node_rpc_read_hash(json_object_get(reply.result, "hash"), block_r->hash) &&
              memcmp(block_r->hash, hash, 32) == 0 && json_is_integer(confirmations) &&
              json_integer_value(confirmations) >= -1 &&
              json_integer_value(confirmations) <= INT32_MAX &&
              node_rpc_read_u32(json_object_get(reply.result, "height"), &block_r->height) &&
              node_rpc_read_u32(json_object_get(reply.result, "time"), &block_r->time) &&
              bits != NULL && strlen(bits) == 8 && hex_decode_u64(bits, 8, &compact) &&
              (previous == NULL || node_rpc_read_hash(previous, block_r->prev_hash)) &&
              node_rpc_read_hash(json_array_get(json_object_get(reply.result, "tx"), 0),
                                 block_r->coinbase_txid);
    block_r->confirmations = (int32_t)json_integer_value(confirmations);
    block_r->bits = (uint32_t)compact;
    json_decref(reply.result);
    return ok ? NODE_OK : node_rpc_odd(node, "its getblock lacks fields", error);
}

/* Header, count, and then the coinbase. */
static bool read_received(struct span block, struct span script, uint64_t *amount_r)
{
    uint64_t count;
    struct raw_transaction coinbase;
    struct span rest = span_of(block.data + 80, block.length - 80);
    return raw_count(&rest, &count) && count >= 1 && raw_transaction_read(rest, &coinbase) &&
           !coinbase.other_flags && raw_transaction_received(&coinbase, script, amount_r);
}

/* A block's bytes, from the heap, which are its own by their header's id; NULL with the answer. */
static uint8_t *read_block(struct node_rpc *node, const uint8_t hash[32], size_t *length_r,
                           enum node_answer *answer_r, struct error *error)
{
    struct rpc_reply reply;
    uint8_t id[32];
    *answer_r = get_block(node, hash, 0, &reply, error);
    if (*answer_r != NODE_OK)
        return NULL;
    size_t length = json_string_length(reply.result);
    uint8_t *bytes =
        json_is_string(reply.result) && length % 2 == 0 ? malloc(length / 2 + 1) : NULL;
    bool good = bytes != NULL && length / 2 >= 80 &&
                hex_decode(json_string_value(reply.result), length, bytes, length / 2);
    json_decref(reply.result);
    if (good)
        sha256d_header(bytes, id);
    if (good && memcmp(id, hash, 32) == 0) {
        *length_r = length / 2;
        return bytes;
    }
    free(bytes);
    *answer_r = node_rpc_odd(node, "its getblock is no such block", error);
    return NULL;
}

/* The id of a transaction whose bytes do not tell it (one with an extension block's flag). */
static enum node_answer read_id(struct node_rpc *node, const uint8_t hash[32], uint64_t index,
                                uint8_t txid_r[32], struct error *error)
{
    struct rpc_reply reply;
    uint8_t shown[32];
    enum node_answer answer = get_block(node, hash, 1, &reply, error);
    if (answer != NODE_OK)
        return answer;
    const char *text =
        json_string_value(json_array_get(json_object_get(reply.result, "tx"), (size_t)index));
    bool good = text != NULL && hex_decode(text, strlen(text), shown, sizeof shown);
    if (good)
        bytes_reverse(shown, sizeof shown, txid_r);
    json_decref(reply.result);
    return good ? NODE_OK : node_rpc_odd(node, "its getblock lacks a transaction's id", error);
}

static enum node_answer op_paid(struct node *port, const uint8_t hash[32], struct span script,
                                node_paid_visitor visit, void *context, struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    enum node_answer answer;
    size_t length = 0;
    uint64_t count = 0;
    uint8_t *bytes = read_block(node, hash, &length, &answer, error);
    if (bytes == NULL)
        return answer;
    struct span rest = span_of(bytes + 80, length - 80);
    bool good = raw_count(&rest, &count), more = true;
    for (uint64_t i = 0; i < count && good && more && answer == NODE_OK; i++) {
        struct raw_transaction transaction;
        uint8_t txid[32];
        uint64_t amount = 0;
        /* What stands behind unknown flags cannot be skipped: only the last may have them. */
        good = raw_transaction_read(rest, &transaction) &&
               (!transaction.other_flags || i + 1 == count) &&
               raw_transaction_received(&transaction, script, &amount);
        if (!good)
            break;
        rest = span_of(rest.data + transaction.bytes.length,
                       rest.length - transaction.bytes.length);
        if (i == 0 || amount == 0)
            continue;
        if (!transaction.other_flags)
            raw_transaction_txid(&transaction, txid);
        else
            answer = read_id(node, hash, i, txid, error);
        more = answer == NODE_OK && visit(context, txid, amount);
    }
    free(bytes);
    return good ? answer : node_rpc_odd(node, "its getblock is no such block", error);
}

static enum node_answer op_received(struct node *port, const uint8_t hash[32], struct span script,
                                    uint64_t *amount_r, struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    enum node_answer answer;
    size_t length = 0;
    uint8_t *bytes = read_block(node, hash, &length, &answer, error);
    if (bytes == NULL)
        return answer;
    bool ok = read_received(span_of(bytes, length), script, amount_r);
    free(bytes);
    return ok ? NODE_OK : node_rpc_odd(node, "its getblock is no such block", error);
}

static enum node_answer op_validate(struct node *port, const char *address, bool *valid_r,
                                    struct error *error)
{
    struct node_rpc *node = rpc_of(port);
    json_t *params = json_pack("[s]", address);
    char *text = params != NULL ? json_dumps(params, JSON_COMPACT) : NULL;
    json_decref(params);
    if (text == NULL) { /* no UTF-8: no address */
        *valid_r = false;
        return NODE_OK;
    }
    struct rpc_reply reply;
    enum node_answer answer = node_rpc_ask(node, "validateaddress", text, &reply, error);
    free(text);
    if (answer != NODE_OK)
        return answer;
    *valid_r = json_is_true(json_object_get(reply.result, "isvalid"));
    json_decref(reply.result);
    return NODE_OK;
}

static void op_interrupt(struct node *port)
{
    rpc_interrupt(rpc_of(port)->rpc);
}

static void op_close(struct node *port)
{
    struct node_rpc *node = rpc_of(port);
    rpc_close(node->rpc);
    free(node->space);
    free(node);
}

static const struct node_ops ops = {
    .name = op_name,
    .chain = op_chain,
    .get_template = node_rpc_get_template,
    .watch = op_watch,
    .best = op_best,
    .tip = node_rpc_tip,
    .submit = op_submit,
    .block_hash = op_block_hash,
    .block = op_block,
    .received = op_received,
    .paid = op_paid,
    .validate_address = op_validate,
    .wallet_balance = node_rpc_wallet_balance,
    .build_payment = node_rpc_build_payment,
    .sign = node_rpc_sign,
    .output = node_rpc_output,
    .spender = node_rpc_spender,
    .unlock_all = node_rpc_unlock_all,
    .broadcast = node_rpc_broadcast,
    .transaction = node_rpc_transaction,
    .lock_input = node_rpc_lock_input,
    .interrupt = op_interrupt,
    .close = op_close,
};

struct node *node_rpc_open(const struct node_rpc_options *options, struct error *error)
{
    ASSERT(options->coin->decimals <= AMOUNT_DECIMALS_MAX);
    struct node_rpc *node = calloc(1, sizeof *node);
    if (node == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for a node");
        return NULL;
    }
    node->port.ops = &ops;
    node->coin = options->coin;
    node->rpc = rpc_open(options, error);
    if (node->rpc == NULL) {
        free(node);
        return NULL;
    }
    return &node->port;
}
