#include "services/stratum-gateway/parking.h"

#include <stdlib.h>

bool parking_init(struct parking *parking, uint32_t capacity, uint64_t keep_ms)
{
    *parking = (struct parking){ .capacity = capacity, .keep_ms = keep_ms };
    if (keep_ms == 0)
        return true;
    parking->places = calloc(capacity, sizeof *parking->places);
    parking->ids = calloc(capacity, sizeof *parking->ids);
    if (parking->places != NULL && parking->ids != NULL)
        return true;
    parking_deinit(parking);
    return false;
}

void parking_deinit(struct parking *parking)
{
    free(parking->places);
    free(parking->ids);
    memset(parking, 0, sizeof *parking);
}

bool parking_put(struct parking *parking, const struct stratum_session *session, uint64_t lease,
                 uint64_t now_ms)
{
    if (parking->keep_ms == 0)
        return false;
    ASSERT(!parking_is_full(parking));
    uint32_t place = (parking->first + parking->count++) % parking->capacity;
    struct parked *parked = &parking->places[place];
    *parked = (struct parked){ .lease = lease,
                               .until_ms = now_ms + parking->keep_ms,
                               .session = *session };
    parked->session.answers = NULL;
    parked->session.more = NULL;
    parking->ids[place] = session->id;
    return true;
}

bool parking_take(struct parking *parking, uint64_t id, struct parked *parked_r)
{
    /* Who comes back comes back soon: from the newest on. */
    for (uint32_t i = parking->count; i > 0; i--) {
        uint32_t place = (parking->first + i - 1) % parking->capacity;
        if (parking->ids[place] != id)
            continue;
        *parked_r = parking->places[place];
        parking->ids[place] = 0;
        parking->resumed++;
        return true;
    }
    return false;
}

bool parking_release(struct parking *parking, uint64_t now_ms, struct parked *parked_r)
{
    while (parking->count > 0) {
        uint32_t place = parking->first;
        bool taken = parking->ids[place] == 0;
        if (!taken && parking->places[place].until_ms > now_ms)
            return false;
        parking->first = (place + 1) % parking->capacity;
        parking->count--;
        parking->ids[place] = 0;
        if (taken)
            continue;
        *parked_r = parking->places[place];
        return true;
    }
    return false;
}
