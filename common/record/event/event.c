#include "record/event/event.h"

#include <stdio.h>

enum { FIELD_CAUSE, FIELD_EPOCH, FIELD_HEIGHT, FIELD_TIME_MS, FIELD_BODY, FIELD_COUNT };

static const struct store_field fields[FIELD_COUNT] = {
    [FIELD_CAUSE] = { "cause", STORE_TEXT, true },
    [FIELD_EPOCH] = { "epoch", STORE_INT, false },
    [FIELD_HEIGHT] = { "height", STORE_INT, false },
    [FIELD_TIME_MS] = { "time_ms", STORE_INT, false },
    [FIELD_BODY] = { "body", STORE_BYTES, false },
};
const struct store_collection event_collection = { "events", fields, FIELD_COUNT };

enum { ID_BYTES = 24, BODY_BYTES_MAX = 512, READ_BYTES = 4096 };

const char *event_kind_name(enum wire_reward_kind kind)
{
    switch (kind) {
    case WIRE_REWARD_FOUND:
        return "found";
    case WIRE_REWARD_MATURED:
        return "matured";
    case WIRE_REWARD_ORPHANED:
        return "orphaned";
    case WIRE_REWARD_TAKEN_OVER:
        return "taken_over";
    case WIRE_REWARD_RECEIVED:
        return "received";
    case WIRE_REWARD_RETRACTED:
        return "retracted";
    }
    return "unknown";
}

void event_cause(const uint8_t block_hash[32], enum wire_reward_kind kind, uint32_t generation,
                 char cause_r[EVENT_CAUSE_BYTES])
{
    uint8_t shown[32];
    char hex[65];
    bytes_reverse(block_hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), hex);
    snprintf(cause_r, EVENT_CAUSE_BYTES, "%s:%u:%s", event_kind_name(kind), generation, hex);
}

static void show_id(uint64_t sequence, char text_r[ID_BYTES])
{
    snprintf(text_r, ID_BYTES, "%020llu", (unsigned long long)sequence);
}

enum store_outcome event_append(struct store *store, const struct wire_reward_event *event,
                                struct error *error)
{
    ASSERT(event->sequence >= 1);
    char id[ID_BYTES];
    char cause[EVENT_CAUSE_BYTES];
    uint8_t body[BODY_BYTES_MAX];
    show_id(event->sequence, id);
    event_cause(event->block_hash, (enum wire_reward_kind)event->kind, event->generation, cause);
    size_t length = wire_encode_reward_event(event, body, sizeof body);
    ASSERT(length > 0);
    struct store_write write = {
        .verb = STORE_INSERT,
        .collection = &event_collection,
        .record = { .id = id,
                    .values = { [FIELD_CAUSE] = store_text(cause),
                                [FIELD_EPOCH] = store_int((int64_t)event->epoch),
                                [FIELD_HEIGHT] = store_int(event->height),
                                [FIELD_TIME_MS] = store_int((int64_t)event->time_ms),
                                [FIELD_BODY] = store_bytes(span_of(body, length)) } }
    };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

static bool decode(const struct store_record *record, struct wire_reward_event *event_r,
                   struct error *error)
{
    struct arena none = arena_over(NULL, 0); /* the message has neither texts nor lists */
    u128 sequence;
    if (!u128_parse(record->id, strlen(record->id), &sequence) ||
        !wire_decode_reward_event(record->values[FIELD_BODY].bytes, &none, event_r, error) ||
        sequence != event_r->sequence) {
        error_fill(error, ERROR_INVALID, "the store's event \"%s\" is damaged", record->id);
        return false;
    }
    return true;
}

struct walk {
    event_visitor visit;
    void *context;
    struct error *error;
    uint64_t expected; /* 0: any */
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct wire_reward_event event;
    if (!decode(record, &event, walk->error)) {
        walk->damaged = true;
        return false;
    }
    if (walk->expected != 0 && event.sequence != walk->expected++) {
        error_fill(walk->error, ERROR_INVALID, "the store's event %llu is missing",
                   (unsigned long long)walk->expected - 1);
        walk->damaged = true;
        return false;
    }
    return walk->visit(walk->context, &event);
}

static bool on_newest(void *context, const struct wire_reward_event *event)
{
    *(uint64_t *)context = event->sequence;
    return false;
}

enum store_outcome event_newest(struct store *store, uint64_t *sequence_r, struct error *error)
{
    struct store_query query = { .field = "id", .order = STORE_DESCENDING, .limit = 1 };
    struct walk walk = { on_newest, sequence_r, error, 0, false };
    *sequence_r = 0;
    enum store_outcome outcome =
        store_find(store, &event_collection, &query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

enum store_outcome event_get(struct store *store, uint64_t sequence,
                             struct wire_reward_event *event_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[ID_BYTES];
    show_id(sequence, id);
    enum store_outcome outcome = store_get(store, &event_collection, id, &arena, &record, error);
    if (outcome == STORE_DONE && !decode(&record, event_r, error))
        return STORE_FAILED;
    return outcome;
}

enum store_outcome event_walk(struct store *store, uint64_t after, size_t limit,
                              event_visitor visit, void *context, struct error *error)
{
    char low[ID_BYTES];
    show_id(after + 1, low);
    struct store_query query = {
        .field = "id", .has_low = true, .low = store_text(low), .limit = limit
    };
    struct walk walk = { visit, context, error, after + 1, false };
    enum store_outcome outcome =
        store_find(store, &event_collection, &query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}
