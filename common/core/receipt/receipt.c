#include "core/receipt/inside.h"

#include "core/proof/tagged.h"

static const uint8_t magic[4] = { 'a', 'R', 'C', 'P' };

static void store_le48(uint8_t *bytes, uint64_t value)
{
    store_le32(bytes, (uint32_t)value);
    store_le16(bytes + 4, (uint16_t)(value >> 32));
}

static uint64_t load_le48(const uint8_t *bytes)
{
    return load_le32(bytes) | (uint64_t)load_le16(bytes + 4) << 32;
}

/* Version 2 gives each number the room that it can need, so that a share stays one block: lease and
 * sequence of 48 bits, an entry of its millisecond in 32, the time it was received by its distance
 * from the entry's. */
bool receipt_share_write(const struct receipt_share *share, uint8_t bytes_r[RECEIPT_SHARE_BYTES])
{
    uint64_t ahead = share->position.high - share->time_ms;
    bool near = ahead + INT32_MAX + UINT64_C(1) <= UINT32_MAX;
    if (share->position.low > UINT32_MAX || share->position.index > UINT16_MAX ||
        share->place > UINT16_MAX || share->lease_id >> 48 != 0 || share->sequence >> 48 != 0 ||
        !near)
        return false;
    store_le64(bytes_r, share->position.high);
    store_le32(bytes_r + 8, (uint32_t)share->position.low);
    store_le16(bytes_r + 12, (uint16_t)share->position.index);
    store_le16(bytes_r + 14, (uint16_t)share->place);
    store_le48(bytes_r + 16, share->lease_id);
    store_le48(bytes_r + 22, share->sequence);
    store_le64(bytes_r + 28, share->account);
    store_le64(bytes_r + 36, share->work);
    store_le32(bytes_r + 44, (uint32_t)ahead);
    store_le32(bytes_r + 48, share->nonce);
    return true;
}

static void write_share_1(const struct receipt_share *share, uint8_t bytes_r[RECEIPT_SHARE_BYTES])
{
    store_le64(bytes_r, share->position.high);
    store_le64(bytes_r + 8, share->position.low);
    store_le32(bytes_r + 16, share->position.index);
    store_le64(bytes_r + 20, share->account);
    store_le64(bytes_r + 28, share->work);
    store_le64(bytes_r + 36, share->job_id);
    store_le64(bytes_r + 44, share->time_ms);
}

void receipt_share_put(uint8_t version, const struct receipt_share *share,
                       uint8_t bytes_r[RECEIPT_SHARE_BYTES])
{
    if (version == 1)
        write_share_1(share, bytes_r);
    else if (!receipt_share_write(share, bytes_r))
        memset(bytes_r, 0, RECEIPT_SHARE_BYTES); /* a share that was never signed for */
}

void receipt_share_read(uint8_t version, const uint8_t bytes[RECEIPT_SHARE_BYTES],
                        struct receipt_share *share_r)
{
    if (version == 1) {
        *share_r = (struct receipt_share){
            .position = { load_le64(bytes), load_le64(bytes + 8), load_le32(bytes + 16) },
            .account = load_le64(bytes + 20),
            .work = load_le64(bytes + 28),
            .job_id = load_le64(bytes + 36),
            .time_ms = load_le64(bytes + 44),
        };
        return;
    }
    uint64_t high = load_le64(bytes), ahead = load_le32(bytes + 44);
    *share_r = (struct receipt_share){
        .position = { high, load_le32(bytes + 8), load_le16(bytes + 12) },
        .place = load_le16(bytes + 14),
        .lease_id = load_le48(bytes + 16),
        .sequence = load_le48(bytes + 22),
        .account = load_le64(bytes + 28),
        .work = load_le64(bytes + 36),
        .time_ms = high - (ahead >> 31 == 0 ? ahead : ahead - (UINT64_C(1) << 32)),
        .nonce = load_le32(bytes + 48),
    };
}

size_t receipt_slice_bytes(uint8_t version)
{
    return version == 1                 ? RECEIPT_SLICE_1_BYTES
           : version == RECEIPT_VERSION ? RECEIPT_SLICE_BYTES
                                        : 0;
}

