/* The series of hashrate and shares that a pool's API shows, and the shares of its window to hold
 * them against. One pool a program; blocking; one thread. What cannot be asked at all fails the
 * test; what does not agree (yet) is said in `problem`. */
#pragma once
#include "adapter/window_redis/window_redis.h"
#include "services/inode-scheduler/stats.h"
#include "tests/fixture/pool_fixture.h"

enum {
    SERIES_ACCOUNTS = 2,
    SERIES_WORKERS = 3, /* of all accounts */
    SERIES_SHARES_MAX = 65536,
};

extern struct series_ground {
    struct pool_fixture pool;
    char accounts[SERIES_ACCOUNTS][128];
    unsigned api_port; /* of the scheduler that is asked */
    /* all that the window has, and its newest batch */
    struct window_share shares[SERIES_SHARES_MAX];
    size_t share_count;
    struct window_position newest;
    char problem[400]; /* the first thing that was wrong at the last look */
} ground;

/* Fills `problem`; false. */
bool series_wrong(const char *format, ...) PRINTF_LIKE(1, 2);
uint64_t series_unix_ms(void);

struct window_reader *series_open_window(void);
void series_read_window(void);
/* Takes every share out of it. */
void series_lose_window(void);

/* Takes in what the API says of the pool, each account and each worker. False where it does not
 * know all of them yet, or a hashrate is without its error. */
bool series_look(void);
/* As last looked at: what each has accepted at the least. */
int64_t series_least(void);
/* Whether that is what a sum over the window's shares says. */
bool series_agree(void);
/* Keeps the last look for comparing. */
void series_remember(void);
/* Whether all that was known when it was remembered is known at the last look, and no less;
 * `same`: and no more. */
bool series_nothing_lost(bool same);

/* How far the store's pages are: the head, which ends a round of writing, and the furthest. */
struct series_reached {
    struct window_position head, furthest, through;
};
struct series_reached series_reach(struct store *store);
/* Whether some pages of a round are written and others are not. */
bool series_is_between(struct store *store);
/* The pool's; "": on SQLite. Caller owns. */
struct store *series_open_store(const char *mongo_url);
