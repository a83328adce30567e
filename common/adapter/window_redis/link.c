/* hiredis tells what it waits for through four hooks. Reading is always wanted; "there is something
 * to write" does not watch for EPOLLOUT but starts a timer that is due at the end of the round, so
 * that all commands of a round leave in one write and the common case costs no epoll_ctl. */
#include "adapter/window_redis/greeting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_LONGEST_MS = 1000,
    WATCH_MS = 100,
};

static const char *const state_names[] = { "closed", "down", "connecting", "greeting", "ready" };
static const bool legal_moves[5][5] = {
    [LINK_CLOSED] = { [LINK_DOWN] = true },
    [LINK_DOWN] = { [LINK_CONNECTING] = true, [LINK_DOWN] = true, [LINK_CLOSED] = true },
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

static void on_flush(void *context)
{
    struct link *link = context;
    if (link->redis == NULL)
        return;
    redisAsyncHandleWrite(link->redis);
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
        redisAsyncHandleWrite(link->redis);
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

static void connect_now(struct link *link)
{
    const struct redis_address *address = &link->address;
    redisAsyncContext *redis = address->unix_path[0] != '\0'
                                   ? redisAsyncConnectUnix(address->unix_path)
                                   : redisAsyncConnect(address->host, address->port);
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
    error_fill(&link->error, ERROR_UNAVAILABLE, "redis at %s: %s", address->name, error.text);
    if (redis != NULL)
        redisAsyncFree(redis);
    link_enter_state(link, LINK_DOWN);
    tell(link);
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
        if (link->sent_count > 0 && now_ms - link->sent_ms[link->sent_first] > link->timeout_ms)
            link_break(link, "it does not answer");
        break;
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
