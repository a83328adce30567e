/* port/reject_log.h in redis.cache: a list for each account and each worker, cut at its bound and
 * gone a day after its last trace. */
#pragma once
#include "port/reject_log.h"

/* Connects to nothing yet. NULL and *error where the URL cannot be read. Caller owns. */
MUST_CHECK struct reject_log *reject_log_redis_open(const char *url, unsigned timeout_ms,
                                                    struct error *error);
