#include "services/auth/code.h"

#include "services/auth/recovery.h"
#include "services/auth/totp.h"

#include <sodium.h>

enum { ATTEMPTS = 3, CODE_WRONG_MAX = 10, CODE_WRONG_HOURS = 1 };

/* Whether the factor takes the code; changed so that it does not again. */
static bool take(const struct secrets *secrets, struct factor *factor, struct span code,
                 bool *recovery_r)
{
    uint8_t secret[SECRETS_TOTP_BYTES];
    uint64_t step;
    *recovery_r = false;
    if (!secrets_open(secrets, factor->account_id, factor->sealed, secret))
        return false;
    bool taken = totp_check(span_of(secret, sizeof secret), code, loop_unix_ms() / 1000,
                            factor->step, &step);
    sodium_memzero(secret, sizeof secret);
    if (taken) {
        factor->step = step;
        return true;
    }
    *recovery_r = recovery_take(secrets, factor, code);
    return *recovery_r;
}

/* So many wrong codes in a row, and none is looked at any more until an hour has passed since the
 * first: of a million codes three are right at a time. Kept with the factor, so that it holds
 * whichever process and address they come to. */
static bool too_many(const struct factor *factor, uint64_t now_ms)
{
    return factor->wrong >= CODE_WRONG_MAX &&
           now_ms < factor->wrong_from_ms + CODE_WRONG_HOURS * (uint64_t)3600000;
}

static void count_wrong(struct factor *factor, uint64_t now_ms)
{
    if (factor->wrong == 0 ||
        now_ms >= factor->wrong_from_ms + CODE_WRONG_HOURS * (uint64_t)3600000) {
        factor->wrong = 0;
        factor->wrong_from_ms = now_ms;
    }
    factor->wrong++;
}

/* One look at the factor as it was read; what it came to is to be stored. */
static bool look(struct visit *visit, struct span code, bool *recovery_r)
{
    struct factor *factor = &visit->factor;
    bool taken = take(&visit->people->secrets, factor, code, recovery_r);
    if (taken)
        factor->wrong = 0;
    else
        count_wrong(factor, loop_unix_ms());
    return taken;
}

static void refuse(struct visit *visit, int status, const char *title, const char *detail)
{
    (void)visit_trouble(visit, status, title, detail, "code");
}

bool code_show(struct visit *visit, struct store *store, struct span code, bool *shown_r,
               struct error *error)
{
    struct factor *factor = &visit->factor;
    bool recovery;
    *shown_r = factor->state != FACTOR_ON;
    if (*shown_r)
        return true;
    if (code.data == NULL || code.length == 0) {
        refuse(visit, 403, "Forbidden", "a code of the account's second factor is needed");
        return true;
    }
    /* Another process may have taken a code just now: what it wrote counts. */
    for (int i = 0; i < ATTEMPTS; i++) {
        if (too_many(factor, loop_unix_ms())) {
            refuse(visit, 429, "Too many", "too many wrong codes; try again in an hour");
            return true;
        }
        *shown_r = look(visit, code, &recovery);
        enum store_outcome outcome = factor_save(store, factor, error);
        if (outcome == STORE_DONE) {
            if (!*shown_r)
                refuse(visit, 403, "Forbidden", "the code is wrong or was used before");
            if (!*shown_r || recovery)
                visit_note(visit, *shown_r ? "code.recovery" : "code.wrong", "owner", "");
            return true;
        }
        *shown_r = false;
        if (outcome != STORE_CONFLICT ||
            factor_get(store, factor->account_id, factor, error) != STORE_DONE)
            return false;
    }
    return error_set(error, ERROR_UNAVAILABLE, "the second factor is being changed all the time");
}
