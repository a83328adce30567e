#include "adapter/store_open/store_open.h"

#include "adapter/store_mongo/store_mongo.h"
#include "adapter/store_sqlite/store_sqlite.h"

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

struct store *store_open(const char *url, unsigned timeout_ms, struct error *error)
{
    static const char sqlite[] = "sqlite:";
    if (begins_with(url, sqlite))
        return store_sqlite_open(url + strlen(sqlite), timeout_ms, error);
    if (begins_with(url, "mongodb://") || begins_with(url, "mongodb+srv://"))
        return store_mongo_open(url, timeout_ms, error);
    /* The URL may hold a password: only its scheme is shown. */
    error_set(error, ERROR_INVALID,
              "store.url begins with \"%.*s\", and must be sqlite:PATH or mongodb://HOST/DATABASE",
              (int)strcspn(url, ":/@"), url);
    return NULL;
}
