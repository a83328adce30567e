/* Names auth said yes to, by user name and password, the least recently used forgotten first. One
 * thread. */
#pragma once
#include "base/bytes.h"

enum { KNOWN_NAMES_BUCKETS = 4096 };

/* In its bucket's list and in the list by last use. */
struct known_name {
    struct known_name *chain;
    struct known_name *newer;
    struct known_name *older;
    uint64_t hash;
    uint64_t until_ms; /* the owner's: how long the answer is taken as it is */
    uint64_t account_id;
    uint64_t worker_id;
    char user[]; /* NUL, then the password, NUL */
};

struct known_names {
    struct known_name *buckets[KNOWN_NAMES_BUCKETS];
    struct known_name *newest, *oldest;
    size_t count;
    size_t max;
    uint64_t seed; /* random: nobody can aim at one bucket */
};

/* At most `max` ≥ 1 names. */
void known_names_init(struct known_names *names, size_t max);
void known_names_deinit(struct known_names *names);

/* Borrowed until the next call that changes the list; NULL where it is not known. */
struct known_name *known_names_find(const struct known_names *names, const char *user,
                                    const char *password);
/* Makes it the most recently used. */
void known_names_use(struct known_names *names, struct known_name *name);
/* The known one, or a new one (the oldest goes where there are too many); NULL where there is no
 * memory. Borrowed as above. */
struct known_name *known_names_put(struct known_names *names, const char *user,
                                   const char *password);
void known_names_forget(struct known_names *names, struct known_name *name);
