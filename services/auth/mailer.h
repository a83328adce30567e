/* Letters on their way: sent on a thread of their own, tried again for half an hour, bounded. What
 * is lost when the process ends is asked for again by whoever waits for it. Called on the loop's
 * thread. */
#pragma once
#include "adapter/mail_curl/mail.h"
#include "loop/worker.h"
#include "service/metrics.h"

enum { MAILER_MAX = 256 };

struct mailer;

/* The settings are borrowed for its life. NULL and *error on failure. Caller owns. */
MUST_CHECK struct mailer *mailer_create(struct loop *loop, const struct mail_settings *settings,
                                        struct metrics *metrics, struct error *error);
void mailer_destroy(struct mailer *mailer);
/* Copies it. Where no letters are sent, or too many wait, it is counted and forgotten. */
void mailer_send(struct mailer *mailer, const struct mail *mail);
