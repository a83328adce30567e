/* Where the list of validators is read: a file, or a server by https. Bounded in size and time; a
 * redirection is not followed. Blocking: on a worker's thread. */
#pragma once
#include "base/bytes.h"

#include <stdatomic.h>

struct list_source {
    const char *from;    /* "file:/path" or "https://…" */
    const char *ca_file; /* "": whom the system trusts */
    size_t bytes_max;
    unsigned timeout_ms;
    const _Atomic bool *stop; /* ends a transfer within about a second */
};

/* Whether `from` is of a kind that can be read. False with *error. */
MUST_CHECK bool list_source_check(const char *from, struct error *error);
/* All of it in *text_r, from the heap, with a NUL behind; false with *error. */
MUST_CHECK bool list_source_read(const struct list_source *source, char **text_r,
                                   size_t *length_r, struct error *error);
