/* A job: one thing to mine, as the scheduler publishes it and gateways and validators keep it. A
 * plain value with everything inline (about 4.9 KB), so it can be copied, cached and compared.
 *
 * A share's coinbase is coinbase1 ‖ extranonce1 ‖ extranonce2 ‖ coinbase2, in the non-witness
 * serialization whose sha256d is its txid. Its input script is
 *     height push (BIP 34) ‖ 8-byte push of the job value ‖ push of the pool tag ‖
 *     push of extranonce1 ‖ extranonce2
 * and the job value, never used twice by one deployment, is what makes any two jobs' headers differ
 * whatever else they share.
 *
 * Miners that garble a long coinbase, or crash on it, get the same job with a shorter one (enum
 * job_shape). No two shapes of a job have the same length, so none of their headers are equal.
 *
 * Pure; no memory but the caller's; any thread. Hashes are in internal order. */
#pragma once
#include "core/address/address.h"
#include "core/job/template.h"
#include "core/pow/pow.h"
#include "core/pow/sha256.h"

#define JOB_COINBASE_PART_BYTES_MAX 1024
#define JOB_SHORTER_PART_BYTES_MAX 512
#define JOB_EXTRANONCE1_BYTES_MAX 8
#define JOB_EXTRANONCE2_BYTES_MAX 16
#define JOB_POOL_TAG_BYTES_MAX 40
#define JOB_OUTPUTS_MAX 16
#define JOB_SCRIPT_SIG_BYTES_MAX 100 /* consensus */
#define JOB_VERSION_MASK_BIP320 0x1fffe000u
#define JOB_TIME_AHEAD_SECONDS 7200u /* consensus: a block's time ≤ a node's clock + this */
/* Longest coinbase with its witness. */
#define JOB_COINBASE_BYTES_MAX                                                                     \
    (2 * JOB_COINBASE_PART_BYTES_MAX + JOB_EXTRANONCE1_BYTES_MAX + JOB_EXTRANONCE2_BYTES_MAX + 36)

/* What a coinbase carries; each is shorter than the one before it. The values are those of the
 * wire: never renumber. */
enum job_shape {
    JOB_SHAPE_FULL = 0,     /* everything */
    JOB_SHAPE_UNTAGGED = 1, /* not the pool's tag */
    JOB_SHAPE_LEAST = 2,    /* nor outputs of value 0, but for the witness commitment */
    JOB_SHAPES = 3,
};

/* A shorter coinbase, before and behind the extranonces; 0 bytes: it was not made, because it would
 * be no shorter than the one before, or does not fit. */
struct job_shorter {
    uint16_t coinbase1_bytes;
    uint16_t coinbase2_bytes;
    uint8_t coinbase1[JOB_SHORTER_PART_BYTES_MAX];
    uint8_t coinbase2[JOB_SHORTER_PART_BYTES_MAX];
};

struct job {
    uint64_t id;          /* unique over restarts of the whole deployment */
    uint64_t epoch;       /* of the scheduler that made it; receivers ignore lower ones */
    uint64_t template_id; /* jobs of one template share its transactions */
    uint32_t height;
    enum pow_algorithm algorithm;
    uint8_t prev_hash[TEMPLATE_HASH_BYTES];
    uint8_t coinbase1[JOB_COINBASE_PART_BYTES_MAX];
    uint8_t coinbase2[JOB_COINBASE_PART_BYTES_MAX];
    uint16_t coinbase1_bytes;
    uint16_t coinbase2_bytes;
    struct job_shorter shorter[JOB_SHAPES - 1]; /* by shape, from JOB_SHAPE_UNTAGGED on */
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
    uint8_t branches_count;
    uint8_t extranonce1_bytes; /* 1 to 8 */
    uint8_t extranonce2_bytes; /* 1 to 16 */
    bool clean;                /* miners drop what they had: it builds on another block */
    bool witness;              /* the block's coinbase carries the 32-byte reserved witness value */
    uint32_t version;
    uint32_t version_mask; /* bits miners may roll (BIP 310); 0 for none */
    uint32_t bits;
    uint32_t cur_time;       /* the template's; what miners start from */
    uint32_t min_time;       /* lowest ntime: median time past + 1 */
    uint32_t max_time;       /* highest ntime: cur_time + 7200 */
    uint64_t coinbase_value; /* base units, the sum of its outputs */
    struct u256 network_target;
};

struct job_output {
    struct span script;
    uint64_t value; /* base units */
};

