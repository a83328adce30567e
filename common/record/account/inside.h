/* What the files of this folder share; for nobody else. Pure. */
#pragma once
#include "record/account/account.h"

#include <stdio.h>

enum {
    /* the longest coin's name, address and script, their lengths, two numbers */
    ACCOUNT_PAYOUT_BYTES = ACCOUNT_COIN_BYTES + ADDRESS_TEXT_BYTES + 64 + 3 + 16,
    ACCOUNT_PAYOUTS_BYTES = 2 + ACCOUNT_COINS_MAX * ACCOUNT_PAYOUT_BYTES,
};

/* As they stand in the record; borrowed from `memory`. */
struct span account_payouts_encode(const struct account *account,
                                   uint8_t memory[ACCOUNT_PAYOUTS_BYTES]);
/* False where they are damaged. */
MUST_CHECK bool account_payouts_decode(struct span bytes, struct account *account_r);
