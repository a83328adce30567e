/* A folder's own durability: a name that was made, linked or renamed in it outlives a power failure
 * only once the folder itself is written. A library apart from base, because it touches the disk.
 * Keeps nothing; blocking; any thread. */
#pragma once
#include "base/error.h"

/* False with *error, which names the folder. */
MUST_CHECK bool folder_sync(const char *folder, struct error *error);
/* The same for the folder that `path` lies in. */
MUST_CHECK bool folder_sync_of(const char *path, struct error *error);
