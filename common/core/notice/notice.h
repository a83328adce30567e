/* Notices: what people are told of without having asked, and the rules of telling: which kinds
 * there are and for whom, when a worker's silence is worth a letter, how long a failed delivery
 * waits, how many a day an account is sent, and where a webhook may lead. Pure; the caller's
 * memory; any thread; never asks a clock or a resolver: times are arguments, in ms of unix time. */
#pragma once
#include "core/network/network.h"

/* X(enum name, stored value, type in webhooks and the API, subject of letters). Never renumber: the
 * values are stored. The first NOTICE_CHOICES of them are an account's to choose. */
#define NOTICE_KINDS(X)                                                                            \
    X(NOTICE_WORKER_OFFLINE, 1, "worker.offline", "A worker is offline")                           \
    X(NOTICE_PAYMENT_SENT, 2, "payment.sent", "A payment was sent to you")                         \
    X(NOTICE_BLOCK_OWN, 3, "block.own", "Your miner found a block")                                \
    X(NOTICE_BLOCK_FOUND, 4, "block.found", "The pool found a block")                              \
    X(NOTICE_TEST, 5, "test", "A notice to try it out")                                            \
    X(NOTICE_WEBHOOK_OFF, 6, "webhook.off", "Your webhook was switched off")                       \
    X(NOTICE_AUDIT, 7, "audit.difference", "The audit of the ledger found a difference")           \
    X(NOTICE_PAUSED, 8, "payouts.paused", "Payouts were paused")
enum { NOTICE_CHOICES = 4 };

enum notice_kind {
#define X(name, value, type, subject) name = value,
    NOTICE_KINDS(X)
#undef X
};

/* How one travels. */
enum notice_channel { NOTICE_LETTER = 1, NOTICE_WEBHOOK = 2 };

/* Static; NULL for a value that is none. */
const char *notice_type(enum notice_kind kind);
const char *notice_subject(enum notice_kind kind);
/* Of those an account may choose; false for any other text. */
MUST_CHECK bool notice_choice(struct span type, enum notice_kind *kind_r);
/* Its bit in a set of kinds. */
static inline uint32_t notice_bit(enum notice_kind kind)
{
    return UINT32_C(1) << kind;
}

/* A worker's silence is known by when its newest share was taken, which no other silence of it
 * shares. So the silences of an account stand in one order, and how far they were told is one time:
 * that is what survives a restart, whoever leads after it. */
struct notice_watch {
    uint64_t until_ms; /* silences that began up to here were told, or are nobody's concern */
    uint64_t told_ms;  /* when that was done last; 0: never */
    uint32_t streak;   /* how often in a row with less than a day between */
};

struct notice_patience {
    uint64_t after_ms; /* a worker that was silent for so long is offline */
    uint64_t quiet_ms; /* between two notices, the first time; it doubles while they go on */
};

/* What began by then is offline at `now_ms`. 0 where that lies before all time. */
uint64_t notice_horizon_ms(const struct notice_patience *patience, uint64_t now_ms);

/* Whether it is time to tell, the oldest silence that was not told yet having begun at `oldest_ms`
 * (> watch->until_ms): it is long enough, others that fell silent with it had time to be told in
 * the same notice, and the last notice is long enough ago. `steady_ms` is since when the pool
 * itself has been well: a silence that our own outage explains is not held against anyone. */
MUST_CHECK bool notice_is_due(const struct notice_watch *watch,
                              const struct notice_patience *patience, uint64_t oldest_ms,
                              uint64_t steady_ms, uint64_t now_ms);
/* Takes in that at `told_ms` all up to `until_ms` were told. */
void notice_told(struct notice_watch *watch, uint64_t until_ms, uint64_t told_ms);
/* How long after the last one the next may follow. */
uint64_t notice_quiet_ms(const struct notice_watch *watch, const struct notice_patience *patience);

/* How long a delivery waits that failed for the `tries`th time (≥ 1): four times longer each time,
 * a day at the most, and up to a quarter more by `seed`, so that those which failed together do not
 * come again together. */
uint64_t notice_pause_ms(uint64_t tries, uint64_t first_ms, uint64_t seed);

/* What deliveries to one account by one channel have come to. */
struct notice_route {
    uint64_t day, count;       /* unix day, and deliveries that succeeded on it */
    uint64_t failing_since_ms; /* 0: the last one succeeded */
    uint64_t not_before_ms;    /* nothing is tried before */
    uint64_t failures;         /* in a row */
};

/* How many more it may be sent today. */
uint64_t notice_allowance(const struct notice_route *route, uint64_t day_max, uint64_t now_ms);
void notice_succeeded(struct notice_route *route, uint64_t now_ms);
/* `pause_ms` is what notice_pause_ms says of it. */
void notice_failed(struct notice_route *route, uint64_t pause_ms, uint64_t now_ms);
/* Whether it has failed for so long, and so often, that it is given up. */
bool notice_is_hopeless(const struct notice_route *route, uint64_t off_ms, uint64_t tries_max,
                        uint64_t now_ms);

/* Whether the address is one of the public internet: not of this host or a private network, not
 * link-local, shared (RFC 6598), reserved, for documentation, multicast, and none that carries
 * another address in itself (6to4, Teredo, NAT64), as the registries of IANA for special purposes
 * (RFC 6890) list them. */
bool notice_address_is_public(const struct network_address *address);
