/* A miner whose connection was lost comes back with the id of its session and goes on, where this
 * process still has the session: only here is the set of its submissions. */
#include "service/log.h"
#include "services/stratum-gateway/gateway.h"

#include <inttypes.h>
#include <sys/random.h>

static void give_back(struct gateway *gateway, const struct parked *parked)
{
    extranonce_pool_give_back(&gateway->extranonces, parked->lease, parked->session.extranonce1,
                              job_feed_newest(&gateway->feed));
}

bool resuming_keep(struct gateway *gateway, const struct connection *connection)
{
    const struct stratum_session *session = &connection->session;
    struct parked oldest;
    if (session->state != STRATUM_MINING || !stratum_session_has_mined(session) ||
        gateway->stopping || !extranonce_pool_holds(&gateway->extranonces, connection->lease))
        return false;
    if (parking_is_full(&gateway->parking) &&
        parking_release(&gateway->parking, UINT64_MAX, &oldest))
        give_back(gateway, &oldest);
    return parking_put(&gateway->parking, session, connection->lease, loop_now_ms(gateway->loop));
}

const struct stratum_session *resuming_take(struct gateway *gateway, struct connection *connection,
                                            uint64_t id)
{
    const struct stratum_job *job = stratum_jobs_current(&gateway->feed.table);
    struct parked *parked = &gateway->resumed;
    if (!parking_take(&gateway->parking, id, parked))
        return NULL;
    if (!extranonce_pool_holds(&gateway->extranonces, parked->lease))
        return NULL; /* its values may be another gateway's by now */
    if (job != NULL && job->job->extranonce2_bytes != parked->session.extranonce2_bytes) {
        give_back(gateway, parked);
        return NULL;
    }
    extranonce_pool_give_back(&gateway->extranonces, connection->lease,
                              connection->session.extranonce1, 0);
    connection->lease = parked->lease;
    log_debug("session.resumed", "session=%016" PRIx64 " from=%016" PRIx64, id,
              connection->session.id);
    return &parked->session;
}

void resuming_tick(struct gateway *gateway)
{
    struct parked parked;
    while (parking_release(&gateway->parking, loop_now_ms(gateway->loop), &parked))
        give_back(gateway, &parked);
}

uint64_t resuming_new_id(struct gateway *gateway)
{
    enum { IDS = sizeof gateway->session_ids / sizeof *gateway->session_ids };
    for (;;) {
        if (gateway->session_ids_left == 0) {
            /* Without random numbers there is no resuming, but there are ids. */
            if (getrandom(gateway->session_ids, sizeof gateway->session_ids, 0) !=
                (ssize_t)sizeof gateway->session_ids)
                return loop_clock_ns() | 1;
            gateway->session_ids_left = IDS;
        }
        uint64_t id = gateway->session_ids[--gateway->session_ids_left];
        if (id != 0)
            return id;
    }
}

bool resuming_new_extranonce(struct gateway *gateway, uint32_t *value_r, uint64_t *lease_r)
{
    uint64_t oldest_job = job_feed_oldest(&gateway->feed);
    return extranonce_pool_take(&gateway->extranonces, oldest_job, value_r, lease_r);
}
