/* What the chain says: blocks, headers, heights, and the marks an operator puts on blocks. */
#include "tools/devnode/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

json_t *rpc_bits_json(uint32_t bits)
{
    char text[9];
    snprintf(text, sizeof text, "%08x", bits);
    return json_string(text);
}

json_t *rpc_target_json(uint32_t bits)
{
    struct wide target;
    char text[65];
    bool ok = target_from_bits(bits, &target);
    ASSERT(ok);
    wide_format(&target, text);
    return json_string(text);
}

static json_t *work_json(const struct wide *work)
{
    char text[65];
    wide_format(work, text);
    return json_string(text);
}

static json_t *confirmations_json(const struct chain *chain, const struct chain_block *block)
{
    return json_integer(block->on_main ? (json_int_t)(chain_tip(chain)->height - block->height) + 1
                                       : -1);
}

static json_t *header_json(const struct chain *chain, const struct chain_block *block)
{
    const struct block_header *header = &block->block->header;
    json_t *json = json_object();
    json_object_set_new(json, "hash", json_hash(block->block->id));
    json_object_set_new(json, "confirmations", confirmations_json(chain, block));
    json_object_set_new(json, "height", json_integer(block->height));
    json_object_set_new(json, "version", json_integer((int32_t)header->version));
    json_object_set_new(json, "versionHex", rpc_bits_json(header->version));
    json_object_set_new(json, "merkleroot", json_hash(header->merkle_root));
    json_object_set_new(json, "time", json_integer(header->time));
    json_object_set_new(json, "mediantime", json_integer(chain_median_time(block)));
    json_object_set_new(json, "nonce", json_integer(header->nonce));
    json_object_set_new(json, "bits", rpc_bits_json(header->bits));
    json_object_set_new(json, "target", rpc_target_json(header->bits));
    json_object_set_new(json, "difficulty", json_double(target_difficulty(header->bits)));
    json_object_set_new(json, "chainwork", work_json(&block->work));
    json_object_set_new(json, "nTx", json_integer((json_int_t)block->block->tx_count));
    if (block->parent != NULL)
        json_object_set_new(json, "previousblockhash", json_hash(block->parent->block->id));
    if (block->on_main && chain_at(chain, (size_t)block->height + 1) != NULL)
        json_object_set_new(json, "nextblockhash",
                            json_hash(chain_at(chain, (size_t)block->height + 1)->block->id));
    return json;
}

static json_t *getblockchaininfo(struct rpc_call *call)
{
    const struct chain *chain = &call->node->chain;
    const struct chain_block *tip = chain_tip(chain);
    uint32_t bits = tip->block->header.bits;
    json_t *json = json_object();
    json_object_set_new(json, "chain", json_string("regtest"));
    json_object_set_new(json, "blocks", json_integer(tip->height));
    json_object_set_new(json, "headers", json_integer(tip->height));
    json_object_set_new(json, "bestblockhash", json_hash(tip->block->id));
    json_object_set_new(json, "bits", rpc_bits_json(bits));
    json_object_set_new(json, "target", rpc_target_json(bits));
    json_object_set_new(json, "difficulty", json_double(target_difficulty(bits)));
    json_object_set_new(json, "time", json_integer(tip->block->header.time));
    json_object_set_new(json, "mediantime", json_integer(chain_median_time(tip)));
    json_object_set_new(json, "verificationprogress", json_integer(1));
    /* A chain of one machine has nothing to download, however old its tip is. */
    json_object_set_new(json, "initialblockdownload", json_false());
    json_object_set_new(json, "chainwork", work_json(&tip->work));
    json_object_set_new(json, "size_on_disk",
                        json_integer((json_int_t)call->node->journal.length_bytes));
    json_object_set_new(json, "pruned", json_false());
    json_object_set_new(json, "warnings",
                        json_pack("[s]", "devnode: a chain for demos and tests only"));
    return json;
}

static json_t *getblockcount(struct rpc_call *call)
{
    return json_integer(chain_tip(&call->node->chain)->height);
}

static json_t *getbestblockhash(struct rpc_call *call)
{
    return json_hash(chain_tip(&call->node->chain)->block->id);
}

static json_t *getblockhash(struct rpc_call *call)
{
    int64_t height;
    if (rpc_param(call, 0) == NULL)
        return rpc_fail(call, RPC_MISC, "missing parameter height");
    if (!rpc_number(call, 0, "height", 0, INT64_MIN, INT64_MAX, &height))
        return NULL;
    if (height < 0 || (uint64_t)height >= call->node->chain.main_count)
        return rpc_fail(call, RPC_PARAMETER, "Block height out of range");
    return json_hash(chain_at(&call->node->chain, (size_t)height)->block->id);
}

static json_t *getblockheader(struct rpc_call *call)
{
    bool verbose;
    struct chain_block *block = rpc_block(call, 0, "hash");
    if (block == NULL || !rpc_flag(call, 1, "verbose", true, &verbose))
        return NULL;
    return verbose ? header_json(&call->node->chain, block)
                   : json_hex(span_of(block->block->raw_header, HEADER_BYTES));
}

static json_t *block_hex(const struct block *block)
{
    struct buffer raw = { 0 };
    buffer_put(&raw, block->raw_header, HEADER_BYTES);
    buffer_put_compact(&raw, block->tx_count);
    for (size_t i = 0; i < block->tx_count; i++)
        tx_encode(block->txs[i], true, &raw);
    json_t *json = json_hex(buffer_span(&raw));
    buffer_deinit(&raw);
    return json;
}

