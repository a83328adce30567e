#include "tools/miner/work.h"

#include <math.h>

/* Little-endian numbers of 32-bit words, wide enough for diff1 << (64 + 512). */
#define WORDS 40

static void shift_left(uint32_t number[WORDS], unsigned by)
{
    for (size_t i = WORDS; i-- > 0;) {
        uint64_t value = i >= by / 32 ? number[i - by / 32] : 0;
        uint64_t below = i >= by / 32 + 1 ? number[i - by / 32 - 1] : 0;
        number[i] = (uint32_t)((value << 32 | below) << by % 32 >> 32);
    }
}

static void shift_right(uint32_t number[WORDS], unsigned by)
{
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t value = i + by / 32 < WORDS ? number[i + by / 32] : 0;
        uint64_t above = i + by / 32 + 1 < WORDS ? number[i + by / 32 + 1] : 0;
        number[i] = (uint32_t)((above << 32 | value) >> by % 32);
    }
}

static void divide(uint32_t number[WORDS], uint64_t divisor)
{
    u128 rest = 0;
    for (size_t i = WORDS; i-- > 0;) {
        rest = rest << 32 | number[i];
        number[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
}

bool work_target(enum miner_algorithm algorithm, double difficulty, uint8_t target_r[32])
{
    if (!(difficulty > 0) || isinf(difficulty))
        return false;
    /* difficulty == mantissa * 2^exponent with a whole mantissa of 53 bits. */
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(difficulty, &exponent), 53);
    exponent -= 53;
    uint32_t number[WORDS] = { 0xffff };
    shift_left(number, algorithm == MINER_SCRYPT ? 224 : 208);
    if (exponent < -700) { /* beyond 256 bits in any case */
        memset(target_r, 0xff, 32);
        return true;
    }
    if (exponent < 0)
        shift_left(number, (unsigned)-exponent);
    divide(number, mantissa);
    if (exponent > 0)
        shift_right(number, exponent > 600 ? 600 : (unsigned)exponent);
    for (size_t i = 8; i < WORDS; i++)
        if (number[i] != 0) {
            memset(target_r, 0xff, 32);
            return true;
        }
    for (size_t i = 0; i < 8; i++)
        store_le32(target_r + 4 * i, number[i]);
    return true;
}

void work_network_target(uint32_t bits, uint8_t target_r[32])
{
    size_t size = bits >> 24;
    memset(target_r, 0, 32);
    for (size_t i = 0; i < 3; i++) { /* byte i of the mantissa stands at size - 3 + i */
        uint8_t byte = (uint8_t)(bits >> (8 * i));
        if (size + i >= 3 && size + i - 3 < 32)
            target_r[size + i - 3] = byte;
    }
}

void work_header(const struct work_job *job, const uint8_t *extranonce2, uint32_t version_bits,
                 uint8_t header_r[MINER_HEADER_BYTES])
{
    uint8_t coinbase[2 * WORK_COINBASE_BYTES_MAX + 2 * WORK_EXTRANONCE_BYTES_MAX];
    size_t length = 0;
    uint8_t pair[64];
    memcpy(coinbase, job->coinbase1, job->coinbase1_bytes);
    length += job->coinbase1_bytes;
    memcpy(coinbase + length, job->extranonce1, job->extranonce1_bytes);
    length += job->extranonce1_bytes;
    memcpy(coinbase + length, extranonce2, job->extranonce2_bytes);
    length += job->extranonce2_bytes;
    memcpy(coinbase + length, job->coinbase2, job->coinbase2_bytes);
    length += job->coinbase2_bytes;
    miner_sha256d(span_of(coinbase, length), pair);
    for (size_t i = 0; i < job->branch_count; i++) {
        memcpy(pair + 32, job->branches[i], 32);
        miner_sha256d(span_of(pair, sizeof pair), pair);
    }
    uint32_t version = (job->version & ~job->version_mask) | (version_bits & job->version_mask);
    store_le32(header_r, version);
    memcpy(header_r + 4, job->previous, 32);
    memcpy(header_r + 36, pair, 32);
    store_le32(header_r + 68, job->time);
    store_le32(header_r + 72, job->bits);
    store_le32(header_r + 76, 0);
}
