#include "adapter/bus_nng/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEM_BYTES_MAX = 1 << 18 };

/* Overwrites what a compiler would rather leave. */
static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* A text file whole, with a terminator; NULL and *error. Ended by wipe. */
static char *read_pem(const char *path, const char *setting, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        error_fill_system(error, errno, "%s: %.256s cannot be read", setting, path);
        return NULL;
    }
    char *text = calloc(1, PEM_BYTES_MAX + 1);
    size_t length = text != NULL ? fread(text, 1, PEM_BYTES_MAX, file) : 0;
    bool whole = text != NULL && feof(file) && strlen(text) == length && length > 0;
    fclose(file);
    if (whole)
        return text;
    error_fill(error, ERROR_INVALID, "%s: %.256s is not a PEM file", setting, path);
    wipe(text);
    return NULL;
}

/* The parts of a configuration that both ends have alike. */
static bool fill(nng_tls_config *config, const char *authority, const char *certificate,
                 const char *key, const struct bus_nng_tls *files, struct error *error)
{
    int result = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_2);
    if (result == 0)
        result = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    if (result != 0)
        return error_set(error, ERROR_INVALID, "this nng has no TLS: %s", nng_strerror(result));
    if (nng_tls_config_ca_chain(config, authority, NULL) != 0)
        return error_set(error, ERROR_INVALID,
                         "bus.authority_file: %.256s holds no certificate that can be read",
                         files->authority_file);
    if (nng_tls_config_own_cert(config, certificate, key, NULL) != 0)
        return error_set(error, ERROR_INVALID,
                         "bus.certificate_file and bus.key_file: %.200s and %.200s are not a "
                         "certificate and its key",
                         files->certificate_file, files->key_file);
    return true;
}

bool tls_open(struct tls *tls, const struct bus_nng_tls *files, struct error *error)
{
    *tls = (struct tls){ .dialer = NULL };
    char *authority = read_pem(files->authority_file, "bus.authority_file", error);
    char *certificate =
        authority != NULL ? read_pem(files->certificate_file, "bus.certificate_file", error) : NULL;
    char *key = certificate != NULL ? read_pem(files->key_file, "bus.key_file", error) : NULL;
    bool done = key != NULL;
    if (done && (nng_tls_config_alloc(&tls->dialer, NNG_TLS_MODE_CLIENT) != 0 ||
                 nng_tls_config_alloc(&tls->listener, NNG_TLS_MODE_SERVER) != 0))
        done = error_set(error, ERROR_UNAVAILABLE, "no memory for the bus's certificates");
    done = done && fill(tls->dialer, authority, certificate, key, files, error) &&
           fill(tls->listener, authority, certificate, key, files, error);
    /* Without a name nng would take any certificate of that authority. */
    if (done && nng_tls_config_server_name(tls->dialer, files->name) != 0)
        done = error_set(error, ERROR_INVALID, "bus.name: %.64s is not a name", files->name);
    wipe(authority);
    wipe(certificate);
    wipe(key);
    if (!done)
        tls_close(tls);
    return done;
}

void tls_close(struct tls *tls)
{
    if (tls->dialer != NULL)
        nng_tls_config_free(tls->dialer);
    if (tls->listener != NULL)
        nng_tls_config_free(tls->listener);
    *tls = (struct tls){ .dialer = NULL };
}

bool tls_is_for(const char *url)
{
    return strncmp(url, "tls", 3) == 0;
}
