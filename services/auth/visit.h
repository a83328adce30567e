/* What the files of people share: a visit is one request on its way over the threads. It moves on
 * by one `next` at a time, always on the loop, until it is answered. Everything in it is wiped when
 * it is freed. */
#pragma once
#include "adapter/token_sodium/token.h"
#include "record/account/account.h"
#include "services/auth/limiter.h"
#include "services/auth/password.h"
#include "services/auth/people.h"
#include "services/auth/store_thread.h"

enum { VISIT_CLIENT_BYTES = 48, VISIT_LIMITS = 2 };

struct visit;

struct people {
    struct people_options options;
    struct identity_key key;
    struct token_signer *signer;
    struct token_verifier verifier;
    char jwks[TOKEN_TEXT_BYTES];
    struct password_cost cost;
    char dummy[PASSWORD_HASH_BYTES];
    struct limiter *limiter;
    struct store_thread *store;
    struct worker *passwords;
    _Atomic bool stopping;
    struct {
        struct metric *login_ok, *login_wrong, *login_limited, *login_unavailable;
        struct metric *registered, *register_refused, *register_limited, *register_unavailable;
        struct metric_histogram *password_us;
    } metrics;
};

struct visit {
    struct store_job store;
    struct worker_job password_job;
    struct people *people;
    struct http_exchange *exchange;
    struct metric *unavailable; /* counts where it ends so */
    void (*next)(struct visit *visit);
    bool (*ask)(struct visit *visit, struct store *store, struct error *error);
    void (*compute)(struct visit *visit);

    char client[VISIT_CLIENT_BYTES]; /* address, as limits know it */
    struct identity_account identity;
    bool has_identity;
    bool limited[VISIT_LIMITS]; /* counted against it, to be given back unless it failed */

    struct account account; /* as stored, or to be stored */
    bool found;
    enum account_outcome bound;
    bool made;

    char password[PASSWORD_BYTES_MAX];
    size_t password_length;
    enum password_verdict verdict;
    bool hashed; /* account.password is fresh */
};

/* NULL, with the exchange answered, where there is no room. */
MUST_CHECK struct visit *visit_begin(struct people *people, struct http_exchange *exchange);
/* Asks the store, or computes a password, then calls next. Where that cannot be, the visit ends
 * as unavailable. */
void visit_ask(struct visit *visit,
               bool (*ask)(struct visit *visit, struct store *store, struct error *error),
               void (*next)(struct visit *visit));
void visit_compute(struct visit *visit, void (*compute)(struct visit *visit),
                   void (*next)(struct visit *visit));
/* Answers and frees. `document` is taken. */
struct json_t;
void visit_reply(struct visit *visit, int status, struct json_t *document);
void visit_problem(struct visit *visit, int status, const char *title, const char *detail,
                   const char *field);
void visit_unavailable(struct visit *visit, const char *detail);

/* The client's address: the peer's, or behind a proxy of auth.proxies what that says; of IPv6 the
 * first 64 bits, which one customer has. */
void visit_client(const struct http_exchange *exchange, const struct settings_list *proxies,
                  char client_r[VISIT_CLIENT_BYTES]);

void people_register(void *context, struct http_exchange *exchange);
void people_login(void *context, struct http_exchange *exchange);
void people_me(void *context, struct http_exchange *exchange);
