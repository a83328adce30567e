/* The window in a real redis-server passes the suite, by its unix socket or (argument "tls")
 * through TLS with certificates of both ends; the storm's crashes are kill -9, as many as
 * ADIT_WINDOW_CRASHES says (5). */
#include "adapter/window_redis/testing/redis_server.h"
#include "adapter/window_redis/testing/redis_tls.h"
#include "adapter/window_redis/window_redis.h"
#include "port/suite/window/window_suite.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ground {
    struct loop *loop;
    struct redis_server server;
    const char *url;
};

static void fail(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

static struct window_writer *open_writer(void *context, unsigned outstanding_max)
{
    struct ground *ground = context;
    struct error error;
    const struct window_redis_options options = { .url = ground->url,
                                                  .outstanding_max = outstanding_max };
    struct window_writer *writer = window_redis_writer_open(ground->loop, &options, &error);
    if (writer == NULL)
        fail(&error);
    return writer;
}

static struct window_reader *open_reader(void *context)
{
    struct ground *ground = context;
    struct error error;
    const struct window_redis_options options = { .url = ground->url };
    struct window_reader *reader = window_redis_reader_open(&options, &error);
    if (reader == NULL)
        fail(&error);
    return reader;
}

static void clear(void *context)
{
    struct ground *ground = context;
    redisContext *redis = redisConnectUnix(ground->server.url + 5);
    freeReplyObject(redisCommand(redis, "FLUSHALL"));
    redisFree(redis);
}

static void crash(void *context)
{
    struct ground *ground = context;
    struct error error;
    redis_server_kill(&ground->server);
    if (!redis_server_restart(&ground->server, &error))
        fail(&error);
}

int main(int argc, char **argv)
{
    static struct ground ground;
    static struct redis_tls tls;
    const bool with_tls = argc > 1 && strcmp(argv[1], "tls") == 0;
    struct error error;
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    ground.loop = loop_create(&error);
    if (with_tls && !redis_tls_prepare(&tls)) {
        printf("SKIPPED: no free port, or ADIT_SOURCE is not set\n");
        return 77;
    }
    if (ground.loop == NULL ||
        !redis_server_begin(&ground.server, with_tls ? tls.options : NULL, &error))
        fail(&error);
    ground.url = with_tls ? tls.url : ground.server.url;
    const char *crashes = getenv("ADIT_WINDOW_CRASHES");
    const struct window_suite suite = { .name = with_tls ? "window_redis_tls" : "window_redis",
                                        .loop = ground.loop,
                                        .context = &ground,
                                        .open_writer = open_writer,
                                        .open_reader = open_reader,
                                        .clear = clear,
                                        .crash = crash,
                                        .crashes = crashes != NULL ? (unsigned)atoi(crashes) : 5 };
    int result = window_suite_main(&suite);
    redis_server_end(&ground.server);
    loop_destroy(ground.loop);
    return result;
}
