#include "services/share-validator/verdicts.h"

#include "core/share/outcome.h"

enum { VERDICTS_VERSION = 1, BLOCK_BIT = 0x80 };
_Static_assert((int)SHARE_OUTCOMES_COUNT < (int)BLOCK_BIT,
               "an outcome and the block bit share a byte");
_Static_assert(1 + WINDOW_BATCH_SHARES_MAX <= WINDOW_VERDICTS_BYTES_MAX, "all verdicts fit");

size_t verdicts_write(const struct wire_verdict *verdicts, size_t count, uint8_t *bytes_r)
{
    ASSERT(count <= WINDOW_BATCH_SHARES_MAX);
    bytes_r[0] = VERDICTS_VERSION;
    for (size_t i = 0; i < count; i++)
        bytes_r[1 + i] = (uint8_t)(verdicts[i].outcome | (verdicts[i].is_block ? BLOCK_BIT : 0));
    return 1 + count;
}

bool verdicts_read(struct span bytes, struct wire_verdict *verdicts_r, size_t count,
                   struct error *error)
{
    if (bytes.length < 1 || bytes.data[0] != VERDICTS_VERSION)
        return error_set(error, ERROR_INVALID, "stored verdicts have a version not known here");
    if (bytes.length != 1 + count)
        return error_set(error, ERROR_INVALID, "%zu verdicts are stored for a batch of %zu shares",
                         bytes.length - 1, count);
    for (size_t i = 0; i < count; i++) {
        enum share_outcome outcome;
        if (!share_outcome_from_wire(bytes.data[1 + i] & (BLOCK_BIT - 1), &outcome))
            return error_set(error, ERROR_INVALID, "a stored verdict is not known here");
        verdicts_r[i].outcome = (uint8_t)outcome;
        verdicts_r[i].is_block = (bytes.data[1 + i] & BLOCK_BIT) != 0;
    }
    return true;
}
