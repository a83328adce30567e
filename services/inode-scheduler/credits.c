#include "services/inode-scheduler/credits.h"

#include <string.h>

struct gathering {
    struct window_share *shares;
    size_t count;
    uint64_t lease_id, sequence;
    bool found;
};

static bool on_batch(void *context, struct window_position first, uint64_t lease_id,
                     uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct gathering *gathering = context;
    (void)first;
    gathering->found = lease_id == gathering->lease_id && sequence == gathering->sequence;
    if (gathering->found) {
        memcpy(gathering->shares, shares, count * sizeof *shares);
        gathering->count = count;
    }
    return false;
}

struct credit_found credits_find(struct places *places, struct window_reader *window,
                                 uint64_t lease_id, uint64_t sequence, uint64_t from_ms,
                                 uint64_t to_ms, struct window_share *shares_r)
{
    const struct places_found place = places_find(places, lease_id, sequence, from_ms, to_ms);
    struct gathering gathering = { shares_r, 0, lease_id, sequence, false };
    struct error error;
    switch (place.outcome) {
    case PLACES_NONE:
        return (struct credit_found){ CREDIT_NOT_THERE, place.steady, 0 };
    case PLACES_UNKNOWN:
        return (struct credit_found){ CREDIT_NOT_KNOWN, place.steady, 0 };
    case PLACES_FOUND:
        break;
    }
    if (!window_walk_back(window, &place.position, on_batch, &gathering, &error) ||
        !gathering.found) /* away, or it was there and is not any more */
        return (struct credit_found){ CREDIT_NOT_KNOWN, false, 0 };
    return (struct credit_found){ CREDIT_THERE, place.steady, gathering.count };
}
