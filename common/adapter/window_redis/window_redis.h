/* The share window in Redis (7.0 or later): one server of its own, append-only file on, noeviction.
 *
 * The writer is asynchronous on the loop: it connects by itself, (re)loads the function library on
 * every connection, pipelines appends and reconnects with a growing pause. The reader blocks and
 * belongs on a worker's thread, one thread at a time. Both copy the options. Neither ever changes
 * the server's configuration, and neither repeats an append of its own accord: the caller asks
 * again under the same id.
 *
 * The process must ignore SIGPIPE (the skeleton of the services does): hiredis writes to sockets
 * whose other end may be gone.
 *
 * An append is one function call (window.lua), which Redis runs and writes to its file as a unit.
 * The appends of one round of the loop share one WAIT, where replicas are waited for.
 * The server sees opaque bytes; packed.h says what they mean. */
#pragma once
#include "port/window.h"

struct window_redis_options {
    /* As redis_address_parse (address.h) takes it; a host name is looked up at each connection: by
     * the writer on a thread of its own, by the reader where it is called */
    const char *url;
    const char *password_file; /* read at each connection; NULL or "": the URL's, or none */
    unsigned outstanding_max;  /* appends under way at once; 0: 256 */
    unsigned timeout_ms;       /* an answer that takes longer breaks the link; 0: 10000 */
    /* Writer only: an append is answered after so many replicas have it (WAIT), 0: none is waited
     * for. Where they are not connected appends are UNAVAILABLE; where they do not have it after
     * wait_ms (0: 1000) the outcome is UNKNOWN: the server itself has it. */
    unsigned wait_replicas;
    unsigned wait_ms;
    /* Writer only: from this share of the server's maxmemory on appends are UNAVAILABLE; 0: until
     * the server refuses by itself. */
    unsigned memory_percent_max;
    /* Writer only; may be NULL. Called on the loop when appends become possible (`text` is "", or
     * a warning about the server's settings that the operator must see) and when they cease to be
     * (`text` says why). Also for the same state with another text. */
    void (*on_state)(void *context, bool ready, const char *text);
    /* Writer only; may be NULL. Called on the loop when a server that is connected has not answered
     * for two seconds (`text`), and when it does again or on_state says that it is away (NULL).
     * Appends wait on: their answers may still come. */
    void (*on_slow)(void *context, const char *text);
    void *context;
};

/* NULL and *error for an unusable URL or want of memory; succeeds while no server is there. Ended
 * by window_writer_close, which runs no callback after the outstanding ones. */
MUST_CHECK struct window_writer *
window_redis_writer_open(struct loop *loop, const struct window_redis_options *options,
                         struct error *error);

/* The same for the reader, which connects at its first call (window_ping tells) and again after a
 * failure. Ended by window_reader_close. */
MUST_CHECK struct window_reader *
window_redis_reader_open(const struct window_redis_options *options, struct error *error);

/* Calls `copy` with the server's folder of append-only files while none of them is rewritten, so
 * that copies of them, made in any order while shares go on arriving, are a file the server can be
 * started on. Blocking. False with *error: the server is away, keeps no such file, or *copy said
 * no; rewrites are as they were before in every case but a server that went away. */
MUST_CHECK bool window_redis_copy_files(const struct window_redis_options *options,
                                        bool (*copy)(void *context, const char *folder,
                                                     struct error *error),
                                        void *context, struct error *error);
