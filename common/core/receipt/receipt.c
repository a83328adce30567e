#include "core/receipt/receipt.h"

#include "core/proof/tagged.h"

static const uint8_t magic[5] = { 'a', 'R', 'C', 'P', 1 };

void receipt_share_write(const struct receipt_share *share, uint8_t bytes_r[RECEIPT_SHARE_BYTES])
{
    store_le64(bytes_r, share->position.high);
    store_le64(bytes_r + 8, share->position.low);
    store_le32(bytes_r + 16, share->position.index);
    store_le64(bytes_r + 20, share->account);
    store_le64(bytes_r + 28, share->work);
    store_le64(bytes_r + 36, share->job_id);
    store_le64(bytes_r + 44, share->time_ms);
}

void receipt_share_read(const uint8_t bytes[RECEIPT_SHARE_BYTES], struct receipt_share *share_r)
{
    *share_r = (struct receipt_share){
        .position = { load_le64(bytes), load_le64(bytes + 8), load_le32(bytes + 16) },
        .account = load_le64(bytes + 20),
        .work = load_le64(bytes + 28),
        .job_id = load_le64(bytes + 36),
        .time_ms = load_le64(bytes + 44),
    };
}

void receipt_slice_write(const struct receipt_slice *slice, uint8_t bytes_r[RECEIPT_SLICE_BYTES])
{
    memcpy(bytes_r, slice->key, RECEIPT_KEY_BYTES);
    store_le64(bytes_r + 32, slice->boot_id);
    store_le64(bytes_r + 40, slice->number);
    store_le64(bytes_r + 48, slice->began_ms);
    store_le64(bytes_r + 56, slice->ended_ms);
    store_le32(bytes_r + 64, slice->count);
    memcpy(bytes_r + 68, slice->root, RECEIPT_HASH_BYTES);
    memcpy(bytes_r + 100, slice->signature, RECEIPT_SIGNATURE_BYTES);
}

bool receipt_slice_read(const uint8_t bytes[RECEIPT_SLICE_BYTES], struct receipt_slice *slice_r)
{
    memcpy(slice_r->key, bytes, RECEIPT_KEY_BYTES);
    slice_r->boot_id = load_le64(bytes + 32);
    slice_r->number = load_le64(bytes + 40);
    slice_r->began_ms = load_le64(bytes + 48);
    slice_r->ended_ms = load_le64(bytes + 56);
    slice_r->count = load_le32(bytes + 64);
    memcpy(slice_r->root, bytes + 68, RECEIPT_HASH_BYTES);
    memcpy(slice_r->signature, bytes + 100, RECEIPT_SIGNATURE_BYTES);
    return slice_r->count >= 1 && slice_r->count <= RECEIPT_SHARES_MAX;
}

void receipt_slice_digest(const struct receipt_slice *slice, uint8_t digest_r[RECEIPT_HASH_BYTES])
{
    struct sha256_state state;
    uint8_t bytes[RECEIPT_SLICE_BYTES];
    receipt_slice_write(slice, bytes);
    proof_tagged_begin(&state, "adit/receipt/slice");
    sha256_update(&state, span_of(bytes, sizeof bytes - RECEIPT_SIGNATURE_BYTES));
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
    receipt_slice_write(&receipt->slice, at);
    at += RECEIPT_SLICE_BYTES;
    receipt_share_write(&receipt->share, at);
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
    const size_t fixed = sizeof magic + RECEIPT_SLICE_BYTES + RECEIPT_SHARE_BYTES + 5;
    const uint8_t *at = bytes.data;
    memset(receipt_r, 0, sizeof *receipt_r);
    if (bytes.length < fixed || memcmp(at, magic, sizeof magic) != 0)
        return false;
    at += sizeof magic;
    if (!receipt_slice_read(at, &receipt_r->slice))
        return false;
    at += RECEIPT_SLICE_BYTES;
    receipt_share_read(at, &receipt_r->share);
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
