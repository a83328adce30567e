#include "services/stratum-gateway/profiles.h"

#include <stdio.h>

enum { INTERVAL_MS_MIN = 100, INTERVAL_MS_MAX = 600000 };

/* settings: a difficulty as miners read it. */
static bool read_difficulty(struct span text, const char *key, enum pow_algorithm algorithm,
                            struct work *work_r, struct error *error)
{
    const struct work least = work_of(1), most = work_of((uint64_t)1 << 63);
    if (difficulty_parse(text, algorithm, least, most, work_r))
        return true;
    return error_set(error, ERROR_INVALID,
                     "%s is \"%.*s\": give a decimal number above 0, such as 0.001", key,
                     text.length < 64 ? (int)text.length : 64, (const char *)text.data);
}

static bool check(const struct stratum_params *params, const char *where, struct error *error)
{
    if (params->vardiff.min.expected_hashes <= params->vardiff.max.expected_hashes)
        return true;
    return error_set(error, ERROR_INVALID,
                     "%s: the minimum difficulty is above the maximum: exchange them", where);
}

/* One `name=value` of a port. */
static bool read_word(struct stratum_params *params, struct span word, const char *entry,
                      struct error *error)
{
    const uint8_t *sign = memchr(word.data, '=', word.length);
    struct span name = span_of(word.data, sign != NULL ? (size_t)(sign - word.data) : 0);
    struct span value = span_of(word.data + name.length + (sign != NULL),
                                word.length - name.length - (sign != NULL));
    u128 number;
    if (span_equal(name, span_text("start")))
        return read_difficulty(value, "stratum.ports: start", params->algorithm, &params->start,
                               error);
    if (span_equal(name, span_text("min")))
        return read_difficulty(value, "stratum.ports: min", params->algorithm, &params->vardiff.min,
                               error);
    if (span_equal(name, span_text("max")))
        return read_difficulty(value, "stratum.ports: max", params->algorithm, &params->vardiff.max,
                               error);
    if (span_equal(name, span_text("interval_ms")) &&
        u128_parse((const char *)value.data, value.length, &number) && number >= INTERVAL_MS_MIN &&
        number <= INTERVAL_MS_MAX) {
        params->vardiff.share_interval_ms = (uint32_t)number;
        return true;
    }
    return error_set(error, ERROR_INVALID,
                     "stratum.ports: \"%.64s\" has a word other than start=, min=, max= (a "
                     "difficulty) and interval_ms= (%d to %d)",
                     entry, INTERVAL_MS_MIN, INTERVAL_MS_MAX);
}

static bool read_port(struct profiles *profiles, const char *entry, struct error *error)
{
    struct stratum_params *params = &profiles->params[profiles->count];
    size_t length = strcspn(entry, " ");
    if (length == 0 || length >= sizeof profiles->address[0])
        return error_set(error, ERROR_INVALID,
                         "stratum.ports: \"%.64s\" does not begin with an address", entry);
    *params = profiles->params[0];
    snprintf(profiles->address[profiles->count], sizeof profiles->address[0], "%.*s", (int)length,
             entry);
    for (const char *at = entry + length; *at != '\0'; at += length) {
        at += strspn(at, " ");
        length = strcspn(at, " ");
        if (length > 0 && !read_word(params, span_of(at, length), entry, error))
            return false;
    }
    profiles->count++;
    return check(params, "stratum.ports", error);
}

bool profiles_read(struct profiles *profiles, const struct settings *settings,
                   const struct stratum_params *usual, struct error *error)
{
    struct stratum_params *first = &profiles->params[0];
    enum pow_algorithm algorithm = usual->algorithm;
    *profiles = (struct profiles){ .count = 1 };
    *first = *usual;
    snprintf(profiles->address[0], sizeof profiles->address[0], "%s", settings->stratum_address);
    first->vardiff.share_interval_ms = (uint32_t)settings->stratum_share_interval_ms;
    if (!read_difficulty(span_text(settings->stratum_start_difficulty), "stratum.start_difficulty",
                         algorithm, &first->start, error) ||
        !read_difficulty(span_text(settings->stratum_min_difficulty), "stratum.min_difficulty",
                         algorithm, &first->vardiff.min, error) ||
        !read_difficulty(span_text(settings->stratum_max_difficulty), "stratum.max_difficulty",
                         algorithm, &first->vardiff.max, error) ||
        !check(first, "stratum.min_difficulty", error))
        return false;
    if (settings->stratum_ports.count >= PROFILES_MAX)
        return error_set(error, ERROR_INVALID, "stratum.ports names more than %d ports",
                         PROFILES_MAX - 1);
    for (size_t i = 0; i < settings->stratum_ports.count; i++)
        if (!read_port(profiles, settings->stratum_ports.items[i], error))
            return false;
    return true;
}
