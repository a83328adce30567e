/* What a pool does about who harms it: points for what wastes its work, which time and good shares
 * take away again, and a ladder of steps that points climb. A miner that is merely unlucky or
 * misconfigured at an honest rate never reaches the first step.
 *
 *     fine ─▶ warned ─▶ raised ─▶ paused ─▶ banned        points: 100, 200, 300, 400
 *
 * The same struct serves a session, a worker and an address; each is charged for what the one below
 * it was thrown out for. An address answers for few of many: what it is charged is divided by the
 * sessions in good standing it has, so that a proxy with thousands of workers does not go for a
 * single bad one. Rates are bounded by one time stamp each (the generic cell rate algorithm, ITU-T
 * I.371).
 *
 * Pure; the caller's memory; now_ms is any clock that does not go back. */
#pragma once
#include "base/bytes.h"

enum conduct_step {
    CONDUCT_FINE,
    CONDUCT_WARNED, /* it is told what is wrong */
    CONDUCT_RAISED, /* its difficulty rises */
    CONDUCT_PAUSED, /* it is not read for a while */
    CONDUCT_BANNED, /* it is thrown out */
};

enum {
    CONDUCT_STEP_POINTS = 100,
    CONDUCT_BANS_MAX = 6, /* bans that count: each lasts twice as long as the one before */
    CONDUCT_BANS_FORGOTTEN_MS = 86400000,
};

/* What costs points, where nothing else is set. X(enum name, points, what a miner is told) */
#define CONDUCT_OFFENCES(X)                                                                        \
    X(CONDUCT_BAD_SHARE, 4,                                                                        \
      "Nearly all of your shares are invalid: check algorithm and overclocking")                   \
    X(CONDUCT_LINES, 2, "You send more requests than a miner needs: slow down")                    \
    X(CONDUCT_RUBBISH, 4, "What you send is not Stratum")                                          \
    X(CONDUCT_LOGIN, 20, "Your user name is refused again and again: check it")                    \
    X(CONDUCT_THROWN_OUT, 100, "Too many of your connections had to be closed")

enum conduct_offence {
#define X(name, points, text) name,
    CONDUCT_OFFENCES(X)
#undef X
        CONDUCT_OFFENCES_COUNT
};

struct conduct {       /* zero-initialise */
    uint64_t since_ms; /* up to when points are forgiven */
    uint32_t points;
    uint8_t step; /* enum conduct_step */
    uint8_t bans;
};

/* Charges so many points; the step it reached by that, CONDUCT_FINE where it is on no higher one
 * than before. A point is forgiven every forgive_ms (≥ 1). CONDUCT_BANNED begins anew at FINE with
 * the bans counted. */
enum conduct_step conduct_charge(struct conduct *conduct, uint32_t points, uint32_t forgive_ms,
                                 uint64_t now_ms);
/* A share was accepted: a point less. */
void conduct_praise(struct conduct *conduct);
/* How long the ban that was just reached lasts: base, doubled for each one before it that is not
 * forgotten. */
uint64_t conduct_ban_ms(const struct conduct *conduct, uint64_t base_ms);
/* Nothing of it need be remembered. */
bool conduct_forgettable(const struct conduct *conduct, uint32_t forgive_ms, uint64_t now_ms);

uint32_t conduct_points(enum conduct_offence offence);
const char *conduct_text(enum conduct_offence offence);
/* What is left of points where `good` others of the same address are in good standing. */
uint32_t conduct_shared(uint32_t points, uint32_t good);

struct conduct_rate {  /* zero-initialise */
    uint64_t ahead_us; /* when it will be even with its rate */
};

/* Whether one more is within `a_second` (0: no bound) and `burst` (≥ 1) at once; if so it counts.
 */
MUST_CHECK bool conduct_rate_take(struct conduct_rate *rate, uint32_t a_second, uint32_t burst,
                                  uint64_t now_ms);
/* Whether it would; nothing is counted. */
bool conduct_rate_allows(const struct conduct_rate *rate, uint32_t a_second, uint32_t burst,
                         uint64_t now_ms);
/* True where nothing of its burst is used. */
bool conduct_rate_is_even(const struct conduct_rate *rate, uint64_t now_ms);
