/* The life of a process: prepare, open, run, close; ready and degraded in between. */
#include "service/inside.h"
#include "wire/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

static int say_and_fail(const char *name, enum service_exit code, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", name, error->text);
    return (int)code;
}

static char *copy_of(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    ASSERT((copy == NULL) == (text == NULL));
    return copy;
}

bool service_read_settings(const struct service *service, struct settings *settings_r,
                           struct error *error)
{
    return settings_load(settings_r, service->life->config, service->life->data_dir,
                         service->instance, error);
}

bool service_prepare(struct service *service, const struct service_definition *definition, int argc,
                     char **argv, int *exit_r)
{
    struct error error;
    struct service_arguments arguments;
    memset(service, 0, sizeof *service);
    service->name = definition->name;
    *exit_r = SERVICE_EXIT_OK;
    if (!arguments_parse(argc, argv, &arguments, &error)) {
        *exit_r = say_and_fail(definition->name, SERVICE_EXIT_SETTINGS, &error);
        return false;
    }
    if (arguments.print_help)
        arguments_print_help(definition);
    else if (arguments.print_version)
        printf("%s %s\n", definition->name, service_version);
    else if (arguments.print_example)
        settings_print_example(stdout);
    if (arguments.print_help || arguments.print_version || arguments.print_example)
        return false;
    if (!settings_load(&service->settings, arguments.config, arguments.data_dir, arguments.instance,
                       &error)) {
        *exit_r = say_and_fail(definition->name, SERVICE_EXIT_SETTINGS, &error);
        return false;
    }
    if (arguments.check_config) {
        printf("%s: the settings are good\n",
               arguments.config != NULL ? arguments.config : definition->name);
        settings_deinit(&service->settings);
        return false;
    }
    service->life = calloc(1, sizeof *service->life);
    ASSERT(service->life != NULL);
    service->life->definition = definition;
    pthread_mutex_init(&service->life->interrupt_mutex, NULL);
    service->life->signals.fd = -1;
    service->instance = strdup(arguments.instance);
    ASSERT(service->instance != NULL);
    service->life->config = copy_of(arguments.config);
    service->life->data_dir = copy_of(arguments.data_dir);
    service->started_ms = loop_unix_ms();
    enum log_level level = LOG_INFO;
    ASSERT(log_level_parse(service->settings.service_log_level, &level));
    log_open(service->name, service->instance, level);
    return true;
}

/* mkdir -p, for this user alone. */
static bool make_folder(const char *path, struct error *error)
{
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return error_set(error, ERROR_INVALID, "service.data_dir is too long");
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return error_system(error, errno, "the folder %s cannot be made (service.data_dir)",
                                part);
    }
    return access(path, W_OK | X_OK) == 0 ||
           error_system(error, errno, "the folder %s cannot be written to (service.data_dir)",
                        path);
}

bool service_make_folders(const struct service *service, struct error *error)
{
    char run[4200];
    umask(077);
    snprintf(run, sizeof run, "%s/run", service->settings.service_data_dir);
    return make_folder(service->settings.service_data_dir, error) && make_folder(run, error);
}

static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void on_signal(void *context, uint32_t ready)
{
    struct service *service = context;
    (void)ready;
    struct signalfd_siginfo info;
    while (read(service->life->signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGHUP)
            service_stop(service);
        else if (service->life->definition->reload != NULL)
            service->life->definition->reload(service);
    }
}

/* Blocked in every thread made from here on, so that only the loop takes them. */
static bool take_over_signals(struct service *service, struct error *error)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
        return error_set(error, ERROR_SYSTEM, "signals cannot be blocked");
    struct loop_source *source = &service->life->signals;
    source->fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (source->fd < 0)
        return error_system(error, errno, "signalfd");
    source->on_ready = on_signal;
    source->context = service;
    return loop_add(service->loop, source, EPOLLIN, error);
}

static bool open_loop(struct service *service, bool take_signals, struct error *error)
{
    service->loop = loop_create(error);
    if (service->loop == NULL)
        return false;
    return !take_signals || take_over_signals(service, error);
}

static void on_alive(void *context)
{
    (void)context;
    notify_supervisor("WATCHDOG=1");
}

