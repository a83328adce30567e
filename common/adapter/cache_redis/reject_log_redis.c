#include "adapter/cache_redis/reject_log_redis.h"

#include "adapter/cache_redis/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct log {
    struct reject_log port;
    struct cache *cache;
};

enum { KEY_BYTES = 64, COMMANDS_A_TRACE = 6 };

/* worker 0: the account's own list. */
static void key_of(uint64_t account, uint64_t worker, char key_r[KEY_BYTES])
{
    if (worker == 0)
        snprintf(key_r, KEY_BYTES, "adit:rejects:%016" PRIx64, account);
    else
        snprintf(key_r, KEY_BYTES, "adit:rejects:%016" PRIx64 ":%016" PRIx64, account, worker);
}

static bool append(redisContext *redis, const char *key, struct span trace, unsigned most)
{
    return redisAppendCommand(redis, "LPUSH %s %b", key, trace.data, trace.length) == REDIS_OK &&
           redisAppendCommand(redis, "LTRIM %s 0 %u", key, most - 1) == REDIS_OK &&
           redisAppendCommand(redis, "EXPIRE %s %d", key, REJECT_LOG_KEEP_S) == REDIS_OK;
}

static bool put(struct reject_log *port, const struct reject_log_entry *entries, size_t count,
                struct error *error)
{
    struct log *log = (struct log *)port;
    redisContext *redis = cache_connection(log->cache, error);
    if (redis == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        char of_account[KEY_BYTES], of_worker[KEY_BYTES];
        key_of(entries[i].account, 0, of_account);
        key_of(entries[i].account, entries[i].worker, of_worker);
        if (!append(redis, of_account, entries[i].trace, REJECT_LOG_OF_ACCOUNT_MAX) ||
            !append(redis, of_worker, entries[i].trace, REJECT_LOG_OF_WORKER_MAX))
            return cache_failed(log->cache, "no memory for its commands", error);
    }
    char refusal[128] = "";
    for (size_t i = 0; i < count * COMMANDS_A_TRACE; i++) {
        void *reply = NULL;
        if (redisGetReply(redis, &reply) != REDIS_OK || reply == NULL)
            return cache_failed(log->cache, redis->errstr, error);
        const redisReply *answer = reply;
        if (answer->type == REDIS_REPLY_ERROR)
            snprintf(refusal, sizeof refusal, "%s", answer->str);
        freeReplyObject(reply);
    }
    return refusal[0] == '\0' || error_set(error, ERROR_REFUSED, "redis.cache: %s", refusal);
}

static bool read_list(struct reject_log *port, uint64_t account, uint64_t worker,
                      reject_log_visitor visit, void *context, struct error *error)
{
    struct log *log = (struct log *)port;
    redisContext *redis = cache_connection(log->cache, error);
    char key[KEY_BYTES];
    if (redis == NULL)
        return false;
    key_of(account, worker, key);
    redisReply *reply = redisCommand(redis, "LRANGE %s 0 %d", key, REJECT_LOG_OF_ACCOUNT_MAX - 1);
    if (reply == NULL)
        return cache_failed(log->cache, redis->errstr, error);
    bool is_list = reply->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; is_list && i < reply->elements; i++)
        if (!visit(context, span_of(reply->element[i]->str, reply->element[i]->len)))
            break;
    freeReplyObject(reply);
    return is_list || error_set(error, ERROR_REFUSED, "redis.cache gives no list of rejects");
}

static void close_log(struct reject_log *port)
{
    struct log *log = (struct log *)port;
    cache_close(log->cache);
    free(log);
}

struct reject_log *reject_log_redis_open(const char *url, unsigned timeout_ms, struct error *error)
{
    static const struct reject_log_calls calls = { put, read_list, close_log };
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        error_fill(error, ERROR_FULL, "no memory for redis.cache");
        return NULL;
    }
    log->port.calls = &calls;
    log->cache = cache_open(url, timeout_ms, error);
    if (log->cache != NULL)
        return &log->port;
    free(log);
    return NULL;
}
