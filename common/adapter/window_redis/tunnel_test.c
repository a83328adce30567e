/* A redis-server that is reached through TLS: what goes in comes out, whatever its size; and who is
 * not the server, or may not talk to it, is named. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/window_redis/address.h"
#include "adapter/window_redis/testing/redis_server.h"
#include "adapter/window_redis/testing/redis_tls.h"
#include "adapter/window_redis/tunnel.h"
#include "base/test_port.h"
#include "base/test_random.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct redis_server server;
static struct redis_tls tls;

static struct redis_tunnel *open_with(const char *authority, const char *name,
                                      const char *certificate, const char *key)
{
    static char files[3][512];
    const char *const given[] = { authority, certificate, key };
    for (unsigned i = 0; i < 3; i++)
        if (given[i][0] != '\0')
            snprintf(files[i], sizeof files[i], "%s/%s", tls.folder, given[i]);
        else
            files[i][0] = '\0';
    struct error error;
    struct redis_tunnel *tunnel =
        redis_tunnel_open(&(struct redis_tunnel_options){ .host = "127.0.0.1",
                                                          .port = (uint16_t)tls.port,
                                                          .name = name,
                                                          .authority_file = files[0],
                                                          .certificate_file = files[1],
                                                          .key_file = files[2] },
                          &error);
    if (tunnel == NULL)
        print_error("%s\n", error.text);
    assert_non_null(tunnel);
    return tunnel;
}

static redisContext *connect_to(const struct redis_tunnel *tunnel)
{
    redisContext *redis = redisConnectUnix(redis_tunnel_path(tunnel));
    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    assert_int_equal(redisSetTimeout(redis, (struct timeval){ .tv_sec = 60 }), REDIS_OK);
    return redis;
}

/* The first answer is an error whose text has `words`, or the connection ends at once. */
static void assert_refused(struct redis_tunnel *tunnel, const char *words)
{
    redisContext *redis = connect_to(tunnel);
    redisReply *answer = redisCommand(redis, "PING");
    if (words != NULL) {
        assert_non_null(answer);
        assert_int_equal(answer->type, REDIS_REPLY_ERROR);
        if (strstr(answer->str, words) == NULL)
            print_error("%s\n", answer->str);
        assert_non_null(strstr(answer->str, words));
    } else {
        assert_true(answer == NULL || answer->type == REDIS_REPLY_ERROR);
    }
    if (answer != NULL)
        freeReplyObject(answer);
    redisFree(redis);
    redis_tunnel_close(tunnel);
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("tunnel");
    struct redis_tunnel *tunnel = open_with("authority.crt", "adit", "member.crt", "member.key");
    enum { CONTEXTS = 3, BYTES_MAX = 300000 };
    redisContext *redis[CONTEXTS];
    for (unsigned i = 0; i < CONTEXTS; i++)
        redis[i] = connect_to(tunnel);
    uint8_t *bytes = malloc(BYTES_MAX);
    for (unsigned round = 0; round < 60; round++) {
        redisContext *one = redis[round % CONTEXTS];
        const size_t length = test_random_below(&random, round % 4 == 0 ? BYTES_MAX : 300);
        test_random_bytes(&random, bytes, length);
        /* Several at once: both directions are full at the same time. */
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(redisAppendCommand(one, "ECHO %b", bytes, length), REDIS_OK);
        for (unsigned i = 0; i < 4; i++) {
            redisReply *answer = NULL;
            assert_int_equal(redisGetReply(one, (void **)&answer), REDIS_OK);
            assert_int_equal(answer->type, REDIS_REPLY_STRING);
            assert_int_equal(answer->len, length);
            assert_memory_equal(answer->str, bytes, length);
            freeReplyObject(answer);
        }
    }
    free(bytes);
    for (unsigned i = 0; i < CONTEXTS; i++)
        redisFree(redis[i]);
    redis_tunnel_close(tunnel);
}

static void another_authoritys_server_is_not_talked_to(void **state)
{
    (void)state;
    assert_refused(open_with("stranger.crt", "adit", "member.crt", "member.key"), "certificate");
}

static void a_server_under_another_name_is_not_talked_to(void **state)
{
    (void)state;
    assert_refused(open_with("authority.crt", "redis.example.com", "member.crt", "member.key"),
                   "certificate");
    assert_refused(open_with("authority.crt", "", "member.crt", "member.key"), "certificate");
}

static void who_shows_no_certificate_is_refused_by_the_server(void **state)
{
    (void)state;
    assert_refused(open_with("authority.crt", "adit", "", ""), NULL);
}

