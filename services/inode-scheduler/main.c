/* inode-scheduler: the process that faces the chain. It alone says what the chain says: it makes
 * the jobs, grants the gateways' leases, records blocks and writes reward events, and it answers
 * for the pool over HTTP. What it may lose when it dies: its live series (read again from the
 * window); all else is in the store. Its peers: the nodes, everyone's heartbeats, redis.window
 * (read), the store. */
#include "adapter/cache_redis/reject_log_redis.h"
#include "adapter/coin_file/coin_file.h"
#include "adapter/node_rpc/node_rpc.h"
#include "adapter/node_zmq/node_zmq.h"
#include "adapter/store_open/store_open.h"
#include "adapter/window_redis/window_redis.h"
#include "services/inode-scheduler/api.h"
#include "services/inode-scheduler/inode.h"
#include "services/inode-scheduler/live.h"

#include <stdio.h>

struct process {
    struct service *service;
    struct coin_file coin_file; /* where the profile is a file */
    const struct coin_profile *coin;
    char address[ADDRESS_TEXT_BYTES];
    struct output_script script;
    bool deposed;
    struct scheduler scheduler;
};

enum { WINDOW_TIMEOUT_MS = 1000 };

static const char *admin_address(const struct settings *settings)
{
    return settings->scheduler_admin_address;
}

static const char *http_address(const struct settings *settings)
{
    return settings->scheduler_http_address;
}

static struct store *open_store(void *context, struct error *error)
{
    const struct settings *settings = &((struct process *)context)->service->settings;
    return store_open(settings->store_url, (unsigned)settings->store_timeout_ms, error);
}

/* Who renews must not wait longer than others wait for it. */
static struct store *open_lease_store(void *context, struct error *error)
{
    const struct settings *settings = &((struct process *)context)->service->settings;
    int64_t most_ms = settings->scheduler_lease_ms / 2;
    return store_open(
        settings->store_url,
        (unsigned)(settings->store_timeout_ms < most_ms ? settings->store_timeout_ms : most_ms),
        error);
}

static struct node *open_node(void *context, size_t index, struct error *error)
{
    const struct process *process = context;
    const struct settings *settings = &process->service->settings;
    return node_rpc_open(&(struct node_rpc_options){ .url = settings->chain_nodes.items[index],
                                                     .cookie_file = settings->chain_cookie_file,
                                                     .coin = process->coin },
                         error);
}

static bool hear(void *context, size_t index, const struct scheduler_hearing *hearing,
                 void **heard_r, struct error *error)
{
    const struct process *process = context;
    const struct settings_list *addresses = &process->service->settings.chain_zmq_hashblock;
    *heard_r = NULL;
    if (index >= addresses->count || strcmp(addresses->items[index], "-") == 0)
        return true;
    *heard_r = node_zmq_open(&(struct node_zmq_options){ .loop = process->service->loop,
                                                         .address = addresses->items[index],
                                                         .on_block = hearing->on_block,
                                                         .on_state = hearing->on_state,
                                                         .context = hearing->context },
                             error);
    return *heard_r != NULL || error_prefix(error, "chain.zmq_hashblock");
}

static void hear_no_more(void *heard)
{
    node_zmq_close(heard);
}

static struct window_reader *open_window(void *context, struct error *error)
{
    const struct settings *settings = &((struct process *)context)->service->settings;
    return window_redis_reader_open(
        &(struct window_redis_options){ .url = settings->redis_window,
                                        .password_file = settings->redis_window_password_file,
                                        .timeout_ms = WINDOW_TIMEOUT_MS },
        error);
}

static struct reject_log *open_rejects(void *context, struct error *error)
{
    const struct settings *settings = &((struct process *)context)->service->settings;
    return reject_log_redis_open(settings->redis_cache, WINDOW_TIMEOUT_MS, error);
}

