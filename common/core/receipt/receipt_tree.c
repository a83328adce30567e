/* The nodes lie level by level behind one another: the shares' hashes, then each level above.
 *
 * Behind the block of its tag a share is one block of SHA-256 with its padding, and a full node two
 * and the padding, so many of either are hashed at once, in lanes. */
#include "core/receipt/inside.h"

#include "core/pow/sha256_lanes.h"
#include "core/proof/tagged.h"

struct hasher {
    struct sha256_state share, node;
};

static void begin(struct hasher *hasher)
{
    proof_tagged_begin(&hasher->share, "adit/receipt/share");
    proof_tagged_begin(&hasher->node, "adit/receipt/node");
}

static void hash(const struct sha256_state *begun, const uint8_t *bytes, size_t length,
                 uint8_t hash_r[RECEIPT_HASH_BYTES])
{
    struct sha256_state state = *begun;
    sha256_update(&state, span_of(bytes, length));
    sha256_final(&state, hash_r);
}

static size_t above(size_t width)
{
    return (width + RECEIPT_ARITY - 1) / RECEIPT_ARITY;
}

/* How many of a level stand in the group that begins at `first`. */
static size_t group_of(size_t width, size_t first)
{
    return width - first < RECEIPT_ARITY ? width - first : RECEIPT_ARITY;
}

size_t receipt_tree_nodes(size_t count)
{
    size_t nodes = count;
    for (size_t width = count; width > 1; width = above(width))
        nodes += above(width);
    return nodes;
}

/* The padding of a message of `bytes` behind the tag's block, at the end of its last block. */
static void pad(uint8_t block[64], size_t at, size_t bytes)
{
    memset(block + at, 0, 64 - at);
    block[at] = 0x80;
    store_be64(block + 56, (64 + bytes) * 8);
}

static void hash_shares(const struct hasher *hasher, const uint8_t *shares, size_t count,
                        uint8_t (*hashes_r)[RECEIPT_HASH_BYTES])
{
    struct sha256_lanes lanes;
    uint8_t blocks[SHA256_LANES_MAX][64];
    const uint8_t *each[SHA256_LANES_MAX];
    const struct sha256_engine *engine = sha256_engine_for(count);
    for (size_t i = 0; i < SHA256_LANES_MAX; i++) {
        pad(blocks[i], RECEIPT_SHARE_BYTES, RECEIPT_SHARE_BYTES);
        each[i] = blocks[i];
    }
    for (size_t done = 0, now; done < count; done += now) {
        now = count - done < engine->lanes ? count - done : engine->lanes;
        for (size_t i = 0; i < now; i++)
            memcpy(blocks[i], shares + (done + i) * RECEIPT_SHARE_BYTES, RECEIPT_SHARE_BYTES);
        engine->begin(&lanes, hasher->share.h);
        engine->blocks(&lanes, each, now);
        engine->digests(&lanes, hashes_r + done, now);
    }
}

/* `count` nodes over RECEIPT_ARITY children each. */
static void hash_full_nodes(const struct hasher *hasher, uint8_t (*children)[RECEIPT_HASH_BYTES],
                            size_t count, uint8_t (*hashes_r)[RECEIPT_HASH_BYTES])
{
    _Static_assert(RECEIPT_ARITY * RECEIPT_HASH_BYTES == 128, "two blocks");
    struct sha256_lanes lanes;
    uint8_t last[64];
    uint32_t schedule[64];
    const uint8_t *first[SHA256_LANES_MAX], *second[SHA256_LANES_MAX];
    const struct sha256_engine *engine = sha256_engine_for(count);
    pad(last, 0, RECEIPT_ARITY * RECEIPT_HASH_BYTES);
    sha256_schedule(last, schedule);
    for (size_t done = 0, now; done < count; done += now) {
        now = count - done < engine->lanes ? count - done : engine->lanes;
        for (size_t i = 0; i < now; i++) {
            first[i] = children[(done + i) * RECEIPT_ARITY];
            second[i] = first[i] + 64;
        }
        engine->begin(&lanes, hasher->node.h);
        engine->blocks(&lanes, first, now);
        engine->blocks(&lanes, second, now);
        engine->same_block(&lanes, schedule, now);
        engine->digests(&lanes, hashes_r + done, now);
    }
}

void receipt_tree_build(const uint8_t *shares, size_t count, uint8_t (*nodes_r)[RECEIPT_HASH_BYTES])
{
    struct hasher hasher;
    ASSERT(count >= 1 && count <= RECEIPT_SHARES_MAX);
    begin(&hasher);
    hash_shares(&hasher, shares, count, nodes_r);
    uint8_t(*level)[RECEIPT_HASH_BYTES] = nodes_r;
    for (size_t width = count; width > 1; width = above(width)) {
        uint8_t(*upper)[RECEIPT_HASH_BYTES] = level + width;
        size_t full = width / RECEIPT_ARITY, rest = width % RECEIPT_ARITY;
        if (full > 0)
            hash_full_nodes(&hasher, level, full, upper);
        if (rest == 1)
            memcpy(upper[full], level[full * RECEIPT_ARITY], RECEIPT_HASH_BYTES);
        else if (rest > 1)
            hash(&hasher.node, level[full * RECEIPT_ARITY], rest * RECEIPT_HASH_BYTES, upper[full]);
        level = upper;
    }
}

uint8_t receipt_tree_path(uint8_t (*nodes)[RECEIPT_HASH_BYTES], size_t count, size_t place,
                          uint8_t (*path_r)[RECEIPT_HASH_BYTES])
{
    ASSERT(place < count && count <= RECEIPT_SHARES_MAX);
    uint8_t length = 0;
    for (size_t width = count; width > 1; width = above(width)) {
        size_t first = place - place % RECEIPT_ARITY;
        for (size_t i = first; i < first + group_of(width, first); i++)
            if (i != place)
                memcpy(path_r[length++], nodes[i], RECEIPT_HASH_BYTES);
        nodes += width;
        place /= RECEIPT_ARITY;
    }
    return length;
}

bool receipt_check(const struct receipt *receipt)
{
    struct hasher hasher;
    uint8_t node[RECEIPT_HASH_BYTES], share[RECEIPT_SHARE_BYTES];
    size_t place = receipt->place, used = 0;
    if (receipt->slice.count == 0 || receipt->slice.count > RECEIPT_SHARES_MAX ||
        place >= receipt->slice.count)
        return false;
    begin(&hasher);
    receipt_share_put(receipt->slice.version, &receipt->share, share);
    hash(&hasher.share, share, sizeof share, node);
    for (size_t width = receipt->slice.count; width > 1; width = above(width)) {
        uint8_t children[RECEIPT_ARITY][RECEIPT_HASH_BYTES];
        size_t own = place % RECEIPT_ARITY, group = group_of(width, place - own);
        if (group - 1 > receipt->path_length - used)
            return false;
        for (size_t i = 0; i < group; i++)
            memcpy(children[i], i == own ? node : receipt->path[used++], RECEIPT_HASH_BYTES);
        if (group > 1)
            hash(&hasher.node, children[0], group * RECEIPT_HASH_BYTES, node);
        place /= RECEIPT_ARITY;
    }
    return used == receipt->path_length && memcmp(node, receipt->slice.root, sizeof node) == 0;
}