static void a_server_that_is_away_is_said_and_found_when_it_is_back(void **state)
{
    (void)state;
    struct error error;
    struct redis_tunnel *tunnel = open_with("authority.crt", "adit", "member.crt", "member.key");
    redis_server_kill(&server);
    redisContext *redis = connect_to(tunnel);
    redisReply *answer = redisCommand(redis, "PING");
    assert_non_null(answer);
    assert_int_equal(answer->type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(answer->str, "refused"));
    freeReplyObject(answer);
    redisFree(redis);
    assert_true(redis_server_restart(&server, &error));
    assert_true(redis_server_wait(&server, &error));
    redis = connect_to(tunnel);
    answer = redisCommand(redis, "PING");
    assert_non_null(answer);
    assert_string_equal(answer->str, "PONG");
    freeReplyObject(answer);
    /* A server that dies under a connection ends it. */
    redis_server_kill(&server);
    assert_null(redisCommand(redis, "PING"));
    redisFree(redis);
    redis_tunnel_close(tunnel);
    assert_true(redis_server_restart(&server, &error));
    assert_true(redis_server_wait(&server, &error));
}

static void more_connections_than_there_is_room_for_end(void **state)
{
    (void)state;
    struct redis_tunnel *tunnel = open_with("authority.crt", "adit", "member.crt", "member.key");
    redisContext *redis[TUNNEL_CONNECTIONS_MAX + 1];
    unsigned answered = 0;
    for (unsigned i = 0; i <= TUNNEL_CONNECTIONS_MAX; i++) {
        redis[i] = connect_to(tunnel);
        redisReply *answer = redisCommand(redis[i], "PING");
        answered += answer != NULL && answer->type == REDIS_REPLY_STATUS;
        if (answer != NULL)
            freeReplyObject(answer);
    }
    assert_int_equal(answered, TUNNEL_CONNECTIONS_MAX);
    for (unsigned i = 0; i <= TUNNEL_CONNECTIONS_MAX; i++)
        redisFree(redis[i]);
    redis_tunnel_close(tunnel);
}

static void a_file_that_cannot_be_used_is_named_at_once(void **state)
{
    (void)state;
    struct error error;
    struct redis_tunnel_options options = { .host = "h",
                                            .port = 1,
                                            .name = "",
                                            .authority_file = "/nonexistent/authority",
                                            .certificate_file = "",
                                            .key_file = "" };
    assert_null(redis_tunnel_open(&options, &error));
    assert_non_null(strstr(error.text, "/nonexistent/authority"));
}

static void an_address_with_tls_is_taken_apart(void **state)
{
    (void)state;
    struct redis_address address;
    struct error error;
    assert_true(redis_address_parse("rediss://:p?w@window:7000?key=/k&authority=/a&certificate=/c",
                                    NULL, &address, &error));
    assert_true(address.tls);
    assert_string_equal(address.password, "p?w");
    assert_string_equal(address.host, "window");
    assert_int_equal(address.port, 7000);
    assert_string_equal(address.authority_file, "/a");
    assert_string_equal(address.certificate_file, "/c");
    assert_string_equal(address.key_file, "/k");
    assert_true(redis_address_parse("rediss://[::1]", NULL, &address, &error));
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 6379);
    assert_string_equal(address.authority_file, "");
    static const char *const broken[] = {
        "rediss://",           "rediss://h?authority",
        "rediss://h?key=/k",   "rediss://h?authority=",
        "rediss://h?other=/a", "rediss://h?key=/a&key=/b&certificate=/c",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        if (redis_address_parse(broken[i], NULL, &address, &error))
            fail_msg("%s is taken", broken[i]);
}

int main(void)
{
    struct error error;
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!redis_tls_prepare(&tls)) {
        printf("SKIPPED: no free port, or ADIT_SOURCE is not set\n");
        return 77;
    }
    if (!redis_server_begin(&server, tls.options, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(another_authoritys_server_is_not_talked_to),
        cmocka_unit_test(a_server_under_another_name_is_not_talked_to),
        cmocka_unit_test(who_shows_no_certificate_is_refused_by_the_server),
        cmocka_unit_test(a_server_that_is_away_is_said_and_found_when_it_is_back),
        cmocka_unit_test(more_connections_than_there_is_room_for_end),
        cmocka_unit_test(a_file_that_cannot_be_used_is_named_at_once),
        cmocka_unit_test(an_address_with_tls_is_taken_apart),
    };
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_end(&server);
    return result;
}
