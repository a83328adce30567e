/* A coin profile's file: JSON to struct coin_profile. The file is one object with the fields of
 * core/coin/fields.def, "algorithm", "gbt_rules" (at most COIN_GBT_RULES_MAX short texts) and, for
 * whoever reads it, "source". Anything else, anything out of bounds and anything that contradicts
 * the rest is refused in one sentence: a wrong constant would cost every block found. Any thread;
 * memory is the caller's; does no I/O but coin_file_read's. */
#pragma once
#include "core/coin/coin.h"

enum { COIN_FILE_TEXT_BYTES = 512, COIN_FILE_BYTES_MAX = 64 << 10 };

/* A profile and its texts: it points into itself, so it is never copied or moved. */
struct coin_file {
    struct coin_profile profile;
    char text[COIN_FILE_TEXT_BYTES];
    size_t used;
};

/* False with *error (a sentence without the file's name), *file_r undefined. */
MUST_CHECK bool coin_json_parse(struct span text, struct coin_file *file_r, struct error *error);
/* The same of a file; the sentence begins with its path. */
MUST_CHECK bool coin_file_read(const char *path, struct coin_file *file_r, struct error *error);
