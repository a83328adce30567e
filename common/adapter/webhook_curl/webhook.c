#include "adapter/webhook_curl/webhook.h"

#include "core/notice/notice.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTPS_PORT = 443, HTTP_PORT = 80, FREE_PORTS = 1024, LINE_BYTES = 256 };

struct parts {
    char *scheme, *host, *port, *user, *password, *fragment;
};

static void free_parts(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
    curl_free(parts->user);
    curl_free(parts->password);
    curl_free(parts->fragment);
}

static bool split(const char *url, struct parts *parts_r)
{
    CURLU *all = curl_url();
    *parts_r = (struct parts){ 0 };
    bool good = all != NULL && curl_url_set(all, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(all, CURLUPART_SCHEME, &parts_r->scheme, 0) == CURLUE_OK &&
                curl_url_get(all, CURLUPART_HOST, &parts_r->host, 0) == CURLUE_OK &&
                curl_url_get(all, CURLUPART_PORT, &parts_r->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (good) { /* these may be missing */
        (void)curl_url_get(all, CURLUPART_USER, &parts_r->user, 0);
        (void)curl_url_get(all, CURLUPART_PASSWORD, &parts_r->password, 0);
        (void)curl_url_get(all, CURLUPART_FRAGMENT, &parts_r->fragment, 0);
    }
    curl_url_cleanup(all);
    return good;
}

static bool check(const struct parts *parts, bool plain, struct error *error)
{
    bool https = strcmp(parts->scheme, "https") == 0;
    if (!https && !(plain && strcmp(parts->scheme, "http") == 0))
        return error_set(error, ERROR_INVALID, "a webhook's URL begins with https://");
    if (parts->user != NULL || parts->password != NULL)
        return error_set(error, ERROR_INVALID,
                         "a webhook's URL has no user and no password: the signature says who "
                         "sends");
    if (parts->fragment != NULL)
        return error_set(error, ERROR_INVALID, "a webhook's URL has no part behind a #");
    long port = strtol(parts->port, NULL, 10);
    return port == HTTPS_PORT || port >= FREE_PORTS || (plain && port == HTTP_PORT) ||
           error_set(error, ERROR_INVALID, "a webhook's port is 443, or one from 1024 on");
}

bool webhook_check(const char *url, bool plain, struct error *error)
{
    struct parts parts;
    for (const char *at = url; *at != '\0'; at++)
        if (*at <= ' ' || *at >= 0x7f)
            return error_set(error, ERROR_INVALID,
                             "a webhook's URL is printable ASCII without spaces");
    bool good = split(url, &parts) ? check(&parts, plain, error)
                                   : error_set(error, ERROR_INVALID, "this is no URL");
    free_parts(&parts);
    return good;
}

void webhook_sign(const struct webhook_request *request, char signature_r[WEBHOOK_SIGNATURE_BYTES])
{
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char time[24];
    snprintf(time, sizeof time, ".%llu.", (unsigned long long)request->time_s);
    crypto_auth_hmacsha256_init(&state, request->secret.data, request->secret.length);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)request->id, strlen(request->id));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)time, strlen(time));
    crypto_auth_hmacsha256_update(&state, request->body.data, request->body.length);
    crypto_auth_hmacsha256_final(&state, mac);
    memcpy(signature_r, "v1,", 3);
    sodium_bin2base64(signature_r + 3, WEBHOOK_SIGNATURE_BYTES - 3, mac, sizeof mac,
                      sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(&state, sizeof state);
}

struct attempt {
    const struct webhook_settings *settings;
    size_t heard;   /* bytes of the answer */
    bool forbidden; /* an address was refused */
};

static bool may_reach(const struct webhook_settings *settings,
                      const struct network_address *address)
{
    if (settings->anywhere)
        return true;
    for (size_t i = 0; i < settings->inside_count; i++)
        if (network_contains(&settings->inside[i], address))
            return true;
    return notice_address_is_public(address);
}

static bool address_of(const struct sockaddr *from, struct network_address *address_r)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, from, sizeof ipv4);
        *address_r = network_address_of_ipv4((const uint8_t *)&ipv4.sin_addr);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, from, sizeof ipv6);
        memcpy(address_r->bytes, &ipv6.sin6_addr, sizeof address_r->bytes);
        return true;
    }
    return false;
}

