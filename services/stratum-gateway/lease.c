/* The lease: a block of extranonce1 values and the id that numbers this gateway's batches. Asked
 * for at the start, and again when the scheduler no longer knows it: then sessions move to the new
 * values, because others may be given the old ones once their jobs are dead.
 *
 * Where values grow scarce, further leases are asked for, each under a boot id of its own; their
 * values alone are used. The heartbeat names the first one; a further one is kept alive by asking
 * for it again, which gives the same lease while it lives and another when it does not. */
#include "service/log.h"
#include "services/stratum-gateway/gateway.h"

#include <inttypes.h>
#include <sys/random.h>

enum { ASK_TIMEOUT_MS = 2000, ASK_AGAIN_MS = 250, BEATS_MS = 3000, FURTHER_AGAIN_MS = 5000 };

static void take_lease(struct gateway *gateway, const struct wire_lease_reply *reply)
{
    bool first = gateway->lease_id == 0;
    if (reply->lease_id == gateway->lease_id)
        return;
    extranonce_pool_remove(&gateway->extranonces, gateway->lease_id);
    if (!extranonce_pool_add(&gateway->extranonces, reply->lease_id, reply->extranonce1_first,
                             reply->extranonce1_count)) {
        log_error("lease.no_memory", "values=%u", reply->extranonce1_count);
        return;
    }
    log_info("lease.granted", "lease=%" PRIu64 " first=%08x values=%u", reply->lease_id,
             reply->extranonce1_first, reply->extranonce1_count);
    gateway->lease_id = reply->lease_id;
    gateway->lease_epoch = reply->epoch;
    gateway->lease_beat_ms = loop_now_ms(gateway->loop) + BEATS_MS;
    dispatcher_set_lease(gateway->dispatcher, reply->lease_id);
    if (!first)
        sessions_move(gateway);
}

/* NULL, with the reason in lease_error, where nothing was granted. */
static const struct wire_lease_reply *read_reply(struct gateway *gateway, enum bus_outcome outcome,
                                                 struct span message, struct arena *arena,
                                                 struct wire_lease_reply *reply)
{
    if (outcome != BUS_REPLIED)
        error_fill(&gateway->lease_error, ERROR_UNAVAILABLE, "inode-scheduler does not answer");
    else if (!wire_decode_lease_reply(message, arena, reply, &gateway->lease_error))
        log_error("lease.undecodable", "reason=\"%s\"", gateway->lease_error.text);
    else if (reply->granted == 0 || reply->lease_id == 0 || reply->extranonce1_count == 0)
        error_fill(&gateway->lease_error, ERROR_REFUSED, "inode-scheduler grants no lease: %s",
                   reply->text);
    else
        return reply;
    return NULL;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct gateway *gateway = context;
    struct wire_lease_reply reply;
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    gateway->lease_asked = false;
    if (outcome == BUS_CLOSED || read_reply(gateway, outcome, message, &arena, &reply) == NULL)
        return;
    take_lease(gateway, &reply);
    loop_timer_stop(gateway->loop, &gateway->lease_timer);
}

static bool request(struct gateway *gateway, uint64_t boot_id, bus_reply_handler handler,
                    void *context)
{
    const struct wire_lease_request request = { .instance = gateway->service->instance,
                                                .boot_id = boot_id };
    uint8_t message[128];
    size_t length = wire_encode_lease_request(&request, message, sizeof message);
    ASSERT(length > 0);
    return bus_request(gateway->scheduler, span_of(message, length), ASK_TIMEOUT_MS, handler,
                       context);
}

static void ask(void *context)
{
    struct gateway *gateway = context;
    if (gateway->lease_asked)
        return;
    gateway->lease_asked = request(gateway, gateway->service->boot_id, on_reply, gateway);
    if (!gateway->lease_asked)
        error_fill(&gateway->lease_error, ERROR_UNAVAILABLE, "inode-scheduler is not there (%s)",
                   gateway->settings->service_scheduler_url);
}

