#include "core/stratum/quirks.h"

#include "core/stratum/json.h"

/* One line being read. */
struct reading {
    struct json json;
    enum pow_algorithm algorithm; /* the pool's, then the entry's */
    bool other;                   /* the entry is for another algorithm */
    struct quirk_entry entry;
};

static bool number_of(const struct json *json, unsigned token, uint64_t max, uint64_t *value_r)
{
    u128 value;
    struct span text = json_text(json, token);
    if (json->tokens[token].kind != JSON_NUMBER ||
        !u128_parse((const char *)text.data, text.length, &value) || value > max)
        return false;
    *value_r = (uint64_t)value;
    return true;
}

static bool small_number(const struct json *json, unsigned token, uint16_t max, uint16_t *value_r)
{
    uint64_t value;
    if (!number_of(json, token, max, &value))
        return false;
    *value_r = (uint16_t)value;
    return true;
}

static bool flag_of(const struct json *json, unsigned token, bool *flag_r)
{
    *flag_r = json->tokens[token].kind == JSON_TRUE;
    return *flag_r || json->tokens[token].kind == JSON_FALSE;
}

static bool difficulty_value(const struct reading *reading, unsigned token, struct work *work_r)
{
    return reading->json.tokens[token].kind == JSON_NUMBER &&
           difficulty_parse(json_text(&reading->json, token), reading->algorithm, work_of(1),
                            work_of((uint64_t)1 << 63), work_r);
}

static bool read_missing(struct reading *reading, unsigned token)
{
    static const char *const names[] = {
#define X(bit, name) name,
        QUIRK_FEATURES(X)
#undef X
    };
    const struct json *json = &reading->json;
    if (json->tokens[token].kind != JSON_ARRAY)
        return false;
    for (unsigned i = 0; i < json->tokens[token].count; i++) {
        unsigned feature = 0;
        while (feature < QUIRK_FEATURES_COUNT &&
               !json_is_text(json, json_element(json, token, i), names[feature]))
            feature++;
        if (feature == QUIRK_FEATURES_COUNT)
            return false;
        reading->entry.quirk.missing |= (uint8_t)(1u << feature);
    }
    return true;
}

static bool read_value(struct reading *reading, unsigned name, unsigned value)
{
    const struct json *json = &reading->json;
    struct quirk *quirk = &reading->entry.quirk;
    uint16_t number;
    if (json_is_text(json, name, "agent"))
        return json_copy_text(json, value, reading->entry.agent, sizeof reading->entry.agent,
                              NULL) &&
               reading->entry.agent[0] != '\0';
    if (json_is_text(json, name, "why"))
        return json->tokens[value].kind == JSON_STRING;
    if (json_is_text(json, name, "algorithm"))
        return true; /* read before */
    if (json_is_text(json, name, "min_difficulty"))
        return difficulty_value(reading, value, &quirk->least);
    if (json_is_text(json, name, "start_difficulty"))
        return difficulty_value(reading, value, &quirk->start);
    if (json_is_text(json, name, "coinbase_bytes_max"))
        return small_number(json, value, UINT16_MAX, &quirk->coinbase_bytes_max);
    if (json_is_text(json, name, "work_correction_ppm"))
        return small_number(json, value, QUIRK_PPM_MAX, &quirk->work_correction_ppm);
    if (json_is_text(json, name, "names_escaped"))
        return flag_of(json, value, &quirk->names_escaped);
    if (json_is_text(json, name, "short_numbers"))
        return flag_of(json, value, &quirk->short_numbers);
    if (json_is_text(json, name, "missing"))
        return read_missing(reading, value);
    bool is_digits = json_is_text(json, name, "job_id_digits");
    if ((!is_digits && !json_is_text(json, name, "name_bytes_max")) ||
        !small_number(json, value, UINT8_MAX, &number))
        return false;
    if (is_digits)
        quirk->job_id_digits = (uint8_t)number;
    else
        quirk->name_bytes_max = (uint8_t)number;
    return !is_digits || number == QUIRK_JOB_ID_SHORT;
}

/* Difficulties are read by the entry's algorithm, so it comes before everything else. */
static bool read_algorithm(struct reading *reading)
{
    unsigned token = json_member(&reading->json, 0, "algorithm");
    enum pow_algorithm pool = reading->algorithm;
    if (token == 0)
        return true;
    if (json_is_text(&reading->json, token, "sha256d"))
        reading->algorithm = POW_SHA256D;
    else if (json_is_text(&reading->json, token, "scrypt"))
        reading->algorithm = POW_SCRYPT;
    else if (json_is_text(&reading->json, token, "blake2s"))
        reading->algorithm = POW_BLAKE2S;
    else
        return false;
    reading->other = reading->algorithm != pool;
    return true;
}

static bool read_line(struct span line, unsigned number, struct reading *reading,
                      struct error *error)
{
    const struct json *json = &reading->json;
    if (json_parse(line, &reading->json) != JSON_OK || json->tokens[0].kind != JSON_OBJECT)
        return error_set(error, ERROR_INVALID, "line %u is no JSON object", number);
    if (!read_algorithm(reading))
        return error_set(error, ERROR_INVALID,
                         "line %u: \"algorithm\" is none of sha256d, scrypt and blake2s", number);
    for (unsigned at = 1; at < json->tokens[0].next;) {
        unsigned value = json->tokens[at].next;
        struct span name = json_inside(json, at);
        if (!read_value(reading, at, value))
            return error_set(error, ERROR_INVALID, "line %u: \"%.*s\" is not known, or not so",
                             number, name.length < 40 ? (int)name.length : 40,
                             (const char *)name.data);
        at = json->tokens[value].next;
    }
    return reading->entry.agent[0] != '\0' ||
           error_set(error, ERROR_INVALID, "line %u names no \"agent\"", number);
}

bool quirks_parse(struct span text, enum pow_algorithm algorithm, struct quirks *quirks_r,
                  struct error *error)
{
    *quirks_r = (struct quirks){ .count = 0 };
    for (unsigned number = 1; text.length > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.length);
        size_t length = end != NULL ? (size_t)(end - text.data) : text.length;
        struct span line = span_of(text.data, length);
        length += end != NULL;
        text = span_of(text.data + length, text.length - length);
        while (line.length > 0 && line.data[line.length - 1] <= ' ')
            line.length--;
        if (line.length == 0 || line.data[0] == '#')
            continue;
        struct reading reading = { .algorithm = algorithm };
        if (!read_line(line, number, &reading, error))
            return false;
        if (reading.other)
            continue;
        if (quirks_r->count == QUIRKS_MAX)
            return error_set(error, ERROR_INVALID,
                             "line %u is one too many: %d entries are the most", number,
                             QUIRKS_MAX);
        quirks_r->list[quirks_r->count++] = reading.entry;
    }
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(const char *text, const char *part)
{
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (part[i] != '\0' && lower(text[i]) == lower(part[i]))
            i++;
        if (part[i] == '\0')
            return true;
    }
    return false;
}

const struct quirk_entry *quirks_find(const struct quirks *quirks, const char *agent)
{
    for (unsigned i = 0; i < quirks->count; i++)
        if (contains(agent, quirks->list[i].agent))
            return &quirks->list[i];
    return NULL;
}

struct work quirk_corrected(const struct quirk *quirk, struct work work)
{
    enum { MILLION = 1000000 };
    u128 less = ((u128)work.expected_hashes * quirk->work_correction_ppm + MILLION - 1) / MILLION;
    return work_of(work.expected_hashes > less ? work.expected_hashes - (uint64_t)less : 1);
}
