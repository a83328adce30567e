/* Snapshots: a header a block, and the parts packed 32 bytes an account in records of their own (34
 * where not all pay the header's fee).
 * The parts' ids contain their hash: a snapshot that was begun under other settings and never
 * finished leaves parts behind, but none that could be taken for another's. */
#include "record/ledger/keys.h"
#include "record/packed/packed.h"

#include <stdio.h>

enum snapshot_field {
    F_HEIGHT,
    F_REWARD,
    F_FEE,
    F_UNALLOCATED,
    F_FEE_BASIS_POINTS,
    F_WINDOW_PERCENT,
    F_NETWORK_WORK,
    F_WINDOW_WORK,
    F_FILLED,
    F_SHARES,
    F_EMPTY,
    F_END_HIGH,
    F_END_LOW,
    F_END_INDEX,
    F_OLDEST_HIGH,
    F_OLDEST_LOW,
    F_OLDEST_INDEX,
    F_ACCOUNTS,
    F_HASH,
    F_TIME_MS,
    F_SCHEME,
    F_BLOCK,
    F_TERMS,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_HEIGHT] = { "height", STORE_INT, true },
    [F_REWARD] = { "reward", STORE_INT, false },
    [F_FEE] = { "fee", STORE_INT, false },
    [F_UNALLOCATED] = { "unallocated", STORE_INT, false },
    [F_FEE_BASIS_POINTS] = { "fee_basis_points", STORE_INT, false },
    [F_WINDOW_PERCENT] = { "window_percent", STORE_INT, false },
    [F_NETWORK_WORK] = { "network_work", STORE_BYTES, false },
    [F_WINDOW_WORK] = { "window_work", STORE_BYTES, false },
    [F_FILLED] = { "filled", STORE_BYTES, false },
    [F_SHARES] = { "shares", STORE_INT, false },
    [F_EMPTY] = { "empty", STORE_INT, false },
    [F_END_HIGH] = { "end_high", STORE_INT, false },
    [F_END_LOW] = { "end_low", STORE_INT, false },
    [F_END_INDEX] = { "end_index", STORE_INT, false },
    [F_OLDEST_HIGH] = { "oldest_high", STORE_INT, false },
    [F_OLDEST_LOW] = { "oldest_low", STORE_INT, false },
    [F_OLDEST_INDEX] = { "oldest_index", STORE_INT, false },
    [F_ACCOUNTS] = { "accounts", STORE_INT, false },
    [F_HASH] = { "hash", STORE_BYTES, false },
    [F_TIME_MS] = { "time_ms", STORE_INT, false },
    [F_SCHEME] = { "scheme", STORE_TEXT, false },
    [F_BLOCK] = { "block", STORE_BYTES, false },
    [F_TERMS] = { "terms", STORE_BYTES, false },
};

const struct store_collection snapshot_collection = { "windows", fields, F_COUNT };

static const struct store_field part_fields[] = { { "packed", STORE_BYTES, false } };
const struct store_collection snapshot_part_collection = { "window_parts", part_fields, 1 };

enum {
    PART_BYTES = 32,
    PART_WITH_FEE_BYTES = 34,
    TERMS_BYTES = 39,
    PARTS_A_RECORD = 4096,
    PART_NAME_BYTES = KEY_HASH_BYTES + 17,
};

static void pack(const void *parts, size_t index, uint8_t *packed_r)
{
    const struct pplns_part *part = (const struct pplns_part *)parts + index;
    store_le64(packed_r, part->account);
    key_put_u128(packed_r + 8, part->work);
    store_le64(packed_r + 24, part->amount);
}

static void pack_with_fee(const void *parts, size_t index, uint8_t *packed_r)
{
    const struct pplns_part *part = (const struct pplns_part *)parts + index;
    pack(parts, index, packed_r);
    store_le16(packed_r + PART_BYTES, (uint16_t)part->fee_basis_points);
}

static void unpack(const uint8_t *packed, void *parts_r, size_t index)
{
    ((struct pplns_part *)parts_r)[index] = (struct pplns_part){ .account = load_le64(packed),
                                                                 .work = key_get_u128(packed + 8),
                                                                 .amount = load_le64(packed + 24) };
}

static void unpack_with_fee(const uint8_t *packed, void *parts_r, size_t index)
{
    unpack(packed, parts_r, index);
    ((struct pplns_part *)parts_r)[index].fee_basis_points = load_le16(packed + PART_BYTES);
}

static packed_writer writer_of(const struct snapshot_record *snapshot)
{
    return snapshot->part_bytes == PART_BYTES ? pack : pack_with_fee;
}

/* What a list of parts borrows. */
struct part_texts {
    char name[PART_NAME_BYTES], what[96];
};

