/* The parts of `adit bench`. */
#pragma once
#include "base/bytes.h"

#define BENCH_SHARES_USUAL 1000000u

struct bench_options {
    double seconds;       /* of each measurement */
    uint32_t connections; /* saturating load */
    uint32_t in_flight;
    uint32_t validators;
    uint32_t transactions;
    uint32_t miners; /* connections, fanout: how many */
    uint32_t shares; /* kill: in the window when redis-server is killed; junk: of honest miners */
};

/* The private pool alone, for --seconds: to put load on and profilers to by hand. */
void bench_pool(const struct bench_options *options);
void bench_hotpath(const struct bench_options *options);
void bench_connections(const struct bench_options *options);
void bench_fanout(const struct bench_options *options);
void bench_tip(const struct bench_options *options);
void bench_scale(const struct bench_options *options);
void bench_junk(const struct bench_options *options);
void bench_abuse(const struct bench_options *options);
void bench_kill(const struct bench_options *options);
void bench_pplns(const struct bench_options *options);
void bench_credits(const struct bench_options *options);
void bench_api(const struct bench_options *options);
void bench_live(const struct bench_options *options);
void bench_window(const struct bench_options *options);
void bench_auth(const struct bench_options *options);
void bench_auth_timing(const struct bench_options *options);
