/* The figures of a benchmark: each is printed as one line when it is known, with its floor and its
 * goal beside it, and all go into a JSON file. */
#pragma once
#include "base/bytes.h"

#include <time.h>

/* What a figure is to reach; a member that is 0 asks nothing. */
struct goal {
    double most, least;
    double ratio_most, ratio_least; /* to the floor */
    double over_floor_most;         /* value less floor */
};

struct figure {
    const char *name; /* snake_case; the key in the JSON */
    const char *unit;
    double value;
    double floor; /* the bare cost; 0: none */
    struct goal goal;
    const char *floor_is; /* what the floor is, where the part's name does not say; or NULL */
};

/* Prints the part's title. Figures follow; figures_end writes the file, one JSON object. */
void figures_begin(const char *part);
void figure_add(const struct figure *figure);
/* Short for a figure without floor and goal. */
void figure_note(const char *name, double value, const char *unit);
/* A line for people that is no figure. */
void PRINTF_LIKE(1, 2) figures_say(const char *format, ...);
/* The path of a part's file. */
void figures_path(const char *part, char path_r[300]);
/* Prints, from the files of these parts, every figure that has a goal: the summary of them all.
 * Returns how many goals are missed; a part whose file is older than `since` counts as one. */
unsigned figures_summary(const char *const *parts, size_t count, time_t since);
/* Writes PART.json into the folder `ADIT_BENCH_RESULTS` names, or the current one. */
void figures_end(void);
