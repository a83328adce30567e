/* What the adapter's files share. Not for others. */
#pragma once
#include "adapter/store_rules/rules.h"
#include "port/store.h"

#include <mongoc/mongoc.h>

struct mongo_pool;

struct mongo_store {
    struct store store;
    struct mongo_pool *pool;
    mongoc_client_t *client; /* ours until the handle is closed */
    char database[64];
    char server[264];  /* the first host, for sentences: never the URL, which has a password */
    size_t bulk_max;   /* writes that the server takes in one command; 0: not asked yet */
    int64_t next_mark; /* for the field w: marks our bulks' replaces */
};

/* pool.c */

/* The URI with what the adapter needs added; NULL with *error. Caller owns. */
MUST_CHECK mongoc_uri_t *mongo_uri(const char *url, unsigned timeout_ms, struct error *error);
MUST_CHECK struct mongo_pool *mongo_pool_get(const mongoc_uri_t *uri, struct error *error);
MUST_CHECK mongoc_client_t *mongo_pool_pop(struct mongo_pool *pool, struct error *error);
/* Ends a use of the pool, with the client that was popped (may be NULL). */
void mongo_pool_put(struct mongo_pool *pool, mongoc_client_t *client);

/* codec.c */

void mongo_append_fields(bson_t *document, const struct store_collection *collection,
                         const struct store_record *record);
/* The record's texts and bytes are borrowed from the document. */
MUST_CHECK bool mongo_read(const bson_t *document, const struct store_collection *collection,
                           struct store_record *record_r, struct error *error);

/* write.c */

/* What an error of a whole command means to its writes: STORE_FAILED where it surely was not
 * carried out, else STORE_UNKNOWN. */
enum store_outcome mongo_classify(const bson_error_t *failure);
/* The same for one write that the server reported as failed. */
enum store_outcome mongo_classify_write(enum store_verb verb, int32_t code);
/* Fills *error; false. */
bool mongo_trouble(const struct mongo_store *mongo, const char *doing, const bson_error_t *failure,
                   struct error *error);
enum store_outcome mongo_apply(struct store *store, struct store_write *writes, size_t count,
                               struct error *error);

/* schema.c */

MUST_CHECK bool mongo_declare_one(struct mongo_store *mongo,
                                  const struct store_collection *collection, struct error *error);
