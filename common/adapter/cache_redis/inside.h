/* What the files of this adapter share. */
#pragma once
#include "adapter/cache_redis/cache.h"

#include <hiredis/hiredis.h>

/* The connection, made where there is none. NULL with *error: the server is away. */
redisContext *cache_connection(struct cache *cache, struct error *error);
/* The connection has failed: no other attempt for a while. False, with *error. */
bool cache_failed(struct cache *cache, const char *reason, struct error *error);
