/* Decides what people are told without having asked (core/notice), and puts it into the outbox
 * (record/notice) from which auth delivers it. The scheduler that leads alone does this, following
 * what is durable: reward events, payments, payout's audits, the switch that pauses payouts, and
 * the silences of workers as the window's series show them.
 *
 * Of each it is kept in the store how far it was followed, and that moves on only when every notice
 * of what stands before is durable; a notice's id is made of its cause. So whoever dies, or is
 * deposed with a write on its way, nothing is told twice and nothing is lost. Who is told is read
 * anew each time there is something to tell.
 *
 * When notices.waiting_max wait, no more are made until there is room: what is durable is followed
 * later.
 *
 * Blocking, like the store: for one worker's thread. */
#pragma once
#include "core/coin/coin.h"
#include "core/notice/notice.h"
#include "port/store.h"
#include "services/inode-scheduler/stats.h"

struct teller;

struct teller_options {
    struct store *store; /* borrowed */
    const struct coin_profile *coin;
    const char *role;
    uint64_t epoch;
    uint64_t quiet_ms;
    size_t waiting_max;
    bool operators_letters, operators_webhook; /* whether operators have one */
};

/* What the process knows when the teller looks. */
struct teller_sight {
    uint64_t now_ms;
    uint64_t read_ms; /* up to when the window was read; 0: never */
    uint64_t
        steady_ms; /* since when gateways and validators took shares; UINT64_MAX: they do not */
    const struct stats_last *last; /* of every worker, by account and then by time */
    size_t last_count;
};

struct teller_counts {
    uint64_t made[2]; /* notices, by channel: letters, webhooks */
    bool full;        /* there was no room at the last look */
};

/* Never NULL. Caller owns. */
MUST_CHECK struct teller *teller_create(const struct teller_options *options);
void teller_destroy(struct teller *teller);
/* Looks at everything once, and tells what is due. STORE_DONE; STORE_CONFLICT where another leads
 * by now; STORE_FAILED or STORE_UNKNOWN with *error: look again later. */
MUST_CHECK enum store_outcome teller_look(struct teller *teller, const struct teller_sight *sight,
                                          struct error *error);
struct teller_counts teller_counts(const struct teller *teller);
/* Orders them as teller_sight has them. */
void teller_sort(struct stats_last *last, size_t count);
