/* Second factors as people show them: a one-time code of their device, or a recovery code, each
 * taken once. On the store's thread. */
#pragma once
#include "services/auth/visit.h"

/* Where the visit's account has a second factor that is on, takes the code: *shown_r says whether
 * the visit may go on; where not it is in trouble. True where there is no second factor, whatever
 * `code` says. False where the store failed. */
MUST_CHECK bool code_show(struct visit *visit, struct store *store, struct span code, bool *shown_r,
                          struct error *error);
