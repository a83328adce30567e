/* The headers of several shares of one job and shape in lock step. All their coinbases have the
 * same length and differ only in the extranonces, so of the blocks behind the prepared hash of
 * coinbase1
 *
 *   … end of coinbase1 │ extranonce1 ‖ extranonce2 │ coinbase2 … │ 0x80 0 … 0 length
 *                       └ one or two blocks differ ┘ └──── the same for every share ────┘
 *
 * those behind the extranonces are hashed with one message schedule, and the merkle branch, which
 * they share too, goes from digest to digest without leaving the lanes. */
#include "core/job/lanes.h"
#include "core/pow/sha256_lanes.h"

enum {
    TAIL_BYTES_MAX = 64 + JOB_EXTRANONCE1_BYTES_MAX + JOB_EXTRANONCE2_BYTES_MAX +
                     JOB_COINBASE_PART_BYTES_MAX + 9 + 63,
};

/* The message behind the prepared state, with the padding, and zeros for the extranonces. */
struct tail {
    uint8_t bytes[TAIL_BYTES_MAX];
    size_t length;          /* a multiple of 64 */
    size_t extranonces_at;  /* in the first block */
    size_t extranonces_end; /* in the first or the second */
};

static void write_tail(const struct job_prepared *prepared, struct tail *tail_r)
{
    const struct job *job = prepared->job;
    const struct sha256_state *state = &prepared->coinbase1;
    uint64_t message_bytes = state->length_bytes + job->extranonce1_bytes + job->extranonce2_bytes +
                             prepared->coinbase2.length;
    tail_r->extranonces_at = state->length_bytes % 64;
    tail_r->extranonces_end =
        tail_r->extranonces_at + job->extranonce1_bytes + job->extranonce2_bytes;
    size_t end = tail_r->extranonces_end + prepared->coinbase2.length;
    tail_r->length = (end + 9 + 63) / 64 * 64;
    memset(tail_r->bytes, 0, tail_r->length);
    memcpy(tail_r->bytes, state->block, tail_r->extranonces_at);
    memcpy(tail_r->bytes + tail_r->extranonces_end, prepared->coinbase2.data,
           prepared->coinbase2.length);
    tail_r->bytes[end] = 0x80;
    store_be64(tail_r->bytes + tail_r->length - 8, message_bytes * 8);
}

static void hash_coinbases(const struct job_prepared *prepared, const struct tail *tail,
                           const struct job_choice *choices, size_t count,
                           const struct sha256_engine *engine, struct sha256_lanes *lanes)
{
    const struct job *job = prepared->job;
    const size_t own_bytes = (tail->extranonces_end + 63) / 64 * 64; /* 64 or 128 */
    uint8_t own[SHA256_LANES_MAX][128];
    const uint8_t *blocks[SHA256_LANES_MAX];
    uint32_t schedule[64];
    for (size_t i = 0; i < count; i++) {
        uint8_t *extranonces = own[i] + tail->extranonces_at;
        memcpy(own[i], tail->bytes, own_bytes);
        memcpy(extranonces, choices[i].extranonce1, job->extranonce1_bytes);
        memcpy(extranonces + job->extranonce1_bytes, choices[i].extranonce2,
               job->extranonce2_bytes);
    }
    engine->begin(lanes, prepared->coinbase1.h);
    for (size_t at = 0; at < own_bytes; at += 64) {
        for (size_t i = 0; i < count; i++)
            blocks[i] = own[i] + at;
        engine->blocks(lanes, blocks, count);
    }
    for (size_t at = own_bytes; at < tail->length; at += 64) {
        sha256_schedule(tail->bytes + at, schedule);
        engine->same_block(lanes, schedule, count);
    }
    engine->redigest(lanes, count);
}

void job_build_headers(const struct job_prepared *prepared, const struct job_choice *choices,
                       size_t count, uint8_t (*headers_r)[POW_HEADER_BYTES])
{
    const struct job *job = prepared->job;
    struct tail tail;
    if (count > 1)
        write_tail(prepared, &tail);
    while (count > 1) {
        const struct sha256_engine *engine = sha256_engine_for(count);
        const size_t part = count < engine->lanes ? count : engine->lanes;
        struct sha256_lanes lanes;
        uint8_t roots[SHA256_LANES_MAX][32];
        hash_coinbases(prepared, &tail, choices, part, engine, &lanes);
        for (size_t i = 0; i < job->branches_count; i++)
            engine->merkle(&lanes, job->branches[i], part);
        engine->digests(&lanes, roots, part);
        for (size_t i = 0; i < part; i++)
            job_write_header(job, &choices[i], roots[i], headers_r[i]);
        choices += part;
        headers_r += part;
        count -= part;
    }
    if (count == 1)
        job_build_header(prepared, choices, headers_r[0]);
}
