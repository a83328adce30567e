/* What the verbs that read the books share: the pool's settings, and its store. */
#pragma once
#include "options.h"
#include "port/store.h"
#include "service/settings.h"

/* Reads the settings of --config and --data and opens their store. Caller owns both, until
 * books_close. On failure says why on stderr and returns the exit code: 64 or 1; else 0. */
int books_open(const struct options *options, struct settings *settings_r, struct store **store_r);
void books_close(struct settings *settings, struct store *store);
