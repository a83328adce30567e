#include "adapter/node_rpc/rpc.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_TIMEOUT_MS = 2000,
    CALL_TIMEOUT_MS = 10000,
    LONGPOLL_TIMEOUT_MS = 90000,
    /* Nodes close a silent connection after 30 s; one that may be closing is not used again,
     * because a request lost on it would have an unknown fate. */
    IDLE_REUSE_S = 20,
    /* A long answer is taken in large pieces: each costs system calls. The most curl allows. */
    LONG_BUFFER_BYTES = 512 << 10,
};

struct rpc {
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    char *url;
    char *wallet_url;
    char *cookie_file; /* NULL: none */
    bool has_password;
    char name[160];
    unsigned call_timeout_ms, longpoll_timeout_ms;
    uint64_t last_id;
    _Atomic bool interrupted;
    char *reply;
    size_t reply_bytes, reply_capacity;
    bool reply_too_long;
    const struct rpc_request *request; /* under way */
};

static bool reserve(struct rpc *rpc, size_t bytes)
{
    if (bytes <= rpc->reply_capacity)
        return true;
    char *larger = realloc(rpc->reply, bytes);
    if (larger == NULL)
        return false;
    rpc->reply = larger;
    rpc->reply_capacity = bytes;
    return true;
}

static long status_of(struct rpc *rpc)
{
    long status = 0;
    curl_easy_getinfo(rpc->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* At the first piece: the length its sender promises, so that what came need not be moved. */
static size_t promised(struct rpc *rpc)
{
    curl_off_t length = 0;
    curl_easy_getinfo(rpc->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length > 0 && length <= RPC_REPLY_BYTES_MAX ? (size_t)length : 0;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct rpc *rpc = context;
    size_t bytes = size * count;
    if (bytes > RPC_REPLY_BYTES_MAX - rpc->reply_bytes) {
        rpc->reply_too_long = true;
        return 0;
    }
    size_t wanted = rpc->reply_bytes == 0 ? promised(rpc) : 0;
    size_t needed = rpc->reply_bytes + bytes;
    if (needed > rpc->reply_capacity && wanted < needed)
        wanted = 2 * needed > 4096 ? 2 * needed : 4096;
    if (!reserve(rpc, wanted))
        return 0;
    memcpy(rpc->reply + rpc->reply_bytes, data, bytes);
    rpc->reply_bytes += bytes;
    if (rpc->request->reader != NULL && status_of(rpc) == 200)
        (void)rpc->request->reader(rpc->request->context, rpc->reply, rpc->reply_bytes, false);
    return bytes;
}

static char *url_part(CURLU *parsed, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(parsed, part, &text, flags) != CURLUE_OK)
        return NULL;
    return text;
}

/* Takes user and password out of the URL, so that they can reach neither log nor error. */
static bool read_url(struct rpc *rpc, const char *url, struct error *error)
{
    CURLU *parsed = curl_url();
    if (parsed == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory for a node's URL");
    bool ok = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK;
    char *scheme = ok ? url_part(parsed, CURLUPART_SCHEME, 0) : NULL;
    char *host = ok ? url_part(parsed, CURLUPART_HOST, 0) : NULL;
    char *port = ok ? url_part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT) : NULL;
    char *user = ok ? url_part(parsed, CURLUPART_USER, CURLU_URLDECODE) : NULL;
    char *password = ok ? url_part(parsed, CURLUPART_PASSWORD, CURLU_URLDECODE) : NULL;
    ok = scheme != NULL && host != NULL && port != NULL &&
         (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    if (ok) {
        snprintf(rpc->name, sizeof rpc->name, "%.128s:%s", host, port);
        size_t bytes = strlen(scheme) + strlen(host) + strlen(port) + 8;
        rpc->url = malloc(bytes);
        ok = rpc->url != NULL;
        if (ok)
            snprintf(rpc->url, bytes, "%s://%s:%s/", scheme, host, port);
        rpc->has_password = password != NULL;
        if (user != NULL)
            curl_easy_setopt(rpc->easy, CURLOPT_USERNAME, user);
        if (password != NULL)
            curl_easy_setopt(rpc->easy, CURLOPT_PASSWORD, password);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    if (password != NULL)
        explicit_bzero(password, strlen(password));
    curl_free(password);
    curl_url_cleanup(parsed);
    return ok ||
           error_set(error, ERROR_INVALID, "a node's URL must be http://user:password@host:port");
}

static bool make_wallet_url(struct rpc *rpc, const char *wallet)
{
    if (wallet == NULL || *wallet == '\0') {
        rpc->wallet_url = strdup(rpc->url);
        return rpc->wallet_url != NULL;
    }
    char *escaped = curl_easy_escape(rpc->easy, wallet, 0);
    if (escaped == NULL)
        return false;
    size_t bytes = strlen(rpc->url) + strlen("wallet/") + strlen(escaped) + 1;
    rpc->wallet_url = malloc(bytes);
    if (rpc->wallet_url != NULL)
        snprintf(rpc->wallet_url, bytes, "%swallet/%s", rpc->url, escaped);
    curl_free(escaped);
    return rpc->wallet_url != NULL;
}

static void set_options(struct rpc *rpc, const struct node_rpc_options *options)
{
    CURL *easy = rpc->easy;
    unsigned connect_ms = options->connect_timeout_ms;
    rpc->call_timeout_ms =
        options->call_timeout_ms != 0 ? options->call_timeout_ms : (unsigned)CALL_TIMEOUT_MS;
    rpc->longpoll_timeout_ms = options->longpoll_timeout_ms != 0 ? options->longpoll_timeout_ms
                                                                 : (unsigned)LONGPOLL_TIMEOUT_MS;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY,
                     ""); /* a proxy of the environment is not meant for this */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(connect_ms != 0 ? connect_ms : (unsigned)CONNECT_TIMEOUT_MS));
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_REUSE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, rpc->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, rpc);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
}

struct rpc *rpc_open(const struct node_rpc_options *options, struct error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        error_fill(error, ERROR_SYSTEM, "libcurl cannot be initialised");
        return NULL;
    }
    struct rpc *rpc = calloc(1, sizeof *rpc);
    if (rpc == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for a node's connection");
        curl_global_cleanup();
        return NULL;
    }
    rpc->easy = curl_easy_init();
    rpc->multi = curl_multi_init();
    rpc->headers = curl_slist_append(NULL, "Content-Type: application/json");
    /* Without this curl waits up to a second for a "100 Continue" before it sends a block. */
    if (rpc->headers != NULL && curl_slist_append(rpc->headers, "Expect:") == NULL) {
        curl_slist_free_all(rpc->headers);
        rpc->headers = NULL;
    }
    if (rpc->easy == NULL || rpc->multi == NULL || rpc->headers == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for a node's connection");
        rpc_close(rpc);
        return NULL;
    }
    if (!read_url(rpc, options->url, error)) {
        rpc_close(rpc);
        return NULL;
    }
    if (options->cookie_file != NULL && *options->cookie_file != '\0')
        rpc->cookie_file = strdup(options->cookie_file);
    if (!make_wallet_url(rpc, options->wallet)) {
        error_fill(error, ERROR_SYSTEM, "no memory for a node's connection");
        rpc_close(rpc);
        return NULL;
    }
    set_options(rpc, options);
    return rpc;
}

