#include "services/inode-scheduler/scheduler.h"

#include "record/account/account.h"
#include "record/emission/emission_record.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "record/ledger/ledger_record.h"
#include "record/member/member.h"
#include "record/notice/notice_record.h"
#include "record/payment/payment_record.h"
#include "record/switch/switch.h"
#include "record/turn/turn.h"
#include "record/withdrawal/withdrawal.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CALLS_MAX = 1024,
    CALL_BYTES_MAX = 256 << 10, /* a candidate's coinbase is the longest thing we are sent */
    RECORDS_WAITING_MAX = 1024,
    READERS_WAITING_MAX = 512,
};

bool scheduler_declare(struct store *store, struct error *error)
{
    const struct store_collection *const collections[] = {
        &leader_collection,    &lease_collection,         &block_collection,
        &event_collection,     &account_collection,       &worker_collection,
        &set_collection,       &entry_collection,         &balance_collection,
        &snapshot_collection,  &snapshot_part_collection, &payment_collection,
        &proof_collection,     &switch_collection,        &withdrawal_collection,
        &validator_collection, &pool_collection,          &turn_collection,
        &stretch_collection,   &stretch_part_collection,  &task_collection,
        &dispute_collection,   &emission_collection,      &track_collection,
        &lucks_collection,     &stats_collection,         &restarts_collection,
    };
    return store_declare(store, collections, sizeof collections / sizeof *collections, error) &&
           notice_declare(store, error);
}

static void publish(void *context, struct span message)
{
    struct scheduler *scheduler = context;
    struct jobs_view view;
    bus_publish(scheduler->publisher, message);
    jobs_look(scheduler->jobs, &view);
    if (!view.any)
        return;
    metric_set(scheduler->metrics.jobs, view.sequence);
    if (scheduler->news != NULL)
        scheduler->news(scheduler->live);
    if (memcmp(view.prev_hash, scheduler->tip, 32) != 0) {
        memcpy(scheduler->tip, view.prev_hash, 32);
        tasks_tip(scheduler, view.prev_hash);
        scheduler_follow_soon(scheduler);
    }
}

static void refresh(void *context, size_t node)
{
    struct scheduler *scheduler = context;
    if (scheduler->sources != NULL)
        sources_refresh(scheduler->sources, node);
}

static void moved(void *context)
{
    struct scheduler *scheduler = context;
    handover_moved(&scheduler->handover);
}

static void on_subscriber(void *context)
{
    struct scheduler *scheduler = context;
    if (scheduler->jobs != NULL)
        jobs_repeat(scheduler->jobs);
}

static void on_draft(void *context, const struct template_box *box, const uint8_t prev_hash[32])
{
    const struct scheduler *scheduler = context;
    jobs_draft(scheduler->jobs, box, prev_hash);
}

static void on_transactions(void *context, const struct template_box *box,
                            const struct span *transactions, size_t count)
{
    const struct scheduler *scheduler = context;
    jobs_draft_add(scheduler->jobs, box, transactions, count);
}

static void on_draft_ends(void *context, const struct template_box *box)
{
    const struct scheduler *scheduler = context;
    jobs_draft_drop(scheduler->jobs, box);
}

static void on_tip(void *context, size_t node, const struct node_tip *tip, uint64_t noticed_ns)
{
    struct scheduler *scheduler = context;
    nodes_tip(&scheduler->nodes, node, tip);
    if (!jobs_tip(scheduler->jobs, node, tip, (uint32_t)(loop_unix_ms() / 1000)))
        return;
    uint64_t took_us = (loop_clock_ns() - noticed_ns) / 1000;
    metric_observe_us(scheduler->metrics.tip_to_job, took_us);
    log_info("tip.mined_on", "height=%u node=%zu took_us=%" PRIu64, tip->height, node, took_us);
}

