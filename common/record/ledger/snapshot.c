/* Snapshots: a header a block, and the parts packed 32 bytes an account in records of their own (34
 * where not all pay the header's fee).
 * The parts' ids contain their hash: a snapshot that was begun under other settings and never
 * finished leaves parts behind, but none that could be taken for another's. */
#include "record/ledger/keys.h"

#include "core/pow/sha256.h"

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
    PART_ID_BYTES = KEY_HASH_BYTES + 17 + 8
};

static void pack(const struct pplns_part *part, uint8_t packed_r[PART_WITH_FEE_BYTES])
{
    store_le64(packed_r, part->account);
    key_put_u128(packed_r + 8, part->work);
    store_le64(packed_r + 24, part->amount);
    store_le16(packed_r + PART_BYTES, (uint16_t)part->fee_basis_points);
}

static void hash_parts(const struct pplns_part *parts, size_t count, size_t part_bytes,
                       uint8_t hash_r[32])
{
    struct sha256_state state;
    uint8_t packed[PART_WITH_FEE_BYTES];
    sha256_init(&state);
    for (size_t i = 0; i < count; i++) {
        pack(&parts[i], packed);
        sha256_update(&state, span_of(packed, part_bytes));
    }
    sha256_final(&state, hash_r);
}

/* number SIZE_MAX: an id behind all of them */
static void format_part_id(const struct snapshot_record *snapshot, size_t number,
                           char id_r[PART_ID_BYTES])
{
    char block[KEY_HASH_BYTES], hash[17];
    key_hash(snapshot->block_hash, block);
    hex_encode(span_of(snapshot->hash, 8), hash);
    if (number == SIZE_MAX)
        snprintf(id_r, PART_ID_BYTES, "%s:%s;", block, hash);
    else
        snprintf(id_r, PART_ID_BYTES, "%s:%s:%06u", block, hash, (unsigned)number);
}

static enum store_outcome insert_parts(struct store *store, const struct snapshot_record *snapshot,
                                       const struct pplns_part *parts, size_t count,
                                       struct error *error)
{
    /* One part more: a part without its fee is written over the next one's place. */
    uint8_t packed[(PARTS_A_RECORD + 1) * PART_WITH_FEE_BYTES];
    size_t part_bytes = snapshot->part_bytes;
    char id[PART_ID_BYTES];
    for (size_t first = 0; first < count; first += PARTS_A_RECORD) {
        size_t many = count - first < PARTS_A_RECORD ? count - first : PARTS_A_RECORD;
        for (size_t i = 0; i < many; i++)
            pack(&parts[first + i], packed + i * part_bytes);
        format_part_id(snapshot, first / PARTS_A_RECORD, id);
        struct store_write write = { .verb = STORE_INSERT,
                                     .collection = &snapshot_part_collection };
        write.record.id = id;
        write.record.values[0] = store_bytes(span_of(packed, many * part_bytes));
        enum store_outcome outcome = store_apply(store, &write, 1, error);
        if (outcome != STORE_DONE)
            return outcome;
    }
    return STORE_DONE;
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

static bool decode(const struct store_record *record, struct snapshot_record *snapshot_r)
{
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
    hash_parts(parts, count, snapshot->part_bytes, snapshot->hash);
    enum store_outcome outcome = insert_parts(store, snapshot, parts, count, error);
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

struct snapshot_search {
    snapshot_visitor visit;
    void *context;
    bool broken;
};

static bool on_snapshot(void *context, const struct store_record *record)
{
    struct snapshot_search *search = context;
    struct snapshot_record snapshot;
    if (!decode(record, &snapshot)) {
        search->broken = true;
        return false;
    }
    return search->visit(search->context, &snapshot);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              snapshot_visitor visit, void *context, struct error *error)
{
    struct snapshot_search search = { .visit = visit, .context = context };
    enum store_outcome outcome =
        store_find(store, &snapshot_collection, query, on_snapshot, &search, error);
    if (outcome == STORE_DONE && search.broken) {
        error_fill(error, ERROR_INVALID, "a window's snapshot in the store is damaged");
        return STORE_FAILED;
    }
    return outcome;
}

struct snapshot_copy {
    struct snapshot_record *snapshot_r;
    bool found;
};

static bool copy_one(void *context, const struct snapshot_record *snapshot)
{
    struct snapshot_copy *copy = context;
    *copy->snapshot_r = *snapshot;
    copy->found = true;
    return false;
}

enum store_outcome snapshot_get(struct store *store, const uint8_t block_hash[32],
                                struct snapshot_record *snapshot_r, struct error *error)
{
    char id[KEY_HASH_BYTES];
    key_hash(block_hash, id);
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(id),
                                 .high = store_text(id),
                                 .limit = 1 };
    struct snapshot_copy copy = { .snapshot_r = snapshot_r };
    enum store_outcome outcome = run(store, &query, copy_one, &copy, error);
    return outcome == STORE_DONE && !copy.found ? STORE_MISSING : outcome;
}

enum store_outcome snapshot_walk_newest(struct store *store, snapshot_visitor visit, void *context,
                                        struct error *error)
{
    struct store_query query = { .field = "height", .order = STORE_DESCENDING };
    return run(store, &query, visit, context, error);
}

enum store_outcome snapshot_walk(struct store *store, uint32_t least_height, snapshot_visitor visit,
                                 void *context, struct error *error)
{
    struct store_query query = { .field = "height",
                                 .has_low = true,
                                 .low = store_int(least_height) };
    return run(store, &query, visit, context, error);
}

struct part_gather {
    const struct snapshot_record *snapshot;
    struct pplns_part *parts;
    size_t capacity;
    size_t count;
    bool broken;
};

static bool gather_parts(void *context, const struct store_record *record)
{
    struct part_gather *into = context;
    struct span packed = record->values[0].bytes;
    size_t part_bytes = into->snapshot->part_bytes, many = packed.length / part_bytes;
    if (packed.length % part_bytes != 0 || many > into->capacity - into->count) {
        into->broken = true;
        return false;
    }
    for (size_t i = 0; i < many; i++) {
        const uint8_t *at = packed.data + i * part_bytes;
        into->parts[into->count++] = (struct pplns_part){
            .account = load_le64(at),
            .work = key_get_u128(at + 8),
            .amount = load_le64(at + 24),
            .fee_basis_points = part_bytes == PART_BYTES ? into->snapshot->fee_basis_points
                                                         : load_le16(at + PART_BYTES),
        };
    }
    return true;
}

enum store_outcome snapshot_parts(struct store *store, const struct snapshot_record *snapshot,
                                  struct pplns_part *parts_r, struct error *error)
{
    char low[PART_ID_BYTES], high[PART_ID_BYTES];
    format_part_id(snapshot, 0, low);
    format_part_id(snapshot, SIZE_MAX, high);
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high) };
    struct part_gather into = { .snapshot = snapshot,
                                .parts = parts_r,
                                .capacity = snapshot->accounts };
    enum store_outcome outcome =
        store_find(store, &snapshot_part_collection, &query, gather_parts, &into, error);
    if (outcome != STORE_DONE)
        return outcome;
    uint8_t hash[32];
    hash_parts(parts_r, into.count, snapshot->part_bytes, hash);
    if (into.broken || into.count != snapshot->accounts || memcmp(hash, snapshot->hash, 32) != 0) {
        error_fill(error, ERROR_INVALID,
                   "the parts of the window snapshot at height %u are not what its header says",
                   (unsigned)snapshot->height);
        return STORE_FAILED;
    }
    return STORE_DONE;
}
