#include "adapter/store_open/store_open.h"

#include "adapter/store_mongo/store_mongo.h"
#include "adapter/store_sqlite/store_sqlite.h"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

struct store *store_open(const char *url, unsigned timeout_ms, struct error *error)
{
    if (begins(url, "mongodb://") || begins(url, "mongodb+srv://"))
        return store_mongo_open(url, timeout_ms, error);
    if (begins(url, "sqlite:") && url[strlen("sqlite:")] != '\0')
        return store_sqlite_open(url + strlen("sqlite:"), timeout_ms, error);
    error_fill(error, ERROR_INVALID,
               "the store's URL must be sqlite:PATH, mongodb://… or mongodb+srv://…");
    return NULL;
}
