#include "services/payout/payout.h"

#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    TICK_MS = 1000,
    SUMS_MS = 15000,
    WALLET_MS = 60000,
    SHORT_LOOKS = 2,
    WORKER_QUEUE = PAYOUT_CALLS_MAX + 2,
    MESSAGE_BYTES_MAX = 65536,
};

static struct payout *payout_of(struct payout_tick *tick)
{
    return (struct payout *)((char *)tick - offsetof(struct payout, tick));
}

static uint64_t clock_ms(void)
{
    return loop_clock_ns() / 1000000;
}

/* Standing by: takes over where the leader's record says so. */
static bool take_lead(struct payout *payout, struct payout_tick *tick)
{
    struct leader leader = { 0 };
    struct leader_look look = { .instance = payout->options.instance,
                                .boot_id = payout->options.boot_id,
                                .lease_ms = (uint64_t)payout->service->settings.payout_lease_ms,
                                .began_ms = clock_ms() };
    enum store_outcome outcome = leader_read(payout->store, ENGINE_ROLE, &leader, &tick->error);
    look.ended_ms = clock_ms();
    tick->other = leader;
    if (outcome == STORE_DONE || outcome == STORE_MISSING) {
        look.process_ended = process_life(leader.process) == PROCESS_ENDED;
        enum leader_watched watched =
            leader_watch_look(&payout->watch, outcome == STORE_DONE ? &leader : NULL, &look);
        tick->namesake = watched == LEADER_NAMESAKE;
        if (watched != LEADER_LAPSED)
            return false;
        payout->engine = engine_take_over(&payout->options, payout->store, payout->window,
                                          payout->node, loop_unix_ms(), leader.epoch, &tick->error);
    } else {
        /* While nobody can ask the store, the leader cannot renew either. */
        payout->watch.since_ms = look.ended_ms;
    }
    if (payout->engine == NULL) {
        tick->step = STEP_AWAY;
        tick->trouble = ENGINE_STORE;
        snprintf(tick->trouble_text, sizeof tick->trouble_text, "%s", tick->error.text);
        return false;
    }
    /* From here on the lease is renewed, however long the first step takes. */
    atomic_store(&payout->leading_epoch, engine_counters(payout->engine).epoch);
    return true;
}

static void step_down(struct payout *payout)
{
    atomic_store(&payout->leading_epoch, 0);
    engine_close(payout->engine);
    payout->engine = NULL;
    /* When it leads again it reads all of it anew. */
    payout->sums_sets = payout->sums_due_ms = payout->wallet_due_ms = 0;
    payout->watch = (struct leader_watch){ .looked = false };
}

static void step_engine(struct payout *payout, struct payout_tick *tick)
{
    uint64_t now_ms = loop_unix_ms();
    const char *text;
    tick->step = STEP_WAIT;
    tick->trouble = ENGINE_NONE;
    tick->has_sums = tick->has_wallet = tick->namesake = false;
    tick->leads = payout->engine != NULL || take_lead(payout, tick);
    if (!tick->leads)
        return;
    if (tick->push) {
        engine_push_now(payout->engine);
        payout->wallet_due_ms = payout->sums_due_ms = 0;
    }
    tick->step = engine_tick(payout->engine, now_ms, &tick->error);
    tick->trouble = engine_trouble(payout->engine, &text);
    snprintf(tick->trouble_text, sizeof tick->trouble_text, "%s", text);
    tick->counters = engine_counters(payout->engine);
    if (tick->step == STEP_LOST) {
        step_down(payout);
        return;
    }
    if (now_ms >= payout->wallet_due_ms && tick->trouble == ENGINE_NONE && payout->node != NULL) {
        struct error ignored;
        payout->wallet_due_ms = now_ms + WALLET_MS;
        tick->has_wallet = node_wallet_balance(payout->node, &tick->wallet, &ignored) == NODE_OK;
    }
    if (now_ms >= payout->sums_due_ms && payout->sums_sets != tick->counters.newest_set + 1) {
        struct error ignored;
        payout->sums_due_ms = now_ms + SUMS_MS;
        tick->has_sums = engine_sums(payout->store, &tick->sums, &ignored);
        if (tick->has_sums)
            payout->sums_sets = tick->counters.newest_set + 1;
    }
}

