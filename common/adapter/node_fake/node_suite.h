/* What every node must do, as tests that any adapter's test program runs: templates become blocks,
 * blocks are followed, payments are built, kept back, broadcast and confirmed. For tests only. */
#pragma once
#include "core/address/address.h"
#include "port/node.h"

struct node_suite {
    struct node *node;
    const struct coin_profile *coin;  /* whose proof of work its blocks need; an easy target */
    char address[ADDRESS_TEXT_BYTES]; /* of the node's wallet */
    struct output_script script;      /* of that address */
    bool checks_work;                 /* it refuses a block without proof of work */
    /* Makes the wallet able to spend at least 50 coins; another of its addresses. */
    void (*fund)(struct node_suite *suite);
    void (*new_address)(struct node_suite *suite, char address_r[ADDRESS_TEXT_BYTES]);
    void *context;
    uint8_t *memory; /* the suite's own */
};

/* Runs the suite; returns how many tests failed. `open` fills the suite (its context is given),
 * `close` gives back what it took. */
int node_suite_run(const char *name, void (*open)(struct node_suite *suite),
                   void (*close)(struct node_suite *suite));
/* Mines a block that pays to the wallet and submits it; its id. */
void node_suite_mine(struct node_suite *suite, uint8_t id_r[32]);
