/* What a block was shared by, against the shares themselves: where segments hold all of its window,
 * the work of each account is added up again from them, from the block's own share back to the
 * oldest that counted. What no segment holds yet is looked at by a later audit; where single shares
 * that it takes are dropped, the snapshot stands alone. */
#include "services/payout/audit_inside.h"

#include "core/reward/reward.h"

#include <inttypes.h>
#include <stdlib.h>

bool audit_open_windows(struct audit *audit, struct error *error)
{
    struct segment_record newest = { .number = 0 };
    view_open(&audit->view, audit->store, NULL);
    enum store_outcome outcome = segment_newest(audit->store, &newest, error);
    audit->has_segments = outcome == STORE_DONE;
    audit->segments_end = newest.last;
    if (outcome == STORE_FAILED && error->code == ERROR_INVALID) {
        differ(audit, "%s", error->text);
        return true;
    }
    return outcome == STORE_DONE || outcome == STORE_MISSING;
}

/* Who is paid where nobody's window counts. */
static bool is_unshared(const struct snapshot_record *snapshot, enum reward_scheme scheme,
                        const struct pplns_part *parts, size_t count)
{
    if (scheme != REWARD_SOLO || snapshot->finder == 0)
        return count == 0;
    return count == 1 && parts[0].account == snapshot->finder;
}

static bool is_its_window(const struct snapshot_record *snapshot, const struct view_found *found,
                          const struct pplns_part *parts, size_t count, struct pplns_part *again)
{
    if (found->table.accounts != count || found->table.filled != snapshot->filled ||
        found->table.shares != snapshot->shares ||
        window_position_compare(&found->oldest, &snapshot->oldest) != 0)
        return false;
    pplns_collect(&found->table, again);
    for (size_t i = 0; i < count; i++)
        if (again[i].account != parts[i].account || again[i].work != parts[i].work)
            return false;
    return true;
}

bool audit_window(struct audit *audit, const struct snapshot_record *snapshot,
                  const struct pplns_part *parts, size_t count, struct error *error)
{
    enum reward_scheme scheme;
    if (!reward_scheme_parse(span_text(snapshot->scheme), &scheme)) {
        differ(audit, "the block at height %" PRIu32 " was shared by no scheme", snapshot->height);
        return true;
    }
    if (scheme == REWARD_SOLO || reward_buys_work(scheme) || snapshot->empty) {
        if (!is_unshared(snapshot, scheme, parts, count))
            differ(audit, "the block at height %" PRIu32 " was shared by a window it has not",
                   snapshot->height);
        return true;
    }
    if (!audit->has_segments || window_position_compare(&audit->segments_end, &snapshot->end) < 0) {
        audit->report->windows_open++;
        return true;
    }
    const struct view_range range = { .end = snapshot->end,
                                      .after = snapshot->has_after ? &snapshot->after : NULL,
                                      .target = snapshot->window_work };
    struct view_found found;
    switch (view_fill(&audit->view, &range, &found, error)) {
    case VIEW_DONE:
        break;
    case VIEW_DAMAGED:
        differ(audit, "%s", error->text);
        return true;
    case VIEW_NO_STORE:
    case VIEW_NO_WINDOW:
        return false;
    }
    if (found.cut_short) {
        audit->report->windows_dropped++;
        return true;
    }
    struct pplns_part *again = calloc((size_t)found.table.accounts + 1, sizeof *again);
    ASSERT(again != NULL);
    audit->report->windows++;
    if (!is_its_window(snapshot, &found, parts, count, again))
        differ(audit,
               "the block at height %" PRIu32
               " was shared by other work than the shares in its window",
               snapshot->height);
    free(again);
    return true;
}
