#include "services/share-validator/template_table.h"

#include <stdlib.h>

/* The bytes of one piece. */
struct block_of_bytes {
    struct block_of_bytes *next;
    uint8_t bytes[];
};

struct template_parts {
    struct template_transaction *transactions;
    uint32_t count, capacity;
    struct span extension; /* in one of the blocks */
    struct block_of_bytes *blocks;
};

struct held {
    uint64_t template_id;
    struct template_parts *parts; /* NULL: nothing is held here */
    bool old;
};

struct template_table {
    size_t max;
    size_t count;
    size_t oldest; /* index in a ring */
    struct held held[];
};

struct template_parts *template_parts_create(void)
{
    return calloc(1, sizeof(struct template_parts));
}

void template_parts_destroy(struct template_parts *parts)
{
    if (parts == NULL)
        return;
    for (struct block_of_bytes *block = parts->blocks; block != NULL;) {
        struct block_of_bytes *next = block->next;
        free(block);
        block = next;
    }
    free(parts->transactions);
    free(parts);
}

static bool reserve(struct template_parts *parts, uint32_t count)
{
    uint32_t needed = parts->count + count;
    if (needed <= parts->capacity)
        return true;
    uint32_t capacity = parts->capacity == 0 ? needed : 2 * needed;
    struct template_transaction *transactions =
        realloc(parts->transactions, capacity * sizeof *transactions);
    if (transactions == NULL)
        return false;
    parts->transactions = transactions;
    parts->capacity = capacity;
    return true;
}

bool template_parts_add(struct template_parts *parts, const struct wire_template_reply *reply,
                        struct error *error)
{
    const uint32_t count = reply->transactions_count;
    if (reply->first != parts->count)
        return error_set(error, ERROR_INVALID, "its transactions do not follow those there are");
    if (count > TEMPLATE_TRANSACTIONS_MAX - parts->count)
        return error_set(error, ERROR_INVALID, "its transactions are more than any block has");
    size_t bytes = reply->extension.length;
    for (uint32_t i = 0; i < count; i++)
        bytes += reply->transactions[i].data.length;
    struct block_of_bytes *block = malloc(sizeof *block + bytes);
    if (block == NULL || !reserve(parts, count)) {
        free(block);
        return error_set(error, ERROR_FULL, "no memory for the transactions of a template");
    }
    block->next = parts->blocks;
    parts->blocks = block;
    uint8_t *at = block->bytes;
    for (uint32_t i = 0; i < count; i++) {
        struct span data = reply->transactions[i].data;
        if (data.length > 0)
            memcpy(at, data.data, data.length);
        parts->transactions[parts->count++] =
            (struct template_transaction){ .data = span_of(at, data.length) };
        at += data.length;
    }
    if (reply->extension.length > 0) {
        memcpy(at, reply->extension.data, reply->extension.length);
        parts->extension = span_of(at, reply->extension.length);
    }
    return true;
}

uint32_t template_parts_count(const struct template_parts *parts)
{
    return parts->count;
}

struct template_table *template_table_create(size_t templates_max)
{
    struct template_table *table = calloc(1, sizeof *table + templates_max * sizeof table->held[0]);
    if (table != NULL)
        table->max = templates_max;
    return table;
}

void template_table_destroy(struct template_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->max; i++)
        template_parts_destroy(table->held[i].parts);
    free(table);
}

static const struct held *find(const struct template_table *table, uint64_t template_id)
{
    for (size_t i = 0; i < table->max; i++)
        if (table->held[i].template_id == template_id)
            return &table->held[i];
    return NULL;
}

bool template_table_is_fresh(const struct template_table *table, uint64_t template_id)
{
    const struct held *held = template_id != 0 ? find(table, template_id) : NULL;
    return template_id == 0 || (held != NULL && !held->old);
}

/* Where the next one goes: the place of the same one that is old, or of the oldest. */
static struct held *place_for(struct template_table *table, uint64_t template_id)
{
    for (size_t i = 0; i < table->max; i++)
        if (table->held[i].template_id == template_id)
            return &table->held[i];
    struct held *place = &table->held[(table->oldest + table->count) % table->max];
    if (table->count == table->max)
        table->oldest = (table->oldest + 1) % table->max;
    else
        table->count++;
    return place;
}

bool template_table_holds(const struct template_table *table, uint64_t template_id)
{
    return template_id == 0 || find(table, template_id) != NULL;
}

bool template_table_find(const struct template_table *table, uint64_t template_id,
                         const struct template_transaction **transactions_r, size_t *count_r,
                         struct span *extension_r)
{
    *transactions_r = NULL;
    *count_r = 0;
    *extension_r = span_of(NULL, 0);
    if (template_id == 0)
        return true;
    const struct held *held = find(table, template_id);
    if (held == NULL)
        return false;
    *transactions_r = held->parts->transactions;
    *count_r = held->parts->count;
    *extension_r = held->parts->extension;
    return true;
}

void template_table_take(struct template_table *table, uint64_t template_id,
                         struct template_parts *parts, bool old)
{
    ASSERT(template_id != 0 && parts != NULL);
    if (old ? template_table_holds(table, template_id)
            : template_table_is_fresh(table, template_id)) {
        template_parts_destroy(parts);
        return;
    }
    struct held *place = place_for(table, template_id);
    template_parts_destroy(place->parts);
    *place = (struct held){ template_id, parts, old };
}

size_t template_table_count(const struct template_table *table)
{
    return table->count;
}