void rpc_close(struct rpc *rpc)
{
    if (rpc->easy != NULL)
        curl_easy_cleanup(rpc->easy);
    if (rpc->multi != NULL)
        curl_multi_cleanup(rpc->multi);
    curl_slist_free_all(rpc->headers);
    free(rpc->url);
    free(rpc->wallet_url);
    free(rpc->cookie_file);
    free(rpc->reply);
    free(rpc);
    curl_global_cleanup();
}

const char *rpc_name(const struct rpc *rpc)
{
    return rpc->name;
}

uint64_t rpc_last_id(const struct rpc *rpc)
{
    return rpc->last_id;
}

void rpc_interrupt(struct rpc *rpc)
{
    atomic_store(&rpc->interrupted, true);
    curl_multi_wakeup(rpc->multi);
}

/* The cookie file holds one line, user:password, and changes at each start of the node. */
static bool read_cookie(struct rpc *rpc, struct error *error)
{
    if (rpc->cookie_file == NULL || rpc->has_password)
        return true;
    FILE *file = fopen(rpc->cookie_file, "re");
    char line[256] = "";
    bool read = file != NULL && fgets(line, sizeof line, file) != NULL;
    if (file != NULL)
        fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    if (!read || strchr(line, ':') == NULL)
        return error_set(error, ERROR_UNAVAILABLE, "node %s: its cookie file %s cannot be read",
                         rpc->name, rpc->cookie_file);
    curl_easy_setopt(rpc->easy, CURLOPT_USERPWD, line);
    explicit_bzero(line, sizeof line);
    return true;
}

