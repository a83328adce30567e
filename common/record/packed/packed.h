/* Lists under a header: how a snapshot keeps its parts, a stretch its earnings, a segment its sums.
 * The header is one record; the list is packed, items of a fixed size behind one another, in
 * records of their own whose ids are the list's name, ':' and six digits. The header holds the
 * number of the items and the SHA-256 over all of them, so a list is what its header says or it is
 * damaged; nothing of it is trusted before.
 *
 * The list is written first, any number of times, then its header, which makes it count. A list's
 * name contains something that differs between writers (its hash, an epoch): what was begun and
 * never finished is nobody's.
 *
 * Blocking, like the store; the caller's memory but for one record's bytes during a write; one
 * thread at a time per store handle. */
#pragma once
#include "port/store.h"

enum { PACKED_ID_BYTES_MAX = 128, PACKED_RECORDS_MAX = 1000000, PACKED_ITEM_BYTES_MAX = 64 };

struct packed_list {
    const struct store_collection *collection; /* of one field, STORE_BYTES */
    const char
        *name; /* borrowed: what the ids begin with; no other list's begins with it and ':' */
    size_t item_bytes;
    size_t items_a_record;
    const char *what; /* borrowed, for the operator: "the parts of …" */
};

/* Writes item `index` of `items` as the list's item_bytes. */
typedef void (*packed_writer)(const void *items, size_t index, uint8_t *packed_r);
/* Reads item_bytes into item `index` of `items_r`. */
typedef void (*packed_reader)(const uint8_t *packed, void *items_r, size_t index);

/* The SHA-256 over all items, packed into PACKED_ITEM_BYTES_MAX each at the most. */
void packed_hash(size_t item_bytes, packed_writer writer, const void *items, size_t count,
                 uint8_t hash_r[32]);
/* STORE_DONE when every record is durable; STORE_UNKNOWN or STORE_FAILED with *error: again. */
MUST_CHECK enum store_outcome packed_insert(struct store *store, const struct packed_list *list,
                                            packed_writer writer, const void *items, size_t count,
                                            struct error *error);
/* Reads the `count` items that hash to `hash`. STORE_DONE; STORE_FAILED with *error, ERROR_INVALID
 * where they are not these: then *items_r is worth nothing, but no more than `count` of it were
 * written to. */
MUST_CHECK enum store_outcome packed_read(struct store *store, const struct packed_list *list,
                                          packed_reader reader, void *items_r, size_t count,
                                          const uint8_t hash[32], struct error *error);
/* The records themselves, in order, from record `first` to `last` (0 to PACKED_RECORDS_MAX - 1). */
MUST_CHECK enum store_outcome packed_find(struct store *store, const struct packed_list *list,
                                          uint32_t first, uint32_t last, store_visitor visitor,
                                          void *context, struct error *error);
/* The id of a record; `id_r` of PACKED_ID_BYTES_MAX. */
void packed_id(const struct packed_list *list, uint32_t record, char *id_r);

/* How headers are read: of snapshots, stretches, segments. */
struct packed_header {
    const struct store_collection *collection;
    bool (*decode)(const struct store_record *record, void *header_r); /* false: damaged */
    const char *damaged;                                               /* the sentence for that */
};
/* The header is borrowed until the visitor returns; false ends the walk. */
typedef bool (*packed_header_visitor)(void *context, const void *header);
/* Those the query finds, each decoded into `room`. STORE_DONE; STORE_FAILED with *error, also where
 * one is damaged: those before it were visited. */
MUST_CHECK enum store_outcome packed_header_walk(struct store *store,
                                                 const struct packed_header *kind,
                                                 const struct store_query *query, void *room,
                                                 packed_header_visitor visitor, void *context,
                                                 struct error *error);
/* The first that the query finds: STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome packed_header_first(struct store *store,
                                                  const struct packed_header *kind,
                                                  const struct store_query *query, void *header_r,
                                                  struct error *error);
