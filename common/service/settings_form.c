/* What a text of the settings must look like: an address, or a URL of a scheme that its reader
 * knows. Every process reads all settings, so each refuses the same; what only the reader can tell
 * (whether a host is there, what a path leads to) is its own to say. */
#include "service/settings_table.h"

#include <ctype.h>
#include <string.h>

enum { SCHEMES_MAX = 4 };

/* What stands behind a scheme that ends with "//". */
enum behind { BEHIND_ANYTHING, BEHIND_HOST, BEHIND_HOST_AND_PORT };

static const struct {
    const char *schemes[SCHEMES_MAX];
    const char *words;
    enum behind behind;
} forms[] = {
    [FORM_ADDRESS] = { .words = "host:port, with a port up to 65535" },
    [FORM_ORIGIN] = { .words =
                          "http://host[:port] or https://host[:port], with nothing behind it" },
    [FORM_BUS] = { { "ipc:", "unix:", "tls+tcp://", "tcp://" },
                   "ipc:///path, unix:///path, tls+tcp://host:port or tcp://host:port",
                   BEHIND_HOST_AND_PORT },
    [FORM_NODE] = { { "http://", "https://" },
                    "http://user:password@host:port or https://user:password@host:port",
                    BEHIND_HOST },
    [FORM_ZMQ] = { { "tcp://" }, "tcp://host:port, or -", BEHIND_HOST_AND_PORT },
    [FORM_REDIS] = { { "unix:", "tcp://", "redis://", "rediss://" },
                     "unix:/path, tcp://[:password@]host:port or rediss://[:password@]host:port",
                     BEHIND_HOST },
    [FORM_STORE] = { { "sqlite:", "mongodb://", "mongodb+srv://" },
                     "sqlite:/path, mongodb://host:port/database or mongodb+srv://host/database",
                     BEHIND_ANYTHING }, /* several hosts; the driver knows */
    [FORM_MAIL] = { { "smtp://", "smtps://", "file:" },
                    "smtp://host:port, smtps://host:port or file:/folder",
                    BEHIND_HOST },
    [FORM_WEBHOOK] = { { "https://", "http://" }, "https://host/path", BEHIND_HOST },
    [FORM_SOURCE] = { { "https://", "file:" }, "file:/path or https://host/path", BEHIND_HOST },
};

static bool is_port(const char *text, size_t length)
{
    unsigned port = 0;
    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= 65535;
}

/* Letters, digits and what is usual in names; `more` besides. */
static bool is_of(const char *text, size_t length, const char *more)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && strchr(".-_", text[i]) == NULL &&
            strchr(more, text[i]) == NULL)
            return false;
    return memchr(text, '\0', length) == NULL;
}

/* host, host:port, [v6] or [v6]:port; a name of what is usual in names, so that nothing that stands
 * in a header or a policy can be ended by it (RFC 3986, 3.2.2). */
static bool is_host(const char *text, size_t length, bool port_needed)
{
    size_t host = 0;
    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        host = end != NULL ? (size_t)(end - text) + 1 : 0;
        if (host < 4 || !is_of(text + 1, host - 2, ":%"))
            return false;
    } else {
        while (host < length && text[host] != ':')
            host++;
        if (!is_of(text, host, ""))
            return false;
    }
    if (host == 0 || (host == length && port_needed))
        return false;
    return host == length || (text[host] == ':' && is_port(text + host + 1, length - host - 1));
}

bool settings_is_origin(const char *text)
{
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : "";
    return is_host(host, strlen(host), false);
}

/* Behind scheme:// and user:password@, up to the path. Numbers that stand for several addresses
 * (stratum.validators) are their reader's. */
static bool has_host(enum setting_form form, const char *text, size_t length)
{
    size_t end = 0, begin = 0;
    /* A password of redis may hold anything (adapter/window_redis/address.h). */
    const char *const ends = form == FORM_REDIS ? "?" : "/?#";
    while (end < length && strchr(ends, text[end]) == NULL)
        end++;
    for (size_t i = 0; i < end; i++)
        if (text[i] == '@')
            begin = i + 1;
    return memchr(text, '{', length) != NULL ||
           is_host(text + begin, end - begin, forms[form].behind == BEHIND_HOST_AND_PORT);
}

static bool fits_one(enum setting_form form, const char *text, size_t length)
{
    if (form == FORM_ADDRESS)
        return is_host(text, length, true);
    if (form == FORM_ZMQ && length == 1 && *text == '-')
        return true;
    for (size_t i = 0; i < SCHEMES_MAX && forms[form].schemes[i] != NULL; i++) {
        const char *scheme = forms[form].schemes[i];
        const size_t bytes = strlen(scheme);
        if (length <= bytes || strncmp(text, scheme, bytes) != 0)
            continue;
        return scheme[bytes - 1] != '/' || forms[form].behind == BEHIND_ANYTHING ||
               has_host(form, text + bytes, length - bytes);
    }
    return false;
}

static bool fits(enum setting_form form, const char *text)
{
    if (form == FORM_ORIGIN)
        return settings_is_origin(text);
    if (form != FORM_BUS)
        return fits_one(form, text, strlen(text));
    for (;;) { /* several may stand in one text */
        const size_t length = strcspn(text, ",");
        if (!fits_one(form, text, length))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

bool setting_check_form(const struct setting_row *row, const char *text, struct error *error)
{
    const enum setting_form form = (enum setting_form)row->min;
    if (form == FORM_ANY || text[0] == '\0' || fits(form, text))
        return true;
    /* What follows a scheme may be a password. */
    const char *colon = strstr(text, "://");
    const bool shown = form == FORM_ADDRESS || form == FORM_ORIGIN;
    return error_set(error, ERROR_INVALID, "%s.%s is \"%.*s%s\", and must be %s", row->section,
                     row->key,
                     shown           ? 80
                     : colon != NULL ? (int)(colon - text) + 3
                                     : 0,
                     text, shown ? "" : "…", forms[form].words);
}
