/* As much of a web server as a webhook needs, on a free port of 127.0.0.1: it answers what it is
 * told to and remembers every request it heard, with whether its signature is right. A thread of
 * its own; its answers may be changed while it runs. For tests only. */
#pragma once
#include "base/bytes.h"

#include <pthread.h>
#include <stdatomic.h>

enum receiver_way {
    RECEIVER_ANSWER,   /* `status`, an empty body */
    RECEIVER_REDIRECT, /* 302, to itself */
    RECEIVER_SILENT,   /* takes the line and says nothing */
    RECEIVER_DRIP,     /* a byte of its answer's head now and then, for ever */
    RECEIVER_ENDLESS,  /* 200, and a body without end */
    RECEIVER_HEADERS,  /* a head without end */
    RECEIVER_CLOSE,    /* closes the line at once */
};

enum { RECEIVER_HEARD_MAX = 1024, RECEIVER_BODY_BYTES = 8192, RECEIVER_ID_BYTES = 80 };

struct receiver_heard {
    char id[RECEIVER_ID_BYTES];
    char path[128];
    char body[RECEIVER_BODY_BYTES];
    uint64_t time_s;
    bool valid;   /* by the secret of then */
    int answered; /* the status it was given; 0: another way */
};

struct receiver {
    int listener, port;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic int way, status;
    _Atomic size_t connections;
    pthread_mutex_t lock; /* what follows */
    uint8_t secret[64];
    size_t secret_length;
    struct receiver_heard heard[RECEIVER_HEARD_MAX];
    size_t heard_count;
};

/* Aborts where there is no port. */
void receiver_begin(struct receiver *receiver);
/* `text`: "whsec_" and base64, as a receiver is given it. */
void receiver_know(struct receiver *receiver, const char *text);
size_t receiver_count(struct receiver *receiver);
/* A copy of one that was heard. */
struct receiver_heard receiver_get(struct receiver *receiver, size_t index);
void receiver_end(struct receiver *receiver);
