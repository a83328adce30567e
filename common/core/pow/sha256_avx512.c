/* Sixteen lanes of SHA-256 in AVX-512F: rotation and any function of three inputs are one
 * instruction each. Built with -mavx512f, so nothing of it may run before the processor was asked.
 */
#include "core/pow/sha256_engines.h"

#if defined(__AVX512F__)
#include <immintrin.h>

typedef uint32_t wide __attribute__((vector_size(64)));
#define WIDE_LANES 16
#define WIDE_ROTATE(x, n) ((wide)_mm512_ror_epi32((__m512i)(x), n))
/* The last number is the truth table, with x the high bit of its index. */
#define WIDE_TERNARY(x, y, z, table)                                                               \
    ((wide)_mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), table))
#define WIDE_XOR3(x, y, z) WIDE_TERNARY(x, y, z, 0x96)
#define WIDE_CHOOSE(x, y, z) WIDE_TERNARY(x, y, z, 0xca)
#define WIDE_MAJORITY(x, y, z) WIDE_TERNARY(x, y, z, 0xe8)
#include "core/pow/sha256_wide.h"

const struct sha256_engine sha256_engine_avx512 = WIDE_ENGINE("avx512");

#else
const struct sha256_engine sha256_engine_avx512 = { .name = "none" };
#endif
