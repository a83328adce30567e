#include "adapter/window_redis/packed.h"

#include <inttypes.h>
#include <stdio.h>

enum { BATCH_VERSION = 1, RECORD_VERSION = 1, CANDIDATE_VERSION = 1 };

void packed_key_records(uint64_t lease_id, char key_r[PACKED_KEY_BYTES])
{
    snprintf(key_r, PACKED_KEY_BYTES, "adit:window:lease:%016" PRIx64, lease_id);
}

size_t packed_batch_write(const struct window_batch *batch, uint8_t *bytes_r)
{
    ASSERT(batch->share_count >= 1 && batch->share_count <= WINDOW_BATCH_SHARES_MAX);
    bytes_r[0] = BATCH_VERSION;
    store_be64(bytes_r + 1, batch->lease_id);
    store_be64(bytes_r + 9, batch->sequence);
    store_be32(bytes_r + 17, (uint32_t)(batch->share_count - 1));
    uint8_t *at = bytes_r + PACKED_BATCH_HEADER_BYTES;
    for (size_t i = 0; i < batch->share_count; i++, at += WINDOW_SHARE_BYTES) {
        const struct window_share *share = &batch->shares[i];
        store_be64(at, share->account);
        store_be64(at + 8, share->worker);
        store_be64(at + 16, share->work);
        store_be64(at + 24, share->job_id);
        store_be64(at + 32, share->time_ms);
    }
    return (size_t)(at - bytes_r);
}

bool packed_batch_read(struct span bytes, struct packed_batch *batch_r, struct error *error)
{
    if (bytes.length < PACKED_BATCH_HEADER_BYTES)
        return error_set(error, ERROR_INVALID, "an entry of the window is cut short");
    if (bytes.data[0] != BATCH_VERSION)
        return error_set(error, ERROR_INVALID,
                         "an entry of the window has version %u, this program reads %d",
                         bytes.data[0], BATCH_VERSION);
    uint64_t count = (uint64_t)load_be32(bytes.data + 17) + 1;
    if (count > WINDOW_BATCH_SHARES_MAX ||
        bytes.length != PACKED_BATCH_HEADER_BYTES + count * WINDOW_SHARE_BYTES)
        return error_set(error, ERROR_INVALID,
                         "an entry of the window has %zu bytes, which is not right for %" PRIu64
                         " shares",
                         bytes.length, count);
    batch_r->lease_id = load_be64(bytes.data + 1);
    batch_r->sequence = load_be64(bytes.data + 9);
    batch_r->share_count = (size_t)count;
    const uint8_t *at = bytes.data + PACKED_BATCH_HEADER_BYTES;
    for (size_t i = 0; i < batch_r->share_count; i++, at += WINDOW_SHARE_BYTES)
        batch_r->shares[i] = (struct window_share){
            .account = load_be64(at),
            .worker = load_be64(at + 8),
            .work = load_be64(at + 16),
            .job_id = load_be64(at + 24),
            .time_ms = load_be64(at + 32),
        };
    return true;
}

void packed_id_write(const struct window_position *position, char id_r[PACKED_ID_BYTES])
{
    snprintf(id_r, PACKED_ID_BYTES, "%" PRIu64 "-%" PRIu64, position->high, position->low);
}

/* One decimal of an id; the text moves behind it. */
static bool read_decimal(struct span *text, uint64_t *value_r)
{
    size_t digits = 0;
    while (digits < text->length && text->data[digits] >= '0' && text->data[digits] <= '9')
        digits++;
    u128 value;
    if (!u128_parse((const char *)text->data, digits, &value) || value > UINT64_MAX)
        return false;
    *value_r = (uint64_t)value;
    *text = span_of(text->data + digits, text->length - digits);
    return true;
}

bool packed_id_read(struct span id, struct window_position *position_r, struct error *error)
{
    *position_r = (struct window_position){ 0 };
    if (id.length == 0)
        return true;
    struct window_position position = { 0 };
    struct span rest = id;
    if (!read_decimal(&rest, &position.high) || rest.length == 0 || rest.data[0] != '-')
        return error_set(error, ERROR_INVALID, "an id in the window is no id");
    rest = span_of(rest.data + 1, rest.length - 1);
    if (!read_decimal(&rest, &position.low) || rest.length != 0)
        return error_set(error, ERROR_INVALID, "an id in the window is no id");
    *position_r = position;
    return true;
}

/* An id with its length before it; `rest_r` is what follows. */
static bool read_prefixed_id(struct span bytes, struct window_position *position_r,
                             struct span *rest_r, struct error *error)
{
    if (bytes.length < 1 || bytes.length < 1u + bytes.data[0])
        return error_set(error, ERROR_INVALID, "a record of the window is cut short");
    size_t length = bytes.data[0];
    *rest_r = span_of(bytes.data + 1 + length, bytes.length - 1 - length);
    return packed_id_read(span_of(bytes.data + 1, length), position_r, error);
}

bool packed_record_read(struct span record, struct window_position *position_r,
                        struct span *verdicts_r, struct error *error)
{
    if (record.length < 9 || record.data[8] != RECORD_VERSION)
        return error_set(error, ERROR_INVALID, "a batch's record in the window is not readable");
    return read_prefixed_id(span_of(record.data + 9, record.length - 9), position_r, verdicts_r,
                            error);
}

bool packed_candidate_read(struct span hash, struct span value, struct window_found *found_r,
                           struct error *error)
{
    if (hash.length != sizeof found_r->block_hash || value.length < 6 ||
        value.data[0] != CANDIDATE_VERSION)
        return error_set(error, ERROR_INVALID, "a candidate in the window is not readable");
    memset(found_r, 0, sizeof *found_r);
    memcpy(found_r->block_hash, hash.data, sizeof found_r->block_hash);
    found_r->credited = value.data[1] == 'c';
    found_r->empty = value.data[1] == 'e';
    if (!read_prefixed_id(span_of(value.data + 6, value.length - 6), &found_r->end,
                          &found_r->record, error))
        return false;
    found_r->end.index = load_be32(value.data + 2);
    return true;
}
