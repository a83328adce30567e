/* Files copied one by one into a folder, each synced and named with its SHA-256 in a list that
 * `sha256sum -c` reads too; and such a list held against the files again. Blocking; one thread. */
#pragma once
#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

/* The list's name in the folder. It is written last: a folder that has it is whole. */
#define COPY_LIST "SHA256SUMS"

struct copy_job {
    const char *from; /* the folder copied from, and to; borrowed */
    const char *to;
    FILE *list; /* NULL: nothing is listed */
    uint64_t files, bytes;
};

/* Copies a file, or a folder with all that is in it, from `from`/name to `to`/name. Sockets and
 * links are left out; so is a file that is gone when its turn comes. New files are readable by
 * their owner alone. False with one sentence. */
MUST_CHECK bool copy_tree(struct copy_job *job, const char *name, struct error *error);
/* Puts a file that is in `to` already into the list. */
MUST_CHECK bool copy_listed(struct copy_job *job, const char *name, struct error *error);
/* Holds every file of the list in `folder` against its hash. Calls `each` (may be NULL) with the
 * name of each. False with one sentence that names the first that differs, is missing, or leads out
 * of the folder. */
MUST_CHECK bool copy_check(const char *folder,
                           bool (*each)(void *context, const char *name, struct error *error),
                           void *context, struct error *error);
