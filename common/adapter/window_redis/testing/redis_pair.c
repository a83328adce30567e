#include "adapter/window_redis/testing/redis_pair.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

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

bool redis_pair_begin(struct redis_pair *pair, struct error *error)
{
    memset(pair, 0, sizeof *pair);
    redis_server_free_port(pair->port);
    const char *const primary[] = {
        "--port", pair->port, "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local",
    };
    const char *const replica[] = { "--replicaof", "127.0.0.1", pair->port };
    memcpy(pair->primary_options, primary, sizeof primary);
    memcpy(pair->replica_options, replica, sizeof replica);
    if (!redis_server_begin(&pair->primary, pair->primary_options, error) ||
        !redis_server_begin(&pair->replica, pair->replica_options, error))
        return false;
    snprintf(pair->address, sizeof pair->address, "%.100s/leader.sock", pair->replica.folder);
    snprintf(pair->url, sizeof pair->url, "unix:%s", pair->address);
    redis_pair_point(pair, &pair->primary);
    const struct timespec pause = { .tv_nsec = 10000000 };
    for (unsigned waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += 10) {
        /* The primary sends it nothing before it has heard of it for the first time, which may be a
         * second after the replica thinks itself up. */
        if (redis_server_says(&pair->replica, "replication", "master_link_status:up") &&
            redis_server_says(&pair->primary, "replication", "state=online") &&
            !redis_server_says(&pair->primary, "replication", ",offset=0,"))
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
