#include "services/inode-scheduler/api_values.h"

#include "record/block/block.h"

#include <stdio.h>

json_t *api_number(u128 value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

json_t *api_money(int64_t base_units)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)base_units);
    return json_string(text);
}

json_t *api_hash(const uint8_t hash[32])
{
    char text[BLOCK_ID_BYTES];
    block_id(hash, text);
    return json_string(text);
}

json_t *api_id(uint64_t id)
{
    char text[20];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
    return json_string(text);
}
