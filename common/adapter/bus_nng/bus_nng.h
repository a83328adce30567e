/* The bus carried by nng: REQ/REP with one context for each request in flight, PUB/SUB for what is
 * published. nng's own threads only hand results over to the loop; every callback comes on the
 * loop's thread. Must be created after the process's last fork: nng's threads do not survive one.
 *
 * Sockets in the file system are open to this user alone. A listener never takes the place of a
 * process that still answers there. Between hosts: tls+tcp://host:port, where both ends show a
 * certificate. */
#pragma once
#include "port/bus.h"

/* Who may join between hosts. All members' certificates come from one authority, which should
 * certify nothing else, and bear one DNS name (subjectAltName): a dialling end takes no other. The
 * files are PEM, read once; the texts are borrowed until the bus is created. */
struct bus_nng_tls {
    const char *authority_file;   /* empty: no certificates, and tls+tcp:// addresses are refused */
    const char *certificate_file; /* of this process, with its chain */
    const char *key_file;
    const char *name; /* "adit" */
};

/* A bus that stays on this host, or on a network that is trusted. NULL and *error on failure. Ended
 * by bus_destroy, after all its parts were closed. */
MUST_CHECK struct bus *bus_nng_create(struct loop *loop, struct error *error);
/* The same with certificates, so that it takes tls+tcp:// addresses too. */
MUST_CHECK struct bus *bus_nng_create_tls(struct loop *loop, const struct bus_nng_tls *tls,
                                          struct error *error);
