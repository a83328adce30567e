/* Values as the API's documents have them: money is text in base units, hashes and ids are hex
 * (hashes as explorers show them), whole numbers beyond 63 bits are reals. Each function returns a
 * new reference, the caller's. Any thread; no I/O. */
#pragma once
#include "base/bytes.h"

#include <jansson.h>

/* Whole numbers beyond 63 bits (hash rates) are written as reals. */
json_t *api_number(u128 value);
json_t *api_money(int64_t base_units);
json_t *api_hash(const uint8_t hash[32]);
json_t *api_id(uint64_t id);
