/* hiredis tells what it waits for through four hooks. Reading is always wanted; "there is something
 * to write" does not watch for EPOLLOUT but starts a timer that is due at the end of the round, so
 * that all commands of a round leave in one write and the common case costs no epoll_ctl. */
#include "adapter/window_redis/greeting.h"
#include "loop/worker.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_LONGEST_MS = 500, /* a server that has loaded its file is found this late at the most */
    WATCH_MS = 100,
};

static const char *const state_names[] = { "closed",     "down",     "looking up its name",
                                           "connecting", "greeting", "ready" };
static const bool legal_moves[6][6] = {
    [LINK_CLOSED] = { [LINK_DOWN] = true },
    [LINK_DOWN] = { [LINK_RESOLVING] = true,
                    [LINK_CONNECTING] = true,
                    [LINK_DOWN] = true,
                    [LINK_CLOSED] = true },
    [LINK_RESOLVING] = { [LINK_CONNECTING] = true, [LINK_DOWN] = true, [LINK_CLOSED] = true },
    [LINK_CONNECTING] = { [LINK_GREETING] = true, [LINK_DOWN] = true, [LINK_CLOSED] = true },
    [LINK_GREETING] = { [LINK_READY] = true, [LINK_DOWN] = true, [LINK_CLOSED] = true },
    [LINK_READY] = { [LINK_DOWN] = true, [LINK_CLOSED] = true },
};

static void link_enter_state(struct link *link, enum link_state next)
{
    ASSERT(legal_moves[link->state][next]);
    link->state = next;
    loop_timer_stop(link->loop, &link->timer);
    switch (next) {
    case LINK_CLOSED:
    case LINK_RESOLVING: /* the resolver has time limits of its own */
        break;
    case LINK_DOWN:
        loop_timer_start(link->loop, &link->timer, link->pause_ms, 0);
        link->pause_ms =
            link->pause_ms * 2 < PAUSE_LONGEST_MS ? link->pause_ms * 2 : PAUSE_LONGEST_MS;
        break;
    case LINK_CONNECTING:
        loop_timer_start(link->loop, &link->timer, LINK_PATIENCE_MS, 0);
        break;
    case LINK_GREETING:
        /* From the timer, because hiredis does not stand being freed in its connect callback. */
        link->greeting_left = 0;
        loop_timer_start(link->loop, &link->timer, 0, 0);
        break;
    case LINK_READY:
        link->pause_ms = PAUSE_FIRST_MS;
        link->asking = false;
        link->asked_ms = loop_now_ms(link->loop);
        loop_timer_start(link->loop, &link->timer, WATCH_MS, WATCH_MS);
        break;
    }
}

static void tell(struct link *link)
{
    const char *text = link_ready(link) ? link->warning : link->error.text;
    if (link->told == link_ready(link) && strcmp(link->told_text, text) == 0)
        return;
    link->told = link_ready(link);
    snprintf(link->told_text, sizeof link->told_text, "%s", text);
    if (link->on_state != NULL)
        link->on_state(link->context, link_ready(link), text);
}

static void tell_slow(struct link *link, bool slow)
{
    if (link->slow == slow)
        return;
    link->slow = slow;
    char text[256];
    snprintf(text, sizeof text, "redis at %.150s: it has not answered for %d s or more",
             link->address.name, LINK_SLOW_MS / 1000);
    if (link->on_slow != NULL)
        link->on_slow(link->context, slow ? text : NULL);
}

/* The connection is gone, and hiredis has answered all commands or is about to. */
static void lost(struct link *link)
{
    link->redis = NULL;
    loop_remove(link->loop, &link->source);
    loop_timer_stop(link->loop, &link->flush);
    if (link->state == LINK_CLOSED)
        return;
    link_enter_state(link, LINK_DOWN);
    tell(link);
    tell_slow(link, false); /* on_state has said more */
}

