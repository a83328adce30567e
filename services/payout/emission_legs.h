/* From an emission's record and what was carried until then to its legs: the engine posts them, the
 * audit derives them again. Fills in the receivers' amounts. False where they do not make a set;
 * `credits` and *legs need room for pools + validators, and 4 more. */
#pragma once
#include "core/ledger/ledger.h"
#include "record/emission/emission_record.h"

MUST_CHECK bool emission_legs_build(struct emission_record *emission, int64_t pools_carry,
                                    int64_t validators_carry, struct ledger_credit *credits,
                                    struct ledger_legs *legs);
