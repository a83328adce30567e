/* What the files of people share: a visit is one request on its way over the threads. It moves on
 * by one `next` at a time, always on the loop, until it is answered. Everything in it is wiped when
 * it is freed. */
#pragma once
#include "adapter/token_sodium/ring.h"
#include "record/access/claim.h"
#include "record/access/event.h"
#include "record/access/factor.h"
#include "record/access/session.h"
#include "record/account/account.h"
#include "services/auth/form.h"
#include "adapter/names_icu/names.h"
#include "services/auth/limits.h"
#include "services/auth/mailer.h"
#include "services/auth/notifier.h"
#include "services/auth/password.h"
#include "services/auth/people.h"
#include "services/auth/secrets.h"
#include "services/auth/store_thread.h"

enum { VISIT_EVENTS = 4 };

struct visit;

struct people {
    struct people_options options;
    struct identity_key key;
    struct secrets secrets;
    struct token_ring *ring;
    struct token_verifier verifier;
    char jwks[TOKEN_JWKS_BYTES];
    struct loop_timer keys_timer; /* looks whether the keys have changed */
    struct password_cost cost;
    char dummy[PASSWORD_HASH_BYTES];
    struct names *names;
    struct limits *limits;
    struct mailer *mailer;
    struct notifier *notifier;
    struct store_thread *store;
    struct worker *passwords;
    _Atomic bool stopping;
    struct {
        struct metric *login_ok, *login_wrong, *login_limited, *login_unavailable;
        struct metric *registered, *register_refused, *register_limited, *register_unavailable;
        struct metric *refreshed, *reused, *events_lost;
        struct metric_histogram *password_us;
    } metrics;
};

struct visit_trouble {
    int status; /* 0: none */
    const char *title, *detail, *field;
};

struct endpoint;
struct json_t;

struct visit {
    struct store_job store;
    struct worker_job password_job;
    struct limits_call limit;
    struct people *people;
    struct http_exchange *exchange;
    const struct endpoint *endpoint;
    struct metric *unavailable; /* counts where it ends so */
    struct metric *limited;     /* counts where it was one too many */
    void (*next)(struct visit *visit);
    bool (*ask)(struct visit *visit, struct store *store, struct error *error);
    void (*compute)(struct visit *visit);

    char client[ACCESS_CLIENT_BYTES]; /* address, as limits know it */
    bool counted;                     /* `limit` counted it: given back unless it failed */
    bool by_cookie;                   /* the refresh token travels in a cookie */
    char cookie[SECRETS_TEXT_BYTES];  /* which was shown */
    struct form form;                 /* values are NULL where a field was left out */
    struct token_claims claims;       /* of its token */
    struct identity_account identity;
    bool has_identity;

    struct account account; /* as stored, or to be stored */
    bool found;
    struct session session;
    struct factor factor;
    char claim[CLAIM_ID_BYTES]; /* on its name's look */
    enum account_outcome bound;
    bool made;

    enum password_verdict verdict;
    char hash[PASSWORD_HASH_BYTES]; /* of a fresh password */
    bool hashed;

    char email[ACCOUNT_EMAIL_BYTES]; /* that was given, … */
    const struct coin_profile *coin; /* … that it is about, … */
    char address[ADDRESS_TEXT_BYTES];
    struct output_script script; /* … and where it pays to */

    bool posted; /* a letter waits to be sent */
    struct visit_trouble trouble;
    struct event events[VISIT_EVENTS];
    size_t event_count;
    int status;
    struct json_t *reply; /* made on the store's thread, sent by the loop's */
};

/* NULL, with the exchange answered, where there is no room. */
MUST_CHECK struct visit *visit_begin(struct people *people, struct http_exchange *exchange);
/* Reads the body as a form; false with the visit answered. */
MUST_CHECK bool visit_read_form(struct visit *visit, const struct form_field *fields,
                                size_t field_count);
