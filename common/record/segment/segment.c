/* A header a segment under its number; sums and chunks in records of their own, whose ids begin
 * with the number and the epoch: "<number>:<epoch>:s:<part>" and "…:a:<chunk>". */
#include "record/segment/segment.h"

#include "core/pow/sha256.h"

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

enum { NUMBER_BYTES = 21, PART_ID_BYTES = 64, SUM_BYTES = 32, SUMS_A_RECORD = 8192 };

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

/* kind: 's' sums, 'a' archive */
static void format_part(const struct segment_record *segment, char kind, uint32_t part,
                        char id_r[PART_ID_BYTES])
{
    snprintf(id_r, PART_ID_BYTES, "%020" PRIu64 ":%020" PRIu64 ":%c:%06" PRIu32, segment->number,
             segment->epoch, kind, part);
}

static enum store_outcome insert_part(struct store *store, const struct segment_record *segment,
                                      char kind, uint32_t part, struct span bytes,
                                      struct error *error)
{
    char id[PART_ID_BYTES];
    struct store_write write = { .verb = STORE_INSERT, .collection = &segment_part_collection };
    format_part(segment, kind, part, id);
    write.record.id = id;
    write.record.values[0] = store_bytes(bytes);
    return store_apply(store, &write, 1, error);
}

enum store_outcome segment_chunk_insert(struct store *store, const struct segment_record *segment,
                                        uint32_t chunk, struct span bytes, struct error *error)
{
    ASSERT(bytes.length <= SEGMENT_CHUNK_BYTES_MAX);
    return insert_part(store, segment, 'a', chunk, bytes, error);
}

static void pack_sum(const struct segment_sum *sum, uint8_t packed_r[SUM_BYTES])
{
    store_le64(packed_r, sum->account);
    store_le64(packed_r + 8, sum->shares);
    put_u128(packed_r + 16, sum->work);
}

enum store_outcome segment_sums_insert(struct store *store, struct segment_record *segment,
                                       const struct pplns_part *parts, size_t count,
                                       struct error *error)
{
    struct sha256_state state;
    enum store_outcome outcome = STORE_DONE;
    uint8_t *packed = malloc((size_t)SUMS_A_RECORD * SUM_BYTES);
    ASSERT(packed != NULL);
    sha256_init(&state);
    segment->accounts = (uint32_t)count;
    segment->work = 0;
    segment->shares = 0;
    for (size_t first = 0; first < count && outcome == STORE_DONE; first += SUMS_A_RECORD) {
        size_t many = count - first < SUMS_A_RECORD ? count - first : SUMS_A_RECORD;
        for (size_t i = 0; i < many; i++) {
            const struct pplns_part *part = &parts[first + i];
            pack_sum(&(struct segment_sum){ part->work, part->account, part->shares },
                     packed + i * SUM_BYTES);
            segment->work += part->work;
            segment->shares += part->shares;
        }
        struct span bytes = span_of(packed, many * SUM_BYTES);
        sha256_update(&state, bytes);
        outcome = insert_part(store, segment, 's', (uint32_t)(first / SUMS_A_RECORD), bytes, error);
    }
    sha256_final(&state, segment->sums_hash);
    free(packed);
    return outcome;
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

static bool decode(const struct store_record *record, struct segment_record *segment_r)
{
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

struct segment_search {
    segment_visitor visit;
    void *context;
    bool broken;
};

static bool on_segment(void *context, const struct store_record *record)
{
    struct segment_search *search = context;
    struct segment_record segment;
    if (!decode(record, &segment)) {
        search->broken = true;
        return false;
    }
    return search->visit(search->context, &segment);
}

enum store_outcome segment_walk_back(struct store *store, uint64_t from, segment_visitor visit,
                                     void *context, struct error *error)
{
    struct segment_search search = { .visit = visit, .context = context };
    struct store_query query = { .field = "number",
                                 .has_high = from != 0,
                                 .high = store_int((int64_t)from),
                                 .order = STORE_DESCENDING };
    enum store_outcome outcome =
        store_find(store, &segment_collection, &query, on_segment, &search, error);
    if (outcome == STORE_DONE && search.broken) {
        error_fill(error, ERROR_INVALID, "a segment of the share window in the store is damaged");
        return STORE_FAILED;
    }
    return outcome;
}

struct segment_copy {
    struct segment_record *segment_r;
    bool found;
};

static bool copy_one(void *context, const struct segment_record *segment)
{
    struct segment_copy *copy = context;
    *copy->segment_r = *segment;
    copy->found = true;
    return false;
}

enum store_outcome segment_newest(struct store *store, struct segment_record *segment_r,
                                  struct error *error)
{
    struct segment_copy copy = { .segment_r = segment_r };
    enum store_outcome outcome = segment_walk_back(store, 0, copy_one, &copy, error);
    return outcome == STORE_DONE && !copy.found ? STORE_MISSING : outcome;
}

enum store_outcome segment_get(struct store *store, uint64_t number,
                               struct segment_record *segment_r, struct error *error)
{
    struct segment_copy copy = { .segment_r = segment_r };
    enum store_outcome outcome = segment_walk_back(store, number, copy_one, &copy, error);
    if (outcome != STORE_DONE)
        return outcome;
    return copy.found && segment_r->number == number ? STORE_DONE : STORE_MISSING;
}

static enum store_outcome damaged(const struct segment_record *segment, const char *what,
                                  struct error *error)
{
    error_fill(error, ERROR_INVALID,
               "the %s of segment %" PRIu64 " of the share window are not what its header says",
               what, segment->number);
    return STORE_FAILED;
}

struct sums_gather {
    struct segment_sum *sums;
    size_t capacity;
    size_t count;
    bool broken;
    struct sha256_state hash;
};

static bool gather_sums(void *context, const struct store_record *record)
{
    struct sums_gather *into = context;
    struct span packed = record->values[0].bytes;
    size_t many = packed.length / SUM_BYTES;
    into->broken = packed.length % SUM_BYTES != 0 || many > into->capacity - into->count;
    if (into->broken)
        return false;
    sha256_update(&into->hash, packed);
    for (size_t i = 0; i < many; i++) {
        const uint8_t *at = packed.data + i * SUM_BYTES;
        into->sums[into->count++] =
            (struct segment_sum){ get_u128(at + 16), load_le64(at), load_le64(at + 8) };
    }
    return true;
}

static enum store_outcome find_parts(struct store *store, const struct segment_record *segment,
                                     char kind, uint32_t first, uint32_t last, store_visitor visit,
                                     void *context, struct error *error)
{
    char low[PART_ID_BYTES], high[PART_ID_BYTES];
    format_part(segment, kind, first, low);
    format_part(segment, kind, last, high);
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high) };
    return store_find(store, &segment_part_collection, &query, visit, context, error);
}

