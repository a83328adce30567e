#include "services/inode-scheduler/member_list.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMBER_LIST_ROOM_FIRST = 16 };

/* Room for one more at *count of *entries; NULL where the list is full. */
static struct member_entry *grow(struct member_entry **entries, size_t count)
{
    if (count >= MEMBER_LIST_MAX)
        return NULL;
    /* Doubles at each power of two. */
    if (count == 0 || (count >= MEMBER_LIST_ROOM_FIRST && (count & (count - 1)) == 0)) {
        size_t room = count == 0 ? MEMBER_LIST_ROOM_FIRST : 2 * count;
        *entries = realloc(*entries, room * sizeof **entries);
        ASSERT(*entries != NULL);
    }
    struct member_entry *entry = *entries + count;
    memset(entry, 0, sizeof *entry);
    return entry;
}

static bool read_wallet(const struct coin_profile *coin, const char *text, size_t length,
                        struct member_entry *entry, struct error *error)
{
    struct output_script script;
    enum address_outcome outcome =
        address_parse(coin, span_of(text, length), &script, entry->wallet);
    return outcome == ADDRESS_OK ||
           error_set(error, ERROR_INVALID, "wallet \"%.*s\": %s", length < 100 ? (int)length : 100,
                     text, address_outcome_text(outcome));
}

/* A name is shown: printable, and short. */
static bool read_name(const char *text, struct member_entry *entry, struct error *error)
{
    size_t length = strlen(text);
    bool good = length < sizeof entry->name;
    for (size_t i = 0; i < length && good; i++)
        good = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    if (!good)
        return error_set(error, ERROR_INVALID, "the name of %s is too long or cannot be shown",
                         entry->wallet);
    memcpy(entry->name, text, length + 1);
    return true;
}

static bool read_key(const char *text, struct member_entry *entry, struct error *error)
{
    static const uint8_t none[MEMBER_KEY_BYTES];
    return (hex_decode(text, strlen(text), entry->key, sizeof entry->key) &&
            memcmp(entry->key, none, sizeof none) != 0) ||
           error_set(error, ERROR_INVALID, "the key of %s must be 64 hex digits", entry->wallet);
}

static bool read_stake(long long stake, struct member_entry *entry, struct error *error)
{
    entry->stake = (uint32_t)stake;
    return (stake >= 1 && stake <= MEMBER_STAKE_WHOLE) ||
           error_set(error, ERROR_INVALID, "the stake of %s must be 1 to %d (1/10000)",
                     entry->wallet, MEMBER_STAKE_WHOLE);
}

static bool read_entry(const struct coin_profile *coin, json_t *object, bool validator,
                       struct member_entry *entry, struct error *error)
{
    const char *key, *wallet = json_string_value(json_object_get(object, "wallet"));
    json_t *value, *stake = json_object_get(object, "stake");
    if (wallet == NULL || strlen(wallet) != json_string_length(json_object_get(object, "wallet")))
        return error_set(error, ERROR_INVALID, "an entry names no wallet");
    if (!read_wallet(coin, wallet, strlen(wallet), entry, error))
        return false;
    json_object_foreach(object, key, value)
    {
        const char *text = json_string_value(value);
        bool known = strcmp(key, "wallet") == 0;
        if (strcmp(key, "name") == 0 && text != NULL) {
            if (!read_name(text, entry, error))
                return false;
            known = true;
        } else if (validator && strcmp(key, "key") == 0 && text != NULL) {
            if (!read_key(text, entry, error))
                return false;
            known = true;
        } else if (validator && strcmp(key, "stake") == 0) {
            known = json_is_integer(value);
        }
        if (!known)
            return error_set(error, ERROR_INVALID, "the entry of %s has \"%.40s\" amiss",
                             entry->wallet, key);
    }
    if (!validator)
        return true;
    if (json_object_get(object, "key") == NULL || stake == NULL)
        return error_set(error, ERROR_INVALID, "the entry of %s lacks its key or its stake",
                         entry->wallet);
    return read_stake(json_integer_value(stake), entry, error);
}

