/* A header a segment under its number; sums and chunks in records of their own, whose ids begin
 * with the number and the epoch: "<number>:<epoch>:s:<part>" and "…:a:<chunk>". */
#include "record/segment/segment.h"

#include "record/packed/packed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum segment_field {
    F_STATE,
    F_FIRST_HIGH,
    F_FIRST_LOW,
    F_LAST_HIGH,
    F_LAST_LOW,
    F_LAST_INDEX,
    F_WORK,
    F_SHARES,
    F_ACCOUNTS,
    F_CHUNKS,
    F_SUMS_HASH,
    F_ARCHIVE_HASH,
    F_EPOCH,
    F_TIME_MS,
    F_NUMBER,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_STATE] = { "state", STORE_INT, false },
    [F_FIRST_HIGH] = { "first_high", STORE_INT, false },
    [F_FIRST_LOW] = { "first_low", STORE_INT, false },
    [F_LAST_HIGH] = { "last_high", STORE_INT, false },
    [F_LAST_LOW] = { "last_low", STORE_INT, false },
    [F_LAST_INDEX] = { "last_index", STORE_INT, false },
    [F_WORK] = { "work", STORE_BYTES, false },
    [F_SHARES] = { "shares", STORE_INT, false },
    [F_ACCOUNTS] = { "accounts", STORE_INT, false },
    [F_CHUNKS] = { "chunks", STORE_INT, false },
    [F_SUMS_HASH] = { "sums_hash", STORE_BYTES, false },
    [F_ARCHIVE_HASH] = { "archive_hash", STORE_BYTES, false },
    [F_EPOCH] = { "epoch", STORE_INT, false },
    [F_TIME_MS] = { "time_ms", STORE_INT, false },
    [F_NUMBER] = { "number", STORE_INT, true },
};
const struct store_collection segment_collection = { "segments", fields, F_COUNT };

static const struct store_field part_fields[] = { { "packed", STORE_BYTES, false } };
const struct store_collection segment_part_collection = { "segment_parts", part_fields, 1 };

enum {
    NUMBER_BYTES = 21,
    PART_NAME_BYTES = 2 * NUMBER_BYTES + 2,
    SUM_BYTES = 32,
    SUMS_A_RECORD = 8192
};

static void put_u128(uint8_t bytes_r[16], u128 value)
{
    store_le64(bytes_r, (uint64_t)value);
    store_le64(bytes_r + 8, (uint64_t)(value >> 64));
}

static u128 get_u128(const uint8_t bytes[16])
{
    return (u128)load_le64(bytes + 8) << 64 | load_le64(bytes);
}

static void format_number(uint64_t number, char id_r[NUMBER_BYTES])
{
    snprintf(id_r, NUMBER_BYTES, "%020" PRIu64, number);
}

/* What a list of a segment borrows. */
struct part_texts {
    char name[PART_NAME_BYTES], what[96];
};

/* kind: 's' sums, 'a' archive, whose items are bytes and never read as a list */
static struct packed_list parts_of(const struct segment_record *segment, char kind,
                                   struct part_texts *texts)
{
    snprintf(texts->name, sizeof texts->name, "%020" PRIu64 ":%020" PRIu64 ":%c", segment->number,
             segment->epoch, kind);
    snprintf(texts->what, sizeof texts->what, "the %s of segment %" PRIu64 " of the share window",
             kind == 's' ? "sums" : "shares", segment->number);
    return (struct packed_list){ &segment_part_collection, texts->name, kind == 's' ? SUM_BYTES : 1,
                                 SUMS_A_RECORD, texts->what };
}

enum store_outcome segment_chunk_insert(struct store *store, const struct segment_record *segment,
                                        uint32_t chunk, struct span bytes, struct error *error)
{
    struct part_texts texts;
    struct packed_list list = parts_of(segment, 'a', &texts);
    char id[PACKED_ID_BYTES_MAX];
    struct store_write write = { .verb = STORE_INSERT, .collection = &segment_part_collection };
    ASSERT(bytes.length <= SEGMENT_CHUNK_BYTES_MAX);
    packed_id(&list, chunk, id);
    write.record.id = id;
    write.record.values[0] = store_bytes(bytes);
    return store_apply(store, &write, 1, error);
}

static void pack_sum(const void *parts, size_t index, uint8_t *packed_r)
{
    const struct pplns_part *part = (const struct pplns_part *)parts + index;
    store_le64(packed_r, part->account);
    store_le64(packed_r + 8, part->shares);
    put_u128(packed_r + 16, part->work);
}

static void unpack_sum(const uint8_t *packed, void *sums_r, size_t index)
{
    ((struct segment_sum *)sums_r)[index] =
        (struct segment_sum){ get_u128(packed + 16), load_le64(packed), load_le64(packed + 8) };
}

