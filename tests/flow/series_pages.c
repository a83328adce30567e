/* What the store has of the series, as series_look.h tells. */
#include "adapter/store_open/store_open.h"
#include "tests/flow/series_look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct store *series_open_store(const char *mongo_url)
{
    char url[160];
    struct error error;
    const struct store_collection *const collections[] = { &stats_collection };
    snprintf(url, sizeof url, "sqlite:%s/adit.db", ground.pool.data);
    struct store *store = store_open(mongo_url[0] != '\0' ? mongo_url : url, 5000, &error);
    if (store == NULL || !store_declare(store, collections, 1, &error))
        fail_msg("%s", error.text);
    return store;
}

static int64_t field_of(const struct store_record *record, const char *name)
{
    for (size_t i = 0; i < stats_collection.field_count; i++)
        if (strcmp(stats_collection.fields[i].name, name) == 0)
            return record->values[i].integer;
    fail_msg("no field %s", name);
    return 0;
}

static struct window_position position_of(const struct store_record *record, const char *high,
                                          const char *low)
{
    return (struct window_position){ .high = (uint64_t)field_of(record, high),
                                     .low = (uint64_t)field_of(record, low) };
}

static bool on_page(void *context, const struct store_record *record)
{
    struct series_reached *reached = context;
    const struct window_position upto = position_of(record, "upto_high", "upto_low");
    if (strcmp(record->id, "000") == 0) {
        reached->head = upto;
        reached->through = position_of(record, "through_high", "through_low");
    }
    if (window_position_compare(&upto, &reached->furthest) > 0)
        reached->furthest = upto;
    return true;
}

struct series_reached series_reach(struct store *store)
{
    struct error error;
    struct series_reached reached = { { 0 }, { 0 }, { 0 } };
    const struct store_query all = { .field = "id" };
    if (store_find(store, &stats_collection, &all, on_page, &reached, &error) != STORE_DONE)
        fail_msg("%s", error.text);
    return reached;
}

bool series_is_between(struct store *store)
{
    struct series_reached reached = series_reach(store);
    return window_position_compare(&reached.furthest, &reached.head) > 0;
}
