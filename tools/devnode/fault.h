/* What a node does wrong, for tests of those who rely on it: it lies about its tip, or is slow,
 * deaf or late. Set by the RPC `devnode_fault {"kind": …}`, told anew by each answer (rpc_fault.c),
 * and gone after a restart: its chain itself is never touched. Owner: struct node, under its lock.
 *
 * X(enum name, word); none but SLOW and DEAF change what a block is. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define FAULTS(X)                                                                                  \
    X(FAULT_NONE, "none")                                                                          \
    X(FAULT_SLOW, "slow")                   /* every answer comes "ms" late */                     \
    X(FAULT_SLOW_TEMPLATE, "slow_template") /* templates alone come "ms" late */                   \
    X(FAULT_DEAF, "deaf")                   /* it takes no block that is submitted */              \
    X(FAULT_SYNCING, "syncing")             /* in initial block download, as it says */            \
    X(FAULT_STALE, "stale") /* the template is that of the moment when this was set */             \
    X(FAULT_FORGED_HEADER, "forged_header") /* the tip is a header without work, much claimed */   \
    X(FAULT_FORGED_WORK, "forged_work")     /* the tip is an old block, much work claimed */       \
    X(FAULT_FORGED_BEST, "forged_best") /* the same with the first block, but for chain info */    \
    X(FAULT_FORGED_HEIGHT, "forged_height") /* the tip is said to be a thousand blocks higher */

enum fault_kind {
#define X(name, word) name,
    FAULTS(X)
#undef X
        FAULT_COUNT
};

struct fault {
    enum fault_kind kind;
    unsigned delay_ms;
    char *stale_template; /* owned: JSON */
    /* the tip that is shown in place of the chain's */
    uint8_t shown[32];
    uint32_t shown_height;
    /* FORGED_HEADER: the block it claims to stand on, whose fields it has but for the nonce */
    uint8_t behind[32];
    uint32_t nonce;
    bool asked; /* the call under way is for it */
};
