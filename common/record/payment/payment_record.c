#include "record/payment/payment_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum payment_field {
    F_STATE,
    F_EPOCH,
    F_AMOUNT,
    F_CONFIRMED,
    F_CONFIRMATIONS,
    F_CREATED_MS,
    F_UPDATED_MS,
    F_REASON,
    F_TXID,
    F_FEE,
    F_ANCHOR_TXID,
    F_ANCHOR_OUTPUT,
    F_BLOCK_HASH,
    F_RAW,
    F_OUTPUT_COUNT,
    F_OUTPUTS,
    F_VERSIONS,
    F_RECEIVERS_PAY,
    F_APPROVE,
    F_APPROVALS,
    F_REQUEST,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_STATE] = { "state", STORE_INT, true },
    [F_EPOCH] = { "epoch", STORE_INT, false },
    [F_AMOUNT] = { "amount", STORE_INT, false },
    [F_CONFIRMED] = { "confirmed", STORE_INT, false },
    [F_CONFIRMATIONS] = { "confirmations", STORE_INT, false },
    [F_CREATED_MS] = { "created_ms", STORE_INT, false },
    [F_UPDATED_MS] = { "updated_ms", STORE_INT, false },
    [F_REASON] = { "reason", STORE_TEXT, false },
    [F_TXID] = { "txid", STORE_TEXT, true }, /* display order, as people search for it */
    [F_FEE] = { "fee", STORE_INT, false },
    [F_ANCHOR_TXID] = { "anchor_txid", STORE_BYTES, false },
    [F_ANCHOR_OUTPUT] = { "anchor_output", STORE_INT, false },
    [F_BLOCK_HASH] = { "block_hash", STORE_BYTES, false },
    [F_RAW] = { "raw", STORE_BYTES, false }, /* no longer written: versions has it */
    [F_OUTPUT_COUNT] = { "output_count", STORE_INT, false },
    [F_OUTPUTS] = { "outputs", STORE_BYTES, false },
    [F_VERSIONS] = { "versions", STORE_BYTES, false },
    [F_RECEIVERS_PAY] = { "receivers_pay", STORE_INT, false },
    [F_APPROVE] = { "approve", STORE_INT, false },
    [F_APPROVALS] = { "approvals", STORE_TEXT, false },
    [F_REQUEST] = { "request", STORE_TEXT, true },
};

const struct store_collection payment_collection = { "payments", fields, F_COUNT };

enum {
    ID_BYTES = 21,
    OUTPUT_HEAD_BYTES = 17, /* account, amount, length of the address that follows */
    OUTPUT_BYTES_MAX = OUTPUT_HEAD_BYTES + ADDRESS_TEXT_BYTES,
    VERSION_HEAD_BYTES = 48, /* txid, fee, height, length of the bytes that follow */
};

static void format_id(uint64_t number, char id_r[ID_BYTES])
{
    snprintf(id_r, ID_BYTES, "%020" PRIu64, number);
}

size_t payment_record_bytes(size_t outputs, size_t raw_bytes)
{
    return 4096 + PAYMENT_VERSIONS_MAX * VERSION_HEAD_BYTES + raw_bytes +
           outputs * (sizeof(struct payment_output) + OUTPUT_BYTES_MAX);
}

static size_t pack_outputs(const struct payment_record *payment, uint8_t *packed_r)
{
    size_t used = 0;
    for (size_t i = 0; i < payment->output_count; i++) {
        const struct payment_output *output = &payment->outputs[i];
        size_t length = strlen(output->address);
        store_le64(packed_r + used, output->account);
        store_le64(packed_r + used + 8, output->amount.units);
        packed_r[used + 16] = (uint8_t)length;
        memcpy(packed_r + used + OUTPUT_HEAD_BYTES, output->address, length);
        used += OUTPUT_HEAD_BYTES + length;
    }
    return used;
}

