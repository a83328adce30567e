#include "services/stratum-gateway/resolver.h"

#include "service/log.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { PERIOD_MS = 5000 };

struct addresses {
    size_t count;
    char urls[VALIDATORS_MAX][VALIDATORS_URL_BYTES];
};

struct resolver {
    struct worker_job job; /* first */
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct worker *worker; /* NULL where there is no name to ask for */
    struct loop_timer timer;
    char **urls; /* borrowed */
    size_t count;
    bool asking;
    struct addresses now;  /* the worker's while asking */
    struct addresses used; /* the loop's */
    bool failed;           /* the worker's: some name could not be asked */
};

bool resolver_split(const char *url, char *host_r, size_t host_bytes, char *port_r,
                    size_t port_bytes)
{
    static const char scheme[] = "tcp://";
    struct in_addr address;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || url[sizeof scheme - 1] == '[')
        return false;
    const char *host = url + sizeof scheme - 1, *colon = strrchr(host, ':');
    if (colon == NULL || colon == host || (size_t)(colon - host) >= host_bytes ||
        strlen(colon + 1) >= port_bytes)
        return false;
    memcpy(host_r, host, (size_t)(colon - host));
    host_r[colon - host] = '\0';
    snprintf(port_r, port_bytes, "%s", colon + 1);
    return inet_pton(AF_INET, host_r, &address) != 1;
}

static void add(struct addresses *list, const char *url)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->urls[i], url) == 0)
            return;
    if (list->count < VALIDATORS_MAX)
        snprintf(list->urls[list->count++], VALIDATORS_URL_BYTES, "%s", url);
}

/* On the worker's thread. False where the name cannot be asked now. */
static bool add_name(struct addresses *list, const char *host, const char *port)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        char address[INET6_ADDRSTRLEN], url[VALIDATORS_URL_BYTES];
        if (getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        snprintf(url, sizeof url, one->ai_family == AF_INET6 ? "tcp://[%s]:%s" : "tcp://%s:%s",
                 address, port);
        add(list, url);
    }
    freeaddrinfo(found);
    return true;
}

static void on_work(struct worker_job *job)
{
    struct resolver *resolver = (struct resolver *)job;
    resolver->now.count = 0;
    resolver->failed = false;
    for (size_t i = 0; i < resolver->count; i++) {
        char host[VALIDATORS_URL_BYTES], port[16];
        if (!resolver_split(resolver->urls[i], host, sizeof host, port, sizeof port))
            add(&resolver->now, resolver->urls[i]);
        else if (!add_name(&resolver->now, host, port))
            resolver->failed = true;
    }
}

static void use(struct resolver *resolver)
{
    resolver->used = resolver->now;
    dispatcher_set_validators(resolver->dispatcher,
                              (const char(*)[VALIDATORS_URL_BYTES])resolver->used.urls,
                              resolver->used.count);
}

static void on_done(struct worker_job *job)
{
    struct resolver *resolver = (struct resolver *)job;
    resolver->asking = false;
    if (resolver->failed) {
        log_warn("validators.resolve", "reason=\"a name of stratum.validators has no address now; "
                                       "the known ones are kept\"");
        for (size_t i = 0; i < resolver->used.count; i++)
            add(&resolver->now, resolver->used.urls[i]);
    }
    bool changed = resolver->now.count != resolver->used.count;
    for (size_t i = 0; i < resolver->now.count && !changed; i++) {
        bool known = false;
        for (size_t k = 0; k < resolver->used.count; k++)
            known |= strcmp(resolver->now.urls[i], resolver->used.urls[k]) == 0;
        changed = !known;
    }
    if (changed)
        use(resolver);
}

static void ask(void *context)
{
    struct resolver *resolver = context;
    if (!resolver->asking)
        resolver->asking = worker_submit(resolver->worker, &resolver->job);
}

struct resolver *resolver_create(struct loop *loop, struct dispatcher *dispatcher, char **urls,
                                 size_t count, struct error *error)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    bool names = false;
    if (resolver == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for the list of validators");
        return NULL;
    }
    *resolver = (struct resolver){ .job = { .work = on_work, .done = on_done },
                                   .loop = loop,
                                   .dispatcher = dispatcher,
                                   .timer = { .on_due = ask, .context = resolver },
                                   .urls = urls,
                                   .count = count };
    for (size_t i = 0; i < count; i++) {
        char host[VALIDATORS_URL_BYTES], port[16];
        if (resolver_split(urls[i], host, sizeof host, port, sizeof port))
            names = true;
        else
            add(&resolver->now, urls[i]);
    }
    use(resolver);
    if (!names)
        return resolver;
    resolver->worker = worker_create(loop, "resolver", 1, 1, error);
    if (resolver->worker == NULL) {
        free(resolver);
        return NULL;
    }
    ask(resolver);
    loop_timer_start(loop, &resolver->timer, PERIOD_MS, PERIOD_MS);
    return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    loop_timer_stop(resolver->loop, &resolver->timer);
    if (resolver->worker != NULL)
        worker_destroy(resolver->worker);
    free(resolver);
}
