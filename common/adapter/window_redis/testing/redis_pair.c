#include "adapter/window_redis/testing/redis_pair.h"

#include "base/test_port.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60, ATTEMPTS = 5 };

bool redis_server_command(const struct redis_server *server, struct error *error, const char *text)
{
    redisContext *redis = redisConnectUnix(server->url + 5);
    redisReply *reply = redis != NULL && redis->err == 0 ? redisCommand(redis, text) : NULL;
    bool good = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (!good)
        error_fill(error, ERROR_REFUSED, "%s: %s", text, reply != NULL ? reply->str : "no answer");
    freeReplyObject(reply);
    if (redis != NULL)
        redisFree(redis);
    return good;
}

bool redis_server_says(const struct redis_server *server, const char *section, const char *text)
{
    redisContext *redis = redisConnectUnix(server->url + 5);
    redisReply *reply =
        redis != NULL && redis->err == 0 ? redisCommand(redis, "INFO %s", section) : NULL;
    bool there =
        reply != NULL && reply->type == REDIS_REPLY_STRING && strstr(reply->str, text) != NULL;
    freeReplyObject(reply);
    if (redis != NULL)
        redisFree(redis);
    return there;
}

void redis_pair_point(struct redis_pair *pair, const struct redis_server *server)
{
    (void)unlink(pair->address);
    (void)!symlink(server->url + 5, pair->address);
}

static long long integer_of(redisContext *redis, const char *command)
{
    redisReply *reply = redisCommand(redis, command);
    long long value = reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    freeReplyObject(reply);
    return value;
}

/* Whether the replica has what the primary was told just now. A replica that says it is up is not
 * enough: the primary sends it nothing before it has heard from it for the first time. */
static bool is_in_step(const struct redis_pair *pair)
{
    redisContext *redis = redisConnectUnix(pair->primary.url + 5);
    bool good = redis != NULL && redis->err == 0 &&
                integer_of(redis, "PUBLISH adit:test:step 1") >= 0 && /* replicated, kept nowhere */
                integer_of(redis, "WAIT 1 500") >= 1;
    if (redis != NULL)
        redisFree(redis);
    return good;
}

static bool begin_primary(struct redis_pair *pair, struct error *error)
{
    for (unsigned attempt = 0;; attempt++) {
        snprintf(pair->port, sizeof pair->port, "%u", test_port());
        if (redis_server_begin(&pair->primary, pair->primary_options, error))
            return true;
        /* Somebody else may have taken the port meanwhile. */
        redis_server_end(&pair->primary);
        if (attempt >= ATTEMPTS)
            return false;
    }
}

bool redis_pair_begin(struct redis_pair *pair, struct error *error)
{
    memset(pair, 0, sizeof *pair);
    const char *const primary[] = {
        "--port", pair->port, "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local",
    };
    const char *const replica[] = { "--replicaof", "127.0.0.1", pair->port };
    memcpy(pair->primary_options, primary, sizeof primary);
    memcpy(pair->replica_options, replica, sizeof replica);
    if (!begin_primary(pair, error) ||
        !redis_server_begin(&pair->replica, pair->replica_options, error))
        return false;
    snprintf(pair->address, sizeof pair->address, "%.100s/leader.sock", pair->replica.folder);
    snprintf(pair->url, sizeof pair->url, "unix:%s", pair->address);
    redis_pair_point(pair, &pair->primary);
    const struct timespec pause = { .tv_nsec = 10000000 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (const time_t end_s = now.tv_sec + PATIENCE_S; now.tv_sec <= end_s;
         clock_gettime(CLOCK_MONOTONIC, &now)) {
        if (is_in_step(pair))
            return true;
        nanosleep(&pause, NULL);
    }
    return error_set(error, ERROR_TIMEOUT, "the replica does not come into step");
}

bool redis_pair_promote(struct redis_pair *pair, struct error *error)
{
    if (!redis_server_command(&pair->replica, error, "REPLICAOF NO ONE"))
        return false;
    redis_pair_point(pair, &pair->replica);
    return true;
}

void redis_pair_end(struct redis_pair *pair)
{
    if (pair->address[0] != '\0')
        (void)unlink(pair->address);
    redis_server_end(&pair->primary);
    redis_server_end(&pair->replica);
}
