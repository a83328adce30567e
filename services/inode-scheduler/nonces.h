/* What was said before: the nonces of each validator's messages, for as long as a copy of a message
 * could pass for a new one. Bounded: NONCES_MAX of a validator, and as many validators as there
 * are; who speaks more often than that is told so. What an earlier process heard is known by the
 * newest time it made durable: nothing that old is taken.
 *
 * One thread. */
#pragma once
#include "services/inode-scheduler/inode_message.h"

enum { NONCES_MAX = 64 };

struct nonces;

MUST_CHECK struct nonces *nonces_create(void);
void nonces_destroy(struct nonces *nonces);

/* Takes in a message of `validator`, whose signature is right, unless it is off by more than
 * skew_ms, older than `said_ms` (what the record held when this validator was first heard here),
 * a copy, or one too many. INODE_TAKEN, INODE_STALE, INODE_REPLAYED, INODE_TOO_MANY. */
MUST_CHECK enum inode_refusal nonces_take(struct nonces *nonces, const char *validator,
                                          uint64_t said_ms, const char *nonce, uint64_t ts_ms,
                                          uint64_t now_ms, uint64_t skew_ms);
