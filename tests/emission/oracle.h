/* What an emission must give whom, computed the plain way and without the code it is to be held
 * against: the parts of fee, pools and validators, and the parts of each receiver, unit by unit to
 * whoever is furthest behind; what has no receiver, or fills up a debt, is carried.
 *
 * The caller says in which order emissions were first credited, and keeps what is carried. No heap;
 * any thread; aborts where something cannot be. */
#pragma once
#include "record/emission/emission_record.h"

enum { ORACLE_RECEIVERS_MAX = 16 };

/* What is carried to the next emission; below zero: a debt. */
struct oracle_carry {
    int64_t pools, validators;
};

/* What one emission gave: to pools[i] and validators[i] of its record, and to the carry. */
struct oracle_split {
    uint64_t fee, pools[ORACLE_RECEIVERS_MAX], validators[ORACLE_RECEIVERS_MAX];
    struct oracle_carry change;
};

/* By the record's terms, receivers and weights (its amounts are not read). */
void oracle_split(const struct emission_record *emission, const struct oracle_carry *carry,
                  struct oracle_split *split_r);
/* The carry after it was credited (sign 1), or taken back (-1). */
void oracle_carry_on(struct oracle_carry *carry, const struct oracle_split *split, int sign);
