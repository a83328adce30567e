/* The transactions of templates, so that a block can be put together without asking anybody.
 * Bounded by a number of templates; beyond it the oldest goes. One thread. */
#pragma once
#include "core/job/template.h"
#include "wire/messages.h"

struct template_table;

/* The transactions of one template, as they come in pieces, the last with its extension. */
struct template_parts;
MUST_CHECK struct template_parts *template_parts_create(void);
void template_parts_destroy(struct template_parts *parts);
/* Copies the next ones. False, and nothing is added, where they are not the next, are too many, or
 * memory is out. */
MUST_CHECK bool template_parts_add(struct template_parts *parts,
                                   const struct wire_template_reply *reply, struct error *error);
uint32_t template_parts_count(const struct template_parts *parts);

MUST_CHECK struct template_table *template_table_create(size_t templates_max);
void template_table_destroy(struct template_table *table);

/* `parts` is taken, all that the template has; a template already held is left as it is, unless it
 * is an `old` one, read from a file, which a new one replaces. */
void template_table_take(struct template_table *table, uint64_t template_id,
                         struct template_parts *parts, bool old);
/* Held, and heard from a scheduler that lives. */
bool template_table_is_fresh(const struct template_table *table, uint64_t template_id);
bool template_table_holds(const struct template_table *table, uint64_t template_id);
/* Borrowed until the next take, with what stands behind them in the block (mweb; usually nothing);
 * template id 0 has none of either. False: not held. */
MUST_CHECK bool template_table_find(const struct template_table *table, uint64_t template_id,
                                    const struct template_transaction **transactions_r,
                                    size_t *count_r, struct span *extension_r);
size_t template_table_count(const struct template_table *table);
