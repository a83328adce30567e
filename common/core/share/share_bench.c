/* What judging one share of a 2000-transaction template costs, and making its job. Prints
 * nanoseconds; judges nothing. */
#include "core/share/share.h"

#include <stdio.h>
#include <time.h>

#define TRANSACTIONS 2000
#define SHARES 100000

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The least nanoseconds a share took where `count` came together. */
static double many(const struct job_prepared *prepared, const struct share_submission *like,
                   size_t count, uint64_t *credited)
{
    static struct share_submission submissions[256];
    static struct share_verdict verdicts[256];
    const struct job_prepared *jobs[256];
    double best = 0;
    for (size_t i = 0; i < count; i++)
        jobs[i] = prepared;
    for (int round = 0; round < 5; round++) {
        double start = now_ns();
        for (uint32_t i = 0; i < SHARES; i += (uint32_t)count) {
            for (uint32_t j = 0; j < count; j++) {
                submissions[j] = *like;
                store_le32(submissions[j].extranonce2, i + j);
                submissions[j].nonce = i + j;
            }
            share_check_many(jobs, SHARE_TIP_CURRENT, submissions, count, 1700000000000, NULL,
                             verdicts);
            *credited += verdicts[0].credited.expected_hashes;
        }
        double sample = (now_ns() - start) / SHARES;
        best = best == 0 || sample < best ? sample : best;
    }
    return best;
}

int main(void)
{
    static struct template_transaction transactions[TRANSACTIONS];
    static const uint8_t script[22] = { 0x00, 0x14 }, commitment[38] = { 0x6a, 0x24 };
    static struct job job;
    const struct job_output output = { span_of(script, sizeof script), 312500000 };
    for (uint32_t i = 0; i < TRANSACTIONS; i++)
        store_le32(transactions[i].txid, i);
    struct block_template template = {
        .height = 840000,
        .version = 0x20000000,
        .bits = 0x170331db,
        .cur_time = 1700000000,
        .min_time = 1699999000,
        .coinbase_value = 312500000,
        .witness_commitment = span_of(commitment, sizeof commitment),
        .transactions = transactions,
        .transactions_count = TRANSACTIONS,
    };
    if (!difficulty_target_from_bits(template.bits, &template.network_target))
        return 1;
    const struct job_params params = {
        .id = 1,
        .job_value = 1,
        .algorithm = POW_SHA256D,
        .extranonce1_bytes = 4,
        .extranonce2_bytes = 8,
        .pool_tag = span_text("/adit/"),
        .outputs = &output,
        .outputs_count = 1,
    };
    double start = now_ns();
    if (job_from_template(&template, &params, &job) != JOB_OK)
        return 1;
    printf("%10.1f us a job of %d transactions\n", (now_ns() - start) / 1000, TRANSACTIONS);

    struct job_prepared prepared;
    struct share_verdict verdict;
    struct share_submission submission = {
        .job_id = 1,
        .work = work_of(1),
        .ntime = 1700000000,
        .extranonce1_bytes = 4,
        .extranonce2_bytes = 8,
    };
    job_prepare(&job, JOB_SHAPE_FULL, &prepared);
    double best = 0;
    uint64_t credited = 0;
    for (int round = 0; round < 5; round++) {
        start = now_ns();
        for (uint32_t i = 0; i < SHARES; i++) {
            store_le32(submission.extranonce2, i);
            submission.nonce = i;
            share_check(&prepared, SHARE_TIP_CURRENT, &submission, 1700000000000, NULL, &verdict);
            credited += verdict.credited.expected_hashes;
        }
        double sample = (now_ns() - start) / SHARES;
        best = best == 0 || sample < best ? sample : best;
    }
    printf("%10.1f ns a share (coinbase of %d bytes, %d branches)\n", best,
           job.coinbase1_bytes + job.coinbase2_bytes + 12, job.branches_count);
    static const size_t counts[] = { 1, 2, 4, 8, 16, 256 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        printf("%10.1f ns a share of %zu at once\n",
               many(&prepared, &submission, counts[i], &credited), counts[i]);
    return credited == 0;
}