struct job_params {
    uint64_t id, epoch, template_id;
    uint64_t job_value; /* unique per job of the deployment; the id itself will do */
    enum pow_algorithm algorithm;
    uint32_t version_mask;
    uint8_t extranonce1_bytes;
    uint8_t extranonce2_bytes;
    bool clean;
    struct span pool_tag;             /* borrowed during the call; at most 40 bytes */
    const struct job_output *outputs; /* values must sum to the template's coinbase_value */
    size_t outputs_count;             /* 1 to JOB_OUTPUTS_MAX */
};

/* X(enum name, sentence) */
#define JOB_OUTCOMES(X)                                                                            \
    X(JOB_OK, "the job is valid")                                                                  \
    X(JOB_BAD_EXTRANONCE, "extranonce1 must have 1 to 8 bytes and extranonce2 1 to 16")            \
    X(JOB_BAD_TAG, "the pool tag does not fit into the coinbase's input script")                   \
    X(JOB_BAD_OUTPUTS, "the coinbase outputs do not sum to the coinbase value")                    \
    X(JOB_TOO_LONG, "the coinbase is longer than 1024 bytes on a side of the extranonce")          \
    X(JOB_TOO_MANY_TRANSACTIONS, "the template has more than 65535 transactions")                  \
    X(JOB_BAD_TARGET, "the template's target does not match its compact bits")                     \
    X(JOB_BAD_TIMES, "the template's current time is before its minimum time")

enum job_outcome {
#define X(name, text) name,
    JOB_OUTCOMES(X)
#undef X
};

const char *job_outcome_text(enum job_outcome outcome);

/* The job of a template; JOB_OK, or why not with *job_r undefined. Nothing of the inputs is kept.
 */
MUST_CHECK enum job_outcome job_from_template(const struct block_template *template,
                                              const struct job_params *params, struct job *job_r);

/* True where every count and length of a job from outside is within its bounds and bits, target and
 * times agree; a job that fails this must not be used. */
MUST_CHECK bool job_verify(const struct job *job);

/* BIP 34: the height as CScript() << height writes it; returns the bytes written (1 to 6). */
#define JOB_HEIGHT_PUSH_BYTES_MAX 6
size_t job_height_push(uint32_t height, uint8_t push_r[JOB_HEIGHT_PUSH_BYTES_MAX]);

/* A coinbase before and behind its extranonces, borrowed from the job. */
struct job_coinbase {
    struct span before, behind;
};

/* The coinbase of that shape; false, with *coinbase_r undefined, where the job has none. */
MUST_CHECK bool job_coinbase(const struct job *job, unsigned shape,
                             struct job_coinbase *coinbase_r);

/* Its bytes with the extranonces, without a witness: what a miner has to hold; 0 where the job has
 * none of that shape. */
size_t job_coinbase_bytes(const struct job *job, unsigned shape);

/* The fullest shape of at most that many bytes; JOB_SHAPES where none is that short. */
unsigned job_shape_within(const struct job *job, size_t coinbase_bytes_max);

/* A job of one shape with the hash of its coinbase1 kept, so that a share costs only what it
 * changes. Borrows the job, which must not change meanwhile. */
struct job_prepared {
    const struct job *job;
    struct span coinbase2;
    struct sha256_state coinbase1;
};
/* The job must have that shape (a bug otherwise). */
void job_prepare(const struct job *job, unsigned shape, struct job_prepared *prepared_r);

/* What a miner chooses. The extranonces have the lengths the job says. */
struct job_choice {
    const uint8_t *extranonce1;
    const uint8_t *extranonce2;
    uint32_t ntime;
    uint32_t nonce;
    uint32_t version; /* final, after version rolling: job_final_version */
};

/* (job version and not mask) or (bits and mask), as BIP 310 has it. */
static inline uint32_t job_final_version(uint32_t job_version, uint32_t mask, uint32_t bits)
{
    return (job_version & ~mask) | (bits & mask);
}

/* The header of a share, ready to be hashed. */
void job_build_header(const struct job_prepared *prepared, const struct job_choice *choice,
                      uint8_t header_r[POW_HEADER_BYTES]);

/* The same for any number of shares of the job, several in lock step (core/pow/sha256_lanes.h):
 * headers_r[i] is that of choices[i]. */
void job_build_headers(const struct job_prepared *prepared, const struct job_choice *choices,
                       size_t count, uint8_t (*headers_r)[POW_HEADER_BYTES]);

/* The coinbase of that shape as a block carries it (with its witness where job->witness); returns
 * its length, at most JOB_COINBASE_BYTES_MAX. The job must have that shape (a bug otherwise). */
size_t job_coinbase_for_block(const struct job *job, unsigned shape, const uint8_t *extranonce1,
                              const uint8_t *extranonce2,
                              uint8_t coinbase_r[JOB_COINBASE_BYTES_MAX]);
