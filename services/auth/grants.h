/* API keys and links, of an account. */
#pragma once
#include "record/access/grant.h"
#include "services/auth/visit.h"

enum { GRANTS_MAX = 20 }; /* of one account */

/* Clears away those of the visit's account that count no more, because it is closed or they were
 * all revoked; what the store does not take away now goes when the next one is made. On the store's
 * thread. */
void grants_tidy(struct visit *visit, struct store *store);