static struct packed_list parts_of(const struct snapshot_record *snapshot, struct part_texts *texts)
{
    char block[KEY_HASH_BYTES], hash[17];
    key_hash(snapshot->block_hash, block);
    hex_encode(span_of(snapshot->hash, 8), hash);
    snprintf(texts->name, sizeof texts->name, "%s:%s", block, hash);
    snprintf(texts->what, sizeof texts->what, "the parts of the window snapshot at height %u",
             (unsigned)snapshot->height);
    return (struct packed_list){ &snapshot_part_collection, texts->name, snapshot->part_bytes,
                                 PARTS_A_RECORD, texts->what };
}

/* What the schemes added, in one field: version, reserve, finder, whether it has an `after`, that,
 * the bytes a part. */
static void put_terms(const struct snapshot_record *snapshot, uint8_t terms_r[TERMS_BYTES])
{
    terms_r[0] = 1;
    store_le64(terms_r + 1, snapshot->reserve.units);
    store_le64(terms_r + 9, snapshot->finder);
    terms_r[17] = snapshot->has_after;
    store_le64(terms_r + 18, snapshot->after.high);
    store_le64(terms_r + 26, snapshot->after.low);
    store_le32(terms_r + 34, snapshot->after.index);
    terms_r[38] = snapshot->part_bytes;
}

/* Snapshots from before there were terms have none. */
static bool get_terms(struct span terms, struct snapshot_record *snapshot_r)
{
    snapshot_r->part_bytes = PART_BYTES;
    if (terms.length == 0)
        return true;
    if (terms.length != TERMS_BYTES || terms.data[0] != 1)
        return false;
    snapshot_r->reserve.units = load_le64(terms.data + 1);
    snapshot_r->finder = load_le64(terms.data + 9);
    snapshot_r->has_after = terms.data[17] != 0;
    snapshot_r->after =
        (struct window_position){ load_le64(terms.data + 18), load_le64(terms.data + 26),
                                  load_le32(terms.data + 34) };
    snapshot_r->part_bytes = terms.data[38];
    return snapshot_r->part_bytes == PART_BYTES || snapshot_r->part_bytes == PART_WITH_FEE_BYTES;
}

static void encode(const struct snapshot_record *snapshot, uint8_t numbers[3][16],
                   uint8_t terms[TERMS_BYTES], struct store_value *values)
{
    key_put_u128(numbers[0], snapshot->network_work);
    key_put_u128(numbers[1], snapshot->window_work);
    key_put_u128(numbers[2], snapshot->filled);
    values[F_HEIGHT] = store_int(snapshot->height);
    values[F_REWARD] = store_int((int64_t)snapshot->reward.units);
    values[F_FEE] = store_int((int64_t)snapshot->fee.units);
    values[F_UNALLOCATED] = store_int((int64_t)snapshot->unallocated.units);
    values[F_FEE_BASIS_POINTS] = store_int(snapshot->fee_basis_points);
    values[F_WINDOW_PERCENT] = store_int(snapshot->window_percent);
    values[F_NETWORK_WORK] = store_bytes(span_of(numbers[0], 16));
    values[F_WINDOW_WORK] = store_bytes(span_of(numbers[1], 16));
    values[F_FILLED] = store_bytes(span_of(numbers[2], 16));
    values[F_SHARES] = store_int((int64_t)snapshot->shares);
    values[F_EMPTY] = store_int(snapshot->empty);
    values[F_END_HIGH] = store_int((int64_t)snapshot->end.high);
    values[F_END_LOW] = store_int((int64_t)snapshot->end.low);
    values[F_END_INDEX] = store_int(snapshot->end.index);
    values[F_OLDEST_HIGH] = store_int((int64_t)snapshot->oldest.high);
    values[F_OLDEST_LOW] = store_int((int64_t)snapshot->oldest.low);
    values[F_OLDEST_INDEX] = store_int(snapshot->oldest.index);
    values[F_ACCOUNTS] = store_int(snapshot->accounts);
    values[F_HASH] = store_bytes(span_of(snapshot->hash, 32));
    values[F_TIME_MS] = store_int((int64_t)snapshot->time_ms);
    values[F_SCHEME] = store_text(snapshot->scheme);
    values[F_BLOCK] = store_bytes(span_of(snapshot->block_hash, 32));
    put_terms(snapshot, terms);
    values[F_TERMS] = store_bytes(span_of(terms, TERMS_BYTES));
}