/* Asks the store, or computes a password, then calls next. Where that cannot be, the visit ends
 * as unavailable. */
void visit_ask(struct visit *visit,
               bool (*ask)(struct visit *visit, struct store *store, struct error *error),
               void (*next)(struct visit *visit));
void visit_compute(struct visit *visit, void (*compute)(struct visit *visit),
                   void (*next)(struct visit *visit));
/* Counts it against visit->limit's keys, then calls next; or answers 429. */
void visit_count(struct visit *visit, void (*next)(struct visit *visit));
/* Answers and frees. `document` is taken; NULL: no body. */
void visit_reply(struct visit *visit, int status, struct json_t *document);
void visit_problem(struct visit *visit, int status, const char *title, const char *detail,
                   const char *field);
void visit_unavailable(struct visit *visit, const char *detail);

/* What is wrong, to be answered when the visit is back on the loop; false. Static texts. */
bool visit_trouble(struct visit *visit, int status, const char *title, const char *detail,
                   const char *field);
/* What a write came to: true, or false with the visit in trouble (it was changed meanwhile), or
 * false without (the store failed; *error): then the asker returns false too. */
MUST_CHECK bool visit_wrote(struct visit *visit, enum store_outcome outcome);

/* What a text names, where it can be a registered account's name, in its one form; else false, with
 * an identity that is nobody's. */
MUST_CHECK bool people_name(const struct people *people, struct span text,
                            struct identity_account *identity_r);

/* Events: noted on any thread, written on the store's. One that cannot be written is logged. */
void visit_note(struct visit *visit, const char *kind, const char *actor, const char *detail);
void visit_write_events(struct visit *visit, struct store *store);

void people_register(void *context, struct http_exchange *exchange);
void people_login(void *context, struct http_exchange *exchange);
void people_me(void *context, struct http_exchange *exchange);
void people_refresh(void *context, struct http_exchange *exchange);
void people_logout(void *context, struct http_exchange *exchange);
void people_sessions(void *context, struct http_exchange *exchange);
void people_end_session(void *context, struct http_exchange *exchange);
void people_end_sessions(void *context, struct http_exchange *exchange);
void people_set_address(void *context, struct http_exchange *exchange);
void people_set_email(void *context, struct http_exchange *exchange);
void people_set_worker_password(void *context, struct http_exchange *exchange);
void people_close(void *context, struct http_exchange *exchange);
void people_set_threshold(void *context, struct http_exchange *exchange);
void people_forgot(void *context, struct http_exchange *exchange);
void people_reset(void *context, struct http_exchange *exchange);
void people_set_password(void *context, struct http_exchange *exchange);
void people_confirm(void *context, struct http_exchange *exchange);
void people_confirm_again(void *context, struct http_exchange *exchange);
void people_offer_factor(void *context, struct http_exchange *exchange);
void people_turn_factor_on(void *context, struct http_exchange *exchange);
void people_turn_factor_off(void *context, struct http_exchange *exchange);
void people_renew_recovery(void *context, struct http_exchange *exchange);
void people_make_key(void *context, struct http_exchange *exchange);
void people_make_link(void *context, struct http_exchange *exchange);
void people_grants(void *context, struct http_exchange *exchange);
void people_remove_grant(void *context, struct http_exchange *exchange);
void people_exchange_key(void *context, struct http_exchange *exchange);
void people_events(void *context, struct http_exchange *exchange);
void people_all_events(void *context, struct http_exchange *exchange);
void people_notices(void *context, struct http_exchange *exchange);
void people_choose_notices(void *context, struct http_exchange *exchange);
void people_set_webhook(void *context, struct http_exchange *exchange);
void people_remove_webhook(void *context, struct http_exchange *exchange);
void people_test_notice(void *context, struct http_exchange *exchange);
void people_notices_log(void *context, struct http_exchange *exchange);
void people_stop_letters(void *context, struct http_exchange *exchange);
