#include "record/leader/leader.h"

#include "record/versioned/versioned.h"

#include <stdio.h>

enum {
    FIELD_EPOCH,
    FIELD_INSTANCE,
    FIELD_BOOT_ID,
    FIELD_TAKEN_MS,
    FIELD_BEAT,
    FIELD_RELEASED,
    FIELD_PROCESS,
    FIELD_COUNT
};

static const struct store_field fields[FIELD_COUNT] = {
    [FIELD_EPOCH] = { "epoch", STORE_INT, false },
    [FIELD_INSTANCE] = { "instance", STORE_TEXT, false },
    [FIELD_BOOT_ID] = { "boot_id", STORE_INT, false },
    [FIELD_TAKEN_MS] = { "taken_ms", STORE_INT, false },
    [FIELD_BEAT] = { "beat", STORE_INT, false },
    [FIELD_RELEASED] = { "released", STORE_INT, false },
    [FIELD_PROCESS] = { "process", STORE_TEXT, false },
};
const struct store_collection leader_collection = { "leaders", fields, FIELD_COUNT };

enum { ATTEMPTS_MAX = 8, READ_BYTES = 4096 };

/* Beats of one leader under a watcher's own name. One may be the last of its predecessor, which was
 * on its way when that ended. */
enum { NAMESAKE_MOVES = 2 };

static enum store_outcome read(struct store *store, const char *role, struct leader *leader_r,
                               uint64_t *version_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    *leader_r = (struct leader){ 0 };
    *version_r = 0;
    enum store_outcome outcome = store_get(store, &leader_collection, role, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    struct span instance = record.values[FIELD_INSTANCE].bytes;
    struct span process = record.values[FIELD_PROCESS].bytes;
    if (instance.length >= sizeof leader_r->instance ||
        process.length >= sizeof leader_r->process || record.values[FIELD_EPOCH].integer < 1) {
        error_fill(error, ERROR_INVALID, "the store's leader record \"%s\" is damaged", role);
        return STORE_FAILED;
    }
    leader_r->epoch = (uint64_t)record.values[FIELD_EPOCH].integer;
    leader_r->boot_id = (uint64_t)record.values[FIELD_BOOT_ID].integer;
    leader_r->taken_ms = (uint64_t)record.values[FIELD_TAKEN_MS].integer;
    leader_r->beat = (uint64_t)record.values[FIELD_BEAT].integer;
    leader_r->released = record.values[FIELD_RELEASED].integer != 0;
    if (instance.length > 0)
        memcpy(leader_r->instance, instance.data, instance.length);
    if (process.length > 0)
        memcpy(leader_r->process, process.data, process.length);
    *version_r = record.version;
    return STORE_DONE;
}

static enum store_outcome write(struct store *store, const char *role, const struct leader *leader,
                                uint64_t version, struct error *error)
{
    const struct store_record record = {
        .id = role,
        .values = { [FIELD_EPOCH] = store_int((int64_t)leader->epoch),
                    [FIELD_INSTANCE] = store_text(leader->instance),
                    [FIELD_BOOT_ID] = store_int((int64_t)leader->boot_id),
                    [FIELD_TAKEN_MS] = store_int((int64_t)leader->taken_ms),
                    [FIELD_BEAT] = store_int((int64_t)leader->beat),
                    [FIELD_RELEASED] = store_int(leader->released),
                    [FIELD_PROCESS] = store_text(leader->process) },
    };
    return versioned_save(store, &leader_collection, &record, &version, error);
}

#define ANY_EPOCH UINT64_MAX

/* judged_epoch ANY_EPOCH: whoever had it. */
enum store_outcome leader_take_as(struct store *store, const char *role,
                                  const struct leader_claim *claim, uint64_t *epoch_r,
                                  struct error *error)
{
    ASSERT(strlen(role) <= LEADER_ROLE_BYTES_MAX);
    struct leader wanted = { .boot_id = claim->boot_id, .taken_ms = claim->now_ms };
    snprintf(wanted.instance, sizeof wanted.instance, "%s", claim->instance);
    snprintf(wanted.process, sizeof wanted.process, "%s", claim->process);
    enum store_outcome outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        struct leader held;
        uint64_t version;
        enum store_outcome found = read(store, role, &held, &version, error);
        if (found == STORE_FAILED)
            return STORE_FAILED;
        /* Our own write whose answer got lost. */
        if (i > 0 && held.epoch == wanted.epoch && held.boot_id == wanted.boot_id &&
            strcmp(held.instance, wanted.instance) == 0) {
            *epoch_r = held.epoch;
            return STORE_DONE;
        }
        if (claim->judged_epoch != ANY_EPOCH && held.epoch != claim->judged_epoch)
            return STORE_CONFLICT;
        wanted.epoch = held.epoch + 1;
        outcome = write(store, role, &wanted, version, error);
        if (outcome == STORE_DONE) {
            *epoch_r = wanted.epoch;
            return STORE_DONE;
        }
        if (outcome == STORE_FAILED)
            return STORE_FAILED;
    }
    return outcome == STORE_UNKNOWN ? STORE_UNKNOWN : STORE_CONFLICT;
}

