#include "bare.h"

#include "core/share/share.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double usage_us(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e6 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage_us(&usage);
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

double bare_hash_us(unsigned transactions, double seconds)
{
    static struct job job;
    struct job_prepared prepared;
    struct share_verdict verdict;
    struct share_submission submission = { .job_id = 1,
                                           .work = work_of(1),
                                           .ntime = 1700000000,
                                           .extranonce1_bytes = 4,
                                           .extranonce2_bytes = 8 };
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9), count = 0, credited = 0;
    make_job(transactions, &job);
    job_prepare(&job, &prepared);
    double began_us = cpu_us();
    while (bench_now_ns() < end_ns)
        for (int i = 0; i < 1000; i++, count++) {
            store_le32(submission.extranonce2, (uint32_t)count);
            submission.nonce = (uint32_t)count;
            share_check(&prepared, SHARE_TIP_CURRENT, &submission, 1700000000000, NULL, &verdict);
            credited += verdict.credited.expected_hashes;
        }
    if (credited == 0)
        bench_fail("no share was credited while hashing");
    return (cpu_us() - began_us) / (double)count;
}

static bool send_whole(int fd, const char *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t now = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

static bool receive_whole(int fd, char *bytes, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t now = recv(fd, bytes + got, length - got, 0);
        if (now <= 0)
            return false;
        got += (size_t)now;
    }
    return true;
}

struct bare_hop bare_hop(size_t request_bytes, size_t answer_bytes, double seconds)
{
    int ends[2];
    size_t bytes = request_bytes > answer_bytes ? request_bytes : answer_bytes;
    char *memory = calloc(1, bytes + 1);
    if (memory == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        bench_fail("socketpair: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        while (receive_whole(ends[1], memory, request_bytes) &&
               send_whole(ends[1], memory, answer_bytes))
            continue;
        _exit(0);
    }
    close(ends[1]);
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * 1e9), rounds = 0;
    double began_us = cpu_us();
    for (; bench_now_ns() < end_ns; rounds++)
        if (!send_whole(ends[0], memory, request_bytes) ||
            !receive_whole(ends[0], memory, answer_bytes))
            bench_fail("the other side of a socket pair is gone");
    double asker_us = cpu_us() - began_us;
    close(ends[0]);
    struct rusage usage;
    if (wait4(pid, NULL, 0, &usage) != pid)
        bench_fail("wait4: %s", strerror(errno));
    free(memory);
    return (struct bare_hop){ .asker_us = asker_us / (double)rounds,
                              .answerer_us = usage_us(&usage) / (double)rounds };
}
