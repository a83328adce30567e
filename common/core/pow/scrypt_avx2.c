/* Two lanes of scrypt in AVX2. Built with -mavx2, so nothing of it may run before the processor was
 * asked. */
#include "core/pow/scrypt_engines.h"

#if defined(__AVX2__)
#include <immintrin.h>

typedef uint32_t wide __attribute__((vector_size(32)));
#define WIDE_LANES 2
#define WIDE_TURN(x, n)                                                                            \
    __builtin_shufflevector(x, x, (n), ((n) + 1) % 4, ((n) + 2) % 4, ((n) + 3) % 4, 4 + (n),       \
                            4 + ((n) + 1) % 4, 4 + ((n) + 2) % 4, 4 + ((n) + 3) % 4)

static inline __attribute__((always_inline)) wide wide_join(const void *const parts[WIDE_LANES])
{
    return (wide)_mm256_inserti128_si256(_mm256_castsi128_si256(_mm_load_si128(parts[0])),
                                         _mm_load_si128(parts[1]), 1);
}

#include "core/pow/scrypt_wide.h"

const struct scrypt_engine scrypt_engine_avx2 = { "avx2", WIDE_LANES, wide_ro_mix };

#else
const struct scrypt_engine scrypt_engine_avx2 = { .name = "none" };
#endif
