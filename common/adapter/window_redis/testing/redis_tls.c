#include "adapter/window_redis/testing/redis_tls.h"

#include "base/test_port.h"

#include <stdio.h>
#include <stdlib.h>

bool redis_tls_prepare(struct redis_tls *tls)
{
    const char *source = getenv("ADIT_SOURCE");
    tls->port = test_port();
    if (source == NULL || tls->port == 0)
        return false;
    snprintf(tls->folder, sizeof tls->folder, "%.200s/common/adapter/bus_nng/testing", source);
    snprintf(tls->texts[0], sizeof tls->texts[0], "%u", tls->port);
    static const char *const names[] = { "authority.crt", "member.crt", "member.key" };
    for (unsigned i = 0; i < 3; i++)
        snprintf(tls->texts[1 + i], sizeof tls->texts[1 + i], "%.230s/%s", tls->folder, names[i]);
    const char *const options[] = { "--tls-port",     tls->texts[0],        "--tls-ca-cert-file",
                                    tls->texts[1],    "--tls-cert-file",    tls->texts[2],
                                    "--tls-key-file", tls->texts[3],        "--bind",
                                    "127.0.0.1",      "--tls-auth-clients", "yes" };
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++)
        tls->options[i] = options[i];
    snprintf(tls->url, sizeof tls->url,
             "rediss://127.0.0.1:%u?authority=%s&name=adit&certificate=%s&key=%s", tls->port,
             tls->texts[1], tls->texts[2], tls->texts[3]);
    return true;
}
