/* The table of odd clients in force: stratum.quirks_file where one is named, else the built-in
 * one. Read at the start and again at a reload; sessions keep what they were told. */
#pragma once
#include "core/stratum/quirks.h"
#include "service/settings.h"

/* Reads the table in force now. False with one sentence that names the file, and *quirks as it
 * was. */
MUST_CHECK bool quirks_file_read(const struct settings *settings, enum pow_algorithm algorithm,
                                 struct quirks *quirks, struct error *error);
