#include "record/switch/switch.h"

#include "base/utf8.h"
#include "record/versioned/versioned.h"

enum { F_ON, F_BY, F_REASON, F_CHANGED_MS, F_COUNT };

static const struct store_field fields[F_COUNT] = {
    [F_ON] = { "turned_on", STORE_INT, false },
    [F_BY] = { "turned_by", STORE_TEXT, false },
    [F_REASON] = { "reason", STORE_TEXT, false },
    [F_CHANGED_MS] = { "changed_ms", STORE_INT, false },
};
const struct store_collection switch_collection = { "switches", fields, F_COUNT };

/* What another wrote is made a text that can be shown, whatever it is. */
static void take_text(struct span text, char *text_r, size_t bytes)
{
    (void)utf8_keep((const char *)text.data, text.length, text_r, bytes);
}

enum store_outcome switch_get(struct store *store, const char *name, struct switch_record *switch_r,
                              struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    *switch_r = (struct switch_record){ .on = false };
    enum store_outcome outcome = store_get(store, &switch_collection, name, &arena, &record, error);
    if (outcome == STORE_MISSING)
        return STORE_DONE;
    if (outcome != STORE_DONE)
        return outcome;
    switch_r->on = record.values[F_ON].integer != 0;
    switch_r->changed_ms = (uint64_t)record.values[F_CHANGED_MS].integer;
    switch_r->version = record.version;
    take_text(record.values[F_BY].bytes, switch_r->by, sizeof switch_r->by);
    take_text(record.values[F_REASON].bytes, switch_r->reason, sizeof switch_r->reason);
    return STORE_DONE;
}

enum store_outcome switch_turn(struct store *store, const char *name, bool on, const char *by,
                               const char *reason, uint64_t now_ms, struct error *error)
{
    struct switch_record now;
    ASSERT(strlen(name) <= SWITCH_NAME_BYTES_MAX);
    enum store_outcome outcome = switch_get(store, name, &now, error);
    if (outcome != STORE_DONE)
        return outcome;
    char by_cut[SWITCH_BY_BYTES], reason_cut[SWITCH_REASON_BYTES];
    /* In whole characters: the store takes no others. */
    (void)utf8_keep(by, strlen(by), by_cut, sizeof by_cut);
    (void)utf8_keep(reason, strlen(reason), reason_cut, sizeof reason_cut);
    const struct store_record record = { .id = name,
                                         .values = { [F_ON] = store_int(on),
                                                     [F_BY] = store_text(by_cut),
                                                     [F_REASON] = store_text(reason_cut),
                                                     [F_CHANGED_MS] =
                                                         store_int((int64_t)now_ms) } };
    return versioned_save(store, &switch_collection, &record, &now.version, error);
}
