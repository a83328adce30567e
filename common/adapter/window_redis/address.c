#include "adapter/window_redis/address.h"

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
    snprintf(address->name, sizeof address->name, "tcp://%.480s:%u", address->host,
             (unsigned)address->port);
    return true;
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
    } else {
        good = false;
    }
    /* The URL is not repeated: it may hold a password. */
    return good || error_set(error, ERROR_INVALID,
                             "the address of redis must be unix:/path or "
                             "tcp://[:password@]host:port");
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
