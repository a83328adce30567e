#include "services/inode-scheduler/bans.h"

#include "service/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 500, ID_SHIFT = 16 };

static uint64_t now_of(const struct bans *bans)
{
    return loop_now_ms(bans->loop);
}

const struct bans_gateway *bans_at(const struct bans *bans, size_t place)
{
    return bans->gateways != NULL && place < BANS_GATEWAYS_MAX && bans->gateways[place].process != 0
               ? &bans->gateways[place]
               : NULL;
}

bool bans_lives(const struct bans *bans, const struct bans_gateway *gateway)
{
    return now_of(bans) - gateway->heard_ms <= BANS_SILENT_MS;
}

void bans_listen(struct bans *bans)
{
    bans->listens = true;
    bans->began_ms = now_of(bans);
}

bool bans_listens(const struct bans *bans)
{
    return bans->listens;
}

bool bans_heard_all(const struct bans *bans)
{
    return bans->listens && now_of(bans) - bans->began_ms >= BANS_SILENT_MS;
}

/* Orders. */

static void finish(struct bans_order *order)
{
    const struct bans_order over = *order;
    order->id = 0;
    over.handler(over.context, &over.result);
}

/* It is not waited for any more. */
static void stop_waiting(struct bans_order *order, size_t place)
{
    if (order->id == 0 || !order->waits[place])
        return;
    order->waits[place] = false;
    if (--order->waiting == 0)
        finish(order);
}

static void take_answer(struct bans *bans, size_t place, const struct wire_bans_report *report)
{
    for (size_t i = 0; i < BANS_ORDERS_MAX; i++) {
        struct bans_order *order = &bans->orders[i];
        if (order->id == 0 || order->id != report->order || !order->waits[place])
            continue;
        order->result.done += report->ok != 0;
        order->result.refused += report->ok == 0;
        if (report->ok == 0)
            snprintf(order->result.refusal, sizeof order->result.refusal, "%s", report->text);
        stop_waiting(order, place);
        return;
    }
}

/* The oldest that waits for it. */
static const struct bans_order *next_of(const struct bans *bans, size_t place)
{
    const struct bans_order *oldest = NULL;
    for (size_t i = 0; i < BANS_ORDERS_MAX; i++) {
        const struct bans_order *order = &bans->orders[i];
        if (order->id != 0 && order->waits[place] && (oldest == NULL || order->id < oldest->id))
            oldest = order;
    }
    return oldest;
}

bool bans_order(struct bans *bans, const char *verb, const char *argument, bans_handler handler,
                void *context, bool *none_r)
{
    struct bans_order *order = bans->orders;
    while (order < bans->orders + BANS_ORDERS_MAX && order->id != 0)
        order++;
    *none_r = false;
    if (order == bans->orders + BANS_ORDERS_MAX)
        return false;
    *order = (struct bans_order){ .due_ms = now_of(bans) + BANS_ORDER_MS,
                                  .handler = handler,
                                  .context = context };
    snprintf(order->verb, sizeof order->verb, "%s", verb);
    snprintf(order->argument, sizeof order->argument, "%s", argument);
    for (size_t place = 0; place < BANS_GATEWAYS_MAX; place++) {
        const struct bans_gateway *gateway = bans_at(bans, place);
        order->waits[place] = gateway != NULL && bans_lives(bans, gateway);
        order->waiting += order->waits[place];
    }
    order->result.asked = order->waiting;
    *none_r = order->waiting == 0;
    if (!*none_r)
        order->id = ++bans->last_id;
    return !*none_r;
}

/* Gateways. */

static void forget(struct bans *bans, size_t place)
{
    free(bans->gateways[place].report);
    bans->gateways[place] = (struct bans_gateway){ .process = 0 };
    for (size_t i = 0; i < BANS_ORDERS_MAX; i++)
        stop_waiting(&bans->orders[i], place);
}

/* Its place, or a free one: a silent one of the same name ended, and its place is free too. */
static size_t place_of(struct bans *bans, const struct wire_bans_report *report)
{
    size_t free_place = BANS_GATEWAYS_MAX;
    for (size_t place = 0; place < BANS_GATEWAYS_MAX; place++) {
        const struct bans_gateway *gateway = bans_at(bans, place);
        if (gateway != NULL && gateway->process == report->process)
            return place;
        if (gateway != NULL && !bans_lives(bans, gateway) &&
            strcmp(gateway->instance, report->instance) == 0)
            forget(bans, place);
        if (bans_at(bans, place) == NULL && place < free_place)
            free_place = place;
    }
    return free_place;
}

struct wire_bans_order bans_take(struct bans *bans, const struct wire_bans_report *report,
                                 struct span encoded)
{
    struct wire_bans_order told = { .order = 0, .verb = "", .argument = "" };
    if (report->process == 0 || encoded.length > BANS_REPORT_BYTES)
        return told;
    const size_t place = place_of(bans, report);
    uint8_t *kept = place < BANS_GATEWAYS_MAX ? malloc(encoded.length) : NULL;
    if (kept == NULL)
        return told;
    struct bans_gateway *gateway = &bans->gateways[place];
    memcpy(kept, encoded.data, encoded.length);
    free(gateway->report);
    gateway->process = report->process;
    snprintf(gateway->instance, sizeof gateway->instance, "%s", report->instance);
    gateway->heard_ms = now_of(bans);
    gateway->report = kept;
    gateway->report_bytes = encoded.length;
    take_answer(bans, place, report);
    const struct bans_order *next = next_of(bans, place);
    if (next != NULL)
        told = (struct wire_bans_order){ next->id, next->verb, next->argument };
    return told;
}

static void on_tick(void *context)
{
    struct bans *bans = context;
    const uint64_t now_ms = now_of(bans);
    for (size_t place = 0; place < BANS_GATEWAYS_MAX; place++)
        if (bans_at(bans, place) != NULL &&
            now_ms - bans->gateways[place].heard_ms > BANS_FORGET_MS)
            forget(bans, place);
    for (size_t i = 0; i < BANS_ORDERS_MAX; i++)
        if (bans->orders[i].id != 0 && now_ms >= bans->orders[i].due_ms)
            finish(&bans->orders[i]);
}

/* Ids begin where no scheduler before this one can have got to: a gateway knows the last it
 * carried out. */
void bans_init(struct bans *bans, struct loop *loop)
{
    *bans = (struct bans){ .loop = loop, .last_id = loop_unix_ms() << ID_SHIFT };
    bans->gateways = calloc(BANS_GATEWAYS_MAX, sizeof *bans->gateways);
    bans->orders = calloc(BANS_ORDERS_MAX, sizeof *bans->orders);
    ASSERT(bans->gateways != NULL && bans->orders != NULL);
    bans->timer = (struct loop_timer){ .on_due = on_tick, .context = bans };
    loop_timer_start(loop, &bans->timer, TICK_MS, TICK_MS);
}

void bans_deinit(struct bans *bans)
{
    if (bans->loop == NULL)
        return;
    loop_timer_stop(bans->loop, &bans->timer);
    for (size_t i = 0; i < BANS_ORDERS_MAX; i++)
        if (bans->orders[i].id != 0)
            finish(&bans->orders[i]);
    for (size_t place = 0; place < BANS_GATEWAYS_MAX; place++)
        free(bans->gateways[place].report);
    free(bans->gateways);
    free(bans->orders);
    *bans = (struct bans){ .loop = NULL };
}
