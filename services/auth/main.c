/* auth: the process that knows who is who. It alone writes identities: it binds miners' names to
 * the ids their shares carry. What it may lose when it dies: nothing but what it remembered to be
 * fast. Its peers: gateways (who ask), the store, inode-scheduler (heartbeat). */
#include "adapter/http_kore/http.h"
#include "adapter/store_open/store_open.h"
#include "record/account/account.h"

struct process {
    struct service *service;
    struct store *store;
};

static const char *admin_address(const struct settings *settings)
{
    return settings->auth_admin_address;
}

static const char *http_address(const struct settings *settings)
{
    return settings->auth_http_address;
}

static bool reach_store(void *context, struct error *error)
{
    struct process *process = context;
    const struct settings *settings = &process->service->settings;
    if (process->store == NULL)
        process->store =
            store_open(settings->store_url, (unsigned)settings->store_timeout_ms, error);
    return process->store != NULL && store_ping(process->store, error) &&
           account_declare(process->store, error);
}

static int run(struct service *service)
{
    struct process process = { .service = service };
    struct error error;
    bool reached = service_wait_for(service, "the store", reach_store, &process, &error);
    if (reached) {
        service_heartbeat(service, NULL, NULL, NULL);
        service_ready(service);
        loop_run(service->loop);
    }
    if (process.store != NULL)
        store_close(process.store);
    return reached || service_stopping(service) ? SERVICE_EXIT_OK
                                                : service_fail(service, SERVICE_EXIT_STORE, &error);
}

const struct service_definition service_definition = {
    .name = "auth",
    .admin_address = admin_address,
    .http_address = http_address,
    .run = run,
};
