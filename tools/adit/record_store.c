/* A record from the pool's own store: blocks from their snapshots, shares from segments and, where
 * redis.window answers, from there. */
#include "simulate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/window_redis/window_redis.h"
#include "record/account/account.h"
#include "record/ledger/ledger_record.h"
#include "services/payout/view.h"

enum { SHARES_MAX = 20000000, BLOCKS_MAX = 100000 };

struct gathering {
    struct snapshot_record *snapshots; /* by end, the oldest first */
    size_t snapshot_count, snapshot_capacity;
    struct trial_share *shares; /* the newest first */
    size_t share_count, share_capacity;
    size_t *at;  /* by snapshot: its share among those */
    size_t left; /* snapshots whose share was not met yet */
};

static void *grow(void *memory, size_t *capacity, size_t need, size_t element_bytes)
{
    if (need <= *capacity)
        return memory;
    size_t wanted = *capacity < 1024 ? 1024 : 2 * *capacity;
    memory = realloc(memory, wanted * element_bytes);
    ASSERT(memory != NULL);
    *capacity = wanted;
    return memory;
}

static bool take_snapshot(void *context, const struct snapshot_record *snapshot)
{
    struct gathering *gathering = context;
    if (snapshot->empty)
        return true;
    gathering->snapshots = grow(gathering->snapshots, &gathering->snapshot_capacity,
                                gathering->snapshot_count + 1, sizeof *gathering->snapshots);
    gathering->snapshots[gathering->snapshot_count++] = *snapshot;
    return gathering->snapshot_count < BLOCKS_MAX;
}

static int compare_ends(const void *a, const void *b)
{
    const struct snapshot_record *x = a, *y = b;
    return window_position_compare(&x->end, &y->end);
}

static bool take_batch(void *context, struct window_position first, uint64_t lease_id,
                       uint64_t sequence, const struct window_share *shares, size_t count)
{
    (void)lease_id, (void)sequence;
    struct gathering *gathering = context;
    for (size_t i = count; i-- > 0;) {
        struct window_position here = { first.high, first.low, (uint32_t)i };
        while (gathering->left > 0 &&
               window_position_compare(&here, &gathering->snapshots[gathering->left - 1].end) <= 0)
            gathering->at[--gathering->left] = gathering->share_count;
        if (gathering->left == gathering->snapshot_count)
            continue; /* younger than every block */
        gathering->shares = grow(gathering->shares, &gathering->share_capacity,
                                 gathering->share_count + 1, sizeof *gathering->shares);
        gathering->shares[gathering->share_count++] =
            (struct trial_share){ shares[i].account, shares[i].work };
    }
    return gathering->share_count < SHARES_MAX;
}

static void fill_record(const struct gathering *gathering, struct trial_record *record)
{
    size_t next = gathering->left;
    for (size_t i = gathering->share_count; i-- > 0;) {
        trial_add_share(record, gathering->shares[i].account, gathering->shares[i].work);
        for (; next < gathering->snapshot_count && gathering->at[next] == i; next++) {
            const struct snapshot_record *snapshot = &gathering->snapshots[next];
            const struct trial_block block = { .reward = snapshot->reward.units,
                                               .network_work = snapshot->network_work,
                                               .finder = snapshot->finder,
                                               .height = snapshot->height };
            if (block.network_work != 0)
                trial_add_block(record, &block);
        }
    }
}

struct classes {
    const struct settings *settings;
    struct trial_record *record;
};

static bool take_class(void *context, uint64_t account, const char *class)
{
    struct classes *classes = context;
    for (size_t i = 0; i < classes->settings->reward_fee_classes.count; i++) {
        struct reward_class known;
        if (reward_class_parse(span_text(classes->settings->reward_fee_classes.items[i]), &known) &&
            strcmp(known.name, class) == 0)
            for (size_t a = 0; a < classes->record->account_count; a++)
                if (classes->record->accounts[a] == account)
                    classes->record->fees[a] = known.basis_points;
    }
    return true;
}

bool simulate_from_store(const struct settings *settings, struct store *store,
                         struct trial_record *record, struct error *error)
{
    const struct window_redis_options options = { .url = settings->redis_window,
                                                  .password_file =
                                                      settings->redis_window_password_file };
    struct gathering gathering = { .left = 0 };
    struct window_view view;
    struct window_reader *window = window_redis_reader_open(&options, error);
    if (window != NULL && !window_ping(window, error)) {
        fprintf(stderr,
                "adit: redis.window does not answer (%s): only what is in segments counts\n",
                error->text);
        window_reader_close(window);
        window = NULL;
    }
    bool read = snapshot_walk(store, 0, take_snapshot, &gathering, error) == STORE_DONE;
    if (gathering.snapshot_count > 0)
        qsort(gathering.snapshots, gathering.snapshot_count, sizeof *gathering.snapshots,
              compare_ends);
    gathering.left = gathering.snapshot_count;
    gathering.at = calloc(gathering.snapshot_count + 1, sizeof *gathering.at);
    ASSERT(gathering.at != NULL);
    view_open(&view, store, window);
    read = read && view_walk_back(&view, NULL, take_batch, &gathering, error) == VIEW_DONE;
    view_close(&view);
    if (read) {
        fill_record(&gathering, record);
        trial_index(record);
        struct classes classes = { settings, record };
        read = account_declare(store, error) &&
               account_walk_classes(store, take_class, &classes, error) == STORE_DONE;
    }
    if (window != NULL)
        window_reader_close(window);
    free(gathering.snapshots);
    free(gathering.shares);
    free(gathering.at);
    return read;
}
