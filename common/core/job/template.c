#include "core/job/template.h"
#include "core/pow/sha256_lanes.h"

enum { TEMPLATE_MERKLE_MANY = 32 };

/* A binary counter over the leaves, of which the coinbase is leaf 0: waiting[l] is a finished
 * subtree of 2^l leaves whose right sibling is not there yet. The sibling of the subtree that holds
 * the coinbase goes no further up: it is the branch of its level. */
void template_merkle_begin(struct template_merkle *merkle)
{
    merkle->count = 0;
}

void template_merkle_add(struct template_merkle *merkle, const uint8_t txid[TEMPLATE_HASH_BYTES])
{
    uint8_t pair[2 * TEMPLATE_HASH_BYTES], *left = pair, *right = pair + TEMPLATE_HASH_BYTES;
    ASSERT(merkle->count < TEMPLATE_TRANSACTIONS_MAX);
    size_t leaf = ++merkle->count;
    memcpy(right, txid, TEMPLATE_HASH_BYTES);
    unsigned level = 0;
    for (; (leaf >> level & 1) != 0; level++) {
        if (leaf >> level == 1) {
            memcpy(merkle->branches[level], right, TEMPLATE_HASH_BYTES);
            return;
        }
        memcpy(left, merkle->waiting[level], TEMPLATE_HASH_BYTES);
        sha256d_pair(pair, right);
    }
    memcpy(merkle->waiting[level], right, TEMPLATE_HASH_BYTES);
}

/* One row: `count` nodes from this place on, at least one. What pairs up goes into the row above,
 * in place; returns its number. */
static size_t add_row(struct template_merkle *merkle, unsigned level, size_t place,
                      uint8_t (*nodes)[TEMPLATE_HASH_BYTES], size_t count)
{
    uint8_t pairs[TEMPLATE_MERKLE_MANY / 2 + 1][2 * TEMPLATE_HASH_BYTES];
    size_t pairs_count = 0, i = 0;
    if (place == 1) {
        memcpy(merkle->branches[level], nodes[i++], TEMPLATE_HASH_BYTES);
    } else if (place % 2 == 1) {
        memcpy(pairs[0], merkle->waiting[level], TEMPLATE_HASH_BYTES);
        memcpy(pairs[pairs_count++] + TEMPLATE_HASH_BYTES, nodes[i++], TEMPLATE_HASH_BYTES);
    }
    for (; i + 1 < count; i += 2)
        memcpy(pairs[pairs_count++], nodes[i], 2 * TEMPLATE_HASH_BYTES);
    if (i < count)
        memcpy(merkle->waiting[level], nodes[i], TEMPLATE_HASH_BYTES);
    sha256d_pairs((const uint8_t(*)[2 * TEMPLATE_HASH_BYTES]) pairs, pairs_count, nodes);
    return pairs_count;
}

void template_merkle_add_many(struct template_merkle *merkle,
                              const uint8_t (*txids)[TEMPLATE_HASH_BYTES], size_t count)
{
    uint8_t nodes[TEMPLATE_MERKLE_MANY][TEMPLATE_HASH_BYTES];
    ASSERT(count <= TEMPLATE_TRANSACTIONS_MAX - merkle->count);
    while (count > 0) {
        size_t n = count < TEMPLATE_MERKLE_MANY ? count : TEMPLATE_MERKLE_MANY;
        size_t place = merkle->count + 1;
        memcpy(nodes, txids, n * sizeof *nodes);
        merkle->count += n;
        txids += n;
        count -= n;
        /* The first of the row above stands where the first of its pairs does. */
        for (unsigned level = 0; n > 0; level++, place = (place + (place == 1)) / 2)
            n = add_row(merkle, level, place, nodes, n);
    }
}

/* The last branch is a subtree that may lack leaves: the last node of a row without a sibling is
 * paired with itself, as consensus has it. */
