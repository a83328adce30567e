#include "record/member/member.h"

#include <stdio.h>

enum {
    F_WALLET,
    F_NAME,
    F_KEY,
    F_STAKE,
    F_SCORE,
    F_ENDPOINT,
    F_SEEN_MS,
    F_SAID_MS,
    F_SOURCE,
    F_STALE,
    F_DECAY_TURN,
    F_EPOCH,
    F_CAUSES,
    F_COUNT,
};
enum { CAUSE_BYTES = 8, READ_BYTES = 8192 };

static const struct store_field fields[F_COUNT] = {
    [F_WALLET] = { "wallet", STORE_TEXT, false },
    [F_NAME] = { "name", STORE_TEXT, false },
    [F_KEY] = { "key", STORE_BYTES, false },
    [F_STAKE] = { "stake", STORE_INT, false },
    [F_SCORE] = { "score", STORE_INT, false },
    [F_ENDPOINT] = { "endpoint", STORE_TEXT, false },
    [F_SEEN_MS] = { "seen_ms", STORE_INT, false },
    [F_SAID_MS] = { "said_ms", STORE_INT, false },
    [F_SOURCE] = { "source", STORE_INT, false },
    [F_STALE] = { "stale", STORE_INT, false },
    [F_DECAY_TURN] = { "decay_turn", STORE_INT, false },
    [F_EPOCH] = { "epoch", STORE_INT, false },
    [F_CAUSES] = { "causes", STORE_BYTES, false },
};
const struct store_collection validator_collection = { "validators", fields, F_COUNT };
const struct store_collection pool_collection = { "pools", fields, F_COUNT };

static const struct store_collection *collection_of(enum member_kind kind)
{
    return kind == MEMBER_VALIDATOR ? &validator_collection : &pool_collection;
}

const char *member_source_name(enum member_source source)
{
    switch (source) {
    case MEMBER_OWN:
        return "own";
    case MEMBER_LISTED:
        return "list";
    case MEMBER_GONE:
        return "gone";
    }
    return "unknown";
}

bool member_has_key(const struct member *member)
{
    static const uint8_t none[MEMBER_KEY_BYTES];
    return memcmp(member->key, none, sizeof none) != 0;
}

bool member_id_is_good(const char *id)
{
    size_t length = strlen(id);
    for (size_t i = 0; i < length; i++)
        if (id[i] <= ' ' || id[i] > '~')
            return false;
    return length > 0 && length < MEMBER_ID_BYTES;
}

void member_own_id(const uint8_t key[MEMBER_KEY_BYTES], char id_r[MEMBER_ID_BYTES])
{
    char hex[2 * MEMBER_KEY_BYTES + 1];
    hex_encode(span_of(key, MEMBER_KEY_BYTES), hex);
    snprintf(id_r, MEMBER_ID_BYTES, "own:%s", hex);
}

static enum store_outcome write(struct store *store, enum store_verb verb,
                                const struct member *member, uint64_t epoch, struct error *error)
{
    uint8_t causes[MEMBER_CAUSES * CAUSE_BYTES];
    for (size_t i = 0; i < member->cause_count; i++)
        store_be64(causes + i * CAUSE_BYTES, member->causes[i]);
    struct store_write one = { .verb = verb,
                               .collection = collection_of(member->kind),
                               .record = { .id = member->id, .version = member->version } };
    struct store_value *values = one.record.values;
    values[F_WALLET] = store_text(member->wallet);
    values[F_NAME] = store_text(member->name);
    values[F_KEY] = store_bytes(span_of(member->key, sizeof member->key));
    values[F_STAKE] = store_int(member->stake);
    values[F_SCORE] = store_int(member->score);
    values[F_ENDPOINT] = store_text(member->endpoint);
    values[F_SEEN_MS] = store_int((int64_t)member->seen_ms);
    values[F_SAID_MS] = store_int((int64_t)member->said_ms);
    values[F_SOURCE] = store_int(member->source);
    values[F_STALE] = store_int(member->stale);
    values[F_DECAY_TURN] = store_int((int64_t)member->decay_turn);
    values[F_EPOCH] = store_int((int64_t)epoch);
    values[F_CAUSES] = store_bytes(span_of(causes, member->cause_count * CAUSE_BYTES));
    enum store_outcome outcome = store_apply(store, &one, 1, error);
    return outcome == STORE_DONE ? one.outcome : outcome;
}

enum store_outcome member_insert(struct store *store, struct member *member, uint64_t epoch,
                                 struct error *error)
{
    ASSERT(member_id_is_good(member->id));
    enum store_outcome outcome = write(store, STORE_INSERT, member, epoch, error);
    if (outcome == STORE_DONE) {
        member->version = 1;
        member->epoch = epoch;
    }
    return outcome;
}

