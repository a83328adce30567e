/* The validators as the dispatcher sees them: who is connected, who answers, how fast, who has
 * room.
 *
 * A batch goes to the one that should answer it first: shares that are there already times the time
 * it has taken for a share of late. So work spreads by what each answers, and a slow one gets
 * little instead of holding everybody back. No more is sent to one than it should answer in a
 * tenth of the time-out (with scrypt some 800 shares, which its queue for hashing holds: what is
 * beyond that it drops, while we can hold it), or than VALIDATORS_IN_FLIGHT_MAX batches.
 *
 * One that does not answer is left aside, and so is one that has been silent for long while others
 * answered. It comes back by answering: a copy of a batch that goes to another validator anyway is
 * sent to it now and then (ids make that harmless), so probing costs no share any time. Where no
 * other validator is left it is given real batches, ten times a second.
 *
 * One thread. Owns the connections. */
#pragma once
#include "port/bus.h"

enum {
    VALIDATORS_MAX = 64,
    VALIDATORS_IN_FLIGHT_MAX = 16, /* batches at one of them */
    VALIDATORS_URL_BYTES = 256,
    /* between probes of one that failed */
    VALIDATORS_BACKOFF_MIN_MS = 100,
    VALIDATORS_BACKOFF_MAX_MS = 10000,
    /* silent for so long with work at hand, or four times what that work should take, and it is
     * left aside: a fraction of the time-out, because a wrong suspicion costs only some copies */
    VALIDATORS_SILENCE_MS = 50,
};

struct validator {
    struct validators *all;
    uint64_t bit; /* its own among those that are open */
    struct bus_client *client;
    char url[VALIDATORS_URL_BYTES];
    unsigned in_flight; /* batches there; the dispatcher's, by validator_given and _ended */
    uint64_t shares;    /* in them */
    uint64_t given;     /* when it was given one last, counted in batches */
    uint64_t share_ns;  /* what a share has taken of late; 0: not known */
    uint64_t learnt_ms; /* when that was seen last */
    uint64_t learnt_of; /* on how many shares */
    uint64_t quiet_ms;  /* since when there is work at hand and no answer */
    uint64_t heard_ms;  /* the last answer of any kind */
    unsigned silent_ticks;
    unsigned backoff_ms; /* 0: healthy */
    uint64_t failed_ms;
    uint64_t again_ms;    /* when an unhealthy one may be tried */
    uint64_t paused_ms;   /* until when it wants nothing */
    uint64_t departed_ms; /* it said that it is leaving: until when that is believed */
    unsigned refusals;    /* one after the other */
    /* who it is (identities.h) */
    bool known, asked;
    uint64_t identity_ms; /* when it may be asked again */
    uint64_t proved_ms;   /* when it answered that last */
    bool deaf;            /* it failed by not answering that, with no batch there */
    uint8_t nonce[32], key[32];
    char instance[65]; /* "" where it is not known */
    bool up;
    bool leaving; /* not in the list any more: closed when nothing of it is under way */
};

struct validators {
    struct loop *loop;
    struct bus *bus;
    unsigned timeout_ms; /* of one request */
    struct validator *list[VALIDATORS_MAX];
    size_t count;
    uint64_t given;               /* batches, all in all */
    bool idle;                    /* no share waits for a verdict; the dispatcher's */
    void (*on_up)(void *context); /* one more can be asked */
    void *context;
};

void validators_init(struct validators *validators, struct loop *loop, struct bus *bus,
                     unsigned timeout_ms, void (*on_up)(void *context), void *context);
/* Requests still under way end as BUS_CLOSED on the way. */
void validators_deinit(struct validators *validators);

/* The addresses to use from now on: new ones are connected, missing ones leave. False where one
 * could not be opened now (no memory, or those that leave take the room yet): to be tried again. */
MUST_CHECK bool validators_set(struct validators *validators,
                               const char (*urls)[VALIDATORS_URL_BYTES], size_t count);
/* Closes those that left and have nothing under way. Not inside a callback of the bus. */
void validators_sweep(struct validators *validators);

/* Who gets the next batch of so many shares; never one whose bit is in `but`. NULL where nobody has
 * room now. */
struct validator *validators_choose(const struct validators *validators, uint32_t shares,
                                    uint64_t but);
/* Whether the bit of every validator that stays is in `asked`, and there is one. */
bool validators_all_in(const struct validators *validators, uint64_t asked);
/* One that failed and may show that it is back, while others serve, or cannot; never one whose bit
 * is in `but`. NULL: none. */
struct validator *validators_choose_probe(const struct validators *validators, uint64_t but);
/* Who is asked next for a batch that those in `denied` cannot judge and those in `holders` have:
 * one that failed, too, where no other is left. NULL: nobody now. */
struct validator *validators_choose_other(const struct validators *validators, uint32_t shares,
                                          uint64_t denied, uint64_t holders);
/* The fewest batches that are at one of the healthy ones; 0 where there is none. */
unsigned validators_least_under_way(const struct validators *validators);
/* How many shares the next batch should hold at the most: what the quickest validator answers in
 * some 25 ms, at least 32, at most `most`; `most` where it has not been seen with so many. */
uint32_t validators_batch_shares(const struct validators *validators, uint32_t most);

/* A batch is with it; *queued_r: shares there now. A batch is no longer with it. */
void validator_given(struct validator *validator, uint32_t shares, uint64_t *queued_r);
void validator_ended(struct validator *validator, uint32_t shares);

/* It did not answer as it should; it did; it judged a batch with so many shares before and in it
 * within that time. */
void validator_failed(struct validator *validator, const char *why);
void validator_answered(struct validator *validator);
void validator_judged(struct validator *validator, uint64_t queued, uint64_t took_ns);
/* It could not take a batch and wants none for a while. It is going away. */
void validator_refused(struct validator *validator);
void validator_departs(struct validator *validator);

/* Called every tick: true once when it has been silent too long while another answered; it is left
 * aside then, and what it has should go to others. */
MUST_CHECK bool validator_falls_silent(struct validator *validator);

unsigned validators_healthy(const struct validators *validators);
unsigned validators_staying(const struct validators *validators);
