/* Writes as bulks. Each bulk holds writes of one collection and one verb and is small enough to be
 * one command on the wire, so that an error is either the whole command's or one write's.
 *
 * The server tells of a bulk of conditional writes only how many matched. If all did, all are done.
 * If not, replaces are told apart by a mark: each carries a number never used before in the field
 * w, and the records are read back:
 *     version = read + 1, our mark       done
 *     version = read + 1, another mark   a rival won this version: conflict
 *     any other version, or no record    a rival went on from our state, or from another (or
 *                                        removed it and made it anew): unknown
 * Removed records carry no mark, so deletes that cannot match are sorted out by reading before.
 * Few writes are sent singly, where the count itself tells. */
#include "adapter/store_mongo/inside.h"

#include <stdlib.h>

enum { BULK_WRITES_MAX = 1000, BULK_BYTES_MAX = 8 << 20, SINGLY_MAX = 4 };

/* The writes of one call that go into one bulk. */
struct bulk {
    struct mongo_store *mongo;
    const struct store_collection *collection;
    enum store_verb verb;
    struct store_write *writes[BULK_WRITES_MAX];
    int64_t marks[BULK_WRITES_MAX]; /* for replaces */
    size_t count;
    size_t bytes;
};

bool mongo_trouble(const struct mongo_store *mongo, const char *doing, const bson_error_t *failure,
                   struct error *error)
{
    enum error_code code = ERROR_UNAVAILABLE;
    if (failure->domain == MONGOC_ERROR_STREAM || failure->domain == MONGOC_ERROR_WRITE_CONCERN)
        code = ERROR_TIMEOUT;
    else if (failure->domain == MONGOC_ERROR_SERVER || failure->domain == MONGOC_ERROR_CLIENT)
        code = ERROR_REFUSED;
    return error_set(error, code, "cannot %s the store at %s: %s", doing, mongo->server,
                     failure->message);
}

enum store_outcome mongo_classify(const bson_error_t *failure)
{
    switch (failure->domain) {
    case MONGOC_ERROR_SERVER_SELECTION: /* nobody to send it to */
    case MONGOC_ERROR_BSON:             /* refused by the driver itself */
    case MONGOC_ERROR_COMMAND:
    case MONGOC_ERROR_SASL:
    case MONGOC_ERROR_SCRAM:
        return STORE_FAILED;
    case MONGOC_ERROR_CLIENT:
        return failure->code == MONGOC_ERROR_CLIENT_AUTHENTICATE ? STORE_FAILED : STORE_UNKNOWN;
    case MONGOC_ERROR_SERVER:
        break;
    default:
        return STORE_UNKNOWN;
    }
    /* The server's own refusals of a command before it begins. Whatever else it says (a primary
     * that steps down, a shutdown, an internal error) may have come in the middle. */
    static const uint32_t refusals[] = {
        2,  /* BadValue */
        9,  /* FailedToParse */
        13, /* Unauthorized */
        14, /* TypeMismatch */
        18, /* AuthenticationFailed */
        20, /* IllegalOperation */
        59, /* CommandNotFound */
        72, /* InvalidOptions */
        73, /* InvalidNamespace */
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (failure->code == refusals[i])
            return STORE_FAILED;
    return STORE_UNKNOWN;
}

enum store_outcome mongo_classify_write(enum store_verb verb, int32_t code)
{
    enum { DUPLICATE_KEY = 11000 };
    if (code == DUPLICATE_KEY)
        return verb == STORE_INSERT ? STORE_EXISTS : STORE_FAILED;
    /* a server going down or giving up its rank, or an interrupted write */
    static const int32_t unknown[] = { 6,    7,     50,    64,    89,    91,    189,  262,
                                       9001, 10107, 11600, 11601, 11602, 13435, 13436 };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (code == unknown[i])
            return STORE_UNKNOWN;
    return STORE_FAILED;
}

/* How many writes make one command: ours or the server's bound, whichever is less. 0 with *error
 * when there is no server. */
static size_t bulk_max(struct mongo_store *mongo, struct error *error)
{
    if (mongo->bulk_max > 0)
        return mongo->bulk_max;
    bson_error_t failure;
    mongoc_server_description_t *server =
        mongoc_client_select_server(mongo->client, true, NULL, &failure);
    if (server == NULL) {
        (void)mongo_trouble(mongo, "write to", &failure, error);
        return 0;
    }
    bson_iter_t at;
    int64_t bound = BULK_WRITES_MAX;
    if (bson_iter_init_find(&at, mongoc_server_description_hello_response(server),
                            "maxWriteBatchSize"))
        bound = bson_iter_as_int64(&at);
    mongoc_server_description_destroy(server);
    mongo->bulk_max = bound < 1 ? 1 : bound > BULK_WRITES_MAX ? BULK_WRITES_MAX : (size_t)bound;
    return mongo->bulk_max;
}

static void set_all(struct bulk *bulk, enum store_outcome outcome)
{
    for (size_t i = 0; i < bulk->count; i++)
        bulk->writes[i]->outcome = outcome;
}

static void add_insert(mongoc_bulk_operation_t *driver, const struct store_write *write)
{
    bson_t document = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&document, "_id", write->record.id);
    BSON_APPEND_INT64(&document, "v", 1);
    mongo_append_fields(&document, write->collection, &write->record);
    bool added = mongoc_bulk_operation_insert_with_opts(driver, &document, NULL, NULL);
    ASSERT(added);
    bson_destroy(&document);
}

