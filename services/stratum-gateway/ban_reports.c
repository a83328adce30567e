#include "services/stratum-gateway/ban_reports.h"

#include "service/log.h"
#include "services/stratum-gateway/control.h"
#include "services/stratum-gateway/gateway.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <sys/random.h>

enum { TIMEOUT_MS = 2000, ORDER_BYTES = 1024 };

static void look(struct ban_reports *reports)
{
    const struct conducts *conducts = &reports->gateway->conducts;
    if (reports->banned == conducts->banned && reports->lifted == conducts->lifted &&
        loop_now_ms(reports->gateway->loop) < reports->next_ms)
        return;
    reports->banned = conducts->banned;
    reports->lifted = conducts->lifted;
    reports->bans_count = conducts_newest_bans(reports->gateway, reports->bans, BAN_REPORTS_MAX,
                                               &reports->all, &reports->next_ms);
}

static void report(void *context);

static void carry_out(struct ban_reports *reports, const struct wire_bans_order *order)
{
    if (order->order == 0 || order->order == reports->order)
        return;
    char verb[32];
    log_info("bans.order", "order=%" PRIu64 " verb=%s", order->order,
             log_text(order->verb, verb, sizeof verb));
    reports->order = order->order;
    if (strcmp(order->verb, "ban") == 0) {
        reports->ok = control_ban(reports->gateway, order->argument, &reports->text);
    } else if (strcmp(order->verb, "lift") == 0) {
        reports->ok = control_lift(reports->gateway, order->argument, &reports->text);
    } else {
        reports->ok = false;
        reports->text = "a gateway is told ban and lift";
    }
    reports->again = true;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span message)
{
    struct ban_reports *reports = context;
    struct wire_bans_order order;
    struct error error;
    uint8_t memory[ORDER_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    reports->under_way = false;
    if (outcome != BUS_REPLIED || reports->gateway->stopping)
        return; /* the next one is due in a second */
    if (!wire_decode_bans_order(message, &arena, &order, &error)) {
        log_error("bans.undecodable", "reason=\"%s\"", error.text);
        return;
    }
    carry_out(reports, &order);
    if (reports->again)
        report(reports);
}

static void report(void *context)
{
    struct ban_reports *reports = context;
    struct wire_ban bans[BAN_REPORTS_MAX];
    if (reports->under_way || reports->gateway->stopping)
        return;
    look(reports);
    const uint64_t ahead_ms = loop_unix_ms() - loop_now_ms(reports->gateway->loop);
    for (size_t i = 0; i < reports->bans_count; i++)
        bans[i] = (struct wire_ban){ .whom = reports->bans[i].whom,
                                     .reason = reports->bans[i].reason,
                                     .until_ms = reports->bans[i].until_ms + ahead_ms };
    const struct wire_bans_report message = { .instance = reports->gateway->service->instance,
                                              .process = reports->process,
                                              .count = reports->all,
                                              .bans = bans,
                                              .bans_count = (uint32_t)reports->bans_count,
                                              .order = reports->order,
                                              .ok = reports->ok,
                                              .text = reports->text };
    size_t length = wire_encode_bans_report(&message, reports->message, sizeof reports->message);
    ASSERT(length > 0);
    reports->under_way = bus_request(reports->gateway->scheduler, span_of(reports->message, length),
                                     TIMEOUT_MS, on_reply, reports);
    reports->again = reports->again && !reports->under_way;
}

void ban_reports_begin(struct ban_reports *reports, struct gateway *gateway)
{
    *reports = (struct ban_reports){ .gateway = gateway, .text = "", .next_ms = UINT64_MAX };
    if (getrandom(&reports->process, sizeof reports->process, 0) !=
        (ssize_t)sizeof reports->process)
        reports->process = gateway->service->boot_id;
    reports->timer = (struct loop_timer){ .on_due = report, .context = reports };
    loop_timer_start(gateway->loop, &reports->timer, 0, BAN_REPORTS_MS);
}

void ban_reports_end(struct ban_reports *reports)
{
    if (reports->gateway != NULL)
        loop_timer_stop(reports->gateway->loop, &reports->timer);
}
