/* Whether a password is among those that guessers try first. Pure; any thread. */
#pragma once
#include "base/bytes.h"

/* True where it is a common one, in any case, also with a few digits or marks behind it, or is one
 * character again and again, or has the account's name in it (`name` may be empty). */
MUST_CHECK bool password_is_guessable(struct span password, struct span name);
