/* The store: the durable truth (balances, payments, blocks, scores, identities), as records in
 * collections. A port: adapter/store_sqlite keeps it on one machine, adapter/store_mongo in
 * MongoDB, adapter/store_fake in memory with failures on command; one suite tests all three.
 *
 * Everything the money needs is built from two writes that each touch ONE record atomically, so no
 * multi-document transaction is needed for correctness: insert-unless-it-exists, and replace or
 * delete if-the-version-is-still-what-I-read. Ids are deterministic (derived from the cause), so
 * doing a write again answers STORE_EXISTS or STORE_CONFLICT and changes nothing.
 *
 * A write that returned STORE_DONE is durable (SQLite: synchronous=FULL; MongoDB: majority and
 * journalled). Calls block, for seconds when a server is away: call them on a worker's thread. A
 * store handle may be used by one thread at a time; open one per thread that needs it. */
#pragma once
#include "base/arena.h"

enum store_type {
    STORE_INT,   /* signed 64 bits */
    STORE_TEXT,  /* UTF-8 */
    STORE_BYTES, /* anything */
};

struct store_field {
    const char *name; /* a C identifier other than id, version, v and w */
    enum store_type type;
    bool indexed; /* may be used in store_find; INT and TEXT only (texts are ordered by bytes) */
};

enum { STORE_FIELDS_MAX = 24, STORE_ID_BYTES_MAX = 160 };

/* A collection's schema; every process that opens it states the same one. Adding a field to the
 * end is allowed: records written before read as 0 or empty there. Statically allocated. */
struct store_collection {
    const char *name; /* a C identifier */
    const struct store_field *fields;
    size_t field_count;
};

/* A field's value; which member counts follows from the schema. */
struct store_value {
    int64_t integer;
    struct span bytes; /* TEXT (without NUL) and BYTES */
};

struct store_record {
    const char *id;   /* 1 to STORE_ID_BYTES_MAX bytes of printable UTF-8, NUL-terminated */
    uint64_t version; /* 1 after the insert, one more after each replace */
    struct store_value values[STORE_FIELDS_MAX]; /* in the schema's order */
};

enum store_outcome {
    STORE_DONE = 1, /* durable */
    STORE_EXISTS,   /* insert: a record of this id is there; nothing was changed */
    STORE_CONFLICT, /* replace, delete: the version is another, or it is gone; nothing changed */
    STORE_MISSING,  /* get: no record of this id */
    STORE_UNKNOWN,  /* a write may or may not have happened (time-out, lost link): do it again */
    STORE_FAILED,   /* it did not happen: the store is away or refuses; *error says why */
};

enum store_verb {
    STORE_INSERT,
    STORE_REPLACE, /* needs record.version: the one read; all fields are replaced */
    STORE_DELETE,  /* needs record.version */
};

struct store_write {
    enum store_verb verb;
    const struct store_collection *collection;
    struct store_record record;
    enum store_outcome outcome; /* filled */
};

enum store_order {
    STORE_ASCENDING,
    STORE_DESCENDING,
};

/* Records whose indexed field lies in [low, high], ordered by it, ties by id. With past_id only
 * those that stand behind that place in the order: behind the id itself in a walk by "id", else
 * behind (the bound at which the order begins, past_id), a bound that is then needed. So a walk
 * goes on where another ended, without a look at what it had. */
struct store_query {
    const char *field; /* an indexed field's name, or "id" */
    bool has_low, has_high;
    struct store_value low, high; /* inclusive; for "id" in bytes */
    enum store_order order;
    size_t limit;        /* 0: all */
    const char *past_id; /* NULL: from the bound on */
};

/* The record and its bytes are borrowed until the callback returns. false ends the walk early. */
typedef bool (*store_visitor)(void *context, const struct store_record *record);

struct store;
struct store_ops {
    bool (*declare)(struct store *store, const struct store_collection *const *collections,
                    size_t count, struct error *error);
    enum store_outcome (*apply)(struct store *store, struct store_write *writes, size_t count,
                                struct error *error);
    enum store_outcome (*get)(struct store *store, const struct store_collection *collection,
                              const char *id, struct arena *arena, struct store_record *record_r,
                              struct error *error);
    enum store_outcome (*find)(struct store *store, const struct store_collection *collection,
                               const struct store_query *query, store_visitor visitor,
                               void *context, struct error *error);
    bool (*ping)(struct store *store, struct error *error);
    bool (*writable)(struct store *store, struct error *error);
    void (*close)(struct store *store);
};
struct store {
    const struct store_ops *ops;
};

/* Makes sure the collections and their indexes are there. False and *error when the store is away
 * or a schema differs from what is stored. */
MUST_CHECK static inline bool store_declare(struct store *store,
                                            const struct store_collection *const *collections,
                                            size_t count, struct error *error)
{
    return store->ops->declare(store, collections, count, error);
}

/* Carries out the writes, each atomic by itself and in no promised order (an adapter may join
 * them), so a call touches each record once at the most; fills each outcome. Returns STORE_DONE
 * when every single one is DONE or EXISTS, else the worst of them (FAILED over UNKNOWN over
 * CONFLICT), with *error filled for FAILED and UNKNOWN. */
MUST_CHECK static inline enum store_outcome
store_apply(struct store *store, struct store_write *writes, size_t count, struct error *error)
{
    return store->ops->apply(store, writes, count, error);
}

/* STORE_DONE with the record in the arena (texts and bytes with a NUL behind them), STORE_MISSING,
 * or STORE_FAILED with *error (also when the arena is too small). Reads see every write that
 * returned DONE anywhere. */
MUST_CHECK static inline enum store_outcome
store_get(struct store *store, const struct store_collection *collection, const char *id,
          struct arena *arena, struct store_record *record_r, struct error *error)
{
    return store->ops->get(store, collection, id, arena, record_r, error);
}

/* STORE_DONE after the last record or an early end; STORE_FAILED with *error. The visitor must not
 * call the store. */
MUST_CHECK static inline enum store_outcome store_find(struct store *store,
                                                       const struct store_collection *collection,
                                                       const struct store_query *query,
                                                       store_visitor visitor, void *context,
                                                       struct error *error)
{
    return store->ops->find(store, collection, query, visitor, context, error);
}

/* Whether the store answers now: it can be read, though perhaps not written to. False with *error.
 */
MUST_CHECK static inline bool store_ping(struct store *store, struct error *error)
{
    return store->ops->ping(store, error);
}

/* Whether it answers and could be written to now, as far as it can tell: writes nothing, and does
 * not wait long for who writes. False with *error. For those who are told of it; who can do with
 * reading asks by store_ping. */
MUST_CHECK static inline bool store_writable(struct store *store, struct error *error)
{
    return store->ops->writable(store, error);
}

static inline void store_close(struct store *store)
{
    store->ops->close(store);
}

static inline struct store_value store_int(int64_t value)
{
    return (struct store_value){ .integer = value };
}
static inline struct store_value store_text(const char *text)
{
    return (struct store_value){ .bytes = span_text(text) };
}
static inline struct store_value store_bytes(struct span bytes)
{
    return (struct store_value){ .bytes = bytes };
}
/* The one record of this id, which is borrowed while the query is used. */
static inline struct store_query store_query_of(const char *id)
{
    return (struct store_query){ .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(id),
                                 .high = store_text(id),
                                 .limit = 1 };
}
