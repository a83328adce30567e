/* The faults of fault.h: set by one method, they change what other methods' answers say. */
#include "tools/devnode/rpc.h"

#include <stdlib.h>
#include <string.h>

enum { FAULT_MS_MAX = 60000, FORGED_BLOCKS_BACK = 2, FORGED_HEIGHT_MORE = 1000 };
static const char forged_work[] =
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

static const char *const words[] = {
#define X(name, word) word,
    FAULTS(X)
#undef X
};

/* A header on the tip whose hash does not meet its bits. */
static void forge_header(const struct chain *chain, struct fault *fault)
{
    const struct chain_block *tip = chain_tip(chain);
    struct block_header header = tip->block->header;
    uint8_t raw[HEADER_BYTES], digest[32];
    memcpy(header.previous, tip->block->id, 32);
    memcpy(fault->behind, tip->block->id, 32);
    do {
        header.nonce++;
        block_header_encode(&header, raw);
        hash_pow(chain->params.algorithm, raw, digest);
    } while (target_met(digest, header.bits));
    hash_sha256d(span_of(raw, sizeof raw), fault->shown);
    fault->shown_height = tip->height + 1;
    fault->nonce = header.nonce;
}

static void show_old_block(const struct chain *chain, struct fault *fault)
{
    const struct chain_block *block = chain_tip(chain);
    const bool first = fault->kind == FAULT_FORGED_BEST;
    for (unsigned i = 0; block->height > 1 && (first || i < FORGED_BLOCKS_BACK); i++)
        block = block->parent;
    memcpy(fault->shown, block->block->id, 32);
    fault->shown_height = block->height;
}

static json_t *devnode_fault(struct rpc_call *call)
{
    struct fault *fault = &call->node->fault;
    const json_t *options = rpc_param(call, 0);
    const char *word = json_string_value(json_object_get(options, "kind"));
    json_int_t ms = json_integer_value(json_object_get(options, "ms"));
    unsigned kind = 0;
    while (kind < FAULT_COUNT && (word == NULL || strcmp(words[kind], word) != 0))
        kind++;
    if (kind == FAULT_COUNT || ms < 0 || ms > FAULT_MS_MAX)
        return rpc_fail(call, RPC_PARAMETER, "devnode_fault wants a kind, and ms up to %d",
                        FAULT_MS_MAX);
    free(fault->stale_template);
    *fault = (struct fault){ .kind = (enum fault_kind)kind, .delay_ms = (unsigned)ms };
    if (fault->kind == FAULT_STALE) {
        json_t *template = rpc_template_json(call->node);
        fault->stale_template = json_print(template);
        json_decref(template);
    } else if (fault->kind == FAULT_FORGED_HEADER) {
        forge_header(&call->node->chain, fault);
    } else if (fault->kind == FAULT_FORGED_WORK || fault->kind == FAULT_FORGED_BEST) {
        show_old_block(&call->node->chain, fault);
    }
    pthread_cond_broadcast(&call->node->changed);
    return json_string(word);
}

static bool is_forged(const struct fault *fault)
{
    return fault->kind == FAULT_FORGED_HEADER || fault->kind == FAULT_FORGED_WORK ||
           fault->kind == FAULT_FORGED_BEST || fault->kind == FAULT_FORGED_HEIGHT;
}

/* What is shown at this moment: of a raised height the chain's own tip. */
static void shown_tip(const struct node *node, uint8_t id_r[32], uint32_t *height_r)
{
    const struct fault *fault = &node->fault;
    const struct chain_block *tip = chain_tip(&node->chain);
    bool raised = fault->kind == FAULT_FORGED_HEIGHT;
    memcpy(id_r, raised ? tip->block->id : fault->shown, 32);
    *height_r = raised ? tip->height + FORGED_HEIGHT_MORE : fault->shown_height;
}

unsigned rpc_fault_delay_ms(const struct node *node, const char *method)
{
    bool late = node->fault.kind == FAULT_SLOW ? strcmp(method, "devnode_fault") != 0
                                               : node->fault.kind == FAULT_SLOW_TEMPLATE &&
                                                     strcmp(method, "getblocktemplate") == 0;
    return late ? node->fault.delay_ms : 0;
}

