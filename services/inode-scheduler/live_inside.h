/* What the files of live share: live.c has the watchers and the pool's news, live_store.c what the
 * store says happened, live_accounts.c the accounts that are watched. Private to them. */
#pragma once
#include "services/inode-scheduler/api.h"
#include "services/inode-scheduler/live.h"
#include "services/inode-scheduler/news.h"

enum {
    LIVE_WORKERS_MAX = 200,   /* of one account that are told of: as many as its page shows */
    LIVE_WORKERS_ALL = 65536, /* of all who are watched; of one that comes later none is told of */
    LIVE_ACCOUNTS_MAX = 4096, /* watched at once, and a moment ago where there is room */
    LIVE_OPEN_PAYMENTS_MAX = 4096,
    LIVE_SHARES_MS = 1000,
    LIVE_STORE_MS = 1000,
    LIVE_PAYMENTS_MS = 2000,
    LIVE_ACCOUNTS_MS = 5000,
    LIVE_NAMES_MS = 60000, /* a worker's name may be new */
    /* An account that nobody watches any more is told of for so long, for who comes right back; or
     * until its room is another's, who watches. */
    LIVE_GRACE_MS = 60000,
};

struct live_worker {
    uint64_t id;
    uint64_t last_ms;   /* unix: its newest share when it was told of; 0: none */
    uint64_t told_ms;   /* unix; 0: never */
    bool known, silent; /* whether it was silent when looked at last */
    char name[IDENTITY_WORKER_BYTES_MAX + 1];
};

struct live_account {
    uint64_t id;
    char name[IDENTITY_CANONICAL_BYTES];
    unsigned watchers;
    uint64_t left_ms;  /* the loop's clock: since when nobody watches; 0: somebody does */
    uint64_t named_ms; /* the loop's clock: when its workers were looked up */
    bool stranger;     /* somebody of it works who is not known here */
    uint64_t accepted, accepted_by_known;
    size_t worker_count;
    struct live_worker *workers; /* by id, as the store has them */
};

/* A watcher, from its question on. */
struct live_watcher {
    struct live_watcher *next, **place;
    struct live *live;
    char client[HTTP_CLIENT_BYTES];
    struct live_account *account; /* NULL: of none */
};

/* What the store was asked: blocks and payments. */
struct live_told {
    enum news_kind kind;
    uint64_t topic;
    char *text; /* owned */
};
struct live_payment {
    uint64_t number;
    enum payment_state state;
};
struct live_asked {
    struct worker_job job;
    struct live *live;
    uint64_t sequence; /* of the newest event that was told */
    bool began;        /* what was before is no news */
    bool payments;     /* are asked for too */
    bool ok;
    struct error error;
    uint64_t *watched; /* ids of accounts */
    size_t watched_count;
    struct live_payment *open; /* by number; the worker's */
    size_t open_count;
    uint64_t newest_payment;
    struct live_told *told;
    size_t told_count, told_room;
};

struct live {
    struct scheduler *scheduler;
    struct service *service;
    struct live_watcher *watchers;
    size_t watcher_count;
    struct live_account *accounts[LIVE_ACCOUNTS_MAX];
    size_t account_count, next_account;
    size_t worker_count; /* of all accounts */
    struct loop_timer shares_timer, store_timer, accounts_timer;
    struct live_asked asked;
    bool asking, naming;
    uint64_t payments_ms;  /* the loop's clock: when they were asked for */
    json_t *status;        /* as told last; NULL: never */
    uint64_t job_sequence; /* likewise */
    uint8_t tip[32];
    uint32_t height;
    struct metric *watching, *refused, *slow, *events, *sent;
};

/* Publishes the document, which is taken. */
void live_tell(struct live *live, enum news_kind kind, uint64_t topic, json_t *document);
/* What the store said. */
void live_publish(struct live *live, const struct live_told *told);
/* As a text for http_event, which the caller frees. The document is taken. */
char *live_text(json_t *document);

/* live_store.c */
void live_store_start(struct live *live);
void live_store_stop(struct live *live);
/* Something was written just now: it is looked at soon. */
void live_store_nudge(struct live *live);

/* live_accounts.c */
/* For one more watcher; where all places are taken in that of the one that was left longest ago,
 * NULL where all are watched. */
struct live_account *live_account_take(struct live *live, uint64_t id, const char *name);
void live_account_release(struct live *live, struct live_account *account);
void live_accounts_start(struct live *live);
void live_accounts_stop(struct live *live);
/* What its rates are now, as its page has them. */
json_t *live_account_rates(const struct live *live, const struct live_account *account);
/* Its workers, as they were read just now; none where those of all who are watched leave no room. A
 * watched one's take that of accounts that nobody watches any more, which are forgotten. */
void live_account_name(struct live *live, struct live_account *account,
                       const struct live_worker *workers, size_t count);
/* On the readers' worker: the names of an account's workers; false with *error. */
MUST_CHECK bool live_read_names(struct store *store, uint64_t account,
                                struct live_worker workers_r[LIVE_WORKERS_MAX], size_t *count_r,
                                struct error *error);
