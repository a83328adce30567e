/* The figures of a benchmark: each is printed as one line when it is known, with its floor and its
 * goal beside it, and all go into a JSON file. */
#pragma once
#include "base/bytes.h"

struct figure {
    const char *name; /* snake_case; the key in the JSON */
    const char *unit;
    double value;
    double floor;     /* the bare cost; 0: none */
    const char *goal; /* as text; NULL: none */
};

/* Prints the part's title. Figures follow; figures_end writes the file, one JSON object. */
void figures_begin(const char *part);
void figure_add(const struct figure *figure);
/* Short for a figure without floor and goal. */
void figure_note(const char *name, double value, const char *unit);
/* A line for people that is no figure. */
void PRINTF_LIKE(1, 2) figures_say(const char *format, ...);
/* Writes PART.json into the folder `ADIT_BENCH_RESULTS` names, or the current one. */
void figures_end(void);