static void on_pulse(void *context, size_t node, enum node_answer answer, uint64_t took_us,
                     const char *trouble)
{
    struct scheduler *scheduler = context;
    nodes_pulse(&scheduler->nodes, node, answer, took_us, trouble);
    follower_set_silent(scheduler->follower, node, scheduler->nodes.list[node].unreached);
    scheduler_tell_nodes(scheduler);
}

/* On a source's thread, which ends before `tips` does. */
static void on_template_begins(void *context, size_t node, const uint8_t tip[32])
{
    const struct scheduler *scheduler = context;
    tips_nudge(scheduler->tips, node, tip);
}

/* A template of this node fits (NULL), or it has none that does. */
static void on_template_state(struct scheduler *scheduler, size_t node, const char *trouble)
{
    char *known = scheduler->node_trouble[node];
    bool was_well = known[0] == '\0';
    if (trouble != NULL && was_well)
        log_warn("template.none", "reason=\"%s\"", trouble);
    else if (trouble == NULL && !was_well)
        log_info("template.again", "node=%s", node_name(scheduler->chain_nodes[node]));
    snprintf(known, FOLLOW_TEXT_BYTES, "%.*s", FOLLOW_TEXT_BYTES - 1,
             trouble != NULL ? trouble : "");
    nodes_template(&scheduler->nodes, node, trouble);
    scheduler_tell_nodes(scheduler);
    bool any = false;
    for (size_t i = 0; i < scheduler->options.world.nodes_count; i++)
        any = any || scheduler->node_trouble[i][0] == '\0';
    scheduler->options.on_trouble(scheduler->options.context, "templates", any ? NULL : known);
}

static void on_node_state(void *context, size_t node, const char *trouble)
{
    if (trouble != NULL) /* else its template comes next, and must fit first */
        on_template_state(context, node, trouble);
}

static void on_template(void *context, struct template_box *box)
{
    struct scheduler *scheduler = context;
    struct error error;
    const char *why;
    const size_t node = box->node;
    enum nodes_template judged = nodes_judge_template(
        &scheduler->nodes, node, box->content.prev_hash, box->content.height, &why);
    if (judged != NODES_TEMPLATE_FITS) {
        jobs_draft_drop(scheduler->jobs, box);
        template_box_destroy(box);
    }
    if (judged == NODES_TEMPLATE_WRONG)
        jobs_distrust(scheduler->jobs, node);
    if (judged == NODES_TEMPLATE_LATE)
        refresh(scheduler, node);
    else
        on_template_state(scheduler, node, why);
    if (judged == NODES_TEMPLATE_FITS && !jobs_take(scheduler->jobs, box, &error))
        log_error("template.refused", "reason=\"%s\"", error.text);
}

static void on_usable(void *context, size_t node, bool usable)
{
    const struct scheduler *scheduler = context;
    const struct nodes_node *known = &scheduler->nodes.list[node];
    if (!usable && known->standing == NODES_FALSE_TIP)
        jobs_distrust(scheduler->jobs, node);
    follower_set_silent(scheduler->follower, node, known->unreached);
    jobs_node_state(scheduler->jobs, node, usable);
    follower_set_aside(scheduler->follower, node, !usable);
}

static void on_differ(void *context)
{
    scheduler_follow_soon(context);
}

static const char *name_of_node(void *context, size_t node)
{
    const struct scheduler *scheduler = context;
    return node_name(scheduler->chain_nodes[node]);
}

void scheduler_tell_nodes(struct scheduler *scheduler)
{
    scheduler->options.on_trouble(scheduler->options.context, "node",
                                  nodes_trouble(&scheduler->nodes));
}

static void open_sight(struct scheduler *scheduler)
{
    const struct settings *settings = scheduler->options.settings;
    nodes_start(&scheduler->nodes,
                &(struct nodes_options){
                    .loop = scheduler->options.loop,
                    .metrics = scheduler->options.metrics,
                    .count = scheduler->options.world.nodes_count,
                    .patience_ms = (unsigned)settings->chain_node_patience_s * 1000,
                    .slow_ms = (unsigned)settings->chain_node_slow_ms,
                    .polled = settings->chain_tip_poll_ms > 0 &&
                              settings->chain_tip_poll_ms <= NODES_TICK_MS,
                    .retargets = scheduler->options.coin.retarget_interval > 1,
                    .on_usable = on_usable,
                    .on_differ = on_differ,
                    .context = scheduler,
                },
                name_of_node);
}

