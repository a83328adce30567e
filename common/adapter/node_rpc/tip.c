/* A block as what the next one builds on. A node may name any tip: the header it shows for it must
 * be the one whose hash that is, and have the work its bits demand, so a lie costs as much as a
 * block. */
#include "adapter/node_rpc/inside.h"

#include "core/difficulty/difficulty.h"
#include "core/pow/sha256.h"

#include <stdlib.h>

/* The 80 bytes of a header whose fields stand in the answer; false where one is missing. */
static bool read_header(const json_t *result, uint8_t header_r[POW_HEADER_BYTES], uint32_t *bits_r)
{
    const json_t *version = json_object_get(result, "version");
    const json_t *before = json_object_get(result, "previousblockhash");
    const char *bits = json_string_value(json_object_get(result, "bits"));
    uint64_t compact;
    uint32_t time, nonce;
    memset(header_r, 0, POW_HEADER_BYTES);
    if (!json_is_integer(version) || bits == NULL || strlen(bits) != 8 ||
        !hex_decode_u64(bits, 8, &compact) ||
        !node_rpc_read_u32(json_object_get(result, "time"), &time) ||
        !node_rpc_read_u32(json_object_get(result, "nonce"), &nonce) ||
        !node_rpc_read_hash(json_object_get(result, "merkleroot"), header_r + 36) ||
        (before != NULL &&
         !node_rpc_read_hash(before, header_r + 4))) /* a genesis block has none */
        return false;
    *bits_r = (uint32_t)compact;
    store_le32(header_r, (uint32_t)json_integer_value(version));
    store_le32(header_r + 68, time);
    store_le32(header_r + 72, *bits_r);
    store_le32(header_r + 76, nonce);
    return true;
}

/* Nothing stands before it: the previous block's hash, behind the version, is nothing. */
static bool is_first(const uint8_t header[POW_HEADER_BYTES])
{
    static const uint8_t none[32];
    return memcmp(header + 4, none, sizeof none) == 0;
}

/* NULL, or why it cannot be a block of this chain. */
static const char *judge_header(enum pow_algorithm algorithm,
                                const uint8_t header[POW_HEADER_BYTES], uint32_t bits,
                                const uint8_t hash[32])
{
    uint8_t found[32];
    struct u256 target;
    sha256d_header(header, found);
    if (memcmp(found, hash, 32) != 0)
        return "the header it shows for its tip has another hash";
    if (!difficulty_target_from_bits(bits, &target))
        return "its tip's bits are no target";
    void *scratch = malloc(POW_SCRATCH_BYTES);
    if (scratch == NULL)
        return "there is no memory to hash its tip";
    pow_hash(algorithm, header, scratch, found);
    free(scratch);
    return u256_compare(u256_load_le(found), target) <= 0
               ? NULL
               : "its tip's header lacks the work that its bits demand";
}

enum tip_reading node_rpc_read_tip(const struct coin_profile *coin, const json_t *result,
                                   const uint8_t hash[32], struct node_tip *tip_r,
                                   const char **why_r)
{
    uint8_t header[POW_HEADER_BYTES];
    *tip_r = (struct node_tip){ 0 };
    *why_r = "its getblockheader lacks fields";
    const json_t *confirmations = json_object_get(result, "confirmations");
    const char *work = json_string_value(json_object_get(result, "chainwork"));
    if (!node_rpc_read_hash(json_object_get(result, "hash"), tip_r->hash) ||
        memcmp(tip_r->hash, hash, 32) != 0 || !json_is_integer(confirmations) ||
        !node_rpc_read_u32(json_object_get(result, "height"), &tip_r->height) ||
        !node_rpc_read_u32(json_object_get(result, "mediantime"), &tip_r->median_time) ||
        work == NULL || !hex_decode(work, strlen(work), tip_r->chain_work, 32) ||
        !read_header(result, header, &tip_r->bits))
        return TIP_ODD;
    tip_r->is_tip = json_integer_value(confirmations) == 1;
    memcpy(tip_r->prev_hash, header + 4, sizeof tip_r->prev_hash);
    /* A chain's first block is given, and need not have been worked for; nor does its node's word
     * for it outweigh anybody's. */
    if (tip_r->height == 0 && is_first(header)) {
        memset(tip_r->chain_work, 0, sizeof tip_r->chain_work);
        return TIP_READ;
    }
    *why_r = judge_header(coin->algorithm, header, tip_r->bits, hash);
    return *why_r == NULL ? TIP_READ : TIP_FALSE;
}

enum node_answer node_rpc_tip(struct node *port, const uint8_t hash[32], struct node_tip *tip_r,
                              struct error *error)
{
    struct node_rpc *node = (struct node_rpc *)port;
    char shown[65];
    char params[80];
    const char *why;
    struct rpc_reply reply;
    node_rpc_show_hash(hash, shown);
    snprintf(params, sizeof params, "[\"%s\"]", shown);
    enum node_answer answer = node_rpc_ask(node, "getblockheader", params, &reply, error);
    if (answer == NODE_REFUSED && reply.code == RPC_NOT_FOUND)
        return NODE_MISSING;
    if (answer != NODE_OK)
        return answer;
    enum tip_reading reading = node_rpc_read_tip(node->coin, reply.result, hash, tip_r, &why);
    json_decref(reply.result);
    if (reading == TIP_ODD)
        return node_rpc_odd(node, why, error);
    if (reading == TIP_FALSE)
        error_fill(error, ERROR_INVALID, "node %s: %s", rpc_name(node->rpc), why);
    return reading == TIP_READ ? NODE_OK : NODE_REFUSED;
}
