/* Headers of posting sets. */
#include "record/ledger/keys.h"

enum set_field {
    F_STATE,
    F_CAUSE,
    F_KIND,
    F_SUBJECT,
    F_GENERATION,
    F_LEG_COUNT,
    F_SUM,
    F_HASH,
    F_EVENT_SEQUENCE,
    F_EPOCH,
    F_TIME_MS,
    F_COUNT,
};

static const struct store_field fields[F_COUNT] = {
    [F_STATE] = { "state", STORE_INT, true },
    [F_CAUSE] = { "cause", STORE_TEXT, true },
    [F_KIND] = { "kind", STORE_INT, false },
    [F_SUBJECT] = { "subject", STORE_BYTES, false },
    [F_GENERATION] = { "generation", STORE_INT, false },
    [F_LEG_COUNT] = { "leg_count", STORE_INT, false },
    [F_SUM] = { "sum", STORE_INT, false },
    [F_HASH] = { "hash", STORE_BYTES, false },
    [F_EVENT_SEQUENCE] = { "event_sequence", STORE_INT, true },
    [F_EPOCH] = { "epoch", STORE_INT, false },
    [F_TIME_MS] = { "time_ms", STORE_INT, false },
};

const struct store_collection set_collection = { "sets", fields, F_COUNT };

/* A write with the texts it points to. */
struct set_write {
    struct store_write write;
    char id[KEY_SEQUENCE_BYTES];
    char cause[LEDGER_CAUSE_BYTES];
};

static void encode(const struct set_record *set, enum store_verb verb, struct set_write *write_r)
{
    key_sequence(set->seq, write_r->id);
    ledger_cause_format(&set->cause, write_r->cause);
    write_r->write = (struct store_write){ .verb = verb, .collection = &set_collection };
    struct store_record *record = &write_r->write.record;
    record->id = write_r->id;
    record->version = set->version;
    struct store_value *values = record->values;
    values[F_STATE] = store_int(set->state);
    values[F_CAUSE] = store_text(write_r->cause);
    values[F_KIND] = store_int(set->cause.kind);
    values[F_SUBJECT] = store_bytes(span_of(set->cause.subject, sizeof set->cause.subject));
    values[F_GENERATION] = store_int(set->cause.generation);
    values[F_LEG_COUNT] = store_int(set->digest.leg_count);
    values[F_SUM] = store_int((int64_t)set->digest.sum);
    values[F_HASH] = store_bytes(span_of(set->digest.hash, sizeof set->digest.hash));
    values[F_EVENT_SEQUENCE] = store_int((int64_t)set->event_sequence);
    values[F_EPOCH] = store_int((int64_t)set->epoch);
    values[F_TIME_MS] = store_int((int64_t)set->time_ms);
}

static bool decode(const struct store_record *record, struct set_record *set_r)
{
    const struct store_value *values = record->values;
    u128 seq;
    int64_t state = values[F_STATE].integer, kind = values[F_KIND].integer;
    if (!u128_parse(record->id, strlen(record->id), &seq) || seq > UINT64_MAX || state < SET_OPEN ||
        state > SET_APPLIED || kind < LEDGER_FOUND || kind > LEDGER_CAUSE_LAST)
        return false;
    *set_r = (struct set_record){
        .seq = (uint64_t)seq,
        .state = (enum set_state)state,
        .cause = { .kind = (enum ledger_cause_kind)kind,
                   .generation = (uint32_t)values[F_GENERATION].integer },
        .digest = { .leg_count = (uint32_t)values[F_LEG_COUNT].integer,
                    .sum = (uint64_t)values[F_SUM].integer },
        .event_sequence = (uint64_t)values[F_EVENT_SEQUENCE].integer,
        .epoch = (uint64_t)values[F_EPOCH].integer,
        .time_ms = (uint64_t)values[F_TIME_MS].integer,
        .version = record->version,
    };
    return key_copy(values[F_SUBJECT].bytes, set_r->cause.subject, 32) &&
           key_copy(values[F_HASH].bytes, set_r->digest.hash, 32);
}

