/* How a test's redis-server is reached through TLS: the arguments it needs beside the usual ones,
 * and the URL that leads to it with the certificates kept for the bus's tests (of an authority of
 * their own, under the name `adit`). */
#pragma once
#include <stdbool.h>

struct redis_tls {
    unsigned port;
    char texts[6][256];
    const char *options[16]; /* for redis_server_begin; clients must show a certificate */
    char folder[256];        /* of the certificates */
    char url[1024];
};

/* False when ADIT_SOURCE is not set or no port is free. The struct must outlive the server. */
bool redis_tls_prepare(struct redis_tls *tls);