static void on_submit_answer(void *context, const uint8_t hash[32], size_t node,
                             enum node_submit submit, const char *answer)
{
    struct scheduler *scheduler = context;
    const char *name = node_name(scheduler->chain_nodes[node]);
    char safe[FOLLOW_TEXT_BYTES];
    char id[BLOCK_ID_BYTES];
    log_text(answer, safe, sizeof safe);
    block_id(hash, id);
    log_info("block.submitted", "by=scheduler block=%s node=%s answer=\"%s\"", id, name, safe);
    scheduler_note(scheduler, hash, false, name, safe);
    if (submit == NODE_SUBMIT_ACCEPTED || submit == NODE_SUBMIT_DUPLICATE)
        scheduler_follow_soon(scheduler);
}

static void on_submit_refused(void *context, const uint8_t hash[32])
{
    struct scheduler *scheduler = context;
    char id[BLOCK_ID_BYTES];
    block_id(hash, id);
    log_error("block.refused", "block=%s reason=\"every node refused it for good\"", id);
    scheduler_note(scheduler, hash, true, "", "");
    scheduler_follow_soon(scheduler);
}

void scheduler_deposed(struct scheduler *scheduler)
{
    if (scheduler->deposed)
        return;
    scheduler->deposed = true;
    scheduler->options.on_deposed(scheduler->options.context);
}

static void on_deposed(void *context)
{
    scheduler_deposed(context);
}

static void on_registry(void *context, const char *what, const char *reason)
{
    struct scheduler *scheduler = context;
    scheduler->options.on_trouble(scheduler->options.context, what, reason);
}

static bool is_told_to_stop(const struct scheduler *scheduler)
{
    const struct scheduler_options *options = &scheduler->options;
    return options->told_to_stop != NULL && options->told_to_stop(options->context);
}

static bool open_stores(struct scheduler *scheduler, struct error *error)
{
    const struct scheduler_world *world = &scheduler->options.world;
    struct store **const stores[] = { &scheduler->records_store,  &scheduler->chain_store,
                                      &scheduler->api_store,      &scheduler->lucks_store,
                                      &scheduler->registry_store, &scheduler->telling_store };
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        if (is_told_to_stop(scheduler))
            return error_set(error, ERROR_UNAVAILABLE, "told to stop");
        *stores[i] = world->open_store(world->context, error);
        if (*stores[i] == NULL || !scheduler_declare(*stores[i], error))
            return false;
    }
    scheduler->records_window = world->open_window(world->context, error);
    if (scheduler->records_window == NULL)
        return false;
    scheduler->chain_window = world->open_window(world->context, error);
    if (scheduler->chain_window == NULL)
        return false;
    scheduler->stats_window = world->open_window(world->context, error);
    return scheduler->stats_window != NULL && token_source_declare(scheduler->api_store, error);
}

/* Opens a handle of every node; on failure those opened are closed. */
static bool open_nodes(const struct scheduler_world *world, struct node **nodes_r,
                       struct error *error)
{
    for (size_t i = 0; i < world->nodes_count; i++) {
        nodes_r[i] = world->open_node(world->context, i, error);
        if (nodes_r[i] != NULL)
            continue;
        while (i-- > 0) {
            node_close(nodes_r[i]);
            nodes_r[i] = NULL;
        }
        return false;
    }
    return true;
}

static void close_nodes(struct node **nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] != NULL)
            node_close(nodes[i]);
        nodes[i] = NULL;
    }
}