void receipt_slice_write(const struct receipt_slice *slice, uint8_t bytes_r[RECEIPT_SLICE_BYTES])
{
    uint8_t *at = bytes_r + 68;
    memcpy(bytes_r, slice->key, RECEIPT_KEY_BYTES);
    store_le64(bytes_r + 32, slice->boot_id);
    store_le64(bytes_r + 40, slice->number);
    store_le64(bytes_r + 48, slice->began_ms);
    store_le64(bytes_r + 56, slice->ended_ms);
    store_le32(bytes_r + 64, slice->count);
    if (slice->version != 1) {
        store_le64(at, slice->history);
        at += 8;
    }
    memcpy(at, slice->root, RECEIPT_HASH_BYTES);
    memcpy(at + RECEIPT_HASH_BYTES, slice->signature, RECEIPT_SIGNATURE_BYTES);
}

bool receipt_slice_read(uint8_t version, const uint8_t *bytes, struct receipt_slice *slice_r)
{
    const uint8_t *at = bytes + (version == 1 ? 68 : 76);
    memcpy(slice_r->key, bytes, RECEIPT_KEY_BYTES);
    slice_r->version = version;
    slice_r->boot_id = load_le64(bytes + 32);
    slice_r->number = load_le64(bytes + 40);
    slice_r->began_ms = load_le64(bytes + 48);
    slice_r->ended_ms = load_le64(bytes + 56);
    slice_r->count = load_le32(bytes + 64);
    slice_r->history = version == 1 ? 0 : load_le64(bytes + 68);
    memcpy(slice_r->root, at, RECEIPT_HASH_BYTES);
    memcpy(slice_r->signature, at + RECEIPT_HASH_BYTES, RECEIPT_SIGNATURE_BYTES);
    return slice_r->count >= 1 && slice_r->count <= RECEIPT_SHARES_MAX;
}

void receipt_slice_digest(const struct receipt_slice *slice, uint8_t digest_r[RECEIPT_HASH_BYTES])
{
    struct sha256_state state;
    uint8_t bytes[RECEIPT_SLICE_BYTES];
    receipt_slice_write(slice, bytes);
    proof_tagged_begin(&state, slice->version == 1 ? "adit/receipt/slice" : "adit/receipt/slice/2");
    sha256_update(&state,
                  span_of(bytes, receipt_slice_bytes(slice->version) - RECEIPT_SIGNATURE_BYTES));
    sha256_final(&state, digest_r);
}

bool receipt_counts(const struct receipt_share *share, const struct proof_statement *statement)
{
    return !statement->empty && proof_position_compare(&share->position, &statement->oldest) > 0 &&
           proof_position_compare(&share->position, &statement->newest) <= 0;
}

size_t receipt_encode(const struct receipt *receipt, uint8_t bytes_r[RECEIPT_BYTES_MAX])
{
    uint8_t *at = bytes_r;
    ASSERT(receipt->path_length <= RECEIPT_PATH_MAX);
    memcpy(at, magic, sizeof magic);
    at += sizeof magic;
    *at++ = receipt->slice.version;
    receipt_slice_write(&receipt->slice, at);
    at += receipt_slice_bytes(receipt->slice.version);
    receipt_share_put(receipt->slice.version, &receipt->share, at);
    at += RECEIPT_SHARE_BYTES;
    store_le32(at, receipt->place);
    at[4] = receipt->path_length;
    at += 5;
    size_t path_bytes = (size_t)receipt->path_length * RECEIPT_HASH_BYTES;
    memcpy(at, receipt->path, path_bytes);
    return (size_t)(at - bytes_r) + path_bytes;
}

bool receipt_decode(struct span bytes, struct receipt *receipt_r)
{
    memset(receipt_r, 0, sizeof *receipt_r);
    if (bytes.length <= sizeof magic || memcmp(bytes.data, magic, sizeof magic) != 0)
        return false;
    const uint8_t *at = bytes.data + sizeof magic;
    const uint8_t version = *at++;
    const size_t slice_bytes = receipt_slice_bytes(version);
    const size_t fixed = sizeof magic + 1 + slice_bytes + RECEIPT_SHARE_BYTES + 5;
    if (slice_bytes == 0 || bytes.length < fixed ||
        !receipt_slice_read(version, at, &receipt_r->slice))
        return false;
    at += slice_bytes;
    receipt_share_read(version, at, &receipt_r->share);
    at += RECEIPT_SHARE_BYTES;
    receipt_r->place = load_le32(at);
    receipt_r->path_length = at[4];
    at += 5;
    if (receipt_r->path_length > RECEIPT_PATH_MAX ||
        bytes.length != fixed + (size_t)receipt_r->path_length * RECEIPT_HASH_BYTES)
        return false;
    memcpy(receipt_r->path, at, bytes.length - fixed);
    return true;
}