static bool decode(const struct store_record *record, void *header_r)
{
    struct snapshot_record *snapshot_r = header_r;
    const struct store_value *values = record->values;
    struct span scheme = values[F_SCHEME].bytes;
    if (values[F_NETWORK_WORK].bytes.length != 16 || values[F_WINDOW_WORK].bytes.length != 16 ||
        values[F_FILLED].bytes.length != 16 || scheme.length >= sizeof snapshot_r->scheme)
        return false;
    *snapshot_r = (struct snapshot_record){
        .height = (uint32_t)values[F_HEIGHT].integer,
        .reward = { (uint64_t)values[F_REWARD].integer },
        .fee = { (uint64_t)values[F_FEE].integer },
        .unallocated = { (uint64_t)values[F_UNALLOCATED].integer },
        .fee_basis_points = (uint32_t)values[F_FEE_BASIS_POINTS].integer,
        .window_percent = (uint32_t)values[F_WINDOW_PERCENT].integer,
        .network_work = key_get_u128(values[F_NETWORK_WORK].bytes.data),
        .window_work = key_get_u128(values[F_WINDOW_WORK].bytes.data),
        .filled = key_get_u128(values[F_FILLED].bytes.data),
        .shares = (uint64_t)values[F_SHARES].integer,
        .empty = values[F_EMPTY].integer != 0,
        .end = { (uint64_t)values[F_END_HIGH].integer, (uint64_t)values[F_END_LOW].integer,
                 (uint32_t)values[F_END_INDEX].integer },
        .oldest = { (uint64_t)values[F_OLDEST_HIGH].integer, (uint64_t)values[F_OLDEST_LOW].integer,
                    (uint32_t)values[F_OLDEST_INDEX].integer },
        .accounts = (uint32_t)values[F_ACCOUNTS].integer,
        .time_ms = (uint64_t)values[F_TIME_MS].integer,
    };
    if (scheme.length > 0)
        memcpy(snapshot_r->scheme, scheme.data, scheme.length);
    return get_terms(values[F_TERMS].bytes, snapshot_r) &&
           key_copy(values[F_HASH].bytes, snapshot_r->hash, 32) &&
           key_copy(values[F_BLOCK].bytes, snapshot_r->block_hash, 32);
}

enum store_outcome snapshot_insert(struct store *store, struct snapshot_record *snapshot,
                                   const struct pplns_part *parts, size_t count,
                                   struct error *error)
{
    snapshot->accounts = (uint32_t)count;
    snapshot->part_bytes = PART_BYTES;
    for (size_t i = 0; i < count; i++)
        if (parts[i].fee_basis_points != snapshot->fee_basis_points)
            snapshot->part_bytes = PART_WITH_FEE_BYTES;
    packed_hash(snapshot->part_bytes, writer_of(snapshot), parts, count, snapshot->hash);
    struct part_texts texts;
    const struct packed_list list = parts_of(snapshot, &texts);
    enum store_outcome outcome =
        packed_insert(store, &list, writer_of(snapshot), parts, count, error);
    if (outcome != STORE_DONE)
        return outcome;
    char id[KEY_HASH_BYTES];
    uint8_t numbers[3][16], terms[TERMS_BYTES];
    key_hash(snapshot->block_hash, id);
    struct store_write write = { .verb = STORE_INSERT, .collection = &snapshot_collection };
    write.record.id = id;
    encode(snapshot, numbers, terms, write.record.values);
    outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

static const struct packed_header header = { &snapshot_collection, decode,
                                             "a window's snapshot in the store is damaged" };

struct visit {
    snapshot_visitor visitor;
    void *context;
};

static bool on_snapshot(void *context, const void *snapshot)
{
    const struct visit *visit = context;
    return visit->visitor(visit->context, snapshot);
}

static enum store_outcome walk(struct store *store, const struct store_query *query,
                               snapshot_visitor visitor, void *context, struct error *error)
{
    struct snapshot_record room;
    struct visit visit = { visitor, context };
    return packed_header_walk(store, &header, query, &room, on_snapshot, &visit, error);
}

enum store_outcome snapshot_get(struct store *store, const uint8_t block_hash[32],
                                struct snapshot_record *snapshot_r, struct error *error)
{
    char id[KEY_HASH_BYTES];
    key_hash(block_hash, id);
    struct store_query query = store_query_of(id);
    return packed_header_first(store, &header, &query, snapshot_r, error);
}

enum store_outcome snapshot_walk_newest(struct store *store, snapshot_visitor visit, void *context,
                                        struct error *error)
{
    struct store_query query = { .field = "height", .order = STORE_DESCENDING };
    return walk(store, &query, visit, context, error);
}

enum store_outcome snapshot_walk(struct store *store, uint32_t least_height, snapshot_visitor visit,
                                 void *context, struct error *error)
{
    struct store_query query = { .field = "height",
                                 .has_low = true,
                                 .low = store_int(least_height) };
    return walk(store, &query, visit, context, error);
}

enum store_outcome snapshot_parts(struct store *store, const struct snapshot_record *snapshot,
                                  struct pplns_part *parts_r, struct error *error)
{
    struct part_texts texts;
    const struct packed_list list = parts_of(snapshot, &texts);
    const bool own_fee = snapshot->part_bytes != PART_BYTES;
    enum store_outcome outcome = packed_read(store, &list, own_fee ? unpack_with_fee : unpack,
                                             parts_r, snapshot->accounts, snapshot->hash, error);
    for (size_t i = 0; i < snapshot->accounts && outcome == STORE_DONE && !own_fee; i++)
        parts_r[i].fee_basis_points = snapshot->fee_basis_points;
    return outcome;
}