/* What standing->taken is. */
static bool begin_epoch(struct scheduler *scheduler, struct error *error)
{
    scheduler->epoch = scheduler->standing.taken;
    if (scheduler->epoch > UINT32_MAX)
        return error_set(error, ERROR_FULL, "the leadership was taken too often for job ids");
    log_info("leader.taken", "epoch=%" PRIu64, scheduler->epoch);
    return true;
}

static bool open_workers(struct scheduler *scheduler, struct error *error)
{
    struct loop *loop = scheduler->options.loop;
    scheduler->records = worker_create(loop, "records", 1, RECORDS_WAITING_MAX, error);
    if (scheduler->records == NULL)
        return false;
    scheduler->chain = worker_create(loop, "chain", 1, 4, error);
    if (scheduler->chain == NULL)
        return false;
    scheduler->readers = worker_create(loop, "readers", 1, READERS_WAITING_MAX, error);
    if (scheduler->readers == NULL)
        return false;
    scheduler->counting = worker_create(loop, "counting", 1, 4, error);
    return scheduler->counting != NULL;
}

static bool open_jobs(struct scheduler *scheduler, struct error *error)
{
    const struct settings *settings = scheduler->options.settings;
    uint64_t mask;
    if (!hex_decode_u64(settings->chain_version_mask, strlen(settings->chain_version_mask),
                        &mask) ||
        mask > UINT32_MAX)
        return error_set(error, ERROR_INVALID,
                         "chain.version_mask must be up to 8 hex digits, e.g. 1fffe000");
    if (strlen(settings->chain_tag) > 32)
        return error_set(error, ERROR_INVALID, "chain.tag must be at most 32 bytes");
    scheduler->jobs = jobs_create(&(struct jobs_options){
        .loop = scheduler->options.loop,
        .coin = &scheduler->options.coin,
        .script = scheduler->options.script,
        .tag = span_text(settings->chain_tag),
        .version_mask = (uint32_t)mask,
        .extranonce2_bytes = (uint8_t)settings->stratum_extranonce2_bytes,
        .epoch = scheduler->epoch,
        .hold_ms = (unsigned)settings->scheduler_template_hold_ms,
        .interval_ms = (unsigned)settings->chain_template_interval_s * 1000,
        .memory_ms = (uint64_t)settings->scheduler_job_memory_s * 1000,
        .publish = publish,
        .refresh = refresh,
        .moved = moved,
        .context = scheduler,
    });
    scheduler->handover.jobs = scheduler->jobs;
    return true;
}

/* Before the threads, which tell it of every node: also while the rest is closed that could not
 * begin. */
static void open_follower(struct scheduler *scheduler)
{
    const struct settings *settings = scheduler->options.settings;
    uint32_t confirmations = settings->chain_confirmations != 0
                                 ? (uint32_t)settings->chain_confirmations
                                 : scheduler->options.coin.coinbase_maturity;
    scheduler->receiving.key = &scheduler->options.key;
    scheduler->follower = follower_create(&(struct follow_options){
        .store = scheduler->chain_store,
        .nodes = scheduler->chain_nodes,
        .nodes_count = scheduler->options.world.nodes_count,
        .window = scheduler->chain_window,
        .role = SCHEDULER_ROLE,
        .epoch = scheduler->epoch,
        .chain = scheduler->options.coin.chain,
        .script = scheduler->options.script,
        /* twice as deep as what is spendable: no reorganisation reaches there */
        .rules = { .confirmations = confirmations, .follow_depth = 2 * confirmations + 6 },
        .receiving = scheduler->receiving,
    });
}

static void create_leases(struct scheduler *scheduler)
{
    const struct settings *settings = scheduler->options.settings;
    scheduler->leases = leases_create(&(struct leases_options){
        .loop = scheduler->options.loop,
        .worker = scheduler->records,
        .store = scheduler->records_store,
        .window = scheduler->records_window,
        .role = SCHEDULER_ROLE,
        .epoch = scheduler->epoch,
        .values = (uint32_t)settings->scheduler_lease_values,
        .memory_ms = (uint64_t)settings->scheduler_job_memory_s * 1000,
        .on_deposed = on_deposed,
        .context = scheduler,
    });
}

