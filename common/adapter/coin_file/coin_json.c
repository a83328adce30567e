#include "adapter/coin_file/coin_json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

enum { RULE_BYTES_MAX = 16, SOURCE_BYTES_MAX = 400 };

/* Copies a text into the file's own memory; NULL where it is no text of such a length. */
static const char *keep(struct coin_file *file, const json_t *value, size_t shortest,
                        size_t longest)
{
    const char *text = json_string_value(value);
    size_t length = text != NULL ? strlen(text) : 0;
    if (text == NULL || length < shortest || length > longest ||
        json_string_length(value) != length)
        return NULL;
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return NULL;
    ASSERT(length < sizeof file->text - file->used);
    char *kept = file->text + file->used;
    memcpy(kept, text, length + 1);
    file->used += length + 1;
    return kept;
}

static bool read_text(struct coin_file *file, const char *key, const json_t *value, size_t shortest,
                      size_t longest, const char **member_r, struct error *error)
{
    *member_r = keep(file, value, shortest, longest);
    return *member_r != NULL ||
           error_set(error, ERROR_INVALID,
                     "\"%s\" must be a text of %zu to %zu characters without spaces", key, shortest,
                     longest);
}

static bool read_number(const char *key, const json_t *value, int64_t least, int64_t most,
                        int64_t *number_r, struct error *error)
{
    *number_r = json_integer_value(value);
    return (json_is_integer(value) && *number_r >= least && *number_r <= most) ||
           error_set(error, ERROR_INVALID, "\"%s\" must be an integer from %" PRId64 " to %" PRId64,
                     key, least, most);
}

static bool read_flag(const char *key, const json_t *value, bool *flag_r, struct error *error)
{
    *flag_r = json_is_true(value);
    return json_is_boolean(value) ||
           error_set(error, ERROR_INVALID, "\"%s\" must be true or false", key);
}

static bool read_algorithm(struct coin_profile *profile, const json_t *value, struct error *error)
{
    const char *name = json_string_value(value);
    return (name != NULL && pow_algorithm_from_name(span_text(name), &profile->algorithm)) ||
           error_set(error, ERROR_INVALID, "\"algorithm\" must be sha256d, scrypt or blake2s");
}

static bool read_rules(struct coin_file *file, const json_t *value, struct error *error)
{
    size_t count = json_array_size(value), kept = 0;
    if (json_is_array(value) && count <= COIN_GBT_RULES_MAX)
        while (kept < count && (file->profile.gbt_rules[kept] = keep(
                                    file, json_array_get(value, kept), 1, RULE_BYTES_MAX)) != NULL)
            kept++;
    return (json_is_array(value) && kept == count) ||
           error_set(error, ERROR_INVALID,
                     "\"gbt_rules\" must be a list of at most %d texts of at most %d characters",
                     COIN_GBT_RULES_MAX, RULE_BYTES_MAX);
}

