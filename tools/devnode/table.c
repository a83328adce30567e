#include "tools/devnode/table.h"
#include "tools/devnode/consensus/buffer.h"

#include <stdlib.h>

static size_t slot_of(const struct table *table, const void *key)
{
    /* Keys are digests, or begin with one: their bytes are spread already. */
    uint64_t hash = 0xcbf29ce484222325;
    const uint8_t *bytes = key;
    for (size_t i = 0; i < table->key_bytes; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32) & (table->capacity - 1);
}

/* The slot with the key, or the free one where it would go. */
static size_t find(const struct table *table, const void *key)
{
    size_t slot = slot_of(table, key);
    while (table->entries[slot].value != NULL &&
           memcmp(table->entries[slot].key, key, table->key_bytes) != 0)
        slot = (slot + 1) & (table->capacity - 1);
    return slot;
}

static void grow(struct table *table)
{
    struct table larger = *table;
    larger.capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
    larger.entries = memory_take(larger.capacity * sizeof *larger.entries);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].value != NULL)
            larger.entries[find(&larger, table->entries[i].key)] = table->entries[i];
    free(table->entries);
    *table = larger;
}

void table_deinit(struct table *table)
{
    free(table->entries);
    *table = table_of(table->key_bytes);
}

void *table_get(const struct table *table, const void *key)
{
    return table->capacity == 0 ? NULL : table->entries[find(table, key)].value;
}

void table_put(struct table *table, const void *key, void *value)
{
    ASSERT(value != NULL && table->key_bytes <= TABLE_KEY_BYTES_MAX);
    if (2 * (table->count + 1) > table->capacity)
        grow(table);
    struct table_entry *entry = &table->entries[find(table, key)];
    if (entry->value == NULL) {
        memcpy(entry->key, key, table->key_bytes);
        table->count++;
    }
    entry->value = value;
}

void *table_remove(struct table *table, const void *key)
{
    if (table->capacity == 0)
        return NULL;
    size_t mask = table->capacity - 1;
    size_t hole = find(table, key);
    void *value = table->entries[hole].value;
    if (value == NULL)
        return NULL;
    table->count--;
    /* Moves back each follower whose own slot is not between the hole and itself. */
    for (size_t at = (hole + 1) & mask; table->entries[at].value != NULL; at = (at + 1) & mask) {
        size_t home = slot_of(table, table->entries[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].value = NULL;
    return value;
}