static void on_block_heard(void *context, const uint8_t hash[32])
{
    const struct heard *heard = context;
    metric_add(heard->scheduler->metrics.notices, 1);
    tips_nudge(heard->scheduler->tips, heard->node, hash);
}

/* It is asked all the same: what is not heard costs milliseconds, no block. */
static void on_heard_state(void *context, const char *trouble)
{
    const struct heard *heard = context;
    const char *name = node_name(heard->scheduler->chain_nodes[heard->node]);
    if (trouble != NULL)
        log_warn("node.not_heard", "node=%s reason=\"%s\"", name, trouble);
    else
        log_info("node.heard", "node=%s", name);
}

static bool open_hearing(struct scheduler *scheduler, struct error *error)
{
    const struct scheduler_world *world = &scheduler->options.world;
    for (size_t i = 0; world->hear != NULL && i < world->nodes_count; i++) {
        struct heard *heard = &scheduler->heard[i];
        heard->scheduler = scheduler;
        heard->node = i;
        const struct scheduler_hearing hearing = { on_block_heard, on_heard_state, heard };
        if (!world->hear(world->context, i, &hearing, &heard->heard, error))
            return false;
    }
    return true;
}

static void close_hearing(struct scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->options.world.nodes_count; i++) {
        if (scheduler->heard[i].heard != NULL)
            scheduler->options.world.hear_no_more(scheduler->heard[i].heard);
        scheduler->heard[i].heard = NULL;
    }
}

static bool open_threads(struct scheduler *scheduler, struct error *error)
{
    const struct scheduler_world *world = &scheduler->options.world;
    struct node *nodes[FOLLOW_NODES_MAX] = { 0 };
    if (!open_nodes(world, nodes, error))
        return false;
    scheduler->submitter =
        submitter_create(&(struct submit_options){ .loop = scheduler->options.loop,
                                                   .nodes = nodes,
                                                   .count = world->nodes_count,
                                                   .on_answer = on_submit_answer,
                                                   .on_refused = on_submit_refused,
                                                   .context = scheduler },
                         error);
    if (scheduler->submitter == NULL) {
        close_nodes(nodes, world->nodes_count);
        return false;
    }
    if (!open_nodes(world, nodes, error))
        return false;
    scheduler->tips = tips_create(
        &(struct tips_options){ .loop = scheduler->options.loop,
                                .nodes = nodes,
                                .count = world->nodes_count,
                                .poll_ms = (unsigned)scheduler->options.settings->chain_tip_poll_ms,
                                .on_tip = on_tip,
                                .on_pulse = on_pulse,
                                .context = scheduler },
        error);
    if (scheduler->tips == NULL || !open_nodes(world, nodes, error))
        return false;
    scheduler->sources =
        sources_create(&(struct sources_options){ .loop = scheduler->options.loop,
                                                  .nodes = nodes,
                                                  .count = world->nodes_count,
                                                  .on_template = on_template,
                                                  .on_state = on_node_state,
                                                  .on_begin = on_template_begins,
                                                  .on_draft = on_draft,
                                                  .on_transactions = on_transactions,
                                                  .on_draft_ends = on_draft_ends,
                                                  .context = scheduler },
                       error);
    return scheduler->sources != NULL;
}

/* What everybody dials is ours where nothing else is said. */
static const char *own_address(const char *own, const char *everybodys)
{
    return own[0] != '\0' ? own : everybodys;
}

/* Where all are dialled at several addresses, each must be told which is its own: before it leads.
 */
static bool check_own_addresses(const struct settings *settings, struct error *error)
{
    const struct {
        const char *name, *address;
    } own[] = {
        { "scheduler.listen",
          own_address(settings->scheduler_listen, settings->service_scheduler_url) },
        { "scheduler.publish",
          own_address(settings->scheduler_publish, settings->service_publish_url) },
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strchr(own[i].address, ',') != NULL)
            return error_set(error, ERROR_INVALID,
                             "%s must say which of the addresses %.200s is this one's", own[i].name,
                             own[i].address);
    return true;
}