void link_break(struct link *link, const char *reason)
{
    redisAsyncContext *redis = link->redis;
    if (redis == NULL)
        return;
    error_fill(&link->error, ERROR_UNAVAILABLE, "redis at %s: %s", link->address.name, reason);
    lost(link);
    redisAsyncFree(redis);
}

/* The hooks. */
static void watch(struct link *link, uint32_t events)
{
    if (link->events == events || !link->source.registered)
        return;
    link->events = events;
    loop_change(link->loop, &link->source, events);
}

static void hook_add_read(void *context)
{
    struct link *link = context;
    watch(link, link->events | EPOLLIN);
}

static void hook_del_read(void *context)
{
    struct link *link = context;
    watch(link, link->events & ~(uint32_t)EPOLLIN);
}

static void hook_add_write(void *context)
{
    struct link *link = context;
    if (link->state == LINK_CONNECTING || link->state == LINK_DOWN)
        watch(link, link->events | EPOLLOUT);
    else if (!loop_timer_running(&link->flush))
        loop_timer_start(link->loop, &link->flush, 0, 0);
}

static void hook_del_write(void *context)
{
    struct link *link = context;
    watch(link, link->events & ~(uint32_t)EPOLLOUT);
    loop_timer_stop(link->loop, &link->flush);
}

static void hook_cleanup(void *context)
{
    struct link *link = context;
    loop_remove(link->loop, &link->source);
}

static void write_gathered(struct link *link)
{
    if (link->before_flush != NULL)
        link->before_flush(link->flush_context);
    if (link->redis != NULL)
        redisAsyncHandleWrite(link->redis);
}

static void on_flush(void *context)
{
    struct link *link = context;
    if (link->redis == NULL)
        return;
    write_gathered(link);
    /* hiredis asked for more through hook_add_write: the socket is full, so wait for it. */
    if (link->redis != NULL && loop_timer_running(&link->flush)) {
        loop_timer_stop(link->loop, &link->flush);
        watch(link, link->events | EPOLLOUT);
    }
}