/* A step that has nothing to write would not notice that it could not. */
static void ask_store(struct payout *payout, struct payout_tick *tick)
{
    struct error error;
    const bool doubted = payout->store_doubted;
    payout->store_doubted = tick->trouble == ENGINE_NONE && !store_writable(payout->store, &error);
    /* a single one may have met a long write of another's */
    if (!payout->store_doubted || !doubted)
        return;
    tick->trouble = ENGINE_STORE;
    snprintf(tick->trouble_text, sizeof tick->trouble_text, "%s", error.text);
}

static void work_tick(struct worker_job *job)
{
    struct payout_tick *tick = (struct payout_tick *)job;
    struct payout *payout = payout_of(tick);
    step_engine(payout, tick);
    ask_store(payout, tick);
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
    payout->owed = shown(miners[LEDGER_AVAILABLE]);
    metric_set(metrics->immature, shown(miners[LEDGER_IMMATURE]));
    metric_set(metrics->available, shown(miners[LEDGER_AVAILABLE]));
    metric_set(metrics->in_flight, shown(miners[LEDGER_IN_FLIGHT]));
    metric_set(metrics->paid, shown(miners[LEDGER_PAID]));
    metric_set(metrics->fee, shown(sums->kinds[LEDGER_FEE][LEDGER_AVAILABLE]));
    metric_set(metrics->unallocated,
               shown(sums->kinds[LEDGER_UNALLOCATED][LEDGER_AVAILABLE] +
                     sums->kinds[LEDGER_UNALLOCATED_POOLS][LEDGER_AVAILABLE] +
                     sums->kinds[LEDGER_UNALLOCATED_VALIDATORS][LEDGER_AVAILABLE]));
    metric_set(metrics->reserve, shown(sums->kinds[LEDGER_RESERVE][LEDGER_AVAILABLE]));
    metric_set(metrics->loss, shown(-sums->kinds[LEDGER_LOSS][LEDGER_AVAILABLE]));
    metric_set(metrics->open_sets, sums->open_sets);
    metric_set(metrics->open_payments, open_payments);
}

/* Solvency: what the wallet could spend next to what miners may be paid. Both are read at their own
 * times, so one look alone says nothing. */
static void show_wallet(struct payout *payout, const struct payout_tick *tick)
{
    char text[160];
    uint64_t owed = payout->owed;
    bool short_now = tick->wallet < owed;
    bool was_short = payout->short_looks >= SHORT_LOOKS;
    metric_set(payout->metrics.wallet, tick->wallet);
    metric_set(payout->metrics.wallet_read, 1);
    payout->short_looks = short_now ? payout->short_looks + !was_short : 0;
    if (payout->short_looks >= SHORT_LOOKS && !was_short)
        log_error("solvency.short", "wallet=%" PRIu64 " owed=%" PRIu64, tick->wallet, owed);
    bool is_short = payout->short_looks >= SHORT_LOOKS;
    snprintf(text, sizeof text, "the wallet could spend %" PRIu64 ", miners are owed %" PRIu64,
             tick->wallet, owed);
    service_degraded(payout->service, "solvency", is_short ? text : NULL);
    metric_set(payout->metrics.insolvent, is_short ? owed - tick->wallet : 0);
}

/* Who leads no more knows nothing of the money. */
static void forget_sums(struct payout *payout)
{
    const struct engine_sums none = { .accounts = 0 };
    show_sums(payout, &none);
    payout->short_looks = 0;
    metric_set(payout->metrics.wallet, 0);
    metric_set(payout->metrics.wallet_read, 0);
    metric_set(payout->metrics.insolvent, 0);
    service_degraded(payout->service, "solvency", NULL);
}

static void show_counters(struct payout *payout, const struct engine_counters *now)
{
    struct payout_metrics *metrics = &payout->metrics;
    const struct engine_counters none = { 0 }; /* an engine counts from its opening */
    const struct engine_counters *before =
        now->epoch == payout->shown.epoch ? &payout->shown : &none;
    metric_add(metrics->sets, now->sets_posted - before->sets_posted);
    metric_add(metrics->snapshots, now->snapshots - before->snapshots);
    metric_add(metrics->segments, now->segments - before->segments);
    metric_set(metrics->window_open_shares, now->open_shares);
    metric_add(metrics->trimmed, now->trimmed - before->trimmed);
    metric_add(metrics->sent, now->payments_sent - before->payments_sent);
    metric_add(metrics->confirmed, now->payments_confirmed - before->payments_confirmed);
    metric_add(metrics->refused, now->payments_refused - before->payments_refused);
    metric_set(metrics->reserve_missing, now->reserve_missing);
    metric_set(metrics->newest_event, now->newest_event);
    metric_set(metrics->newest_set, now->newest_set);
    metric_set(metrics->epoch, now->epoch);
    payout->shown = *now;
}

