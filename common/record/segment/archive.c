#include "record/segment/archive.h"

#include "core/pow/sha256.h"

#include <stdlib.h>

enum { ARCHIVE_VERSION = 1, HEADER_BYTES = 25, HASH_BYTES = 32, NUMBER_BYTES_MAX = 10 };
/* What a batch of one share takes at the most, its account's place in the list included. */
enum { LONE_BYTES_MAX = 8 + 7 * NUMBER_BYTES_MAX };
_Static_assert(HEADER_BYTES + HASH_BYTES + (size_t)ARCHIVE_SHARES_MAX * LONE_BYTES_MAX < 6 << 20,
               "the fullest chunk fits");

struct archive *archive_create(void)
{
    struct archive *archive = malloc(sizeof *archive);
    if (archive != NULL)
        archive->batch_count = archive->share_count = 0;
    return archive;
}

bool archive_add(struct archive *archive, struct window_position first, uint64_t lease_id,
                 uint64_t sequence, const struct window_share *shares, size_t count)
{
    ASSERT(count >= 1 && count <= WINDOW_BATCH_SHARES_MAX);
    if (archive->share_count >= ARCHIVE_SHARES)
        return false;
    archive->batches[archive->batch_count++] =
        (struct archive_batch){ first, lease_id, sequence, archive->share_count, (uint32_t)count };
    memcpy(&archive->shares[archive->share_count], shares, count * sizeof *shares);
    archive->share_count += (uint32_t)count;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The accounts in ascending order, each once; how many. */
static uint32_t list_accounts(struct archive *archive)
{
    for (uint32_t i = 0; i < archive->share_count; i++)
        archive->accounts[i] = archive->shares[i].account;
    qsort(archive->accounts, archive->share_count, sizeof archive->accounts[0], compare_ids);
    uint32_t count = 0;
    for (uint32_t i = 0; i < archive->share_count; i++)
        if (count == 0 || archive->accounts[count - 1] != archive->accounts[i])
            archive->accounts[count++] = archive->accounts[i];
    return count;
}

static uint32_t place_of(const struct archive *archive, uint32_t count, uint64_t account)
{
    uint32_t low = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        if (archive->accounts[low + half] <= account)
            low += half;
        count -= half;
    }
    return low;
}

static uint8_t *put(uint8_t *at, uint64_t number)
{
    while (number >= 0x80) {
        *at++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *at++ = (uint8_t)number;
    return at;
}

/* Small for small distances in either direction. */
static uint64_t fold(uint64_t to, uint64_t from)
{
    uint64_t ahead = to - from;
    return ahead >> 63 == 0 ? ahead << 1 : (from - to) << 1 | 1;
}

static uint64_t unfold(uint64_t folded, uint64_t from)
{
    return (folded & 1) != 0 ? from - (folded >> 1) : from + (folded >> 1);
}

size_t archive_write(struct archive *archive, uint64_t segment, uint32_t chunk, uint8_t *bytes_r,
                     size_t capacity, uint8_t hash_r[32])
{
    uint32_t accounts = list_accounts(archive);
    ASSERT(capacity >= HEADER_BYTES + HASH_BYTES + 8 * (size_t)accounts +
                           (size_t)archive->share_count * (LONE_BYTES_MAX - 8));
    bytes_r[0] = ARCHIVE_VERSION;
    store_le64(bytes_r + 1, segment);
    store_le32(bytes_r + 9, chunk);
    store_le32(bytes_r + 13, archive->share_count);
    store_le32(bytes_r + 17, archive->batch_count);
    store_le32(bytes_r + 21, accounts);
    uint8_t *at = bytes_r + HEADER_BYTES;
    for (uint32_t i = 0; i < accounts; i++, at += 8)
        store_le64(at, archive->accounts[i]);
    uint64_t high = 0;
    for (uint32_t i = 0; i < archive->batch_count; i++) {
        const struct archive_batch *batch = &archive->batches[i];
        at = put(at, batch->first.high - high);
        at = put(at, batch->first.low);
        at = put(at, batch->lease_id);
        at = put(at, batch->sequence);
        at = put(at, batch->count);
        high = batch->first.high;
        for (uint32_t k = 0; k < batch->count; k++) {
            const struct window_share *share = &archive->shares[batch->begin + k];
            at = put(at, place_of(archive, accounts, share->account));
            at = put(at, share->work);
            at = put(at, fold(share->time_ms, high));
        }
    }
    sha256(span_of(bytes_r, (size_t)(at - bytes_r)), hash_r);
    memcpy(at, hash_r, HASH_BYTES);
    return (size_t)(at - bytes_r) + HASH_BYTES;
}

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool good;
};

