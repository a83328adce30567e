/* One lane of scrypt, in vectors of 16 bytes, which the compiler makes of whatever there is. */
#include "core/pow/scrypt_engines.h"

typedef uint32_t wide __attribute__((vector_size(16)));
#define WIDE_LANES 1
#define WIDE_TURN(x, n)                                                                            \
    __builtin_shufflevector(x, x, (n), ((n) + 1) % 4, ((n) + 2) % 4, ((n) + 3) % 4)

static inline wide wide_join(const void *const parts[WIDE_LANES])
{
    return *(const wide *)parts[0];
}

#include "core/pow/scrypt_wide.h"

const struct scrypt_engine scrypt_engine_single = { "single", WIDE_LANES, wide_ro_mix };
