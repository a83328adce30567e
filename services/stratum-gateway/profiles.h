/* Ports with difficulties of their own: beside stratum.address, each entry of stratum.ports names
 * an address and what differs there. A session keeps the profile of the port it came in by. */
#pragma once
#include "core/stratum/stratum.h"
#include "service/settings.h"

enum { PROFILES_MAX = 16 };

struct profiles {
    unsigned count;                             /* at least 1: [0] is stratum.address's */
    struct stratum_params params[PROFILES_MAX]; /* whole, so that a session needs one alone */
    char address[PROFILES_MAX][80];
};

/* Fills the profiles from the settings: the first from stratum.*_difficulty and
 * share_interval_ms, the others on top of it. `usual` holds what is the same for all ports. False
 * with one sentence. */
MUST_CHECK bool profiles_read(struct profiles *profiles, const struct settings *settings,
                              const struct stratum_params *usual, struct error *error);