enum store_outcome segment_sums_insert(struct store *store, struct segment_record *segment,
                                       const struct pplns_part *parts, size_t count,
                                       struct error *error)
{
    struct part_texts texts;
    const struct packed_list list = parts_of(segment, 's', &texts);
    segment->accounts = (uint32_t)count;
    segment->work = 0;
    segment->shares = 0;
    for (size_t i = 0; i < count; i++) {
        segment->work += parts[i].work;
        segment->shares += parts[i].shares;
    }
    packed_hash(SUM_BYTES, pack_sum, parts, count, segment->sums_hash);
    return packed_insert(store, &list, pack_sum, parts, count, error);
}

static enum store_outcome write_header(struct store *store, enum store_verb verb,
                                       struct segment_record *segment, struct error *error)
{
    char id[NUMBER_BYTES];
    uint8_t work[16];
    struct store_write write = { .verb = verb, .collection = &segment_collection };
    struct store_value *values = write.record.values;
    format_number(segment->number, id);
    put_u128(work, segment->work);
    write.record.id = id;
    write.record.version = segment->version;
    values[F_STATE] = store_int(segment->state);
    values[F_FIRST_HIGH] = store_int((int64_t)segment->first.high);
    values[F_FIRST_LOW] = store_int((int64_t)segment->first.low);
    values[F_LAST_HIGH] = store_int((int64_t)segment->last.high);
    values[F_LAST_LOW] = store_int((int64_t)segment->last.low);
    values[F_LAST_INDEX] = store_int(segment->last.index);
    values[F_WORK] = store_bytes(span_of(work, 16));
    values[F_SHARES] = store_int((int64_t)segment->shares);
    values[F_ACCOUNTS] = store_int(segment->accounts);
    values[F_CHUNKS] = store_int(segment->chunks);
    values[F_SUMS_HASH] = store_bytes(span_of(segment->sums_hash, 32));
    values[F_ARCHIVE_HASH] = store_bytes(span_of(segment->archive_hash, 32));
    values[F_EPOCH] = store_int((int64_t)segment->epoch);
    values[F_TIME_MS] = store_int((int64_t)segment->time_ms);
    values[F_NUMBER] = store_int((int64_t)segment->number);
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    if (outcome == STORE_DONE)
        outcome = write.outcome;
    if (outcome == STORE_DONE)
        segment->version++;
    return outcome;
}

enum store_outcome segment_insert(struct store *store, struct segment_record *segment,
                                  struct error *error)
{
    segment->version = 0;
    segment->state = SEGMENT_WHOLE;
    return write_header(store, STORE_INSERT, segment, error);
}

static bool decode(const struct store_record *record, void *header_r)
{
    struct segment_record *segment_r = header_r;
    const struct store_value *values = record->values;
    int64_t state = values[F_STATE].integer;
    if (state < SEGMENT_WHOLE || state > SEGMENT_BARE || values[F_WORK].bytes.length != 16 ||
        values[F_SUMS_HASH].bytes.length != 32 || values[F_ARCHIVE_HASH].bytes.length != 32)
        return false;
    *segment_r = (struct segment_record){
        .number = (uint64_t)values[F_NUMBER].integer,
        .state = (enum segment_state)state,
        .first = { (uint64_t)values[F_FIRST_HIGH].integer, (uint64_t)values[F_FIRST_LOW].integer,
                   0 },
        .last = { (uint64_t)values[F_LAST_HIGH].integer, (uint64_t)values[F_LAST_LOW].integer,
                  (uint32_t)values[F_LAST_INDEX].integer },
        .work = get_u128(values[F_WORK].bytes.data),
        .shares = (uint64_t)values[F_SHARES].integer,
        .accounts = (uint32_t)values[F_ACCOUNTS].integer,
        .chunks = (uint32_t)values[F_CHUNKS].integer,
        .epoch = (uint64_t)values[F_EPOCH].integer,
        .time_ms = (uint64_t)values[F_TIME_MS].integer,
        .version = record->version,
    };
    memcpy(segment_r->sums_hash, values[F_SUMS_HASH].bytes.data, 32);
    memcpy(segment_r->archive_hash, values[F_ARCHIVE_HASH].bytes.data, 32);
    return true;
}

static const struct packed_header header = {
    &segment_collection, decode, "a segment of the share window in the store is damaged"
};

struct visit {
    segment_visitor visitor;
    void *context;
};

static bool on_segment(void *context, const void *segment)
{
    const struct visit *visit = context;
    return visit->visitor(visit->context, segment);
}

/* From `from` (0: the newest) to older ones. */
static struct store_query back_from(uint64_t from)
{
    return (struct store_query){ .field = "number",
                                 .has_high = from != 0,
                                 .high = store_int((int64_t)from),
                                 .order = STORE_DESCENDING };
}

enum store_outcome segment_walk_back(struct store *store, uint64_t from, segment_visitor visitor,
                                     void *context, struct error *error)
{
    struct segment_record room;
    struct visit visit = { visitor, context };
    struct store_query query = back_from(from);
    return packed_header_walk(store, &header, &query, &room, on_segment, &visit, error);
}

