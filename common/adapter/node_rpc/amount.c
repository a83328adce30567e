#include "adapter/node_rpc/amount.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t unit_of(unsigned decimals)
{
    ASSERT(decimals <= AMOUNT_DECIMALS_MAX);
    uint64_t unit = 1;
    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    return unit;
}

bool amount_read(const json_t *number, unsigned decimals, uint64_t *amount_r)
{
    uint64_t unit = unit_of(decimals);
    if (json_is_integer(number)) {
        json_int_t coins = json_integer_value(number);
        if (coins < 0 || (uint64_t)coins > AMOUNT_MAX / unit)
            return false;
        *amount_r = (uint64_t)coins * unit;
        return true;
    }
    if (!json_is_real(number))
        return false;
    double value = json_real_value(number);
    if (!(value >= 0) || value > (double)AMOUNT_MAX)
        return false;
    char text[AMOUNT_TEXT_BYTES];
    int length = snprintf(text, sizeof text, "%.*f", (int)decimals, value);
    /* More places than the coin has would have been rounded away. */
    if (length < 0 || (size_t)length >= sizeof text || strtod(text, NULL) != value)
        return false;
    u128 amount = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '.')
            continue;
        amount = amount * 10 + (unsigned)(*p - '0');
        if (amount > AMOUNT_MAX)
            return false;
    }
    *amount_r = (uint64_t)amount;
    return true;
}

void amount_write(uint64_t amount, unsigned decimals, char text_r[AMOUNT_TEXT_BYTES])
{
    uint64_t unit = unit_of(decimals);
    if (decimals == 0)
        snprintf(text_r, AMOUNT_TEXT_BYTES, "%llu", (unsigned long long)amount);
    else
        snprintf(text_r, AMOUNT_TEXT_BYTES, "%llu.%0*llu", (unsigned long long)(amount / unit),
                 (int)decimals, (unsigned long long)(amount % unit));
}
