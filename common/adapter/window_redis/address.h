/* Where a Redis server is: a URL taken apart once. Owns its texts, and the tunnel where the server
 * is reached through TLS. */
#pragma once
#include "base/error.h"

#include <stdint.h>

enum { ADDRESS_TEXT_BYTES_MAX = 512 };

struct redis_address {
    char unix_path[ADDRESS_TEXT_BYTES_MAX]; /* "": TCP */
    char host[ADDRESS_TEXT_BYTES_MAX];
    uint16_t port;
    char password[ADDRESS_TEXT_BYTES_MAX]; /* "": none */
    char password_file[ADDRESS_TEXT_BYTES_MAX];
    char name[ADDRESS_TEXT_BYTES_MAX]; /* for sentences; never the password */
    bool tls;
    char tls_name[ADDRESS_TEXT_BYTES_MAX];       /* "": the host's */
    char authority_file[ADDRESS_TEXT_BYTES_MAX]; /* PEM; "": the machine's own */
    char certificate_file[ADDRESS_TEXT_BYTES_MAX];
    char key_file[ADDRESS_TEXT_BYTES_MAX];
    struct redis_tunnel *tunnel; /* between redis_address_open and _close, with TLS */
};

/* Reads unix:/path (also unix:///path), tcp://[:password@]host[:port] (also redis://; a host may be
 * [IPv6]; the port's default is 6379), and, for TLS,
 * rediss://[:password@]host[:port][?authority=FILE&name=NAME&certificate=FILE&key=FILE],
 * certificate and key both or neither. password_file may be NULL. False with one sentence. */
MUST_CHECK bool redis_address_parse(const char *url, const char *password_file,
                                    struct redis_address *address_r, struct error *error);

/* The password to give now, from the file where there is one: "" for none. False when the file
 * cannot be read. */
MUST_CHECK bool redis_address_password(const struct redis_address *address,
                                       char password_r[ADDRESS_TEXT_BYTES_MAX],
                                       struct error *error);

/* Makes an address one that hiredis can connect to: with TLS a tunnel is opened, and unix_path
 * leads to it; else nothing is done. False: its files cannot be used. After it redis_address_close.
 */
MUST_CHECK bool redis_address_open(struct redis_address *address, struct error *error);
/* Ends the tunnel; an address that was not opened stays as it is. */
void redis_address_close(struct redis_address *address);
