/* The iNode's lists: validators and pools with their scores, from the store, and beside them how
 * our own validators are, from their heartbeats. A validator that lives and has not registered yet
 * is shown too, without a score. */
#include "services/inode-scheduler/api.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEN_MS = 180 * 1000 }; /* an outside validator says something within that */

/* What its receipts are signed with; null where it signs for nothing. */
static json_t *key_or_null(const uint8_t *key, size_t length)
{
    char text[2 * MEMBER_KEY_BYTES + 1];
    static const uint8_t none[MEMBER_KEY_BYTES];
    ASSERT(length == MEMBER_KEY_BYTES);
    if (memcmp(key, none, length) == 0)
        return json_null();
    hex_encode(span_of(key, length), text);
    return json_string(text);
}

/* What a validator's heartbeats say, by instance. */
static json_t *live_validators(const struct health *health)
{
    json_t *live = json_object();
    for (size_t i = 0; i < health->count; i++) {
        const struct health_instance *instance = &health->instances[i];
        if (instance->component == HEALTH_VALIDATOR)
            json_object_set_new(
                live, instance->instance,
                json_pack("{s:s, s:I, s:o}", "status",
                          health_status_name(health_of_instance(health, instance)), "last_seen",
                          (json_int_t)(instance->beat_unix_ms / 1000), "receipt_key",
                          key_or_null(instance->receipt_key, sizeof instance->receipt_key)));
    }
    return live;
}

struct member_listing {
    json_t *list;
    json_t *live; /* those that are not listed yet */
    const char *state;
    uint64_t now_ms;
};

static json_t *common_of(const struct member *member)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:b}", "id", member->id, "wallet", member->wallet,
                     "name", member->name, "score", (int)member->score, "source",
                     member_source_name(member->source), "stale", member->stale);
}

static bool on_validator(void *context, const struct member *member)
{
    struct member_listing *listing = context;
    json_t *entry = common_of(member);
    json_t *live = member->name[0] != '\0' && member->source != MEMBER_GONE
                       ? json_object_get(listing->live, member->name)
                       : NULL;
    bool seen = member->seen_ms + SEEN_MS >= listing->now_ms;
    json_object_set_new(entry, "key", key_or_null(member->key, sizeof member->key));
    json_object_set_new(entry, "stake", json_integer(member->stake));
    json_object_set_new(entry, "last_seen", json_integer((json_int_t)(member->seen_ms / 1000)));
    json_object_set_new(entry, "status", json_string(seen ? "healthy" : "unhealthy"));
    json_object_set_new(entry, "receipt_key", json_null());
    if (live != NULL) {
        json_object_update(entry, live);
        json_object_del(listing->live, member->name);
    }
    json_array_append_new(listing->list, entry);
    return true;
}

static void add_unregistered(struct member_listing *listing)
{
    const char *name;
    json_t *live;
    json_object_foreach(listing->live, name, live)
    {
        json_t *entry =
            json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:n, s:i}", "id", "", "wallet", "", "name",
                      name, "score", 0, "source", "own", "stale", 0, "key", "stake", 0);
        json_object_update(entry, live);
        json_array_append_new(listing->list, entry);
    }
}

static void validators_read(struct api_read *read)
{
    struct member_listing listing = { .list = json_array(),
                                      .live = read->aside,
                                      .now_ms = loop_unix_ms() };
    if (member_walk(read->scheduler->api_store, MEMBER_VALIDATOR, on_validator, &listing,
                    &read->error) == STORE_DONE) {
        add_unregistered(&listing);
        read->document = json_pack("{s:o}", "validators", listing.list);
    } else {
        json_decref(listing.list);
    }
}

void api_validators(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    struct api_read *read = api_read_new(scheduler, exchange, validators_read);
    read->aside = live_validators(&scheduler->health);
    api_read_submit(read);
}

static bool on_pool(void *context, const struct member *member)
{
    struct member_listing *listing = context;
    bool own = member->source == MEMBER_OWN;
    json_t *entry = common_of(member);
    json_object_set_new(entry, "own", json_boolean(own));
    json_object_set_new(entry, "status", json_string(own ? listing->state : "unknown"));
    json_array_append_new(listing->list, entry);
    return true;
}

static void pools_read(struct api_read *read)
{
    struct member_listing listing = { .list = json_array(),
                                      .state = json_string_value(read->aside) };
    if (member_walk(read->scheduler->api_store, MEMBER_POOL, on_pool, &listing, &read->error) ==
        STORE_DONE)
        read->document = json_pack("{s:o}", "pools", listing.list);
    else
        json_decref(listing.list);
}

void api_pools(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    const char *reason;
    struct api_read *read = api_read_new(scheduler, exchange, pools_read);
    read->aside = json_string(scheduler_state(scheduler, &reason));
    api_read_submit(read);
}
