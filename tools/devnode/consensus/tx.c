#include "tools/devnode/consensus/tx.h"
#include "tools/devnode/consensus/hash.h"

#include <stdlib.h>

#define BLOCK_BYTES_MAX 4000000

static void read_bytes(struct reader *reader, struct buffer *buffer_r)
{
    uint64_t length = reader_compact(reader);
    if (length > reader_left(reader)) {
        reader->failed = true;
        return;
    }
    buffer_put(buffer_r, reader_take(reader, length), length);
}

static void read_inputs(struct reader *reader, struct tx *tx, uint64_t count)
{
    if (count > reader_left(reader) / 41) {
        reader->failed = true;
        return;
    }
    tx->inputs = memory_take(count * sizeof *tx->inputs);
    tx->input_count = count;
    for (size_t i = 0; i < count && !reader->failed; i++) {
        struct tx_input *input = &tx->inputs[i];
        const uint8_t *txid = reader_take(reader, 32);
        if (txid != NULL)
            memcpy(input->previous.txid, txid, 32);
        input->previous.index = reader_le32(reader);
        read_bytes(reader, &input->script);
        input->sequence = reader_le32(reader);
    }
}

static void read_outputs(struct reader *reader, struct tx *tx)
{
    uint64_t count = reader_compact(reader);
    if (count > reader_left(reader) / 9) {
        reader->failed = true;
        return;
    }
    tx->outputs = memory_take(count * sizeof *tx->outputs);
    tx->output_count = count;
    for (size_t i = 0; i < count && !reader->failed; i++) {
        tx->outputs[i].value = (int64_t)reader_le64(reader);
        read_bytes(reader, &tx->outputs[i].script);
    }
}

static void read_witness(struct reader *reader, struct tx_input *input)
{
    uint64_t count = reader_compact(reader);
    if (count > reader_left(reader)) {
        reader->failed = true;
        return;
    }
    if (count == 0)
        return;
    input->witness = memory_take(count * sizeof *input->witness);
    input->witness_count = count;
    for (size_t i = 0; i < count && !reader->failed; i++)
        read_bytes(reader, &input->witness[i]);
}

struct tx *tx_read(struct reader *reader, bool allow_witness)
{
    struct tx *tx = memory_take(sizeof *tx);
    uint8_t flags = 0;
    tx->version = reader_le32(reader);
    uint64_t inputs = reader_compact(reader);
    if (inputs == 0 && allow_witness && !reader->failed) {
        flags = reader_u8(reader);
        if (flags != 0)
            inputs = reader_compact(reader);
    }
    if (inputs != 0 || flags != 0 || !allow_witness) {
        read_inputs(reader, tx, inputs);
        read_outputs(reader, tx);
    }
    if ((flags & 1) != 0) {
        flags ^= 1;
        for (size_t i = 0; i < tx->input_count && !reader->failed; i++)
            read_witness(reader, &tx->inputs[i]);
        if (!tx_has_witness(tx))
            reader->failed = true; /* superfluous witness record */
    }
    if (flags != 0)
        reader->failed = true; /* unknown optional data */
    tx->lock_time = reader_le32(reader);
    if (reader->failed) {
        tx_destroy(tx);
        return NULL;
    }
    tx_finish(tx);
    return tx;
}

struct tx *tx_decode(struct span bytes)
{
    for (int allow_witness = 1; allow_witness >= 0; allow_witness--) {
        struct reader reader = reader_over(bytes);
        struct tx *tx = tx_read(&reader, allow_witness == 1);
        if (tx != NULL && reader_left(&reader) == 0)
            return tx;
        tx_destroy(tx);
    }
    return NULL;
}

struct tx *tx_clone(const struct tx *tx)
{
    struct buffer bytes = { 0 };
    tx_encode(tx, true, &bytes);
    struct tx *clone = tx_decode(buffer_span(&bytes));
    buffer_deinit(&bytes);
    ASSERT(clone != NULL);
    return clone;
}

