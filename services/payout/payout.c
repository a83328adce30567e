#include "services/payout/payout.h"

#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    TICK_MS = 1000,
    SUMS_MS = 15000,
    WORKER_QUEUE = PAYOUT_CALLS_MAX + 2,
    MESSAGE_BYTES_MAX = 65536,
};

static void work_tick(struct worker_job *job)
{
    struct payout_tick *tick = (struct payout_tick *)job;
    struct payout *payout = (struct payout *)((char *)tick - offsetof(struct payout, tick));
    uint64_t now_ms = loop_unix_ms();
    const char *text;
    if (tick->push)
        engine_push_now(payout->engine);
    tick->step = engine_tick(payout->engine, now_ms, &tick->error);
    tick->trouble = engine_trouble(payout->engine, &text);
    snprintf(tick->trouble_text, sizeof tick->trouble_text, "%s", text);
    tick->counters = engine_counters(payout->engine);
    tick->has_sums = false;
    if (now_ms >= payout->sums_due_ms && payout->sums_sets != tick->counters.newest_set + 1) {
        struct error ignored;
        payout->sums_due_ms = now_ms + SUMS_MS;
        tick->has_sums = engine_sums(payout->store, &tick->sums, &ignored);
        if (tick->has_sums)
            payout->sums_sets = tick->counters.newest_set + 1;
    }
}

static uint64_t shown(int64_t amount)
{
    return amount > 0 ? (uint64_t)amount : 0;
}

static void show_sums(struct payout *payout, const struct engine_sums *sums)
{
    struct payout_metrics *metrics = &payout->metrics;
    const int64_t *miners = sums->kinds[LEDGER_MINER];
    uint64_t open_payments = 0;
    for (size_t i = 0; i < sizeof sums->payments / sizeof *sums->payments; i++)
        open_payments += sums->payments[i];
    metric_set(metrics->immature, shown(miners[LEDGER_IMMATURE]));
    metric_set(metrics->available, shown(miners[LEDGER_AVAILABLE]));
    metric_set(metrics->in_flight, shown(miners[LEDGER_IN_FLIGHT]));
    metric_set(metrics->paid, shown(miners[LEDGER_PAID]));
    metric_set(metrics->fee, shown(sums->kinds[LEDGER_FEE][LEDGER_AVAILABLE]));
    metric_set(metrics->unallocated, shown(sums->kinds[LEDGER_UNALLOCATED][LEDGER_AVAILABLE]));
    metric_set(metrics->loss, shown(-sums->kinds[LEDGER_LOSS][LEDGER_AVAILABLE]));
    metric_set(metrics->open_sets, sums->open_sets);
    metric_set(metrics->open_payments, open_payments);
}

static void show_counters(struct payout *payout, const struct engine_counters *now)
{
    struct payout_metrics *metrics = &payout->metrics;
    const struct engine_counters *before = &payout->shown;
    metric_add(metrics->sets, now->sets_posted - before->sets_posted);
    metric_add(metrics->snapshots, now->snapshots - before->snapshots);
    metric_add(metrics->trimmed, now->trimmed - before->trimmed);
    metric_add(metrics->sent, now->payments_sent - before->payments_sent);
    metric_add(metrics->confirmed, now->payments_confirmed - before->payments_confirmed);
    metric_add(metrics->refused, now->payments_refused - before->payments_refused);
    metric_set(metrics->newest_event, now->newest_event);
    metric_set(metrics->newest_set, now->newest_set);
    metric_set(metrics->epoch, now->epoch);
    payout->shown = *now;
}

static void show_health(struct payout *payout, const struct payout_tick *tick)
{
    static const char *const parts[] = {
        [ENGINE_STORE] = "store", [ENGINE_WINDOW] = "window", [ENGINE_NODE] = "node"
    };
    for (enum engine_part part = ENGINE_STORE; part <= ENGINE_NODE; part++)
        service_degraded(payout->service, parts[part],
                         tick->trouble == part ? tick->trouble_text : NULL);
    bool broken = tick->step == STEP_BROKEN;
    service_degraded(payout->service, "ledger", broken ? tick->error.text : NULL);
    metric_set(payout->metrics.broken, broken);
    if (!broken) {
        payout->last_broken[0] = '\0';
    } else if (strcmp(payout->last_broken, tick->error.text) != 0) {
        char safe[sizeof tick->error.text];
        snprintf(payout->last_broken, sizeof payout->last_broken, "%s", tick->error.text);
        log_error("ledger.broken", "reason=\"%s\"", log_text(tick->error.text, safe, sizeof safe));
    }
    if (tick->step == STEP_LOST) {
        payout->lost = true;
        log_warn("payout.stepped_down", "epoch=%" PRIu64, tick->counters.epoch);
        service_degraded(payout->service, "leadership",
                         "another payout leads; this one writes nothing until it is restarted");
    }
}

static void start_tick(struct payout *payout)
{
    if (payout->lost)
        return;
    if (payout->ticking) {
        payout->again = true;
        return;
    }
    payout->tick.push = payout->push_next;
    payout->push_next = false;
    payout->again = false;
    payout->ticking = worker_submit(payout->worker, &payout->tick.job);
}

