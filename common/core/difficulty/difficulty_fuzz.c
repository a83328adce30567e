/* Any text either is no number or gives a bounded work that prints and reads back as itself. */
#include "core/difficulty/difficulty.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

const char *const fuzz_seeds[] = {
    "1",    "0.001", "16384",  "1e3",       "0.00000034924596548080444", "123456789.123456789",
    "5E-7", ".5",    "1e-400", "8388608.5", "0.0009999999310821295",     NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    for (int algorithm = POW_SHA256D; algorithm <= POW_SCRYPT; algorithm++) {
        const struct work min = work_of(1 + length), max = work_of(UINT64_MAX - length * 1000);
        enum pow_algorithm pow = (enum pow_algorithm)algorithm;
        struct work work, again;
        char text[DIFFICULTY_TEXT_BYTES];
        if (!difficulty_parse(span_of(data, length), pow, min, max, &work))
            continue;
        uint64_t w = work.expected_hashes;
        ASSERT(w >= min.expected_hashes && w <= max.expected_hashes);
        ASSERT(difficulty_representable(work).expected_hashes == w);
        difficulty_format(work, pow, text);
        ASSERT(difficulty_parse(span_text(text), pow, min, max, &again));
        ASSERT(again.expected_hashes == w);
    }
    if (length >= 4) {
        struct u256 target, back;
        uint32_t bits = load_le32(data);
        if (difficulty_target_from_bits(bits, &target)) {
            ASSERT(difficulty_target_from_bits(difficulty_bits_from_target(target), &back));
            ASSERT(u256_compare(target, back) == 0);
            ASSERT(difficulty_network_work_capped(target).expected_hashes >= 1);
        }
    }
    return 0;
}
