/* payout: the only writer of balances, and the only one that trims the share window. It reads the
 * scheduler's reward events, shares each block by the window that ends with its share, and pays
 * from the node's wallet. What it may lose when it dies: nothing; it goes on from the store. Its
 * peers: inode-scheduler (notices, heartbeat), redis.window, the store, a node's wallet. */
#include "adapter/coin_file/coin_file.h"
#include "adapter/node_rpc/node_rpc.h"
#include "adapter/store_open/store_open.h"
#include "adapter/window_redis/window_redis.h"
#include "record/notice/notice_record.h"
#include "services/payout/payout.h"

enum {
    CANDIDATE_WAIT_MS = 30000,
    CARE_MS = 15000,
    REACH_WINDOW_MS = 1000,
    PROBE_TIMEOUT_MS = 1000
};

static const char *admin_address(const struct settings *settings)
{
    return settings->payout_admin_address;
}

static bool open_store(void *context, struct error *error)
{
    struct payout *payout = context;
    const struct settings *settings = &payout->service->settings;
    if (payout->store == NULL)
        payout->store =
            store_open(settings->store_url, (unsigned)settings->store_timeout_ms, error);
    return payout->store != NULL && engine_declare(payout->store, error) &&
           notice_declare(payout->store, error) && token_source_declare(payout->store, error);
}

/* By a reader of its own: a signal must not wait as long as work may for the window. */
static bool reach_window(void *context, struct error *error)
{
    const struct settings *settings = &((struct payout *)context)->service->settings;
    const struct window_redis_options options = { .url = settings->redis_window,
                                                  .password_file =
                                                      settings->redis_window_password_file,
                                                  .timeout_ms = REACH_WINDOW_MS };
    struct window_reader *reader = window_redis_reader_open(&options, error);
    const bool reached = reader != NULL && window_ping(reader, error);
    if (reader != NULL)
        window_reader_close(reader);
    return reached;
}

static bool open_lease_store(void *context, struct error *error)
{
    struct payout *payout = context;
    const struct settings *settings = &payout->service->settings;
    payout->lease_store =
        store_open(settings->store_url, (unsigned)settings->store_timeout_ms, error);
    return payout->lease_store != NULL;
}

static void fill_options(struct payout *payout, const struct coin_profile *coin)
{
    const struct settings *settings = &payout->service->settings;
    uint32_t confirmations = (uint32_t)settings->payout_confirmations;
    process_name(0, payout->process);
    payout->options = (struct engine_options){
        .instance = payout->service->instance,
        .boot_id = payout->service->boot_id,
        .process = payout->process,
        .coin = coin,
        .scheme = payout->terms.scheme,
        .window_percent = payout->terms.window_percent,
        .window_work = payout->terms.window_work,
        .fee_basis_points = payout->terms.fee_basis_points,
        .classes = payout->terms.classes,
        .class_count = payout->terms.class_count,
        .block_reward = payout->terms.block_reward,
        .stretch_interval_ms = payout->terms.stretch_interval_ms,
        .miners_may_owe = settings->reward_miners_may_owe,
        /* What a coinbase must be buried by is deep enough for a payment, too. */
        .payment = { confirmations,
                     confirmations > coin->coinbase_maturity ? confirmations
                                                             : coin->coinbase_maturity,
                     (uint32_t)settings->payout_bump_blocks },
        .pays = settings->payout_enabled,
        .threshold = { (uint64_t)settings->payout_threshold },
        .outputs_max = (uint32_t)settings->payout_outputs_max,
        .fee_rate_max = (uint64_t)settings->payout_fee_rate_max,
        .day_max = { (uint64_t)settings->payout_day_max },
        .approve_above = { (uint64_t)settings->payout_approve_above },
        .approvals = (uint32_t)settings->payout_approvals,
        .requests_open = (uint32_t)settings->payout_requests_open,
        .requests_day = (uint32_t)settings->payout_requests_day,
        .dry_run = settings->payout_dry_run,
        .push_interval_ms = (uint64_t)settings->time_push_tx * 1000,
        .trim_interval_ms = CARE_MS,
        .segment_shares = (uint64_t)settings->payout_segment_shares,
        .segment_lag_ms = (uint64_t)settings->payout_segment_lag_s * 1000,
        .raw_shares = (uint64_t)settings->payout_window_shares,
        .candidate_wait_ms = CANDIDATE_WAIT_MS,
    };
}