static void add_conditional(mongoc_bulk_operation_t *driver, const struct store_write *write,
                            int64_t mark)
{
    bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
    BSON_APPEND_UTF8(&selector, "_id", write->record.id);
    BSON_APPEND_INT64(&selector, "v", (int64_t)write->record.version);
    bool added;
    if (write->verb == STORE_DELETE) {
        added = mongoc_bulk_operation_remove_one_with_opts(driver, &selector, NULL, NULL);
    } else {
        BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &set);
        BSON_APPEND_INT64(&set, "v", (int64_t)write->record.version + 1);
        BSON_APPEND_INT64(&set, "w", mark);
        mongo_append_fields(&set, write->collection, &write->record);
        bson_append_document_end(&update, &set);
        added = mongoc_bulk_operation_update_one_with_opts(driver, &selector, &update, NULL, NULL);
    }
    ASSERT(added);
    bson_destroy(&selector);
    bson_destroy(&update);
}

static int64_t reply_count(const bson_t *reply, const char *key)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, reply, key) ? bson_iter_as_int64(&at) : 0;
}

/* Gives the writes that the server reported as failed their outcomes; how many those are. */
static size_t read_write_errors(struct bulk *bulk, const bson_t *reply)
{
    bson_iter_t list, at, field;
    size_t found = 0;
    if (!bson_iter_init_find(&list, reply, "writeErrors") || !bson_iter_recurse(&list, &at))
        return 0;
    while (bson_iter_next(&at)) {
        if (!bson_iter_recurse(&at, &field) || !bson_iter_find(&field, "index"))
            continue;
        size_t index = (size_t)bson_iter_as_int64(&field);
        ASSERT(index < bulk->count);
        int32_t code = 0;
        if (bson_iter_recurse(&at, &field) && bson_iter_find(&field, "code"))
            code = (int32_t)bson_iter_as_int64(&field);
        bulk->writes[index]->outcome = mongo_classify_write(bulk->verb, code);
        found++;
    }
    return found;
}

static bool has_concern_errors(const bson_t *reply)
{
    bson_iter_t list, at;
    return bson_iter_init_find(&list, reply, "writeConcernErrors") &&
           bson_iter_recurse(&list, &at) && bson_iter_next(&at);
}

/* Sends the bulk. Returns how many writes neither failed nor, as far as the counts tell, matched;
 * each write has an outcome then (STORE_DONE meaning "not reported as failed"). */
