#include "services/stratum-gateway/gateway.h"

#include "service/log.h"
#include "services/stratum-gateway/control.h"
#include "services/stratum-gateway/draining.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

enum {
    TICK_MS = 100,
    DUPLICATES_BYTES_MAX = 512 << 20, /* 12 to 15 million submissions, all jobs together */
    SCHEDULER_IN_FLIGHT = 6,
    SCHEDULER_REPLY_BYTES_MAX = 8 << 20,
    NAMES_MAX = 1 << 20,
};

static bool read_params(struct gateway *gateway, const struct coin_profile **coin_r,
                        struct error *error)
{
    const struct settings *settings = gateway->settings;
    struct stratum_params usual = { .algorithm = POW_SHA256D }, *params = &usual;
    uint64_t mask;
    *coin_r = coin_file_open(settings->chain_profile, settings->chain_profile_folder,
                             &gateway->coin_file, error);
    if (*coin_r == NULL)
        return false;
    params->algorithm = (*coin_r)->algorithm;
    const char *mask_text = settings->chain_version_mask;
    if (strlen(mask_text) > 8 || !hex_decode_u64(mask_text, strlen(mask_text), &mask))
        return error_set(error, ERROR_INVALID,
                         "chain.version_mask is \"%.64s\": give up to 8 hex digits", mask_text);
    params->version_mask = (uint32_t)mask;
    params->login_timeout_ms = (uint64_t)settings->stratum_login_timeout_s * 1000;
    params->idle_timeout_ms = (uint64_t)settings->stratum_idle_timeout_s * 1000;
    params->workers_max = (uint32_t)settings->stratum_workers_max;
    params->asks_for_version = settings->stratum_ask_version;
    return profiles_read(&gateway->profiles, settings, params, error) &&
           quirks_file_read(settings, params->algorithm, &gateway->quirks, error);
}

static void on_scheduler_up(void *context)
{
    struct gateway *gateway = context;
    service_degraded(gateway->service, "scheduler", NULL);
    job_feed_ask(&gateway->feed);
}

static void on_scheduler_down(void *context)
{
    struct gateway *gateway = context;
    service_degraded(gateway->service, "scheduler", "inode-scheduler is away");
}

static bool open_scheduler(struct gateway *gateway, struct error *error)
{
    const struct settings *settings = gateway->settings;
    const struct bus_client_options options = { .in_flight_max = SCHEDULER_IN_FLIGHT,
                                                .message_bytes_max = SCHEDULER_REPLY_BYTES_MAX,
                                                .on_up = on_scheduler_up,
                                                .on_down = on_scheduler_down,
                                                .context = gateway };
    gateway->scheduler =
        bus_connect(gateway->service->bus, settings->service_scheduler_url, &options, error);
    return gateway->scheduler != NULL &&
           job_feed_open(&gateway->feed, gateway->loop, gateway->service->bus,
                         settings->service_publish_url, gateway->scheduler,
                         (uint64_t)settings->scheduler_job_memory_s * 1000, DUPLICATES_BYTES_MAX,
                         sessions_on_job, gateway, error);
}

static bool use_validators(void *dispatcher, const char (*urls)[RESOLVER_URL_BYTES], size_t count)
{
    _Static_assert((int)RESOLVER_MAX == (int)VALIDATORS_MAX, "each address has a place");
    return dispatcher_set_validators(dispatcher, urls, count);
}

static const struct job *find_job(void *context, uint64_t job_id, uint64_t *tip_gone_ms_r)
{
    const struct gateway *gateway = context;
    const struct stratum_job *job = stratum_jobs_find(&gateway->feed.table, job_id);
    if (job == NULL)
        return NULL;
    *tip_gone_ms_r = job->tip_gone_ms == 0 ? 0
                                           : loop_round_unix_ms(gateway->loop) -
                                                 (loop_now_ms(gateway->loop) - job->tip_gone_ms);
    return job->job;
}