/* One member of the object. */
static bool read_member(struct coin_file *file, const char *key, const json_t *value,
                        struct error *error)
{
    struct coin_profile *profile = &file->profile;
    int64_t number;
#define COIN_TEXT(member, shortest, longest, needed, what)                                         \
    if (strcmp(key, #member) == 0)                                                                 \
        return read_text(file, key, value, shortest, longest, &profile->member, error);
#define COIN_NUMBER(type, member, least, most, needed, what)                                       \
    if (strcmp(key, #member) == 0) {                                                               \
        bool good = read_number(key, value, least, most, &number, error);                          \
        profile->member = (type)number;                                                            \
        return good;                                                                               \
    }
#define COIN_FLAG(member, what)                                                                    \
    if (strcmp(key, #member) == 0)                                                                 \
        return read_flag(key, value, &profile->member, error);
#include "core/coin/fields.def"
#undef COIN_TEXT
#undef COIN_NUMBER
#undef COIN_FLAG
    if (strcmp(key, "algorithm") == 0)
        return read_algorithm(profile, value, error);
    if (strcmp(key, "gbt_rules") == 0)
        return read_rules(file, value, error);
    if (strcmp(key, "source") == 0)
        return (json_is_string(value) && json_string_length(value) <= SOURCE_BYTES_MAX) ||
               error_set(error, ERROR_INVALID, "\"source\" must be a text of at most %d bytes",
                         SOURCE_BYTES_MAX);
    return error_set(error, ERROR_INVALID, "\"%.40s\" is no field of a coin profile", key);
}

static bool has_needed(const json_t *object, struct error *error)
{
    static const char *const needed_names[] = {
        "algorithm",
        "gbt_rules",
#define COIN_TEXT(member, shortest, longest, needed, what) needed ? #member : NULL,
#define COIN_NUMBER(type, member, least, most, needed, what) needed ? #member : NULL,
#define COIN_FLAG(member, what)
#include "core/coin/fields.def"
#undef COIN_TEXT
#undef COIN_NUMBER
#undef COIN_FLAG
    };
    for (size_t i = 0; i < sizeof needed_names / sizeof *needed_names; i++)
        if (needed_names[i] != NULL && json_object_get(object, needed_names[i]) == NULL)
            return error_set(error, ERROR_INVALID, "\"%s\" is missing", needed_names[i]);
    return true;
}

static bool is_plain(const char *text, const char *also)
{
    for (; *text != '\0'; text++)
        if ((*text < 'a' || *text > 'z') && strchr(also, *text) == NULL)
            return false;
    return true;
}

/* What only the whole can tell. */
static bool check_whole(const struct coin_profile *profile, struct error *error)
{
    if (!is_plain(profile->name, "0123456789-"))
        return error_set(error, ERROR_INVALID,
                         "\"name\" must be of small letters, digits and \"-\"");
    if (profile->bech32_hrp != NULL && !is_plain(profile->bech32_hrp, ""))
        return error_set(error, ERROR_INVALID, "\"bech32_hrp\" must be of small letters");
    if (profile->cashaddr_prefix != NULL && !is_plain(profile->cashaddr_prefix, ""))
        return error_set(error, ERROR_INVALID, "\"cashaddr_prefix\" must be of small letters");
    if (profile->p2pkh_version == profile->p2sh_version ||
        profile->p2pkh_version == profile->p2sh_version_legacy)
        return error_set(error, ERROR_INVALID,
                         "\"p2pkh_version\" is a version of script addresses, too");
    if (profile->segwit != (profile->bech32_hrp != NULL))
        return error_set(error, ERROR_INVALID,
                         "\"segwit\" and \"bech32_hrp\" need each other: one says witnesses, the "
                         "other how their addresses begin");
    if (profile->segwit && profile->cashaddr_prefix != NULL)
        return error_set(error, ERROR_INVALID,
                         "\"segwit\" and \"cashaddr_prefix\" exclude each other");
    if (profile->mweb && !profile->segwit)
        return error_set(error, ERROR_INVALID, "\"mweb\" needs \"segwit\"");
    return true;
}

static bool read_object(const json_t *object, struct coin_file *file, struct error *error)
{
    const char *key;
    json_t *value;
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        if (!read_member(file, key, value, error))
            return false;
    }
    if (!has_needed(object, error))
        return false;
    if (json_object_get(object, "p2sh_version_legacy") == NULL)
        file->profile.p2sh_version_legacy = file->profile.p2sh_version;
    return check_whole(&file->profile, error);
}

bool coin_json_parse(struct span text, struct coin_file *file_r, struct error *error)
{
    json_error_t wrong;
    memset(file_r, 0, sizeof *file_r);
    json_t *object =
        json_loadb((const char *)text.data, text.length, JSON_REJECT_DUPLICATES, &wrong);
    if (object == NULL)
        return error_set(error, ERROR_INVALID, "line %d: %.160s", wrong.line, wrong.text);
    bool good = json_is_object(object)
                    ? read_object(object, file_r, error)
                    : error_set(error, ERROR_INVALID, "a coin profile is one JSON object");
    json_decref(object);
    return good;
}

bool coin_file_read(const char *path, struct coin_file *file_r, struct error *error)
{
    static const char cannot[] = "the coin profile %s cannot be read";
    uint8_t bytes[COIN_FILE_BYTES_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, cannot, path);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    bool failed = ferror(file) != 0;
    int cause = errno;
    fclose(file);
    if (failed)
        return error_system(error, cause, cannot, path);
    if (length == sizeof bytes)
        return error_set(error, ERROR_INVALID, "%s is larger than 64 KiB: no coin profile", path);
    return coin_json_parse(span_of(bytes, length), file_r, error) ||
           error_prefix(error, "%s", path);
}
