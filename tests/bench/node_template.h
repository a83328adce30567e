/* The template that the bench's node hands out: `count` transactions of two inputs and two outputs
 * with their witnesses, as real as a pool that checks ids and commitment can tell. */
#pragma once
#include "base/bytes.h"

struct node_template {
    char *transactions; /* JSON text of the list */
    size_t transactions_bytes;
    char commitment[2 * 38 + 1];
    uint64_t fees;
};

/* `with_fees`: each says its fee; without, no pool can make an empty job of the template. Caller
 * owns `transactions`. Aborts without memory. */
void node_template_make(struct node_template *template, size_t count, bool with_fees);
