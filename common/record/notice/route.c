#include "record/notice/route.h"

#include "record/access/field.h"

#include <inttypes.h>
#include <stdio.h>

enum field { DAY, COUNT, FAILING_SINCE_MS, NOT_BEFORE_MS, FAILURES, FIELDS };
enum { ID_BYTES = 24 };

static const struct store_field fields[FIELDS] = {
    [DAY] = { "day", STORE_INT, false },
    [COUNT] = { "sent", STORE_INT, false },
    [FAILING_SINCE_MS] = { "failing_since_ms", STORE_INT, false },
    [NOT_BEFORE_MS] = { "not_before_ms", STORE_INT, false },
    [FAILURES] = { "failures", STORE_INT, false },
};
const struct store_collection notice_route_collection = { "notice_routes", fields, FIELDS };

static void name(uint64_t account, enum notice_channel channel, char id_r[ID_BYTES])
{
    snprintf(id_r, ID_BYTES, "%016" PRIx64 ":%c", account, channel == NOTICE_LETTER ? 'm' : 'w');
}

enum store_outcome notice_route_get(struct store *store, uint64_t account,
                                    enum notice_channel channel,
                                    struct notice_route_record *route_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[ID_BYTES];
    name(account, channel, id);
    *route_r = (struct notice_route_record){ .account = account, .channel = channel };
    enum store_outcome outcome =
        store_get(store, &notice_route_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome == STORE_MISSING ? STORE_DONE : outcome;
    struct notice_route *route = &route_r->route;
    bool valid = field_number(&record.values[DAY], &route->day) &&
                 field_number(&record.values[COUNT], &route->count) &&
                 field_number(&record.values[FAILING_SINCE_MS], &route->failing_since_ms) &&
                 field_number(&record.values[NOT_BEFORE_MS], &route->not_before_ms) &&
                 field_number(&record.values[FAILURES], &route->failures);
    if (!valid)
        *route = (struct notice_route){ 0 };
    route_r->version = record.version;
    return STORE_DONE;
}

enum store_outcome notice_route_save(struct store *store, struct notice_route_record *route,
                                     struct error *error)
{
    char id[ID_BYTES];
    name(route->account, route->channel, id);
    struct store_record record = { .id = id, .version = route->version };
    record.values[DAY] = store_int((int64_t)route->route.day);
    record.values[COUNT] = store_int((int64_t)route->route.count);
    record.values[FAILING_SINCE_MS] = store_int((int64_t)route->route.failing_since_ms);
    record.values[NOT_BEFORE_MS] = store_int((int64_t)route->route.not_before_ms);
    record.values[FAILURES] = store_int((int64_t)route->route.failures);
    return versioned_save(store, &notice_route_collection, &record, &route->version, error);
}
