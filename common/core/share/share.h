/* The verdict on a share: is it a block, does it count, and for how much.
 *
 * Pure: the job, the submission, the time and scratch memory go in, the verdict comes out. Any
 * thread. The order of the checks is part of the rule: the block test comes before everything else,
 * because a hash that meets the network's target is a block however late, unauthorised or odd the
 * share is. Duplicates are not judged here: only the gateway that owns an extranonce1 sees all of
 * its shares, and it keys them by share_key_of. */
#pragma once
#include "core/difficulty/difficulty.h"
#include "core/job/job.h"
#include "core/share/outcome.h"

struct share_submission {
    uint64_t job_id;
    uint64_t account_id; /* 0 where the miner is not authorised */
    uint64_t worker_id;
    struct work work;     /* the session's for this job; what the share is credited */
    uint64_t received_ms; /* Unix time at the gateway */
    uint32_t ntime;
    uint32_t nonce;
    uint32_t version_bits; /* as sent; 0 where has_version_bits is false */
    uint32_t version_mask; /* negotiated by the session; 0 where none was */
    bool has_version_bits;
    uint8_t shape; /* enum job_shape: the coinbase this session had of the job */
    uint8_t extranonce1_bytes;
    uint8_t extranonce2_bytes;
    uint8_t extranonce1[JOB_EXTRANONCE1_BYTES_MAX];
    uint8_t extranonce2[JOB_EXTRANONCE2_BYTES_MAX];
    /* Why the gateway would refuse it (unauthorised, …); SHARE_ACCEPTED where it sees no reason. It
     * travels on, because it may still be a block. */
    enum share_outcome gateway_outcome;
};

/* How the job's previous block stands to the best chain now. */
enum share_tip {
    SHARE_TIP_CURRENT = 0, /* it is the tip */
    SHARE_TIP_GRACE = 1,   /* it was the tip until a moment ago: still credited */
    SHARE_TIP_STALE = 2,   /* it is not the tip any more */
};

struct share_verdict {
    enum share_outcome outcome;
    bool is_block;        /* hash ≤ network target, whatever the outcome */
    bool has_header;      /* false only where no header can be formed (extranonce lengths) */
    struct work credited; /* the submission's work where accepted, else 0 */
    uint8_t hash[POW_HASH_BYTES];     /* proof-of-work hash, internal order */
    uint8_t header[POW_HEADER_BYTES]; /* as hashed */
};

/* Fills *verdict_r. scratch as for pow_hash (borrowed during the call). The submission must be for
 * this job (its job_id; a bug otherwise), and the job prepared in the submission's shape. */
void share_check(const struct job_prepared *job, enum share_tip tip,
                 const struct share_submission *submission, uint64_t now_ms, void *scratch,
                 struct share_verdict *verdict_r);

/* How many header hashes that verdict takes at the most (1 or more): what a share costs. */
uint32_t share_hashes(const struct job *job, const struct share_submission *submission);

/* share_check for any number of submissions, several hashed at once: verdicts_r[i] is that of
 * submissions[i], which is for jobs[i]. All jobs must have one algorithm; those of one job and
 * shape stand best together. */
void share_check_many(const struct job_prepared *const *jobs, enum share_tip tip,
                      const struct share_submission *submissions, size_t count, uint64_t now_ms,
                      void *scratch, struct share_verdict *verdicts_r);

/* The lowest and highest ntime a share of this job may have at that time. */
void share_ntime_bounds(const struct job *job, uint64_t now_ms, uint32_t *lowest_r,
                        uint32_t *highest_r);

/* The bits a session may roll on this job: what it negotiated and the job allows. */
static inline uint32_t share_version_mask(const struct job *job,
                                          const struct share_submission *submission)
{
    return submission->version_mask & job->version_mask;
}

/* The version in the submission's header: BIP 310's rule over that mask. */
uint32_t share_final_version(const struct job *job, const struct share_submission *submission);

/* The free parts of a header in binary: two submissions of one header have equal keys. The worker's
 * name is no part of it, nor is the coinbase's shape: that is the session's at a time, so no miner
 * can vary it to make two keys of one header, and where it has changed under way, the job came
 * again with a later ntime. Compare and hash all bytes. */
#define SHARE_KEY_BYTES 44
struct share_key {
    uint8_t bytes[SHARE_KEY_BYTES];
};
/* The submission's key; its extranonces must have the job's lengths. */
struct share_key share_key_of(const struct job *job, const struct share_submission *submission);
