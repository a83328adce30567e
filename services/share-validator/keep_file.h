/* A kept job's file while it is written, piece by piece, under another name than its own. Blocks on
 * the disk: one thread at a time, in keep the writing one. Private to keep. */
#pragma once
#include "services/share-validator/file.h"

struct keep_file {
    char aside[FILE_PATH_BYTES]; /* where it stands until it is whole; the caller's to set */
    bool open, failed;
    int fd;
    uint64_t sum;
    size_t bytes;
    struct error error; /* why it failed */
};

/* Appends a message; opens the file before the first. What goes wrong is told by keep_file_end. */
void keep_file_add(struct keep_file *file, struct span message);
/* Gives it its name. False with the first thing that went wrong; nothing is left of it then. */
MUST_CHECK bool keep_file_end(struct keep_file *file, const char *path, struct error *error);
/* Nothing is left of it. */
void keep_file_drop(struct keep_file *file);

/* The next of the messages of a whole file. */
typedef void (*keep_file_visitor)(void *context, struct span message, bool last);
/* Whether these bytes are a whole file; visits its messages only then (visitor NULL: none). */
MUST_CHECK bool keep_file_read(struct span bytes, keep_file_visitor visitor, void *context);
