/* adit-load as a benchmark uses it: started with its options, followed by its events. Several may
 * run side by side. */
#pragma once
#include "process.h"

#include <jansson.h>
#include <stdio.h>

#define GENERATOR_WAVES_MAX 32

struct generator_wave {
    char job[80];
    bool clean;
    unsigned branches, miners;
    uint64_t first_ns, last_ns;
};

struct generator {
    pid_t pid;
    FILE *out;
    struct generator_wave waves[GENERATOR_WAVES_MAX]; /* the latest ones are kept */
    size_t wave_count;
    json_t *result; /* after generator_finish */
};

/* `arguments` ends with NULL and holds adit-load's options without its name and --events. */
void generator_start(struct generator *generator, const char *const *arguments);
/* Reads events until the named one; ends the benchmark when the generator ends before. */
void generator_wait(struct generator *generator, const char *event);
/* Waits until `count` waves were told since the last generator_forget_waves. */
void generator_wait_waves(struct generator *generator, size_t count);
void generator_forget_waves(struct generator *generator);
/* Reads to the end. `result` is the generator's until generator_deinit. */
void generator_finish(struct generator *generator);
/* Ends it early. */
void generator_stop(struct generator *generator);
void generator_deinit(struct generator *generator);
double generator_number(const struct generator *generator, const char *key);
double generator_latency_ms(const struct generator *generator, const char *key);