static bool open_audits(struct gateway *gateway, struct error *error)
{
    const struct settings *settings = gateway->settings;
    if (settings->audit_rate == 0)
        return true;
    gateway->audits = audits_create(
        &(struct audits_options){ .loop = gateway->loop,
                                  .scheduler = &gateway->scheduler,
                                  .rate = (uint32_t)settings->audit_rate,
                                  .per_second = (uint32_t)settings->audit_per_second,
                                  .period_ms = (uint64_t)settings->time_hand_in_audits * 1000,
                                  .metrics = gateway->service->metrics,
                                  .find_job = find_job,
                                  .context = gateway },
        error);
    return gateway->audits != NULL;
}

static bool open_dispatcher(struct gateway *gateway, struct error *error)
{
    const struct settings *settings = gateway->settings;
    if (!open_audits(gateway, error))
        return false;
    const struct dispatcher_options options = {
        .loop = gateway->loop,
        .bus = gateway->service->bus,
        .timeout_ms = (unsigned)settings->stratum_validator_timeout_ms,
        .hold_ms = (uint64_t)settings->stratum_hold_ms,
        .shares_max = (size_t)settings->stratum_shares_held_max,
        .keep_ms = (uint64_t)settings->stratum_keep_s * 1000,
        .keep_bytes_max = (size_t)settings->stratum_keep_mib << 20,
        .job_memory_ms = (uint64_t)settings->scheduler_job_memory_s * 1000,
        .audits = gateway->audits,
        .asks_identities = true,
        .handler = sessions_on_verdict,
        .context = gateway
    };
    if (settings->stratum_validators.count == 0)
        return error_set(error, ERROR_INVALID,
                         "stratum.validators is empty: name at least one share-validator");
    gateway->dispatcher = dispatcher_create(&options);
    if (gateway->dispatcher == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory for the dispatcher");
    const struct resolver_options names = {
        .setting = "stratum.validators",
        .urls = settings->stratum_validators.items,
        .count = settings->stratum_validators.count,
        .refresh_ms = (uint64_t)settings->stratum_validators_refresh_ms,
        .use = use_validators,
        .user = gateway->dispatcher,
    };
    gateway->resolver = resolver_create(gateway->loop, &names, error);
    return gateway->resolver != NULL;
}

static bool open_authoriser(struct gateway *gateway, const struct coin_profile *coin,
                            struct error *error)
{
    const struct settings *settings = gateway->settings;
    struct identity_key key;
    struct error unread;
    size_t names = 2 * (size_t)settings->stratum_max_miners;
    bool has_key = settings_secret(settings, key.bytes, &unread);
    if (!has_key)
        log_warn("auth.no_secret", "reason=\"%s; without it nobody is let in while auth is away\"",
                 unread.text);
    const struct authoriser_options options = { .loop = gateway->loop,
                                                .bus = gateway->service->bus,
                                                .url = settings->stratum_auth_url,
                                                .names_max = names < NAMES_MAX ? names : NAMES_MAX,
                                                .coin = coin,
                                                .key = has_key ? &key : NULL,
                                                .handler = sessions_on_authorised,
                                                .context = gateway };
    gateway->authoriser = authoriser_create(&options, error);
    return gateway->authoriser != NULL;
}

static bool open_connections(struct gateway *gateway, struct error *error)
{
    const struct settings *settings = gateway->settings;
    const struct connections_options options = { .loop = gateway->loop,
                                                 .miners_max = (size_t)settings->stratum_max_miners,
                                                 .line_bytes_max =
                                                     (size_t)settings->stratum_line_bytes_max,
                                                 .on_source = sessions_on_source,
                                                 .on_line = sessions_on_line,
                                                 .on_long_line = sessions_on_long_line,
                                                 .on_closed = sessions_on_closed,
                                                 .context = gateway };
    if (!connections_init(&gateway->connections, &options, error))
        return false;
    const struct receipt_feed_options receipts = {
        .loop = gateway->loop,
        .bus = gateway->service->bus,
        .validators = &settings->stratum_validators,
        .refresh_ms = (uint64_t)settings->stratum_validators_refresh_ms,
        .connections = &gateway->connections,
        .metrics = gateway->service->metrics,
        .before = broadcast_before_receipts,
        .context = gateway
    };
    gateway->receipt_feed = receipt_feed_create(&receipts, error);
    return gateway->receipt_feed != NULL;
}

bool gateway_open(struct gateway *gateway, struct service *service, enum service_exit *exit_r,
                  struct error *error)
{
    const struct coin_profile *coin;
    memset(gateway, 0, sizeof *gateway);
    gateway->service = service;
    gateway->loop = service->loop;
    gateway->settings = &service->settings;
    broadcast_init(gateway);
    submissions_init(gateway);
    *exit_r = SERVICE_EXIT_SETTINGS;
    if (!read_params(gateway, &coin, error) || !doors_prepare(gateway, error))
        return false;
    const struct settings *settings = gateway->settings;
    names_init(&gateway->names, (uint32_t)settings->stratum_workers_max,
               (uint32_t)settings->stratum_account_workers_max);
    if (!parking_init(&gateway->parking, PARKING_PLACES,
                      (uint64_t)settings->stratum_resume_s * 1000)) {
        *exit_r = SERVICE_EXIT_BUG;
        return error_set(error, ERROR_SYSTEM, "no memory for sessions between connections");
    }
    const struct budget_params budget = {
        .share_interval_ms = (uint32_t)gateway->settings->stratum_share_interval_ms,
        .multiple = (uint32_t)gateway->settings->stratum_hash_budget,
        .burst = (uint32_t)gateway->settings->stratum_hash_burst,
    };
    hash_budgets_init(&gateway->hash_budgets, &budget);
    struct conducts_rules rules;
    if (!conducts_rules_read(&rules, gateway->settings, error))
        return false;
    uint64_t seed = service->boot_id;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        log_warn("conduct.no_random", "%s", "");
    conducts_init(&gateway->conducts, &rules, seed);
    measures_register(&gateway->measures, service->metrics);
    if (!open_connections(gateway, error) || !open_dispatcher(gateway, error) ||
        !open_authoriser(gateway, coin, error) || !open_scheduler(gateway, error))
        return false;
    if (!control_open(gateway, error)) {
        *exit_r = SERVICE_EXIT_PORT;
        return false;
    }
    bool taken;
    if (!upgrading_take(gateway, &taken, error)) {
        *exit_r = SERVICE_EXIT_BUG;
        return false;
    }
    lease_begin(gateway);
    ban_reports_begin(&gateway->ban_reports, gateway);
    gateway->tick = (struct loop_timer){ .on_due = sessions_on_tick, .context = gateway };
    loop_timer_start(gateway->loop, &gateway->tick, TICK_MS, TICK_MS);
    return true;
}

bool gateway_keep_rejects(struct gateway *gateway, struct reject_log *log, struct error *error)
{
    gateway->rejects = rejects_create(gateway->loop, log, error);
    return gateway->rejects != NULL;
}

bool gateway_has_lease(void *context, struct error *error)
{
    const struct gateway *gateway = context;
    if (gateway->lease_id != 0)
        return true;
    *error = gateway->lease_error;
    if (error->code == ERROR_INVALID) /* what another process says wrong may be mended */
        error->code = ERROR_UNAVAILABLE;
    return false;
}

/* A descriptor a miner, and some for everything else. */
static void check_descriptors(const struct gateway *gateway)
{
    enum { OTHERS = 128 };
    struct rlimit files;
    uint64_t wanted = (uint64_t)gateway->settings->stratum_max_miners + CONNECTIONS_LEAVING_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < wanted + OTHERS)
        log_warn("stratum.descriptors",
                 "limit=%" PRIu64 " wanted=%" PRIu64
                 " reason=\"fewer miners than stratum.max_miners can connect: raise the limit of "
                 "open files\"",
                 (uint64_t)files.rlim_cur, wanted + OTHERS);
}

