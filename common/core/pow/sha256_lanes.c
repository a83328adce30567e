#include "core/pow/sha256_lanes.h"
#include "core/pow/sha256_engines.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* sha256_schedule of a block of 0x80, zeros and the length of 512 bits. */
_Alignas(64) const uint32_t sha256_padding_schedule[64] = {
    0xc28a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf374,
    0x649b69c1, 0xf0fe4786, 0x0fe1edc6, 0x240cf254, 0x4fe9346f, 0x6cc984be, 0x61b9411e, 0x16f988fa,
    0xf2c65152, 0xa88e5a6d, 0xb019fc65, 0xb9d99ec7, 0x9a1231c3, 0xe70eeaa0, 0xfdb1232b, 0xc7353eb0,
    0x3069bad5, 0xcb976d5f, 0x5a0f118f, 0xdc1eeefd, 0x0a35b689, 0xde0b7a04, 0x58f4ca9d, 0xe15d5b16,
    0x007f3e86, 0x37088980, 0xa507ea32, 0x6fab9537, 0x17406110, 0x0d8cd6f1, 0xcdaa3b6d, 0xc0bbbe37,
    0x83613bda, 0xdb48a363, 0x0b02e931, 0x6fd15ca7, 0x521afaca, 0x31338431, 0x6ed41a95, 0x6d437890,
    0xc39c91f2, 0x9eccabbd, 0xb5c9a0e6, 0x532fb63c, 0xd2c741c6, 0x07237ea3, 0xa4954b68, 0x4c191d76,
};

#if defined(__x86_64__)

/* Which register sets the kernel saves (XCR0); 0 where it saves none beyond SSE. */
static uint32_t saved_registers(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return a;
}

static bool has_feature(uint32_t bit, uint32_t registers)
{
    unsigned a, b, c, d;
    return (saved_registers() & registers) == registers &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit) != 0;
}

bool sha256_avx2_available(void)
{
    return sha256_engine_avx2.lanes > 0 && has_feature(bit_AVX2, 0x06); /* xmm, ymm */
}

bool sha256_avx512_available(void)
{
    return sha256_engine_avx512.lanes > 0 &&
           has_feature(bit_AVX512F, 0xe6); /* and masks, zmm, the upper sixteen */
}

#else

bool sha256_avx2_available(void)
{
    return false;
}

bool sha256_avx512_available(void)
{
    return false;
}

#endif

/* The engine for several messages here; written once before main and never again. Until then, and
 * elsewhere, the one that runs anywhere. */
static const struct sha256_engine *engine_chosen = &sha256_engine_single;

/* Four streams of SHA instructions beat sixteen lanes of AVX-512 (44 to 54 ns a merkle step on Zen
 * 4), and need no full house. */
__attribute__((constructor)) static void choose_engine(void)
{
    if (sha256_shani_available())
        engine_chosen = &sha256_engine_shani;
    else if (sha256_avx512_available())
        engine_chosen = &sha256_engine_avx512;
    else if (sha256_avx2_available())
        engine_chosen = &sha256_engine_avx2;
}

const struct sha256_engine *sha256_engine_for(size_t count)
{
    ASSERT(count >= 1);
    return count == 1 ? &sha256_engine_single : engine_chosen;
}

const struct sha256_engine *sha256_engine_at(size_t index)
{
    const struct {
        const struct sha256_engine *engine;
        bool available;
    } all[] = { { &sha256_engine_single, true },
                { &sha256_engine_shani, sha256_shani_available() },
                { &sha256_engine_avx2, sha256_avx2_available() },
                { &sha256_engine_avx512, sha256_avx512_available() } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].available && index-- == 0)
            return all[i].engine;
    return NULL;
}

void sha256_schedule(const uint8_t block[64], uint32_t schedule_r[64])
{
    sha256_extend(block, schedule_r);
    for (int i = 0; i < 64; i++)
        schedule_r[i] += sha256_round_constants[i];
}

/* From the initial state over 80 bytes: two blocks, the second padded, then the second hash. */
static void hash_headers(const struct sha256_engine *engine, const uint8_t (*headers)[80],
                         size_t count, uint8_t (*hashes_r)[32])
{
    struct sha256_lanes lanes;
    uint8_t tails[SHA256_LANES_MAX][64];
    const uint8_t *firsts[SHA256_LANES_MAX], *seconds[SHA256_LANES_MAX];
    for (size_t i = 0; i < count; i++) {
        firsts[i] = headers[i];
        seconds[i] = tails[i];
        memcpy(tails[i], headers[i] + 64, 16);
        memset(tails[i] + 16, 0, 48);
        tails[i][16] = 0x80;
        store_be64(tails[i] + 56, 80 * 8);
    }
    engine->begin(&lanes, sha256_initial_state);
    engine->blocks(&lanes, firsts, count);
    engine->blocks(&lanes, seconds, count);
    engine->redigest(&lanes, count);
    engine->digests(&lanes, hashes_r, count);
}

void sha256d_headers(const uint8_t (*headers)[80], size_t count, uint8_t (*hashes_r)[32])
{
    while (count > 0) {
        size_t part = count < SHA256_LANES_MAX ? count : SHA256_LANES_MAX;
        const struct sha256_engine *engine = sha256_engine_for(part);
        part = part < engine->lanes ? part : engine->lanes;
        hash_headers(engine, headers, part, hashes_r);
        headers += part;
        hashes_r += part;
        count -= part;
    }
}
