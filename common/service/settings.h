/* The settings of the suite, from defaults, the JSON file and the environment, in this order.
 * Read once at start; the struct owns its texts until settings_deinit. Any thread may read it. */
#pragma once
#include "base/bytes.h"

#include <stdio.h>

enum { SETTINGS_LIST_MAX = 64 };

struct settings_list {
    char **items;
    size_t count;
};

#define SETTING_C_NUMBER int64_t
#define SETTING_C_FLAG bool
#define SETTING_C_TEXT char *
#define SETTING_C_LIST struct settings_list
#define SETTING(section, key, KIND, fallback, min, max, unit, help)                                \
    SETTING_C_##KIND section##_##key;
struct settings {
#include "service/settings.def"
};
#undef SETTING

/* Fills *settings from defaults, `file` (NULL: none) and the environment, with `%d` and `%i`
 * replaced. `data_dir` (NULL: as set) and `instance` come from the command line. False with one
 * sentence that names file, line or key, and remedy; then nothing needs to be freed. */
MUST_CHECK bool settings_load(struct settings *settings, const char *file, const char *data_dir,
                              const char *instance, struct error *error);
void settings_deinit(struct settings *settings);

/* A complete settings file with every default, as JSON. */
void settings_print_example(FILE *out);
/* A table for people: key, default, bounds, unit, help. */
void settings_print_explanation(FILE *out);
/* What is in force, secrets (passwords in URLs) replaced by ***, as JSON. */
void settings_print(const struct settings *settings, FILE *out);

/* Whether it is scheme, host and port of pages, and nothing that could end the word it stands in. */
bool settings_is_origin(const char *text);
/* The 32 bytes of service.secret_file. */
MUST_CHECK bool settings_secret(const struct settings *settings, uint8_t secret_r[32],
                                struct error *error);
