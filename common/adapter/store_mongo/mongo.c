#include "adapter/store_mongo/store_mongo.h"
#include "adapter/store_mongo/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static struct mongo_store *mongo_of(struct store *store)
{
    return (struct mongo_store *)store;
}

static bool mongo_declare(struct store *store, const struct store_collection *const *collections,
                          size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!mongo_declare_one(mongo_of(store), collections[i], error))
            return false;
    return true;
}

static enum store_outcome mongo_get(struct store *store, const struct store_collection *collection,
                                    const char *id, struct arena *arena,
                                    struct store_record *record_r, struct error *error)
{
    struct mongo_store *mongo = mongo_of(store);
    if (!store_rules_id(id)) {
        error_fill(error, ERROR_INVALID, "a record of %s is asked for by an id that is no id",
                   collection->name);
        return STORE_FAILED;
    }
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", id);
    bson_t *options = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true));
    mongoc_collection_t *handle =
        mongoc_client_get_collection(mongo->client, mongo->database, collection->name);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(handle, &filter, options, NULL);
    const bson_t *document;
    bson_error_t failure;
    struct store_record record;
    enum store_outcome outcome = STORE_MISSING;
    if (mongoc_cursor_next(cursor, &document)) {
        outcome = mongo_read(document, collection, &record, error) &&
                          store_rules_copy(collection, &record, arena, record_r, error)
                      ? STORE_DONE
                      : STORE_FAILED;
    } else if (mongoc_cursor_error(cursor, &failure)) {
        (void)mongo_trouble(mongo, "read from", &failure, error);
        outcome = STORE_FAILED;
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(handle);
    bson_destroy(&filter);
    bson_destroy(options);
    return outcome;
}

static void append_bound(bson_t *range, const char *comparison, enum store_type type,
                         const struct store_value *value)
{
    if (type == STORE_INT)
        BSON_APPEND_INT64(range, comparison, value->integer);
    else
        bson_append_utf8(range, comparison, -1,
                         value->bytes.length == 0 ? "" : (const char *)value->bytes.data,
                         (int)value->bytes.length);
}

static void append_past(bson_t *range, const struct store_query *query)
{
    BSON_APPEND_UTF8(range, query->order == STORE_DESCENDING ? "$lt" : "$gt", query->past_id);
}

/* The field's range; `beyond`: without the bound at which the order begins. */
static void append_range(bson_t *filter, const char *field, enum store_type type,
                         const struct store_query *query, bool beyond)
{
    bson_t range;
    bool down = query->order == STORE_DESCENDING, by_id = strcmp(field, "_id") == 0;
    if (!query->has_low && !query->has_high && query->past_id == NULL)
        return;
    BSON_APPEND_DOCUMENT_BEGIN(filter, field, &range);
    if (query->has_low)
        append_bound(&range, beyond && !down ? "$gt" : "$gte", type, &query->low);
    if (query->has_high)
        append_bound(&range, beyond && down ? "$lt" : "$lte", type, &query->high);
    if (by_id && query->past_id != NULL)
        append_past(&range, query);
    bson_append_document_end(filter, &range);
}

/* What stands behind (bound, past_id): the rest of those that are equal to the bound, and those
 * beyond it. Each of the two is one stretch of the index, which the server merges in its order. */
static void append_behind(bson_t *filter, const char *field, enum store_type type,
                          const struct store_query *query)
{
    bool down = query->order == STORE_DESCENDING;
    bson_t either, one, ids;
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &either);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "0", &one);
    append_bound(&one, field, type, down ? &query->high : &query->low);
    BSON_APPEND_DOCUMENT_BEGIN(&one, "_id", &ids);
    append_past(&ids, query);
    bson_append_document_end(&one, &ids);
    bson_append_document_end(&either, &one);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "1", &one);
    append_range(&one, field, type, query, true);
    bson_append_document_end(&either, &one);
    bson_append_array_end(filter, &either);
}

