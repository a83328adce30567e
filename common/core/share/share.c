#include "core/share/share.h"
#include "core/pow/sha256_lanes.h"

void share_ntime_bounds(const struct job *job, uint64_t now_ms, uint32_t *lowest_r,
                        uint32_t *highest_r)
{
    uint64_t latest = now_ms / 1000 + JOB_TIME_AHEAD_SECONDS;
    *lowest_r = job->min_time;
    *highest_r = latest < job->max_time ? (uint32_t)latest : job->max_time;
}

static bool ntime_is_allowed(const struct job *job, uint32_t ntime, uint64_t now_ms)
{
    uint32_t lowest, highest;
    share_ntime_bounds(job, now_ms, &lowest, &highest);
    return ntime >= lowest && ntime <= highest;
}

/* A submission without version bits is one with zero bits, as BIP 310 and the miners have it. */
static uint32_t rolled_bits(const struct share_submission *submission)
{
    return submission->has_version_bits ? submission->version_bits : 0;
}

uint32_t share_final_version(const struct job *job, const struct share_submission *submission)
{
    return job_final_version(job->version, share_version_mask(job, submission),
                             rolled_bits(submission));
}

static bool version_is_allowed(const struct job *job, const struct share_submission *submission)
{
    return (rolled_bits(submission) & ~share_version_mask(job, submission)) == 0;
}

/* Why a share whose header is known does not count; SHARE_ACCEPTED where it does. The order is
 * reference: what the gateway saw (who and whether) before what the chain says, before the miner's
 * choices, before the amount of work. */
static enum share_outcome judge(const struct job *job, enum share_tip tip,
                                const struct share_submission *submission, uint64_t now_ms,
                                struct u256 hash)
{
    if (submission->gateway_outcome != SHARE_ACCEPTED)
        return submission->gateway_outcome;
    if (tip == SHARE_TIP_STALE)
        return SHARE_STALE;
    if (!ntime_is_allowed(job, submission->ntime, now_ms))
        return SHARE_INVALID_NTIME;
    if (!version_is_allowed(job, submission))
        return SHARE_INVALID_VERSION;
    /* No work assigned is a gateway that never told the miner a difficulty: nothing to credit. */
    if (submission->work.expected_hashes == 0 || !difficulty_is_met(hash, submission->work))
        return SHARE_LOW_DIFFICULTY;
    return SHARE_ACCEPTED;
}

static enum share_outcome extranonces_form_a_header(const struct job *job,
                                                    const struct share_submission *submission)
{
    if (submission->extranonce1_bytes != job->extranonce1_bytes)
        return SHARE_MALFORMED;
    if (submission->extranonce2_bytes != job->extranonce2_bytes)
        return SHARE_INVALID_EXTRANONCE2;
    return SHARE_ACCEPTED;
}

static struct job_choice choice_of(const struct share_submission *submission, uint32_t version)
{
    return (struct job_choice){
        .extranonce1 = submission->extranonce1,
        .extranonce2 = submission->extranonce2,
        .ntime = submission->ntime,
        .nonce = submission->nonce,
        .version = version,
    };
}

/* Builds and hashes the header with this version. */
static void hash_header(const struct job_prepared *prepared,
                        const struct share_submission *submission, uint32_t version, void *scratch,
                        struct share_verdict *verdict)
{
    const struct job_choice choice = choice_of(submission, version);
    job_build_header(prepared, &choice, verdict->header);
    pow_hash(prepared->job->algorithm, verdict->header, scratch, verdict->hash);
}

static bool meets_network(const struct job *job, const struct share_verdict *verdict)
{
    return u256_compare(u256_load_le(verdict->hash), job->network_target) <= 0;
}

enum { OTHER_VERSIONS = 2 };

/* A miner that rolls bits it did not negotiate gets no credit, but it hashed *some* version, and if
 * that made a block it must not be lost: try the two ways firmware is known to apply the bits. On
 * true the verdict has that header, else it is untouched. */
static bool is_block_with_other_version(const struct job_prepared *prepared,
                                        const struct share_submission *submission, void *scratch,
                                        struct share_verdict *verdict)
{
    const struct job *job = prepared->job;
    uint32_t bits = rolled_bits(submission);
    const uint32_t versions[OTHER_VERSIONS] = {
        job_final_version(job->version, JOB_VERSION_MASK_BIP320, bits),
        job->version | bits,
    };
    for (size_t i = 0; i < OTHER_VERSIONS; i++) {
        struct share_verdict other = *verdict;
        hash_header(prepared, submission, versions[i], scratch, &other);
        if (meets_network(job, &other)) {
            *verdict = other;
            return true;
        }
    }
    return false;
}

uint32_t share_hashes(const struct job *job, const struct share_submission *submission)
{
    return version_is_allowed(job, submission) ? 1 : 1 + OTHER_VERSIONS;
}