/* chain.address, or the first line of chain.address_file. */
static bool read_address(struct process *process, struct error *error)
{
    const struct settings *settings = &process->service->settings;
    snprintf(process->address, sizeof process->address, "%s", settings->chain_address);
    if (process->address[0] == '\0') {
        FILE *file = fopen(settings->chain_address_file, "re");
        bool read = file != NULL && fgets(process->address, sizeof process->address, file) != NULL;
        if (file != NULL)
            fclose(file);
        if (!read)
            return error_set(error, ERROR_INVALID,
                             "chain.address is empty and %s cannot be read: name an address of "
                             "the pool's wallet that blocks pay to",
                             settings->chain_address_file);
        process->address[strcspn(process->address, " \t\r\n")] = '\0';
    }
    enum address_outcome outcome =
        address_parse(process->coin, span_text(process->address), &process->script, NULL);
    return outcome == ADDRESS_OK ||
           error_set(error, ERROR_INVALID, "chain.address \"%s\" on %s: %s", process->address,
                     process->coin->name, address_outcome_text(outcome));
}

static bool read_settings(struct process *process, struct error *error)
{
    const struct settings *settings = &process->service->settings;
    process->coin = coin_file_open(settings->chain_profile, settings->chain_profile_folder,
                                   &process->coin_file, error);
    if (process->coin == NULL)
        return false;
    if (settings->chain_nodes.count == 0 || settings->chain_nodes.count > FOLLOW_NODES_MAX)
        return error_set(error, ERROR_INVALID, "chain.nodes must name 1 to %d nodes",
                         FOLLOW_NODES_MAX);
    if (settings->chain_zmq_hashblock.count > settings->chain_nodes.count)
        return error_set(error, ERROR_INVALID,
                         "chain.zmq_hashblock names more addresses than chain.nodes has nodes");
    struct receiving_options receiving;
    return read_address(process, error) &&
           scheduler_check(settings, process->coin, &process->script, &receiving, error);
}

static bool reach_store(void *context, struct error *error)
{
    struct store *store = open_store(context, error);
    bool reached = store != NULL && scheduler_declare(store, error);
    if (store != NULL)
        store_close(store);
    return reached;
}

static void interrupt_node(void *context)
{
    node_interrupt(context);
}

static bool check_node(struct process *process, size_t index, struct error *error)
{
    struct node *node = open_node(process, index, error);
    struct node_chain chain;
    bool valid = false;
    if (node == NULL)
        return false;
    service_set_interrupt(process->service, interrupt_node, node);
    bool ok = node_chain(node, &chain, error) == NODE_OK;
    if (ok && strcmp(chain.chain, process->coin->chain) != 0)
        ok = error_set(error, ERROR_REFUSED,
                       "node %s follows the chain \"%s\", but chain.profile \"%s\" is of \"%s\"",
                       node_name(node), chain.chain, process->coin->name, process->coin->chain);
    ok = ok && node_validate_address(node, process->address, &valid, error) == NODE_OK;
    if (ok && !valid)
        ok = error_set(error, ERROR_REFUSED, "node %s does not take chain.address \"%s\"",
                       node_name(node), process->address);
    service_set_interrupt(process->service, NULL, NULL);
    node_close(node);
    return ok;
}

/* One node of the right chain that knows our address will do; the others may come later. */
static bool reach_node(void *context, struct error *error)
{
    struct process *process = context;
    const size_t count = process->service->settings.chain_nodes.count;
    for (size_t i = 0; i < count && !service_stopping(process->service); i++)
        if (check_node(process, i, error))
            return true;
    return false;
}

static void on_trouble(void *context, const char *what, const char *reason)
{
    service_degraded(((struct process *)context)->service, what, reason);
}

static void on_deposed(void *context)
{
    struct process *process = context;
    process->deposed = true;
    loop_stop(process->service->loop);
}

/* A reader may ask either; what it is told may be old where another leads. */
static void on_leading(void *context)
{
    const struct process *process = context;
    http_stand_by(process->service, NULL);
}

