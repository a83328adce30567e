#include "record/notice/preference.h"

#include "record/access/field.h"

enum field {
    NAME,
    WANTS,
    LETTERS,
    WEBHOOKS,
    AFTER_MS,
    FROM_MS,
    URL,
    SEALED,
    URL_MS,
    OFF_MS,
    FIELDS
};

static const struct store_field fields[FIELDS] = {
    [NAME] = { "name", STORE_TEXT, false },        [WANTS] = { "wants", STORE_INT, true },
    [LETTERS] = { "letters", STORE_INT, false },   [WEBHOOKS] = { "webhooks", STORE_INT, false },
    [AFTER_MS] = { "after_ms", STORE_INT, false }, [FROM_MS] = { "from_ms", STORE_INT, false },
    [URL] = { "url", STORE_TEXT, false },          [SEALED] = { "sealed", STORE_BYTES, false },
    [URL_MS] = { "url_ms", STORE_INT, false },     [OFF_MS] = { "off_ms", STORE_INT, false },
};
const struct store_collection notice_preference_collection = { "notice_preferences", fields,
                                                               FIELDS };

static bool decode(const struct store_record *record, struct notice_preference *preference_r)
{
    const struct store_value *values = record->values;
    const struct store_value id = { .bytes = span_text(record->id) };
    memset(preference_r, 0, sizeof *preference_r);
    preference_r->letters = (uint32_t)values[LETTERS].integer;
    preference_r->webhooks = (uint32_t)values[WEBHOOKS].integer;
    preference_r->version = record->version;
    return field_account(&id, &preference_r->account) &&
           field_text(&values[NAME], preference_r->name, sizeof preference_r->name) &&
           field_number(&values[AFTER_MS], &preference_r->after_ms) &&
           field_number(&values[FROM_MS], &preference_r->from_ms) &&
           field_text(&values[URL], preference_r->url, sizeof preference_r->url) &&
           field_bytes(&values[SEALED], preference_r->sealed, sizeof preference_r->sealed) &&
           field_number(&values[URL_MS], &preference_r->url_ms) &&
           field_number(&values[OFF_MS], &preference_r->off_ms);
}

enum store_outcome notice_preference_get(struct store *store, uint64_t account,
                                         struct notice_preference *preference_r,
                                         struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[ACCOUNT_ID_BYTES];
    account_id_text(account, id);
    enum store_outcome outcome =
        store_get(store, &notice_preference_collection, id, &arena, &record, error);
    if (outcome == STORE_MISSING) {
        *preference_r = (struct notice_preference){ .account = account };
        return STORE_DONE;
    }
    if (outcome == STORE_DONE && !decode(&record, preference_r)) {
        (void)field_damaged(error, "what is told to", id);
        return STORE_FAILED;
    }
    return outcome;
}

enum store_outcome notice_preference_save(struct store *store, struct notice_preference *preference,
                                          struct error *error)
{
    char id[ACCOUNT_ID_BYTES];
    account_id_text(preference->account, id);
    struct store_record record = { .id = id, .version = preference->version };
    struct store_value *values = record.values;
    values[NAME] = store_text(preference->name);
    values[WANTS] = store_int((preference->letters | preference->webhooks) != 0);
    values[LETTERS] = store_int(preference->letters);
    values[WEBHOOKS] = store_int(preference->webhooks);
    values[AFTER_MS] = store_int((int64_t)preference->after_ms);
    values[FROM_MS] = store_int((int64_t)preference->from_ms);
    values[URL] = store_text(preference->url);
    values[SEALED] = store_bytes(span_of(preference->sealed, sizeof preference->sealed));
    values[URL_MS] = store_int((int64_t)preference->url_ms);
    values[OFF_MS] = store_int((int64_t)preference->off_ms);
    return versioned_save(store, &notice_preference_collection, &record, &preference->version,
                          error);
}

struct walk {
    notice_preference_visitor visit;
    void *context;
};

static bool on_record(void *context, const struct store_record *record)
{
    const struct walk *walk = context;
    struct notice_preference preference;
    return !decode(record, &preference) || walk->visit(walk->context, &preference);
}

enum store_outcome notice_preference_walk(struct store *store, notice_preference_visitor visit,
                                          void *context, struct error *error)
{
    const struct store_query query = { .field = "wants", .has_low = true, .low = store_int(1) };
    struct walk walk = { visit, context };
    return store_find(store, &notice_preference_collection, &query, on_record, &walk, error);
}
