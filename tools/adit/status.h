/* The pool on a terminal, as its API tells it: what is wrong first, then each part, what is being
 * started again, the money, the last blocks. Lines are made for a width; nothing is asked here. */
#pragma once
#include "base/bytes.h"

#include <jansson.h>

enum { STATUS_LINE_BYTES = 1024, STATUS_COLUMNS_LEAST = 20, STATUS_BLOCKS = 5 };

/* Documents of the API; NULL where there is none. Borrowed. */
struct status_picture {
    json_t *status, *statistics, *blocks;
    uint64_t now_ms; /* unix */
};

/* Calls put for each line; none is longer than `columns` characters (0: no bound). `put` gets text
 * without control characters, whatever the API says. */
void status_lines(const struct status_picture *picture, unsigned columns,
                  void (*put)(void *context, const char *line), void *context);

/* "12.3 MH/s"; text_r takes 24 bytes. */
const char *status_rate(double per_second, char *text_r, size_t bytes);
/* How sure the hashrate over ten minutes in a document of the API is: " ±4.2 %", one standard
 * deviation; "" where that is not known. */
const char *status_noise(const json_t *document, char *text_r, size_t bytes);
/* "3 s", "2 min", "5 h", "12 d"; likewise. */
const char *status_span(uint64_t ms, char *text_r, size_t bytes);