static const char *const parts[] = {
    [ENGINE_STORE] = "store", [ENGINE_WINDOW] = "window", [ENGINE_NODE] = "node"
};

static void show_health(struct payout *payout, const struct payout_tick *tick)
{
    for (enum engine_part part = ENGINE_STORE; part <= ENGINE_NODE; part++)
        if (part != ENGINE_WINDOW)
            service_degraded(payout->service, parts[part],
                             tick->trouble == part ? tick->trouble_text : NULL);
    snprintf(payout->window_trouble, sizeof payout->window_trouble, "%s",
             tick->trouble == ENGINE_WINDOW ? tick->trouble_text : "");
    payout_show_window(payout);
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
}

/* A payout that stands by is well: it waits for the other's end. */
static void show_role(struct payout *payout, const struct payout_tick *tick)
{
    char safe[LEADER_INSTANCE_BYTES * 2];
    bool leads = tick->leads && tick->step != STEP_LOST;
    service_degraded(payout->service, "instance",
                     tick->namesake ? "another payout leads under this one's name: give each its "
                                      "own --instance"
                                    : NULL);
    if (tick->step == STEP_LOST) {
        log_warn("payout.stepped_down", "epoch=%" PRIu64, tick->counters.epoch);
        forget_sums(payout);
    } else if (!leads && (payout->led || !payout->role_shown) && tick->step != STEP_AWAY)
        log_info("payout.stands_by", "leader=\"%s\" epoch=%" PRIu64,
                 log_text(tick->other.instance, safe, sizeof safe), tick->other.epoch);
    payout->role_shown = payout->role_shown || leads || tick->step == STEP_WAIT;
    payout->led = leads || tick->step == STEP_LOST;
    payout->leader = tick->other;
    metric_set(payout->metrics.leading, leads);
}

static void start_tick(struct payout *payout)
{
    if (payout->stopping)
        return;
    if (payout->ticking) {
        payout->again = true;
        return;
    }
    payout->tick.push = payout->push_next;
    payout->push_next = false;
    payout->again = false;
    payout->tick.begun_ms = loop_now_ms(payout->service->loop);
    payout->ticking = worker_submit(payout->worker, &payout->tick.job);
}

static void done_tick(struct worker_job *job)
{
    struct payout_tick *tick = (struct payout_tick *)job;
    struct payout *payout = payout_of(tick);
    payout->ticking = false;
    metric_observe_us(payout->metrics.turn,
                      (loop_now_ms(payout->service->loop) - tick->begun_ms) * 1000);
    if (tick->leads)
        show_counters(payout, &tick->counters);
    show_role(payout, tick);
    bool leads_now = tick->leads && tick->step != STEP_LOST;
    if (leads_now && tick->has_sums)
        show_sums(payout, &tick->sums);
    if (leads_now && tick->has_wallet)
        show_wallet(payout, tick);
    show_health(payout, tick);
    if (tick->trouble != ENGINE_NONE || tick->step == STEP_AWAY)
        metric_add(
            payout->metrics.failures[tick->trouble != ENGINE_NONE ? tick->trouble : ENGINE_STORE],
            1);
    if (payout->again && !service_stopping(payout->service))
        start_tick(payout);
}

static void on_timer(void *context)
{
    start_tick(context);
}

static struct payout *payout_of_beat(struct payout_beat *beat)
{
    return (struct payout *)((char *)beat - offsetof(struct payout, beat));
}

static void work_beat(struct worker_job *job)
{
    struct payout_beat *beat = (struct payout_beat *)job;
    struct error error;
    beat->outcome =
        leader_renew(payout_of_beat(beat)->lease_store, ENGINE_ROLE, beat->epoch, &error);
}

static void done_beat(struct worker_job *job)
{
    struct payout_beat *beat = (struct payout_beat *)job;
    struct payout *payout = payout_of_beat(beat);
    payout->beating = false;
    if (beat->outcome == STORE_CONFLICT)
        start_tick(payout); /* which learns that it leads no more */
}