static bool unpack_outputs(struct span packed, struct payment_output *outputs_r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (packed.length < OUTPUT_HEAD_BYTES)
            return false;
        size_t length = packed.data[16];
        if (length >= ADDRESS_TEXT_BYTES || packed.length - OUTPUT_HEAD_BYTES < length)
            return false;
        outputs_r[i].account = load_le64(packed.data);
        outputs_r[i].amount.units = load_le64(packed.data + 8);
        memcpy(outputs_r[i].address, packed.data + OUTPUT_HEAD_BYTES, length);
        outputs_r[i].address[length] = '\0';
        packed.data += OUTPUT_HEAD_BYTES + length;
        packed.length -= OUTPUT_HEAD_BYTES + length;
    }
    return packed.length == 0;
}

static size_t versions_bytes(const struct payment_record *payment)
{
    size_t bytes = 0;
    for (size_t i = 0; i < payment->version_count; i++)
        bytes += VERSION_HEAD_BYTES + payment->versions[i].raw.length;
    return bytes;
}

static void pack_versions(const struct payment_record *payment, uint8_t *packed_r)
{
    for (size_t i = 0; i < payment->version_count; i++) {
        const struct payment_version *version = &payment->versions[i];
        memcpy(packed_r, version->txid, 32);
        store_le64(packed_r + 32, version->fee.units);
        store_le32(packed_r + 40, version->height);
        store_le32(packed_r + 44, (uint32_t)version->raw.length);
        memcpy(packed_r + VERSION_HEAD_BYTES, version->raw.data, version->raw.length);
        packed_r += VERSION_HEAD_BYTES + version->raw.length;
    }
}

static bool unpack_versions(struct span packed, struct payment_record *payment_r)
{
    while (packed.length > 0) {
        if (packed.length < VERSION_HEAD_BYTES || payment_r->version_count == PAYMENT_VERSIONS_MAX)
            return false;
        struct payment_version *version = &payment_r->versions[payment_r->version_count++];
        size_t length = load_le32(packed.data + 44);
        if (packed.length - VERSION_HEAD_BYTES < length)
            return false;
        memcpy(version->txid, packed.data, 32);
        version->fee.units = load_le64(packed.data + 32);
        version->height = load_le32(packed.data + 40);
        version->raw = span_of(packed.data + VERSION_HEAD_BYTES, length);
        packed.data += VERSION_HEAD_BYTES + length;
        packed.length -= VERSION_HEAD_BYTES + length;
    }
    return true;
}

