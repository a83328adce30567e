#include "adapter/cache_redis/inside.h"

#include "adapter/window_redis/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct cache {
    struct redis_address address;
    unsigned timeout_ms;
    redisContext *redis;
    uint64_t not_before_ms; /* the server failed: it is asked again then */
};

enum { PAUSE_MS = 1000 };

static const char prefix[] = "adit:count:";

/* One script, so that of several processes each sees all counts of the others or none. ARGV: the
 * window, then each key's bound; answers how long to wait, 0 where it was counted. */
static const char take_script[] =
    "local wait = -1 "
    "for i, key in ipairs(KEYS) do "
    " if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[i + 1]) then "
    "  local left = redis.call('PTTL', key) "
    "  if left < 0 then redis.call('PEXPIRE', key, ARGV[1]) left = tonumber(ARGV[1]) end "
    "  if left > wait then wait = left end "
    " end "
    "end "
    "if wait >= 0 then return math.max(wait, 1) end "
    "for i, key in ipairs(KEYS) do "
    " if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end "
    "end "
    "return 0";
static const char give_back_script[] =
    "if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then redis.call('DECR', KEYS[1]) end "
    "return 0";

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct cache *cache_open(const char *url, unsigned timeout_ms, struct error *error)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        error_fill(error, ERROR_FULL, "no memory for redis.cache");
        return NULL;
    }
    cache->timeout_ms = timeout_ms;
    if (redis_address_parse(url, NULL, &cache->address, error) &&
        redis_address_open(&cache->address, error))
        return cache;
    free(cache);
    return NULL;
}

static void disconnect(struct cache *cache)
{
    if (cache->redis != NULL)
        redisFree(cache->redis);
    cache->redis = NULL;
}

void cache_close(struct cache *cache)
{
    if (cache == NULL)
        return;
    disconnect(cache);
    redis_address_close(&cache->address);
    explicit_bzero(cache, sizeof *cache);
    free(cache);
}

bool cache_failed(struct cache *cache, const char *reason, struct error *error)
{
    cache->not_before_ms = clock_ms() + PAUSE_MS;
    error_fill(error, ERROR_UNAVAILABLE, "%s: %s", cache->address.name, reason);
    disconnect(cache);
    return false;
}

static bool greet(struct cache *cache, struct error *error)
{
    char password[ADDRESS_TEXT_BYTES_MAX];
    if (!redis_address_password(&cache->address, password, error))
        return cache_failed(cache, "its password cannot be read", error);
    if (password[0] == '\0')
        return true;
    redisReply *reply = redisCommand(cache->redis, "AUTH %s", password);
    explicit_bzero(password, sizeof password);
    bool welcome = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (reply != NULL)
        freeReplyObject(reply);
    return welcome || cache_failed(cache, "it refuses the password", error);
}

static bool connected(struct cache *cache, struct error *error)
{
    if (cache->redis != NULL)
        return true;
    if (clock_ms() < cache->not_before_ms)
        return error_set(error, ERROR_UNAVAILABLE, "%s is away", cache->address.name);
    const struct timeval timeout = { .tv_sec = cache->timeout_ms / 1000,
                                     .tv_usec = (suseconds_t)(cache->timeout_ms % 1000) * 1000 };
    cache->redis = cache->address.unix_path[0] != '\0'
                       ? redisConnectUnixWithTimeout(cache->address.unix_path, timeout)
                       : redisConnectWithTimeout(cache->address.host, cache->address.port, timeout);
    if (cache->redis == NULL)
        return cache_failed(cache, "there is no memory to connect", error);
    if (cache->redis->err != 0 || redisSetTimeout(cache->redis, timeout) != REDIS_OK)
        return cache_failed(cache, cache->redis->errstr, error);
    return greet(cache, error);
}

redisContext *cache_connection(struct cache *cache, struct error *error)
{
    return connected(cache, error) ? cache->redis : NULL;
}

/* EVAL; the answer is a number. */
static bool run(struct cache *cache, const char *script, const struct cache_count *counts,
                size_t count, uint64_t window_ms, long long *number_r, struct error *error)
{
    const char *argv[4 + 2 * CACHE_KEYS_MAX];
    size_t lengths[4 + 2 * CACHE_KEYS_MAX];
    char keys[CACHE_KEYS_MAX][sizeof prefix + CACHE_KEY_BYTES_MAX];
    char numbers[2 + CACHE_KEYS_MAX][24];
    int argc = 0;
    ASSERT(count <= CACHE_KEYS_MAX);
    if (!connected(cache, error))
        return false;
#define ADD(text, bytes) (argv[argc] = (text), lengths[argc++] = (bytes))
    ADD("EVAL", 4);
    ADD(script, strlen(script));
    ADD(numbers[0], (size_t)snprintf(numbers[0], sizeof numbers[0], "%zu", count));
    for (size_t i = 0; i < count; i++) {
        ASSERT(counts[i].key.length <= CACHE_KEY_BYTES_MAX);
        memcpy(keys[i], prefix, sizeof prefix - 1);
        memcpy(keys[i] + sizeof prefix - 1, counts[i].key.data, counts[i].key.length);
        ADD(keys[i], sizeof prefix - 1 + counts[i].key.length);
    }
    ADD(numbers[1],
        (size_t)snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)window_ms));
    for (size_t i = 0; i < count; i++)
        ADD(numbers[2 + i],
            (size_t)snprintf(numbers[2 + i], sizeof numbers[2 + i], "%u", counts[i].max));
#undef ADD
    redisReply *reply = redisCommandArgv(cache->redis, argc, argv, lengths);
    if (reply == NULL)
        return cache_failed(cache, cache->redis->err != 0 ? cache->redis->errstr : "no answer", error);
    bool number = reply->type == REDIS_REPLY_INTEGER;
    *number_r = number ? reply->integer : 0;
    if (!number)
        (void)cache_failed(cache, reply->type == REDIS_REPLY_ERROR ? reply->str : "an odd answer", error);
    freeReplyObject(reply);
    return number;
}

bool cache_take(struct cache *cache, const struct cache_count *counts, size_t count,
                uint64_t window_ms, bool *allowed_r, uint64_t *wait_ms_r, struct error *error)
{
    long long wait_ms;
    if (!run(cache, take_script, counts, count, window_ms, &wait_ms, error))
        return false;
    *allowed_r = wait_ms == 0;
    *wait_ms_r = wait_ms > 0 ? (uint64_t)wait_ms : 0;
    return true;
}

bool cache_give_back(struct cache *cache, struct span key, struct error *error)
{
    long long ignored;
    return run(cache, give_back_script, &(struct cache_count){ key, 0 }, 1, 0, &ignored, error);
}

bool cache_forget(struct cache *cache, struct span key, struct error *error)
{
    long long ignored;
    return run(cache, "return redis.call('DEL', KEYS[1])", &(struct cache_count){ key, 0 }, 1, 0,
               &ignored, error);
}
