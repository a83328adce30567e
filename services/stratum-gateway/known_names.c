#include "services/stratum-gateway/known_names.h"

#include <stdlib.h>
#include <sys/random.h>

void known_names_init(struct known_names *names, size_t max)
{
    memset(names, 0, sizeof *names);
    names->max = max;
    if (getrandom(&names->seed, sizeof names->seed, 0) != (ssize_t)sizeof names->seed)
        names->seed = (uint64_t)(uintptr_t)names * 0x9e3779b97f4a7c15u;
}

void known_names_deinit(struct known_names *names)
{
    while (names->oldest != NULL)
        known_names_forget(names, names->oldest);
}

/* FNV over both texts from a random start. */
static uint64_t hash_of(const struct known_names *names, const char *user, const char *password)
{
    uint64_t hash = names->seed;
    for (; *user != '\0'; user++)
        hash = (hash ^ (uint8_t)*user) * 0x100000001b3u;
    hash = (hash ^ 0x100) * 0x100000001b3u;
    for (; *password != '\0'; password++)
        hash = (hash ^ (uint8_t)*password) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static const char *password_of(const struct known_name *name)
{
    return name->user + strlen(name->user) + 1;
}

struct known_name *known_names_find(const struct known_names *names, const char *user,
                                    const char *password)
{
    uint64_t hash = hash_of(names, user, password);
    struct known_name *one = names->buckets[hash % KNOWN_NAMES_BUCKETS];
    while (one != NULL && (one->hash != hash || strcmp(one->user, user) != 0 ||
                           strcmp(password_of(one), password) != 0))
        one = one->chain;
    return one;
}

static void unlink_use(struct known_names *names, struct known_name *name)
{
    *(name->newer != NULL ? &name->newer->older : &names->newest) = name->older;
    *(name->older != NULL ? &name->older->newer : &names->oldest) = name->newer;
}

static void link_newest(struct known_names *names, struct known_name *name)
{
    name->newer = NULL;
    name->older = names->newest;
    *(names->newest != NULL ? &names->newest->newer : &names->oldest) = name;
    names->newest = name;
}

void known_names_use(struct known_names *names, struct known_name *name)
{
    unlink_use(names, name);
    link_newest(names, name);
}

struct known_name *known_names_put(struct known_names *names, const char *user,
                                   const char *password)
{
    struct known_name *name = known_names_find(names, user, password);
    if (name != NULL)
        return name;
    size_t user_bytes = strlen(user) + 1, password_bytes = strlen(password) + 1;
    if (names->count >= names->max)
        known_names_forget(names, names->oldest);
    name = calloc(1, sizeof *name + user_bytes + password_bytes);
    if (name == NULL)
        return NULL;
    memcpy(name->user, user, user_bytes);
    memcpy(name->user + user_bytes, password, password_bytes);
    name->hash = hash_of(names, user, password);
    struct known_name **bucket = &names->buckets[name->hash % KNOWN_NAMES_BUCKETS];
    name->chain = *bucket;
    *bucket = name;
    link_newest(names, name);
    names->count++;
    return name;
}

void known_names_forget(struct known_names *names, struct known_name *name)
{
    struct known_name **at = &names->buckets[name->hash % KNOWN_NAMES_BUCKETS];
    while (*at != name)
        at = &(*at)->chain;
    *at = name->chain;
    unlink_use(names, name);
    names->count--;
    free(name);
}
