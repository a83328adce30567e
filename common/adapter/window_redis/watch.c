/* What a server says of itself while it is used: the name of its replication history, which changes
 * when another takes over or it starts anew; how many replicas are connected; and how full it is.
 * The history may change without the connection's end (a server that was made a replica and leads
 * again), so it is asked for again and again. */
#include "adapter/window_redis/greeting.h"
#include "adapter/window_redis/info.h"

enum { WATCH_EVERY_MS = 1000 };

bool link_take_info(struct link *link, const redisReply *answer)
{
    if (answer->type != REDIS_REPLY_STRING)
        return false;
    uint64_t history = info_history(answer->str);
    if (history == 0)
        return false;
    uint64_t used = info_number(answer->str, "used_memory");
    uint64_t room = info_number(answer->str, "maxmemory");
    link->history = history;
    link->replicas = (unsigned)info_number(answer->str, "connected_slaves");
    link->memory_percent = room == 0 ? 0 : (unsigned)((u128)used * 100 / room);
    return true;
}

bool link_ask_info(struct link *link, redisCallbackFn *handler)
{
    const char *info[] = { "INFO", "replication", "memory" };
    return redisAsyncCommandArgv(link->redis, handler, NULL, 3, info, NULL) == REDIS_OK;
}

static void on_info(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    struct link *link = redis->data;
    const redisReply *answer = reply;
    if (answer == NULL || link->redis != redis)
        return; /* the connection ended; the next one's greeting asks */
    link->asking = false;
    if (!link_take_info(link, answer))
        link->history = 0;
}

void link_watch(struct link *link, uint64_t now_ms)
{
    if (link->asking || now_ms - link->asked_ms < WATCH_EVERY_MS)
        return;
    link->asked_ms = now_ms;
    link->asking = link_ask_info(link, on_info);
}
