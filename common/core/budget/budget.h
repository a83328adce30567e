/* How much hashing a miner may cause before the pool answers "overloaded": for algorithms whose one
 * hash takes tens of microseconds, junk shares would else cost the pool more than the miner.
 *
 * A session may cause hashes at a multiple of the rate its difficulty aims at, and a burst at once
 * (the generic cell rate algorithm of ITU-T I.371: one time stamp says how far ahead of its rate it
 * is). Each few invalid shares halve the rate, accepted ones give it back. All sessions of an
 * address that have not proven themselves by a share accepted draw on one more account, the sum of
 * what they may have, bounded, whose memory of junk outlives them: connecting anew buys nothing. A
 * session in good standing does not depend on its neighbours behind one address.
 *
 * Pure; the caller's memory; now_ms is any clock that does not go back. */
#pragma once
#include "base/bytes.h"

#define BUDGET_STRIKES_MAX 32u
#define BUDGET_ADDRESS_SESSIONS_MAX 64u

struct budget_params {
    uint32_t share_interval_ms; /* the aimed time between a session's shares, ≥ 1 */
    uint32_t multiple;          /* of that rate; 0: nothing is bounded */
    uint32_t burst;             /* hashes at once, ≥ 1 */
};

struct budget {        /* of a session; zero-initialise */
    uint64_t ahead_us; /* when it will be even with its rate */
    uint8_t strikes;   /* invalid shares, less those forgiven */
    bool proven;       /* a share was accepted, and no strike is left */
};

struct budget_address { /* zero-initialise */
    uint64_t ahead_us;
    uint64_t forgiven_ms; /* when a strike was last forgiven */
    uint32_t sessions;    /* live ones */
    uint8_t strikes;
};

/* Where a session comes from: the accounts it draws on while it is unproven. */
struct budget_origin {
    struct budget_address *address; /* NULL: only the session's own budget counts */
    struct budget_address *network; /* many addresses that may be one's; NULL: none */
};

/* Whether so many hashes (≥ 1) may be caused now; if so they are charged, else nothing is. */
MUST_CHECK bool budget_take(struct budget *budget, const struct budget_origin *origin,
                            const struct budget_params *params, uint32_t hashes, uint64_t now_ms);

/* The verdict on a share of the session: accepted, or invalid in a way that only wastes (below its
 * work, malformed); not for what honest miners meet (stale, duplicates, overload). */
void budget_verdict(struct budget *budget, const struct budget_origin *origin, bool accepted,
                    uint64_t now_ms);

/* The session begins or ends at the address. */
void budget_join(struct budget_address *address);
void budget_leave(struct budget_address *address);
/* Nothing of it need be remembered. */
bool budget_forgettable(const struct budget_address *address, uint64_t now_ms);
