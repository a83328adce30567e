/* Which address a request came from. */
#include "adapter/http_kore/http.h"

#include "core/network/network.h"

#include <stdio.h>

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
static bool is_proxy(const struct settings_list *proxies, const struct network_address *address)
{
    for (size_t i = 0; i < proxies->count; i++) {
        struct network known;
        if (network_parse(span_text(proxies->items[i]), &known) &&
            network_contains(&known, address))
            return true;
    }
    return false;
}

/* The last address that somebody of ours vouches for. */
static struct network_address find_client(const struct settings_list *proxies,
                                          struct network_address peer, const char *forwarded)
{
    struct network_address client = peer;
    size_t end = strlen(forwarded);
    /* From the right: each proxy of ours vouches for the entry before its own. */
    while (is_proxy(proxies, &client)) {
        size_t from = end;
        while (from > 0 && forwarded[from - 1] != ',')
            from--;
        struct network_address entry;
        if (!read_address(forwarded + from, end - from, &entry))
            break;
        client = entry;
        if (from == 0)
            break;
        end = from - 1;
    }
    return client;
}

void http_client(const struct http_exchange *exchange, const struct settings_list *proxies,
                 char client_r[HTTP_CLIENT_BYTES])
{
    const char *peer = http_peer(exchange);
    const char *forwarded = http_header(exchange, "x-forwarded-for");
    struct network_address address;
    _Static_assert((int)HTTP_CLIENT_BYTES >= (int)NETWORK_ADDRESS_TEXT, "an address fits");
    if (!read_address(peer, strlen(peer), &address)) {
        snprintf(client_r, HTTP_CLIENT_BYTES, "?");
        return;
    }
    if (forwarded != NULL)
        address = find_client(proxies, address, forwarded);
    const struct network customer = network_of_customer(&address);
    (void)network_address_print(&customer.address, client_r);
}
