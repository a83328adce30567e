/* The transactions of templates, so that a block can be put together without asking anybody.
 * Bounded by a number of templates; beyond it the oldest goes. One thread. */
#pragma once
#include "core/job/template.h"
#include "wire/messages.h"

struct template_table;

MUST_CHECK struct template_table *template_table_create(size_t templates_max);
void template_table_destroy(struct template_table *table);

/* Copies the transactions; a template already held is left as it is, unless it is an `old` one,
 * read from a file, which a new one replaces. False for want of memory. */
MUST_CHECK bool template_table_take(struct template_table *table,
                                    const struct wire_template_reply *reply, bool old,
                                    struct error *error);
/* Held, and heard from a scheduler that lives. */
bool template_table_is_fresh(const struct template_table *table, uint64_t template_id);
bool template_table_holds(const struct template_table *table, uint64_t template_id);
/* Borrowed until the next take; template id 0 has no transactions. False: not held. */
MUST_CHECK bool template_table_find(const struct template_table *table, uint64_t template_id,
                                    const struct template_transaction **transactions_r,
                                    size_t *count_r);
size_t template_table_count(const struct template_table *table);
