/* Carries: by account, packed in 256 records by the account id's top byte, so that a stretch of
 * many accounts is a bounded number of writes. Ids are keyed hashes, so the records grow alike. */
#include "record/ledger/stretch_record.h"

#include "record/ledger/keys.h"
#include "record/versioned/versioned.h"

#include <stdio.h>
#include <stdlib.h>

enum carry_field { F_STRETCH, F_PACKED, F_COUNT };

static const struct store_field fields[F_COUNT] = {
    [F_STRETCH] = { "stretch", STORE_INT, false },
    [F_PACKED] = { "packed", STORE_BYTES, false },
};
const struct store_collection carry_collection = { "carries", fields, F_COUNT };

enum { CARRY_BYTES = 24, CARRY_ID_BYTES = 3 };

/* One record, as read. */
struct shard {
    uint64_t version; /* 0: not there */
    uint64_t stretch;
    uint8_t *packed;
    size_t count;
    bool broken;
};

static unsigned shard_of(uint64_t account)
{
    return (unsigned)(account >> 56);
}

static bool take_shard(void *context, const struct store_record *record)
{
    struct shard *shard = context;
    struct span packed = record->values[F_PACKED].bytes;
    shard->version = record->version;
    shard->stretch = (uint64_t)record->values[F_STRETCH].integer;
    shard->count = packed.length / CARRY_BYTES;
    shard->broken = packed.length % CARRY_BYTES != 0;
    shard->packed = malloc(packed.length + 1);
    ASSERT(shard->packed != NULL);
    if (packed.length > 0)
        memcpy(shard->packed, packed.data, packed.length);
    return false;
}

static enum store_outcome read_shard(struct store *store, unsigned number, struct shard *shard_r,
                                     struct error *error)
{
    char id[CARRY_ID_BYTES];
    snprintf(id, sizeof id, "%02x", number & 0xff);
    struct store_query query = store_query_of(id);
    *shard_r = (struct shard){ 0 };
    enum store_outcome outcome =
        store_find(store, &carry_collection, &query, take_shard, shard_r, error);
    if (outcome == STORE_DONE && shard_r->broken) {
        error_fill(error, ERROR_INVALID, "the carries %s in the store are damaged", id);
        outcome = STORE_FAILED;
    }
    if (outcome != STORE_DONE)
        free(shard_r->packed);
    return outcome;
}

/* The earnings from `first` on that belong to the same record. */
static size_t same_shard(const struct reward_earning *earnings, size_t first, size_t count)
{
    size_t end = first;
    while (end < count && shard_of(earnings[end].account) == shard_of(earnings[first].account))
        end++;
    return end;
}

enum store_outcome carry_read(struct store *store, struct reward_earning *earnings, size_t count,
                              struct error *error)
{
    for (size_t first = 0, end; first < count; first = end) {
        struct shard shard;
        end = same_shard(earnings, first, count);
        enum store_outcome outcome =
            read_shard(store, shard_of(earnings[first].account), &shard, error);
        if (outcome != STORE_DONE)
            return outcome;
        for (size_t i = first, k = 0; i < end; i++) {
            while (k < shard.count &&
                   load_le64(shard.packed + k * CARRY_BYTES) < earnings[i].account)
                k++;
            const uint8_t *at = shard.packed + k * CARRY_BYTES;
            bool there = k < shard.count && load_le64(at) == earnings[i].account;
            earnings[i].carry = there ? key_get_u128(at + 8) : 0;
        }
        free(shard.packed);
    }
    return STORE_DONE;
}

/* What the record holds after the earnings were merged into it; returns how many. */
static size_t merge(const struct shard *shard, const struct reward_earning *earnings, size_t count,
                    uint8_t *packed_r)
{
    size_t made = 0;
    for (size_t i = 0, k = 0; i < count || k < shard->count; made++) {
        const uint8_t *old = shard->packed + k * CARRY_BYTES;
        uint8_t *at = packed_r + made * CARRY_BYTES;
        if (i == count || (k < shard->count && load_le64(old) < earnings[i].account)) {
            memcpy(at, old, CARRY_BYTES);
            k++;
            continue;
        }
        k += k < shard->count && load_le64(old) == earnings[i].account;
        store_le64(at, earnings[i].account);
        key_put_u128(at + 8, earnings[i].carry);
        i++;
    }
    return made;
}

static enum store_outcome apply_shard(struct store *store, uint64_t number,
                                      const struct reward_earning *earnings, size_t count,
                                      struct error *error)
{
    struct shard shard;
    unsigned which = shard_of(earnings[0].account);
    enum store_outcome outcome = read_shard(store, which, &shard, error);
    if (outcome != STORE_DONE)
        return outcome;
    if (shard.stretch < number) {
        uint8_t *packed = malloc((shard.count + count) * CARRY_BYTES);
        ASSERT(packed != NULL);
        char id[CARRY_ID_BYTES];
        snprintf(id, sizeof id, "%02x", which & 0xff);
        size_t made = merge(&shard, earnings, count, packed);
        const struct store_record record = {
            .id = id,
            .values = { [F_STRETCH] = store_int((int64_t)number),
                        [F_PACKED] = store_bytes(span_of(packed, made * CARRY_BYTES)) },
        };
        outcome = versioned_save(store, &carry_collection, &record, &shard.version, error);
        free(packed);
    }
    free(shard.packed);
    return outcome;
}

enum store_outcome carry_apply(struct store *store, uint64_t number,
                               const struct reward_earning *earnings, size_t count,
                               struct error *error)
{
    for (size_t first = 0, end; first < count; first = end) {
        end = same_shard(earnings, first, count);
        enum store_outcome outcome =
            apply_shard(store, number, earnings + first, end - first, error);
        if (outcome != STORE_DONE)
            return outcome;
    }
    return STORE_DONE;
}

struct carry_walk {
    carry_visitor visit;
    void *context;
    bool broken;
};

static bool on_shard(void *context, const struct store_record *record)
{
    struct carry_walk *walk = context;
    struct span packed = record->values[F_PACKED].bytes;
    walk->broken = packed.length % CARRY_BYTES != 0;
    for (size_t at = 0; at + CARRY_BYTES <= packed.length; at += CARRY_BYTES)
        if (!walk->visit(walk->context, load_le64(packed.data + at),
                         key_get_u128(packed.data + at + 8)))
            return false;
    return !walk->broken;
}

enum store_outcome carry_walk(struct store *store, carry_visitor visit, void *context,
                              struct error *error)
{
    struct store_query query = { .field = "id" };
    struct carry_walk walk = { .visit = visit, .context = context };
    enum store_outcome outcome =
        store_find(store, &carry_collection, &query, on_shard, &walk, error);
    if (outcome == STORE_DONE && walk.broken) {
        error_fill(error, ERROR_INVALID, "carries in the store are damaged");
        return STORE_FAILED;
    }
    return outcome;
}
