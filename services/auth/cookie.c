#include "services/auth/cookie.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

enum { COOKIE_BYTES = SECRETS_TEXT_BYTES + 160 };

/* "__Secure-": browsers take it over TLS alone (RFC 6265bis, 4.1.3). */
static bool over_tls(const struct visit *visit)
{
    return strncmp(visit->people->options.settings->auth_site, "https://", 8) == 0;
}

static const char *name_of(const struct visit *visit)
{
    return over_tls(visit) ? "__Secure-adit-refresh" : "adit-refresh";
}

static bool is_ours(const struct visit *visit)
{
    const char *origin = http_header(visit->exchange, "origin");
    const char *host = http_header(visit->exchange, "host");
    const char *site = visit->people->options.settings->auth_site;
    if (origin == NULL)
        return false;
    if (site[0] != '\0' && strcmp(origin, site) == 0)
        return true;
    const char *authority = strstr(origin, "://");
    return authority != NULL && host != NULL && strcmp(authority + 3, host) == 0;
}

bool cookie_read(const struct visit *visit, char text_r[SECRETS_TEXT_BYTES])
{
    const char *name = name_of(visit), *at = http_header(visit->exchange, "cookie");
    size_t name_bytes = strlen(name);
    if (!is_ours(visit))
        return false;
    /* "a=b; c=d" (RFC 6265, 4.2.1) */
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ";");
        if (length > name_bytes + 1 && length - name_bytes - 1 < SECRETS_TEXT_BYTES &&
            strncmp(at, name, name_bytes) == 0 && at[name_bytes] == '=') {
            snprintf(text_r, SECRETS_TEXT_BYTES, "%.*s", (int)(length - name_bytes - 1),
                     at + name_bytes + 1);
            return true;
        }
        at += length;
        at += strspn(at, "; ");
    }
    return false;
}

static void set(struct visit *visit, const char *value, long long age_s)
{
    char text[COOKIE_BYTES];
    snprintf(text, sizeof text,
             "%s=%s; Path=/api/v1/auth; Max-Age=%lld; HttpOnly; SameSite=Strict%s", name_of(visit),
             value, age_s, over_tls(visit) ? "; Secure" : "");
    http_add_header(visit->exchange, "Set-Cookie", text);
    sodium_memzero(text, sizeof text);
}

void cookie_give(struct visit *visit)
{
    const char *text = json_string_value(json_object_get(visit->reply, "refresh_token"));
    json_int_t age_s = json_integer_value(json_object_get(visit->reply, "refresh_expires_in"));
    set(visit, text != NULL ? text : "", (long long)age_s);
    (void)json_object_del(visit->reply, "refresh_token");
}

void cookie_end(struct visit *visit)
{
    set(visit, "", 0);
}
