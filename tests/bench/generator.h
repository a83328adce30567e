/* adit-load as a benchmark uses it: started with its options, followed by its events. Several may
 * run side by side. */
#pragma once
#include "process.h"

#include <jansson.h>
#include <stdio.h>

#define GENERATOR_WAVES_MAX 32
#define GENERATOR_SLICES_MAX 4096

/* A job that all miners have, or (is_tip) a tip on which all have a job. */
struct generator_wave {
    bool is_tip;
    bool clean;
    unsigned branches, miners;
    uint64_t first_ns, last_ns;
};

/* What was answered in one stretch of --slice-ms. */
struct generator_slice {
    uint64_t end_ns;
    double accepted, p99_ms;
};

struct generator {
    pid_t pid;
    FILE *out;
    struct generator_wave waves[GENERATOR_WAVES_MAX];
    size_t wave_count;
    struct generator_slice
        slices[GENERATOR_SLICES_MAX]; /* the newest; older ones are overwritten */
    size_t slice_count;               /* all */
    json_t *result;                   /* after generator_finish */
};

/* `arguments` ends with NULL and holds adit-load's options without its name and --events. */
void generator_start(struct generator *generator, const char *const *arguments);
/* Reads events until the named one; ends the benchmark when the generator ends before. */
void generator_wait(struct generator *generator, const char *event);
/* Waits until `count` waves were told since the last generator_forget_waves; false when they were
 * not after so many seconds. */
MUST_CHECK bool generator_wait_waves(struct generator *generator, size_t count, unsigned seconds);
void generator_forget_waves(struct generator *generator);
/* The first told since then that is a tip, or a job with or without branches; NULL: none. */
const struct generator_wave *generator_find_wave(const struct generator *generator, bool is_tip,
                                                 bool with_branches);
/* Takes in what it tells until this moment of the monotonic clock. */
void generator_watch(struct generator *generator, uint64_t until_ns);
static inline const struct generator_slice *generator_slice(const struct generator *generator,
                                                            size_t number)
{
    return &generator->slices[number % GENERATOR_SLICES_MAX];
}
/* Reads to the end. `result` is the generator's until generator_deinit. */
void generator_finish(struct generator *generator);
/* Ends it early. */
void generator_stop(struct generator *generator);
void generator_deinit(struct generator *generator);
double generator_number(const struct generator *generator, const char *key);
double generator_latency_ms(const struct generator *generator, const char *key);
/* How late the generator itself wrote what was due: where that is much, the machine was measured.
 */
double generator_late_ms(const struct generator *generator, const char *key);
