/* The window port over the simulated shares. */
#include "tests/sim/sim.h"

#include <stdlib.h>

struct sim_reader {
    struct window_reader port;
    struct sim_world *world;
};

static struct sim_world *world_of(struct window_reader *reader)
{
    return ((struct sim_reader *)reader)->world;
}

static bool walk_back(struct window_reader *reader, const struct window_position *from,
                      window_batch_visitor visitor, void *context, struct error *error)
{
    struct sim_world *world = world_of(reader);
    (void)error;
    for (size_t i = world->batch_count; i-- > 0;) {
        const struct sim_batch *batch = &world->batches[i];
        if (batch->trimmed)
            break;
        if (from != NULL &&
            (batch->position.high > from->high ||
             (batch->position.high == from->high && batch->position.low > from->low)))
            continue;
        if (!visitor(context, batch->position, batch->lease, batch->sequence, batch->shares,
                     batch->count))
            break;
    }
    return true;
}

static bool walk_on(struct window_reader *reader, const struct window_position *after,
                    window_batch_visitor visitor, void *context, struct error *error)
{
    struct sim_world *world = world_of(reader);
    (void)error;
    for (size_t i = 0; i < world->batch_count; i++) {
        const struct sim_batch *batch = &world->batches[i];
        if (batch->trimmed || (after != NULL && (batch->position.high < after->high ||
                                                 (batch->position.high == after->high &&
                                                  batch->position.low <= after->low))))
            continue;
        if (!visitor(context, batch->position, batch->lease, batch->sequence, batch->shares,
                     batch->count))
            break;
    }
    return true;
}

static struct window_found found_of(const struct sim_world *world, int block)
{
    const struct sim_block *one = &world->blocks[block];
    struct window_found found = { .credited = one->finder_batch >= 0,
                                  .empty = one->finder_batch < 0 };
    memcpy(found.block_hash, one->hash, 32);
    if (!found.empty) {
        found.end = world->batches[one->finder_batch].position;
        found.end.index = (uint32_t)one->finder_index;
    }
    return found;
}

static bool candidates(struct window_reader *reader, window_found_visitor visitor, void *context,
                       struct error *error)
{
    struct sim_world *world = world_of(reader);
    (void)error;
    for (size_t i = 0; i < world->candidate_count; i++) {
        struct window_found found = found_of(world, world->candidates[i]);
        if (!visitor(context, &found))
            break;
    }
    return true;
}

static bool candidate_get(struct window_reader *reader, const uint8_t block_hash[32],
                          window_found_visitor visitor, void *context, bool *found_r,
                          struct error *error)
{
    struct sim_world *world = world_of(reader);
    (void)error;
    *found_r = false;
    for (size_t i = 0; i < world->candidate_count; i++) {
        struct window_found found = found_of(world, world->candidates[i]);
        if (memcmp(found.block_hash, block_hash, 32) == 0) {
            *found_r = true;
            (void)visitor(context, &found);
            break;
        }
    }
    return true;
}

static bool candidate_done(struct window_reader *reader, const uint8_t block_hash[32],
                           struct error *error)
{
    struct sim_world *world = world_of(reader);
    (void)error;
    for (size_t i = 0; i < world->candidate_count; i++)
        if (memcmp(world->blocks[world->candidates[i]].hash, block_hash, 32) == 0)
            world->candidates[i] = world->candidates[--world->candidate_count];
    return true;
}

static bool trim(struct window_reader *reader, const struct window_position *before,
                 uint64_t *removed_r, struct error *error)
{
    struct sim_world *world = world_of(reader);
    (void)error;
    for (size_t i = 0; i < world->batch_count; i++)
        if (!world->batches[i].trimmed &&
            window_position_compare(&world->batches[i].position, before) < 0) {
            world->batches[i].trimmed = true;
            ++*removed_r;
        }
    return true;
}

static bool ping(struct window_reader *reader, struct error *error)
{
    (void)reader;
    (void)error;
    return true;
}

static void close_window(struct window_reader *reader)
{
    free(reader);
}

struct window_reader *sim_window(struct sim_world *world)
{
    static const struct window_reader_ops ops = {
        .walk_back = walk_back,
        .walk_on = walk_on,
        .candidates = candidates,
        .candidate_get = candidate_get,
        .candidate_done = candidate_done,
        .trim = trim,
        .ping = ping,
        .close = close_window,
    };
    struct sim_reader *reader = calloc(1, sizeof *reader);
    ASSERT(reader != NULL);
    reader->port.ops = &ops;
    reader->world = world;
    return &reader->port;
}
