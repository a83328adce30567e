/* Bytes into every decoder: whatever comes is either refused, or is the one encoding of what it was
 * read as. Built with libFuzzer by clang (target wire_fuzz), corpus proto/examples in binary; and
 * run over random changes of the examples by wire_fuzz_test. */
#include "wire/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[8 << 20];
static uint8_t again[1 << 20];

#define MESSAGE(name, type, version)                                                               \
    {                                                                                              \
        static struct wire_##name message;                                                         \
        struct arena arena = arena_over(memory, sizeof memory);                                    \
        struct error error = { 0 };                                                                \
        if (wire_decode_##name(span_of(data, size), &arena, &message, &error)) {                   \
            size_t length = wire_encode_##name(&message, again, sizeof again);                     \
            ASSERT(span_equal(span_of(again, length), span_of(data, size)));                       \
        } else {                                                                                   \
            ASSERT(error.code == ERROR_INVALID && error.text[0] != '\0');                          \
        }                                                                                          \
    }
#include "wire/ignore_fields.h"
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > sizeof again)
        return 0;
#include "proto/all.def"
    return 0;
}
#include "wire/undefine.h"