static char *make_body(struct rpc *rpc, const struct rpc_request *request, size_t *bytes_r)
{
    size_t capacity = request->params_bytes + strlen(request->method) + 96;
    char *body = malloc(capacity);
    if (body == NULL)
        return NULL;
    int head =
        snprintf(body, capacity, "{\"jsonrpc\":\"1.0\",\"id\":%llu,\"method\":\"%s\",\"params\":",
                 (unsigned long long)++rpc->last_id, request->method);
    size_t used = (size_t)head;
    memcpy(body + used, request->params, request->params_bytes);
    used += request->params_bytes;
    body[used++] = '}';
    *bytes_r = used;
    return body;
}

/* Runs the transfer; false where it was interrupted. */
static bool transfer(struct rpc *rpc, CURLcode *code_r)
{
    *code_r = CURLE_FAILED_INIT;
    if (atomic_exchange(&rpc->interrupted, false))
        return false;
    if (curl_multi_add_handle(rpc->multi, rpc->easy) != CURLM_OK)
        return true;
    bool finished = false;
    bool interrupted = false;
    while (!finished && !interrupted) {
        int running = 0;
        if (curl_multi_perform(rpc->multi, &running) != CURLM_OK)
            break;
        if (running == 0) {
            int left = 0;
            CURLMsg *message = curl_multi_info_read(rpc->multi, &left);
            if (message != NULL && message->msg == CURLMSG_DONE)
                *code_r = message->data.result;
            finished = true;
        } else if (atomic_exchange(&rpc->interrupted, false)) {
            interrupted = true;
        } else if (curl_multi_poll(rpc->multi, NULL, 0, 1000, NULL) != CURLM_OK) {
            break;
        }
    }
    return !interrupted;
}

