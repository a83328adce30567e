/* Who may join the bus between hosts: whoever shows a certificate of the deployment's own authority
 * that has the members' name. Both ends ask it of each other (mutual TLS 1.2 by mbedTLS, which is
 * what nng 1.5.2 of Debian 12 speaks). Inside bus_nng only. */
#pragma once
#include "adapter/bus_nng/bus_nng.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

/* Both ends' configurations; NULL where the bus has no certificates. */
struct tls {
    nng_tls_config *dialer;
    nng_tls_config *listener;
};

/* Reads the files. False with a sentence that names the one that is not good. */
MUST_CHECK bool tls_open(struct tls *tls, const struct bus_nng_tls *files, struct error *error);
void tls_close(struct tls *tls);

/* True for an address that needs them. */
bool tls_is_for(const char *url);
