#include "pool.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES_MAX = 4 * 1024 * 1024 };

struct pool {
    CURL *curl;
    char base[300];
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

struct pool *pool_open(const char *http_address)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL || (pool->curl = curl_easy_init()) == NULL) {
        free(pool);
        return NULL;
    }
    /* An address that listens everywhere is reached on this machine. */
    const char *colon = strrchr(http_address, ':');
    bool everywhere =
        strncmp(http_address, "0.0.0.0:", 8) == 0 || strncmp(http_address, "[::]:", 5) == 0;
    snprintf(pool->base, sizeof pool->base, "http://%s%s", everywhere ? "127.0.0.1" : "",
             everywhere && colon != NULL ? colon : http_address);
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

json_t *pool_get(struct pool *pool, const char *path)
{
    char url[700];
    long code = 0;
    snprintf(url, sizeof url, "%s%s", pool->base, path);
    curl_easy_reset(pool->curl);
    curl_easy_setopt(pool->curl, CURLOPT_URL, url);
    json_t *json = perform(pool->curl, &code);
    if (json != NULL && code != 200) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *pool_node_call(const char *url, const char *method, struct error *error)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        error_set(error, ERROR_SYSTEM, "no memory for a call to the node");
        return NULL;
    }
    char body[256];
    long code = 0;
    snprintf(body, sizeof body, "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"%s\",\"params\":[]}",
             method);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    json_t *answer = perform(curl, &code);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    json_t *result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    if (result == NULL || json_is_null(result)) {
        json_decref(result);
        error_set(error, ERROR_UNAVAILABLE, "the node does not answer %s", method);
        return NULL;
    }
    return result;
}
