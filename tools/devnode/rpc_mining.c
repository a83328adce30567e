/* Templates with long polling, block submission, and mining inside the process for tests. */
#include "tools/devnode/consensus/address.h"
#include "tools/devnode/rpc.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LONGPOLL_SECONDS 60
#define LONGPOLL_MEMPOOL_SECONDS 10 /* new transactions alone are not worth a new job sooner */
#define MINE_SECONDS_MAX 600

static json_t *longpoll_id(const struct node *node)
{
    uint8_t shown[32];
    char text[96];
    bytes_reverse(chain_tip(&node->chain)->block->id, 32, shown);
    hex_encode(span_of(shown, 32), text);
    snprintf(text + 64, sizeof text - 64, "%llu", (unsigned long long)node->mempool.changes);
    return json_string(text);
}

static bool client_has_gone(int fd)
{
    struct pollfd poller = { .fd = fd, .events = POLLRDHUP };
    return poll(&poller, 1, 0) > 0 &&
           (poller.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Waits, without the lock, until the tip is not the one `id` names, or the mempool has changed for
 * a while, or the time is over. */
static void wait_for_change(struct rpc_call *call, const char *id)
{
    struct node *node = call->node;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t begin = now.tv_sec;
    while (!node->stopping && now.tv_sec - begin < LONGPOLL_SECONDS && !client_has_gone(call->fd)) {
        json_t *current = longpoll_id(node);
        const char *text = json_string_value(current);
        bool tip_same = strncmp(text, id, 64) == 0;
        bool all_same = strcmp(text, id) == 0;
        json_decref(current);
        if (!tip_same || (!all_same && now.tv_sec - begin >= LONGPOLL_MEMPOOL_SECONDS))
            return;
        struct timespec until = { now.tv_sec + 1, now.tv_nsec };
        pthread_cond_timedwait(&node->changed, &node->lock, &until);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

/* `places` holds, by txid, entries of the template before this one (`first` points at the first).
 */
static json_t *template_tx(struct mempool_entry *const *first, size_t index,
                           const struct table *places)
{
    const struct mempool_entry *entry = first[index];
    struct buffer raw = { 0 };
    json_t *depends = json_array();
    tx_encode(entry->tx, true, &raw);
    for (size_t i = 0; i < entry->tx->input_count; i++) {
        struct mempool_entry *const *parent = table_get(places, entry->tx->inputs[i].previous.txid);
        if (parent != NULL)
            json_array_append_new(depends, json_integer(parent - first + 1));
    }
    json_t *json = json_object();
    json_object_set_new(json, "data", json_hex(buffer_span(&raw)));
    json_object_set_new(json, "txid", json_hash(entry->tx->txid));
    json_object_set_new(json, "hash", json_hash(entry->tx->wtxid));
    json_object_set_new(json, "depends", depends);
    json_object_set_new(json, "fee", json_integer(entry->fee));
    json_object_set_new(json, "sigops", json_integer((json_int_t)entry->sigops_cost));
    json_object_set_new(json, "weight", json_integer((json_int_t)tx_weight(entry->tx)));
    buffer_deinit(&raw);
    return json;
}

static json_t *default_commitment(struct mempool_entry *const *entries, size_t count)
{
    static const uint8_t reserved[32];
    uint8_t script[38] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed };
    struct tx **txs = memory_take((count + 1) * sizeof *txs);
    for (size_t i = 0; i < count; i++)
        txs[i + 1] = entries[i]->tx; /* the coinbase's place counts as zeros and is not looked at */
    block_witness_commitment(txs, count + 1, reserved, script + 6);
    free(txs);
    return json_hex(span_of(script, sizeof script));
}

json_t *rpc_template_json(const struct node *node)
{
    struct mempool_entry **entries = NULL;
    int64_t fees = 0;
    struct chain_block *tip = chain_tip(&node->chain);
    struct block_place place = chain_place_after(&node->chain, tip, INT64_MAX);
    size_t count = node_template_txs(node, &entries, &fees);
    json_t *txs = json_array();
    struct table places = table_of(32);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(txs, template_tx(entries, i, &places));
        table_put(&places, entries[i]->tx->txid, &entries[i]);
    }
    table_deinit(&places);
    json_t *json =
        json_pack("{s:[s], s:i, s:[s,s], s:{}, s:i}", "capabilities", "proposal", "version",
                  0x20000000, "rules", "csv", "!segwit", "vbavailable", "vbrequired", 0);
    json_object_set_new(json, "previousblockhash", json_hash(tip->block->id));
    json_object_set_new(json, "transactions", txs);
    json_object_set_new(json, "coinbaseaux", json_object());
    json_object_set_new(json, "coinbasevalue", json_integer(CHAIN_SUBSIDY + fees));
    json_object_set_new(json, "longpollid", longpoll_id(node));
    json_object_set_new(json, "target", rpc_target_json(place.bits));
    json_object_set_new(json, "mintime", json_integer((json_int_t)place.median_time_past + 1));
    json_object_set_new(json, "mutable", json_pack("[s,s,s]", "time", "transactions", "prevblock"));
    json_object_set_new(json, "noncerange", json_string("00000000ffffffff"));
    json_object_set_new(json, "sigoplimit", json_integer(BLOCK_SIGOPS_COST_MAX));
    json_object_set_new(json, "sizelimit", json_integer(BLOCK_WEIGHT_MAX));
    json_object_set_new(json, "weightlimit", json_integer(BLOCK_WEIGHT_MAX));
    json_object_set_new(json, "curtime", json_integer(node_template_time(node, tip)));
    json_object_set_new(json, "bits", rpc_bits_json(place.bits));
    json_object_set_new(json, "height", json_integer(place.height));
    json_object_set_new(json, "default_witness_commitment", default_commitment(entries, count));
    free(entries);
    return json;
}

/* Decodes a hex parameter to bytes; caller frees. NULL where it is no hex. */
static uint8_t *hex_bytes(const char *hex, size_t *length_r)
{
    size_t length = strlen(hex);
    uint8_t *bytes = memory_take(length / 2);
    *length_r = length / 2;
    if (length % 2 == 0 && hex_decode(hex, length, bytes, length / 2))
        return bytes;
    free(bytes);
    return NULL;
}

static json_t *propose(struct rpc_call *call, const char *hex)
{
    size_t length = 0;
    if (hex == NULL)
        return rpc_fail(call, RPC_TYPE, "Missing data String key for proposal");
    uint8_t *bytes = hex_bytes(hex, &length);
    struct block *block = bytes == NULL ? NULL : block_decode(span_of(bytes, length));
    free(bytes);
    if (block == NULL)
        return rpc_fail(call, RPC_DECODE, "Block decode failed");
    const char *reason = chain_check_proposal(&call->node->chain, block, time(NULL));
    block_destroy(block);
    return reason == NULL ? json_null() : json_string(reason);
}

static json_t *getblocktemplate(struct rpc_call *call)
{
    json_t *request = rpc_param(call, 0);
    json_t *rules = json_object_get(request, "rules");
    const char *mode = json_string_value(json_object_get(request, "mode"));
    const char *id = json_string_value(json_object_get(request, "longpollid"));
    bool segwit = false;
    if (mode != NULL && strcmp(mode, "proposal") == 0)
        return propose(call, json_string_value(json_object_get(request, "data")));
    if (mode != NULL && strcmp(mode, "template") != 0)
        return rpc_fail(call, RPC_PARAMETER, "Invalid mode");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const char *rule = json_string_value(json_array_get(rules, i));
        segwit = segwit || (rule != NULL && strcmp(rule, "segwit") == 0);
    }
    if (!segwit)
        return rpc_fail(call, RPC_PARAMETER,
                        "getblocktemplate must be called with the segwit rule set (call with "
                        "{\"rules\": [\"segwit\"]})");
    if (id != NULL)
        wait_for_change(call, id);
    if (call->node->stopping)
        return rpc_fail(call, -9, "Shutting down");
    return rpc_template_json(call->node);
}

static json_t *submitblock(struct rpc_call *call)
{
    const char *hex;
    size_t length = 0;
    bool decoded = false;
    const char *reason = NULL;
    if (!rpc_text(call, 0, "hexdata", &hex))
        return NULL;
    uint8_t *bytes = hex_bytes(hex, &length);
    if (bytes != NULL)
        reason = node_submit_block(call->node, span_of(bytes, length), &decoded);
    free(bytes);
    if (!decoded)
        return rpc_fail(call, RPC_DECODE, "Block decode failed");
    return reason == NULL ? json_null() : json_string(reason);
}

static json_t *getmininginfo(struct rpc_call *call)
{
    const struct chain *chain = &call->node->chain;
    const struct chain_block *tip = chain_tip(chain);
    struct block_place place = chain_place_after(chain, tip, INT64_MAX);
    uint32_t bits = tip->block->header.bits;
    json_t *json = json_object();
    json_object_set_new(json, "blocks", json_integer(tip->height));
    json_object_set_new(json, "bits", rpc_bits_json(bits));
    json_object_set_new(json, "difficulty", json_double(target_difficulty(bits)));
    json_object_set_new(json, "target", rpc_target_json(bits));
    double hashes = target_difficulty(place.bits) * 4294967296.0;
    json_object_set_new(json, "networkhashps",
                        json_double(hashes / chain->params.block_interval_s));
    json_object_set_new(json, "pooledtx", json_integer((json_int_t)call->node->mempool.count));
    json_object_set_new(json, "chain", json_string("regtest"));
    json_t *next = json_object();
    json_object_set_new(next, "height", json_integer(place.height));
    json_object_set_new(next, "bits", rpc_bits_json(place.bits));
    json_object_set_new(next, "difficulty", json_double(target_difficulty(place.bits)));
    json_object_set_new(next, "target", rpc_target_json(place.bits));
    json_object_set_new(json, "next", next);
    json_object_set_new(json, "algorithm",
                        json_string(hash_algorithm_name(chain->params.algorithm)));
    json_object_set_new(json, "warnings",
                        json_pack("[s]", "devnode: a chain for demos and tests only"));
    return json;
}

static json_t *generatetoaddress(struct rpc_call *call)
{
    int64_t blocks;
    const char *text;
    struct address address;
    struct error error;
    if (!rpc_number(call, 0, "nblocks", -1, 0, 100000, &blocks) ||
        !rpc_text(call, 1, "address", &text))
        return NULL;
    if (!address_decode(text, &address))
        return rpc_fail(call, RPC_NOT_FOUND, "Error: Invalid address");
    json_t *ids = json_array();
    for (int64_t i = 0; i < blocks; i++) {
        uint8_t id[32];
        if (!node_mine(call->node, NULL, true, span_of(address.script, address.script_bytes),
                       time(NULL) + MINE_SECONDS_MAX, id, &error)) {
            json_decref(ids);
            return rpc_fail(call, RPC_MISC, "%s", error.text);
        }
        json_array_append_new(ids, json_hash(id));
    }
    return ids;
}

/* Builds a branch of empty blocks from `depth` blocks below the tip until it has more work than
 * what it replaces (which may grow meanwhile). */
static bool mine_branch(struct node *node, struct chain_block *fork, struct span script,
                        json_t *ids, struct error *error)
{
    int64_t deadline = time(NULL) + MINE_SECONDS_MAX;
    struct chain_block *at = fork;
    do {
        uint8_t id[32];
        if (!node_mine(node, at, false, script, deadline, id, error))
            return false;
        at = chain_find(&node->chain, id);
        ASSERT(at != NULL);
        json_array_append_new(ids, json_hash(id));
    } while (!at->on_main);
    return true;
}

static json_t *devnode_reorg(struct rpc_call *call)
{
    struct node *node = call->node;
    struct error error;
    json_t *options = rpc_param(call, 0);
    json_t *depth_json = json_is_object(options) ? json_object_get(options, "depth") : options;
    bool invalidate = json_is_true(json_object_get(options, "invalidate"));
    json_int_t depth = json_integer_value(depth_json);
    struct chain_block *old_tip = chain_tip(&node->chain);
    if (!json_is_integer(depth_json) || depth < 1 || depth > (json_int_t)old_tip->height)
        return rpc_fail(call, RPC_PARAMETER, "depth must be 1 to the height of the tip");
    const struct wallet_key *key = wallet_new_key(&node->wallet, false, &error);
    if (key == NULL)
        return rpc_fail(call, RPC_WALLET, "%s", error.text);
    uint8_t script[22] = { 0, 20 };
    memcpy(script + 2, key->hash, 20);
    struct chain_block *fork = chain_at(&node->chain, old_tip->height - (size_t)depth);
    struct chain_block *first = chain_at(&node->chain, (size_t)fork->height + 1);
    json_t *ids = json_array();
    bool good = !invalidate || node_invalidate(node, first, &error);
    good = good && mine_branch(node, fork, span_of(script, sizeof script), ids, &error);
    if (!good) {
        json_decref(ids);
        return rpc_fail(call, RPC_MISC, "%s", error.text);
    }
    json_t *json = json_object();
    json_object_set_new(json, "old_tip", json_hash(old_tip->block->id));
    json_object_set_new(json, "fork_height", json_integer(fork->height));
    json_object_set_new(json, "blocks", ids);
    json_object_set_new(json, "height", json_integer(chain_tip(&node->chain)->height));
    return json;
}

const struct rpc_entry rpc_mining_methods[] = {
    { "getblocktemplate", getblocktemplate, "template_request" },
    { "submitblock", submitblock, "hexdata|dummy" },
    { "getmininginfo", getmininginfo, "" },
    { "generatetoaddress", generatetoaddress, "nblocks|address|maxtries" },
    { "devnode_reorg", devnode_reorg, "options" },
    { NULL, NULL, NULL },
};