bool service_open(struct service *service, bool take_signals, int *exit_r)
{
    struct error error;
    signal(SIGPIPE, SIG_IGN);
    raise_limits();
    if (getrandom(&service->boot_id, sizeof service->boot_id, 0) !=
        (ssize_t)sizeof service->boot_id)
        service->boot_id = loop_clock_ns() ^ (uint64_t)getpid() << 40;
    service->metrics = metrics_create();
    service->life->beats_answered =
        metrics_counter(service->metrics, "adit_heartbeats_total", "outcome=\"answered\"",
                        "Heartbeats to inode-scheduler.", NULL);
    service->life->beats_lost =
        metrics_counter(service->metrics, "adit_heartbeats_total", "outcome=\"lost\"", "", NULL);
    if (!service_make_folders(service, &error)) {
        *exit_r = service_fail(service, SERVICE_EXIT_SETTINGS, &error);
        return false;
    }
    if (!open_loop(service, take_signals, &error)) {
        *exit_r = service_fail(service, SERVICE_EXIT_BUG, &error);
        return false;
    }
    const char *address = service->life->definition->admin_address(&service->settings);
    service->life->admin = admin_create(service, address, &error);
    if (service->life->admin == NULL) {
        *exit_r = service_fail(
            service, error.code == ERROR_INVALID ? SERVICE_EXIT_SETTINGS : SERVICE_EXIT_PORT,
            &error);
        return false;
    }
    log_info("admin.listen", "address=%s", admin_bound(service->life->admin));
    notify_supervisor("X_ADIT_ADMIN=%s\nSTATUS=starting", admin_bound(service->life->admin));
    service->life->alive = (struct loop_timer){ .on_due = on_alive };
    if (notify_alive_ms() > 0)
        loop_timer_start(service->loop, &service->life->alive, 0, notify_alive_ms());
    return true;
}

int service_run(struct service *service)
{
    log_info("service.start", "version=%s pid=%d boot_id=%016" PRIx64, service_version, getpid(),
             service->boot_id);
    int code = service->life->definition->run(service);
    log_info("service.exit", "code=%d", code);
    return code;
}

void service_close(struct service *service)
{
    if (service->life == NULL)
        return;
    heartbeat_destroy(service->life->heartbeat);
    if (service->bus != NULL)
        bus_destroy(service->bus);
    admin_destroy(service->life->admin);
    if (service->loop != NULL) {
        loop_timer_stop(service->loop, &service->life->alive);
        loop_remove(service->loop, &service->life->signals);
    }
    if (service->life->signals.fd >= 0)
        close(service->life->signals.fd);
    loop_destroy(service->loop);
    metrics_destroy(service->metrics);
    free(service->life->config);
    free(service->life->data_dir);
    pthread_mutex_destroy(&service->life->interrupt_mutex);
    free(service->life);
    free((void *)(uintptr_t)service->instance);
    settings_deinit(&service->settings);
    memset(service, 0, sizeof *service);
}

void service_stop(struct service *service)
{
    if (!atomic_exchange(&service->life->stopping, true)) {
        log_info("service.stopping", "%s", "");
        notify_supervisor("STOPPING=1\nSTATUS=stopping");
    }
    pthread_mutex_lock(&service->life->interrupt_mutex);
    if (service->life->interrupt != NULL)
        service->life->interrupt(service->life->interrupt_context);
    pthread_mutex_unlock(&service->life->interrupt_mutex);
    loop_stop_from_anywhere(service->loop);
}

void service_set_interrupt(struct service *service, void (*interrupt)(void *context), void *context)
{
    pthread_mutex_lock(&service->life->interrupt_mutex);
    service->life->interrupt = interrupt;
    service->life->interrupt_context = context;
    if (interrupt != NULL && service_stopping(service))
        interrupt(context);
    pthread_mutex_unlock(&service->life->interrupt_mutex);
}

int service_fail(struct service *service, enum service_exit code, const struct error *error)
{
    char safe[sizeof error->text];
    /* What fails because the process was told to go is no failure. */
    if (service_stopping(service)) {
        log_info("service.interrupted", "by=\"%s\"", log_text(error->text, safe, sizeof safe));
        return SERVICE_EXIT_OK;
    }
    log_error("service.failed", "exit=%d reason=\"%s\"", (int)code,
              log_text(error->text, safe, sizeof safe));
    notify_supervisor("STATUS=%s\nX_ADIT_FAILED=%s\nEXIT_STATUS=%d", safe, safe, (int)code);
    return say_and_fail(service->name, code, error);
}

static void say_waiting(struct service *service, const char *what, const struct error *error,
                        uint64_t now_ms, uint64_t *said_ms)
{
    struct service_life *life = service->life;
    snprintf(life->waiting_for, sizeof life->waiting_for, "%s", what);
    log_text(error->text, life->waiting_reason, sizeof life->waiting_reason);
    if (*said_ms != 0 && now_ms - *said_ms < 1000)
        return;
    *said_ms = now_ms;
    log_warn("startup.waiting", "for=\"%s\" reason=\"%s\"", what, life->waiting_reason);
    notify_supervisor("STATUS=waiting for %s: %s", what, life->waiting_reason);
}

bool service_wait_for(struct service *service, const char *what,
                      bool (*attempt)(void *context, struct error *error), void *context,
                      struct error *error)
{
    enum { PAUSE_MS = 200 };
    const uint64_t deadline_s = (uint64_t)service->settings.startup_deadline_s;
    const uint64_t deadline_ms = loop_clock_ns() / 1000000 + deadline_s * 1000;
    uint64_t said_ms = 0;
    bool done = false;
    for (;;) {
        if (service_stopping(service)) {
            error_fill(error, ERROR_UNAVAILABLE, "told to stop while waiting for %s", what);
            break;
        }
        done = attempt(context, error);
        /* What is invalid stays so. */
        if (done || error->code == ERROR_INVALID)
            break;
        uint64_t now_ms = loop_clock_ns() / 1000000;
        if (now_ms >= deadline_ms) {
            error_fill_prefix(error, "%s was not there within %" PRIu64 " s", what, deadline_s);
            break;
        }
        say_waiting(service, what, error, now_ms, &said_ms);
        const uint64_t next_ms = now_ms + PAUSE_MS < deadline_ms ? now_ms + PAUSE_MS : deadline_ms;
        for (; now_ms < next_ms && !service_stopping(service); now_ms = loop_clock_ns() / 1000000)
            loop_run_once(service->loop, (int)(next_ms - now_ms));
    }
    service->life->waiting_for[0] = '\0';
    return done;
}