static bool was_sent(struct rpc *rpc)
{
    long request_bytes = 0;
    curl_easy_getinfo(rpc->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    return request_bytes > 0;
}

/* Copies the node's words with everything unprintable replaced. */
static void copy_words(const char *text, char words_r[RPC_WORDS_BYTES])
{
    size_t at = 0;
    for (; text[at] != '\0' && at < RPC_WORDS_BYTES - 1; at++)
        words_r[at] = text[at] < ' ' || text[at] == '"' || text[at] == 0x7f ? '?' : text[at];
    words_r[at] = '\0';
}

static enum node_answer no_answer(struct rpc *rpc, const struct rpc_request *request, bool sent,
                                  const char *why, struct error *error)
{
    error_fill(error, sent ? ERROR_TIMEOUT : ERROR_UNAVAILABLE, "node %s: %s: %s", rpc->name,
               request->method, why);
    return sent ? NODE_UNKNOWN : NODE_UNAVAILABLE;
}

static enum node_answer read_refusal(struct rpc *rpc, const struct rpc_request *request,
                                     const json_t *refusal, struct rpc_reply *reply,
                                     struct error *error)
{
    const json_t *code = json_object_get(refusal, "code");
    const char *message = json_string_value(json_object_get(refusal, "message"));
    copy_words(message != NULL ? message : "it gives no reason", reply->words);
    long long number = json_is_integer(code) ? json_integer_value(code) : -1;
    reply->code = number < -1000000 || number > 1000000 || number == 0 ? -1 : (int)number;
    bool later = reply->code == RPC_WARMING_UP;
    error_fill(error, later ? ERROR_UNAVAILABLE : ERROR_REFUSED, "node %s: %s: %s (code %d)",
               rpc->name, request->method, reply->words, reply->code);
    return later ? NODE_UNAVAILABLE : NODE_REFUSED;
}

static enum node_answer read_reply(struct rpc *rpc, const struct rpc_request *request, long status,
                                   struct rpc_reply *reply, struct error *error)
{
    /* These are said before the request is looked at. */
    if (status == 401 || status == 403)
        return no_answer(rpc, request, false, "it does not take our user and password", error);
    if (status == 503)
        return no_answer(rpc, request, false, "its queue is full (HTTP 503)", error);
    json_error_t trouble;
    json_t *document = json_loadb(rpc->reply_bytes > 0 ? rpc->reply : "", rpc->reply_bytes,
                                  JSON_REJECT_DUPLICATES, &trouble);
    if (!json_is_object(document)) {
        json_decref(document);
        char why[64];
        snprintf(why, sizeof why, "its answer is not JSON-RPC (HTTP %ld)", status);
        return no_answer(rpc, request, request->changes || status == 200, why, error);
    }
    const json_t *refusal = json_object_get(document, "error");
    json_t *result = json_object_get(document, "result");
    const json_t *id = json_object_get(document, "id");
    enum node_answer answer;
    if (json_is_object(refusal)) {
        answer = read_refusal(rpc, request, refusal, reply, error);
    } else if (result == NULL || !json_is_integer(id) ||
               (uint64_t)json_integer_value(id) != rpc->last_id) {
        answer = no_answer(rpc, request, true, "its answer is not JSON-RPC", error);
    } else {
        reply->result = json_incref(result);
        answer = NODE_OK;
    }
    json_decref(document);
    return answer;
}

enum node_answer rpc_call(struct rpc *rpc, const struct rpc_request *request,
                          struct rpc_reply *reply_r, struct error *error)
{
    *reply_r = (struct rpc_reply){ 0 };
    if (!read_cookie(rpc, error))
        return NODE_UNAVAILABLE;
    size_t body_bytes = 0;
    char *body = make_body(rpc, request, &body_bytes);
    if (body == NULL)
        return no_answer(rpc, request, false, "no memory for the request", error);
    rpc->reply_bytes = 0;
    rpc->reply_too_long = false;
    rpc->request = request;
    CURL *easy = rpc->easy;
    if (request->reader != NULL)
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)LONG_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_URL, request->wallet ? rpc->wallet_url : rpc->url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)(request->longpoll ? rpc->longpoll_timeout_ms : rpc->call_timeout_ms));
    CURLcode code;
    bool whole = transfer(rpc, &code);
    enum node_answer answer;
    if (!whole) {
        bool sent = request->changes && was_sent(rpc);
        answer = no_answer(rpc, request, sent, "interrupted", error);
    } else if (code != CURLE_OK) {
        answer = no_answer(rpc, request, was_sent(rpc),
                           rpc->reply_too_long ? "its answer is longer than 64 MiB"
                                               : curl_easy_strerror(code),
                           error);
    } else {
        long status = status_of(rpc);
        bool read = request->reader != NULL && status == 200 &&
                    request->reader(request->context, rpc->reply_bytes > 0 ? rpc->reply : "",
                                    rpc->reply_bytes, true);
        answer = read ? NODE_OK : read_reply(rpc, request, status, reply_r, error);
    }
    curl_multi_remove_handle(rpc->multi, easy);
    rpc->request = NULL;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
    free(body);
    return answer;
}
