/* adit rejects ACCOUNT[.WORKER]: why a miner's shares were rejected in the last day, and what to
 * do, as the pool's API says it. 0: read; 1: the API did not answer; 64: no such name. */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "plan.h"
#include "pool.h"
#include "service/settings.h"

enum { LINES_MAX = 10 };

/* Percent-encodes what does not stand in a path as it is. */
static void encode(const char *text, char *out_r, size_t bytes)
{
    size_t used = 0;
    for (; *text != '\0' && used + 4 < bytes; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            c == '-' || c == '_' || c == '.')
            out_r[used++] = (char)c;
        else
            used += (size_t)snprintf(out_r + used, bytes - used, "%%%02X", c);
    }
    out_r[used] = '\0';
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void show(const json_t *document)
{
    size_t index;
    json_t *entry;
    json_t *advice = json_object_get(document, "advice");
    if (json_array_size(advice) == 0) {
        printf("no share was rejected in the last day\n");
        return;
    }
    json_array_foreach(advice, index, entry)
    {
        printf("%lld rejected: %s\n",
               (long long)json_integer_value(json_object_get(entry, "count")),
               text_of(entry, "what"));
        if (text_of(entry, "detail")[0] != '\0')
            printf("    newest: %s\n", text_of(entry, "detail"));
        printf("    %s\n", text_of(entry, "todo"));
    }
    printf("\n");
    json_array_foreach(json_object_get(document, "rejects"), index, entry)
    {
        time_t when = (time_t)(json_integer_value(json_object_get(entry, "time_ms")) / 1000);
        struct tm utc;
        char date[32];
        if (index == LINES_MAX)
            break;
        gmtime_r(&when, &utc);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
        printf("%s  %-18s worker=%s agent=%s job_age_s=%lld ntime_offset_s=%lld\n", date,
               text_of(entry, "reason"), text_of(entry, "worker"), text_of(entry, "user_agent"),
               (long long)json_integer_value(json_object_get(entry, "job_age_s")),
               (long long)json_integer_value(json_object_get(entry, "ntime_offset_s")));
    }
}

static int ask(const struct settings *settings, const char *name)
{
    char account[512], worker[256], path[1024];
    const char *dot = strchr(name, '.');
    char plain[256];
    snprintf(plain, sizeof plain, "%.*s", dot != NULL ? (int)(dot - name) : (int)strlen(name),
             name);
    encode(plain, account, sizeof account);
    if (dot != NULL) {
        encode(dot + 1, worker, sizeof worker);
        snprintf(path, sizeof path, "/api/v1/accounts/%s/workers/%s/rejects", account, worker);
    } else {
        snprintf(path, sizeof path, "/api/v1/accounts/%s/rejects", account);
    }
    struct pool *pool = pool_open(settings);
    json_t *document = pool != NULL ? pool_get(pool, path) : NULL;
    if (document != NULL)
        show(document);
    else
        fprintf(stderr,
                "adit: the API at %s gives nothing for %s: is the pool up, and the name "
                "right?\n",
                settings->scheduler_http_address, name);
    int code = document != NULL ? 0 : 1;
    json_decref(document);
    if (pool != NULL)
        pool_close(pool);
    return code;
}

int command_rejects(const struct options *options)
{
    struct settings settings;
    struct error error;
    if (options->rest_count != 1) {
        fprintf(stderr, "usage: adit rejects [--config FILE] [--data DIR] ACCOUNT[.WORKER]\n");
        return 64;
    }
    char data_dir[80];
    if (!plan_data_dir(options->data_dir, data_dir, sizeof data_dir, &error) ||
        !settings_load(&settings, plan_config(options, data_dir), data_dir, "1", &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 64;
    }
    int code = ask(&settings, options->rest[0]);
    settings_deinit(&settings);
    return code;
}