bool rpc_fault_before(struct rpc_call *call, const char *method)
{
    struct fault *fault = &call->node->fault;
    fault->asked = false;
    if (fault->kind == FAULT_DEAF && strcmp(method, "submitblock") == 0)
        rpc_fail(call, RPC_MISC, "devnode was told to take no block");
    if (fault->kind == FAULT_SYNCING && strcmp(method, "getblocktemplate") == 0)
        rpc_fail(call, RPC_SYNCING, "devnode was told to be in initial sync");
    if (fault->kind == FAULT_FORGED_HEADER && strcmp(method, "getblockheader") == 0) {
        /* Of the header that is none, its fields are those of the block it claims to stand on. */
        const char *asked = json_string_value(json_array_get(call->params, 0));
        json_t *shown = json_hash(fault->shown);
        fault->asked = asked != NULL && strcmp(asked, json_string_value(shown)) == 0;
        if (fault->asked)
            json_array_set_new(call->params, 0, json_hash(fault->behind));
        json_decref(shown);
    }
    return call->code == 0;
}

static void set_tip(json_t *object, const char *hash_key, const char *height_key,
                    const uint8_t id[32], uint32_t height)
{
    json_object_set_new(object, hash_key, json_hash(id));
    json_object_set_new(object, height_key, json_integer(height));
}

static void forge_result(const struct node *node, const char *method, json_t *result)
{
    uint8_t id[32];
    uint32_t height;
    bool work = node->fault.kind != FAULT_FORGED_HEIGHT;
    shown_tip(node, id, &height);
    json_t *shown = json_hash(id);
    const char *hash = json_string_value(json_object_get(result, "hash"));
    bool header = strcmp(method, "getblockheader") == 0 && hash != NULL;
    header = header && (node->fault.asked || strcmp(hash, json_string_value(shown)) == 0);
    if (header && node->fault.asked) {
        json_object_set_new(result, "previousblockhash", json_hash(node->fault.behind));
        json_object_set_new(result, "nonce", json_integer(node->fault.nonce));
    }
    if (header) {
        set_tip(result, "hash", "height", id, height);
        json_object_set_new(result, "confirmations", json_integer(1));
    } else if (strcmp(method, "getblockchaininfo") == 0) {
        set_tip(result, "bestblockhash", "blocks", id, height);
        json_object_set_new(result, "headers", json_integer(height));
    } else if (strcmp(method, "getblocktemplate") == 0) {
        set_tip(result, "previousblockhash", "height", id, height + 1);
    } else if (strcmp(method, "getbestblockhash") == 0) {
        json_string_set(result, json_string_value(shown));
    }
    if (work && (header || strcmp(method, "getblockchaininfo") == 0))
        json_object_set_new(result, "chainwork", json_string(forged_work));
    json_decref(shown);
}

json_t *rpc_fault_after(struct rpc_call *call, const char *method, json_t *result)
{
    const struct fault *fault = &call->node->fault;
    if (result == NULL)
        return NULL;
    bool spared = fault->kind == FAULT_FORGED_BEST && strcmp(method, "getblockchaininfo") == 0;
    if (is_forged(fault) && !spared)
        forge_result(call->node, method, result);
    if (fault->kind == FAULT_SYNCING && strcmp(method, "getblockchaininfo") == 0)
        json_object_set_new(result, "initialblockdownload", json_true());
    if (fault->kind == FAULT_STALE && strcmp(method, "getblocktemplate") == 0) {
        json_t *stale = json_loads(fault->stale_template, 0, NULL);
        ASSERT(stale != NULL);
        /* Long polling goes by the true tip, or who asks would be answered at once for ever. */
        json_object_set(stale, "longpollid", json_object_get(result, "longpollid"));
        json_decref(result);
        return stale;
    }
    return result;
}

const struct rpc_entry rpc_fault_methods[] = {
    { "devnode_fault", devnode_fault, "options" },
    { NULL, NULL, NULL },
};