static void on_socket(void *context, uint32_t ready)
{
    struct link *link = context;
    if (link->redis != NULL && (ready & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        redisAsyncHandleRead(link->redis);
    if (link->redis != NULL && (ready & EPOLLOUT) != 0)
        write_gathered(link);
}

void link_greeted(struct link *link)
{
    link_enter_state(link, LINK_READY);
    tell(link);
}

/* hiredis frees its context by itself after these two, when it has answered the commands. */
static void on_connect(const struct redisAsyncContext *redis, int status)
{
    struct link *link = redis->data;
    if (link->redis != redis)
        return;
    if (status != REDIS_OK) {
        error_fill(&link->error, ERROR_UNAVAILABLE, "redis at %s: %s", link->address.name,
                   redis->errstr != NULL && redis->errstr[0] != '\0' ? redis->errstr
                                                                     : "cannot connect");
        lost(link);
        return;
    }
    link_enter_state(link, LINK_GREETING);
}

static void ended(struct link *link, const redisAsyncContext *redis)
{
    if (link->redis != redis)
        return;
    error_fill(&link->error, ERROR_UNAVAILABLE, "redis at %s: %s", link->address.name,
               redis->errstr != NULL && redis->errstr[0] != '\0' ? redis->errstr
                                                                 : "the connection ended");
    lost(link);
}

static void on_disconnect(const struct redisAsyncContext *redis, int status)
{
    (void)status;
    ended(redis->data, redis);
}

static bool attach(struct link *link, redisAsyncContext *redis, struct error *error)
{
    redis->data = link;
    link->source =
        (struct loop_source){ .fd = redis->c.fd, .on_ready = on_socket, .context = link };
    link->events = EPOLLIN;
    if (!loop_add(link->loop, &link->source, link->events, error))
        return false;
    redis->ev.data = link;
    redis->ev.addRead = hook_add_read;
    redis->ev.delRead = hook_del_read;
    redis->ev.addWrite = hook_add_write;
    redis->ev.delWrite = hook_del_write;
    redis->ev.cleanup = hook_cleanup;
    redisAsyncSetDisconnectCallback(redis, on_disconnect);
    redisAsyncSetConnectCallback(redis, on_connect);
    return true;
}

static void went_wrong(struct link *link, const struct error *error)
{
    error_fill(&link->error, ERROR_UNAVAILABLE, "redis at %s: %s", link->address.name, error->text);
    link_enter_state(link, LINK_DOWN);
    tell(link);
}

/* `host`: numeric, so that nothing is looked up here. */
static void connect_to(struct link *link, const char *host)
{
    const struct redis_address *address = &link->address;
    redisAsyncContext *redis = address->unix_path[0] != '\0'
                                   ? redisAsyncConnectUnix(address->unix_path)
                                   : redisAsyncConnect(host, address->port);
    struct error error = { .code = ERROR_UNAVAILABLE, .text = "no memory for a connection" };
    if (redis != NULL && redis->err == 0) {
        link_enter_state(link, LINK_CONNECTING);
        link->redis = redis;
        if (attach(link, redis, &error))
            return;
        link->redis = NULL;
    } else if (redis != NULL) {
        error_fill(&error, ERROR_UNAVAILABLE, "%s", redis->errstr);
    }
    if (redis != NULL)
        redisAsyncFree(redis);
    went_wrong(link, &error);
}

/* A name is looked up at each connection, because it may lead to another server by then; not on the
 * loop, because a resolver may take many seconds. Of several addresses each attempt takes the next.
 */
struct link_lookup {
    struct worker_job job;
    struct link *link;
    unsigned attempt;
    int result;
    char host[INET6_ADDRSTRLEN];
};

static void lookup_work(struct worker_job *job)
{
    struct link_lookup *lookup = (struct link_lookup *)job;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    lookup->result = getaddrinfo(lookup->link->address.host, NULL, &hints, &found);
    if (lookup->result != 0)
        return;
    unsigned count = 0;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        count++;
    const struct addrinfo *chosen = found;
    for (unsigned i = 0; i < lookup->attempt % count; i++)
        chosen = chosen->ai_next;
    lookup->result = getnameinfo(chosen->ai_addr, chosen->ai_addrlen, lookup->host,
                                 sizeof lookup->host, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
}

static void lookup_done(struct worker_job *job)
{
    struct link_lookup *lookup = (struct link_lookup *)job;
    struct link *link = lookup->link;
    if (link->state != LINK_RESOLVING)
        return; /* closed meanwhile */
    struct error error;
    if (lookup->result == 0) {
        connect_to(link, lookup->host);
        return;
    }
    error_fill(&error, ERROR_UNAVAILABLE, "%s", gai_strerror(lookup->result));
    went_wrong(link, &error);
}

static void connect_now(struct link *link)
{
    struct error error = { .text = "no memory for a look-up" };
    if (link->resolver == NULL) {
        connect_to(link, link->address.host);
        return;
    }
    link_enter_state(link, LINK_RESOLVING);
    link->lookup->attempt++;
    if (!worker_submit(link->resolver, &link->lookup->job))
        went_wrong(link, &error);
}

static bool is_name(const struct redis_address *address)
{
    uint8_t number[16];
    return address->unix_path[0] == '\0' && inet_pton(AF_INET, address->host, number) != 1 &&
           inet_pton(AF_INET6, address->host, number) != 1;
}

static bool open_resolver(struct link *link, struct error *error)
{
    if (!is_name(&link->address))
        return true;
    link->lookup = calloc(1, sizeof *link->lookup);
    if (link->lookup == NULL)
        return error_set(error, ERROR_FULL, "no memory for a connection to redis");
    link->lookup->job = (struct worker_job){ .work = lookup_work, .done = lookup_done };
    link->lookup->link = link;
    link->resolver = worker_create(link->loop, "resolve", 1, 1, error);
    return link->resolver != NULL;
}

static void close_resolver(struct link *link)
{
    if (link->resolver != NULL)
        worker_destroy(link->resolver);
    free(link->lookup);
    link->resolver = NULL;
    link->lookup = NULL;
}

/* For how long the server has owed an answer: to the oldest command, or to what it was asked of
 * itself, so that one that hangs is missed while there is nothing to do, too. */
static uint64_t waited_ms(const struct link *link, uint64_t now_ms)
{
    uint64_t since_ms = link->sent_count > 0 ? link->sent_ms[link->sent_first] : now_ms;
    if (link->asking && link->asked_ms < since_ms)
        since_ms = link->asked_ms;
    return now_ms - since_ms;
}

static void on_timer(void *context)
{
    struct link *link = context;
    uint64_t now_ms = loop_now_ms(link->loop);
    switch (link->state) {
    case LINK_DOWN:
        connect_now(link);
        break;
    case LINK_CONNECTING:
    case LINK_GREETING: {
        if (link->state == LINK_GREETING && link->greeting_left == 0) {
            link_greet(link);
            break;
        }
        char reason[80];
        snprintf(reason, sizeof reason, "no answer while %s", state_names[link->state]);
        link_break(link, reason);
        break;
    }
    case LINK_READY:
        if (waited_ms(link, now_ms) > link->timeout_ms) {
            link_break(link, "it does not answer");
            break;
        }
        tell_slow(link, waited_ms(link, now_ms) > LINK_SLOW_MS);
        link_watch(link, now_ms);
        break;
    case LINK_RESOLVING:
    case LINK_CLOSED:
        break;
    }
}

bool link_open(struct link *link, struct loop *loop, const struct redis_address *address,
               unsigned timeout_ms, unsigned commands_max,
               void (*on_state)(void *context, bool ready, const char *text), void *context,
               struct error *error)
{
    *link = (struct link){
        .loop = loop,
        .address = *address,
        .timeout_ms = timeout_ms,
        .on_state = on_state,
        .context = context,
        .flush = { .on_due = on_flush, .context = link },
        .timer = { .on_due = on_timer, .context = link },
        .sent_max = commands_max,
        .told = -1,
    };
    link->sent_ms = calloc(commands_max, sizeof *link->sent_ms);
    if (link->sent_ms == NULL)
        return error_set(error, ERROR_FULL, "no memory for a connection to redis");
    if (!redis_address_open(&link->address, error) || !open_resolver(link, error)) {
        close_resolver(link);
        redis_address_close(&link->address);
        free(link->sent_ms);
        return false;
    }
    error_fill(&link->error, ERROR_UNAVAILABLE, "redis at %s: not connected yet", address->name);
    link_enter_state(link, LINK_DOWN); /* whose pause is 0 the first time */
    link->pause_ms = PAUSE_FIRST_MS;
    return true;
}

void link_close(struct link *link)
{
    link_enter_state(link, LINK_CLOSED);
    redisAsyncContext *redis = link->redis;
    if (redis != NULL) {
        lost(link);
        redisAsyncFree(redis);
    }
    close_resolver(link);
    redis_address_close(&link->address);
    free(link->sent_ms);
    link->sent_ms = NULL;
}

bool link_command(struct link *link, int argc, const char **argv, const size_t *lengths,
                  redisCallbackFn *handler, void *context)
{
    if (link->state != LINK_READY || link->sent_count == link->sent_max)
        return false;
    if (redisAsyncCommandArgv(link->redis, handler, context, argc, argv, lengths) != REDIS_OK)
        return false;
    unsigned at = (link->sent_first + link->sent_count++) % link->sent_max;
    link->sent_ms[at] = loop_now_ms(link->loop);
    return true;
}

void link_answered(struct link *link, const redisAsyncContext *redis, const redisReply *answer)
{
    if (answer == NULL)
        ended(link, redis);
    ASSERT(link->sent_count > 0);
    link->sent_first = (link->sent_first + 1) % link->sent_max;
    link->sent_count--;
}
