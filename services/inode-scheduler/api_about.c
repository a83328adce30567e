/* What stands in the settings and everybody should know: how the pool pays, where miners connect,
 * and where pages find auth. */
#include "services/inode-scheduler/api.h"

#include "core/pow/pow.h"

#include <stdlib.h>

/* Of "host:port"; null where nothing is listened to, or on any free port. */
static json_t *port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    unsigned long port = colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;
    return port > 0 && port < 65536 ? json_integer((json_int_t)port) : json_null();
}

/* The host of "host:port", an IPv6 address in its brackets. */
static json_t *host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return json_stringn(address, colon != NULL ? (size_t)(colon - address) : strlen(address));
}

void api_about(void *context, struct http_exchange *exchange)
{
    struct scheduler *scheduler = context;
    const struct settings *settings = scheduler->options.settings;
    const char *public = settings->stratum_public_address;
    const char *tls = settings->stratum_tls_address;
    if (tls[0] == '\0' && settings->stratum_one_port &&
        settings->stratum_tls_certificate[0] != '\0')
        tls = settings->stratum_address;
    json_t *answer = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:I, s:o, s:o, s:I, s:b}", "name", settings->chain_tag,
        "profile", scheduler->options.coin.name, "site", settings->auth_site, "auth",
        settings->auth_origin, "stratum_port",
        port_of(*public != '\0' ? public : settings->stratum_address), "stratum_tls_port",
        port_of(tls), "scheme", settings->reward_scheme, "fee_basis_points",
        (json_int_t)settings->reward_fee_basis_points, "threshold",
        api_money(settings->payout_threshold), "approve_above",
        api_money(settings->payout_approve_above), "address_lock_hours",
        (json_int_t)settings->auth_address_lock_hours, "letters", settings->auth_mail[0] != '\0');
    json_object_set_new(answer, "stratum_host", host_of(public));
    json_object_set_new(answer, "algorithm",
                        json_string(pow_algorithm_name(scheduler->options.coin.algorithm)));
    api_add_coin(answer, scheduler);
    api_reply_tagged(exchange, answer);
}
