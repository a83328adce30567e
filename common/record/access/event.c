#include "record/access/event.h"

#include <inttypes.h>
#include <stdio.h>

enum event_field { ACCOUNT, TIME_MS, KIND, ACTOR, CLIENT, DETAIL, FIELDS };

static const struct store_field fields[FIELDS] = {
    [ACCOUNT] = { "account", STORE_TEXT, false }, [TIME_MS] = { "time_ms", STORE_INT, true },
    [KIND] = { "kind", STORE_TEXT, false },       [ACTOR] = { "actor", STORE_TEXT, false },
    [CLIENT] = { "client", STORE_TEXT, false },   [DETAIL] = { "detail", STORE_TEXT, false },
};

const struct store_collection access_event_collection = { "security_events", fields, FIELDS };

static void id_of(uint64_t account_id, uint64_t time_ms, uint64_t number, char id_r[EVENT_ID_BYTES])
{
    snprintf(id_r, EVENT_ID_BYTES, "%016" PRIx64 ":%016" PRIx64 ":%016" PRIx64, account_id, time_ms,
             number);
}

enum store_outcome access_event_append(struct store *store, struct event *event, uint64_t number,
                                       struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    account_id_text(event->account_id, account);
    id_of(event->account_id, event->time_ms, number, event->id);
    struct store_record record = { .id = event->id };
    record.values[ACCOUNT] = store_text(account);
    record.values[TIME_MS] = store_int((int64_t)event->time_ms);
    record.values[KIND] = store_text(event->kind);
    record.values[ACTOR] = store_text(event->actor);
    record.values[CLIENT] = store_text(event->client);
    record.values[DETAIL] = store_text(event->detail);
    enum store_outcome outcome =
        versioned_write(store, STORE_INSERT, &access_event_collection, &record, error);
    return outcome == STORE_EXISTS ? STORE_DONE : outcome;
}

static bool read(const struct store_record *record, struct event *event_r, struct error *error)
{
    const struct store_value *values = record->values;
    memset(event_r, 0, sizeof *event_r);
    bool valid = strlen(record->id) < sizeof event_r->id &&
                 field_account(&values[ACCOUNT], &event_r->account_id) &&
                 field_number(&values[TIME_MS], &event_r->time_ms) &&
                 field_text(&values[KIND], event_r->kind, sizeof event_r->kind) &&
                 field_text(&values[ACTOR], event_r->actor, sizeof event_r->actor) &&
                 field_text(&values[CLIENT], event_r->client, sizeof event_r->client) &&
                 field_text(&values[DETAIL], event_r->detail, sizeof event_r->detail);
    if (!valid)
        return field_damaged(error, "security event", record->id);
    snprintf(event_r->id, sizeof event_r->id, "%s", record->id);
    return true;
}

struct walk {
    access_event_visitor visitor;
    void *context;
    bool damaged;
    struct error *error;
};

static bool visit(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct event event;
    walk->damaged = !read(record, &event, walk->error);
    return !walk->damaged && walk->visitor(walk->context, &event);
}

enum store_outcome access_event_walk(struct store *store, uint64_t account_id, bool all,
                                     uint64_t before_ms, const char *past_id, size_t limit,
                                     access_event_visitor visitor, void *context,
                                     struct error *error)
{
    char low[EVENT_ID_BYTES], high[EVENT_ID_BYTES];
    uint64_t until_ms = past_id != NULL ? before_ms : before_ms == 0 ? INT64_MAX : before_ms - 1;
    id_of(account_id, 0, 0, low);
    id_of(account_id, until_ms, UINT64_MAX, high);
    const struct store_query query = {
        .field = all ? "time_ms" : "id",
        .has_low = !all,
        .has_high = true,
        .low = store_text(low),
        .high = all ? store_int((int64_t)until_ms) : store_text(high),
        .order = STORE_DESCENDING,
        .limit = limit,
        .past_id = past_id,
    };
    struct walk walk = { visitor, context, false, error };
    enum store_outcome outcome =
        store_find(store, &access_event_collection, &query, visit, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}
