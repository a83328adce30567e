/* A job of any bytes either fails job_verify or can be used without harm. */
#include "core/difficulty/difficulty.h"
#include "core/job/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

const char *const fuzz_seeds[] = { NULL };

static uint8_t byte_at(const uint8_t *data, size_t length, size_t at)
{
    return at < length ? data[at] : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct job job = { .id = 1, .max_time = UINT32_MAX };
    size_t part = length < sizeof job.coinbase1 ? length : sizeof job.coinbase1;
    if (part > 0) {
        memcpy(job.coinbase1, data, part);
        memcpy(job.coinbase2, data, part);
    }
    job.algorithm = (enum pow_algorithm)(byte_at(data, length, 0) % 4);
    job.extranonce1_bytes = byte_at(data, length, 1) % 10;
    job.extranonce2_bytes = byte_at(data, length, 2) % 18;
    job.branches_count = byte_at(data, length, 3) % 18;
    job.witness = byte_at(data, length, 4) % 2 != 0;
    job.coinbase1_bytes = (uint16_t)(byte_at(data, length, 5) + byte_at(data, length, 6) * 5);
    job.coinbase2_bytes = (uint16_t)(byte_at(data, length, 7) + byte_at(data, length, 8) * 5);
    /* Most inputs would fail at the input script's length; half of them get it right. */
    if (byte_at(data, length, 9) % 2 == 0 && job.coinbase1_bytes >= 42)
        job.coinbase1[41] =
            (uint8_t)(job.coinbase1_bytes - 42 + job.extranonce1_bytes + job.extranonce2_bytes);
    job.bits = 0x207fffff;
    if (!difficulty_target_from_bits(job.bits, &job.network_target) || !job_verify(&job))
        return 0;

    uint8_t en1[JOB_EXTRANONCE1_BYTES_MAX] = { 1 }, en2[JOB_EXTRANONCE2_BYTES_MAX] = { 2 };
    uint8_t header[POW_HEADER_BYTES], coinbase[JOB_COINBASE_BYTES_MAX];
    struct job_prepared prepared;
    const struct job_choice choice = { en1, en2, 3, 4, 5 };
    job_prepare(&job, JOB_SHAPE_FULL, &prepared);
    job_build_header(&prepared, &choice, header);
    ASSERT(load_le32(header) == 5 && load_le32(header + 76) == 4);
    ASSERT(job_coinbase_for_block(&job, JOB_SHAPE_FULL, en1, en2, coinbase) ==
           (size_t)job.coinbase1_bytes + job.coinbase2_bytes + job.extranonce1_bytes +
               job.extranonce2_bytes + (job.witness ? 36 : 0));
    return 0;
}