bool gateway_listen(struct gateway *gateway, struct error *error)
{
    check_descriptors(gateway);
    return doors_open(gateway, error);
}

void gateway_reload(struct gateway *gateway)
{
    struct settings settings;
    struct error error;
    struct conducts_rules rules;
    bool read = service_read_settings(gateway->service, &settings, &error);
    bool taken = read && conducts_rules_read(&rules, &settings, &error) &&
                 doors_reload(gateway, &settings, &error) &&
                 quirks_file_read(&settings, gateway->profiles.params[0].algorithm,
                                  &gateway->quirks, &error);
    if (taken)
        gateway->conducts.rules = rules;
    if (taken)
        log_info("service.reload", "instance=%s clients=%u", gateway->service->instance,
                 gateway->quirks.count);
    else
        log_error("service.reload_refused", "reason=\"%s\"", error.text);
    if (read)
        settings_deinit(&settings);
}

void gateway_drain(struct gateway *gateway, uint64_t deadline_ms)
{
    upgrading_stop(gateway);
    doors_close(gateway);
    draining_run(gateway);
    uint64_t end_ns = loop_clock_ns() + deadline_ms * 1000000;
    gateway->stopping = true;
    connections_stop_reading(&gateway->connections);
    while (dispatcher_counts(gateway->dispatcher).held > 0 && loop_clock_ns() < end_ns)
        loop_run_once(gateway->loop, 20);
    connections_flush(&gateway->connections);
    while (gateway->audits != NULL && audits_waiting(gateway->audits) > 0 &&
           loop_clock_ns() < end_ns) {
        audits_hand_in(gateway->audits);
        loop_run_once(gateway->loop, 20);
    }
    struct dispatcher_counts counts = dispatcher_counts(gateway->dispatcher);
    if (counts.held > 0)
        log_warn("drain.unanswered", "shares=%zu", counts.held);
}

