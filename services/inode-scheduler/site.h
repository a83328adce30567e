/* The dashboard: the files of the folder `site`, as they are in the binary. They are the same for
 * everyone and for as long as the process lives; any thread. */
#pragma once
#include "base/bytes.h"

struct site_entry {
    const char *name; /* "style.css"; NULL ends the list */
    const char *type; /* for Content-Type */
    const char *tag;  /* entity tag with its quotes */
    const uint8_t *data;
    size_t length;
};
/* Made by cmake/embed.cmake. */
extern const struct site_entry site_entries[];

/* NULL where there is none of that name. */
const struct site_entry *site_find(const char *name);
