#include "record/notice/notice_record.h"

#include "record/access/field.h"
#include "record/notice/audit_report.h"
#include "record/notice/cursor.h"
#include "record/notice/preference.h"
#include "record/notice/route.h"
#include "record/notice/watch.h"

#include <inttypes.h>
#include <stdio.h>

enum field {
    ACCOUNT,
    LOG, /* "<account>:<reversed time>": an account's newest first */
    KIND,
    CHANNEL,
    STATE,
    LETTER_DUE_MS, /* one of the three is the due time, the others NEVER */
    WEBHOOK_DUE_MS,
    FORGET_MS,
    CREATED_MS,
    UNTIL_MS,
    TRIES,
    RESULT,
    BODY,
    FIELDS
};
#define NEVER INT64_MAX
enum { LOG_BYTES = 40, RECORD_BYTES = 16384 };

static const struct store_field fields[FIELDS] = {
    [ACCOUNT] = { "account", STORE_TEXT, false },
    [LOG] = { "log", STORE_TEXT, true },
    [KIND] = { "kind", STORE_INT, false },
    [CHANNEL] = { "channel", STORE_INT, false },
    [STATE] = { "state", STORE_INT, true },
    [LETTER_DUE_MS] = { "letter_due_ms", STORE_INT, true },
    [WEBHOOK_DUE_MS] = { "webhook_due_ms", STORE_INT, true },
    [FORGET_MS] = { "forget_ms", STORE_INT, true },
    [CREATED_MS] = { "created_ms", STORE_INT, false },
    [UNTIL_MS] = { "until_ms", STORE_INT, false },
    [TRIES] = { "tries", STORE_INT, false },
    [RESULT] = { "result", STORE_TEXT, false },
    [BODY] = { "body", STORE_TEXT, false },
};
const struct store_collection notice_collection = { "notices", fields, FIELDS };

bool notice_declare(struct store *store, struct error *error)
{
    static const struct store_collection *const all[] = {
        &notice_collection,       &notice_preference_collection, &notice_route_collection,
        &notice_watch_collection, &notice_cursor_collection,     &audit_report_collection,
    };
    return store_declare(store, all, sizeof all / sizeof *all, error);
}

const char *notice_state_name(enum notice_state state)
{
    switch (state) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        NOTICE_STATES(X)
#undef X
    }
    return "unknown";
}

const char *notice_channel_name(enum notice_channel channel)
{
    return channel == NOTICE_LETTER ? "email" : channel == NOTICE_WEBHOOK ? "webhook" : "unknown";
}

void notice_name(struct notice *notice, const char *cause)
{
    ASSERT(strlen(cause) < NOTICE_CAUSE_BYTES);
    snprintf(notice->id, sizeof notice->id, "%016" PRIx64 ":%c:%s", notice->account,
             notice->channel == NOTICE_LETTER ? 'm' : 'w', cause);
}

/* What a record borrows while it is written. */
struct texts {
    char account[ACCOUNT_ID_BYTES], log[LOG_BYTES];
};

static void encode(const struct notice *notice, struct texts *texts, struct store_record *record_r)
{
    int64_t due = (int64_t)notice->due_ms;
    bool waits = notice->state == NOTICE_WAITING, letter = notice->channel == NOTICE_LETTER;
    account_id_text(notice->account, texts->account);
    snprintf(texts->log, sizeof texts->log, "%s:%016" PRIx64, texts->account,
             UINT64_MAX - notice->created_ms);
    *record_r = (struct store_record){ .id = notice->id, .version = notice->version };
    struct store_value *values = record_r->values;
    values[ACCOUNT] = store_text(texts->account);
    values[LOG] = store_text(texts->log);
    values[KIND] = store_int(notice->kind);
    values[CHANNEL] = store_int(notice->channel);
    values[STATE] = store_int(notice->state);
    values[LETTER_DUE_MS] = store_int(waits && letter ? due : NEVER);
    values[WEBHOOK_DUE_MS] = store_int(waits && !letter ? due : NEVER);
    values[FORGET_MS] = store_int(waits ? NEVER : due);
    values[CREATED_MS] = store_int((int64_t)notice->created_ms);
    values[UNTIL_MS] = store_int((int64_t)notice->until_ms);
    values[TRIES] = store_int((int64_t)notice->tries);
    values[RESULT] = store_text(notice->result);
    values[BODY] = store_text(notice->body);
}

/* One that is damaged keeps what says whose and when it is, so that it can be given up. */
static void decode(const struct store_record *record, struct notice *notice_r)
{
    const struct store_value *values = record->values;
    uint64_t kind = 0, channel = 0, state = 0;
    const struct store_value id = { .bytes = span_text(record->id) };
    memset(notice_r, 0, sizeof *notice_r);
    bool valid = field_text(&id, notice_r->id, sizeof notice_r->id) &&
                 field_account(&values[ACCOUNT], &notice_r->account) &&
                 field_number(&values[KIND], &kind) && field_number(&values[CHANNEL], &channel) &&
                 field_number(&values[STATE], &state) &&
                 field_number(&values[CREATED_MS], &notice_r->created_ms) &&
                 field_number(&values[UNTIL_MS], &notice_r->until_ms) &&
                 field_number(&values[TRIES], &notice_r->tries) &&
                 field_text(&values[RESULT], notice_r->result, sizeof notice_r->result) &&
                 field_text(&values[BODY], notice_r->body, sizeof notice_r->body) &&
                 notice_type((enum notice_kind)kind) != NULL;
    notice_r->channel = channel == NOTICE_WEBHOOK ? NOTICE_WEBHOOK : NOTICE_LETTER;
    notice_r->state = state >= NOTICE_WAITING && state <= NOTICE_WITHHELD ? (enum notice_state)state
                                                                          : NOTICE_WAITING;
    const struct store_value *due = notice_r->state != NOTICE_WAITING    ? &values[FORGET_MS]
                                    : notice_r->channel == NOTICE_LETTER ? &values[LETTER_DUE_MS]
                                                                         : &values[WEBHOOK_DUE_MS];
    notice_r->due_ms = (uint64_t)due->integer;
    notice_r->kind = valid ? (enum notice_kind)kind : (enum notice_kind)0;
    notice_r->version = record->version;
}

