#include "authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { DAYS = 3650, EARLY_S = 3600, SERIAL_BYTES = 16 };

/* Two certificates and the key of the second. */
struct made {
    EVP_PKEY *authority_key, *key;
    X509 *authority, *certificate;
};

static bool extend(X509 *x509, X509 *issuer, int what, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, what, value);
    const bool good = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* A certificate without its extensions and signature; NULL: no memory, no random numbers. */
static X509 *draft(const char *name, EVP_PKEY *key)
{
    unsigned char serial[SERIAL_BYTES];
    X509 *x509 = X509_new();
    BIGNUM *number = NULL;
    bool good = x509 != NULL && getrandom(serial, sizeof serial, 0) == sizeof serial;
    serial[0] &= 0x7f; /* positive (RFC 5280, 4.1.2.2) */
    good = good && (number = BN_bin2bn(serial, sizeof serial, NULL)) != NULL &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL &&
           X509_set_version(x509, 2) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -EARLY_S) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x509), DAYS, 0, NULL) != NULL &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_pubkey(x509, key) == 1;
    BN_free(number);
    if (good)
        return x509;
    X509_free(x509);
    return NULL;
}

static bool make(const char *name, struct made *made)
{
    char alternative[300];
    snprintf(alternative, sizeof alternative, "DNS:%.250s", name);
    made->authority_key = EVP_EC_gen("P-256");
    made->key = EVP_EC_gen("P-256");
    if (made->authority_key == NULL || made->key == NULL)
        return false;
    made->authority = draft("adit bus authority", made->authority_key);
    made->certificate = draft(name, made->key);
    return made->authority != NULL && made->certificate != NULL &&
           X509_set_issuer_name(made->authority, X509_get_subject_name(made->authority)) == 1 &&
           extend(made->authority, made->authority, NID_basic_constraints,
                  "critical,CA:TRUE,pathlen:0") &&
           extend(made->authority, made->authority, NID_key_usage, "critical,keyCertSign") &&
           extend(made->authority, made->authority, NID_subject_key_identifier, "hash") &&
           X509_sign(made->authority, made->authority_key, EVP_sha256()) > 0 &&
           X509_set_issuer_name(made->certificate, X509_get_subject_name(made->authority)) == 1 &&
           extend(made->certificate, made->authority, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(made->certificate, made->authority, NID_key_usage, "critical,digitalSignature") &&
           extend(made->certificate, made->authority, NID_ext_key_usage, "serverAuth,clientAuth") &&
           extend(made->certificate, made->authority, NID_subject_alt_name, alternative) &&
           extend(made->certificate, made->authority, NID_authority_key_identifier, "keyid") &&
           X509_sign(made->certificate, made->authority_key, EVP_sha256()) > 0;
}

static void forget(struct made *made)
{
    X509_free(made->authority);
    X509_free(made->certificate);
    EVP_PKEY_free(made->authority_key);
    EVP_PKEY_free(made->key);
}

/* One PEM file, readable by its owner alone. */
static bool write_pem(const char *path, X509 *x509, EVP_PKEY *key, struct error *error)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        return error_system(error, errno, "%s", path);
    bool good = (x509 != NULL ? PEM_write_X509(file, x509)
                              : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)) == 1 &&
                fflush(file) == 0 && fsync(fd) == 0;
    good = fclose(file) == 0 && good;
    if (good)
        return true;
    (void)error_system(error, errno, "%s", path);
    unlink(path);
    return false;
}

bool authority_make(const struct settings *settings, struct error *error)
{
    const char *const paths[] = { settings->bus_key_file, settings->bus_certificate_file,
                                  settings->bus_authority_file };
    if (settings->bus_authority_file[0] == '\0')
        return true;
    for (size_t i = 0; i < 3; i++)
        if (access(paths[i], F_OK) == 0)
            return true; /* whole or not, somebody else's: the processes say what is missing */
    struct made made = { .key = NULL };
    bool good = make(settings->bus_name, &made) ||
                error_set(error, ERROR_SYSTEM, "the bus's certificates cannot be made: %s",
                          ERR_reason_error_string(ERR_peek_last_error()));
    X509 *const certificates[] = { NULL, made.certificate, made.authority };
    size_t written = 0;
    while (good && written < 3) {
        good = write_pem(paths[written], certificates[written], made.key, error);
        written += good;
    }
    while (!good && written > 0)
        unlink(paths[--written]); /* ours; another's stay */
    forget(&made);
    if (good)
        printf("adit: certificates of the bus made: %s, %s, %s\n", paths[2], paths[1], paths[0]);
    return good;
}
