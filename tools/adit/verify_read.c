#include "verify.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TEXT_BYTES_MAX = 64 << 20,
    CONNECT_MS = 5000,
    WHOLE_MS = 60000,
    TOO_MANY = 429,
    WAITS_MAX = 60,
    WAIT_S_MAX = 30
};

struct text {
    char *data;
    size_t length;
};

static bool add(struct text *text, const char *data, size_t length)
{
    if (length > TEXT_BYTES_MAX - text->length)
        return false;
    char *grown = realloc(text->data, text->length + length + 1);
    if (grown == NULL)
        return false;
    memcpy(grown + text->length, data, length);
    text->data = grown;
    text->length += length;
    grown[text->length] = '\0';
    return true;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    return add(context, data, size * count) ? size * count : 0;
}

bool verify_is_url(const char *source)
{
    return strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
}

/* With a body it is a POST; `code_r` is the answer's status; `wait_s_r` what Retry-After says. */
static char *transfer(const char *url, const char *body, long *code_r, unsigned *wait_s_r,
                      struct error *error)
{
    struct text text = { 0 };
    CURL *curl = curl_easy_init();
    ASSERT(curl != NULL && add(&text, "", 0));
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)WHOLE_MS);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode outcome = curl_easy_perform(curl);
    curl_off_t wait_s = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, code_r);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s);
    *wait_s_r = wait_s < 1 ? 1 : wait_s > WAIT_S_MAX ? WAIT_S_MAX : (unsigned)wait_s;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (outcome == CURLE_OK)
        return text.data;
    free(text.data);
    error_fill(error, ERROR_UNAVAILABLE, "%s cannot be fetched: %s", url,
               curl_easy_strerror(outcome));
    return NULL;
}

/* The detail of a problem document, else nothing. */
static void say_problem(const char *url, long code, const char *text, struct error *error)
{
    json_t *problem = json_loads(text, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    error_fill(error, ERROR_REFUSED, "%s answers %ld%s%s", url, code, detail == NULL ? "" : ": ",
               detail == NULL ? "" : detail);
    json_decref(problem);
}

static char *read_file(FILE *file, const char *name, struct error *error)
{
    struct text text = { 0 };
    char part[65536];
    size_t length;
    ASSERT(add(&text, "", 0));
    while ((length = fread(part, 1, sizeof part, file)) > 0)
        if (!add(&text, part, length)) {
            free(text.data);
            error_fill(error, ERROR_FULL, "%s is too long", name);
            return NULL;
        }
    if (!ferror(file))
        return text.data;
    free(text.data);
    error_fill_system(error, errno, "%s cannot be read", name);
    return NULL;
}

char *verify_text(const char *source, struct error *error)
{
    if (verify_is_url(source)) {
        long code = 0;
        unsigned wait_s;
        char *text = transfer(source, NULL, &code, &wait_s, error);
        for (int waits = 0; text != NULL && code == TOO_MANY && waits < WAITS_MAX; waits++) {
            free(text);
            (void)sleep(wait_s);
            text = transfer(source, NULL, &code, &wait_s, error);
        }
        if (text != NULL && code != 200) {
            say_problem(source, code, text, error);
            free(text);
            return NULL;
        }
        return text;
    }
    if (strcmp(source, "-") == 0)
        return read_file(stdin, "standard input", error);
    FILE *file = fopen(source, "re");
    if (file == NULL) {
        error_fill_system(error, errno, "%s cannot be opened", source);
        return NULL;
    }
    char *text = read_file(file, source, error);
    fclose(file);
    return text;
}

json_t *verify_json(const char *source, struct error *error)
{
    char *text = verify_text(source, error);
    if (text == NULL)
        return NULL;
    json_error_t trouble;
    json_t *json = json_loads(text, 0, &trouble);
    free(text);
    if (json == NULL)
        error_fill(error, ERROR_INVALID, "%s is no JSON: line %d: %s", source, trouble.line,
                   trouble.text);
    return json;
}

json_t *verify_node(const char *url, const char *method, const char *params, struct error *error)
{
    char body[512];
    long code = 0;
    unsigned ignored;
    snprintf(body, sizeof body, "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
             method, params);
    char *text = transfer(url, body, &code, &ignored, error);
    if (text == NULL)
        return NULL;
    json_t *answer = json_loads(text, 0, NULL);
    json_t *result = json_incref(json_object_get(answer, "result"));
    const char *message =
        json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    if (result == NULL || json_is_null(result)) {
        error_fill(error, ERROR_REFUSED, "the node answers %s with %ld%s%s", method, code,
                   message == NULL ? "" : ": ", message == NULL ? "" : message);
        json_decref(result);
        result = NULL;
    }
    json_decref(answer);
    free(text);
    return result;
}