static void done_tick(struct worker_job *job)
{
    struct payout_tick *tick = (struct payout_tick *)job;
    struct payout *payout = (struct payout *)((char *)tick - offsetof(struct payout, tick));
    payout->ticking = false;
    show_counters(payout, &tick->counters);
    if (tick->has_sums)
        show_sums(payout, &tick->sums);
    show_health(payout, tick);
    if (payout->again && !service_stopping(payout->service))
        start_tick(payout);
}

static void on_timer(void *context)
{
    start_tick(context);
}

/* Something moved: what it was, the store says. A new tip may also have confirmed payments. */
static void on_notice(void *context, struct span message)
{
    struct payout *payout = context;
    enum wire_type type;
    struct wire_chain_notice notice;
    struct error error;
    uint8_t memory[256];
    struct arena arena = arena_over(memory, sizeof memory);
    if (!wire_peek(message, &type, &error) || type != WIRE_TYPE_chain_notice)
        return; /* jobs and templates come this way too */
    if (!wire_decode_chain_notice(message, &arena, &notice, &error)) {
        char safe[sizeof error.text];
        log_warn("payout.notice", "reason=\"%s\"", log_text(error.text, safe, sizeof safe));
        return;
    }
    bool new_tip = memcmp(payout->tip, notice.tip_hash, sizeof payout->tip) != 0;
    memcpy(payout->tip, notice.tip_hash, sizeof payout->tip);
    payout->push_next = payout->push_next || new_tip;
    if (new_tip || notice.event_sequence > payout->shown.newest_event)
        start_tick(payout);
}

static void make_metrics(struct payout *payout)
{
    struct metrics *all = payout->service->metrics;
    struct payout_metrics *metrics = &payout->metrics;
#define COUNTER(field, beat, help)                                                                 \
    metrics->field = metrics_counter(all, "adit_payout_" #field "_total", "", help, beat)
#define GAUGE(field, beat, help)                                                                   \
    metrics->field = metrics_gauge(all, "adit_payout_" #field, "", help, beat)
    COUNTER(sets, "sets", "posting sets applied");
    COUNTER(snapshots, "snapshots", "block windows kept");
    COUNTER(trimmed, NULL, "batches trimmed from the window");
    COUNTER(sent, "payments_sent", "payments broadcast");
    COUNTER(confirmed, "payments_confirmed", "payments posted as paid");
    COUNTER(refused, NULL, "times a node refused a payment");
    GAUGE(newest_event, "event", "the newest reward event processed");
    GAUGE(newest_set, NULL, "the newest posting set");
    GAUGE(epoch, "epoch", "the leadership's epoch");
    GAUGE(open_sets, NULL, "posting sets not applied");
    GAUGE(open_payments, "payments_open", "payments neither settled nor voided");
    GAUGE(immature, "immature", "base units owed to miners from immature blocks");
    GAUGE(available, "available", "base units miners may be paid");
    GAUGE(in_flight, "in_flight", "base units in payments that are not final");
    GAUGE(paid, "paid", "base units paid to miners");
    GAUGE(fee, "fee", "base units the pool has earned and not spent");
    GAUGE(unallocated, NULL, "base units nobody had a share in");
    GAUGE(loss, NULL, "base units lost to blocks orphaned after they were paid");
    GAUGE(broken, NULL, "1 while the ledger contradicts itself");
#undef COUNTER
#undef GAUGE
}

bool payout_start(struct payout *payout, enum service_exit *code_r, struct error *error)
{
    struct service *service = payout->service;
    *code_r = SERVICE_EXIT_BUG;
    make_metrics(payout);
    payout->tick.job = (struct worker_job){ .work = work_tick, .done = done_tick };
    payout->timer = (struct loop_timer){ .on_due = on_timer, .context = payout };
    payout->worker = worker_create(service->loop, "engine", 1, WORKER_QUEUE, error);
    if (payout->worker == NULL)
        return false;
    *code_r = SERVICE_EXIT_PORT;
    payout->server = bus_serve(service->bus, service->settings.payout_listen, PAYOUT_CALLS_MAX,
                               MESSAGE_BYTES_MAX, payout_on_control, payout, error);
    if (payout->server == NULL)
        return false;
    payout->notices = bus_subscribe(service->bus, service->settings.service_publish_url,
                                    (size_t)16 << 20, on_notice, payout, error);
    if (payout->notices == NULL)
        return false;
    loop_timer_start(service->loop, &payout->timer, 0, TICK_MS);
    return true;
}

void payout_stop(struct payout *payout)
{
    loop_timer_stop(payout->service->loop, &payout->timer);
    payout->lost = true; /* no tick is started any more */
    if (payout->notices != NULL)
        bus_subscriber_close(payout->notices);
    if (payout->node != NULL)
        node_interrupt(payout->node);
    if (payout->worker != NULL)
        worker_destroy(payout->worker);
    if (payout->server != NULL)
        bus_server_close(payout->server);
}
