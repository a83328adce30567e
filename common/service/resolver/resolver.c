#include "service/resolver/resolver.h"

#include "service/log.h"
#include "service/numbered.h"

#include <arpa/inet.h>
#include <glob.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEPT_LOOKS = 3 }; /* for which a socket that is gone is kept */

static const char ipc_scheme[] = "ipc://";

struct address {
    char url[RESOLVER_URL_BYTES];
    bool found;    /* by a pattern */
    uint8_t looks; /* for which it has not been there */
};

struct resolver_list {
    const char *scheme; /* of the name that is being asked for */
    size_t count;
    struct address addresses[RESOLVER_MAX];
};

struct resolver {
    struct worker_job job; /* first */
    struct loop *loop;
    struct worker *worker; /* NULL where nothing can change */
    struct loop_timer timer;
    struct resolver_options options;
    bool asking;
    struct resolver_list now;  /* the worker's while asking */
    struct resolver_list used; /* the loop's */
    bool failed;               /* the worker's: some name could not be asked */
    bool was_failed;
    bool missing; /* one could not be opened: tried again at the next look */
};

/* What stands before a host in an address that may name one; NULL for others. */
static const char *scheme_of(const char *url)
{
    static const char *const schemes[] = { "tcp://", "tls+tcp://" };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return schemes[i];
    return NULL;
}

bool resolver_split(const char *url, char *host_r, size_t host_bytes, char *port_r,
                    size_t port_bytes)
{
    struct in_addr address;
    const char *scheme = scheme_of(url);
    if (scheme == NULL || url[strlen(scheme)] == '[')
        return false;
    const char *host = url + strlen(scheme), *colon = strrchr(host, ':');
    if (colon == NULL || colon == host || (size_t)(colon - host) >= host_bytes ||
        strlen(colon + 1) >= port_bytes)
        return false;
    memcpy(host_r, host, (size_t)(colon - host));
    host_r[colon - host] = '\0';
    snprintf(port_r, port_bytes, "%s", colon + 1);
    return inet_pton(AF_INET, host_r, &address) != 1;
}

static struct address *find(struct resolver_list *list, const char *url)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->addresses[i].url, url) == 0)
            return &list->addresses[i];
    return NULL;
}

static void add(struct resolver_list *list, const char *url, bool found, uint8_t looks)
{
    if (list->count == RESOLVER_MAX || find(list, url) != NULL)
        return;
    struct address *address = &list->addresses[list->count++];
    *address = (struct address){ .found = found, .looks = looks };
    snprintf(address->url, sizeof address->url, "%s", url);
}

void resolver_list_add(struct resolver_list *list, const char *url)
{
    add(list, url, false, 0);
}

static bool is_pattern(const char *url)
{
    return strncmp(url, ipc_scheme, sizeof ipc_scheme - 1) == 0 && strpbrk(url, "*?[") != NULL;
}

static void add_found(struct resolver_list *list, const char *url)
{
    glob_t paths = { 0 };
    if (glob(url + sizeof ipc_scheme - 1, 0, NULL, &paths) == 0)
        for (size_t i = 0; i < paths.gl_pathc; i++) {
            char one[RESOLVER_URL_BYTES];
            if ((size_t)snprintf(one, sizeof one, "%s%s", ipc_scheme, paths.gl_pathv[i]) <
                sizeof one)
                add(list, one, true, 0);
        }
    globfree(&paths);
}

/* The default lookup. */
static bool ask_system(void *context, const char *host, const char *port,
                       struct resolver_list *list)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    (void)context;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        char address[INET6_ADDRSTRLEN], url[RESOLVER_URL_BYTES];
        if (getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        snprintf(url, sizeof url, one->ai_family == AF_INET6 ? "%s[%s]:%s" : "%s%s:%s",
                 list->scheme, address, port);
        resolver_list_add(list, url);
    }
    freeaddrinfo(found);
    return true;
}

/* One address without braces; *failed_r where it is a name that cannot be asked. */
static void add_one(struct resolver *resolver, const char *url, bool with_names, bool *failed_r)
{
    char host[RESOLVER_URL_BYTES], port[16];
    if (is_pattern(url))
        add_found(&resolver->now, url);
    else if (!resolver_split(url, host, sizeof host, port, sizeof port))
        add(&resolver->now, url, false, 0);
    else if (with_names) {
        resolver->now.scheme = scheme_of(url);
        if (!resolver->options.lookup(resolver->options.context, host, port, &resolver->now))
            *failed_r = true;
    }
}