enum store_outcome notice_insert_all(struct store *store, struct notice *notices, size_t count,
                                     size_t *fresh_r, struct error *error)
{
    struct store_write writes[NOTICE_BATCH_MAX];
    struct texts texts[NOTICE_BATCH_MAX];
    ASSERT(count <= NOTICE_BATCH_MAX);
    *fresh_r = 0;
    for (size_t i = 0; i < count; i++) {
        struct notice *notice = &notices[i];
        notice->state = NOTICE_WAITING;
        notice->due_ms = notice->created_ms;
        writes[i] = (struct store_write){ .verb = STORE_INSERT, .collection = &notice_collection };
        encode(notice, &texts[i], &writes[i].record);
    }
    if (count == 0)
        return STORE_DONE;
    enum store_outcome outcome = store_apply(store, writes, count, error);
    for (size_t i = 0; i < count; i++) {
        *fresh_r += writes[i].outcome == STORE_DONE;
        notices[i].version = writes[i].outcome == STORE_DONE;
    }
    return outcome;
}

enum store_outcome notice_insert(struct store *store, struct notice *notice, struct error *error)
{
    size_t fresh;
    enum store_outcome outcome = notice_insert_all(store, notice, 1, &fresh, error);
    return outcome == STORE_DONE && fresh == 0 ? STORE_EXISTS : outcome;
}

enum store_outcome notice_get(struct store *store, const char *id, struct notice *notice_r,
                              struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome = store_get(store, &notice_collection, id, &arena, &record, error);
    if (outcome == STORE_DONE)
        decode(&record, notice_r);
    return outcome;
}

struct found {
    struct notice *notices;
    size_t count, limit;
};

static bool visit(void *context, const struct store_record *record)
{
    struct found *found = context;
    decode(record, &found->notices[found->count++]);
    return found->count < found->limit;
}

static enum store_outcome find(struct store *store, const struct store_query *query,
                               struct notice *notices_r, size_t *count_r, struct error *error)
{
    struct found found = { notices_r, 0, query->limit };
    enum store_outcome outcome = store_find(store, &notice_collection, query, visit, &found, error);
    *count_r = found.count;
    return outcome;
}

enum store_outcome notice_due(struct store *store, enum notice_channel channel, uint64_t now_ms,
                              struct notice *notice_r, struct error *error)
{
    const struct store_query query = {
        .field = channel == NOTICE_LETTER ? "letter_due_ms" : "webhook_due_ms",
        .has_high = true,
        .high = store_int((int64_t)now_ms),
        .limit = 1,
    };
    size_t count;
    enum store_outcome outcome = find(store, &query, notice_r, &count, error);
    return outcome == STORE_DONE && count == 0 ? STORE_MISSING : outcome;
}

enum store_outcome notice_save(struct store *store, struct notice *notice, struct error *error)
{
    struct texts texts;
    struct store_record record;
    encode(notice, &texts, &record);
    enum store_outcome outcome =
        versioned_write(store, STORE_REPLACE, &notice_collection, &record, error);
    notice->version += outcome == STORE_DONE;
    return outcome;
}

enum store_outcome notice_forget(struct store *store, uint64_t now_ms, size_t limit,
                                 struct error *error)
{
    struct notice old[8];
    const struct store_query query = { .field = "forget_ms",
                                       .has_high = true,
                                       .high = store_int((int64_t)now_ms),
                                       .limit = sizeof old / sizeof *old };
    enum store_outcome outcome = STORE_DONE;
    size_t count = query.limit;
    for (size_t done = 0; done < limit && count == query.limit; done += count) {
        outcome = find(store, &query, old, &count, error);
        for (size_t i = 0; i < count && outcome == STORE_DONE; i++)
            outcome = versioned_delete(store, &notice_collection, old[i].id, old[i].version, error);
        if (outcome != STORE_DONE && outcome != STORE_CONFLICT) /* another deletes them too */
            return outcome;
    }
    return STORE_DONE;
}

static bool count_one(void *context, const struct store_record *record)
{
    (void)record;
    ++*(size_t *)context;
    return true;
}

enum store_outcome notice_count_waiting(struct store *store, size_t limit, size_t *count_r,
                                        struct error *error)
{
    const struct store_query query = { .field = "state",
                                       .has_low = true,
                                       .has_high = true,
                                       .low = store_int(NOTICE_WAITING),
                                       .high = store_int(NOTICE_WAITING),
                                       .limit = limit };
    *count_r = 0;
    return store_find(store, &notice_collection, &query, count_one, count_r, error);
}

enum store_outcome notice_list(struct store *store, uint64_t account, size_t limit,
                               struct notice *notices_r, size_t *count_r, struct error *error)
{
    char low[LOG_BYTES], high[LOG_BYTES], id[ACCOUNT_ID_BYTES];
    account_id_text(account, id);
    snprintf(low, sizeof low, "%s:", id);
    snprintf(high, sizeof high, "%s;", id); /* the character behind the colon */
    const struct store_query query = { .field = "log",
                                       .has_low = true,
                                       .has_high = true,
                                       .low = store_text(low),
                                       .high = store_text(high),
                                       .limit = limit };
    return find(store, &query, notices_r, count_r, error);
}
