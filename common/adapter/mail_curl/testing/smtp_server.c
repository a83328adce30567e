#include "adapter/mail_curl/testing/smtp_server.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void demand(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "the test's mail server: %s\n", what);
    abort();
}

void smtp_make_certificate(const char *path, const char *host)
{
    char names[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    FILE *file = fopen(path, "w");
    demand(key != NULL && x509 != NULL && file != NULL, path);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    X509_NAME *name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
    X509_set_issuer_name(x509, name);
    snprintf(names, sizeof names, "IP:%s", host);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    demand(extension != NULL && X509_add_ext(x509, extension, -1) == 1 &&
               X509_sign(x509, key, EVP_sha256()) > 0 && PEM_write_X509(file, x509) == 1 &&
               PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
           "no certificate");
    fclose(file);
    X509_EXTENSION_free(extension);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static void say(struct smtp_server *server, int fd, const char *text)
{
    int length = (int)strlen(text); /* one who went away meanwhile does not hear it */
    if (server->ssl != NULL)
        (void)SSL_write(server->ssl, text, length);
    else
        (void)send(fd, text, (size_t)length, MSG_NOSIGNAL);
}

static bool encrypt(struct smtp_server *server, int fd)
{
    SSL *ssl = SSL_new(server->context);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1) { /* who does not like the certificate goes away */
        SSL_free(ssl);
        return false;
    }
    server->ssl = ssl;
    return true;
}

static long hear(struct smtp_server *server, int fd)
{
    size_t room = sizeof server->heard - 1 - server->length;
    char *to = server->heard + server->length;
    return server->ssl != NULL ? SSL_read(server->ssl, to, (int)room) : recv(fd, to, room, 0);
}

/* False: the connection is over. */
static bool answer(struct smtp_server *server, int fd, const char *line, bool *data)
{
    const bool over = *data && strncmp(line, ".\r\n", 3) == 0;
    const bool refuses = server->refused != NULL && (!*data || over) &&
                         strncmp(line, server->refused, strlen(server->refused)) == 0;
    *data = *data && !over;
    if (refuses) {
        say(server, fd, server->refusal);
    } else if (over) {
        say(server, fd, "250 taken\r\n");
    } else if (*data) {
        return true;
    } else if (strncmp(line, "DATA", 4) == 0) {
        *data = true;
        server->encrypted = server->ssl != NULL;
        say(server, fd, "354 go on\r\n");
    } else if (strncmp(line, "EHLO", 4) == 0) {
        bool offers = server->tls == SMTP_STARTTLS && server->ssl == NULL;
        say(server, fd, offers ? "250-here\r\n250 STARTTLS\r\n" : "250-here\r\n250 AUTH PLAIN\r\n");
    } else if (strncmp(line, "STARTTLS", 8) == 0) {
        say(server, fd, "220 go on\r\n");
        return encrypt(server, fd);
    } else if (strncmp(line, "AUTH", 4) == 0) {
        server->secret_next = true;
        say(server, fd, "334 \r\n");
    } else if (server->secret_next) {
        server->secret_next = false;
        say(server, fd, "235 welcome\r\n");
    } else {
        say(server, fd, "250 yes\r\n");
    }
    return true;
}

static void converse(struct smtp_server *server, int fd)
{
    bool data = false;
    size_t from = 0;
    if (server->tls == SMTP_TLS && !encrypt(server, fd))
        return;
    say(server, fd, "220 here\r\n");
    long got;
    while ((got = hear(server, fd)) > 0) {
        char *end;
        server->length += (size_t)got;
        server->heard[server->length] = '\0';
        while ((end = strstr(server->heard + from, "\r\n")) != NULL) {
            const char *line = server->heard + from;
            from = (size_t)(end + 2 - server->heard);
            if (!answer(server, fd, line, &data))
                return;
        }
    }
}

static void *serve(void *context)
{
    struct smtp_server *server = context;
    int fd = accept(server->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    converse(server, fd);
    SSL_free(server->ssl);
    close(fd);
    return NULL;
}

void smtp_begin(struct smtp_server *server, enum smtp_tls tls, const char *pem, const char *refused,
                const char *refusal)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to whoever went away */
    memset(server, 0, sizeof *server);
    server->tls = tls;
    server->refused = refused;
    server->refusal = refusal;
    if (tls != SMTP_PLAIN) {
        server->context = SSL_CTX_new(TLS_server_method());
        demand(SSL_CTX_use_certificate_file(server->context, pem, SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_use_PrivateKey_file(server->context, pem, SSL_FILETYPE_PEM) == 1,
               pem);
    }
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
               listen(server->listener, 1) == 0 &&
               getsockname(server->listener, (struct sockaddr *)&address, &length) == 0,
           "no port");
    server->port = ntohs(address.sin_port);
    demand(pthread_create(&server->thread, NULL, serve, server) == 0, "no thread");
}

void smtp_url(const struct smtp_server *server, const char *user_at_host, char url_r[96])
{
    snprintf(url_r, 96, "%s://%s:%d", server->tls == SMTP_TLS ? "smtps" : "smtp", user_at_host,
             server->port);
}

void smtp_end(struct smtp_server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR); /* wakes an accept that nobody will answer */
    pthread_join(server->thread, NULL);
    close(server->listener);
    SSL_CTX_free(server->context);
}
