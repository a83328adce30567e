/* auth: the process that knows who is who. It alone writes identities: it binds miners' names to
 * the ids their shares carry. What it may lose when it dies: nothing but what it remembered to be
 * fast. Its peers: gateways (who ask), the store, inode-scheduler (heartbeat). */
#include "adapter/coin_file/coin_file.h"
#include "adapter/store_open/store_open.h"
#include "core/network/network.h"
#include "record/access/field.h"
#include "record/notice/notice_record.h"
#include "services/auth/auth.h"
#include "services/auth/form.h"
#include "services/auth/said_keys.h"

#include <sys/resource.h>

/* A gateway waits one second for an answer, a person a few. */
enum { STORE_TIMEOUT_MS_MAX = 3000 };

struct process {
    struct coin_file coin; /* where the profile is a file */
    struct service *service;
    struct auth auth;
    struct said_keys *said;
};

static const char *admin_address(const struct settings *settings)
{
    return settings->auth_admin_address;
}

static const char *http_address(const struct settings *settings)
{
    return settings->auth_http_address;
}

static struct store *open_store(void *context, struct error *error)
{
    const struct settings *settings = &((struct process *)context)->service->settings;
    int64_t timeout_ms = settings->store_timeout_ms;
    if (timeout_ms > STORE_TIMEOUT_MS_MAX)
        timeout_ms = STORE_TIMEOUT_MS_MAX;
    return store_open(settings->store_url, (unsigned)timeout_ms, error);
}

static bool reach_store(void *context, struct error *error)
{
    struct store *store = open_store(context, error);
    bool reached = store != NULL && store_ping(store, error) && account_declare(store, error) &&
                   access_declare(store, error) && notice_declare(store, error);
    if (store != NULL)
        store_close(store);
    return reached;
}

static void on_trouble(void *context, const char *what, const char *reason)
{
    service_degraded(((struct process *)context)->service, what, reason);
}

static bool read_settings(struct process *process, struct auth_options *options,
                          struct error *error)
{
    struct service *service = process->service;
    const struct settings *settings = &service->settings;
    *options = (struct auth_options){ .loop = service->loop,
                                      .bus = service->bus,
                                      .metrics = service->metrics,
                                      .settings = settings,
                                      .coin = coin_file_open(settings->chain_profile,
                                                             settings->chain_profile_folder,
                                                             &process->coin, error),
                                      .open_store = open_store,
                                      .on_trouble = on_trouble,
                                      .context = process };
    if (options->coin == NULL)
        return false;
    for (size_t i = 0; i < settings->auth_proxies.count; i++) {
        struct network proxy;
        if (!network_parse(span_text(settings->auth_proxies.items[i]), &proxy))
            return error_set(error, ERROR_INVALID,
                             "auth.proxies has \"%.64s\": write an address or a network, such as "
                             "10.0.0.0/8",
                             settings->auth_proxies.items[i]);
    }
    return settings_secret(settings, options->key.bytes, error);
}

/* Opens auth, and says which keys it signs with. */
static bool open_auth(struct process *process, const struct auth_options *options,
                      enum service_exit *code_r, struct error *error)
{
    if (!auth_open(&process->auth, options, code_r, error))
        return false;
    const struct said_keys_options said = { .loop = options->loop,
                                            .people = process->auth.people,
                                            .key = &options->key,
                                            .open_store = open_store,
                                            .on_trouble = on_trouble,
                                            .context = process };
    *code_r = SERVICE_EXIT_STORE;
    process->said = said_keys_create(&said, error);
    if (process->said == NULL)
        auth_close(&process->auth);
    return process->said != NULL;
}

static int run(struct service *service)
{
    struct process process = { .service = service };
    struct auth_options options;
    struct error error;
    /* Passwords and keys pass through this memory: no core file of it. */
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    form_wipe_memory();
    if (!read_settings(&process, &options, &error))
        return service_fail(service, SERVICE_EXIT_SETTINGS, &error);
    if (!service_wait_for(service, "the store", reach_store, &process, &error))
        return service_fail(
            service, error.code == ERROR_INVALID ? SERVICE_EXIT_SETTINGS : SERVICE_EXIT_STORE,
            &error);
    enum service_exit code;
    bool opened = open_auth(&process, &options, &code, &error);
    explicit_bzero(&options.key, sizeof options.key);
    if (!opened)
        return service_fail(service, code, &error);
    service_heartbeat(service, NULL, NULL, NULL);
    http_set_guard(service, people_guard);
    http_serve(service, people_routes, process.auth.people);
    service_ready(service);
    loop_run(service->loop);
    said_keys_destroy(process.said);
    auth_close(&process.auth);
    return SERVICE_EXIT_OK;
}

static const struct settings_list *http_proxies(const struct settings *settings)
{
    return &settings->auth_proxies;
}

static const char *const needs[] = { "store", NULL };
const struct service_definition service_definition = {
    .name = "auth",
    .admin_address = admin_address,
    .http_address = http_address,
    .http_proxies = http_proxies,
    .run = run,
    .prompt = true,
    .needs = needs,
};
