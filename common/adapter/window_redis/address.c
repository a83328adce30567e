#include "adapter/window_redis/address.h"

#include "adapter/window_redis/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool copy_text(const char *from, size_t length, char to_r[ADDRESS_TEXT_BYTES_MAX])
{
    if (length >= ADDRESS_TEXT_BYTES_MAX)
        return false;
    memcpy(to_r, from, length);
    to_r[length] = '\0';
    return true;
}

/* host, host:port, [v6], [v6]:port */
static bool parse_host(const char *text, struct redis_address *address)
{
    const char *host = text;
    const char *end = strrchr(text, ':');
    if (text[0] == '[') {
        const char *closing = strchr(text, ']');
        if (closing == NULL)
            return false;
        host = text + 1;
        end = closing[1] == ':' ? closing + 1 : NULL;
        if (end == NULL && closing[1] != '\0')
            return false;
        if (!copy_text(host, (size_t)(closing - host), address->host))
            return false;
    } else if (!copy_text(host, end != NULL ? (size_t)(end - host) : strlen(host), address->host)) {
        return false;
    }
    address->port = 6379;
    if (end != NULL) {
        char *rest;
        unsigned long port = strtoul(end + 1, &rest, 10);
        if (end[1] < '0' || end[1] > '9' || *rest != '\0' || port < 1 || port > 65535)
            return false;
        address->port = (uint16_t)port;
    }
    return address->host[0] != '\0';
}

static bool parse_tcp(const char *text, struct redis_address *address)
{
    const char *at = strrchr(text, '@');
    if (at != NULL) {
        if (text[0] != ':' || !copy_text(text + 1, (size_t)(at - text - 1), address->password))
            return false;
        text = at + 1;
    }
    if (!parse_host(text, address))
        return false;
    snprintf(address->name, sizeof address->name, "%s://%.480s:%u", address->tls ? "rediss" : "tcp",
             address->host, (unsigned)address->port);
    return true;
}

/* authority=FILE&name=NAME&certificate=FILE&key=FILE, in any order. */
static bool parse_files(const char *text, struct redis_address *address)
{
    while (*text != '\0') {
        const size_t length = strcspn(text, "&");
        const char *equals = memchr(text, '=', length);
        if (equals == NULL)
            return false;
        const struct {
            const char *name;
            char *file;
        } known[] = { { "authority", address->authority_file },
                      { "name", address->tls_name },
                      { "certificate", address->certificate_file },
                      { "key", address->key_file } };
        char *file = NULL;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (strlen(known[i].name) == (size_t)(equals - text) &&
                memcmp(known[i].name, text, (size_t)(equals - text)) == 0)
                file = known[i].file;
        const size_t value = length - (size_t)(equals + 1 - text);
        if (file == NULL || file[0] != '\0' || value == 0 || !copy_text(equals + 1, value, file))
            return false;
        text += length + (text[length] == '&');
    }
    return (address->certificate_file[0] == '\0') == (address->key_file[0] == '\0');
}

static bool parse_tls(const char *text, struct redis_address *address)
{
    char plain[2 * ADDRESS_TEXT_BYTES_MAX];
    const char *query = strrchr(text, '?');
    const size_t length = query != NULL ? (size_t)(query - text) : strlen(text);
    if (length >= sizeof plain)
        return false;
    memcpy(plain, text, length);
    plain[length] = '\0';
    address->tls = true;
    const bool good =
        parse_tcp(plain, address) && (query == NULL || parse_files(query + 1, address));
    explicit_bzero(plain, sizeof plain);
    return good;
}

bool redis_address_parse(const char *url, const char *password_file,
                         struct redis_address *address_r, struct error *error)
{
    memset(address_r, 0, sizeof *address_r);
    bool good = true;
    if (password_file != NULL)
        good = copy_text(password_file, strlen(password_file), address_r->password_file);
    if (strncmp(url, "unix:", 5) == 0) {
        const char *path = url + 5;
        if (strncmp(path, "//", 2) == 0)
            path += 2;
        good = good && path[0] != '\0' && copy_text(path, strlen(path), address_r->unix_path);
        snprintf(address_r->name, sizeof address_r->name, "unix:%.480s", address_r->unix_path);
    } else if (strncmp(url, "tcp://", 6) == 0) {
        good = good && parse_tcp(url + 6, address_r);
    } else if (strncmp(url, "redis://", 8) == 0) {
        good = good && parse_tcp(url + 8, address_r);
    } else if (strncmp(url, "rediss://", 9) == 0) {
        good = good && parse_tls(url + 9, address_r);
    } else {
        good = false;
    }
    /* The URL is not repeated: it may hold a password. */
    return good || error_set(error, ERROR_INVALID,
                             "the address of redis must be unix:/path, "
                             "tcp://[:password@]host:port or rediss://[:password@]host:port"
                             "[?authority=FILE&name=NAME&certificate=FILE&key=FILE]");
}

bool redis_address_password(const struct redis_address *address,
                            char password_r[ADDRESS_TEXT_BYTES_MAX], struct error *error)
{
    if (address->password_file[0] == '\0') {
        memcpy(password_r, address->password, ADDRESS_TEXT_BYTES_MAX);
        return true;
    }
    FILE *file = fopen(address->password_file, "re");
    if (file == NULL)
        return error_system(error, errno, "the password file %.400s", address->password_file);
    size_t length = fread(password_r, 1, ADDRESS_TEXT_BYTES_MAX - 1, file);
    fclose(file);
    while (length > 0 && (password_r[length - 1] == '\n' || password_r[length - 1] == '\r'))
        length--;
    password_r[length] = '\0';
    return true;
}

bool redis_address_open(struct redis_address *address, struct error *error)
{
    if (!address->tls)
        return true;
    address->tunnel = redis_tunnel_open(
        &(struct redis_tunnel_options){ .host = address->host,
                                        .port = address->port,
                                        .name = address->tls_name,
                                        .authority_file = address->authority_file,
                                        .certificate_file = address->certificate_file,
                                        .key_file = address->key_file },
        error);
    if (address->tunnel == NULL)
        return error_prefix(error, "redis at %s", address->name);
    snprintf(address->unix_path, sizeof address->unix_path, "%s",
             redis_tunnel_path(address->tunnel));
    return true;
}

void redis_address_close(struct redis_address *address)
{
    redis_tunnel_close(address->tunnel);
    address->tunnel = NULL;
    if (address->tls)
        address->unix_path[0] = '\0';
}
