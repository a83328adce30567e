/* main() of a service that Kore hosts is Kore's. Its parent process reads the settings and forks
 * one worker; there Kore's loop has the main thread and the service runs on a thread of its own,
 * where all handlers are called. nng and every other library are opened on that thread, after the
 * fork.
 *
 * Kore's parent always exits 0; the service's exit code reaches it in a page both share. */
#include "adapter/http_kore/kore_side.h"
#include "adapter/http_kore/socket.h"
#include "adapter/http_kore/stream.h"
#include "loop/slice.h"
#include "service/bus_open.h"
#include "service/inside.h"
#include "service/listen.h"
#include "service/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { STOP_SECONDS_MAX = 5 };

/* Kore's hooks get no context: the one host of the process. */
static struct host {
    struct service service;
    struct http_site site;
    struct front *front;    /* Kore's thread's */
    _Atomic int *exit_code; /* shared with the parent */
    int wake_fd;
    char http_address[LISTEN_ADDRESS_BYTES];
    pthread_t thread;
    struct loop_task reload_task;
    _Atomic bool reload_posted;

    pthread_mutex_t mutex; /* for the rest */
    bool alive;            /* the service's loop may be posted to */
    bool stop_asked;
    bool ended;
    bool measured; /* the site's metrics are there: they end with the service, on its thread */
    struct http_exchange *answers; /* oldest first */
    struct http_exchange **answers_end;
    struct socket_order *orders; /* oldest first */
    struct socket_order **orders_end;
    struct stream_event *events; /* oldest first */
    struct stream_event **events_end;
    size_t events_waiting;
    bool events_lost;
} host = { .mutex = PTHREAD_MUTEX_INITIALIZER,
           .answers_end = &host.answers,
           .orders_end = &host.orders,
           .events_end = &host.events };

/* "host:port" into its parts; the address is known to be good. */
static void split_address(const char *address, struct host_listener *listener)
{
    const char *colon = strrchr(address, ':');
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[') {
        address++;
        length -= 2;
    }
    snprintf(listener->host, sizeof listener->host, "%.*s", (int)length,
             length > 0 ? address : "0.0.0.0");
    if (length == 0)
        snprintf(listener->host, sizeof listener->host, "0.0.0.0");
    snprintf(listener->port, sizeof listener->port, "%s", colon + 1);
}

