#include "services/inode-scheduler/draft.h"

#include <stdlib.h>

void draft_begin(struct draft *draft, const struct template_box *box, uint64_t id)
{
    draft_drop(draft);
    draft->box = box;
    draft->id = id;
}

static bool reserve(struct draft *draft, size_t count)
{
    if (count > TEMPLATE_TRANSACTIONS_MAX - draft->count)
        return false;
    uint32_t needed = draft->count + (uint32_t)count;
    if (needed <= draft->capacity)
        return true;
    uint32_t capacity = 2 * needed > 1024 ? 2 * needed : 1024;
    struct wire_transaction *list = realloc(draft->list, capacity * sizeof *list);
    if (list == NULL)
        return false;
    draft->list = list;
    draft->capacity = capacity;
    return true;
}

void draft_add(struct draft *draft, const struct span *transactions, size_t count)
{
    if (draft->box == NULL || !reserve(draft, count)) {
        draft->box = NULL; /* a gap must never be: it is fetched when it is whole */
        return;
    }
    for (size_t i = 0; i < count; i++)
        draft->list[draft->count++] = (struct wire_transaction){ .data = transactions[i] };
}

void draft_drop(struct draft *draft)
{
    free(draft->list);
    *draft = (struct draft){ 0 };
}