enum store_outcome segment_newest(struct store *store, struct segment_record *segment_r,
                                  struct error *error)
{
    struct store_query query = back_from(0);
    query.limit = 1;
    return packed_header_first(store, &header, &query, segment_r, error);
}

enum store_outcome segment_get(struct store *store, uint64_t number,
                               struct segment_record *segment_r, struct error *error)
{
    struct store_query query = back_from(number);
    query.limit = 1;
    enum store_outcome outcome = packed_header_first(store, &header, &query, segment_r, error);
    return outcome == STORE_DONE && segment_r->number != number ? STORE_MISSING : outcome;
}

enum store_outcome segment_sums(struct store *store, const struct segment_record *segment,
                                struct segment_sum *sums_r, struct error *error)
{
    struct part_texts texts;
    const struct packed_list list = parts_of(segment, 's', &texts);
    return packed_read(store, &list, unpack_sum, sums_r, segment->accounts, segment->sums_hash,
                       error);
}

struct chunk_copy {
    uint8_t *bytes;
    size_t length;
};

static bool copy_chunk(void *context, const struct store_record *record)
{
    struct chunk_copy *copy = context;
    struct span packed = record->values[0].bytes;
    if (packed.length <= SEGMENT_CHUNK_BYTES_MAX) {
        memcpy(copy->bytes, packed.data, packed.length);
        copy->length = packed.length;
    }
    return false;
}

enum store_outcome segment_chunk(struct store *store, const struct segment_record *segment,
                                 uint32_t chunk, uint8_t bytes_r[SEGMENT_CHUNK_BYTES_MAX],
                                 size_t *length_r, struct error *error)
{
    struct part_texts texts;
    const struct packed_list list = parts_of(segment, 'a', &texts);
    struct chunk_copy copy = { .bytes = bytes_r };
    enum store_outcome outcome = packed_find(store, &list, chunk, chunk, copy_chunk, &copy, error);
    *length_r = copy.length;
    if (outcome == STORE_DONE && copy.length == 0) {
        error_fill(error, ERROR_INVALID, "%s are not what the header says", list.what);
        return STORE_FAILED;
    }
    return outcome;
}

/* Dropping. */
enum { DROPPED_AT_ONCE = 16 };

struct versions {
    char ids[DROPPED_AT_ONCE][PACKED_ID_BYTES_MAX];
    uint64_t versions[DROPPED_AT_ONCE];
    size_t count;
};

static bool note_version(void *context, const struct store_record *record)
{
    struct versions *versions = context;
    snprintf(versions->ids[versions->count], PACKED_ID_BYTES_MAX, "%s", record->id);
    versions->versions[versions->count++] = record->version;
    return versions->count < DROPPED_AT_ONCE;
}

static enum store_outcome drop_parts(struct store *store, const struct segment_record *segment,
                                     char kind, struct error *error)
{
    struct part_texts texts;
    const struct packed_list list = parts_of(segment, kind, &texts);
    for (;;) {
        struct versions found = { .count = 0 };
        struct store_write writes[DROPPED_AT_ONCE];
        enum store_outcome outcome =
            packed_find(store, &list, 0, PACKED_RECORDS_MAX - 1, note_version, &found, error);
        if (outcome != STORE_DONE || found.count == 0)
            return outcome;
        for (size_t i = 0; i < found.count; i++) {
            writes[i] = (struct store_write){ .verb = STORE_DELETE,
                                              .collection = &segment_part_collection };
            writes[i].record.id = found.ids[i];
            writes[i].record.version = found.versions[i];
        }
        outcome = store_apply(store, writes, found.count, error);
        if (outcome != STORE_DONE)
            return outcome;
    }
}

static enum store_outcome drop(struct store *store, struct segment_record *segment, char kind,
                               enum segment_state during, enum segment_state after,
                               struct error *error)
{
    enum store_outcome outcome = STORE_DONE;
    if (segment->state != during) {
        segment->state = during;
        outcome = write_header(store, STORE_REPLACE, segment, error);
    }
    if (outcome == STORE_DONE)
        outcome = drop_parts(store, segment, kind, error);
    if (outcome != STORE_DONE)
        return outcome;
    segment->state = after;
    return write_header(store, STORE_REPLACE, segment, error);
}

enum store_outcome segment_thin(struct store *store, struct segment_record *segment,
                                struct error *error)
{
    ASSERT(segment->state == SEGMENT_WHOLE || segment->state == SEGMENT_THINNING);
    return drop(store, segment, 'a', SEGMENT_THINNING, SEGMENT_SUMS, error);
}

enum store_outcome segment_empty(struct store *store, struct segment_record *segment,
                                 struct error *error)
{
    ASSERT(segment->state == SEGMENT_SUMS || segment->state == SEGMENT_EMPTYING);
    return drop(store, segment, 's', SEGMENT_EMPTYING, SEGMENT_BARE, error);
}