void lease_begin(struct gateway *gateway)
{
    gateway->lease_timer = (struct loop_timer){ .on_due = ask, .context = gateway };
    error_fill(&gateway->lease_error, ERROR_UNAVAILABLE, "inode-scheduler is not there (%s)",
               gateway->settings->service_scheduler_url);
    gateway->lease_beat_ms = loop_now_ms(gateway->loop) + BEATS_MS;
    if (gateway->lease_id == 0) /* an earlier program may have left one */
        loop_timer_start(gateway->loop, &gateway->lease_timer, 0, ASK_AGAIN_MS);
}

/* Two schedulers may change over: only the one of the highest epoch is believed, and only about
 * beats that carried the lease. */
void lease_on_beat(void *context, const struct wire_heartbeat_reply *reply)
{
    struct gateway *gateway = context;
    if (reply->epoch > gateway->lease_epoch)
        gateway->lease_epoch = reply->epoch;
    if (reply->lease_known != 0 || gateway->lease_id == 0 || reply->epoch < gateway->lease_epoch ||
        loop_now_ms(gateway->loop) < gateway->lease_beat_ms ||
        loop_timer_running(&gateway->lease_timer))
        return;
    log_warn("lease.lost", "lease=%" PRIu64, gateway->lease_id);
    /* A boot id asks for the same lease: what is wanted is another. */
    gateway->service->boot_id += 0x9e3779b97f4a7c15u;
    loop_timer_start(gateway->loop, &gateway->lease_timer, 0, ASK_AGAIN_MS);
}

/* Further leases. */

static void take_further(struct further_lease *further, const struct wire_lease_reply *reply)
{
    struct gateway *gateway = further->gateway;
    uint64_t lost = further->lease_id;
    if (reply->lease_id == lost || extranonce_pool_holds(&gateway->extranonces, reply->lease_id))
        return;
    extranonce_pool_remove(&gateway->extranonces, lost);
    further->lease_id = 0;
    if (!extranonce_pool_add(&gateway->extranonces, reply->lease_id, reply->extranonce1_first,
                             reply->extranonce1_count)) {
        log_error("lease.no_memory", "values=%u", reply->extranonce1_count);
        further->boot_id = 0;
    } else {
        further->lease_id = reply->lease_id;
        log_info("lease.further", "lease=%" PRIu64 " first=%08x values=%u", reply->lease_id,
                 reply->extranonce1_first, reply->extranonce1_count);
    }
    if (lost == 0)
        return;
    log_warn("lease.lost", "lease=%" PRIu64, lost);
    sessions_move(gateway);
}

static void on_further(void *context, enum bus_outcome outcome, struct span message)
{
    struct further_lease *further = context;
    struct wire_lease_reply reply;
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    further->asked = false;
    if (outcome == BUS_CLOSED)
        return;
    if (read_reply(further->gateway, outcome, message, &arena, &reply) != NULL)
        take_further(further, &reply);
    else if (further->lease_id == 0)
        further->boot_id = 0; /* asked for anew where values are scarce still */
}

void lease_tick(struct gateway *gateway)
{
    struct further_lease *place = NULL;
    uint64_t now = loop_now_ms(gateway->loop);
    unsigned wanted = 0;
    bool again = now >= gateway->further_due_ms;
    if (gateway->lease_id == 0 || gateway->stopping)
        return;
    if (again)
        gateway->further_due_ms = now + FURTHER_AGAIN_MS;
    for (unsigned i = 0; i < EXTRANONCE_LEASES_MAX - 1; i++) {
        struct further_lease *further = &gateway->further[i];
        if (further->boot_id == 0 && place == NULL)
            place = further;
        wanted += further->boot_id != 0 && further->lease_id == 0;
        if (again && further->boot_id != 0 && !further->asked)
            further->asked = request(gateway, further->boot_id, on_further, further);
    }
    if (place == NULL || wanted > 0 || !extranonce_pool_is_scarce(&gateway->extranonces))
        return;
    *place = (struct further_lease){ .gateway = gateway, .boot_id = resuming_new_id(gateway) };
    place->asked = request(gateway, place->boot_id, on_further, place);
}
