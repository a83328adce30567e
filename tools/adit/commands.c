/* The verbs that look at a pool, or need none. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lock.h"
#include "pool.h"
#include "status.h"
#include "supervisor.h"
#include "terminal.h"

bool command_find_pool(const struct options *options, char *data_dir, size_t bytes,
                       struct settings *settings, struct error *error)
{
    return plan_data_dir(options->data_dir, data_dir, bytes, error) &&
           settings_load(settings, plan_config(options, data_dir), data_dir, "1", error);
}

static void put_line(void *context, const char *line)
{
    fprintf(context, "%s\n", line);
}

/* 0: running and healthy; 1: not running; 2: it runs, but something is wrong. */
int command_status(const struct options *options)
{
    char data_dir[80];
    struct settings settings;
    struct error error;
    if (!command_find_pool(options, data_dir, sizeof data_dir, &settings, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    struct pool *pool = pool_open(&settings);
    json_t *status = pool == NULL ? NULL : pool_get(pool, "/api/v1/pool/status");
    json_t *statistics = status == NULL ? NULL : pool_get(pool, "/api/v1/pool/statistics");
    json_t *blocks = status == NULL ? NULL : pool_get(pool, "/api/v1/blocks");
    const char *state = json_string_value(json_object_get(status, "status"));
    bool supervised = lock_owner(data_dir) != 0;
    const char *health =
        json_string_value(json_object_get(json_object_get(status, "health"), "status"));
    bool well = state != NULL && strcmp(state, "running") == 0 && health != NULL &&
                strcmp(health, "healthy") == 0;
    int code = well ? 0 : state == NULL && !supervised ? 1 : 2;
    char away[400] = ""; /* why there is nothing to tell */
    if (status == NULL && supervised)
        snprintf(away, sizeof away,
                 "a pool runs on %s, but http://%.200s does not answer: see ./adit logs "
                 "inode-scheduler",
                 data_dir, settings.scheduler_http_address);
    else if (status == NULL)
        snprintf(away, sizeof away, "no pool runs on %s", data_dir);
    if (options->json) {
        json_t *all =
            json_pack("{s:s, s:s, s:o, s:o, s:o}", "status",
                      state != NULL ? state
                      : supervised  ? "error"
                                    : "stopped",
                      "reason", away, "pool", status == NULL ? json_null() : json_incref(status),
                      "statistics", statistics == NULL ? json_null() : json_incref(statistics),
                      "blocks", blocks == NULL ? json_null() : json_incref(blocks));
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        printf("\n");
        json_decref(all);
    } else if (status != NULL) {
        const struct status_picture picture = { status, statistics, blocks, loop_unix_ms() };
        unsigned columns, rows;
        terminal_size(stdout, &columns, &rows);
        status_lines(&picture, columns, put_line, stdout);
    } else {
        printf("%s\n", away);
    }
    json_decref(status);
    json_decref(statistics);
    json_decref(blocks);
    if (pool != NULL)
        pool_close(pool);
    settings_deinit(&settings);
    return code;
}

/* Without a name: what there is. With one: its log from the last lines on, as it grows. */
int command_logs(const struct options *options)
{
    char data_dir[80], path[400];
    struct error error;
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    const char *name = options->rest_count > 0 ? options->rest[0] : "";
    snprintf(path, sizeof path, "%s/log/%s.log", data_dir, name);
    if (name[0] == '\0' || strchr(name, '/') != NULL || access(path, R_OK) != 0) {
        fprintf(stderr, "adit: adit logs SERVICE, one of these in %s/log:\n", data_dir);
        snprintf(path, sizeof path, "%s/log", data_dir);
        execlp("ls", "ls", path, (char *)NULL);
        return 64;
    }
    execlp("tail", "tail", "-n", "200", "-F", path, (char *)NULL);
    perror("adit: tail");
    return 1;
}

int command_config(const struct options *options)
{
    const char *what = options->rest_count > 0 ? options->rest[0] : "";
    if (strcmp(what, "example") == 0) {
        settings_print_example(stdout);
        return 0;
    }
    if (strcmp(what, "explain") == 0) {
        settings_print_explanation(stdout);
        return 0;
    }
    if (strcmp(what, "check") != 0) {
        fprintf(stderr, "adit: adit config check [FILE] | example | explain\n");
        return 64;
    }
    struct settings settings;
    struct error error;
    const char *file = options->rest_count > 1 ? options->rest[1] : options->config;
    if (!settings_load(&settings, file, options->data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    printf("adit: the settings are good\n");
    settings_deinit(&settings);
    return 0;
}

/* The miner has its own options, so it gets the command line as it is. */
int command_miner(const struct options *options)
{
    char path[300], *arguments[64] = { path };
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 16);
    if (length <= 0) {
        perror("adit: /proc/self/exe");
        return 1;
    }
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, "adit-miner");
    for (int i = 0; i < options->rest_count && i < 62; i++)
        arguments[i + 1] = options->rest[i];
    execv(path, arguments);
    perror("adit: adit-miner");
    return 1;
}
