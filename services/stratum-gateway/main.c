/* stratum-gateway: where miners connect.
 *
 * It alone holds miners' sockets: it reads their lines, keeps their sessions, sends them jobs and
 * passes their shares on. It decides nothing that counts: a share is judged and kept by a
 * share-validator, a name by auth, a job and the block of extranonces by inode-scheduler. What it
 * loses when it dies is its connections (miners reconnect) and shares not yet answered; a share
 * that a miner saw accepted is in the window. Several may run, each with a lease of its own.
 *
 * Peers: miners (TCP, TLS, WebSocket), inode-scheduler (jobs, lease, heartbeat), auth,
 * share-validators. */
#include "adapter/cache_redis/reject_log_redis.h"
#include "service/log.h"
#include "services/stratum-gateway/gateway.h"

enum { DRAIN_MS = 2000, CACHE_TIMEOUT_MS = 1000 };

static const char *admin_address(const struct settings *settings)
{
    return settings->stratum_admin_address;
}

static bool keep_rejects(struct service *service, struct gateway *gateway, struct error *error)
{
    struct reject_log *log =
        reject_log_redis_open(service->settings.redis_cache, CACHE_TIMEOUT_MS, error);
    if (log == NULL || gateway_keep_rejects(gateway, log, error))
        return log != NULL;
    reject_log_close(log);
    return false;
}

static int mine(struct service *service, struct gateway *gateway)
{
    enum service_exit code;
    struct error error;
    if (!gateway_open(gateway, service, &code, &error))
        return service_fail(service, code, &error);
    if (!keep_rejects(service, gateway, &error))
        return service_fail(service, SERVICE_EXIT_SETTINGS, &error);
    service_heartbeat(service, &gateway->lease_id, lease_on_beat, gateway);
    if (!service_wait_for(service, "inode-scheduler", gateway_has_lease, gateway, &error))
        return service_fail(service, SERVICE_EXIT_PEER, &error);
    if (!gateway_listen(gateway, &error))
        return service_fail(service,
                            error.code == ERROR_INVALID ? SERVICE_EXIT_SETTINGS : SERVICE_EXIT_PORT,
                            &error);
    service_ready(service);
    loop_run(service->loop);
    gateway_drain(gateway, DRAIN_MS);
    return SERVICE_EXIT_OK;
}

static int run(struct service *service)
{
    struct gateway gateway;
    service->context = &gateway;
    int code = mine(service, &gateway);
    service->context = NULL;
    gateway_close(&gateway);
    return code;
}

static void reload(struct service *service)
{
    if (service->context != NULL)
        gateway_reload(service->context);
}

static const char *const needs[] = { "validators", "jobs", NULL };
const struct service_definition service_definition = {
    .name = "stratum-gateway",
    .admin_address = admin_address,
    .run = run,
    .reload = reload,
    .prompt = true,
    .needs = needs,
};