static bool told_to_stop(void *context)
{
    return service_stopping(((const struct process *)context)->service);
}

static bool open_scheduler(void *context, struct error *error)
{
    struct process *process = context;
    struct service *service = process->service;
    struct scheduler_options options = {
        .loop = service->loop,
        .bus = service->bus,
        .metrics = service->metrics,
        .settings = &service->settings,
        .coin = *process->coin,
        .script = process->script,
        .world = { open_store, open_node, open_window, open_rejects, process,
                   service->settings.chain_nodes.count, hear, hear_no_more, open_lease_store },
        .instance = service->instance,
        .boot_id = service->boot_id,
        .on_trouble = on_trouble,
        .on_leading = on_leading,
        .on_deposed = on_deposed,
        .told_to_stop = told_to_stop,
        .context = process,
    };
    return settings_secret(&service->settings, options.key.bytes, error) &&
           scheduler_open(&process->scheduler, &options, error);
}

/* Why it could not begin. */
static enum service_exit exit_of(const struct scheduler *scheduler, const struct error *error)
{
    return scheduler->address_refused     ? SERVICE_EXIT_PORT
           : error->code == ERROR_INVALID ? SERVICE_EXIT_SETTINGS
                                          : SERVICE_EXIT_STORE;
}

/* Ready is what stands by, or leads. */
static void serve(struct process *process)
{
    struct service *service = process->service;
    struct scheduler *scheduler = &process->scheduler;
    while (scheduler_begins(scheduler) && !service_stopping(service))
        loop_run_once(service->loop, -1);
    if (process->deposed || service_stopping(service)) {
        scheduler_close(scheduler);
        return;
    }
    if (!scheduler->leading)
        http_stand_by(service, "this inode-scheduler stands by; another leads");
    struct inode *inode = inode_create(scheduler);
    struct live *live = live_create(scheduler, service);
    http_serve(service, api_routes, scheduler);
    service_ready(service);
    loop_run(service->loop);
    scheduler_close(scheduler);
    live_destroy(live);
    inode_destroy(inode);
}

static int run(struct service *service)
{
    struct process process = { .service = service };
    struct error error;
    if (!read_settings(&process, &error))
        return service_fail(service, SERVICE_EXIT_SETTINGS, &error);
    if (!service_wait_for(service, "the store", reach_store, &process, &error))
        return service_stopping(service) ? SERVICE_EXIT_OK
                                         : service_fail(service, SERVICE_EXIT_STORE, &error);
    if (!service_wait_for(service, "a node", reach_node, &process, &error))
        return service_stopping(service) ? SERVICE_EXIT_OK
                                         : service_fail(service, SERVICE_EXIT_NODE, &error);
    if (!open_scheduler(&process, &error))
        return service_fail(service, exit_of(&process.scheduler, &error), &error);
    service_heartbeat(service, NULL, NULL, NULL);
    serve(&process);
    if (!process.deposed)
        return SERVICE_EXIT_OK;
    if (process.scheduler.lead_failed)
        return service_fail(service, exit_of(&process.scheduler, &process.scheduler.lead_error),
                            &process.scheduler.lead_error);
    const char *other = process.scheduler.standing.seen.instance;
    error_fill(&error, ERROR_REFUSED, "another inode-scheduler took the leadership%s%.80s%s",
               other[0] != '\0' ? ": instance " : "", other,
               strcmp(other, service->instance) == 0 ? ", which is this one's name too" : "");
    return service_fail(service, SERVICE_EXIT_PEER, &error);
}

static const struct settings_list *http_proxies(const struct settings *settings)
{
    return &settings->scheduler_proxies;
}

static const char *const needs[] = { "templates", "chain", "store", NULL };
const struct service_definition service_definition = {
    .name = "inode-scheduler",
    .admin_address = admin_address,
    .http_address = http_address,
    .http_proxies = http_proxies,
    .run = run,
    .needs = needs,
};