enum store_outcome leader_take(struct store *store, const char *role, const char *instance,
                               uint64_t boot_id, uint64_t now_ms, uint64_t *epoch_r,
                               struct error *error)
{
    const struct leader_claim claim = { .instance = instance,
                                        .boot_id = boot_id,
                                        .now_ms = now_ms,
                                        .process = "",
                                        .judged_epoch = ANY_EPOCH };
    return leader_take_as(store, role, &claim, epoch_r, error);
}

enum store_outcome leader_still(struct store *store, const char *role, uint64_t epoch,
                                struct error *error)
{
    struct leader held;
    uint64_t version;
    enum store_outcome found = read(store, role, &held, &version, error);
    if (found == STORE_FAILED)
        return STORE_FAILED;
    return held.epoch == epoch ? STORE_DONE : STORE_CONFLICT;
}

enum store_outcome leader_read(struct store *store, const char *role, struct leader *leader_r,
                               struct error *error)
{
    uint64_t version;
    return read(store, role, leader_r, &version, error);
}

static enum store_outcome beat(struct store *store, const char *role, uint64_t epoch, bool release,
                               struct error *error)
{
    struct leader held;
    uint64_t version;
    enum store_outcome found = read(store, role, &held, &version, error);
    if (found == STORE_FAILED)
        return STORE_FAILED;
    if (found == STORE_MISSING || held.epoch != epoch)
        return STORE_CONFLICT;
    held.beat++;
    held.released = release;
    return write(store, role, &held, version, error);
}

enum store_outcome leader_renew(struct store *store, const char *role, uint64_t epoch,
                                struct error *error)
{
    return beat(store, role, epoch, false, error);
}

enum store_outcome leader_release(struct store *store, const char *role, uint64_t epoch,
                                  struct error *error)
{
    return beat(store, role, epoch, true, error);
}

enum leader_watched leader_watch_look(struct leader_watch *watch, const struct leader *leader,
                                      const struct leader_look *look)
{
    if (leader == NULL || leader->epoch == 0 || leader->released)
        return LEADER_LAPSED;
    if (!watch->looked || leader->epoch != watch->epoch)
        *watch = (struct leader_watch){ true, leader->epoch, leader->beat, look->ended_ms, 0 };
    if (leader->beat != watch->beat) {
        watch->beat = leader->beat;
        watch->since_ms = look->ended_ms;
        watch->moves++;
    }
    /* A namesake that is dead, stopped or cut off is followed like anybody else. */
    if (look->process_ended || look->began_ms >= watch->since_ms + look->lease_ms)
        return LEADER_LAPSED;
    const bool namesake = watch->moves >= NAMESAKE_MOVES && leader->boot_id != look->boot_id &&
                          strcmp(leader->instance, look->instance) == 0;
    return namesake ? LEADER_NAMESAKE : LEADER_HELD;
}
