/* Many messages, several at once: in each round every lane takes a block of its own message. Lanes
 * go in step, so messages are put together by length; one that ends early gives its digest and
 * then goes on with blocks that mean nothing. */
#include "core/pow/sha256_engines.h"
#include "core/pow/sha256_lanes.h"

enum { BLOCK_BYTES = 64, GROUP_MAX = 64 };

/* A message as blocks: the whole ones where they are, then one or two with the padding. */
struct padded {
    const uint8_t *data;
    size_t whole, blocks;
    uint8_t tail[2 * BLOCK_BYTES];
};

static void pad(struct span message, struct padded *padded_r)
{
    size_t left = message.length % BLOCK_BYTES;
    padded_r->data = message.data;
    padded_r->whole = message.length / BLOCK_BYTES;
    padded_r->blocks = padded_r->whole + (left + 9 > BLOCK_BYTES ? 2 : 1);
    size_t tail_bytes = (padded_r->blocks - padded_r->whole) * BLOCK_BYTES;
    memset(padded_r->tail, 0, tail_bytes);
    if (left > 0)
        memcpy(padded_r->tail, message.data + message.length - left, left);
    padded_r->tail[left] = 0x80;
    store_be64(padded_r->tail + tail_bytes - 8, 8 * (uint64_t)message.length);
}

static const uint8_t *block_at(const struct padded *padded, size_t block)
{
    if (block < padded->whole)
        return padded->data + block * BLOCK_BYTES;
    /* Behind its end any block does. */
    return padded->tail + (block < padded->blocks ? block - padded->whole : 0) * BLOCK_BYTES;
}

/* At most as many as the engine has lanes, the longest first; hash_at[i] is where the i-th digest
 * goes. */
static void hash_lanes(const struct sha256_engine *engine, const struct padded *padded,
                       size_t count, uint8_t *const *hash_at)
{
    struct sha256_lanes lanes;
    uint8_t digests[SHA256_LANES_MAX][32];
    engine->begin(&lanes, sha256_initial_state);
    for (size_t block = 0, left = count; left > 0; block++) {
        const uint8_t *blocks[SHA256_LANES_MAX];
        for (size_t i = 0; i < count; i++)
            blocks[i] = block_at(&padded[i], block);
        engine->blocks(&lanes, blocks, count);
        if (padded[left - 1].blocks != block + 1)
            continue;
        engine->digests(&lanes, digests, count);
        for (; left > 0 && padded[left - 1].blocks == block + 1; left--)
            memcpy(hash_at[left - 1], digests[left - 1], 32);
    }
}

/* order_r: the longest first. */
static void sort(const struct span *messages, size_t count, size_t *order_r)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && messages[order_r[at - 1]].length < messages[i].length; at--)
            order_r[at] = order_r[at - 1];
        order_r[at] = i;
    }
}

static void hash_group(const struct span *messages, size_t count, uint8_t (*hashes_r)[32])
{
    size_t order[GROUP_MAX];
    sort(messages, count, order);
    for (size_t done = 0; done < count;) {
        const struct sha256_engine *engine = sha256_engine_for(count - done);
        struct padded padded[SHA256_LANES_MAX];
        uint8_t *hash_at[SHA256_LANES_MAX];
        size_t n = count - done < engine->lanes ? count - done : engine->lanes;
        for (size_t i = 0; i < n; i++) {
            pad(messages[order[done + i]], &padded[i]);
            hash_at[i] = hashes_r[order[done + i]];
        }
        hash_lanes(engine, padded, n, hash_at);
        done += n;
    }
}

void sha256d_many(const struct span *messages, size_t count, uint8_t (*hashes_r)[32])
{
    for (size_t done = 0; done < count;) {
        struct span again[GROUP_MAX];
        uint8_t first[GROUP_MAX][32];
        size_t n = count - done < GROUP_MAX ? count - done : GROUP_MAX;
        hash_group(messages + done, n, first);
        for (size_t i = 0; i < n; i++)
            again[i] = span_of(first[i], 32);
        hash_group(again, n, hashes_r + done);
        done += n;
    }
}

void sha256d_pairs(const uint8_t (*pairs)[64], size_t count, uint8_t (*hashes_r)[32])
{
    for (size_t done = 0; done < count;) {
        const struct sha256_engine *engine = sha256_engine_for(count - done);
        struct sha256_lanes lanes;
        const uint8_t *blocks[SHA256_LANES_MAX];
        size_t n = count - done < engine->lanes ? count - done : engine->lanes;
        for (size_t i = 0; i < n; i++)
            blocks[i] = pairs[done + i];
        engine->begin(&lanes, sha256_initial_state);
        engine->blocks(&lanes, blocks, n);
        engine->same_block(&lanes, sha256_padding_schedule, n);
        engine->redigest(&lanes, n);
        engine->digests(&lanes, hashes_r + done, n);
        done += n;
    }
}