static bool open_publisher(struct scheduler *scheduler, struct error *error)
{
    const struct settings *settings = scheduler->options.settings;
    scheduler->publisher =
        bus_publisher_open(scheduler->options.bus,
                           own_address(settings->scheduler_publish, settings->service_publish_url),
                           on_subscriber, scheduler, error);
    scheduler->address_refused = scheduler->publisher == NULL;
    return scheduler->publisher != NULL;
}

static bool open_server(struct scheduler *scheduler, struct error *error)
{
    const struct settings *settings = scheduler->options.settings;
    scheduler->server =
        bus_serve(scheduler->options.bus,
                  own_address(settings->scheduler_listen, settings->service_scheduler_url),
                  CALLS_MAX, CALL_BYTES_MAX, scheduler_on_call, scheduler, error);
    scheduler->address_refused = scheduler->server == NULL;
    return scheduler->server != NULL;
}

static void open_metrics(struct scheduler *scheduler)
{
    struct metrics *metrics = scheduler->options.metrics;
    scheduler->metrics = (struct scheduler_metrics){
        .tip_to_job = metrics_histogram(metrics, "adit_scheduler_tip_to_job_seconds",
                                        "from when a new tip's hash was known to the job on it "
                                        "that waits for no template"),
        .jobs = metrics_counter(metrics, "adit_scheduler_jobs_total", "",
                                "jobs published in this epoch", "jobs"),
        .candidates = metrics_counter(metrics, "adit_scheduler_candidates_total", "",
                                      "block candidates recorded", "candidates"),
        .events = metrics_counter(metrics, "adit_scheduler_events_total", "",
                                  "reward events written", "events"),
        .leases = metrics_gauge(metrics, "adit_scheduler_leases", "",
                                "leases of extranonce1 values alive", "leases"),
        .luck_alarms = metrics_counter(
            metrics, "adit_scheduler_luck_alarms_total", "",
            "accounts and workers that hand in fewer blocks than chance explains", NULL),
        .series = metrics_gauge(metrics, "adit_scheduler_series", "",
                                "accounts and workers whose hashrate is kept", NULL),
        .series_dropped = metrics_gauge(metrics, "adit_scheduler_series_dropped", "",
                                        "of them that gave way to others since the start", NULL),
        .notices = metrics_counter(metrics, "adit_scheduler_notices_total", "",
                                   "new blocks that nodes published over ZeroMQ", NULL),
        .height = metrics_gauge(metrics, "adit_scheduler_height", "", "height of the best chain",
                                "height"),
        .leading = metrics_gauge(metrics, "adit_scheduler_leading", "",
                                 "1 where this scheduler leads, 0 where it stands by", "leading"),
        .refused_messages = metrics_counter(metrics, "adit_scheduler_refused_messages_total", "",
                                            "messages that made no sense", NULL),
        .unfollowed = registry_timer_failures(metrics, "check_interval"),
    };
}

static bool open_registry(struct scheduler *scheduler, struct error *error)
{
    const struct scheduler_options *options = &scheduler->options;
    struct store *store = scheduler->registry_store; /* the registry's from here on */
    scheduler->registry_store = NULL;
    scheduler->registry =
        registry_create(&(struct registry_options){ .loop = options->loop,
                                                    .store = store,
                                                    .role = SCHEDULER_ROLE,
                                                    .epoch = scheduler->epoch,
                                                    .coin = &options->coin,
                                                    .settings = options->settings,
                                                    .metrics = options->metrics,
                                                    .pool = scheduler->pool_id,
                                                    .on_report = tasks_outside_report,
                                                    .on_trouble = on_registry,
                                                    .on_deposed = on_deposed,
                                                    .context = scheduler },
                        error);
    return scheduler->registry != NULL;
}

