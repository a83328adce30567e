/* Drives an LLVMFuzzerTestOneInput without libFuzzer, so that every compiler runs it in every test:
 * files named on the command line are run as they are, then random inputs, and inputs made of the
 * seeds the fuzz target lists by cutting, doubling and flipping. For tests only. */
#include "base/test_random.h"

#define INPUT_BYTES_MAX 4096
#define ROUNDS 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
/* The target's own examples of interesting inputs; ends with NULL. */
extern const char *const fuzz_seeds[];

static size_t mutate(struct test_random *random, uint8_t *input, size_t length)
{
    switch (test_random_below(random, 5)) {
    case 0: /* flip */
        if (length > 0)
            input[test_random_below(random, length)] ^=
                (uint8_t)(1u << test_random_below(random, 8));
        return length;
    case 1: /* another byte */
        if (length > 0)
            input[test_random_below(random, length)] = (uint8_t)test_random_u64(random);
        return length;
    case 2: /* cut */
        return test_random_below(random, length + 1);
    case 3: { /* a piece again at the end */
        size_t from = test_random_below(random, length + 1);
        size_t part = test_random_below(random, length - from + 1);
        if (length + part > INPUT_BYTES_MAX)
            return length;
        memmove(input + length, input + from, part);
        return length + part;
    }
    default: /* one byte more, or one fewer in the middle */
        if (length == 0 || length == INPUT_BYTES_MAX)
            return length;
        size_t at = test_random_below(random, length);
        memmove(input + at, input + at + 1, length - at - 1);
        return length - 1;
    }
}

static void run_file(const char *path)
{
    static uint8_t input[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    size_t length = fread(input, 1, sizeof input, file);
    fclose(file);
    LLVMFuzzerTestOneInput(input, length);
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_BYTES_MAX];
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    size_t seeds = 0;
    while (fuzz_seeds[seeds] != NULL)
        seeds++;
    struct test_random random = test_random_begin("fuzz");
    for (int round = 0; round < ROUNDS; round++) {
        size_t length;
        if (seeds > 0 && test_random_below(&random, 8) != 0) {
            const char *seed = fuzz_seeds[test_random_below(&random, seeds)];
            length = strlen(seed);
            memcpy(input, seed, length);
            for (uint64_t i = test_random_below(&random, 4); i > 0; i--)
                length = mutate(&random, input, length);
        } else {
            length =
                test_random_below(&random, INPUT_BYTES_MAX + 1) >> test_random_below(&random, 12);
            test_random_bytes(&random, input, length);
        }
        /* A copy of its own, so that the sanitizer sees a read past the end. */
        uint8_t *copy = malloc(length > 0 ? length : 1);
        if (copy == NULL)
            return 1;
        memcpy(copy, input, length);
        LLVMFuzzerTestOneInput(copy, length);
        free(copy);
    }
    return 0;
}
