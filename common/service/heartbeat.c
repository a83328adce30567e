/* Once a second to inode-scheduler: who I am, how I am, my counters. One beat is outstanding at the
 * most, and gives up before the next is due. */
#include "service/inside.h"
#include "wire/messages.h"

#include <stdlib.h>

enum { PERIOD_MS = 1000, TIMEOUT_MS = 900, COUNTERS_MAX = 64, MESSAGE_BYTES = 8192, LOST_MANY = 3 };

struct heartbeat {
    struct service *service;
    struct bus_client *client;
    struct loop_timer timer;
    const uint64_t *lease_id; /* may be NULL */
    void (*on_reply)(void *context, const struct wire_heartbeat_reply *reply);
    void *context;
    bool outstanding;
    unsigned lost; /* in a row */
    struct wire_counter counters[COUNTERS_MAX];
    uint32_t counter_count;
    uint8_t message[MESSAGE_BYTES];
};

static void add_counter(void *context, const char *beat, uint64_t value)
{
    struct heartbeat *heartbeat = context;
    if (heartbeat->counter_count < COUNTERS_MAX)
        heartbeat->counters[heartbeat->counter_count++] =
            (struct wire_counter){ .name = beat, .value = value };
}

static void on_answer(void *context, enum bus_outcome outcome, struct span reply)
{
    struct heartbeat *heartbeat = context;
    heartbeat->outstanding = false;
    metric_add(outcome == BUS_REPLIED ? heartbeat->service->life->beats_answered
                                      : heartbeat->service->life->beats_lost,
               1);
    heartbeat->lost = outcome == BUS_REPLIED ? 0 : heartbeat->lost + 1;
    /* A connection that stands says nothing of who is at its end. */
    if (heartbeat->lost == 0 || heartbeat->lost == LOST_MANY)
        service_degraded(heartbeat->service, "heartbeat",
                         heartbeat->lost == 0 ? NULL : "inode-scheduler does not answer");
    if (outcome != BUS_REPLIED || heartbeat->on_reply == NULL)
        return;
    struct wire_heartbeat_reply decoded;
    struct error error;
    struct arena arena = arena_over(NULL, 0);
    if (wire_decode_heartbeat_reply(reply, &arena, &decoded, &error))
        heartbeat->on_reply(heartbeat->context, &decoded);
    else
        log_warn("heartbeat.reply", "reason=\"%s\"", error.text);
}

/* All that is wrong, as far as it finds room; false: nothing is. */
static bool say_degraded(const struct service_life *life, char *text_r, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < SERVICE_DEGRADED_MAX && used < bytes; i++)
        if (life->degraded[i].reason[0] != '\0')
            used += (size_t)snprintf(text_r + used, bytes - used, "%s%s: %s", used > 0 ? "; " : "",
                                     life->degraded[i].what, life->degraded[i].reason);
    return used > 0;
}

static void beat(void *context)
{
    struct heartbeat *heartbeat = context;
    const struct service *service = heartbeat->service;
    if (heartbeat->outstanding)
        return;
    char last_error[512];
    char admin_url[128];
    if (!say_degraded(service->life, last_error, sizeof last_error))
        log_last_error(last_error, sizeof last_error);
    snprintf(admin_url, sizeof admin_url, "http://%s", admin_bound(service->life->admin));
    heartbeat->counter_count = 0;
    metrics_beats(service->metrics, add_counter, heartbeat);
    struct wire_heartbeat message = {
        .service = service->name,
        .instance = service->instance,
        .boot_id = service->boot_id,
        .started_ms = service->started_ms,
        .state = service_state(service),
        .lease_id = heartbeat->lease_id != NULL ? *heartbeat->lease_id : 0,
        .error_count = log_error_count(),
        .last_error = last_error,
        .admin_url = admin_url,
        .counters = heartbeat->counters,
        .counters_count = heartbeat->counter_count,
    };
    memcpy(message.receipt_key, service->receipt_key, sizeof message.receipt_key);
    size_t length = wire_encode_heartbeat(&message, heartbeat->message, sizeof heartbeat->message);
    ASSERT(length > 0);
    heartbeat->outstanding = bus_request(heartbeat->client, span_of(heartbeat->message, length),
                                         TIMEOUT_MS, on_answer, heartbeat);
}

void service_heartbeat(struct service *service, const uint64_t *lease_id,
                       void (*on_reply)(void *context, const struct wire_heartbeat_reply *reply),
                       void *context)
{
    ASSERT(service->life->heartbeat == NULL && service->bus != NULL);
    struct heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
    ASSERT(heartbeat != NULL);
    heartbeat->service = service;
    heartbeat->lease_id = lease_id;
    heartbeat->on_reply = on_reply;
    heartbeat->context = context;
    const struct bus_client_options options = {
        .in_flight_max = 1,
        .message_bytes_max = 4096,
        .on_up = beat, /* at once, not at the next second */
        .context = heartbeat,
    };
    struct error error;
    heartbeat->client =
        bus_connect(service->bus, service->settings.service_scheduler_url, &options, &error);
    if (heartbeat->client == NULL) {
        log_error("heartbeat.connect", "reason=\"%s\"", error.text);
        free(heartbeat);
        return;
    }
    heartbeat->timer.on_due = beat;
    heartbeat->timer.context = heartbeat;
    loop_timer_start(service->loop, &heartbeat->timer, PERIOD_MS, PERIOD_MS);
    service->life->heartbeat = heartbeat;
}

void heartbeat_destroy(struct heartbeat *heartbeat)
{
    if (heartbeat == NULL)
        return;
    loop_timer_stop(heartbeat->service->loop, &heartbeat->timer);
    /* Answers what is outstanding on the way. */
    heartbeat->on_reply = NULL;
    bus_client_close(heartbeat->client);
    free(heartbeat);
}
