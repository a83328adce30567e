#include "adapter/window_redis/address.h"
#include "adapter/window_redis/window_redis.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REWRITE_PATIENCE_S = 600, LOOKS_PER_S = 10 };

static bool no_answer(const redisContext *redis, const redisReply *answer, struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, "redis: %s",
                     answer != NULL && answer->type == REDIS_REPLY_ERROR ? answer->str
                     : redis->err != 0                                   ? redis->errstr
                                       : "an answer of an unexpected kind");
}

/* A setting's text. */
static bool get(redisContext *redis, const char *name, char *text_r, size_t bytes,
                struct error *error)
{
    redisReply *answer = redisCommand(redis, "CONFIG GET %s", name);
    const bool good = answer != NULL && answer->type == REDIS_REPLY_ARRAY &&
                      answer->elements == 2 && answer->element[1]->type == REDIS_REPLY_STRING &&
                      answer->element[1]->len < bytes;
    if (good)
        memcpy(text_r, answer->element[1]->str, answer->element[1]->len + 1);
    else
        (void)no_answer(redis, answer, error);
    if (answer != NULL)
        freeReplyObject(answer);
    return good;
}

static bool set_percentage(redisContext *redis, const char *text, struct error *error)
{
    redisReply *answer = redisCommand(redis, "CONFIG SET auto-aof-rewrite-percentage %s", text);
    const bool good = answer != NULL && answer->type == REDIS_REPLY_STATUS;
    if (!good)
        (void)no_answer(redis, answer, error);
    if (answer != NULL)
        freeReplyObject(answer);
    return good;
}

static bool rewrite_ended(redisContext *redis, struct error *error)
{
    const struct timespec pause = { .tv_nsec = 1000000000 / LOOKS_PER_S };
    for (unsigned i = 0; i < REWRITE_PATIENCE_S * LOOKS_PER_S; i++) {
        redisReply *answer = redisCommand(redis, "INFO persistence");
        if (answer == NULL || answer->type != REDIS_REPLY_STRING) {
            const bool good = no_answer(redis, answer, error);
            if (answer != NULL)
                freeReplyObject(answer);
            return good;
        }
        const bool ended = strstr(answer->str, "aof_rewrite_in_progress:0") != NULL &&
                           strstr(answer->str, "aof_rewrite_scheduled:0") != NULL;
        freeReplyObject(answer);
        if (ended)
            return true;
        nanosleep(&pause, NULL);
    }
    return error_set(error, ERROR_TIMEOUT, "redis rewrites its file for more than %d s",
                     REWRITE_PATIENCE_S);
}

static bool copy_held(redisContext *redis,
                      bool (*copy)(void *context, const char *folder, struct error *error),
                      void *context, struct error *error)
{
    char on[8], folder[1024], name[256], whole[1400], percentage[24];
    if (!get(redis, "appendonly", on, sizeof on, error) ||
        !get(redis, "dir", folder, sizeof folder, error) ||
        !get(redis, "appenddirname", name, sizeof name, error) ||
        !get(redis, "auto-aof-rewrite-percentage", percentage, sizeof percentage, error))
        return false;
    if (strcmp(on, "yes") != 0)
        return error_set(error, ERROR_INVALID, "redis keeps no append-only file");
    if (strcmp(percentage, "0") == 0)
        return error_set(error, ERROR_REFUSED,
                         "auto-aof-rewrite-percentage is 0: another backup is being made, or one "
                         "was cut off; set it back (100 is usual)");
    snprintf(whole, sizeof whole, "%s/%s", folder, name);
    /* A process that is asked to end does so when rewrites are as they were. */
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
    bool good = set_percentage(redis, "0", error);
    if (good) {
        struct error other;
        good = rewrite_ended(redis, error) && copy(context, whole, error);
        good = set_percentage(redis, percentage, good ? error : &other) && good;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

bool window_redis_copy_files(const struct window_redis_options *options,
                             bool (*copy)(void *context, const char *folder, struct error *error),
                             void *context, struct error *error)
{
    struct redis_address address;
    char password[ADDRESS_TEXT_BYTES_MAX];
    if (!redis_address_parse(options->url, options->password_file, &address, error) ||
        !redis_address_password(&address, password, error) || !redis_address_open(&address, error))
        return false;
    redisContext *redis = address.unix_path[0] != '\0' ? redisConnectUnix(address.unix_path)
                                                       : redisConnect(address.host, address.port);
    redisReply *answer = NULL;
    bool good = redis != NULL && redis->err == 0;
    if (good && password[0] != '\0') {
        answer = redisCommand(redis, "AUTH %s", password);
        good = answer != NULL && answer->type == REDIS_REPLY_STATUS;
    }
    explicit_bzero(password, sizeof password);
    if (redis == NULL)
        error_fill(error, ERROR_FULL, "no memory for a connection to redis");
    else if (!good)
        (void)no_answer(redis, answer, error);
    if (answer != NULL)
        freeReplyObject(answer);
    good = good && copy_held(redis, copy, context, error);
    if (redis != NULL)
        redisFree(redis);
    redis_address_close(&address);
    return good || error_prefix(error, "redis at %s", address.name);
}
