/* A payment's legs, from its record alone: posted by the engine, computed again by the audit. */
#include "services/payout/payment_legs.h"

#include <stdlib.h>

bool payment_legs_build(const struct payment_record *payment, enum ledger_cause_kind kind,
                        struct money fee, bool intended, struct ledger_legs *legs)
{
    size_t count = payment->output_count;
    struct ledger_credit *credits = calloc(count + 1, sizeof *credits);
    struct money *borne = calloc(count + 1, sizeof *borne);
    ASSERT(credits != NULL && borne != NULL);
    for (size_t i = 0; i < count; i++) {
        credits[i] =
            (struct ledger_credit){ payment->outputs[i].account, payment->outputs[i].amount };
        borne[i].units = payment->receivers_pay ? payment_share(fee.units, count, i) : 0;
    }
    bool built = false;
    switch (kind) {
    case LEDGER_INTENT:
        built = ledger_build_intent(credits, count, legs);
        break;
    case LEDGER_CONFIRMED:
        built = ledger_build_confirmed_borne(credits, borne, count, fee, legs);
        break;
    case LEDGER_REOPENED:
        built = ledger_build_reopened_borne(credits, borne, count, fee, legs);
        break;
    case LEDGER_VOIDED:
        built = ledger_build_voided(credits, intended ? count : 0, legs);
        break;
    default: /* a block's: not of a payment */
        break;
    }
    free(borne);
    free(credits);
    return built;
}
