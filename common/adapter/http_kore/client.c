/* Which address a request came from. */
#include "adapter/http_kore/exchange.h"
#include "adapter/http_kore/http.h"

#include "core/network/network.h"

#include <stdio.h>
#include <strings.h>

static bool read_address(const char *text, size_t length, struct network_address *address_r)
{
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return network_address_parse(span_of(text, length), address_r);
}

/* Whole addresses are compared: a neighbour of a proxy is not one. */
bool http_is_proxy(const struct settings_list *proxies, const struct network_address *address)
{
    for (size_t i = 0; i < proxies->count; i++) {
        struct network known;
        if (network_parse(span_text(proxies->items[i]), &known) &&
            network_contains(&known, address))
            return true;
    }
    return false;
}

/* Goes through one line from the right: each proxy of ours vouches for the entry before its own.
 * False where *client is whom the question came from, true where the line before it goes on. */
static bool follow_line(const struct settings_list *proxies, const char *line,
                        struct network_address *client)
{
    for (size_t end = strlen(line); http_is_proxy(proxies, client);) {
        size_t from = end;
        while (from > 0 && line[from - 1] != ',')
            from--;
        struct network_address entry;
        if (!read_address(line + from, end - from, &entry))
            return false;
        *client = entry;
        if (from == 0)
            return true;
        end = from - 1;
    }
    return false;
}

/* The last address that somebody of ours vouches for. A proxy adds to the line there is or sends
 * one of its own behind it (HAProxy): together they are one list (RFC 9110, 5.3). */
static struct network_address find_client(const struct http_exchange *exchange,
                                          const struct settings_list *proxies,
                                          struct network_address peer)
{
    struct network_address client = peer;
    for (size_t i = exchange->header_count; i-- > 0;)
        if (strcasecmp(exchange->headers[i].name, "x-forwarded-for") == 0 &&
            !follow_line(proxies, exchange->headers[i].value, &client))
            break;
    return client;
}

void http_client(const struct http_exchange *exchange, const struct settings_list *proxies,
                 char client_r[HTTP_CLIENT_BYTES])
{
    const char *peer = http_peer(exchange);
    struct network_address address;
    _Static_assert((int)HTTP_CLIENT_BYTES >= (int)NETWORK_ADDRESS_TEXT, "an address fits");
    if (!read_address(peer, strlen(peer), &address)) {
        snprintf(client_r, HTTP_CLIENT_BYTES, "?");
        return;
    }
    address = find_client(exchange, proxies, address);
    const struct network customer = network_of_customer(&address);
    (void)network_address_print(&customer.address, client_r);
}
