/* Amounts between JSON and base units, exactly. Private to adapter/node_rpc.
 *
 * A node writes an amount as a decimal with at most `decimals` places, and the JSON reader makes a
 * double of it. Below 2^52 base units that double is less than half a base unit away from the
 * decimal, so printing it with that many places (which the C library does exactly) gives the
 * decimal back; larger amounts are refused. */
#pragma once
#include "base/bytes.h"

#include <jansson.h>

#define AMOUNT_MAX (((uint64_t)1 << 52) - 1)
enum { AMOUNT_TEXT_BYTES = 40, AMOUNT_DECIMALS_MAX = 12 };

/* False where it is no number, negative, too large, or has more places than the coin. */
MUST_CHECK bool amount_read(const json_t *number, unsigned decimals, uint64_t *amount_r);
/* As a JSON number, e.g. 0.00000001. */
void amount_write(uint64_t amount, unsigned decimals, char text_r[AMOUNT_TEXT_BYTES]);
