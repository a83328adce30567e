/* What every bus must do, as tests that any adapter's test program runs. For tests only. */
#pragma once
#include "port/bus.h"

struct bus_suite {
    struct loop *loop;
    struct bus *bus;
    /* A fresh address nobody uses, borrowed until the next call. */
    const char *(*url)(void);
};

/* Runs the whole suite on a fresh loop and bus for each test; returns how many failed. `create`
 * makes the bus. */
int bus_suite_run(const char *name, struct bus *(*create)(struct loop *loop),
                  const char *(*url)(void));

/* Turns the loop until *value is at least `wanted`; false after five seconds. */
bool bus_suite_until(struct loop *loop, const unsigned *value, unsigned wanted);