/* A transaction's fee: what its block's undo says it spent. `undo` is where its coins begin. */
static int64_t fee_of(const struct chain_block *block, const struct tx *tx, size_t undo)
{
    int64_t fee = 0;
    for (size_t i = 0; i < tx->input_count; i++)
        fee += block->undo[undo + i].coin->value;
    for (size_t i = 0; i < tx->output_count; i++)
        fee -= tx->outputs[i].value;
    return fee;
}

static json_t *getblock(struct rpc_call *call)
{
    int64_t verbosity = 1;
    struct chain_block *at = rpc_block(call, 0, "blockhash");
    if (at == NULL)
        return NULL;
    if (json_is_boolean(rpc_param(call, 1)))
        verbosity = json_is_true(rpc_param(call, 1)) ? 1 : 0;
    else if (!rpc_number(call, 1, "verbosity", 1, 0, 3, &verbosity))
        return NULL;
    const struct block *block = at->block;
    if (verbosity == 0)
        return block_hex(block);
    json_t *json = header_json(&call->node->chain, at);
    json_object_set_new(json, "strippedsize", json_integer((json_int_t)block->base_bytes));
    json_object_set_new(json, "size", json_integer((json_int_t)block->total_bytes));
    json_object_set_new(json, "weight", json_integer((json_int_t)block_weight(block)));
    json_t *txs = json_array();
    size_t undo = 0;
    for (size_t i = 0; i < block->tx_count; i++) {
        const struct tx *tx = block->txs[i];
        if (verbosity == 1) {
            json_array_append_new(txs, json_hash(tx->txid));
            continue;
        }
        json_t *shown = rpc_tx_json(tx);
        if (i > 0 && at->on_main) {
            json_object_set_new(shown, "fee", json_amount(fee_of(at, tx, undo)));
            undo += tx->input_count;
        }
        json_array_append_new(txs, shown);
    }
    json_object_set_new(json, "tx", txs);
    return json;
}

static json_t *invalidateblock(struct rpc_call *call)
{
    struct error error;
    struct chain_block *block = rpc_block(call, 0, "blockhash");
    if (block == NULL)
        return NULL;
    if (block->height == 0)
        return rpc_fail(call, RPC_PARAMETER, "The genesis block cannot be invalidated");
    if (!node_invalidate(call->node, block, &error))
        return rpc_fail(call, RPC_MISC, "%s", error.text);
    return json_null();
}

static json_t *reconsiderblock(struct rpc_call *call)
{
    struct error error;
    struct chain_block *block = rpc_block(call, 0, "blockhash");
    if (block == NULL)
        return NULL;
    if (!node_reconsider(call->node, block, &error))
        return rpc_fail(call, RPC_MISC, "%s", error.text);
    return json_null();
}

static json_t *getnetworkinfo(struct rpc_call *call)
{
    (void)call;
    json_t *json =
        json_pack("{s:i, s:s, s:i, s:s, s:[s,s], s:b, s:i, s:b, s:i, s:i, s:i, s:[]}", "version",
                  290000, "subversion", "/devnode:0.1.0/", "protocolversion", 70016,
                  "localservices", "0000000000000009", "localservicesnames", "NETWORK", "WITNESS",
                  "localrelay", 0, "timeoffset", 0, "networkactive", 0, "connections", 0,
                  "connections_in", 0, "connections_out", 0, "networks");
    json_object_set_new(json, "relayfee", json_amount(MEMPOOL_FEERATE_MIN));
    json_object_set_new(json, "incrementalfee", json_amount(MEMPOOL_FEERATE_MIN));
    json_object_set_new(json, "localaddresses", json_array());
    json_object_set_new(json, "warnings",
                        json_pack("[s]", "devnode: a chain for demos and tests only"));
    return json;
}

static json_t *uptime(struct rpc_call *call)
{
    return json_integer(time(NULL) - call->node->started_s);
}

static json_t *getconnectioncount(struct rpc_call *call)
{
    (void)call;
    return json_integer(0);
}

static json_t *stop(struct rpc_call *call)
{
    uint64_t one = 1;
    call->node->stopping = true;
    pthread_cond_broadcast(&call->node->changed);
    if (write(call->node->stop_fd, &one, sizeof one) != sizeof one)
        return rpc_fail(call, RPC_INTERNAL, "cannot wake the main thread");
    return json_string("devnode stopping");
}

const struct rpc_entry rpc_chain_methods[] = {
    { "getblockchaininfo", getblockchaininfo, "" },
    { "getblockcount", getblockcount, "" },
    { "getbestblockhash", getbestblockhash, "" },
    { "getblockhash", getblockhash, "height" },
    { "getblockheader", getblockheader, "blockhash|verbose" },
    { "getblock", getblock, "blockhash|verbosity" },
    { "invalidateblock", invalidateblock, "blockhash" },
    { "reconsiderblock", reconsiderblock, "blockhash" },
    { "getnetworkinfo", getnetworkinfo, "" },
    { "getconnectioncount", getconnectioncount, "" },
    { "uptime", uptime, "" },
    { "stop", stop, "" },
    { NULL, NULL, NULL },
};
