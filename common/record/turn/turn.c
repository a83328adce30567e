#include "record/turn/turn.h"

#include "record/versioned/versioned.h"

#include <stdio.h>

enum { F_NUMBER, F_WHOLE, F_DUE_MS, F_EPOCH, F_COUNT };
enum { READ_BYTES = 2048 };

static const struct store_field fields[F_COUNT] = {
    [F_NUMBER] = { "number", STORE_INT, false },
    [F_WHOLE] = { "whole", STORE_INT, false },
    [F_DUE_MS] = { "due_ms", STORE_INT, false },
    [F_EPOCH] = { "epoch", STORE_INT, false },
};
const struct store_collection turn_collection = { "turns", fields, F_COUNT };

enum store_outcome turn_get(struct store *store, const char *name, struct turn *turn_r,
                            struct error *error)
{
    ASSERT(strlen(name) < TURN_NAME_BYTES);
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    *turn_r = (struct turn){ .whole = true };
    snprintf(turn_r->name, sizeof turn_r->name, "%s", name);
    enum store_outcome outcome = store_get(store, &turn_collection, name, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    turn_r->number = (uint64_t)record.values[F_NUMBER].integer;
    turn_r->whole = record.values[F_WHOLE].integer != 0;
    turn_r->due_ms = (uint64_t)record.values[F_DUE_MS].integer;
    turn_r->epoch = (uint64_t)record.values[F_EPOCH].integer;
    turn_r->version = record.version;
    return STORE_DONE;
}

bool turn_is_due(const struct turn *turn, uint64_t interval_ms, uint64_t now_ms)
{
    return now_ms >= turn->due_ms || turn->due_ms - now_ms > interval_ms;
}

/* Takes the place of *turn where it is still as it was read. */
static enum store_outcome write(struct store *store, struct turn *turn, const struct turn *next,
                                struct error *error)
{
    if (turn->epoch > next->epoch)
        return STORE_CONFLICT;
    uint64_t version = turn->version;
    const struct store_record record = {
        .id = turn->name,
        .values = { [F_NUMBER] = store_int((int64_t)next->number),
                    [F_WHOLE] = store_int(next->whole),
                    [F_DUE_MS] = store_int((int64_t)next->due_ms),
                    [F_EPOCH] = store_int((int64_t)next->epoch) },
    };
    enum store_outcome outcome = versioned_save(store, &turn_collection, &record, &version, error);
    if (outcome == STORE_DONE) {
        *turn = *next;
        turn->version = version;
    }
    return outcome;
}

enum store_outcome turn_begin(struct store *store, struct turn *turn, uint64_t interval_ms,
                              uint64_t now_ms, uint64_t epoch, struct error *error)
{
    ASSERT(turn->whole);
    struct turn next = *turn;
    next.number++;
    next.whole = false;
    next.due_ms = now_ms + interval_ms;
    next.epoch = epoch;
    return write(store, turn, &next, error);
}

enum store_outcome turn_end(struct store *store, struct turn *turn, uint64_t epoch,
                            struct error *error)
{
    struct turn next = *turn;
    next.whole = true;
    next.epoch = epoch;
    return write(store, turn, &next, error);
}
