/* The bus as the settings say (section bus), for every process that has one. */
#pragma once
#include "port/bus.h"
#include "service/settings.h"

/* NULL and *error where the settings' certificates cannot be used. Ended by bus_destroy. */
MUST_CHECK struct bus *bus_open(struct loop *loop, const struct settings *settings,
                                struct error *error);
