#include "record/emission/emission_record.h"

#include "record/versioned/versioned.h"

enum track_field { F_HEIGHT, F_HASHES, F_EPOCH, F_COUNT };

static const struct store_field fields[F_COUNT] = {
    [F_HEIGHT] = { "height", STORE_INT, false },
    [F_HASHES] = { "hashes", STORE_BYTES, false },
    [F_EPOCH] = { "epoch", STORE_INT, false },
};
const struct store_collection track_collection = { "tracks", fields, F_COUNT };

enum { READ_BYTES = TRACK_DEPTH * 32 + 1024 };

enum store_outcome track_get(struct store *store, const char *name, struct track *track_r,
                             struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    *track_r = (struct track){ 0 };
    enum store_outcome outcome = store_get(store, &track_collection, name, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    struct span hashes = record.values[F_HASHES].bytes;
    if (hashes.length == 0 || hashes.length % 32 != 0 || hashes.length > sizeof track_r->hashes) {
        error_fill(error, ERROR_INVALID, "the store's track \"%s\" is damaged", name);
        return STORE_FAILED;
    }
    memcpy(track_r->hashes, hashes.data, hashes.length);
    track_r->count = hashes.length / 32;
    track_r->height = (uint32_t)record.values[F_HEIGHT].integer;
    track_r->epoch = (uint64_t)record.values[F_EPOCH].integer;
    track_r->version = record.version;
    return STORE_DONE;
}

enum store_outcome track_save(struct store *store, const char *name, struct track *track,
                              uint64_t epoch, struct error *error)
{
    ASSERT(track->count >= 1 && track->count <= TRACK_DEPTH);
    if (track->epoch > epoch)
        return STORE_CONFLICT;
    const struct store_record record = {
        .id = name,
        .values = { [F_HEIGHT] = store_int(track->height),
                    [F_HASHES] = store_bytes(span_of(track->hashes, track->count * 32)),
                    [F_EPOCH] = store_int((int64_t)epoch) },
    };
    enum store_outcome outcome =
        versioned_save(store, &track_collection, &record, &track->version, error);
    if (outcome == STORE_DONE)
        track->epoch = epoch;
    return outcome;
}

void track_push(struct track *track, const uint8_t hash[32])
{
    if (track->count == TRACK_DEPTH) {
        memmove(track->hashes, track->hashes + 1, (TRACK_DEPTH - 1) * 32);
        track->count--;
    }
    memcpy(track->hashes[track->count++], hash, 32);
    track->height++;
}

bool track_pop(struct track *track)
{
    if (track->count <= 1)
        return false;
    track->count--;
    track->height--;
    return true;
}
