#include "services/share-validator/template_table.h"

#include <stdlib.h>

struct held {
    uint64_t template_id;
    struct template_transaction *transactions; /* their bytes lie behind them */
    size_t count;
    bool old;
};

struct template_table {
    size_t max;
    size_t count;
    size_t oldest; /* index in a ring */
    struct held held[];
};

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
        free(table->held[i].transactions);
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
                         const struct template_transaction **transactions_r, size_t *count_r)
{
    *transactions_r = NULL;
    *count_r = 0;
    if (template_id == 0)
        return true;
    const struct held *held = find(table, template_id);
    if (held == NULL)
        return false;
    *transactions_r = held->transactions;
    *count_r = held->count;
    return true;
}

bool template_table_take(struct template_table *table, const struct wire_template_reply *reply,
                         bool old, struct error *error)
{
    ASSERT(reply->template_id != 0);
    if (old ? template_table_holds(table, reply->template_id)
            : template_table_is_fresh(table, reply->template_id))
        return true;
    size_t bytes = 1;
    for (uint32_t i = 0; i < reply->transactions_count; i++)
        bytes += reply->transactions[i].data.length;
    struct template_transaction *transactions =
        calloc(1, reply->transactions_count * sizeof *transactions + bytes);
    if (transactions == NULL)
        return error_set(error, ERROR_FULL, "no memory for the transactions of a template");
    uint8_t *at = (uint8_t *)(transactions + reply->transactions_count);
    for (uint32_t i = 0; i < reply->transactions_count; i++) {
        struct span data = reply->transactions[i].data;
        if (data.length > 0)
            memcpy(at, data.data, data.length);
        transactions[i].data = span_of(at, data.length);
        at += data.length;
    }
    struct held *place = place_for(table, reply->template_id);
    free(place->transactions);
    *place = (struct held){ reply->template_id, transactions, reply->transactions_count, old };
    return true;
}

size_t template_table_count(const struct template_table *table)
{
    return table->count;
}