/* The one place where a connection can begin, with the address it will have. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct attempt *attempt = context;
    struct network_address address;
    if (purpose != CURLSOCKTYPE_IPCXN || !address_of(&to->addr, &address) ||
        !may_reach(attempt->settings, &address)) {
        attempt->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* 0, which ends the transfer, once it is too much. */
static size_t hear(char *data, size_t size, size_t count, void *context)
{
    struct attempt *attempt = context;
    (void)data;
    attempt->heard += size * count;
    return attempt->heard <= WEBHOOK_ANSWER_BYTES_MAX ? size * count : 0;
}

static int look_at_stop(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct attempt *attempt = context;
    (void)a, (void)b, (void)c, (void)d;
    return attempt->settings->stop != NULL && atomic_load(attempt->settings->stop);
}

static struct curl_slist *headers_of(const struct webhook_request *request)
{
    char lines[3][LINE_BYTES], signature[WEBHOOK_SIGNATURE_BYTES];
    static const char *const always[] = { "Content-Type: application/json", "User-Agent: adit",
                                          "Expect:" };
    struct curl_slist *list = NULL;
    webhook_sign(request, signature);
    snprintf(lines[0], LINE_BYTES, "webhook-id: %s", request->id);
    snprintf(lines[1], LINE_BYTES, "webhook-timestamp: %llu", (unsigned long long)request->time_s);
    snprintf(lines[2], LINE_BYTES, "webhook-signature: %s", signature);
    for (size_t i = 0; i < 6; i++) {
        struct curl_slist *longer = curl_slist_append(list, i < 3 ? always[i] : lines[i - 3]);
        if (longer == NULL) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

static CURLcode perform(CURL *curl, const struct webhook_request *request,
                        const struct curl_slist *headers, struct attempt *attempt)
{
    const struct webhook_settings *settings = attempt->settings;
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, settings->plain ? "https,http" : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
    /* The name's server may be the stranger's too: one that does not answer is left behind, with
     * the thread that asks it, not waited for until the resolver gives up. */
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (settings->authority_file != NULL && settings->authority_file[0] != '\0') {
        curl_easy_setopt(curl, CURLOPT_CAINFO, settings->authority_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, hear);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, hear);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_at_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, attempt);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.length);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.data);
    return curl_easy_perform(curl);
}

static enum webhook_outcome judge(const struct attempt *attempt, CURLcode code, long status,
                                  char result_r[WEBHOOK_RESULT_BYTES])
{
    bool too_long = attempt->heard > WEBHOOK_ANSWER_BYTES_MAX;
    /* Where another of the name's addresses was reached, what that said counts. */
    if (attempt->forbidden && code == CURLE_COULDNT_CONNECT) {
        snprintf(result_r, WEBHOOK_RESULT_BYTES,
                 "the name leads to an address that is not of the public internet");
        return WEBHOOK_FAILED;
    }
    if (code != CURLE_OK && !(too_long && status >= 200)) {
        snprintf(result_r, WEBHOOK_RESULT_BYTES, "%.*s", WEBHOOK_RESULT_BYTES - 1,
                 too_long ? "its answer is too long" : curl_easy_strerror(code));
        return WEBHOOK_FAILED;
    }
    snprintf(result_r, WEBHOOK_RESULT_BYTES, "it answered %ld%s", status,
             status >= 300 && status < 400 ? "; redirects are not followed" : "");
    return status >= 200 && status < 300 ? WEBHOOK_TAKEN
           : status == 410               ? WEBHOOK_GONE
                                         : WEBHOOK_FAILED;
}

enum webhook_outcome webhook_send(const struct webhook_settings *settings,
                                  const struct webhook_request *request,
                                  char result_r[WEBHOOK_RESULT_BYTES])
{
    struct error error;
    struct attempt attempt = { .settings = settings };
    if (!webhook_check(request->url, settings->plain, &error)) {
        snprintf(result_r, WEBHOOK_RESULT_BYTES, "%.*s", WEBHOOK_RESULT_BYTES - 1, error.text);
        return WEBHOOK_FAILED;
    }
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = headers_of(request), *resolve = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;
    if (curl != NULL && headers != NULL) {
        if (settings->resolve != NULL) {
            resolve = curl_slist_append(NULL, settings->resolve);
            curl_easy_setopt(curl, CURLOPT_RESOLVE, resolve);
        }
        code = perform(curl, request, headers, &attempt);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    curl_slist_free_all(resolve);
    return judge(&attempt, code, status, result_r);
}