void tx_destroy(struct tx *tx)
{
    if (tx == NULL)
        return;
    for (size_t i = 0; i < tx->input_count; i++) {
        for (size_t j = 0; j < tx->inputs[i].witness_count; j++)
            buffer_deinit(&tx->inputs[i].witness[j]);
        free(tx->inputs[i].witness);
        buffer_deinit(&tx->inputs[i].script);
    }
    for (size_t i = 0; i < tx->output_count; i++)
        buffer_deinit(&tx->outputs[i].script);
    free(tx->inputs);
    free(tx->outputs);
    free(tx);
}

static void put_bytes(struct buffer *buffer, const struct buffer *bytes)
{
    buffer_put_compact(buffer, bytes->length);
    buffer_put(buffer, bytes->data, bytes->length);
}

void tx_encode(const struct tx *tx, bool with_witness, struct buffer *buffer)
{
    bool witness = with_witness && tx_has_witness(tx);
    buffer_put_le32(buffer, tx->version);
    if (witness) {
        buffer_put_u8(buffer, 0);
        buffer_put_u8(buffer, 1);
    }
    buffer_put_compact(buffer, tx->input_count);
    for (size_t i = 0; i < tx->input_count; i++) {
        buffer_put(buffer, tx->inputs[i].previous.txid, 32);
        buffer_put_le32(buffer, tx->inputs[i].previous.index);
        put_bytes(buffer, &tx->inputs[i].script);
        buffer_put_le32(buffer, tx->inputs[i].sequence);
    }
    buffer_put_compact(buffer, tx->output_count);
    for (size_t i = 0; i < tx->output_count; i++) {
        buffer_put_le64(buffer, (uint64_t)tx->outputs[i].value);
        put_bytes(buffer, &tx->outputs[i].script);
    }
    for (size_t i = 0; witness && i < tx->input_count; i++) {
        buffer_put_compact(buffer, tx->inputs[i].witness_count);
        for (size_t j = 0; j < tx->inputs[i].witness_count; j++)
            put_bytes(buffer, &tx->inputs[i].witness[j]);
    }
    buffer_put_le32(buffer, tx->lock_time);
}

void tx_finish(struct tx *tx)
{
    struct buffer bytes = { 0 };
    tx_encode(tx, false, &bytes);
    hash_sha256d(buffer_span(&bytes), tx->txid);
    tx->base_bytes = bytes.length;
    bytes.length = 0;
    tx_encode(tx, true, &bytes);
    hash_sha256d(buffer_span(&bytes), tx->wtxid);
    tx->total_bytes = bytes.length;
    buffer_deinit(&bytes);
}

struct tx *tx_create(uint32_t version, uint32_t lock_time)
{
    struct tx *tx = memory_take(sizeof *tx);
    tx->version = version;
    tx->lock_time = lock_time;
    return tx;
}

struct tx_input *tx_add_input(struct tx *tx, const struct outpoint *previous, uint32_t sequence)
{
    tx->inputs = realloc(tx->inputs, (tx->input_count + 1) * sizeof *tx->inputs);
    ASSERT(tx->inputs != NULL);
    struct tx_input *input = &tx->inputs[tx->input_count++];
    *input = (struct tx_input){ .previous = *previous, .sequence = sequence };
    return input;
}

void tx_add_output(struct tx *tx, int64_t value, struct span script)
{
    tx->outputs = realloc(tx->outputs, (tx->output_count + 1) * sizeof *tx->outputs);
    ASSERT(tx->outputs != NULL);
    struct tx_output *output = &tx->outputs[tx->output_count++];
    *output = (struct tx_output){ .value = value };
    buffer_put(&output->script, script.data, script.length);
}

void tx_add_witness(struct tx_input *input, struct span item)
{
    input->witness = realloc(input->witness, (input->witness_count + 1) * sizeof *input->witness);
    ASSERT(input->witness != NULL);
    struct buffer *added = &input->witness[input->witness_count++];
    *added = (struct buffer){ 0 };
    buffer_put(added, item.data, item.length);
}

static bool outpoint_is_null(const struct outpoint *outpoint)
{
    static const uint8_t zero[32];
    return outpoint->index == UINT32_MAX && memcmp(outpoint->txid, zero, 32) == 0;
}