void host_configure(int argc, char **argv, struct host_listener *listener_r)
{
    int code = SERVICE_EXIT_OK;
    struct error error;
    if (!service_prepare(&host.service, &service_definition, argc, argv, &code))
        exit(code);
    const struct settings *settings = &host.service.settings;
    const char *address = service_definition.http_address(settings);
    /* Kore's own words for a taken port name neither port nor setting. */
    int fd = listen_open(address, 1, NULL, &error);
    if (fd < 0) {
        error_fill_prefix(&error, "the HTTP port");
        code = service_fail(&host.service,
                            error.code == ERROR_INVALID ? SERVICE_EXIT_SETTINGS : SERVICE_EXIT_PORT,
                            &error);
        service_close(&host.service);
        exit(code);
    }
    close(fd);
    split_address(address, listener_r);
    listener_r->sockets_max =
        (unsigned)(settings->max_concurrent_validators + settings->scheduler_live_max);
    if (!service_make_folders(&host.service, &error)) {
        code = service_fail(&host.service, SERVICE_EXIT_SETTINGS, &error);
        service_close(&host.service);
        exit(code);
    }
    snprintf(listener_r->pidfile, sizeof listener_r->pidfile, "%s/run/%s-%s.kore.pid",
             settings->service_data_dir, host.service.name, host.service.instance);
    void *page = mmap(NULL, sizeof *host.exit_code, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(page != MAP_FAILED);
    host.exit_code = page;
    /* What stands if the worker dies without a word. */
    atomic_store(host.exit_code, SERVICE_EXIT_BUG);
}

void host_wake(void)
{
    const uint64_t one = 1;
    ssize_t written = write(host.wake_fd, &one, sizeof one);
    (void)written;
}

/* On the loop. */
static void on_answered(struct http_exchange *exchange)
{
    exchange->next = NULL;
    pthread_mutex_lock(&host.mutex);
    bool first = host.answers == NULL;
    *host.answers_end = exchange;
    host.answers_end = &exchange->next;
    pthread_mutex_unlock(&host.mutex);
    if (first)
        host_wake();
}

/* On the loop. */
static void on_ordered(struct socket_order *order)
{
    order->next = NULL;
    pthread_mutex_lock(&host.mutex);
    bool first = host.orders == NULL;
    *host.orders_end = order;
    host.orders_end = &order->next;
    pthread_mutex_unlock(&host.mutex);
    if (first)
        host_wake();
}

static void free_events(struct stream_event *events)
{
    while (events != NULL) {
        struct stream_event *next = events->next;
        free(events);
        events = next;
    }
}

/* On the loop. Where Kore's thread has not come by for thousands of events, they are let go. */
static void on_published(struct stream_event *event)
{
    struct stream_event *dropped = NULL;
    event->next = NULL;
    pthread_mutex_lock(&host.mutex);
    if (host.events_waiting == STREAM_EVENTS_WAITING_MAX) {
        dropped = host.events;
        host.events = NULL;
        host.events_end = &host.events;
        host.events_waiting = 0;
        host.events_lost = true;
    }
    bool first = host.events == NULL;
    *host.events_end = event;
    host.events_end = &event->next;
    host.events_waiting++;
    pthread_mutex_unlock(&host.mutex);
    free_events(dropped);
    if (first)
        host_wake();
}

static void run_reload(struct loop_task *task)
{
    (void)task;
    atomic_store(&host.reload_posted, false);
    if (host.service.life->definition->reload != NULL)
        host.service.life->definition->reload(&host.service);
}

static int open_and_run(struct service *service)
{
    int code = SERVICE_EXIT_OK;
    struct error error;
    if (!service_open(service, false, &code))
        return code;
    service->bus = bus_open(service->loop, &service->settings, &error);
    if (service->bus == NULL)
        return service_fail(service, SERVICE_EXIT_SETTINGS, &error);
    service->life->host = &host.site;
    front_measure(host.front, service->metrics);
    pthread_mutex_lock(&host.mutex);
    host.alive = true;
    host.measured = true;
    bool stop = host.stop_asked;
    pthread_mutex_unlock(&host.mutex);
    if (stop)
        service_stop(service);
    log_info("http.listen", "address=%s", host.http_address);
    notify_supervisor("X_ADIT_HTTP=%s", host.http_address);
    return service_run(service);
}

static void *service_thread(void *context)
{
    struct service *service = context;
    int code = open_and_run(service);
    pthread_mutex_lock(&host.mutex);
    host.alive = false;
    pthread_mutex_unlock(&host.mutex);
    /* What was posted until now is refused, so that it returns to Kore. */
    host.site.routes = NULL;
    if (service->loop != NULL)
        loop_run_posted(service->loop);
    front_measure(host.front, NULL);
    pthread_mutex_lock(&host.mutex);
    host.measured = false;
    pthread_mutex_unlock(&host.mutex);
    service_close(service);
    atomic_store(host.exit_code, code);
    pthread_mutex_lock(&host.mutex);
    host.ended = true;
    pthread_mutex_unlock(&host.mutex);
    host_wake();
    return NULL;
}

static uint64_t random_seed(void)
{
    uint64_t seed;
    return getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed ? seed : loop_clock_ns();
}

struct host_bounds host_bounds(void)
{
    return (struct host_bounds){
        .address_connections_max = (unsigned)host.service.settings.service_address_connections_max,
        .seed = random_seed(),
    };
}

static void open_front(void)
{
    static const struct settings_list nobody;
    const struct settings *settings = &host.service.settings;
    struct front_options options = { .per_s = (uint32_t)settings->service_requests_per_s,
                                     .proxies = service_definition.http_proxies != NULL
                                                    ? service_definition.http_proxies(settings)
                                                    : &nobody };
    options.seed = random_seed();
    host.front = front_create(&options);
}

void host_start(int wake_fd, const char *http_address)
{
    host.wake_fd = wake_fd;
    host.site.answered = on_answered;
    host.site.ordered = on_ordered;
    host.site.published = on_published;
    host.reload_task.run = run_reload;
    open_front();
    snprintf(host.http_address, sizeof host.http_address, "%s", http_address);
    if (service_definition.prompt && host.service.settings.service_prompt)
        slice_set(
            SLICE_SHORT_US); /* Kore's own thread too; before there are others, which inherit */
    /* Signals are Kore's: this thread, and all that libraries start on it, take none. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&host.thread, NULL, service_thread, &host.service);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ASSERT(result == 0);
    (void)pthread_setname_np(host.thread, "service");
}

bool host_submit(struct http_exchange *exchange)
{
    pthread_mutex_lock(&host.mutex);
    bool alive = host.alive;
    if (alive)
        loop_post(host.service.loop, &exchange->task);
    pthread_mutex_unlock(&host.mutex);
    if (!alive)
        exchange_refuse(exchange, 503, "Not ready", "this process is starting or stopping");
    return alive;
}

struct front *host_front(void)
{
    return host.front;
}

struct http_site *host_site(void)
{
    return &host.site;
}

bool host_note(struct loop_task *task)
{
    pthread_mutex_lock(&host.mutex);
    bool alive = host.alive;
    if (alive)
        loop_post(host.service.loop, task);
    pthread_mutex_unlock(&host.mutex);
    return alive;
}

struct socket_order *host_take_orders(void)
{
    pthread_mutex_lock(&host.mutex);
    struct socket_order *orders = host.orders;
    host.orders = NULL;
    host.orders_end = &host.orders;
    pthread_mutex_unlock(&host.mutex);
    return orders;
}

struct stream_event *host_take_events(bool *lost_r)
{
    pthread_mutex_lock(&host.mutex);
    struct stream_event *events = host.events;
    host.events = NULL;
    host.events_end = &host.events;
    host.events_waiting = 0;
    *lost_r = host.events_lost;
    host.events_lost = false;
    pthread_mutex_unlock(&host.mutex);
    return events;
}

/* A stream, or an event, tells that the service has registered them. */
void host_count_sent(uint64_t bytes)
{
    pthread_mutex_lock(&host.mutex);
    if (host.measured)
        metric_add(host.site.events_sent, bytes);
    pthread_mutex_unlock(&host.mutex);
}

void host_count_fanned(uint64_t took_us)
{
    pthread_mutex_lock(&host.mutex);
    if (host.measured)
        metric_observe_us(host.site.events_fanned, took_us);
    pthread_mutex_unlock(&host.mutex);
}

struct http_exchange *host_take_answers(bool *ended_r)
{
    pthread_mutex_lock(&host.mutex);
    struct http_exchange *answers = host.answers;
    host.answers = NULL;
    host.answers_end = &host.answers;
    *ended_r = host.ended;
    pthread_mutex_unlock(&host.mutex);
    return answers;
}

void host_reload(void)
{
    pthread_mutex_lock(&host.mutex);
    if (host.alive && !atomic_exchange(&host.reload_posted, true))
        loop_post(host.service.loop, &host.reload_task);
    pthread_mutex_unlock(&host.mutex);
}

void host_stop(void)
{
    pthread_mutex_lock(&host.mutex);
    host.stop_asked = true;
    if (host.alive)
        service_stop(&host.service);
    pthread_mutex_unlock(&host.mutex);
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += STOP_SECONDS_MAX;
    if (pthread_timedjoin_np(host.thread, NULL, &deadline) != 0) {
        log_error("service.stuck", "waited_s=%d", STOP_SECONDS_MAX);
        _exit(SERVICE_EXIT_BUG);
    }
}

int host_exit_code(void)
{
    return atomic_load(host.exit_code);
}
