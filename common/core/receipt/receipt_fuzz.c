/* Any bytes either are no receipt or are written back as they were; checking them is safe. */
#include "core/receipt/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);
extern const char *const fuzz_seeds[];

const char *const fuzz_seeds[] = { "aRCP\1", "aRCP\2", NULL };

static void look(struct span bytes)
{
    static struct receipt receipt;
    uint8_t again[RECEIPT_BYTES_MAX];
    if (!receipt_decode(bytes, &receipt))
        return;
    ASSERT(receipt_encode(&receipt, again) == bytes.length &&
           memcmp(again, bytes.data, bytes.length) == 0);
    (void)!receipt_check(&receipt);
}

/* Behind a good beginning: a count in bounds, and a path as long as there are bytes. */
static void look_behind(uint8_t version, const uint8_t *data, size_t length)
{
    uint8_t whole[RECEIPT_BYTES_MAX] = "aRCP";
    size_t taken = length < sizeof whole - 5 ? length : sizeof whole - 5;
    size_t fixed = 5 + receipt_slice_bytes(version) + RECEIPT_SHARE_BYTES + 5;
    whole[4] = version;
    if (taken > 0)
        memcpy(whole + 5, data, taken);
    memset(whole + 5 + 66, 0, 2);
    if (5 + taken >= fixed) {
        whole[fixed - 1] = (uint8_t)((5 + taken - fixed) / RECEIPT_HASH_BYTES);
        look(span_of(whole, fixed + (size_t)whole[fixed - 1] * RECEIPT_HASH_BYTES));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    look(span_of(data, length));
    look_behind(1, data, length);
    look_behind(RECEIPT_VERSION, data, length);
    return 0;
}
