/* The store that a setting names: `sqlite:PATH`, `mongodb://…` or `mongodb+srv://…`. */
#pragma once
#include "port/store.h"

/* Opens by the URL's scheme; a file is there afterwards, a server may still be away (store_ping
 * tells). `timeout_ms` bounds the waits of each call. NULL with one sentence in *error, which never
 * holds the URL's password: ERROR_INVALID where another try cannot help. Caller owns; ends by
 * store_close. */
MUST_CHECK struct store *store_open(const char *url, unsigned timeout_ms, struct error *error);