void service_ready(struct service *service)
{
    service->life->ready = true;
    log_info("service.ready", "took_ms=%" PRIu64, loop_unix_ms() - service->started_ms);
    notify_supervisor("READY=1\nSTATUS=running");
}

void service_degraded(struct service *service, const char *what, const char *reason)
{
    struct service_degradation *place = NULL;
    for (size_t i = 0; i < SERVICE_DEGRADED_MAX; i++) {
        struct service_degradation *one = &service->life->degraded[i];
        if (one->reason[0] != '\0' && strncmp(one->what, what, sizeof one->what - 1) == 0) {
            place = one;
            break;
        }
        if (one->reason[0] == '\0' && place == NULL)
            place = one;
    }
    if (place == NULL)
        return; /* sixteen troubles are shown; the log has the rest */
    const bool was = place->reason[0] != '\0';
    if (reason == NULL) {
        place->reason[0] = '\0';
        if (was)
            log_info("service.restored", "what=\"%s\"", what);
    } else {
        if (!was)
            place->since_ms = loop_now_ms(service->loop);
        snprintf(place->what, sizeof place->what, "%s", what);
        log_text(reason[0] != '\0' ? reason : "away", place->reason, sizeof place->reason);
        if (!was)
            log_warn("service.degraded", "what=\"%s\" reason=\"%s\"", what, place->reason);
    }
    const struct service_degradation *first = service_first_degraded(service);
    if (was != (reason != NULL) && service->life->ready)
        notify_supervisor("STATUS=%s%s%s%s", first != NULL ? "degraded: " : "running",
                          first != NULL ? first->what : "", first != NULL ? ": " : "",
                          first != NULL ? first->reason : "");
}

bool service_stopping(const struct service *service)
{
    return service->life != NULL && atomic_load(&service->life->stopping);
}

const struct service_degradation *service_first_degraded(const struct service *service)
{
    for (size_t i = 0; i < SERVICE_DEGRADED_MAX; i++)
        if (service->life->degraded[i].reason[0] != '\0')
            return &service->life->degraded[i];
    return NULL;
}

uint8_t service_state(const struct service *service)
{
    if (service_stopping(service))
        return WIRE_STATE_STOPPING;
    if (!service->life->ready)
        return WIRE_STATE_STARTING;
    return service_first_degraded(service) != NULL ? WIRE_STATE_DEGRADED : WIRE_STATE_RUNNING;
}

/* It needs it to do its work, and has not had it for some time. */
static bool is_missed(const struct service *service, const struct service_degradation *one)
{
    const char *const *needs = service->life->definition->needs;
    if (one->reason[0] == '\0' || loop_now_ms(service->loop) - one->since_ms < SERVICE_NEED_MS)
        return false;
    for (; needs != NULL && *needs != NULL; needs++)
        if (strncmp(*needs, one->what, sizeof one->what - 1) == 0)
            return true;
    return false;
}

static const struct service_degradation *first_missed(const struct service *service)
{
    for (size_t i = 0; i < SERVICE_DEGRADED_MAX; i++)
        if (is_missed(service, &service->life->degraded[i]))
            return &service->life->degraded[i];
    return NULL;
}

bool service_is_ready(const struct service *service)
{
    return service->life->ready && !service_stopping(service) && first_missed(service) == NULL;
}

size_t service_describe(const struct service *service, char *text_r, size_t bytes)
{
    const struct service_life *life = service->life;
    int used = 0;
    if (service_stopping(service))
        used = snprintf(text_r, bytes, "stopping\n");
    else if (life->ready)
        used =
            snprintf(text_r, bytes, "%s\n",
                     first_missed(service) != NULL ? "not ready: it cannot do its work" : "ready");
    else if (life->waiting_for[0] != '\0')
        used = snprintf(text_r, bytes, "not ready: waiting for %s: %s\n", life->waiting_for,
                        life->waiting_reason);
    else
        used = snprintf(text_r, bytes, "not ready: starting\n");
    for (size_t i = 0; i < SERVICE_DEGRADED_MAX && used >= 0 && (size_t)used < bytes; i++)
        if (life->degraded[i].reason[0] != '\0')
            used += snprintf(text_r + used, bytes - (size_t)used, "degraded: %s: %s\n",
                             life->degraded[i].what, life->degraded[i].reason);
    return used < 0 ? 0 : (size_t)used < bytes ? (size_t)used : bytes - 1;
}