static uint64_t take(struct cursor *cursor)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (cursor->at == cursor->end)
            break;
        uint8_t byte = *cursor->at++;
        if (shift == 63 && byte > 1)
            break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    cursor->good = false;
    return 0;
}

static bool read_batches(struct cursor *cursor, uint32_t batches, uint32_t accounts,
                         struct archive *archive)
{
    uint32_t all = archive->share_count;
    uint64_t high = 0;
    archive->share_count = 0;
    for (uint32_t i = 0; i < batches && cursor->good; i++) {
        struct archive_batch *batch = &archive->batches[i];
        high += take(cursor);
        batch->first = (struct window_position){ high, take(cursor), 0 };
        batch->lease_id = take(cursor);
        batch->sequence = take(cursor);
        uint64_t count = take(cursor);
        if (count == 0 || count > all - archive->share_count)
            return false;
        batch->begin = archive->share_count;
        batch->count = (uint32_t)count;
        for (uint32_t k = 0; k < batch->count && cursor->good; k++) {
            uint64_t place = take(cursor);
            uint64_t work = take(cursor);
            uint64_t time_ms = unfold(take(cursor), high);
            if (place >= accounts)
                return false;
            archive->shares[archive->share_count++] = (struct window_share){
                .account = archive->accounts[place], .work = work, .time_ms = time_ms
            };
        }
    }
    return cursor->good && cursor->at == cursor->end && archive->share_count == all;
}

bool archive_read(struct span bytes, uint64_t segment, uint32_t chunk, struct archive *archive_r,
                  uint8_t hash_r[32], struct error *error)
{
    static const char text[] = "a chunk of the share window's archive is damaged";
    archive_r->batch_count = archive_r->share_count = 0;
    if (bytes.length < HEADER_BYTES + HASH_BYTES || bytes.data[0] != ARCHIVE_VERSION)
        return error_set(error, ERROR_INVALID, text);
    const uint8_t *end = bytes.data + bytes.length - HASH_BYTES;
    sha256(span_of(bytes.data, bytes.length - HASH_BYTES), hash_r);
    uint32_t shares = load_le32(bytes.data + 13), batches = load_le32(bytes.data + 17),
             accounts = load_le32(bytes.data + 21);
    if (memcmp(hash_r, end, HASH_BYTES) != 0 || load_le64(bytes.data + 1) != segment ||
        load_le32(bytes.data + 9) != chunk || shares > ARCHIVE_SHARES_MAX || batches > shares ||
        accounts > shares || (size_t)(end - bytes.data) < HEADER_BYTES + 8 * (size_t)accounts)
        return error_set(error, ERROR_INVALID, text);
    for (uint32_t i = 0; i < accounts; i++)
        archive_r->accounts[i] = load_le64(bytes.data + HEADER_BYTES + 8 * (size_t)i);
    struct cursor cursor = { bytes.data + HEADER_BYTES + 8 * (size_t)accounts, end, true };
    archive_r->share_count = shares;
    if (!read_batches(&cursor, batches, accounts, archive_r)) {
        archive_r->batch_count = archive_r->share_count = 0;
        return error_set(error, ERROR_INVALID, text);
    }
    archive_r->batch_count = batches;
    return true;
}