/* The settings that are words. */
static bool read_limits(struct payout *payout, struct error *error)
{
    const struct settings *settings = &payout->service->settings;
    payout->options.receivers_pay = strcmp(settings->payout_fee_from, "receivers") == 0;
    if (!payout->options.receivers_pay && strcmp(settings->payout_fee_from, "pool") != 0)
        return error_set(error, ERROR_INVALID,
                         "payout.fee_from: \"%s\" is neither pool nor receivers",
                         settings->payout_fee_from);
    for (size_t i = 0; i < settings->payout_hours.count; i++) {
        const char *text = settings->payout_hours.items[i];
        u128 hour;
        if (!u128_parse(text, strlen(text), &hour) || hour > 23)
            return error_set(error, ERROR_INVALID,
                             "payout.hours: \"%s\" is no hour of the day (0 to 23)", text);
        payout->options.hours |= 1u << (unsigned)hour;
    }
    return true;
}

/* Who may tell payout to pay, to approve or to pause: on this host whoever may open the socket's
 * folder, from others whoever has an operator's token. */
static bool read_listen(struct payout *payout, struct error *error)
{
    const struct settings *settings = &payout->service->settings;
    payout->asks_tokens = strncmp(settings->payout_listen, "ipc://", 6) != 0;
    if (strncmp(settings->payout_listen, "tcp://", 6) == 0)
        return error_set(
            error, ERROR_INVALID,
            "payout.listen: tcp:// would let everybody read operators' tokens and give "
            "orders about money; use ipc:// on this host, tls+tcp:// between hosts");
    payout->tokens.file = settings->payout_auth_keys;
    payout->tokens.secret = &payout->options.key;
    return true;
}

/* The wallet is the first node's. It is not waited for: without it payments wait, and only they. */
static bool open_world(struct payout *payout, struct coin_file *coin_file,
                       enum service_exit *code_r, struct error *error)
{
    struct service *service = payout->service;
    const struct settings *settings = &service->settings;
    *code_r = SERVICE_EXIT_SETTINGS;
    const struct coin_profile *coin =
        coin_file_open(settings->chain_profile, settings->chain_profile_folder, coin_file, error);
    if (coin == NULL)
        return false;
    if (!payout_terms_read(settings, &payout->terms, error))
        return false;
    if (settings->chain_nodes.count == 0)
        return error_set(error, ERROR_INVALID, "chain.nodes: there is no node to pay from");
    struct window_redis_options window = { .url = settings->redis_window,
                                           .password_file = settings->redis_window_password_file };
    payout->window = window_redis_reader_open(&window, error);
    window.timeout_ms = PROBE_TIMEOUT_MS;
    if (payout->window == NULL ||
        (payout->probe.window = window_redis_reader_open(&window, error)) == NULL)
        return false;
    const struct node_rpc_options node = { .url = settings->chain_nodes.items[0],
                                           .cookie_file = settings->chain_cookie_file,
                                           .wallet = settings->chain_wallet,
                                           .coin = coin };
    payout->node = node_rpc_open(&node, error);
    if (payout->node == NULL)
        return false;
    fill_options(payout, coin);
    if (!read_limits(payout, error) || !read_listen(payout, error) ||
        !settings_secret(settings, payout->options.key.bytes, error))
        return false;
    *code_r = SERVICE_EXIT_STORE;
    if (!service_wait_for(service, "the store", open_store, payout, error) ||
        !service_wait_for(service, "the store", open_lease_store, payout, error))
        return false;
    *code_r = SERVICE_EXIT_WINDOW;
    return service_wait_for(service, "redis.window", reach_window, payout, error);
}

static int run(struct service *service)
{
    struct payout payout = { .service = service };
    struct coin_file coin_file; /* where the coin's profile is a file */
    struct error error;
    enum service_exit code = SERVICE_EXIT_OK;
    bool started =
        open_world(&payout, &coin_file, &code, &error) && payout_start(&payout, &code, &error);
    if (started) {
        service_heartbeat(service, NULL, NULL, NULL);
        service_ready(service);
        loop_run(service->loop);
    }
    payout_stop(&payout);
    if (payout.node != NULL)
        node_close(payout.node);
    if (payout.probe.window != NULL)
        window_reader_close(payout.probe.window);
    if (payout.window != NULL)
        window_reader_close(payout.window);
    if (payout.lease_store != NULL)
        store_close(payout.lease_store);
    if (payout.store != NULL)
        store_close(payout.store);
    if (started || service_stopping(service))
        return SERVICE_EXIT_OK;
    return service_fail(service, code, &error);
}

static const char *const needs[] = { "store", "window", NULL };
const struct service_definition service_definition = {
    .name = "payout",
    .admin_address = admin_address,
    .run = run,
    .needs = needs,
};
