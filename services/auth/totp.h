/* One-time codes by time (RFC 6238 over RFC 4226): HMAC-SHA-1, 30 seconds, six digits, which is
 * what authenticator apps agree on. Pure. */
#pragma once
#include "base/bytes.h"

enum { TOTP_PERIOD_S = 30, TOTP_DIGITS = 6, TOTP_DRIFT_STEPS = 1 };

/* The code of one time step, of `digits` (6 to 8) decimal digits. */
uint32_t totp_code(struct span secret, uint64_t step, unsigned digits);

/* Whether the code is that of a step later than `last_step` and no further from `now_s` than
 * TOTP_DRIFT_STEPS; with that step. A code is thereby taken once. */
MUST_CHECK bool totp_check(struct span secret, struct span code, uint64_t now_s, uint64_t last_step,
                           uint64_t *step_r);

/* The secret as authenticator apps want it (RFC 4648 base32, no padding), with a NUL. */
void totp_base32(struct span bytes, char *text_r, size_t capacity);
