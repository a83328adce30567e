/* A devnode of a test's own: started in a folder, its wallet filled, its blocks looked through for
 * what addresses received. It dies with the test. Blocking; one thread. A call that fails ends the
 * cmocka test. */
#pragma once
#include "tests/fixture/pool_fixture.h"

enum { DEVCHAIN_MATURITY = 3 };

struct devchain {
    struct pool_fixture node; /* only its port: for pool_node */
    pid_t pid;
    char wallet_address[128];
    uint64_t counted; /* blocks that devchain_count has seen */
};

/* Its data goes below the folder, which is the caller's to remove. */
void devchain_start(struct devchain *chain, const char *folder);
void devchain_end(struct devchain *chain);

/* Mines what waits in the mempool, and buries it as deep as a coinbase; whether there was any. */
bool devchain_mine_waiting(struct devchain *chain);

/* Each output of the best chain's blocks that were not there at the last call: to whom (NULL: no
 * address) and how much. */
typedef void (*devchain_visitor)(void *context, const char *address, uint64_t base_units);
void devchain_count(struct devchain *chain, devchain_visitor visit, void *context);
