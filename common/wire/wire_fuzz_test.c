/* wire_fuzz by any compiler: random changes of every example. */
#include "wire/examples.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGES = 8000, BYTES_MAX = 8192 };

static void change(uint8_t *bytes, size_t *length)
{
    size_t at = (size_t)random() % *length;
    switch (random() % 5) {
    case 0:
        bytes[at] = (uint8_t)random();
        break;
    case 1:
        bytes[at] ^= (uint8_t)(1u << random() % 8);
        break;
    case 2:
        *length = at + 1;
        break;
    case 3:
        if (*length + 8 <= BYTES_MAX) {
            memmove(bytes + at + 8, bytes + at, *length - at);
            *length += 8;
        }
        break;
    default:
        for (size_t i = at; i < at + 4 && i < *length; i++)
            bytes[i] = random() % 2 == 0 ? 0xff : 0x00;
        break;
    }
}

static void fuzz_one(void *context, const char *name, enum wire_type type, struct span encoded)
{
    (void)context;
    (void)name;
    (void)type;
    ASSERT(encoded.length <= BYTES_MAX);
    for (unsigned i = 0; i < CHANGES; i++) {
        uint8_t bytes[BYTES_MAX];
        size_t length = encoded.length;
        memcpy(bytes, encoded.data, length);
        for (long changes = random() % 4; changes >= 0; changes--)
            change(bytes, &length);
        /* In memory of its own size, so that a sanitizer sees a read behind its end. */
        uint8_t *copy = malloc(length);
        ASSERT(copy != NULL);
        memcpy(copy, bytes, length);
        LLVMFuzzerTestOneInput(copy, length);
        free(copy);
    }
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    printf("ADIT_SEED=%u\n", seed);
    srandom(seed);
    wire_examples_visit(fuzz_one, NULL);
    return 0;
}
