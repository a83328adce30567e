/* Whose difficulty is raised while the validators cannot keep up: those that send most. Each second
 * every session's submissions are counted; while more than a quarter of what may be held is held,
 * those that sent as many as the mean or more get a STRATUM_RAISE. So the flood halves in a second
 * or two, and who sends little is left alone; only what is beyond stratum.shares_held_max is
 * refused with error 20. One thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shedding {
    uint64_t submitted; /* in this second, by all seen so far */
    uint64_t senders;   /* sessions among them that submitted anything */
    uint64_t mean;      /* of those, the second before; at least 1 */
    uint64_t raised;    /* sessions, since the pressure began */
    bool pressed;
};

/* Whether too much is held, of at most so much. True where that changed. */
bool shedding_look(struct shedding *shedding, size_t held, size_t held_max);
/* A second begins: the next calls of shedding_chooses are once for each session. */
void shedding_begin(struct shedding *shedding);
/* True where the session that submitted so many in the past second should send fewer. */
bool shedding_chooses(struct shedding *shedding, uint32_t submitted);
