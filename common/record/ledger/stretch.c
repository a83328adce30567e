/* Stretches' headers and earnings. As with snapshots, the earnings' ids contain their hash: those
 * of a stretch that was never finished are never taken for another's. */
#include "record/ledger/stretch_record.h"

#include "record/ledger/keys.h"
#include "record/packed/packed.h"

#include <inttypes.h>
#include <stdio.h>

enum stretch_field {
    F_FLAGS,
    F_SCHEME,
    F_PLACES,
    F_NETWORK_WORK,
    F_BLOCK,
    F_SAMPLE,
    F_FEE_BASIS_POINTS,
    F_FEE_CARRY,
    F_FEE,
    F_SPENT,
    F_SHARES,
    F_ACCOUNTS,
    F_HASH,
    F_TIME_MS,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_FLAGS] = { "flags", STORE_INT, false },
    [F_SCHEME] = { "scheme", STORE_TEXT, false },
    [F_PLACES] = { "places", STORE_BYTES, false },
    [F_NETWORK_WORK] = { "network_work", STORE_BYTES, false },
    [F_BLOCK] = { "block", STORE_INT, false },
    [F_SAMPLE] = { "sample", STORE_INT, false },
    [F_FEE_BASIS_POINTS] = { "fee_basis_points", STORE_INT, false },
    [F_FEE_CARRY] = { "fee_carry", STORE_BYTES, false },
    [F_FEE] = { "fee", STORE_INT, false },
    [F_SPENT] = { "spent", STORE_INT, false },
    [F_SHARES] = { "shares", STORE_INT, false },
    [F_ACCOUNTS] = { "accounts", STORE_INT, false },
    [F_HASH] = { "hash", STORE_BYTES, false },
    [F_TIME_MS] = { "time_ms", STORE_INT, false },
};

const struct store_collection stretch_collection = { "stretches", fields, F_COUNT };

static const struct store_field part_fields[] = { { "packed", STORE_BYTES, false } };
const struct store_collection stretch_part_collection = { "stretch_parts", part_fields, 1 };

enum {
    FLAG_FIRST = 1,
    FLAG_LAST = 2,
    FLAG_EMPTY = 4,
    FLAG_BEGIN_EMPTY = 8,
    PLACE_BYTES = 20,
    EARNING_BYTES = 50,
    EARNINGS_A_RECORD = 4096,
    PART_NAME_BYTES = KEY_SEQUENCE_BYTES + 17,
};

static void pack(const void *earnings, size_t index, uint8_t *packed_r)
{
    const struct reward_earning *earning = (const struct reward_earning *)earnings + index;
    store_le64(packed_r, earning->account);
    key_put_u128(packed_r + 8, earning->work);
    store_le64(packed_r + 24, earning->amount);
    key_put_u128(packed_r + 32, earning->carry);
    store_le16(packed_r + 48, (uint16_t)earning->fee_basis_points);
}

static void unpack(const uint8_t *packed, void *earnings_r, size_t index)
{
    ((struct reward_earning *)earnings_r)[index] =
        (struct reward_earning){ .account = load_le64(packed),
                                 .work = key_get_u128(packed + 8),
                                 .amount = load_le64(packed + 24),
                                 .carry = key_get_u128(packed + 32),
                                 .fee_basis_points = load_le16(packed + 48) };
}

/* What a list of earnings borrows. */
struct part_texts {
    char name[PART_NAME_BYTES], what[64];
};

static struct packed_list earnings_of(const struct stretch_record *stretch,
                                      struct part_texts *texts)
{
    char number[KEY_SEQUENCE_BYTES], hash[17];
    key_sequence(stretch->number, number);
    hex_encode(span_of(stretch->hash, 8), hash);
    snprintf(texts->name, sizeof texts->name, "%s:%s", number, hash);
    snprintf(texts->what, sizeof texts->what, "the earnings of stretch %" PRIu64, stretch->number);
    return (struct packed_list){ &stretch_part_collection, texts->name, EARNING_BYTES,
                                 EARNINGS_A_RECORD, texts->what };
}

static void put_place(uint8_t bytes_r[PLACE_BYTES], const struct window_position *place)
{
    store_le64(bytes_r, place->high);
    store_le64(bytes_r + 8, place->low);
    store_le32(bytes_r + 16, place->index);
}

static struct window_position get_place(const uint8_t bytes[PLACE_BYTES])
{
    return (struct window_position){ load_le64(bytes), load_le64(bytes + 8),
                                     load_le32(bytes + 16) };
}

