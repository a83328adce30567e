/* What people send: one JSON object of texts, read strictly. Every field is there once (but for
 * those that may be left out), is a text within its bounds, and nothing else is there. Secrets may
 * be among the texts: jansson's memory is wiped as it is freed once form_wipe_memory was called. */
#pragma once
#include "base/bytes.h"

struct json_t;

enum {
    FORM_FIELDS_MAX = 8,
    FORM_DEPTH_MAX = 4,
    FORM_BYTES_MAX = 16384,
    FORM_EMAIL_BYTES_MAX = 254
};

struct form_field {
    const char *name;
    size_t bytes_min, bytes_max;
    bool optional; /* may be left out; its value is NULL then */
};

struct form {
    struct json_t *document;
    struct span values[FORM_FIELDS_MAX]; /* in the fields' order; borrowed from the document */
};

/* What is wrong, for a problem document. */
struct form_trouble {
    int status;
    char field[72]; /* "body" where no field can be named */
    char detail[160];
};

/* False with *trouble_r; then nothing needs to be freed. */
MUST_CHECK bool form_read(struct span body, const char *content_type,
                          const struct form_field *fields, size_t field_count, struct form *form_r,
                          struct form_trouble *trouble_r);
void form_free(struct form *form);

/* Makes jansson wipe every block it frees, for the whole process; at the start of it. */
void form_wipe_memory(void);

/* Whether the text has the shape of an address of e-mail (ASCII, local part and a domain of two
 * labels at the least); with it in lower case in email_r, FORM_EMAIL_BYTES_MAX + 1 bytes. */
MUST_CHECK bool form_email(struct span text, char *email_r);
