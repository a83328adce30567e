/* Delivers notices (record/notice) that others made: letters on one thread, webhooks on several, so
 * that a receiver that is slow costs others little. Any number of instances deliver from one
 * outbox, each notice once; twice, under the same id, where an instance dies between the delivery
 * and crossing it out.
 *
 * What is looked at for each at its very delivery: whether its account is still open, still wants
 * it, has confirmed its address, and has not had too many today. A webhook that fails is left alone
 * for a while, whatever waits for it; one that has failed for long is switched off, and its owner
 * written to. */
#pragma once
#include "adapter/mail_curl/mail.h"
#include "adapter/webhook_curl/webhook.h"
#include "loop/worker.h"
#include "port/store.h"
#include "service/metrics.h"
#include "service/settings.h"
#include "services/auth/secrets.h"

struct notifier;

struct notifier_options {
    struct loop *loop;
    struct metrics *metrics;
    const struct settings *settings; /* borrowed for its life, as the next two */
    const struct secrets *secrets;
    const struct mail_settings *mail;
    struct store *(*open_store)(void *context, struct error *error); /* on its own threads */
    /* No letter can be sent, or they can again (reason NULL). May be NULL. */
    void (*on_letters)(void *context, const char *reason);
    void *context;
};

/* NULL and *error on failure (INVALID: the settings). Caller owns. */
MUST_CHECK struct notifier *notifier_create(const struct notifier_options *options,
                                            struct error *error);
/* What is under way ends, or is put back for who comes next. */
void notifier_destroy(struct notifier *notifier);
/* There is one more: looks now, instead of soon. On the loop's thread. */
void notifier_kick(struct notifier *notifier);
