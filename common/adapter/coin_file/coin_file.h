/* Which coin profile the settings mean: chain.profile is a path (it holds a "/"), or a name: that
 * of a file in the folder chain.profile_folder, else of what is built in. A new coin is a file. The
 * caller owns the memory; any thread; reads files at the start alone. */
#pragma once
#include "adapter/coin_file/coin_json.h"

/* The profile, static or within *memory; NULL with *error in one sentence. `folder` may be "". */
MUST_CHECK const struct coin_profile *coin_file_open(const char *profile, const char *folder,
                                                     struct coin_file *memory, struct error *error);
