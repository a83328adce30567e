/* Four lanes of scrypt in AVX-512F, whose rotation is one instruction. Built with -mavx512f, so
 * nothing of it may run before the processor was asked. */
#include "core/pow/scrypt_engines.h"

#if defined(__AVX512F__)
#include <immintrin.h>

typedef uint32_t wide __attribute__((vector_size(64)));
#define WIDE_LANES 4
#define WIDE_TURN(x, n)                                                                            \
    ((wide)_mm512_shuffle_epi32(                                                                   \
        (__m512i)(x),                                                                              \
        (_MM_PERM_ENUM)(((n) | ((n) + 1) % 4 << 2 | ((n) + 2) % 4 << 4 | ((n) + 3) % 4 << 6))))

/* Through registers: a load from behind four smaller stores would wait for them. */
static inline __attribute__((always_inline)) wide wide_join(const void *const parts[WIDE_LANES])
{
    __m512i joined = _mm512_castsi128_si512(_mm_load_si128(parts[0]));
    joined = _mm512_inserti32x4(joined, _mm_load_si128(parts[1]), 1);
    joined = _mm512_inserti32x4(joined, _mm_load_si128(parts[2]), 2);
    return (wide)_mm512_inserti32x4(joined, _mm_load_si128(parts[3]), 3);
}

#include "core/pow/scrypt_wide.h"

const struct scrypt_engine scrypt_engine_avx512 = { "avx512", WIDE_LANES, wide_ro_mix };

#else
const struct scrypt_engine scrypt_engine_avx512 = { .name = "none" };
#endif
