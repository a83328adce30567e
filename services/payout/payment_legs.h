/* A payment's legs, from its record alone. Pure but for the memory it takes and gives back; any
 * thread. */
#pragma once
#include "record/payment/payment_record.h"

/* Adds the legs of a payment's cause and closes them, as ledger_legs_close returns it. `fee` is
 * what the version that confirmed (or was reopened) cost; `intended` says for LEDGER_VOIDED whether
 * there was an intent to undo: a plan that never got one is given up by an empty set, which takes
 * the place in the ledger that a late intent would need. Room: 3 × outputs + 2. */
MUST_CHECK bool payment_legs_build(const struct payment_record *payment,
                                   enum ledger_cause_kind kind, struct money fee, bool intended,
                                   struct ledger_legs *legs);
