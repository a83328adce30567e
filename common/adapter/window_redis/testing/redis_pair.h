/* Two private redis-servers for a test, one the other's replica, and one address for whichever
 * leads, as an operator's name or moved address would be. One thread. */
#pragma once
#include "adapter/window_redis/testing/redis_server.h"

struct redis_pair {
    char port[8];
    const char *primary_options[7];
    const char *replica_options[4];
    struct redis_server primary;
    struct redis_server replica;
    char address[128]; /* a link to the leader's socket */
    char url[160];     /* unix:address */
};

/* Starts both and waits until the replica is in step. */
MUST_CHECK bool redis_pair_begin(struct redis_pair *pair, struct error *error);
/* Ends both and removes what they left. */
void redis_pair_end(struct redis_pair *pair);
/* The address leads to this one from now on. */
void redis_pair_point(struct redis_pair *pair, const struct redis_server *server);
/* The replica leads: what it has is the window now. False with *error. */
MUST_CHECK bool redis_pair_promote(struct redis_pair *pair, struct error *error);

/* One command without an answer of interest; false with *error where it is refused. */
MUST_CHECK bool redis_server_command(const struct redis_server *server, struct error *error,
                                     const char *text);
/* Whether a section of INFO has this in it. */
MUST_CHECK bool redis_server_says(const struct redis_server *server, const char *section,
                                  const char *text);
