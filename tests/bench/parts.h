/* The parts of `adit bench`. */
#pragma once
#include "base/bytes.h"

struct bench_options {
    double seconds;       /* of each measurement */
    uint32_t connections; /* saturating load */
    uint32_t in_flight;
    uint32_t validators;
    uint32_t transactions;
    uint32_t miners; /* connections, fanout: how many */
};

void bench_hotpath(const struct bench_options *options);
