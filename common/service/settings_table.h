/* settings.def as a table, for the files that read, check and print it. Inside service/ only. */
#pragma once
#include "service/settings.h"

enum setting_kind { SETTING_NUMBER, SETTING_FLAG, SETTING_TEXT, SETTING_LIST };

/* What a TEXT, or each text of a LIST, must look like (settings_form.c); stands in a row's min. */
enum setting_form {
    FORM_ANY,
    FORM_ADDRESS, /* where it listens: host:port */
    FORM_ORIGIN,  /* of pages: scheme, host and port (RFC 6454) */
    FORM_BUS,
    FORM_NODE,
    FORM_ZMQ,
    FORM_REDIS,
    FORM_STORE,
    FORM_MAIL,
    FORM_WEBHOOK,
    FORM_SOURCE, /* of a list that is read again and again */
};

enum { SETTING_TEXT_BYTES_MAX = 4096 };

struct setting_row {
    const char *section;
    const char *key;
    enum setting_kind kind;
    int64_t number;   /* default of NUMBER and FLAG */
    const char *text; /* default of TEXT and LIST (comma separated) */
    int64_t min;      /* of TEXT and LIST its enum setting_form */
    int64_t max;
    const char *unit;
    const char *help;
    size_t offset; /* in struct settings */
};

/* Ended by a row whose section is NULL; rows of a section stand together. */
extern const struct setting_row settings_table[];

/* NULL where there is none. */
const struct setting_row *settings_find(const char *section, const char *key);
/* The known name nearest to one that is not known, as "section.key"; NULL when none is near. */
const char *settings_nearest(const char *section, const char *key, char *name_r, size_t bytes);

/* Replace what the field holds. */
void setting_put_number(struct settings *settings, const struct setting_row *row, int64_t value);
void setting_put_text(struct settings *settings, const struct setting_row *row, const char *value,
                      size_t length);
void setting_put_list(struct settings *settings, const struct setting_row *row,
                      const char *const *items, size_t count);
/* Comma separated; spaces around an item go. False when there are more than SETTINGS_LIST_MAX. */
MUST_CHECK bool setting_put_list_text(struct settings *settings, const struct setting_row *row,
                                      const char *text);

int64_t setting_number(const struct settings *settings, const struct setting_row *row);
char **setting_text(struct settings *settings, const struct setting_row *row);
struct settings_list *setting_list(struct settings *settings, const struct setting_row *row);

/* False with "ORIGIN: section.key is …, and must be …" when value breaks the row's bounds. */
MUST_CHECK bool setting_check_number(const struct setting_row *row, int64_t value,
                                     const char *origin, struct error *error);
MUST_CHECK bool setting_check_text(const struct setting_row *row, size_t length, const char *origin,
                                   struct error *error);
/* False with "section.key is …, and must be …" for a text that has not the row's form; an empty one
 * has. Of a URL no more than the scheme is repeated. */
MUST_CHECK bool setting_check_form(const struct setting_row *row, const char *text,
                                   struct error *error);
/* "ORIGIN: key … is not known; did you mean …?" Its value is false. */
bool setting_unknown(const char *section, const char *key, const char *origin, struct error *error);

/* Reads the JSON file over what stands in *settings. */
MUST_CHECK bool settings_read_file(struct settings *settings, const char *file,
                                   struct error *error);
/* Reads the variables over what stands in *settings. */
MUST_CHECK bool settings_read_environment(struct settings *settings, struct error *error);