static size_t send_bulk(struct bulk *bulk, struct error *error)
{
    mongoc_collection_t *collection = mongoc_client_get_collection(
        bulk->mongo->client, bulk->mongo->database, bulk->collection->name);
    bson_t options = BSON_INITIALIZER, reply;
    BSON_APPEND_BOOL(&options, "ordered", false);
    mongoc_bulk_operation_t *driver =
        mongoc_collection_create_bulk_operation_with_opts(collection, &options);
    for (size_t i = 0; i < bulk->count; i++) {
        if (bulk->verb == STORE_INSERT)
            add_insert(driver, bulk->writes[i]);
        else
            add_conditional(driver, bulk->writes[i], bulk->marks[i]);
    }
    bson_error_t failure = { 0 };
    size_t unmatched = 0;
    bool sent = mongoc_bulk_operation_execute(driver, &reply, &failure) != 0;
    set_all(bulk, STORE_DONE);
    size_t failed = read_write_errors(bulk, &reply);
    if (!sent && failed == 0 && !has_concern_errors(&reply)) {
        set_all(bulk, mongo_classify(&failure));
        (void)mongo_trouble(bulk->mongo, "write to", &failure, error);
    } else if (has_concern_errors(&reply)) {
        /* on the primary, but a majority may never have it; that goes for what "exists", too */
        for (size_t i = 0; i < bulk->count; i++)
            if (bulk->writes[i]->outcome != STORE_FAILED)
                bulk->writes[i]->outcome = STORE_UNKNOWN;
        (void)mongo_trouble(bulk->mongo, "write durably to", &failure, error);
    } else {
        static const char *const counts[] = {
            [STORE_INSERT] = "nInserted", [STORE_REPLACE] = "nMatched", [STORE_DELETE] = "nRemoved"
        };
        size_t matched = (size_t)reply_count(&reply, counts[bulk->verb]) + failed;
        unmatched = matched < bulk->count ? bulk->count - matched : 0;
        if (!sent)
            (void)mongo_trouble(bulk->mongo, "write to", &failure, error);
    }
    bson_destroy(&reply);
    bson_destroy(&options);
    mongoc_bulk_operation_destroy(driver);
    mongoc_collection_destroy(collection);
    return unmatched;
}

/* What a record looks like when it is read back. */
struct seen {
    const char *id;
    uint64_t version; /* 0: not there */
    int64_t mark;
};

static int seen_by_id(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->id, ((const struct seen *)b)->id);
}

/* Reads versions and marks of the bulk's records into seen_r, sorted by id. False with *error. */
static bool read_back(struct bulk *bulk, struct seen *seen_r, struct error *error)
{
    bson_t filter = BSON_INITIALIZER, in, list;
    bson_t *options = BCON_NEW("projection", "{", "v", BCON_INT32(1), "w", BCON_INT32(1), "}");
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < bulk->count; i++) {
        char key[16];
        const char *name;
        size_t length = bson_uint32_to_string((uint32_t)i, &name, key, sizeof key);
        bson_append_utf8(&list, name, (int)length, bulk->writes[i]->record.id, -1);
        seen_r[i] = (struct seen){ bulk->writes[i]->record.id, 0, 0 };
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(&filter, &in);
    qsort(seen_r, bulk->count, sizeof *seen_r, seen_by_id);

    mongoc_collection_t *collection = mongoc_client_get_collection(
        bulk->mongo->client, bulk->mongo->database, bulk->collection->name);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, options, NULL);
    const bson_t *document;
    while (mongoc_cursor_next(cursor, &document)) {
        bson_iter_t at;
        if (!bson_iter_init_find(&at, document, "_id") || !BSON_ITER_HOLDS_UTF8(&at))
            continue;
        const struct seen key = { bson_iter_utf8(&at, NULL), 0, 0 };
        struct seen *seen = bsearch(&key, seen_r, bulk->count, sizeof key, seen_by_id);
        if (seen == NULL)
            continue;
        seen->version = (uint64_t)reply_count(document, "v");
        seen->mark = reply_count(document, "w");
    }
    bson_error_t failure;
    bool read = !mongoc_cursor_error(cursor, &failure) ||
                mongo_trouble(bulk->mongo, "read back from", &failure, error);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(collection);
    bson_destroy(&filter);
    bson_destroy(options);
    return read;
}

static enum store_outcome judge(enum store_verb verb, uint64_t expected, int64_t mark,
                                const struct seen *seen)
{
    if (seen->version == 0)
        return STORE_UNKNOWN;
    if (verb == STORE_DELETE)
        return seen->version > expected ? STORE_CONFLICT : STORE_UNKNOWN;
    if (seen->version == expected + 1)
        return seen->mark == mark ? STORE_DONE : STORE_CONFLICT;
    return STORE_UNKNOWN;
}

static void settle(struct bulk *bulk, struct error *error)
{
    struct seen *seen = calloc(bulk->count, sizeof *seen);
    ASSERT(seen != NULL);
    bool read = read_back(bulk, seen, error);
    for (size_t i = 0; i < bulk->count; i++) {
        struct store_write *write = bulk->writes[i];
        if (write->outcome != STORE_DONE)
            continue;
        const struct seen key = { write->record.id, 0, 0 };
        const struct seen *there = bsearch(&key, seen, bulk->count, sizeof key, seen_by_id);
        write->outcome =
            read ? judge(bulk->verb, write->record.version, bulk->marks[i], there) : STORE_UNKNOWN;
        if (read && write->outcome == STORE_UNKNOWN)
            error_fill(error, ERROR_TIMEOUT,
                       "%s/%s was changed by others while it was being written",
                       bulk->collection->name, write->record.id);
    }
    free(seen);
}

