/* Whatever comes, and however it is cut: what is read of the whole is read of its beginning too,
 * and never from a byte more than is there. */
#include "base/fuzz.h"
#include "core/proxy_header/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    enum proxy_header_outcome outcome = proxy_header_read(span_of(data, size), &whole);
    if (outcome == PROXY_HEADER_MORE)
        ASSERT(size < PROXY_HEADER_BYTES_MAX);
    if (outcome == PROXY_HEADER_READ)
        ASSERT(whole.length <= size && whole.length <= PROXY_HEADER_BYTES_MAX);
    size_t longest = size < 600 ? size : 600;
    for (size_t length = 0; length < longest; length++) {
        enum proxy_header_outcome early = proxy_header_read(span_of(data, length), &part);
        if (early == PROXY_HEADER_MORE)
            continue;
        ASSERT(early == outcome);
        ASSERT(early == PROXY_HEADER_BAD ||
               (part.length == whole.length && part.has_source == whole.has_source &&
                memcmp(&part.source, &whole.source, sizeof part.source) == 0));
        break;
    }
    return 0;
}
