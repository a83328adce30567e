/* Gives a notice to a receiver that a stranger named: one POST over HTTPS, signed as Standard
 * Webhooks (standardwebhooks.com, version 1) has it, by libcurl. Blocking, for seconds: for a
 * worker's thread. Any thread; nothing is kept.
 *
 * The URL is a stranger's, so what it may reach is bounded: the public internet alone
 * (core/notice), or what the operator lists. Looked at is the very address that is about to be
 * connected to, when the socket is made, so a name that means another address the second time gains
 * nothing. No redirect is followed, no proxy of the environment, no credential; an answer is read
 * to WEBHOOK_ANSWER_BYTES_MAX and for the time given, and then the line is closed. What the
 * receiver says beside its status is thrown away. */
#pragma once
#include "base/error.h"
#include "core/network/network.h"

#include <stdatomic.h>

enum {
    WEBHOOK_ANSWER_BYTES_MAX = 16384, /* of headers and of body */
    WEBHOOK_RESULT_BYTES = 120,
    WEBHOOK_SIGNATURE_BYTES = 48, /* "v1,", 44 characters, NUL */
};

struct webhook_settings {
    bool plain;                   /* http:// too */
    const struct network *inside; /* networks that may be reached though they are not public */
    size_t inside_count;
    bool anywhere; /* whatever address it has: the URL is the operator's own, no stranger's */
    const char *authority_file; /* PEM: who certifies receivers; NULL or "": the system's list */
    unsigned timeout_ms;        /* of the whole try */
    const _Atomic bool *stop;   /* a try ends soon once it is true; may be NULL */
    const char *resolve;        /* for tests: "host:port:address", in place of the resolver */
};

struct webhook_request {
    const char *url, *id; /* the id stays the same through every try */
    uint64_t time_s;      /* unix, of this try */
    struct span secret;
    struct span body; /* JSON */
};

/* What a webhook's URL must be: https://host[:port][/path], or http where `plain`; no user, no
 * fragment, a port of 443 (80), or from 1024 on. False with one sentence. Resolves nothing. */
MUST_CHECK bool webhook_check(const char *url, bool plain, struct error *error);

/* "v1," and the HMAC-SHA256 over "id.time.body" in base64. */
void webhook_sign(const struct webhook_request *request, char signature_r[WEBHOOK_SIGNATURE_BYTES]);

enum webhook_outcome {
    WEBHOOK_TAKEN = 1, /* it answered 200 to 299 */
    WEBHOOK_FAILED,    /* it did not, or not at all: try later */
    WEBHOOK_GONE,      /* it answered 410: it wants no more, ever */
};
/* With what came of it in words, which name neither host nor address. */
MUST_CHECK enum webhook_outcome webhook_send(const struct webhook_settings *settings,
                                             const struct webhook_request *request,
                                             char result_r[WEBHOOK_RESULT_BYTES]);