size_t template_merkle_end(struct template_merkle *merkle,
                           uint8_t branches_r[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES])
{
    uint8_t pair[2 * TEMPLATE_HASH_BYTES], *left = pair, *right = pair + TEMPLATE_HASH_BYTES;
    size_t leaves = merkle->count + 1;
    unsigned levels = 0;
    while ((size_t)1 << levels < leaves)
        levels++;
    if ((leaves & (leaves - 1)) != 0) {
        unsigned lowest = (unsigned)__builtin_ctzll(leaves);
        memcpy(right, merkle->waiting[lowest], TEMPLATE_HASH_BYTES);
        for (unsigned level = lowest; level < levels - 1; level++) {
            bool sibling = level > lowest && (leaves >> level & 1) != 0;
            memcpy(left, sibling ? merkle->waiting[level] : right, TEMPLATE_HASH_BYTES);
            sha256d_pair(pair, right);
        }
        memcpy(merkle->branches[levels - 1], right, TEMPLATE_HASH_BYTES);
    }
    memcpy(branches_r, merkle->branches, levels * sizeof merkle->branches[0]);
    return levels;
}

size_t template_merkle_branches(const struct template_transaction *transactions, size_t count,
                                uint8_t branches_r[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES])
{
    struct template_merkle merkle;
    template_merkle_begin(&merkle);
    for (size_t i = 0; i < count; i++)
        template_merkle_add(&merkle, transactions[i].txid);
    return template_merkle_end(&merkle, branches_r);
}

void template_merkle_root(const uint8_t coinbase_txid[TEMPLATE_HASH_BYTES],
                          const uint8_t (*branches)[TEMPLATE_HASH_BYTES], size_t branches_count,
                          uint8_t root_r[TEMPLATE_HASH_BYTES])
{
    uint8_t pair[2 * TEMPLATE_HASH_BYTES];
    memcpy(pair, coinbase_txid, TEMPLATE_HASH_BYTES);
    for (size_t i = 0; i < branches_count; i++) {
        memcpy(pair + TEMPLATE_HASH_BYTES, branches[i], TEMPLATE_HASH_BYTES);
        sha256d_pair(pair, pair);
    }
    memcpy(root_r, pair, TEMPLATE_HASH_BYTES);
}

size_t template_varint(uint64_t value, uint8_t bytes_r[TEMPLATE_VARINT_BYTES_MAX])
{
    if (value < 0xfd) {
        bytes_r[0] = (uint8_t)value;
        return 1;
    }
    if (value <= UINT16_MAX) {
        bytes_r[0] = 0xfd;
        store_le16(bytes_r + 1, (uint16_t)value);
        return 3;
    }
    if (value <= UINT32_MAX) {
        bytes_r[0] = 0xfe;
        store_le32(bytes_r + 1, (uint32_t)value);
        return 5;
    }
    bytes_r[0] = 0xff;
    store_le64(bytes_r + 1, value);
    return 9;
}

size_t template_block_bytes(const struct template_transaction *transactions, size_t count,
                            struct span coinbase, struct span mweb)
{
    uint8_t varint[TEMPLATE_VARINT_BYTES_MAX];
    size_t bytes = 80 + template_varint(count + 1, varint) + coinbase.length;
    for (size_t i = 0; i < count; i++)
        bytes += transactions[i].data.length;
    return mweb.length > 0 ? bytes + 1 + mweb.length : bytes;
}

static uint8_t *append(uint8_t *at, struct span bytes)
{
    if (bytes.length > 0)
        memcpy(at, bytes.data, bytes.length);
    return at + bytes.length;
}

size_t template_block_serialize(const uint8_t header[80],
                                const struct template_transaction *transactions, size_t count,
                                struct span coinbase, struct span mweb, uint8_t *block_r,
                                size_t capacity)
{
    size_t bytes = template_block_bytes(transactions, count, coinbase, mweb);
    ASSERT(bytes <= capacity);
    uint8_t *at = append(block_r, span_of(header, 80));
    at += template_varint(count + 1, at);
    at = append(at, coinbase);
    for (size_t i = 0; i < count; i++)
        at = append(at, transactions[i].data);
    if (mweb.length > 0) { /* an optional: 1, then the extension block (LIP-0002) */
        *at++ = 1;
        at = append(at, mweb);
    }
    ASSERT((size_t)(at - block_r) == bytes);
    return bytes;
}