bool tx_is_coinbase(const struct tx *tx)
{
    return tx->input_count == 1 && outpoint_is_null(&tx->inputs[0].previous);
}

bool tx_has_witness(const struct tx *tx)
{
    for (size_t i = 0; i < tx->input_count; i++)
        if (tx->inputs[i].witness_count != 0)
            return true;
    return false;
}

static size_t script_sigops(const struct buffer *script)
{
    struct reader reader = reader_over(buffer_span(script));
    size_t count = 0;
    while (reader_left(&reader) > 0) {
        uint8_t op = reader_u8(&reader);
        size_t skip = 0;
        if (op <= 75) {
            skip = op;
        } else if (op == 76) { /* OP_PUSHDATA1 */
            skip = reader_u8(&reader);
        } else if (op == 77) { /* OP_PUSHDATA2 */
            const uint8_t *p = reader_take(&reader, 2);
            skip = p == NULL ? 0 : load_le16(p);
        } else if (op == 78) { /* OP_PUSHDATA4 */
            skip = reader_le32(&reader);
        } else if (op == 0xac || op == 0xad) { /* OP_CHECKSIG(VERIFY) */
            count += 1;
        } else if (op == 0xae || op == 0xaf) { /* OP_CHECKMULTISIG(VERIFY) */
            count += 20;
        }
        if (reader_take(&reader, skip) == NULL)
            break;
    }
    return count;
}

size_t tx_legacy_sigops(const struct tx *tx)
{
    size_t count = 0;
    for (size_t i = 0; i < tx->input_count; i++)
        count += script_sigops(&tx->inputs[i].script);
    for (size_t i = 0; i < tx->output_count; i++)
        count += script_sigops(&tx->outputs[i].script);
    return count;
}

static int compare_outpoints(const void *a, const void *b)
{
    const struct outpoint *x = *(const struct outpoint *const *)a;
    const struct outpoint *y = *(const struct outpoint *const *)b;
    int order = memcmp(x->txid, y->txid, 32);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static bool has_duplicate_inputs(const struct tx *tx)
{
    const struct outpoint **sorted = memory_take(tx->input_count * sizeof *sorted);
    bool found = false;
    for (size_t i = 0; i < tx->input_count; i++)
        sorted[i] = &tx->inputs[i].previous;
    qsort(sorted, tx->input_count, sizeof *sorted, compare_outpoints);
    for (size_t i = 1; i < tx->input_count; i++)
        if (compare_outpoints(&sorted[i - 1], &sorted[i]) == 0)
            found = true;
    free(sorted);
    return found;
}

const char *tx_check(const struct tx *tx)
{
    if (tx->input_count == 0)
        return "bad-txns-vin-empty";
    if (tx->output_count == 0)
        return "bad-txns-vout-empty";
    if (tx->base_bytes * 4 > BLOCK_BYTES_MAX)
        return "bad-txns-oversize";
    int64_t total = 0;
    for (size_t i = 0; i < tx->output_count; i++) {
        if (tx->outputs[i].value < 0)
            return "bad-txns-vout-negative";
        if (tx->outputs[i].value > MONEY_MAX)
            return "bad-txns-vout-toolarge";
        total += tx->outputs[i].value;
        if (total > MONEY_MAX)
            return "bad-txns-txouttotal-toolarge";
    }
    if (has_duplicate_inputs(tx))
        return "bad-txns-inputs-duplicate";
    if (tx_is_coinbase(tx)) {
        size_t length = tx->inputs[0].script.length;
        return length < 2 || length > 100 ? "bad-cb-length" : NULL;
    }
    for (size_t i = 0; i < tx->input_count; i++)
        if (outpoint_is_null(&tx->inputs[i].previous))
            return "bad-txns-prevout-null";
    return NULL;
}

bool tx_is_final(const struct tx *tx, uint32_t height, uint32_t median_time_past)
{
    if (tx->lock_time == 0)
        return true;
    uint32_t limit = tx->lock_time < 500000000 ? height : median_time_past;
    if (tx->lock_time < limit)
        return true;
    for (size_t i = 0; i < tx->input_count; i++)
        if (tx->inputs[i].sequence != UINT32_MAX)
            return false;
    return true;
}