enum store_outcome set_insert(struct store *store, struct set_record *set, struct error *error)
{
    struct set_write write;
    encode(set, STORE_INSERT, &write);
    enum store_outcome outcome = store_apply(store, &write.write, 1, error);
    if (outcome == STORE_DONE)
        outcome = write.write.outcome; /* DONE or EXISTS */
    if (outcome == STORE_DONE)
        set->version = 1;
    return outcome;
}

enum store_outcome set_advance(struct store *store, struct set_record *set, enum set_state to,
                               struct error *error)
{
    struct set_record next = *set;
    ASSERT(to == set->state + 1);
    next.state = to;
    struct set_write write;
    encode(&next, STORE_REPLACE, &write);
    enum store_outcome outcome = store_apply(store, &write.write, 1, error);
    if (outcome == STORE_DONE) {
        next.version++;
        *set = next;
    }
    return outcome;
}

struct set_search {
    struct set_record *set_r;
    set_visitor visit;
    void *context;
    bool found;
    bool broken;
};

static bool on_set(void *context, const struct store_record *record)
{
    struct set_search *search = context;
    struct set_record set;
    if (!decode(record, &set)) {
        search->broken = true;
        return false;
    }
    search->found = true;
    if (search->set_r != NULL) {
        *search->set_r = set;
        return false;
    }
    return search->visit(search->context, &set);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              struct set_search *search, struct error *error)
{
    enum store_outcome outcome = store_find(store, &set_collection, query, on_set, search, error);
    if (outcome == STORE_DONE && search->broken) {
        error_fill(error, ERROR_INVALID, "a posting set's header in the store is damaged");
        return STORE_FAILED;
    }
    if (outcome == STORE_DONE && search->set_r != NULL && !search->found)
        return STORE_MISSING;
    return outcome;
}

enum store_outcome set_get(struct store *store, uint64_t seq, struct set_record *set_r,
                           struct error *error)
{
    char id[KEY_SEQUENCE_BYTES];
    key_sequence(seq, id);
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(id),
                                 .high = store_text(id),
                                 .limit = 1 };
    return run(store, &query, &(struct set_search){ .set_r = set_r }, error);
}

enum store_outcome set_of_cause(struct store *store, const struct ledger_cause *cause,
                                struct set_record *set_r, struct error *error)
{
    char text[LEDGER_CAUSE_BYTES];
    ledger_cause_format(cause, text);
    struct store_query query = { .field = "cause",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(text),
                                 .high = store_text(text),
                                 .limit = 1 };
    return run(store, &query, &(struct set_search){ .set_r = set_r }, error);
}

enum store_outcome set_newest(struct store *store, struct set_record *set_r, struct error *error)
{
    struct store_query query = { .field = "id", .order = STORE_DESCENDING, .limit = 1 };
    return run(store, &query, &(struct set_search){ .set_r = set_r }, error);
}

enum store_outcome set_newest_of_events(struct store *store, struct set_record *set_r,
                                        struct error *error)
{
    struct store_query query = { .field = "event_sequence",
                                 .has_low = true,
                                 .low = store_int(1),
                                 .order = STORE_DESCENDING,
                                 .limit = 1 };
    return run(store, &query, &(struct set_search){ .set_r = set_r }, error);
}

enum store_outcome set_walk(struct store *store, uint64_t first, set_visitor visit, void *context,
                            struct error *error)
{
    char id[KEY_SEQUENCE_BYTES];
    key_sequence(first, id);
    struct store_query query = { .field = "id", .has_low = true, .low = store_text(id) };
    return run(store, &query, &(struct set_search){ .visit = visit, .context = context }, error);
}

enum store_outcome set_walk_causes(struct store *store, set_visitor visit, void *context,
                                   struct error *error)
{
    struct store_query query = { .field = "cause" };
    return run(store, &query, &(struct set_search){ .visit = visit, .context = context }, error);
}