void gateway_close(struct gateway *gateway)
{
    gateway->stopping = true;
    upgrading_stop(gateway);
    ban_reports_end(&gateway->ban_reports);
    control_close(gateway);
    doors_close(gateway);
    if (loop_timer_running(&gateway->tick))
        loop_timer_stop(gateway->loop, &gateway->tick);
    if (loop_timer_running(&gateway->lease_timer))
        loop_timer_stop(gateway->loop, &gateway->lease_timer);
    receipt_feed_destroy(gateway->receipt_feed); /* its answers look for connections */
    gateway->receipt_feed = NULL;
    connections_deinit(&gateway->connections);
    doors_deinit(gateway);
    broadcast_stop(gateway);
    /* What was deferred to the end of a round still points here. */
    while (broadcast_is_under_way(&gateway->broadcast) || gateway->submissions.deferred ||
           connections_are_deferred(&gateway->connections))
        loop_run_once(gateway->loop, 0);
    resolver_destroy(gateway->resolver);
    dispatcher_destroy(gateway->dispatcher);
    authoriser_destroy(gateway->authoriser);
    job_feed_close(&gateway->feed);
    if (gateway->scheduler != NULL)
        bus_client_close(gateway->scheduler);
    audits_destroy(gateway->audits);
    hash_budgets_deinit(&gateway->hash_budgets);
    conducts_deinit(&gateway->conducts);
    extranonce_pool_deinit(&gateway->extranonces);
    parking_deinit(&gateway->parking);
    rejects_destroy(gateway->rejects);
    names_deinit(&gateway->names);
    while (gateway->spare_answers_count > 0)
        free(gateway->spare_answers[--gateway->spare_answers_count]);
}