/* Nothing here waits for the store: nobody renews while it runs. */
static bool open_leading(struct scheduler *scheduler, struct error *error)
{
    if (!open_jobs(scheduler, error))
        return false;
    open_sight(scheduler);
    open_follower(scheduler);
    if (!open_server(scheduler, error) || !open_threads(scheduler, error))
        return false;
    commitment_start(scheduler); /* the first job has it already */
    leases_start(scheduler->leases);
    return open_registry(scheduler, error) && open_hearing(scheduler, error) &&
           telling_start(scheduler, error);
}

static void on_read(struct scheduler *scheduler)
{
    struct error error;
    if (!open_leading(scheduler, &error)) {
        scheduler_unable(scheduler, &error);
        return;
    }
    scheduler->leading = true;
    bans_listen(&scheduler->bans);
    scheduler_start_following(scheduler);
    tasks_lead(scheduler);
    scheduler->options.on_leading(scheduler->options.context);
}

/* The listeners' connections come while the store is read. */
static bool begin_to_lead(struct scheduler *scheduler, struct error *error)
{
    if (!begin_epoch(scheduler, error) ||
        !open_nodes(&scheduler->options.world, scheduler->chain_nodes, error) ||
        !open_publisher(scheduler, error))
        return false;
    create_leases(scheduler);
    opening_begin(scheduler, on_read);
    return true;
}

void scheduler_lead(struct scheduler *scheduler)
{
    struct error error;
    if (!begin_to_lead(scheduler, &error))
        scheduler_unable(scheduler, &error);
}

void scheduler_unable(struct scheduler *scheduler, const struct error *error)
{
    scheduler->lead_error = *error;
    scheduler->lead_failed = true;
    scheduler_deposed(scheduler);
}

/* Whom the API asks. */
static bool open_peers(struct scheduler *scheduler, struct error *error)
{
    const struct settings *settings = scheduler->options.settings;
    const struct {
        const char *setting;
        const struct settings_list *urls;
        struct peers *peers;
    } kinds[] = {
        { "stratum.validators", &settings->stratum_validators, &scheduler->validators },
        { "scheduler.payouts", &settings->scheduler_payouts, &scheduler->payouts },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct peers_options options = {
            .loop = scheduler->options.loop,
            .bus = scheduler->options.bus,
            .setting = kinds[i].setting,
            .urls = kinds[i].urls,
            .refresh_ms = (uint64_t)settings->stratum_validators_refresh_ms,
        };
        if (!peers_open(kinds[i].peers, &options, error))
            return false;
    }
    return true;
}

bool scheduler_open(struct scheduler *scheduler, const struct scheduler_options *options,
                    struct error *error)
{
    memset(scheduler, 0, sizeof *scheduler);
    scheduler->options = *options;
    scheduler->tokens.file = options->settings->payout_auth_keys;
    scheduler->tokens.secret = &scheduler->options.key;
    health_init(&scheduler->health, options->loop);
    bans_init(&scheduler->bans, options->loop);
    scheduler->stats = stats_create(loop_unix_ms());
    stats_keep_every(scheduler->stats, (uint64_t)options->settings->time_keep_series * 1000);
    scheduler->lucks = lucks_create();
    ASSERT(scheduler->lucks != NULL);
    open_metrics(scheduler);
    /* A script without an address (tests') is its own name. */
    if (!address_format(&options->coin, output_script_span(&options->script), scheduler->pool_id))
        hex_encode(output_script_span(&options->script), scheduler->pool_id);
    bool ok = options->world.nodes_count >= 1 && options->world.nodes_count <= FOLLOW_NODES_MAX;
    if (!ok)
        error_fill(error, ERROR_INVALID, "chain.nodes must name 1 to %d nodes", FOLLOW_NODES_MAX);
    ok = ok && check_own_addresses(options->settings, error) &&
         scheduler_check(options->settings, &scheduler->options.coin, &options->script,
                         &scheduler->receiving, error) &&
         open_stores(scheduler, error) && open_workers(scheduler, error) &&
         standing_open(scheduler, error) && tasks_open(scheduler, error);
    if (ok && standing_take_now(scheduler))
        ok = begin_to_lead(scheduler, error);
    ok = ok && open_peers(scheduler, error);
    if (!ok) {
        scheduler_close(scheduler);
        return false;
    }
    scheduler_start_counting(scheduler);
    standing_start(scheduler);
    return true;
}

