#include "service/bus_open.h"
#include "adapter/bus_nng/bus_nng.h"

struct bus *bus_open(struct loop *loop, const struct settings *settings, struct error *error)
{
    const struct bus_nng_tls tls = {
        .authority_file = settings->bus_authority_file,
        .certificate_file = settings->bus_certificate_file,
        .key_file = settings->bus_key_file,
        .name = settings->bus_name,
    };
    return bus_nng_create_tls(loop, &tls, error);
}
