/* Whatever comes, and however it is cut: the beginning is judged as the whole is; what is taken has
 * one Host and no doubt about its length, and what is written of it is plain, no longer, and is
 * judged the same. */
#include "base/fuzz.h"
#include "core/http_head/http_head.h"

static const struct http_head_limits limits = { 22, 1998, 253, 65536 };

static void look_at_written(struct span bytes, const struct http_head *head)
{
    uint8_t text[8192];
    struct http_head again;
    const size_t length = http_head_write(bytes, head, NULL, text);
    ASSERT(http_head_judge(span_of(text, length), &limits, &again) == HTTP_HEAD_READ);
    ASSERT(again.plain && again.length == length && again.body_length == head->body_length);
    ASSERT(span_equal(again.method, head->method) && span_equal(again.host, head->host));
    ASSERT(again.asks_head == head->asks_head && memchr(text, '\t', length) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head whole, part;
    if (size > 8192)
        return 0;
    const struct span bytes = span_of(data, size);
    const enum http_head_outcome outcome = http_head_judge(bytes, &limits, &whole);
    if (outcome == HTTP_HEAD_REFUSED)
        ASSERT(whole.refusal->status >= 400 && whole.refusal->status < 600);
    if (outcome == HTTP_HEAD_READ) {
        ASSERT(whole.length <= size && whole.body_length <= limits.body_max);
        look_at_written(bytes, &whole);
    }
    const size_t longest = size < 600 ? size : 600;
    for (size_t length = 0; length < longest; length++) {
        const enum http_head_outcome early = http_head_judge(span_of(data, length), &limits, &part);
        if (early == HTTP_HEAD_MORE)
            continue;
        ASSERT(early == outcome && part.refusal == whole.refusal);
        ASSERT(part.length == whole.length && part.body_length == whole.body_length);
        break;
    }
    return 0;
}
