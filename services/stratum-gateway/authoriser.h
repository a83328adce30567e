/* Who a miner is, asked of auth over the bus and remembered. A name known from the last ten minutes
 * is answered at once; one known from before still counts while auth is away. While auth is away, a
 * name whose account is a plain valid address is let in under the ids auth would give it (they are
 * derived from the deployment's secret), and auth is asked again later; anybody else waits a while
 * and is then told to try again. Auth that said nothing for two seconds is asked for nobody, so
 * that one that hangs counts as away before a miner waits for it. One thread. */
#pragma once
#include "core/identity/identity.h"
#include "core/stratum/stratum.h"
#include "port/bus.h"

enum {
    AUTHORISER_LIFE_MS = 600000, /* of an answer */
    AUTHORISER_WAIT_MS = 8000,   /* how long a miner waits for one */
    AUTHORISER_ASKING_MAX =
        4096, /* different names asked for at once; more are told to try again */
    AUTHORISER_PROVISIONAL_MAX = 65536, /* let in without auth; more are told to try again */
};

/* Who wants to know; handed back with the answer. */
struct authoriser_ticket {
    uint32_t connection;
    uint32_t generation;
    uint32_t answer; /* STRATUM_NO_ANSWER for news about somebody who was let in before */
    uint16_t worker;
    uint32_t worker_generation;
};

struct authoriser_result {
    enum stratum_authorised outcome;
    uint64_t account_id;
    uint64_t worker_id;
    const char *text; /* the reason of a no, borrowed; or NULL */
};

typedef void (*authoriser_handler)(void *context, const struct authoriser_ticket *ticket,
                                   const struct authoriser_result *result);

struct authoriser_options {
    struct loop *loop;
    struct bus *bus;
    const char *url;
    size_t names_max;                /* remembered */
    const struct coin_profile *coin; /* NULL, or key NULL: nobody is let in without auth */
    const struct identity_key *key;  /* copied */
    authoriser_handler handler;      /* never called inside authoriser_ask */
    void *context;
};

struct authoriser_counts {
    uint64_t asked, remembered, provisional, refused, given_up;
    bool connected;
    bool up; /* connected, and it answers: a process that hangs keeps its connections */
};

struct authoriser;

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct authoriser *authoriser_create(const struct authoriser_options *options,
                                                struct error *error);
/* Who still waits is forgotten without a call of the handler. */
void authoriser_destroy(struct authoriser *authoriser);

/* True with the answer in *result_r where it is known now; else the handler is called once later.
 * user and password are NUL-terminated, at most STRATUM_NAME_BYTES_MAX. */
MUST_CHECK bool authoriser_ask(struct authoriser *authoriser, const char *user,
                               const char *password, const char *peer,
                               const struct authoriser_ticket *ticket,
                               struct authoriser_result *result_r);

struct authoriser_counts authoriser_counts(const struct authoriser *authoriser);
