/* The lease: a block of extranonce1 values and the id that numbers this gateway's batches. Asked
 * for at the start, and again when the scheduler no longer knows it: then sessions move to the new
 * values, because others may be given the old ones once their jobs are dead. */
#include "service/log.h"
#include "services/stratum-gateway/gateway.h"

#include <inttypes.h>
#include <sys/random.h>

enum { ASK_TIMEOUT_MS = 2000, ASK_AGAIN_MS = 250, BEATS_MS = 3000 };

static void take_lease(struct gateway *gateway, const struct wire_lease_reply *reply)
{
    bool first = gateway->lease_id == 0;
    if (reply->lease_id == gateway->lease_id)
        return;
    struct extranonces values;
    if (!extranonces_init(&values, reply->lease_id, reply->extranonce1_first,
                          reply->extranonce1_count)) {
        log_error("lease.no_memory", "values=%u", reply->extranonce1_count);
        return;
    }
    log_info("lease.granted", "lease=%" PRIu64 " first=%08x values=%u", reply->lease_id,
             reply->extranonce1_first, reply->extranonce1_count);
    extranonces_deinit(&gateway->extranonces);
    gateway->extranonces = values;
    gateway->lease_id = reply->lease_id;
    gateway->lease_epoch = reply->epoch;
    gateway->lease_beat_ms = loop_now_ms(gateway->loop) + BEATS_MS;
    dispatcher_set_lease(gateway->dispatcher, reply->lease_id);
    if (!first)
        sessions_move(gateway);
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct gateway *gateway = context;
    struct wire_lease_reply reply;
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    gateway->lease_asked = false;
    if (outcome == BUS_CLOSED)
        return;
    if (outcome != BUS_REPLIED) {
        error_fill(&gateway->lease_error, ERROR_UNAVAILABLE, "inode-scheduler does not answer");
    } else if (!wire_decode_lease_reply(message, &arena, &reply, &gateway->lease_error)) {
        log_error("lease.undecodable", "reason=\"%s\"", gateway->lease_error.text);
    } else if (reply.granted == 0 || reply.lease_id == 0 || reply.extranonce1_count == 0) {
        error_fill(&gateway->lease_error, ERROR_REFUSED, "inode-scheduler grants no lease: %s",
                   reply.text);
    } else {
        take_lease(gateway, &reply);
        loop_timer_stop(gateway->loop, &gateway->lease_timer);
        return;
    }
}

static void ask(void *context)
{
    struct gateway *gateway = context;
    const struct wire_lease_request request = { .instance = gateway->service->instance,
                                                .boot_id = gateway->service->boot_id };
    uint8_t message[128];
    if (gateway->lease_asked)
        return;
    size_t length = wire_encode_lease_request(&request, message, sizeof message);
    ASSERT(length > 0);
    gateway->lease_asked = bus_request(gateway->scheduler, span_of(message, length), ASK_TIMEOUT_MS,
                                       on_reply, gateway);
    if (!gateway->lease_asked)
        error_fill(&gateway->lease_error, ERROR_UNAVAILABLE, "inode-scheduler is not there (%s)",
                   gateway->settings->service_scheduler_url);
}

void lease_begin(struct gateway *gateway)
{
    gateway->lease_timer = (struct loop_timer){ .on_due = ask, .context = gateway };
    error_fill(&gateway->lease_error, ERROR_UNAVAILABLE, "inode-scheduler is not there (%s)",
               gateway->settings->service_scheduler_url);
    loop_timer_start(gateway->loop, &gateway->lease_timer, 0, ASK_AGAIN_MS);
}

/* Two schedulers may change over: only the one of the highest epoch is believed, and only about
 * beats that carried the lease. */
void lease_on_beat(void *context, const struct wire_heartbeat_reply *reply)
{
    struct gateway *gateway = context;
    if (reply->lease_known != 0 || gateway->lease_id == 0 || reply->epoch < gateway->lease_epoch ||
        loop_now_ms(gateway->loop) < gateway->lease_beat_ms ||
        loop_timer_running(&gateway->lease_timer))
        return;
    log_warn("lease.lost", "lease=%" PRIu64, gateway->lease_id);
    /* A boot id asks for the same lease: what is wanted is another. */
    gateway->service->boot_id += 0x9e3779b97f4a7c15u;
    loop_timer_start(gateway->loop, &gateway->lease_timer, 0, ASK_AGAIN_MS);
}