static bool read_entries(const struct coin_profile *coin, json_t *array, bool validators,
                         struct member_list *list, struct error *error)
{
    struct member_entry **entries = validators ? &list->validators : &list->pools;
    size_t *count = validators ? &list->validator_count : &list->pool_count;
    size_t index;
    json_t *object;
    json_array_foreach(array, index, object)
    {
        struct member_entry *entry = grow(entries, *count);
        if (entry == NULL)
            return error_set(error, ERROR_FULL, "it names more than %d of a kind", MEMBER_LIST_MAX);
        if (!json_is_object(object))
            return error_set(error, ERROR_INVALID, "an entry is no object");
        if (!read_entry(coin, object, validators, entry, error))
            return false;
        ++*count;
    }
    return true;
}

bool member_list_read(struct member_list *list, const struct coin_profile *coin,
                      struct span document, struct error *error)
{
    json_error_t where;
    json_t *root =
        json_loadb((const char *)document.data, document.length, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return error_set(error, ERROR_INVALID, "line %d: %.120s", where.line, where.text);
    bool good = json_is_object(root);
    if (!good)
        error_fill(error, ERROR_INVALID, "it is no object");
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        bool validators = strcmp(key, "validators") == 0;
        if (!good)
            break;
        good = (validators || strcmp(key, "pools") == 0) && json_is_array(value);
        if (!good)
            error_fill(error, ERROR_INVALID, "\"%.40s\" is not a list it should have", key);
        good = good && read_entries(coin, value, validators, list, error);
    }
    json_decref(root);
    return good;
}

bool member_list_add(struct member_list *list, const struct coin_profile *coin, const char *text,
                     struct error *error)
{
    const char *stake = strchr(text, '='), *key = stake != NULL ? strchr(stake + 1, '=') : NULL;
    u128 value = 0;
    if (key == NULL || !u128_parse(stake + 1, (size_t)(key - stake - 1), &value) ||
        value > MEMBER_STAKE_WHOLE)
        return error_set(error, ERROR_INVALID, "\"%.100s\" is not wallet=stake=key", text);
    struct member_entry *entry = grow(&list->validators, list->validator_count);
    if (entry == NULL)
        return error_set(error, ERROR_FULL, "there are more than %d validators", MEMBER_LIST_MAX);
    if (!read_wallet(coin, text, (size_t)(stake - text), entry, error) ||
        !read_stake((long long)value, entry, error) || !read_key(key + 1, entry, error))
        return false;
    list->validator_count++;
    return true;
}

static int by_wallet(const void *a, const void *b)
{
    const struct member_entry *left = a, *right = b;
    return strcmp(left->wallet, right->wallet);
}

static int by_key(const void *a, const void *b)
{
    const struct member_entry *left = a, *right = b;
    return memcmp(left->key, right->key, sizeof left->key);
}

static bool sort(struct member_entry *entries, size_t count, struct error *error)
{
    if (count == 0)
        return true;
    qsort(entries, count, sizeof *entries, by_wallet);
    for (size_t i = 1; i < count; i++)
        if (by_wallet(&entries[i - 1], &entries[i]) == 0)
            return error_set(error, ERROR_INVALID, "wallet %s stands twice", entries[i].wallet);
    return true;
}

bool member_list_check(struct member_list *list, struct error *error)
{
    uint64_t stakes = 0;
    if (list->validator_count > 0)
        qsort(list->validators, list->validator_count, sizeof *list->validators, by_key);
    for (size_t i = 0; i < list->validator_count; i++) {
        stakes += list->validators[i].stake;
        if (i > 0 && by_key(&list->validators[i - 1], &list->validators[i]) == 0)
            return error_set(error, ERROR_INVALID, "%s and %s have the same key",
                             list->validators[i - 1].wallet, list->validators[i].wallet);
    }
    if (stakes > MEMBER_STAKE_WHOLE)
        return error_set(error, ERROR_INVALID, "the stakes are %llu/10000 together, more than all",
                         (unsigned long long)stakes);
    return sort(list->validators, list->validator_count, error) &&
           sort(list->pools, list->pool_count, error);
}

void member_list_free(struct member_list *list)
{
    free(list->validators);
    free(list->pools);
    *list = (struct member_list){ 0 };
}
