/* Sessions and the tokens of them: what a login gives. Visits' business; the functions that take a
 * store are called on its thread. */
#pragma once
#include "services/auth/visit.h"

enum { SESSIONS_MAX = 32 }; /* of one account; the longest unused ends for the next */

/* Begins one for the visit's account, into visit->session, and makes the reply with its tokens.
 * False where the store failed. */
MUST_CHECK bool session_begin(struct visit *visit, struct store *store, bool factor_given,
                              struct error *error);
/* Adds the access token to the reply; on the loop. */
void session_finish(struct visit *visit);