/* Begins a verdict; true where there is a header to hash. */
static bool begin_verdict(const struct job *job, const struct share_submission *submission,
                          struct share_verdict *verdict_r)
{
    ASSERT(submission->job_id == job->id);
    memset(verdict_r, 0, sizeof *verdict_r);
    verdict_r->outcome = extranonces_form_a_header(job, submission);
    verdict_r->has_header = verdict_r->outcome == SHARE_ACCEPTED;
    if (!verdict_r->has_header && submission->gateway_outcome != SHARE_ACCEPTED)
        verdict_r->outcome = submission->gateway_outcome;
    return verdict_r->has_header;
}

/* Ends a verdict whose header and hash are there. */
static void end_verdict(const struct job_prepared *prepared, enum share_tip tip,
                        const struct share_submission *submission, uint64_t now_ms, void *scratch,
                        struct share_verdict *verdict)
{
    const struct job *job = prepared->job;
    verdict->is_block = meets_network(job, verdict);
    verdict->outcome = judge(job, tip, submission, now_ms, u256_load_le(verdict->hash));
    if (!verdict->is_block && !version_is_allowed(job, submission))
        verdict->is_block = is_block_with_other_version(prepared, submission, scratch, verdict);
    if (verdict->outcome == SHARE_ACCEPTED)
        verdict->credited = submission->work;
}

void share_check(const struct job_prepared *prepared, enum share_tip tip,
                 const struct share_submission *submission, uint64_t now_ms, void *scratch,
                 struct share_verdict *verdict_r)
{
    const struct job *job = prepared->job;
    if (!begin_verdict(job, submission, verdict_r))
        return;
    hash_header(prepared, submission, share_final_version(job, submission), scratch, verdict_r);
    end_verdict(prepared, tip, submission, now_ms, scratch, verdict_r);
}

/* How many go through the hashing together: enough for any of its engines. */
enum { TOGETHER = SHA256_LANES_MAX };

/* Headers of those that stand together and have one job are built together. */
static void build_headers(const struct job_prepared *const *jobs, const struct job_choice *choices,
                          size_t lanes, uint8_t (*headers_r)[POW_HEADER_BYTES])
{
    for (size_t from = 0, end; from < lanes; from = end) {
        for (end = from + 1; end < lanes && jobs[end] == jobs[from];)
            end++;
        job_build_headers(jobs[from], choices + from, end - from, headers_r + from);
    }
}

void share_check_many(const struct job_prepared *const *jobs, enum share_tip tip,
                      const struct share_submission *submissions, size_t count, uint64_t now_ms,
                      void *scratch, struct share_verdict *verdicts_r)
{
    for (size_t next = 0; next < count;) {
        const struct job_prepared *lane_jobs[TOGETHER];
        struct job_choice choices[TOGETHER];
        uint8_t headers[TOGETHER][POW_HEADER_BYTES], hashes[TOGETHER][POW_HASH_BYTES];
        size_t from[TOGETHER], lanes = 0;
        for (; next < count && lanes < TOGETHER; next++) {
            const struct share_submission *submission = &submissions[next];
            const struct job *job = jobs[next]->job;
            ASSERT(job->algorithm == jobs[0]->job->algorithm);
            if (!begin_verdict(job, submission, &verdicts_r[next]))
                continue;
            choices[lanes] = choice_of(submission, share_final_version(job, submission));
            lane_jobs[lanes] = jobs[next];
            from[lanes++] = next;
        }
        build_headers(lane_jobs, choices, lanes, headers);
        pow_hash_many(jobs[0]->job->algorithm, (const uint8_t(*)[POW_HEADER_BYTES])headers, lanes,
                      scratch, hashes);
        for (size_t i = 0; i < lanes; i++) {
            struct share_verdict *verdict = &verdicts_r[from[i]];
            memcpy(verdict->header, headers[i], sizeof headers[i]);
            memcpy(verdict->hash, hashes[i], sizeof hashes[i]);
            end_verdict(lane_jobs[i], tip, &submissions[from[i]], now_ms, scratch, verdict);
        }
    }
}

struct share_key share_key_of(const struct job *job, const struct share_submission *submission)
{
    struct share_key key = { { 0 } };
    ASSERT(submission->extranonce1_bytes == job->extranonce1_bytes &&
           submission->extranonce2_bytes == job->extranonce2_bytes);
    memcpy(key.bytes, submission->extranonce1, submission->extranonce1_bytes);
    memcpy(key.bytes + 8, submission->extranonce2, submission->extranonce2_bytes);
    store_le32(key.bytes + 24, submission->ntime);
    store_le32(key.bytes + 28, submission->nonce);
    store_le32(key.bytes + 32, share_final_version(job, submission));
    store_le64(key.bytes + 36, job->id);
    return key;
}
