/* The head of an HTTP/1 request (RFC 9112), judged before a parser sees it: where it ends, how many
 * bytes of body belong to it, and whether there is any doubt about either. Strict where the
 * standard leaves a choice, because a head that two readers could frame differently is how one
 * client's bytes become another's request (section 11.2). What it takes it can write anew in a form
 * that every parser reads alike. Only reads; pure; any thread; keeps nothing: spans and texts of a
 * head point into the bytes that were judged, or are static. */
#pragma once
#include "base/bytes.h"

struct http_head_limits {
    size_t lines_max;  /* beside Host */
    size_t target_max; /* bytes of the request target */
    size_t host_max;
    uint64_t body_max;
};

/* Why a head is refused; all of them are static. */
struct http_head_refusal {
    int status;
    const char *title;
    const char *detail; /* needs no escaping in JSON */
};

enum http_head_outcome {
    HTTP_HEAD_MORE,    /* so far it may be one: call again with more */
    HTTP_HEAD_READ,    /* it is whole, and there is no doubt about it */
    HTTP_HEAD_REFUSED, /* `refusal` says why; what follows it cannot be trusted to be a head */
};

struct http_head {
    const struct http_head_refusal *refusal;
    bool asks_head;       /* its method is HEAD: no answer has a body (RFC 9110, 9.3.2) */
    bool plain;           /* it stands in the form http_head_write would give it, or as good as */
    size_t lines;         /* beside Host */
    size_t length;        /* with empty lines before it (RFC 9112, 2.2) and the one that ends it */
    uint64_t body_length; /* what follows belongs to it, as far as this */
    struct span method, target, version; /* the target in origin form, or without its "/" */
    struct span host; /* the target's where that is absolute (RFC 9112, 3.2.2), else Host's */
};

/* Looks at everything that came so far. Whatever is refused or read of the bytes' beginning is
 * refused or read alike of all of them. */
MUST_CHECK enum http_head_outcome
http_head_judge(struct span bytes, const struct http_head_limits *limits, struct http_head *head_r);

/* The head that was read of these bytes once more: the target in origin form, Host first, one line
 * a header, no white space around values and no tab in them, no header without a value (which says
 * nothing to anybody here); `only`: no header but those, in lower case, the last one NULL (NULL:
 * all). Writes at most head->length bytes and returns how many. */
size_t http_head_write(struct span bytes, const struct http_head *head, const char *const *only,
                       uint8_t *head_r);
