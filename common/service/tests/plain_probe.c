/* A small service in the plain host, for hosts_test: PROBE=fail ends at once with code 2. */
#include "service/service.h"

#include <stdlib.h>

static void reload(struct service *service)
{
    (void)service;
    log_info("probe.reload", "%s", "");
}

static int run(struct service *service)
{
    const char *probe = getenv("PROBE") != NULL ? getenv("PROBE") : "";
    if (strcmp(probe, "fail") == 0) {
        struct error error = { ERROR_UNAVAILABLE, "no node answered" };
        return service_fail(service, SERVICE_EXIT_NODE, &error);
    }
    service_ready(service);
    loop_run(service->loop);
    return SERVICE_EXIT_OK;
}

static const char *admin_address(const struct settings *settings)
{
    return settings->auth_admin_address;
}

const struct service_definition service_definition = {
    .name = "plain-probe",
    .admin_address = admin_address,
    .run = run,
    .reload = reload,
};
