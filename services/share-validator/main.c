/* share-validator: judges shares. Alone it may append to the share window; it also offers the
 * blocks it finds to the nodes, before anything else. It is stateless but for its spool of block
 * candidates and of the jobs they may come from: killed at any time it loses nothing that was
 * answered, and a batch it did not answer goes to another validator under the same id. Its peers:
 * stratum-gateways (batches in, verdicts out), inode-scheduler (jobs, templates; candidates,
 * heartbeat), redis.window, the nodes. */
#include "adapter/coin_file/coin_file.h"
#include "adapter/node_rpc/node_rpc.h"
#include "adapter/window_redis/window_redis.h"
#include "services/share-validator/validator.h"

static const char *admin_address(const struct settings *settings)
{
    return settings->validator_admin_address;
}

/* `memory` holds the coin as long as the nodes are open. */
static bool open_nodes(struct validator *validator, struct coin_file *memory, struct error *error)
{
    const struct settings *settings = &validator->service->settings;
    const struct coin_profile *coin =
        coin_file_open(settings->chain_profile, settings->chain_profile_folder, memory, error);
    if (coin == NULL)
        return false;
    if (settings->chain_nodes.count == 0 || settings->chain_nodes.count > BLOCKS_NODES_MAX)
        return error_set(error, ERROR_INVALID, "chain.nodes: 1 to %d nodes can be submitted to",
                         BLOCKS_NODES_MAX);
    for (size_t i = 0; i < settings->chain_nodes.count; i++) {
        const struct node_rpc_options options = { .url = settings->chain_nodes.items[i],
                                                  .cookie_file = settings->chain_cookie_file,
                                                  .coin = coin };
        validator->nodes[i] = node_rpc_open(&options, error);
        if (validator->nodes[i] == NULL)
            return false;
        validator->node_count++;
    }
    return true;
}

static bool open_window(struct validator *validator, struct error *error)
{
    const struct settings *settings = &validator->service->settings;
    const struct window_redis_options options = {
        .url = settings->redis_window,
        .password_file = settings->redis_window_password_file,
        .outstanding_max = (unsigned)settings->validator_batches_max,
        .wait_replicas = (unsigned)settings->redis_window_wait_replicas,
        .wait_ms = (unsigned)settings->redis_window_wait_ms,
        .memory_percent_max = (unsigned)settings->redis_window_memory_percent,
        .on_state = validator_window_state,
        .on_slow = validator_window_slow,
        .context = validator,
    };
    validator->window = window_redis_writer_open(validator->service->loop, &options, error);
    return validator->window != NULL;
}

static int run(struct service *service)
{
    struct validator validator = { .service = service };
    struct coin_file coin_file; /* where the coin's profile is a file */
    struct error error;
    enum service_exit code = SERVICE_EXIT_SETTINGS;
    bool started = open_nodes(&validator, &coin_file, &error) && open_window(&validator, &error) &&
                   validator_start(&validator, &code, &error);
    if (started) {
        service_heartbeat(service, NULL, NULL, NULL);
        code = SERVICE_EXIT_WINDOW;
        started =
            service_wait_for(service, "redis.window", validator_window_reached, &validator, &error);
    }
    if (started) {
        validator_ready(&validator);
        loop_run(service->loop);
    }
    validator_stop(&validator);
    for (size_t i = 0; i < validator.node_count; i++)
        node_close(validator.nodes[i]);
    if (started || service_stopping(service))
        return SERVICE_EXIT_OK;
    return service_fail(service, code, &error);
}

static const char *const needs[] = { "redis.window", NULL };
const struct service_definition service_definition = {
    .name = "share-validator",
    .admin_address = admin_address,
    .run = run,
    .prompt = true,
    .needs = needs,
};
