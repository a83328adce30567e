#include "core/transaction/transaction.h"

#include "core/pow/sha256.h"

static bool take(struct span *rest, uint64_t length, const uint8_t **data_r)
{
    if (length > rest->length)
        return false;
    *data_r = rest->data;
    rest->data += length;
    rest->length -= (size_t)length;
    return true;
}

bool raw_count(struct span *rest, uint64_t *count_r)
{
    const uint8_t *p;
    if (!take(rest, 1, &p))
        return false;
    if (*p < 0xfd) {
        *count_r = *p;
        return true;
    }
    unsigned bytes = *p == 0xfd ? 2 : *p == 0xfe ? 4 : 8;
    if (!take(rest, bytes, &p))
        return false;
    *count_r = bytes == 2 ? load_le16(p) : bytes == 4 ? load_le32(p) : load_le64(p);
    return true;
}

static bool take_counted(struct span *rest, struct span *bytes_r)
{
    uint64_t length;
    const uint8_t *data;
    if (!raw_count(rest, &length) || !take(rest, length, &data))
        return false;
    *bytes_r = span_of(data, (size_t)length);
    return true;
}

static bool skip_inputs(struct span *rest, uint64_t *count_r)
{
    const uint8_t *p;
    struct span script;
    if (!raw_count(rest, count_r))
        return false;
    for (uint64_t i = 0; i < *count_r; i++)
        if (!take(rest, 36, &p) || !take_counted(rest, &script) || !take(rest, 4, &p))
            return false;
    return true;
}

static bool skip_witnesses(struct span *rest, uint64_t inputs_count)
{
    for (uint64_t i = 0; i < inputs_count; i++) {
        uint64_t items;
        struct span item;
        if (!raw_count(rest, &items))
            return false;
        for (uint64_t j = 0; j < items; j++)
            if (!take_counted(rest, &item))
                return false;
    }
    return true;
}

bool raw_transaction_read(struct span bytes, struct raw_transaction *transaction_r)
{
    struct span rest = bytes;
    const uint8_t *p;
    *transaction_r = (struct raw_transaction){ 0 };
    if (!take(&rest, 4, &p))
        return false;
    if (rest.length >= 2 && rest.data[0] == 0 && rest.data[1] != 0) {
        transaction_r->witness = (rest.data[1] & 1) != 0;
        transaction_r->other_flags = (rest.data[1] & ~1) != 0;
        rest = span_of(rest.data + 2, rest.length - 2);
    }
    const uint8_t *inputs = rest.data;
    if (!skip_inputs(&rest, &transaction_r->inputs_count) ||
        !raw_count(&rest, &transaction_r->outputs_count))
        return false;
    const uint8_t *outputs = rest.data;
    for (uint64_t i = 0; i < transaction_r->outputs_count; i++) {
        struct span script;
        if (!take(&rest, 8, &p) || !take_counted(&rest, &script))
            return false;
    }
    transaction_r->outputs = span_of(outputs, (size_t)(rest.data - outputs));
    transaction_r->inputs = span_of(inputs, (size_t)(rest.data - inputs));
    if (transaction_r->other_flags) {
        /* Its tail is of a kind we do not read: all that was given is the transaction. */
        transaction_r->bytes = bytes;
        return rest.length >= 4;
    }
    if (transaction_r->witness && !skip_witnesses(&rest, transaction_r->inputs_count))
        return false;
    if (!take(&rest, 4, &p))
        return false;
    transaction_r->bytes = span_of(bytes.data, (size_t)(rest.data - bytes.data));
    return true;
}

void raw_transaction_txid(const struct raw_transaction *transaction, uint8_t txid_r[32])
{
    ASSERT(!transaction->other_flags);
    if (!transaction->witness) {
        sha256d(transaction->bytes, txid_r);
        return;
    }
    struct sha256_state state;
    sha256_init(&state);
    sha256_update(&state, span_of(transaction->bytes.data, 4));
    sha256_update(&state, transaction->inputs);
    sha256_update(&state, span_of(transaction->bytes.data + transaction->bytes.length - 4, 4));
    sha256d_final(&state, txid_r);
}

bool raw_transaction_input(const struct raw_transaction *transaction, uint64_t index,
                           uint8_t txid_r[32], uint32_t *output_r)
{
    struct span rest = transaction->inputs;
    uint64_t count;
    if (!raw_count(&rest, &count) || index >= count)
        return false;
    for (uint64_t i = 0;; i++) {
        const uint8_t *outpoint;
        const uint8_t *sequence;
        struct span script;
        if (!take(&rest, 36, &outpoint) || !take_counted(&rest, &script) ||
            !take(&rest, 4, &sequence))
            return false;
        if (i == index) {
            memcpy(txid_r, outpoint, 32);
            *output_r = load_le32(outpoint + 32);
            return true;
        }
    }
}

bool raw_transaction_output(const struct raw_transaction *transaction, uint64_t index,
                            uint64_t *amount_r, struct span *script_r)
{
    struct span rest = transaction->outputs;
    if (index >= transaction->outputs_count)
        return false;
    for (uint64_t i = 0;; i++) {
        const uint8_t *value;
        if (!take(&rest, 8, &value) || !take_counted(&rest, script_r))
            return false;
        *amount_r = load_le64(value);
        if (i == index)
            return true;
    }
}

uint64_t raw_transaction_weight(const struct raw_transaction *transaction)
{
    ASSERT(!transaction->other_flags);
    uint64_t base = 4 + (uint64_t)transaction->inputs.length + 4; /* version … lock time */
    return 3 * base + transaction->bytes.length;
}

size_t raw_transaction_unsigned(const struct raw_transaction *transaction, uint8_t *bytes_r,
                                size_t *outputs_at_r)
{
    ASSERT(!transaction->other_flags);
    struct span all = transaction->inputs, rest = all, script;
    uint64_t count = 0;
    bool ok = raw_count(&rest, &count);
    size_t used = 4, head = all.length - rest.length;
    memcpy(bytes_r, transaction->bytes.data, 4);
    memcpy(bytes_r + used, all.data, head);
    used += head;
    for (uint64_t i = 0; i < count && ok; i++) {
        const uint8_t *outpoint, *sequence;
        ok =
            take(&rest, 36, &outpoint) && take_counted(&rest, &script) && take(&rest, 4, &sequence);
        ASSERT(ok); /* it was read before */
        memcpy(bytes_r + used, outpoint, 36);
        bytes_r[used + 36] = 0;
        memcpy(bytes_r + used + 37, sequence, 4);
        used += 41;
    }
    size_t tail = (size_t)(transaction->outputs.data - rest.data); /* the outputs' count */
    *outputs_at_r = used + tail;
    memcpy(bytes_r + used, rest.data, rest.length);
    used += rest.length;
    memcpy(bytes_r + used, transaction->bytes.data + transaction->bytes.length - 4, 4);
    return used + 4;
}

bool raw_transaction_received(const struct raw_transaction *transaction, struct span script,
                              uint64_t *amount_r)
{
    struct span rest = transaction->outputs;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < transaction->outputs_count; i++) {
        const uint8_t *value;
        struct span found;
        if (!take(&rest, 8, &value) || !take_counted(&rest, &found))
            return false;
        if (!span_equal(found, script))
            continue;
        uint64_t amount = load_le64(value);
        if (amount > INT64_MAX - sum)
            return false;
        sum += amount;
    }
    *amount_r = sum;
    return true;
}