enum store_outcome member_save(struct store *store, struct member *member, uint64_t epoch,
                               struct error *error)
{
    if (member->epoch > epoch)
        return STORE_CONFLICT;
    enum store_outcome outcome = write(store, STORE_REPLACE, member, epoch, error);
    if (outcome == STORE_DONE) {
        member->version++;
        member->epoch = epoch;
    }
    return outcome;
}

bool member_knows_cause(const struct member *member, uint64_t cause)
{
    for (size_t i = 0; i < member->cause_count; i++)
        if (member->causes[i] == cause)
            return true;
    return false;
}

static void remember_cause(struct member *member, uint64_t cause)
{
    if (member->cause_count == MEMBER_CAUSES) {
        memmove(member->causes, member->causes + 1, (MEMBER_CAUSES - 1) * sizeof *member->causes);
        member->cause_count--;
    }
    member->causes[member->cause_count++] = cause;
}

enum store_outcome member_set_score(struct store *store, struct member *member, uint32_t score,
                                    uint64_t cause, uint64_t epoch, struct error *error)
{
    if (member_knows_cause(member, cause))
        return STORE_EXISTS;
    struct member next = *member;
    next.score = score;
    remember_cause(&next, cause);
    enum store_outcome outcome = member_save(store, &next, epoch, error);
    if (outcome == STORE_DONE)
        *member = next;
    return outcome;
}

static bool take_text(struct span text, char *text_r, size_t bytes)
{
    if (text.length >= bytes)
        return false;
    if (text.length > 0)
        memcpy(text_r, text.data, text.length);
    text_r[text.length] = '\0';
    return true;
}

static bool decode(enum member_kind kind, const struct store_record *record,
                   struct member *member_r, struct error *error)
{
    const struct store_value *values = record->values;
    struct span key = values[F_KEY].bytes, causes = values[F_CAUSES].bytes;
    int64_t stake = values[F_STAKE].integer, score = values[F_SCORE].integer;
    int64_t source = values[F_SOURCE].integer;
    *member_r = (struct member){
        .kind = kind,
        .stake = (uint32_t)stake,
        .score = (uint32_t)score,
        .seen_ms = (uint64_t)values[F_SEEN_MS].integer,
        .said_ms = (uint64_t)values[F_SAID_MS].integer,
        .source = (enum member_source)source,
        .stale = values[F_STALE].integer != 0,
        .decay_turn = (uint64_t)values[F_DECAY_TURN].integer,
        .epoch = (uint64_t)values[F_EPOCH].integer,
        .cause_count = causes.length / CAUSE_BYTES,
        .version = record->version,
    };
    if (!member_id_is_good(record->id) || key.length != MEMBER_KEY_BYTES || stake < 0 ||
        stake > MEMBER_STAKE_WHOLE || score < 0 || score > UINT32_MAX || source < MEMBER_OWN ||
        source > MEMBER_GONE || causes.length % CAUSE_BYTES != 0 ||
        member_r->cause_count > MEMBER_CAUSES ||
        !take_text(values[F_WALLET].bytes, member_r->wallet, sizeof member_r->wallet) ||
        !take_text(values[F_NAME].bytes, member_r->name, sizeof member_r->name) ||
        !take_text(values[F_ENDPOINT].bytes, member_r->endpoint, sizeof member_r->endpoint))
        return error_set(error, ERROR_INVALID, "the store's %s \"%s\" is damaged",
                         kind == MEMBER_VALIDATOR ? "validator" : "pool", record->id);
    snprintf(member_r->id, sizeof member_r->id, "%s", record->id);
    memcpy(member_r->key, key.data, sizeof member_r->key);
    for (size_t i = 0; i < member_r->cause_count; i++)
        member_r->causes[i] = load_be64(causes.data + i * CAUSE_BYTES);
    return true;
}

enum store_outcome member_get(struct store *store, enum member_kind kind, const char *id,
                              struct member *member_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome = store_get(store, collection_of(kind), id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    return decode(kind, &record, member_r, error) ? STORE_DONE : STORE_FAILED;
}

struct walk {
    enum member_kind kind;
    member_visitor visit;
    void *context;
    struct error *error;
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct member member;
    walk->damaged = !decode(walk->kind, record, &member, walk->error);
    return !walk->damaged && walk->visit(walk->context, &member);
}

enum store_outcome member_walk(struct store *store, enum member_kind kind, member_visitor visit,
                               void *context, struct error *error)
{
    struct walk walk = { kind, visit, context, error, false };
    struct store_query query = { .field = "id" };
    enum store_outcome outcome =
        store_find(store, collection_of(kind), &query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}