/* Four times in a lease: a leader renews it, who stands by looks at it. */
static void on_lease_timer(void *context)
{
    struct payout *payout = context;
    payout->beat.epoch = atomic_load(&payout->leading_epoch);
    if (payout->beat.epoch == 0)
        start_tick(payout);
    else if (!payout->beating)
        payout->beating = worker_submit(payout->lessor, &payout->beat.job);
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
    metrics->turn = metrics_histogram(all, "adit_payout_turn_seconds",
                                      "a look at events, sets and payments, with what it does");
    COUNTER(sets, "sets", "posting sets applied");
    COUNTER(snapshots, "snapshots", "block windows kept");
    COUNTER(segments, NULL, "stretches of the window closed into segments");
    GAUGE(window_open_shares, NULL, "shares of the window that no segment holds, as last counted");
    COUNTER(trimmed, NULL, "batches trimmed from the window");
    COUNTER(sent, "payments_sent", "payments broadcast");
    COUNTER(confirmed, "payments_confirmed", "payments posted as paid");
    COUNTER(refused, NULL, "times a node refused a payment");
    for (enum engine_part part = ENGINE_STORE; part <= ENGINE_NODE; part++) {
        char label[32];
        snprintf(label, sizeof label, "away=\"%s\"", parts[part]);
        metrics->failures[part] =
            metrics_counter(all, "adit_payout_failures_total", label,
                            "turns that were cut short, and are taken again", NULL);
    }
    GAUGE(newest_event, "event", "the newest reward event processed");
    GAUGE(newest_set, NULL, "the newest posting set");
    GAUGE(epoch, "epoch", "the leadership's epoch");
    GAUGE(leading, "leading", "1 while this payout leads, 0 while it stands by");
    GAUGE(open_sets, NULL, "posting sets not applied");
    GAUGE(open_payments, "payments_open", "payments neither settled nor voided");
    GAUGE(immature, "immature", "base units owed to miners from immature blocks");
    GAUGE(available, "available", "base units miners may be paid");
    GAUGE(in_flight, "in_flight", "base units in payments that are not final");
    GAUGE(paid, "paid", "base units paid to miners");
    GAUGE(fee, "fee", "base units the pool has earned and not spent");
    GAUGE(unallocated, NULL, "base units nobody had a share in");
    GAUGE(loss, NULL, "base units lost to blocks orphaned after they were paid");
    GAUGE(reserve, "reserve", "base units the reserve may spend");
    GAUGE(reserve_missing, "reserve_missing",
          "base units the reserve lacks to buy a share; then none is bought");
    COUNTER(audits, NULL, "audits made by itself");
    GAUGE(audited, "audited",
          "unix time of the last audit, made by itself or asked for, in seconds");
    GAUGE(audit_differences, "audit_differences", "what it found");
    GAUGE(wallet, "wallet", "base units the wallet could spend");
    GAUGE(wallet_read, "wallet_read", "1 where that is known");
    GAUGE(insolvent, "insolvent", "base units that the wallet has less than miners may be paid");
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
    payout->beat.job = (struct worker_job){ .work = work_beat, .done = done_beat };
    payout->lease_timer = (struct loop_timer){ .on_due = on_lease_timer, .context = payout };
    payout->worker = worker_create(service->loop, "engine", 1, WORKER_QUEUE, error);
    if (payout->worker == NULL)
        return false;
    payout->lessor = worker_create(service->loop, "lease", 1, 1, error);
    if (payout->lessor == NULL)
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
    *code_r = SERVICE_EXIT_BUG;
    if (!payout_daily_start(payout, error) || !payout_probe_start(payout, error))
        return false;
    loop_timer_start(service->loop, &payout->timer, 0, TICK_MS);
    uint64_t quarter_ms = (uint64_t)service->settings.payout_lease_ms / 4;
    loop_timer_start(service->loop, &payout->lease_timer, quarter_ms, quarter_ms);
    return true;
}

void payout_stop(struct payout *payout)
{
    loop_timer_stop(payout->service->loop, &payout->timer);
    loop_timer_stop(payout->service->loop, &payout->lease_timer);
    payout->stopping = true;
    if (payout->notices != NULL)
        bus_subscriber_close(payout->notices);
    if (payout->node != NULL)
        node_interrupt(payout->node);
    payout_daily_stop(payout);
    payout_probe_stop(payout);
    if (payout->worker != NULL)
        worker_destroy(payout->worker);
    if (payout->lessor != NULL)
        worker_destroy(payout->lessor);
    if (payout->engine != NULL) {
        struct error ignored; /* where it cannot be said, the lease lapses */
        (void)!leader_release(payout->store, ENGINE_ROLE, engine_counters(payout->engine).epoch,
                              &ignored);
        engine_close(payout->engine);
        payout->engine = NULL;
    }
    if (payout->server != NULL)
        bus_server_close(payout->server);
}
