/* As much of a mail server as one letter needs (RFC 5321, STARTTLS of RFC 3207, TLS from the start
 * of RFC 8314), on a free port of this host, with a certificate made for the test. It serves one
 * connection and remembers what it heard. For tests only. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum smtp_tls {
    SMTP_PLAIN,    /* offers none */
    SMTP_STARTTLS, /* offers it, and takes a letter without all the same */
    SMTP_TLS,      /* from the start */
};

struct smtp_server {
    enum smtp_tls tls;
    const char *refused; /* the command that is: MAIL, RCPT, DATA, or ".", a letter's end */
    const char *refusal; /* with these words */
    int listener, port;
    struct ssl_ctx_st *context;
    struct ssl_st *ssl; /* once the line is one of TLS */
    bool encrypted;     /* when the letter came */
    bool secret_next;   /* it asked for a password */
    char heard[8192];
    size_t length;
    pthread_t thread;
};

/* A certificate for `host` (an IPv4 address) that certifies itself, and its key, into one file. */
void smtp_make_certificate(const char *path, const char *host);

/* `pem`: of smtp_make_certificate, where there is TLS. `refused` NULL: it takes everything. */
void smtp_begin(struct smtp_server *server, enum smtp_tls tls, const char *pem, const char *refused,
                const char *refusal);
/* Where it is, as a URL of auth.mail, for this name of the host. */
void smtp_url(const struct smtp_server *server, const char *user_at_host, char url_r[96]);
/* Waits for the connection's end; whoever never came is not waited for. */
void smtp_end(struct smtp_server *server);
