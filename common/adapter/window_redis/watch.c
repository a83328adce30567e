/* What a server says of itself while it is used: the name of its replication history, which changes
 * when another takes over or it starts anew; how many replicas are connected; and how full it is.
 * The history may change without the connection's end (a server that was made a replica and leads
 * again), so it is asked for again and again. */
#include "adapter/window_redis/greeting.h"

#include <stdlib.h>
#include <string.h>

enum { WATCH_EVERY_MS = 1000, HISTORY_DIGITS = 16 };

/* What stands behind "name:" at the start of a line, or NULL. */
static const char *line_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = text; at != NULL && *at != '\0';) {
        if (strncmp(at, name, length) == 0 && at[length] == ':')
            return at + length + 1;
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return NULL;
}

static uint64_t number_of(const char *text, const char *name)
{
    const char *value = line_of(text, name);
    return value != NULL ? strtoull(value, NULL, 10) : 0;
}

bool link_take_info(struct link *link, const redisReply *answer)
{
    if (answer->type != REDIS_REPLY_STRING)
        return false;
    const char *id = line_of(answer->str, "master_replid");
    if (id == NULL || strlen(id) < HISTORY_DIGITS)
        return false;
    uint64_t used = number_of(answer->str, "used_memory");
    uint64_t room = number_of(answer->str, "maxmemory");
    char digits[HISTORY_DIGITS + 1] = "";
    memcpy(digits, id, HISTORY_DIGITS);
    link->history = strtoull(digits, NULL, 16);
    link->replicas = (unsigned)number_of(answer->str, "connected_slaves");
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
