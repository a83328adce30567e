/* Making a MongoDB that was started as a replica set's first member into that set. Done once for a
 * deployment, by whoever prepares it; a server that is a member already, or knows no replica sets,
 * is left as it is. Blocks for up to the timeout. */
#pragma once
#include "base/error.h"

enum mongo_initiated {
    MONGO_INITIATE_FAILED,  /* *error says why; another try may help unless ERROR_INVALID */
    MONGO_INITIATE_DONE,    /* the set was made, and its primary takes writes */
    MONGO_INITIATE_ALREADY, /* a member of a set whose primary takes writes */
    MONGO_INITIATE_NO_SETS, /* the server was not started for one, or does not know them */
};

/* The URL's first host becomes the only member, under that very name: it must be the one the other
 * machines know it by. */
enum mongo_initiated store_mongo_initiate(const char *url, const char *set_name,
                                          unsigned timeout_ms, struct error *error);
