#include "pool.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 4 * 1024 * 1024 };

struct pool {
    CURL *curl;
    char bases[2][300]; /* of each inode-scheduler; the second may be "" */
    unsigned leads;     /* which of them is asked first */
};

struct answer {
    char *text;
    size_t length;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    size_t length = size * count;
    if (answer->length + length > ANSWER_BYTES_MAX)
        return 0;
    char *grown = realloc(answer->text, answer->length + length + 1);
    if (grown == NULL)
        return 0;
    memcpy(grown + answer->length, data, length);
    answer->text = grown;
    answer->length += length;
    answer->text[answer->length] = '\0';
    return length;
}

/* An address that listens everywhere is reached on this machine. */
static void base_of(const char *http_address, char *base_r, size_t bytes)
{
    const char *colon = strrchr(http_address, ':');
    bool everywhere =
        strncmp(http_address, "0.0.0.0:", 8) == 0 || strncmp(http_address, "[::]:", 5) == 0;
    snprintf(base_r, bytes, "http://%s%s", everywhere ? "127.0.0.1" : "",
             everywhere && colon != NULL ? colon : http_address);
}

void pool_second_address(const struct settings *settings, char *address_r, size_t bytes)
{
    const char *first = settings->scheduler_http_address, *colon = strrchr(first, ':');
    unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;
    snprintf(address_r, bytes, "%.*s:%lu", colon != NULL ? (int)(colon - first) : 0, first,
             port == 0 || port + SECOND_PORT_AFTER > 65535 ? 0 : port + SECOND_PORT_AFTER);
}

struct pool *pool_open(const struct settings *settings)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL || (pool->curl = curl_easy_init()) == NULL) {
        free(pool);
        return NULL;
    }
    char second[280];
    base_of(settings->scheduler_http_address, pool->bases[0], sizeof pool->bases[0]);
    pool_second_address(settings, second, sizeof second);
    if (settings->scheduler_instances > 1)
        base_of(second, pool->bases[1], sizeof pool->bases[1]);
    return pool;
}

void pool_close(struct pool *pool)
{
    curl_easy_cleanup(pool->curl);
    free(pool);
}

static json_t *perform(CURL *curl, long *code_r)
{
    struct answer answer = { NULL, 0 };
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 500L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L);
    json_t *json = NULL;
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, code_r);
        json = json_loadb(answer.text == NULL ? "" : answer.text, answer.length, JSON_DECODE_ANY,
                          NULL);
    }
    free(answer.text);
    return json;
}

/* NULL where there is no 200. *standby_r: this one does not lead, and what it says may be old. */
static json_t *get_from(struct pool *pool, const char *base, const char *path, bool *standby_r)
{
    char url[700];
    long code = 0;
    struct curl_header *header;
    snprintf(url, sizeof url, "%s%s", base, path);
    curl_easy_reset(pool->curl);
    curl_easy_setopt(pool->curl, CURLOPT_URL, url);
    json_t *json = perform(pool->curl, &code);
    *standby_r =
        curl_easy_header(pool->curl, "Adit-Standby", 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
    if (json != NULL && code != 200) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* First the one that was found to lead: one that hangs costs its time-out once. */
json_t *pool_get(struct pool *pool, const char *path)
{
    bool standby, other_standby;
    unsigned other_place = 1 - pool->leads;
    json_t *answer = get_from(pool, pool->bases[pool->leads], path, &standby);
    if (pool->bases[1][0] == '\0' || (answer != NULL && !standby))
        return answer;
    json_t *other = get_from(pool, pool->bases[other_place], path, &other_standby);
    if (other == NULL)
        return answer;
    if (!other_standby)
        pool->leads = other_place;
    json_decref(answer);
    return other;
}

/* The node's cookie, "user:password", as it is now: a node makes a new one at each start. */
static bool read_cookie(const char *path, char *cookie_r, size_t bytes, struct error *error)
{
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(cookie_r, (int)bytes, file) != NULL;
    if (file != NULL)
        fclose(file);
    if (!read)
        return error_set(error, ERROR_UNAVAILABLE, "the node's cookie %s cannot be read", path);
    cookie_r[strcspn(cookie_r, "\r\n")] = '\0';
    return true;
}

/* The answer's `result`, or its `error` as one sentence. */
static json_t *result_of(json_t *answer, const char *method, struct error *error)
{
    const json_t *refusal = json_object_get(answer, "error");
    json_t *result = json_incref(json_object_get(answer, "result"));
    if (json_is_object(refusal)) {
        const char *words = json_string_value(json_object_get(refusal, "message"));
        error_set(error, ERROR_UNAVAILABLE, "the node refuses %s: %s", method,
                  words == NULL ? "without a word" : words);
        json_decref(result);
        result = NULL;
    } else if (result == NULL) {
        error_set(error, ERROR_UNAVAILABLE, "the node does not answer %s", method);
    }
    json_decref(answer);
    return result;
}

json_t *pool_node_call(const struct settings *settings, bool wallet, const char *method,
                       json_t *params, struct error *error)
{
    char url[600], cookie[256] = "";
    json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "1.0", "id", 1, "method", method,
                                "params", params);
    char *body = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    CURL *curl = body == NULL ? NULL : curl_easy_init();
    if (curl == NULL) {
        free(body);
        error_set(error, ERROR_SYSTEM, "no memory for a call to the node");
        return NULL;
    }
    long code = 0;
    json_t *result = NULL;
    snprintf(url, sizeof url, "%.480s%s%.100s", settings->chain_nodes.items[0],
             wallet && settings->chain_wallet[0] != '\0' ? "/wallet/" : "",
             wallet ? settings->chain_wallet : "");
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (settings->chain_cookie_file[0] == '\0' ||
        read_cookie(settings->chain_cookie_file, cookie, sizeof cookie, error)) {
        if (cookie[0] != '\0')
            curl_easy_setopt(curl, CURLOPT_USERPWD, cookie);
        result = result_of(perform(curl, &code), method, error);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(body);
    return result;
}

bool pool_probe(const char *url, struct error *error)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory for a call");
    long code = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 3000L);
    CURLcode result = curl_easy_perform(curl); /* the text goes to standard output */
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(curl);
    if (result != CURLE_OK)
        return error_set(error, ERROR_UNAVAILABLE, "%s: %s", url, curl_easy_strerror(result));
    return code / 100 == 2 ? true
                           : error_set(error, ERROR_UNAVAILABLE, "%s answers %ld", url, code);
}