static bool take_text(struct span text, char *text_r, size_t bytes)
{
    if (text.length >= bytes)
        return false;
    if (text.length > 0)
        memcpy(text_r, text.data, text.length);
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* One write of the whole record; its bytes live only as long as this call. */
static enum store_outcome write_record(struct store *store, enum store_verb verb,
                                       const struct payment_record *payment, struct error *error)
{
    ASSERT(payment->output_count <= PAYMENT_OUTPUTS_MAX);
    char id[ID_BYTES], txid[65] = "";
    format_id(payment->number, id);
    if (!is_zero(payment->txid, sizeof payment->txid)) {
        uint8_t shown[32];
        bytes_reverse(payment->txid, sizeof shown, shown);
        hex_encode(span_of(shown, sizeof shown), txid);
    }
    size_t version_bytes = versions_bytes(payment);
    uint8_t *packed = malloc(version_bytes + payment->output_count * OUTPUT_BYTES_MAX + 1);
    if (packed == NULL) {
        error_fill(error, ERROR_SYSTEM, "out of memory for a payment's outputs");
        return STORE_FAILED;
    }
    pack_versions(payment, packed);
    size_t packed_bytes = pack_outputs(payment, packed + version_bytes);
    struct store_write write = { .verb = verb,
                                 .collection = &payment_collection,
                                 .record = { .id = id, .version = payment->version } };
    struct store_value *values = write.record.values;
    values[F_STATE] = store_int(payment->state);
    values[F_EPOCH] = store_int((int64_t)payment->epoch);
    values[F_AMOUNT] = store_int((int64_t)payment->amount.units);
    values[F_CONFIRMED] = store_int(payment->confirmed);
    values[F_CONFIRMATIONS] = store_int(payment->confirmations);
    values[F_CREATED_MS] = store_int((int64_t)payment->created_ms);
    values[F_UPDATED_MS] = store_int((int64_t)payment->updated_ms);
    values[F_REASON] = store_text(payment->reason);
    values[F_TXID] = store_text(txid);
    values[F_FEE] = store_int((int64_t)payment->fee.units);
    values[F_ANCHOR_TXID] = store_bytes(span_of(payment->anchor_txid, 32));
    values[F_ANCHOR_OUTPUT] = store_int(payment->anchor_output);
    values[F_BLOCK_HASH] = store_bytes(span_of(payment->block_hash, 32));
    values[F_RAW] = store_bytes(span_of(packed, 0));
    values[F_OUTPUT_COUNT] = store_int((int64_t)payment->output_count);
    values[F_OUTPUTS] = store_bytes(span_of(packed + version_bytes, packed_bytes));
    values[F_VERSIONS] = store_bytes(span_of(packed, version_bytes));
    values[F_RECEIVERS_PAY] = store_int(payment->receivers_pay);
    values[F_APPROVE] = store_int(payment->approve);
    values[F_APPROVALS] = store_text(payment->approvals);
    values[F_REQUEST] = store_text(payment->request);
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    free(packed);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

/* Everything but the outputs. */
static bool decode(const struct store_record *record, struct payment_record *payment_r)
{
    const struct store_value *values = record->values;
    u128 number;
    struct span txid = values[F_TXID].bytes;
    int64_t outputs = values[F_OUTPUT_COUNT].integer;
    *payment_r = (struct payment_record){
        .epoch = (uint64_t)values[F_EPOCH].integer,
        .amount = { (uint64_t)values[F_AMOUNT].integer },
        .confirmed = (uint32_t)values[F_CONFIRMED].integer,
        .confirmations = (int32_t)values[F_CONFIRMATIONS].integer,
        .created_ms = (uint64_t)values[F_CREATED_MS].integer,
        .updated_ms = (uint64_t)values[F_UPDATED_MS].integer,
        .fee = { (uint64_t)values[F_FEE].integer },
        .anchor_output = (uint32_t)values[F_ANCHOR_OUTPUT].integer,
        .receivers_pay = values[F_RECEIVERS_PAY].integer != 0,
        .approve = values[F_APPROVE].integer != 0,
        .output_count = (size_t)outputs,
        .version = record->version,
    };
    uint8_t shown[32] = { 0 };
    if (!payment_state_from_stored(values[F_STATE].integer, &payment_r->state) ||
        !u128_parse(record->id, strlen(record->id), &number) || number > UINT64_MAX ||
        outputs < 0 || outputs > PAYMENT_OUTPUTS_MAX ||
        !take_text(values[F_REASON].bytes, payment_r->reason, sizeof payment_r->reason) ||
        !take_text(values[F_APPROVALS].bytes, payment_r->approvals, sizeof payment_r->approvals) ||
        !take_text(values[F_REQUEST].bytes, payment_r->request, sizeof payment_r->request) ||
        !unpack_versions(values[F_VERSIONS].bytes, payment_r) ||
        values[F_ANCHOR_TXID].bytes.length != 32 || values[F_BLOCK_HASH].bytes.length != 32 ||
        (txid.length != 0 && !hex_decode((const char *)txid.data, txid.length, shown, 32)))
        return false;
    payment_r->number = (uint64_t)number;
    bytes_reverse(shown, sizeof shown, payment_r->txid);
    memcpy(payment_r->anchor_txid, values[F_ANCHOR_TXID].bytes.data, 32);
    memcpy(payment_r->block_hash, values[F_BLOCK_HASH].bytes.data, 32);
    struct span raw = values[F_RAW].bytes;
    if (raw.length > 0 && payment_r->version_count == 0) { /* from before there were versions */
        payment_r->versions[0] = (struct payment_version){ .fee = payment_r->fee, .raw = raw };
        memcpy(payment_r->versions[0].txid, payment_r->txid, 32);
        payment_r->version_count = 1;
    }
    return true;
}

static enum store_outcome damaged(struct error *error)
{
    error_fill(error, ERROR_INVALID, "a payment in the store is damaged");
    return STORE_FAILED;
}

enum store_outcome payment_insert(struct store *store, struct payment_record *payment,
                                  struct error *error)
{
    enum store_outcome outcome = write_record(store, STORE_INSERT, payment, error);
    if (outcome == STORE_DONE)
        payment->version = 1;
    return outcome;
}

enum store_outcome payment_save(struct store *store, struct payment_record *payment,
                                struct error *error)
{
    enum store_outcome outcome = write_record(store, STORE_REPLACE, payment, error);
    if (outcome == STORE_DONE)
        payment->version++;
    return outcome;
}

enum store_outcome payment_get(struct store *store, uint64_t number, struct arena *arena,
                               struct payment_record *payment_r, struct error *error)
{
    char id[ID_BYTES];
    struct store_record record;
    format_id(number, id);
    enum store_outcome outcome = store_get(store, &payment_collection, id, arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    if (!decode(&record, payment_r))
        return damaged(error);
    payment_r->outputs = arena_take(arena, payment_r->output_count * sizeof *payment_r->outputs);
    if (payment_r->outputs == NULL) {
        error_fill(error, ERROR_FULL, "a payment does not fit the memory meant for it");
        return STORE_FAILED;
    }
    if (!unpack_outputs(record.values[F_OUTPUTS].bytes, payment_r->outputs,
                        payment_r->output_count))
        return damaged(error);
    return STORE_DONE;
}

struct payment_search {
    payment_visitor visit;
    void *context;
    bool broken;
};

static bool on_payment(void *context, const struct store_record *record)
{
    struct payment_search *search = context;
    struct payment_record payment;
    if (!decode(record, &payment)) {
        search->broken = true;
        return false;
    }
    return search->visit(search->context, &payment);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              payment_visitor visit, void *context, struct error *error)
{
    struct payment_search search = { .visit = visit, .context = context };
    enum store_outcome outcome =
        store_find(store, &payment_collection, query, on_payment, &search, error);
    return outcome == STORE_DONE && search.broken ? damaged(error) : outcome;
}

static bool note_number(void *context, const struct payment_record *payment)
{
    *(uint64_t *)context = payment->number;
    return false;
}

enum store_outcome payment_newest(struct store *store, uint64_t *number_r, struct error *error)
{
    *number_r = 0;
    return payment_walk_newest(store, 0, 1, note_number, number_r, error);
}

enum store_outcome payment_of_request(struct store *store, const char *request, uint64_t *number_r,
                                      struct error *error)
{
    struct store_query query = { .field = "request",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(request),
                                 .high = store_text(request),
                                 .order = STORE_DESCENDING,
                                 .limit = 1 };
    ASSERT(request[0] != '\0');
    *number_r = 0;
    enum store_outcome outcome = run(store, &query, note_number, number_r, error);
    return outcome == STORE_DONE && *number_r == 0 ? STORE_MISSING : outcome;
}

enum store_outcome payment_walk_open(struct store *store, payment_visitor visit, void *context,
                                     struct error *error)
{
    struct store_query query = { .field = "state",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_int(PAYMENT_PLANNED),
                                 .high = store_int(PAYMENT_VOIDING) };
    return run(store, &query, visit, context, error);
}

enum store_outcome payment_walk_newest(struct store *store, uint64_t newest, size_t limit,
                                       payment_visitor visit, void *context, struct error *error)
{
    char id[ID_BYTES];
    format_id(newest, id);
    struct store_query query = { .field = "id",
                                 .has_high = newest != 0,
                                 .high = store_text(id),
                                 .order = STORE_DESCENDING,
                                 .limit = limit };
    return run(store, &query, visit, context, error);
}