enum store_outcome stretch_insert(struct store *store, struct stretch_record *stretch,
                                  const struct reward_earning *earnings, size_t count,
                                  struct error *error)
{
    char id[KEY_SEQUENCE_BYTES];
    uint8_t places[2 * PLACE_BYTES], work[16], carry[16];
    stretch->accounts = (uint32_t)count;
    packed_hash(EARNING_BYTES, pack, earnings, count, stretch->hash);
    struct part_texts texts;
    const struct packed_list list = earnings_of(stretch, &texts);
    enum store_outcome outcome = packed_insert(store, &list, pack, earnings, count, error);
    if (outcome != STORE_DONE)
        return outcome;
    key_sequence(stretch->number, id);
    key_put_u128(work, stretch->network_work);
    key_put_u128(carry, stretch->fee_carry);
    put_place(places, &stretch->begin);
    put_place(places + PLACE_BYTES, &stretch->end);
    struct store_write write = { .verb = STORE_INSERT, .collection = &stretch_collection };
    write.record.id = id;
    struct store_value *values = write.record.values;
    values[F_FLAGS] = store_int(
        (stretch->first ? FLAG_FIRST : 0) | (stretch->last ? FLAG_LAST : 0) |
        (stretch->empty ? FLAG_EMPTY : 0) | (stretch->begin_empty ? FLAG_BEGIN_EMPTY : 0));
    values[F_SCHEME] = store_text(reward_scheme_name(stretch->scheme));
    values[F_PLACES] = store_bytes(span_of(places, sizeof places));
    values[F_NETWORK_WORK] = store_bytes(span_of(work, sizeof work));
    values[F_BLOCK] = store_int((int64_t)stretch->block.units);
    values[F_SAMPLE] = store_int((int64_t)stretch->sample.units);
    values[F_FEE_BASIS_POINTS] = store_int(stretch->fee_basis_points);
    values[F_FEE_CARRY] = store_bytes(span_of(carry, sizeof carry));
    values[F_FEE] = store_int((int64_t)stretch->fee.units);
    values[F_SPENT] = store_int((int64_t)stretch->spent.units);
    values[F_SHARES] = store_int((int64_t)stretch->shares);
    values[F_ACCOUNTS] = store_int(stretch->accounts);
    values[F_HASH] = store_bytes(span_of(stretch->hash, sizeof stretch->hash));
    values[F_TIME_MS] = store_int((int64_t)stretch->time_ms);
    outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

static bool decode(const struct store_record *record, void *header_r)
{
    struct stretch_record *stretch_r = header_r;
    const struct store_value *values = record->values;
    struct span places = values[F_PLACES].bytes;
    enum reward_scheme scheme;
    u128 number;
    if (!u128_parse(record->id, strlen(record->id), &number) || number > UINT64_MAX ||
        places.length != (size_t)2 * PLACE_BYTES || values[F_NETWORK_WORK].bytes.length != 16 ||
        values[F_FEE_CARRY].bytes.length != 16 ||
        !reward_scheme_parse(values[F_SCHEME].bytes, &scheme))
        return false;
    int64_t flags = values[F_FLAGS].integer;
    *stretch_r = (struct stretch_record){
        .number = (uint64_t)number,
        .first = (flags & FLAG_FIRST) != 0,
        .last = (flags & FLAG_LAST) != 0,
        .empty = (flags & FLAG_EMPTY) != 0,
        .begin_empty = (flags & FLAG_BEGIN_EMPTY) != 0,
        .begin = get_place(places.data),
        .end = get_place(places.data + PLACE_BYTES),
        .scheme = scheme,
        .network_work = key_get_u128(values[F_NETWORK_WORK].bytes.data),
        .block = { (uint64_t)values[F_BLOCK].integer },
        .sample = { (uint64_t)values[F_SAMPLE].integer },
        .fee_basis_points = (uint32_t)values[F_FEE_BASIS_POINTS].integer,
        .fee_carry = key_get_u128(values[F_FEE_CARRY].bytes.data),
        .fee = { (uint64_t)values[F_FEE].integer },
        .spent = { (uint64_t)values[F_SPENT].integer },
        .shares = (uint64_t)values[F_SHARES].integer,
        .accounts = (uint32_t)values[F_ACCOUNTS].integer,
        .time_ms = (uint64_t)values[F_TIME_MS].integer,
    };
    return key_copy(values[F_HASH].bytes, stretch_r->hash, 32);
}

static const struct packed_header header = { &stretch_collection, decode,
                                             "a stretch of bought work in the store is damaged" };

struct visit {
    stretch_visitor visitor;
    void *context;
};

static bool on_stretch(void *context, const void *stretch)
{
    const struct visit *visit = context;
    return visit->visitor(visit->context, stretch);
}

static enum store_outcome walk(struct store *store, const struct store_query *query,
                               stretch_visitor visitor, void *context, struct error *error)
{
    struct stretch_record room;
    struct visit visit = { visitor, context };
    return packed_header_walk(store, &header, query, &room, on_stretch, &visit, error);
}

enum store_outcome stretch_walk(struct store *store, enum store_order order, stretch_visitor visit,
                                void *context, struct error *error)
{
    struct store_query query = { .field = "id", .order = order };
    return walk(store, &query, visit, context, error);
}

enum store_outcome stretch_walk_after(struct store *store, uint64_t after, size_t limit,
                                      stretch_visitor visit, void *context, struct error *error)
{
    char id[KEY_SEQUENCE_BYTES];
    key_sequence(after + 1, id);
    struct store_query query = {
        .field = "id", .has_low = true, .low = store_text(id), .limit = limit
    };
    return walk(store, &query, visit, context, error);
}

enum store_outcome stretch_newest(struct store *store, struct stretch_record *stretch_r,
                                  struct error *error)
{
    struct store_query query = { .field = "id", .order = STORE_DESCENDING, .limit = 1 };
    return packed_header_first(store, &header, &query, stretch_r, error);
}

enum store_outcome stretch_get(struct store *store, uint64_t number,
                               struct stretch_record *stretch_r, struct error *error)
{
    char id[KEY_SEQUENCE_BYTES];
    key_sequence(number, id);
    struct store_query query = store_query_of(id);
    return packed_header_first(store, &header, &query, stretch_r, error);
}

enum store_outcome stretch_earnings(struct store *store, const struct stretch_record *stretch,
                                    struct reward_earning *earnings_r, struct error *error)
{
    struct part_texts texts;
    const struct packed_list list = earnings_of(stretch, &texts);
    return packed_read(store, &list, unpack, earnings_r, stretch->accounts, stretch->hash, error);
}
