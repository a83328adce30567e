/* One-time tokens by letter: to set a new password, to confirm an address. */
#pragma once
#include "record/access/ticket.h"
#include "services/auth/visit.h"

enum { TICKETS_RESET_MINUTES = 30, TICKETS_EMAIL_MINUTES = 3 * 24 * 60 };

/* Keeps a fresh one for the visit's account and the letter with it; on the store's thread.
 * False where the store failed. */
MUST_CHECK bool tickets_issue(struct visit *visit, struct store *store, enum ticket_kind kind,
                              struct error *error);
