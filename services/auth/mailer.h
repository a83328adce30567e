/* Letters on their way: kept in the store until the mail server has them, so that neither a restart
 * nor a mail server that is away loses one. Any number of instances send from one outbox, each
 * letter once; twice where an instance dies between sending and crossing it out. It is tried again
 * after longer and longer pauses, until its time is over. */
#pragma once
#include "adapter/mail_curl/mail.h"
#include "loop/worker.h"
#include "port/store.h"
#include "service/metrics.h"

struct mailer;

struct mailer_options {
    struct loop *loop;
    struct metrics *metrics;
    struct mail_settings mail; /* its texts are borrowed */
    const uint8_t *key;        /* of secrets.letter; borrowed */
    struct store *(*open_store)(void *context, struct error *error); /* on the mailer's thread */
    /* No letter can be sent, or they can again (reason NULL). May be NULL. */
    void (*on_away)(void *context, const char *reason);
    void *context;
};

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct mailer *mailer_create(const struct mailer_options *options, struct error *error);
/* What is under way ends, or is put back for who comes next. */
void mailer_destroy(struct mailer *mailer);

/* Keeps a letter until it is sent, or `expires_ms`; on any thread. Where no letters are sent
 * nothing is kept. False with *error where the store failed, or the outbox is full (ERROR_FULL).
 * One to nobody ("") is kept and thrown away, so that it costs what any other costs. */
MUST_CHECK bool mailer_post(const struct mailer *mailer, struct store *store,
                            const struct mail *mail, uint64_t expires_ms, struct error *error);
/* There is one more: looks now, instead of soon. On the loop's thread. */
void mailer_kick(struct mailer *mailer);