/* Before a bulk of deletes: those that cannot match are conflicts and leave the bulk. */
static bool sort_out_deletes(struct bulk *bulk, struct error *error)
{
    struct seen *seen = calloc(bulk->count, sizeof *seen);
    ASSERT(seen != NULL);
    bool read = read_back(bulk, seen, error);
    size_t kept = 0;
    for (size_t i = 0; read && i < bulk->count; i++) {
        struct store_write *write = bulk->writes[i];
        const struct seen key = { write->record.id, 0, 0 };
        const struct seen *there = bsearch(&key, seen, bulk->count, sizeof key, seen_by_id);
        if (there->version == write->record.version)
            bulk->writes[kept++] = write;
        else
            write->outcome = STORE_CONFLICT;
    }
    if (!read)
        set_all(bulk, STORE_FAILED);
    bulk->count = read ? kept : 0;
    free(seen);
    return read;
}

static void flush_singly(struct bulk *bulk, struct error *error)
{
    struct bulk *single = calloc(1, sizeof *single);
    ASSERT(single != NULL);
    for (size_t i = 0; i < bulk->count; i++) {
        single->mongo = bulk->mongo;
        single->collection = bulk->collection;
        single->verb = bulk->verb;
        single->writes[0] = bulk->writes[i];
        single->marks[0] = bulk->marks[i];
        single->count = 1;
        if (send_bulk(single, error) == 1)
            bulk->writes[i]->outcome = STORE_CONFLICT;
    }
    free(single);
}

static void flush(struct bulk *bulk, struct error *error)
{
    for (size_t i = 0; i < bulk->count; i++)
        bulk->marks[i] = bulk->mongo->next_mark++;
    if (bulk->verb == STORE_INSERT) {
        size_t unmatched = bulk->count == 0 ? 0 : send_bulk(bulk, error);
        ASSERT(unmatched == 0); /* an insert is made or refused */
    } else if (bulk->count <= SINGLY_MAX) {
        flush_singly(bulk, error);
    } else {
        if (bulk->verb == STORE_DELETE && !sort_out_deletes(bulk, error))
            return;
        if (bulk->count > 0 && send_bulk(bulk, error) > 0)
            settle(bulk, error);
    }
    bulk->count = 0;
    bulk->bytes = 0;
}

static size_t write_bytes(const struct store_write *write)
{
    size_t bytes = 512;
    for (size_t i = 0; write->verb != STORE_DELETE && i < write->collection->field_count; i++)
        bytes += write->record.values[i].bytes.length;
    return bytes;
}

enum store_outcome mongo_apply(struct store *store, struct store_write *writes, size_t count,
                               struct error *error)
{
    const enum store_outcome to_do = (enum store_outcome)0; /* no outcome yet */
    struct mongo_store *mongo = (struct mongo_store *)store;
    const size_t most = count == 0 ? 0 : bulk_max(mongo, error);
    for (size_t i = 0; i < count; i++)
        writes[i].outcome = most > 0 && store_rules_write(&writes[i], error) ? to_do : STORE_FAILED;
    struct bulk *bulk = calloc(1, sizeof *bulk);
    ASSERT(bulk != NULL);
    bulk->mongo = mongo;
    /* Gathers the writes of each collection and verb, in the order of their first one. */
    for (size_t first = 0; first < count; first++) {
        if (writes[first].outcome != to_do)
            continue;
        bulk->collection = writes[first].collection;
        bulk->verb = writes[first].verb;
        for (size_t i = first; i < count; i++) {
            struct store_write *write = &writes[i];
            if (write->outcome != to_do || write->verb != bulk->verb ||
                write->collection != bulk->collection)
                continue;
            size_t bytes = write_bytes(write);
            if (bulk->count == most || (bulk->count > 0 && bulk->bytes + bytes > BULK_BYTES_MAX))
                flush(bulk, error);
            write->outcome = STORE_UNKNOWN; /* until its bulk is sent */
            bulk->writes[bulk->count++] = write;
            bulk->bytes += bytes;
        }
        flush(bulk, error);
    }
    free(bulk);
    return store_rules_total(writes, count);
}