static mongoc_cursor_t *open_cursor(mongoc_collection_t *handle, const char *field,
                                    enum store_type type, const struct store_query *query)
{
    bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER, sort;
    if (query->past_id != NULL && strcmp(field, "_id") != 0)
        append_behind(&filter, field, type, query);
    else
        append_range(&filter, field, type, query, false);
    int32_t way = query->order == STORE_DESCENDING ? -1 : 1;
    BSON_APPEND_DOCUMENT_BEGIN(&options, "sort", &sort);
    BSON_APPEND_INT32(&sort, field, way);
    if (strcmp(field, "_id") != 0)
        BSON_APPEND_INT32(&sort, "_id", way);
    bson_append_document_end(&options, &sort);
    if (query->limit > 0 && query->limit < INT64_MAX)
        BSON_APPEND_INT64(&options, "limit", (int64_t)query->limit);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(handle, &filter, &options, NULL);
    bson_destroy(&filter);
    bson_destroy(&options);
    return cursor;
}

static enum store_outcome mongo_find(struct store *store, const struct store_collection *collection,
                                     const struct store_query *query, store_visitor visitor,
                                     void *context, struct error *error)
{
    struct mongo_store *mongo = mongo_of(store);
    size_t field;
    if (!store_rules_query(collection, query, &field, error))
        return STORE_FAILED;
    bool by_id = field == collection->field_count;
    mongoc_collection_t *handle =
        mongoc_client_get_collection(mongo->client, mongo->database, collection->name);
    mongoc_cursor_t *cursor =
        open_cursor(handle, by_id ? "_id" : query->field,
                    by_id ? STORE_TEXT : collection->fields[field].type, query);
    const bson_t *document;
    bson_error_t failure;
    struct store_record record;
    enum store_outcome outcome = STORE_DONE;
    while (outcome == STORE_DONE && mongoc_cursor_next(cursor, &document)) {
        if (!mongo_read(document, collection, &record, error))
            outcome = STORE_FAILED;
        else if (!visitor(context, &record))
            break;
    }
    if (outcome == STORE_DONE && mongoc_cursor_error(cursor, &failure)) {
        (void)mongo_trouble(mongo, "read from", &failure, error);
        outcome = STORE_FAILED;
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(handle);
    return outcome;
}

static bool mongo_ping(struct store *store, struct error *error)
{
    struct mongo_store *mongo = mongo_of(store);
    bson_t *command = BCON_NEW("ping", BCON_INT32(1));
    bson_error_t failure;
    bool here = mongoc_client_command_simple(mongo->client, mongo->database, command, NULL, NULL,
                                             &failure) ||
                mongo_trouble(mongo, "reach", &failure, error);
    bson_destroy(command);
    return here;
}

static void mongo_close(struct store *store)
{
    struct mongo_store *mongo = mongo_of(store);
    mongo_pool_put(mongo->pool, mongo->client);
    free(mongo);
}

static const struct store_ops mongo_ops = {
    .declare = mongo_declare,
    .apply = mongo_apply,
    .get = mongo_get,
    .find = mongo_find,
    .ping = mongo_ping,
    .writable = mongo_ping, /* the primary is asked */
    .close = mongo_close,
};

struct store *store_mongo_open(const char *url, unsigned timeout_ms, struct error *error)
{
    mongoc_uri_t *uri = mongo_uri(url, timeout_ms, error);
    if (uri == NULL)
        return NULL;
    struct mongo_store *mongo = calloc(1, sizeof *mongo);
    ASSERT(mongo != NULL);
    mongo->store.ops = &mongo_ops;
    const char *database = mongoc_uri_get_database(uri);
    snprintf(mongo->database, sizeof mongo->database, "%s",
             database == NULL || *database == '\0' ? "adit" : database);
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    const char *name = host != NULL ? host->host_and_port : mongoc_uri_get_srv_hostname(uri);
    snprintf(mongo->server, sizeof mongo->server, "%s", name == NULL ? "?" : name);
    /* begun at random among 2^62, so that no two handles ever use one mark */
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    mongo->next_mark = (int64_t)(random >> 2);
    mongo->pool = mongo_pool_get(uri, error);
    mongoc_uri_destroy(uri);
    if (mongo->pool == NULL)
        goto free;
    mongo->client = mongo_pool_pop(mongo->pool, error);
    if (mongo->client == NULL)
        goto put;
    return &mongo->store;
put:
    mongo_pool_put(mongo->pool, NULL);
free:
    free(mongo);
    return NULL;
}
