/* Eight lanes of SHA-256 in AVX2, for processors without SHA instructions. Built with -mavx2, so
 * nothing of it may run before the processor was asked. */
#include "core/pow/sha256_engines.h"

#if defined(__AVX2__)
typedef uint32_t wide __attribute__((vector_size(32)));
#define WIDE_LANES 8
#define WIDE_ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define WIDE_XOR3(x, y, z) ((x) ^ (y) ^ (z))
#define WIDE_CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define WIDE_MAJORITY(x, y, z) (((x) & (y)) | ((z) & ((x) | (y))))
#include "core/pow/sha256_wide.h"

const struct sha256_engine sha256_engine_avx2 = WIDE_ENGINE("avx2");

#else
const struct sha256_engine sha256_engine_avx2 = { .name = "none" };
#endif
