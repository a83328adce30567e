/* Which address a request came from. */
#include "adapter/http_kore/http.h"

#include <arpa/inet.h>
#include <stdio.h>

/* The address as limits know it; false where the text is none. */
static bool as_known(const char *text, size_t length, char client_r[HTTP_CLIENT_BYTES])
{
    char copy[64];
    uint8_t bytes[16];
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        (void)inet_ntop(AF_INET, bytes, client_r, HTTP_CLIENT_BYTES);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        (void)inet_ntop(AF_INET, bytes + 12, client_r, HTTP_CLIENT_BYTES);
        return true;
    }
    memset(bytes + 8, 0, 8);
    (void)inet_ntop(AF_INET6, bytes, client_r, HTTP_CLIENT_BYTES);
    return true;
}

static bool is_proxy(const struct settings_list *proxies, const char *client)
{
    for (size_t i = 0; i < proxies->count; i++) {
        char known[HTTP_CLIENT_BYTES];
        if (as_known(proxies->items[i], strlen(proxies->items[i]), known) &&
            strcmp(known, client) == 0)
            return true;
    }
    return false;
}

void http_client(const struct http_exchange *exchange, const struct settings_list *proxies,
                 char client_r[HTTP_CLIENT_BYTES])
{
    const char *peer = http_peer(exchange);
    const char *forwarded = http_header(exchange, "x-forwarded-for");
    if (!as_known(peer, strlen(peer), client_r))
        snprintf(client_r, HTTP_CLIENT_BYTES, "?");
    if (forwarded == NULL || !is_proxy(proxies, client_r))
        return;
    /* From the right: each proxy of ours vouches for the entry before its own. */
    size_t end = strlen(forwarded);
    for (;;) {
        size_t from = end;
        while (from > 0 && forwarded[from - 1] != ',')
            from--;
        char entry[HTTP_CLIENT_BYTES];
        if (!as_known(forwarded + from, end - from, entry))
            return;
        memcpy(client_r, entry, sizeof entry);
        if (from == 0 || !is_proxy(proxies, client_r))
            return;
        end = from - 1;
    }
}
