/* Five questions leave at once, each answered by a step: the password, the server's settings, the
 * name of its history, the functions, and whether this user may run them. The first that goes wrong
 * ends the connection with the sentence that the operator reads. */
#include "adapter/window_redis/greeting.h"
#include "adapter/window_redis/library.h"
#include "adapter/window_redis/packed.h"

#include <stdio.h>

static const char *answer_text(const redisReply *answer)
{
    return answer->type == REDIS_REPLY_ERROR ? answer->str : "an answer of an unexpected kind";
}

static struct link *greeting_answer(struct redisAsyncContext *redis, const redisReply *answer)
{
    struct link *link = redis->data;
    /* NULL: the connection ended, and whoever ended it says why. */
    return answer == NULL || link->redis != redis ? NULL : link;
}

static void greeting_step_done(struct link *link)
{
    if (--link->greeting_left > 0)
        return;
    link_greeted(link);
}

static void on_password(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    if (answer->type != REDIS_REPLY_STATUS)
        link_break(link, answer_text(answer));
    else
        greeting_step_done(link);
}

static const char *setting(const redisReply *answer, const char *name)
{
    for (size_t i = 0; i + 1 < answer->elements; i += 2)
        if (answer->element[i]->type == REDIS_REPLY_STRING &&
            answer->element[i + 1]->type == REDIS_REPLY_STRING &&
            strcmp(answer->element[i]->str, name) == 0)
            return answer->element[i + 1]->str;
    return "";
}

static const char aof_off[] =
    "its append-only file is off (appendonly no), so it would lose what it "
    "acknowledged; set appendonly yes";
static const char may_evict[] =
    "it may evict keys when its memory is full; set maxmemory-policy noeviction";

