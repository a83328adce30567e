/* Registrations that wait for their letter, and the token in it. On the store's thread. */
#pragma once
#include "services/auth/visit.h"

/* What tells their tokens from those for addresses of accounts. */
#define REGISTER_PREFIX "new_"
bool register_is_token(struct span text);

/* Makes the account of the token in field 0; in trouble where it is none that counts, or its name
 * was taken meanwhile (which is not told apart). False where the store failed. */
MUST_CHECK bool register_confirm(struct visit *visit, struct store *store, struct error *error);
/* In trouble: the token is not, or no more, one that counts. False. */
bool register_refuse(struct visit *visit);
