/* A hash table from short fixed-size keys (a block id, an outpoint, a key hash) to pointers, which
 * it does not own. Keys are copied. Open addressing with linear probing and no tombstones; grows
 * as it fills; running out of memory aborts. One thread at a time. */
#pragma once
#include "base/bytes.h"

#define TABLE_KEY_BYTES_MAX 36

struct table_entry {
    uint8_t key[TABLE_KEY_BYTES_MAX];
    void *value; /* NULL: the slot is free */
};

struct table {
    struct table_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    size_t key_bytes;
};

static inline struct table table_of(size_t key_bytes)
{
    return (struct table){ NULL, 0, 0, key_bytes };
}
void table_deinit(struct table *table);
/* NULL where the key is not there. */
void *table_get(const struct table *table, const void *key);
/* Sets or replaces; value is not NULL. */
void table_put(struct table *table, const void *key, void *value);
/* The value that was there, or NULL. */
void *table_remove(struct table *table, const void *key);
