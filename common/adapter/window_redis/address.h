/* Where a Redis server is: a URL taken apart once. Owns its texts. */
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
};

/* Reads unix:/path (also unix:///path) and tcp://[:password@]host[:port] (also redis://; a host may
 * be [IPv6]; the port's default is 6379). password_file may be NULL. False with one sentence. */
MUST_CHECK bool redis_address_parse(const char *url, const char *password_file,
                                    struct redis_address *address_r, struct error *error);

/* The password to give now, from the file where there is one: "" for none. False when the file
 * cannot be read. */
MUST_CHECK bool redis_address_password(const struct redis_address *address,
                                       char password_r[ADDRESS_TEXT_BYTES_MAX],
                                       struct error *error);