static void stop_timers(struct scheduler *scheduler)
{
    struct loop_timer *const timers[] = { &scheduler->follow_timer, &scheduler->follow_soon,
                                          &scheduler->stats_timer,  &scheduler->summary_timer,
                                          &scheduler->health_timer, &scheduler->commitment.timer };
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++)
        loop_timer_stop(scheduler->options.loop, timers[i]);
}

static void end_worker(struct worker **worker)
{
    if (*worker != NULL)
        worker_destroy(*worker);
    *worker = NULL;
}

void scheduler_close(struct scheduler *scheduler)
{
    scheduler->stopping = true;
    stop_timers(scheduler);
    standing_stop(scheduler);
    opening_stop(scheduler);
    if (scheduler->lead_failed)
        standing_close(scheduler); /* what was taken is free, however long the rest takes */
    nodes_stop(&scheduler->nodes);
    if (scheduler->jobs != NULL)
        jobs_stop(scheduler->jobs);
    if (scheduler->follower != NULL)
        follower_stop(scheduler->follower);
    /* No new requests; the answers owed to old ones go out while the workers end. */
    for (size_t i = 0; i < scheduler->options.world.nodes_count; i++)
        if (scheduler->chain_nodes[i] != NULL)
            node_interrupt(scheduler->chain_nodes[i]);
    close_hearing(scheduler);
    sources_destroy(scheduler->sources);
    scheduler->sources = NULL;
    tips_destroy(scheduler->tips);
    scheduler->tips = NULL;
    submitter_destroy(scheduler->submitter);
    tasks_stop(scheduler);
    end_worker(&scheduler->records);
    end_worker(&scheduler->chain);
    end_worker(&scheduler->readers);
    end_worker(&scheduler->counting);
    telling_stop(scheduler);
    registry_destroy(scheduler->registry);
    scheduler->registry = NULL;
    standing_close(scheduler);
    leases_destroy(scheduler->leases);
    handover_end(&scheduler->handover);
    peers_close(&scheduler->validators);
    peers_close(&scheduler->payouts);
    bans_deinit(&scheduler->bans);
    free(scheduler->proofs_limit);
    if (scheduler->server != NULL)
        bus_server_close(scheduler->server);
    if (scheduler->publisher != NULL)
        bus_publisher_close(scheduler->publisher);
    follower_destroy(scheduler->follower);
    jobs_destroy(scheduler->jobs);
    close_nodes(scheduler->chain_nodes, scheduler->options.world.nodes_count);
    if (scheduler->records_window != NULL)
        window_reader_close(scheduler->records_window);
    if (scheduler->chain_window != NULL)
        window_reader_close(scheduler->chain_window);
    if (scheduler->stats_window != NULL)
        window_reader_close(scheduler->stats_window);
    if (scheduler->registry_store != NULL)
        store_close(scheduler->registry_store);
    if (scheduler->telling_store != NULL)
        store_close(scheduler->telling_store);
    if (scheduler->api_store != NULL)
        store_close(scheduler->api_store);
    if (scheduler->lucks_store != NULL)
        store_close(scheduler->lucks_store);
    if (scheduler->chain_store != NULL)
        store_close(scheduler->chain_store);
    if (scheduler->records_store != NULL)
        store_close(scheduler->records_store);
    proof_trees_destroy(scheduler->proof_trees);
    reject_log_close(scheduler->api_rejects);
    tasks_close(scheduler);
    stats_destroy(scheduler->stats);
    lucks_destroy(scheduler->lucks);
    health_deinit(&scheduler->health);
}
