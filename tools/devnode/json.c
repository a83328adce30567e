#include "tools/devnode/json.h"
#include "tools/devnode/consensus/tx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MARK '\x01'

json_t *json_amount(int64_t base_units)
{
    char text[48];
    uint64_t size = base_units < 0 ? 0 - (uint64_t)base_units : (uint64_t)base_units;
    snprintf(text, sizeof text, "%c%s%llu.%08llu", MARK, base_units < 0 ? "-" : "",
             (unsigned long long)(size / (uint64_t)COIN),
             (unsigned long long)(size % (uint64_t)COIN));
    return json_string(text);
}

json_t *json_double(double value)
{
    char text[48];
    snprintf(text, sizeof text, "%c%.16g", MARK, value);
    return json_string(text);
}

json_t *json_hex(struct span bytes)
{
    char *text = memory_take(2 * bytes.length + 1);
    hex_encode(bytes, text);
    json_t *value = json_string(text);
    free(text);
    return value;
}

json_t *json_hash(const uint8_t hash[32])
{
    uint8_t shown[32];
    bytes_reverse(hash, 32, shown);
    return json_hex(span_of(shown, sizeof shown));
}

json_t *json_script_hex(const struct buffer *script)
{
    return json_hex(buffer_span(script));
}

static void print(const json_t *value, struct buffer *text);

static void print_object(const json_t *value, struct buffer *text)
{
    void *at = json_object_iter((json_t *)(uintptr_t)value);
    bool first = true;
    buffer_put_u8(text, '{');
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        json_t *key = json_string(json_object_iter_key(at));
        if (!first)
            buffer_put_u8(text, ',');
        first = false;
        print(key, text);
        json_decref(key);
        buffer_put_u8(text, ':');
        print(json_object_iter_value(at), text);
    }
    buffer_put_u8(text, '}');
}

static void print(const json_t *value, struct buffer *text)
{
    if (json_is_object(value)) {
        print_object(value, text);
    } else if (json_is_array(value)) {
        buffer_put_u8(text, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                buffer_put_u8(text, ',');
            print(json_array_get(value, i), text);
        }
        buffer_put_u8(text, ']');
    } else if (json_is_string(value) && json_string_value(value)[0] == MARK) {
        buffer_put(text, json_string_value(value) + 1, json_string_length(value) - 1);
    } else {
        char *plain = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        ASSERT(plain != NULL);
        buffer_put(text, plain, strlen(plain));
        free(plain);
    }
}

char *json_print(const json_t *value)
{
    struct buffer text = { 0 };
    print(value, &text);
    buffer_put_u8(&text, '\n');
    buffer_put_u8(&text, 0);
    return (char *)text.data;
}

static bool read_decimal(const char *text, int64_t *base_units_r)
{
    int64_t value = 0;
    int decimals = -1;
    if (*text == 0)
        return false;
    for (; *text != 0; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || decimals == 8 || value > MONEY_MAX)
            return false;
        value = 10 * value + (*text - '0');
        decimals += decimals >= 0;
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 8; decimals++) {
        if (value > MONEY_MAX)
            return false;
        value *= 10;
    }
    *base_units_r = value;
    return value <= MONEY_MAX;
}

bool json_read_amount(const json_t *value, int64_t *base_units_r)
{
    if (json_is_string(value))
        return read_decimal(json_string_value(value), base_units_r);
    if (!json_is_number(value))
        return false;
    double coins = json_number_value(value);
    if (!(coins >= 0) || coins > (double)(MONEY_MAX / COIN))
        return false;
    *base_units_r = llround(coins * 1e8);
    return true;
}
