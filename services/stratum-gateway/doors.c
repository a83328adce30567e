#include "services/stratum-gateway/doors.h"

#include "service/log.h"
#include "services/stratum-gateway/gateway.h"

#include <stdio.h>
#include <unistd.h>

static bool read_proxies(const struct settings *settings, struct network *proxies_r,
                         unsigned *count_r, struct error *error)
{
    *count_r = 0;
    for (size_t i = 0; i < settings->stratum_proxies.count; i++)
        if (!network_parse(span_text(settings->stratum_proxies.items[i]), &proxies_r[(*count_r)++]))
            return error_set(error, ERROR_INVALID,
                             "stratum.proxies has \"%.64s\": write an address or a network, such "
                             "as 10.0.0.0/8 or 2001:db8::/32",
                             settings->stratum_proxies.items[i]);
    return true;
}

/* *tls_r is NULL where no certificate is set. */
static bool load_certificate(const struct settings *settings, struct tls_context **tls_r,
                             struct error *error)
{
    *tls_r = NULL;
    if (settings->stratum_tls_certificate[0] == '\0')
        return true;
    *tls_r =
        tls_context_load(settings->stratum_tls_certificate, settings->stratum_tls_key_file, error);
    return *tls_r != NULL;
}

bool doors_reload(struct gateway *gateway, const struct settings *settings, struct error *error)
{
    struct doors *doors = &gateway->doors;
    struct network proxies[DOORS_PROXIES_MAX];
    unsigned count;
    struct tls_context *tls;
    if (!read_proxies(settings, proxies, &count, error) || !load_certificate(settings, &tls, error))
        return false;
    tls_context_destroy(doors->tls);
    doors->tls = tls;
    for (unsigned i = 0; i < doors->count; i++)
        doors->list[i].rules.tls = tls;
    memcpy(doors->proxies, proxies, sizeof proxies);
    doors->proxies_count = count;
    return true;
}

bool doors_prepare(struct gateway *gateway, struct error *error)
{
    const struct settings *settings = gateway->settings;
    if (settings->stratum_tls_address[0] != '\0' && settings->stratum_tls_certificate[0] == '\0')
        return error_set(error, ERROR_INVALID,
                         "stratum.tls_address is set and stratum.tls_certificate is not: name the "
                         "file of the certificate");
    return doors_reload(gateway, settings, error);
}

static struct inherited *find_inherited(struct doors *doors, const char *name)
{
    for (unsigned i = 0; i < doors->inherited_count; i++)
        if (doors->inherited[i].fd >= 0 && strcmp(doors->inherited[i].name, name) == 0)
            return &doors->inherited[i];
    return NULL;
}

static void close_inherited(struct doors *doors)
{
    for (unsigned i = 0; i < doors->inherited_count; i++)
        if (doors->inherited[i].fd >= 0)
            close(doors->inherited[i].fd);
    doors->inherited_count = 0;
}

static bool open_one(struct gateway *gateway, const char *address, unsigned takes,
                     unsigned profile, struct error *error)
{
    struct doors *doors = &gateway->doors;
    if (doors->count == DOORS_MAX)
        return error_set(error, ERROR_INVALID, "miners cannot connect at more than %d addresses",
                         DOORS_MAX);
    struct door *door = &doors->list[doors->count];
    *door = (struct door){ .gateway = gateway,
                           .rules = { .takes = takes, .tls = doors->tls },
                           .profile = (uint8_t)profile };
    snprintf(door->name, sizeof door->name, "%s", address);
    struct inherited *inherited = find_inherited(doors, address);
    if (inherited != NULL &&
        listener_adopt(&door->listener, gateway->loop, inherited->fd, sessions_on_accept, door,
                       error))
        inherited->fd = -1;
    else if (!listener_open(&door->listener, gateway->loop, address, sessions_on_accept, door,
                            error))
        return false;
    doors->count++;
    log_info("stratum.listen", "address=%s speaks=%s%s%s", door->listener.address,
             (takes & TRANSPORT_PLAIN) != 0 ? "plain," : "",
             (takes & TRANSPORT_TLS) != 0 && doors->tls != NULL ? "tls," : "",
             (takes & TRANSPORT_WEBSOCKET) == 0 ? ""
             : doors->tls != NULL               ? "ws,wss"
                                                : "ws");
    return true;
}

static bool open_all(struct gateway *gateway, struct error *error)
{
    const struct settings *settings = gateway->settings;
    unsigned any = settings->stratum_one_port ? TRANSPORT_ANY : TRANSPORT_PLAIN;
    if (!open_one(gateway, settings->stratum_address, any, 0, error))
        return false;
    for (unsigned i = 1; i < gateway->profiles.count; i++)
        if (!open_one(gateway, gateway->profiles.address[i], any, i, error))
            return false;
    for (size_t i = 0; i < settings->stratum_more_addresses.count; i++)
        if (!open_one(gateway, settings->stratum_more_addresses.items[i], any, 0, error))
            return false;
    if (settings->stratum_tls_address[0] != '\0' &&
        !open_one(gateway, settings->stratum_tls_address, TRANSPORT_TLS, 0, error))
        return false;
    return settings->stratum_websocket_address[0] == '\0' ||
           open_one(gateway, settings->stratum_websocket_address, TRANSPORT_WEBSOCKET, 0, error);
}

bool doors_open(struct gateway *gateway, struct error *error)
{
    bool opened = open_all(gateway, error);
    close_inherited(&gateway->doors);
    return opened;
}

void doors_pause(struct gateway *gateway, bool pause)
{
    for (unsigned i = 0; i < gateway->doors.count; i++)
        listener_pause(&gateway->doors.list[i].listener, pause);
}

void doors_close(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->doors.count; i++)
        listener_close(&gateway->doors.list[i].listener);
}

void doors_deinit(struct gateway *gateway)
{
    doors_close(gateway);
    close_inherited(&gateway->doors);
    tls_context_destroy(gateway->doors.tls);
    gateway->doors.tls = NULL;
}

bool doors_is_proxy(const struct doors *doors, const struct network_address *address)
{
    for (unsigned i = 0; i < doors->proxies_count; i++)
        if (network_contains(&doors->proxies[i], address))
            return true;
    return false;
}