/* All addresses as they are now. */
static void look(struct resolver *resolver, bool with_names)
{
    resolver->now.count = 0;
    resolver->failed = false;
    for (size_t i = 0; i < resolver->options.count; i++) {
        const char *text = resolver->options.urls[i];
        char url[RESOLVER_URL_BYTES];
        struct numbered numbered;
        if (!numbered_read(text, &numbered)) {
            add_one(resolver, text, with_names, &resolver->failed);
            continue;
        }
        for (uint32_t number = numbered.first; number <= numbered.last; number++)
            if (numbered_write(text, &numbered, number, url, sizeof url))
                add_one(resolver, url, with_names, &resolver->failed);
    }
}

static void on_work(struct worker_job *job)
{
    look((struct resolver *)job, true);
}

static void use(struct resolver *resolver)
{
    static const size_t bytes = RESOLVER_URL_BYTES;
    char urls[RESOLVER_MAX][RESOLVER_URL_BYTES];
    resolver->used = resolver->now;
    for (size_t i = 0; i < resolver->used.count; i++)
        memcpy(urls[i], resolver->used.addresses[i].url, bytes);
    resolver->missing = !resolver->options.use(
        resolver->options.user, (const char(*)[RESOLVER_URL_BYTES])urls, resolver->used.count);
}

/* What is not there now but may be again. */
static void keep(struct resolver *resolver)
{
    for (size_t i = 0; i < resolver->used.count; i++) {
        const struct address *old = &resolver->used.addresses[i];
        if (resolver->failed && !old->found)
            add(&resolver->now, old->url, false, 0);
        else if (old->found && old->looks < KEPT_LOOKS)
            add(&resolver->now, old->url, true, (uint8_t)(old->looks + 1));
    }
}

static void on_done(struct worker_job *job)
{
    struct resolver *resolver = (struct resolver *)job;
    resolver->asking = false;
    if (resolver->failed && !resolver->was_failed)
        log_warn("names.resolve",
                 "setting=%s reason=\"a name has no address now; the known ones are kept\"",
                 resolver->options.setting);
    resolver->was_failed = resolver->failed;
    keep(resolver);
    bool changed = resolver->missing || resolver->now.count != resolver->used.count;
    for (size_t i = 0; i < resolver->now.count && !changed; i++)
        changed = find(&resolver->used, resolver->now.addresses[i].url) == NULL;
    if (changed)
        use(resolver);
    else
        resolver->used = resolver->now;
}

static void ask(void *context)
{
    struct resolver *resolver = context;
    if (resolver->worker == NULL) { /* always the same addresses */
        if (resolver->missing)
            use(resolver);
        return;
    }
    if (!resolver->asking)
        resolver->asking = worker_submit(resolver->worker, &resolver->job);
}

static bool can_change(const struct resolver_options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        char host[RESOLVER_URL_BYTES], port[16];
        if (is_pattern(options->urls[i]) ||
            resolver_split(options->urls[i], host, sizeof host, port, sizeof port))
            return true;
    }
    return false;
}

struct resolver *resolver_create(struct loop *loop, const struct resolver_options *options,
                                 struct error *error)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for a list of addresses");
        return NULL;
    }
    resolver->job = (struct worker_job){ .work = on_work, .done = on_done };
    resolver->loop = loop;
    resolver->timer = (struct loop_timer){ .on_due = ask, .context = resolver };
    resolver->options = *options;
    if (options->lookup == NULL)
        resolver->options.lookup = ask_system;
    look(resolver, false);
    use(resolver);
    if (!can_change(options)) {
        loop_timer_start(loop, &resolver->timer, options->refresh_ms, options->refresh_ms);
        return resolver;
    }
    resolver->worker = worker_create(loop, "resolver", 1, 1, error);
    if (resolver->worker == NULL) {
        free(resolver);
        return NULL;
    }
    ask(resolver);
    loop_timer_start(loop, &resolver->timer, options->refresh_ms, options->refresh_ms);
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
