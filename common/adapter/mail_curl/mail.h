/* Sends letters: by SMTP (libcurl), or, while a pool is being built, into files of a folder.
 * Blocking, for seconds: for a worker's thread. Any thread, one at a time a struct.
 *
 * Where letters go is one URL: smtp://[user@]host[:port] (STARTTLS, RFC 3207), smtps://[user@]host
 * [:port] (TLS from the start, RFC 8314), file:/folder, or nothing. One-time tokens stand in
 * letters: to another host they go by TLS, or not at all unless that is asked for, and a password
 * never goes without. A certificate is always checked. Nothing of a letter is ever logged here. */
#pragma once
#include "base/error.h"

#include <stdatomic.h>

enum { MAIL_ADDRESS_BYTES = 255, MAIL_SUBJECT_BYTES = 80, MAIL_TEXT_BYTES = 1024 };

struct mail_settings {
    const char *url;           /* "": no letters are sent */
    const char *from;          /* the sender's address */
    const char *password_file; /* of the URL's user; "": none */
    unsigned timeout_ms;
    const char *authority_file; /* PEM: who certifies the server; NULL or "": the system's list */
    bool plain;                 /* a server without STARTTLS on another host is given letters too */
    const _Atomic bool *stop;   /* a try ends soon once it is true; may be NULL */
};

struct mail {
    char to[MAIL_ADDRESS_BYTES];
    char subject[MAIL_SUBJECT_BYTES]; /* printable ASCII */
    char text[MAIL_TEXT_BYTES];       /* UTF-8, lines end with \n; other controls are left out */
    const char *id;                   /* stays the same through every try: who was sent it twice
                                         sees one; printable ASCII, borrowed; NULL: a fresh one */
    const char *unsubscribe; /* a URL that takes one POST and no more is sent (RFC 8058); borrowed,
                                NULL: none */
};

/* Whether letters can be sent with these settings; false with one sentence. */
MUST_CHECK bool mail_check(const struct mail_settings *settings, struct error *error);
/* True when the server has taken it, or the file stands. False with *error, which names no
 * address: REFUSED, the server said no to this one, to its receiver or its text, for good or for
 * now (greylisting); INVALID, it cannot be a letter; any other, no letter can be sent now: also
 * where a server answers, but takes none of ours. */
MUST_CHECK bool mail_send(const struct mail_settings *settings, const struct mail *mail,
                          struct error *error);
