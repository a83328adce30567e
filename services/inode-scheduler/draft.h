/* A template that is still arriving: the transactions read so far, so that validators can have them
 * before the last has come. It is nobody's job yet, and may turn out to be no template at all.
 *
 * The bytes are borrowed from the box; the list is the draft's. On the loop's thread. */
#pragma once
#include "services/inode-scheduler/template_box.h"
#include "wire/messages.h"

struct draft {
    const struct template_box *box; /* NULL: none; what is in it is still the node's thread's */
    uint64_t id;
    struct wire_transaction *list;
    uint32_t count, capacity;
};

/* `box` begins to be filled; it gets this id when it is whole. Drops the draft there was. */
void draft_begin(struct draft *draft, const struct template_box *box, uint64_t id);
/* The next ones. Without memory they, and all behind them, are left to the whole template. */
void draft_add(struct draft *draft, const struct span *transactions, size_t count);
void draft_drop(struct draft *draft);