enum { LAST_PART = 999999 };

enum store_outcome segment_sums(struct store *store, const struct segment_record *segment,
                                struct segment_sum *sums_r, struct error *error)
{
    struct sums_gather into = { .sums = sums_r, .capacity = segment->accounts };
    uint8_t hash[32];
    sha256_init(&into.hash);
    enum store_outcome outcome =
        find_parts(store, segment, 's', 0, LAST_PART, gather_sums, &into, error);
    if (outcome != STORE_DONE)
        return outcome;
    sha256_final(&into.hash, hash);
    if (into.broken || into.count != segment->accounts || memcmp(hash, segment->sums_hash, 32) != 0)
        return damaged(segment, "sums", error);
    return STORE_DONE;
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
    struct chunk_copy copy = { .bytes = bytes_r };
    enum store_outcome outcome =
        find_parts(store, segment, 'a', chunk, chunk, copy_chunk, &copy, error);
    *length_r = copy.length;
    if (outcome == STORE_DONE && copy.length == 0)
        return damaged(segment, "shares", error);
    return outcome;
}

/* Dropping. */
enum { DROPPED_AT_ONCE = 16 };

struct versions {
    char ids[DROPPED_AT_ONCE][PART_ID_BYTES];
    uint64_t versions[DROPPED_AT_ONCE];
    size_t count;
};

static bool note_version(void *context, const struct store_record *record)
{
    struct versions *versions = context;
    snprintf(versions->ids[versions->count], PART_ID_BYTES, "%s", record->id);
    versions->versions[versions->count++] = record->version;
    return versions->count < DROPPED_AT_ONCE;
}

static enum store_outcome drop_parts(struct store *store, const struct segment_record *segment,
                                     char kind, struct error *error)
{
    for (;;) {
        struct versions found = { .count = 0 };
        struct store_write writes[DROPPED_AT_ONCE];
        enum store_outcome outcome =
            find_parts(store, segment, kind, 0, LAST_PART, note_version, &found, error);
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
