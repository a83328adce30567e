#include "record/proof/proof_record.h"

#include <stdio.h>

enum { FIELD_BLOCK, FIELD_HEIGHT, FIELD_EPOCH, FIELD_TIME_MS, FIELD_HEAD, FIELD_BODY, FIELD_COUNT };

static const struct store_field fields[FIELD_COUNT] = {
    [FIELD_BLOCK] = { "block", STORE_TEXT, true },
    [FIELD_HEIGHT] = { "height", STORE_INT, false },
    [FIELD_EPOCH] = { "epoch", STORE_INT, false },
    [FIELD_TIME_MS] = { "time_ms", STORE_INT, false },
    [FIELD_HEAD] = { "head", STORE_BYTES, false },
    [FIELD_BODY] = { "body", STORE_BYTES, false },
};
const struct store_collection proof_collection = { "proofs", fields, FIELD_COUNT };

enum { ID_BYTES = 24, HASH_TEXT_BYTES = 65 };

static void show_number(uint64_t number, char text_r[ID_BYTES])
{
    snprintf(text_r, ID_BYTES, "%020llu", (unsigned long long)number);
}

static void show_hash(const uint8_t hash[32], char text_r[HASH_TEXT_BYTES])
{
    uint8_t shown[32];
    bytes_reverse(hash, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), text_r);
}

enum store_outcome proof_link_append(struct store *store, struct proof_link *link,
                                     struct error *error)
{
    const struct proof_statement *statement = &link->statement;
    ASSERT(statement->number >= 1);
    char id[ID_BYTES], block[HASH_TEXT_BYTES];
    uint8_t body[PROOF_STATEMENT_BYTES];
    show_number(statement->number, id);
    show_hash(statement->block_hash, block);
    proof_statement_encode(statement, body);
    proof_head(statement, link->head);
    struct store_write write = {
        .verb = STORE_INSERT,
        .collection = &proof_collection,
        .record = { .id = id,
                    .values = { [FIELD_BLOCK] = store_text(block),
                                [FIELD_HEIGHT] = store_int(statement->height),
                                [FIELD_EPOCH] = store_int((int64_t)link->epoch),
                                [FIELD_TIME_MS] = store_int((int64_t)link->time_ms),
                                [FIELD_HEAD] = store_bytes(span_of(link->head, sizeof link->head)),
                                [FIELD_BODY] = store_bytes(span_of(body, sizeof body)) } }
    };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

static bool decode(const struct store_record *record, struct proof_link *link_r,
                   struct error *error)
{
    const struct store_value *values = record->values;
    uint8_t head[PROOF_HASH_BYTES];
    char id[ID_BYTES];
    bool ok = proof_statement_decode(values[FIELD_BODY].bytes, &link_r->statement);
    if (ok) {
        show_number(link_r->statement.number, id);
        proof_head(&link_r->statement, head);
        memcpy(link_r->head, head, sizeof head);
        ok = strcmp(id, record->id) == 0 &&
             span_equal(values[FIELD_HEAD].bytes, span_of(head, sizeof head));
    }
    link_r->epoch = (uint64_t)values[FIELD_EPOCH].integer;
    link_r->time_ms = (uint64_t)values[FIELD_TIME_MS].integer;
    return ok || error_set(error, ERROR_INVALID, "the store's proof \"%s\" is damaged", record->id);
}

struct walk {
    proof_visitor visit;
    void *context;
    struct error *error;
    uint64_t expected; /* 0: any */
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct proof_link link;
    if (!decode(record, &link, walk->error)) {
        walk->damaged = true;
        return false;
    }
    if (walk->expected != 0 && link.statement.number != walk->expected++) {
        error_fill(walk->error, ERROR_INVALID, "the store's proof %llu is missing",
                   (unsigned long long)walk->expected - 1);
        walk->damaged = true;
        return false;
    }
    return walk->visit(walk->context, &link);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              struct walk *walk)
{
    enum store_outcome outcome =
        store_find(store, &proof_collection, query, on_record, walk, walk->error);
    return walk->damaged ? STORE_FAILED : outcome;
}

struct copy {
    struct proof_link *link_r;
    bool found;
};

static bool copy_one(void *context, const struct proof_link *link)
{
    struct copy *copy = context;
    *copy->link_r = *link;
    copy->found = true;
    return false;
}

static enum store_outcome run_for_one(struct store *store, const struct store_query *query,
                                      struct proof_link *link_r, struct error *error)
{
    struct copy copy = { link_r, false };
    struct walk walk = { copy_one, &copy, error, 0, false };
    enum store_outcome outcome = run(store, query, &walk);
    return outcome == STORE_DONE && !copy.found ? STORE_MISSING : outcome;
}

enum store_outcome proof_link_newest(struct store *store, struct proof_link *link_r,
                                     struct error *error)
{
    struct store_query query = { .field = "id", .order = STORE_DESCENDING, .limit = 1 };
    return run_for_one(store, &query, link_r, error);
}

static enum store_outcome find_text(struct store *store, const char *field, const char *text,
                                    struct proof_link *link_r, struct error *error)
{
    struct store_query query = { .field = field,
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(text),
                                 .high = store_text(text),
                                 .limit = 1 };
    return run_for_one(store, &query, link_r, error);
}

enum store_outcome proof_link_get(struct store *store, uint64_t number, struct proof_link *link_r,
                                  struct error *error)
{
    char id[ID_BYTES];
    show_number(number, id);
    return find_text(store, "id", id, link_r, error);
}

enum store_outcome proof_link_of_block(struct store *store, const uint8_t block_hash[32],
                                       struct proof_link *link_r, struct error *error)
{
    char block[HASH_TEXT_BYTES];
    show_hash(block_hash, block);
    return find_text(store, "block", block, link_r, error);
}

enum store_outcome proof_link_walk(struct store *store, uint64_t after, size_t limit,
                                   proof_visitor visit, void *context, struct error *error)
{
    char low[ID_BYTES];
    show_number(after + 1, low);
    struct store_query query = {
        .field = "id", .has_low = true, .low = store_text(low), .limit = limit
    };
    struct walk walk = { visit, context, error, after + 1, false };
    return run(store, &query, &walk);
}
