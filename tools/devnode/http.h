/* A small HTTP/1.1 server for JSON-RPC: one thread a connection, at most HTTP_CONNECTIONS_MAX of
 * them (further ones are told 503 and closed), keep-alive, bodies by Content-Length only and at
 * most HTTP_BODY_BYTES_MAX, `Expect: 100-continue` answered, Basic authentication where wished.
 * For one machine and trusted clients: it is bounded, not hardened. */
#pragma once
#include "base/bytes.h"

#define HTTP_CONNECTIONS_MAX 128
#define HTTP_BODY_BYTES_MAX (16U << 20)
#define HTTP_HEAD_BYTES_MAX 16384

/* Answers one request. Called from the connection's thread, several at once. *answer_r is
 * malloc'ed, taken on return; the status is the return value. `fd` is the connection, for a
 * handler that waits and wants to know that the other side has gone. */
typedef int http_handle(void *context, const char *path, struct span body, int fd, char **answer_r);

struct http_server;

/* Listens on "host:port" (numeric host; port 0: any) and starts accepting on a thread of its own.
 * `authorization` is NULL or "user:password". address_r gets the address it listens on. NULL with
 * *error on failure. */
struct http_server *http_start(const char *address, const char *authorization, http_handle *handle,
                               void *context, char address_r[64], struct error *error);
/* Closes every connection and joins every thread; handlers that wait must have been told. */
void http_stop(struct http_server *server);