/* Whether the server's INFO has this line. */
static bool info_says(const redisReply *answer, const char *line)
{
    size_t length = strlen(line);
    const char *at = answer->str;
    while (at != NULL && *at != '\0') {
        if (strncmp(at, line, length) == 0 && (at[length] == '\r' || at[length] == '\0'))
            return true;
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return false;
}

/* Asked where CONFIG is forbidden: it shows what must be, but not when the file is fsynced. What
 * cannot be seen at all is not relied on. `link->warning` says why CONFIG was of no use. */
static void on_info(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    if (answer->type != REDIS_REPLY_STRING) {
        char reason[400];
        snprintf(reason, sizeof reason,
                 "neither CONFIG GET (%.120s) nor INFO (%.120s) may be asked, so nothing is known "
                 "about its durability; allow its user +config|get",
                 link->warning, answer_text(answer));
        link_break(link, reason);
    } else if (!info_says(answer, "aof_enabled:1")) {
        link_break(link, aof_off);
    } else if (!info_says(answer, "maxmemory_policy:noeviction")) {
        link_break(link, may_evict);
    } else {
        char why[120];
        snprintf(why, sizeof why, "%.119s", link->warning);
        snprintf(link->warning, sizeof link->warning,
                 "CONFIG GET may not be asked (%.80s), so appendfsync is not known; allow its user "
                 "+config|get",
                 why);
        greeting_step_done(link);
    }
}

static void ask_info(struct link *link, const char *why)
{
    const char *info[] = { "INFO" };
    snprintf(link->warning, sizeof link->warning, "%.200s", why);
    if (redisAsyncCommandArgv(link->redis, on_info, NULL, 1, info, NULL) != REDIS_OK)
        link_break(link, "no memory for a command");
}

static void on_settings(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    link->warning[0] = '\0';
    if (answer->type != REDIS_REPLY_ARRAY) {
        if (strncmp(answer_text(answer), "LOADING", 7) == 0)
            link_break(link, answer_text(answer));
        else
            ask_info(link, answer_text(answer));
        return;
    }
    if (setting(answer, "appendonly")[0] == '\0') {
        ask_info(link, "it shows no settings");
        return;
    }
    if (strcmp(setting(answer, "appendonly"), "yes") != 0) {
        link_break(link, aof_off);
        return;
    }
    if (strcmp(setting(answer, "maxmemory-policy"), "noeviction") != 0) {
        link_break(link, may_evict);
        return;
    }
    if (strcmp(setting(answer, "appendfsync"), "always") != 0) {
        snprintf(link->warning, sizeof link->warning,
                 "appendfsync is %.20s: acknowledged shares of about the last second can be lost "
                 "with the kernel or the power; set appendfsync always",
                 setting(answer, "appendfsync"));
    } else if (strcmp(setting(answer, "no-appendfsync-on-rewrite"), "yes") == 0) {
        snprintf(
            link->warning, sizeof link->warning,
            "no-appendfsync-on-rewrite is yes: while it rewrites its file, acknowledged shares "
            "can be lost with the kernel or the power; set it to no");
    }
    greeting_step_done(link);
}

/* Without it the server is used all the same: it is the settings that make it durable. */
static void on_history(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    if (!link_take_info(link, answer)) {
        link->history = 0;
        link->replicas = link->memory_percent = 0;
        if (link->warning[0] == '\0')
            snprintf(link->warning, sizeof link->warning,
                     "INFO may not be asked (%.80s), so neither a failover nor a full memory is "
                     "noticed; allow its user +info",
                     answer_text(answer));
    }
    greeting_step_done(link);
}

static void on_library(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    if (answer->type == REDIS_REPLY_ERROR) {
        char reason[300];
        snprintf(reason, sizeof reason, "the window's functions cannot be loaded: %.200s",
                 answer->str);
        link_break(link, reason);
        return;
    }
    greeting_step_done(link);
}

static void on_proof(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    if (answer->type != REDIS_REPLY_STATUS) {
        char reason[400];
        snprintf(reason, sizeof reason,
                 "the window's functions cannot be run: %.200s; docs/durability.md names the "
                 "rights they need",
                 answer_text(answer));
        link_break(link, reason);
        return;
    }
    greeting_step_done(link);
}

/* Asked where replicas are waited for, for none of them: whether this user may ask at all. */
static void on_wait(struct redisAsyncContext *redis, void *reply, void *context)
{
    (void)context;
    const redisReply *answer = reply;
    struct link *link = greeting_answer(redis, answer);
    if (link == NULL)
        return;
    if (answer->type != REDIS_REPLY_INTEGER) {
        char reason[300];
        snprintf(reason, sizeof reason, "replicas cannot be waited for: %.200s",
                 answer_text(answer));
        link_break(link, reason);
        return;
    }
    greeting_step_done(link);
}

void link_greet(struct link *link)
{
    char password[ADDRESS_TEXT_BYTES_MAX];
    struct error error;
    if (!redis_address_password(&link->address, password, &error)) {
        link_break(link, error.text);
        return;
    }
    int result = REDIS_OK;
    link->greeting_left = 4;
    if (password[0] != '\0') {
        link->greeting_left++;
        const char *auth[] = { "AUTH", password };
        result = redisAsyncCommandArgv(link->redis, on_password, NULL, 2, auth, NULL);
    }
    const char *get[] = { "CONFIG",           "GET",
                          "appendonly",       "appendfsync",
                          "maxmemory-policy", "no-appendfsync-on-rewrite" };
    if (result == REDIS_OK)
        result = redisAsyncCommandArgv(link->redis, on_settings, NULL, 6, get, NULL);
    if (result == REDIS_OK && !link_ask_info(link, on_history))
        result = REDIS_ERR;
    const char *load[] = { "FUNCTION", "LOAD", "REPLACE", (const char *)library_text };
    const size_t lengths[] = { 8, 4, 7, library_text_bytes };
    if (result == REDIS_OK)
        result = redisAsyncCommandArgv(link->redis, on_library, NULL, 4, load, lengths);
    char records_key[PACKED_KEY_BYTES];
    packed_key_records(0, records_key); /* no lease has this id */
    const char *prove[] = { "FCALL",
                            "adit_window_prove_1",
                            "5",
                            PACKED_KEY_STREAM,
                            records_key,
                            PACKED_KEY_LEASES,
                            PACKED_KEY_CANDIDATES,
                            PACKED_KEY_TOTALS };
    if (result == REDIS_OK)
        result = redisAsyncCommandArgv(link->redis, on_proof, NULL, 8, prove, NULL);
    const char *wait[] = { "WAIT", "0", "1" };
    if (result == REDIS_OK && link->before_flush != NULL) {
        link->greeting_left++;
        result = redisAsyncCommandArgv(link->redis, on_wait, NULL, 3, wait, NULL);
    }
    explicit_bzero(password, sizeof password);
    if (result != REDIS_OK)
        link_break(link, "no memory for a command");
    else
        loop_timer_start(link->loop, &link->timer, LINK_PATIENCE_MS, 0);
}
