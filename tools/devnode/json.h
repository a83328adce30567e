/* Amounts and text of JSON the way Bitcoin Core shows them. jansson can only print reals through
 * doubles, so numbers that must read exactly so (50.00000000) are strings that begin with a mark,
 * which json_print leaves bare. */
#pragma once
#include "tools/devnode/consensus/buffer.h"

#include <jansson.h>

/* New references, as jansson's constructors give. */
json_t *json_amount(int64_t base_units);
json_t *json_double(double value);
json_t *json_hex(struct span bytes);
/* A hash in display order, the reverse of its internal order. */
json_t *json_hash(const uint8_t hash[32]);
json_t *json_script_hex(const struct buffer *script);

/* One line of JSON; caller owns. */
char *json_print(const json_t *value);

/* Reads an amount given as a number or a string of decimal digits. Numbers come through a double,
 * which holds every amount up to 2^53 base units exactly after rounding. False where it is none,
 * negative, or above all coins. */
MUST_CHECK bool json_read_amount(const json_t *value, int64_t *base_units_r);
