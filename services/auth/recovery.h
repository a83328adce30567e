/* Recovery codes: ten words of 79 random bits for whoever lost the device with the second factor.
 * Each is taken once. What is stored are keyed hashes. */
#pragma once
#include "services/auth/secrets.h"

enum { RECOVERY_TEXT_BYTES = 20 }; /* "abcd-efgh-jkmn-pqrs" and a NUL */

/* Fresh ones into the factor, and as texts to be shown once. */
void recovery_make(const struct secrets *secrets, struct factor *factor,
                   char texts_r[FACTOR_RECOVERY_CODES][RECOVERY_TEXT_BYTES]);
/* Whether it is one that was not used; it is now. Letters in either case, with or without the
 * hyphens. */
MUST_CHECK bool recovery_take(const struct secrets *secrets, struct factor *factor,
                              struct span text);
unsigned recovery_left(const struct factor *factor);
