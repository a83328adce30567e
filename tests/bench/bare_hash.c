/* What hashing a share costs; see bare.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the low-level calls are the fast ones */
#include "bare.h"

#include "core/share/share.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { CHUNK = 1000, TOGETHER = 256 };

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void make_job(unsigned transactions, struct job *job_r)
{
    static const uint8_t script[22] = { 0x00, 0x14 }, commitment[38] = { 0x6a, 0x24 };
    const struct job_output output = { span_of(script, sizeof script), 312500000 };
    struct template_transaction *list = calloc(transactions + 1, sizeof *list);
    ASSERT(list != NULL);
    for (uint32_t i = 0; i < transactions; i++)
        store_le32(list[i].txid, i);
    struct block_template template = { .height = 840000,
                                       .version = 0x20000000,
                                       .bits = 0x170331db,
                                       .cur_time = 1700000000,
                                       .min_time = 1699999000,
                                       .coinbase_value = 312500000,
                                       .witness_commitment = span_of(commitment, sizeof commitment),
                                       .transactions = list,
                                       .transactions_count = transactions };
    const struct job_params params = { .id = 1,
                                       .job_value = 1,
                                       .algorithm = POW_SHA256D,
                                       .extranonce1_bytes = 4,
                                       .extranonce2_bytes = 8,
                                       .pool_tag = span_text("/adit/"),
                                       .outputs = &output,
                                       .outputs_count = 1 };
    ASSERT(difficulty_target_from_bits(template.bits, &template.network_target));
    ASSERT(job_from_template(&template, &params, job_r) == JOB_OK);
    free(list);
}

static void double_hash(SHA256_CTX *first, uint8_t hash_r[32])
{
    SHA256_CTX second;
    uint8_t digest[32];
    SHA256_Final(digest, first);
    SHA256_Init(&second);
    SHA256_Update(&second, digest, sizeof digest);
    SHA256_Final(hash_r, &second);
}

/* Coinbase, merkle root, header: nothing is kept from one share to the next. */
static void hash_share(const struct job *job, uint64_t extranonce2, uint32_t nonce,
                       uint8_t hash_r[32])
{
    SHA256_CTX context;
    uint8_t extranonce[12] = { 0 }, pair[64], header[80] = { 0 };
    store_le64(extranonce + 4, extranonce2);
    SHA256_Init(&context);
    SHA256_Update(&context, job->coinbase1, job->coinbase1_bytes);
    SHA256_Update(&context, extranonce, sizeof extranonce);
    SHA256_Update(&context, job->coinbase2, job->coinbase2_bytes);
    double_hash(&context, pair);
    for (unsigned i = 0; i < job->branches_count; i++) {
        memcpy(pair + 32, job->branches[i], 32);
        SHA256_Init(&context);
        SHA256_Update(&context, pair, sizeof pair);
        double_hash(&context, pair);
    }
    memcpy(header + 36, pair, 32);
    store_le32(header + 76, nonce);
    SHA256_Init(&context);
    SHA256_Update(&context, header, sizeof header);
    double_hash(&context, hash_r);
}

double bare_hash_us(unsigned transactions, double seconds)
{
    static struct job job;
    uint8_t hash[32], sum = 0;
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9), count = 0;
    make_job(transactions, &job);
    double began_us = cpu_us();
    while (bench_now_ns() < end_ns)
        for (int i = 0; i < CHUNK; i++, count++) {
            hash_share(&job, count, (uint32_t)count, hash);
            sum = (uint8_t)(sum | hash[0]);
        }
    if (sum == 0)
        bench_fail("the bare hashes are all alike");
    return (cpu_us() - began_us) / (double)count;
}

double bare_judge_us(unsigned transactions, double seconds)
{
    static struct job job;
    struct job_prepared prepared;
    static struct share_verdict verdicts[TOGETHER];
    static struct share_submission submissions[TOGETHER];
    const struct job_prepared *jobs[TOGETHER];
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9), count = 0, credited = 0;
    make_job(transactions, &job);
    job_prepare(&job, JOB_SHAPE_FULL, &prepared);
    for (size_t i = 0; i < TOGETHER; i++)
        jobs[i] = &prepared;
    double began_us = cpu_us();
    while (bench_now_ns() < end_ns) {
        for (size_t i = 0; i < TOGETHER; i++, count++) {
            submissions[i] = (struct share_submission){ .job_id = 1,
                                                        .work = work_of(1),
                                                        .ntime = 1700000000,
                                                        .nonce = (uint32_t)count,
                                                        .extranonce1_bytes = 4,
                                                        .extranonce2_bytes = 8 };
            store_le32(submissions[i].extranonce2, (uint32_t)count);
        }
        share_check_many(jobs, SHARE_TIP_CURRENT, submissions, TOGETHER, 1700000000000, NULL,
                         verdicts);
        credited += verdicts[0].credited.expected_hashes + verdicts[1].credited.expected_hashes;
    }
    if (credited == 0)
        bench_fail("no share was credited while hashing");
    return (cpu_us() - began_us) / (double)count;
}
