/* Any text either is no address or survives the way to its script and back. */
#include "core/address/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

const char *const fuzz_seeds[] = {
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3QJmV3qfvL9SuYo34YihAf3sRCW3qSinyC",
    "1111111111111111111114oLvT2",
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "bc1sw50qgdz25j",
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2",
    "bchtest:pvch8mmxy0rtfrlarg7ucrxxfzds5pamg73h7370aa87d80gyhqxq7fqng6m6",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    size_t coins;
    const struct coin_profile *profiles = coin_profiles(&coins);
    for (size_t i = 0; i < coins; i++) {
        struct output_script script, again;
        char canonical[ADDRESS_TEXT_BYTES], text[ADDRESS_TEXT_BYTES];
        if (address_parse(&profiles[i], span_of(data, length), &script, canonical) == ADDRESS_OK) {
            ASSERT(address_parse(&profiles[i], span_text(canonical), &again, text) == ADDRESS_OK);
            ASSERT(span_equal(output_script_span(&script), output_script_span(&again)));
            ASSERT(strcmp(canonical, text) == 0);
        }
        if (address_format(&profiles[i], span_of(data, length), text)) {
            ASSERT(address_parse(&profiles[i], span_text(text), &script, NULL) == ADDRESS_OK);
            ASSERT(span_equal(output_script_span(&script), span_of(data, length)));
        }
    }
    return 0;
}
