#include "record/access/letter.h"

#include <stdio.h>

enum letter_field { NEXT_MS, EXPIRES_MS, TRIES, SEALED, FIELDS };

static const struct store_field fields[FIELDS] = {
    [NEXT_MS] = { "next_ms", STORE_INT, true },
    [EXPIRES_MS] = { "expires_ms", STORE_INT, false },
    [TRIES] = { "tries", STORE_INT, false },
    [SEALED] = { "sealed", STORE_BYTES, false },
};

const struct store_collection letter_collection = { "letters", fields, FIELDS };

enum { PLACES_TRIED = 16, STEP = 1549 /* prime: every place is reached */ };

static enum store_outcome write(struct store *store, enum store_verb verb,
                                const struct letter *letter, struct error *error)
{
    struct store_record record = { .id = letter->id, .version = letter->version };
    record.values[NEXT_MS] = store_int((int64_t)letter->next_ms);
    record.values[EXPIRES_MS] = store_int((int64_t)letter->expires_ms);
    record.values[TRIES] = store_int((int64_t)letter->tries);
    record.values[SEALED] = store_bytes(span_of(letter->sealed, sizeof letter->sealed));
    return versioned_write(store, verb, &letter_collection, &record, error);
}

enum store_outcome letter_insert(struct store *store, struct letter *letter, uint64_t seed,
                                 struct error *error)
{
    enum store_outcome outcome = STORE_EXISTS;
    for (uint64_t i = 0; i < PLACES_TRIED && outcome == STORE_EXISTS; i++) {
        snprintf(letter->id, sizeof letter->id, "%04x",
                 (unsigned)((seed % LETTERS_MAX + i * STEP) % LETTERS_MAX));
        outcome = write(store, STORE_INSERT, letter, error);
    }
    return outcome;
}

struct due {
    struct letter *letter;
    bool found;
};

/* One that is damaged is read as one that nobody can open: it is given up, and stops no other. */
static bool visit(void *context, const struct store_record *record)
{
    struct due *due = context;
    struct letter *letter = due->letter;
    const struct store_value *values = record->values;
    const struct store_value id = { .bytes = span_text(record->id) };
    due->found = field_text(&id, letter->id, sizeof letter->id);
    if (!field_number(&values[NEXT_MS], &letter->next_ms) ||
        !field_number(&values[EXPIRES_MS], &letter->expires_ms) ||
        !field_number(&values[TRIES], &letter->tries) ||
        !field_bytes(&values[SEALED], letter->sealed, sizeof letter->sealed))
        memset(letter->sealed, 0, sizeof letter->sealed);
    letter->version = record->version;
    return false;
}

enum store_outcome letter_due(struct store *store, uint64_t now_ms, struct letter *letter_r,
                              struct error *error)
{
    struct due due = { letter_r, false };
    const struct store_query query = {
        .field = "next_ms", .has_high = true, .high = store_int((int64_t)now_ms), .limit = 1
    };
    memset(letter_r, 0, sizeof *letter_r);
    enum store_outcome outcome = store_find(store, &letter_collection, &query, visit, &due, error);
    if (outcome != STORE_DONE)
        return STORE_FAILED;
    return due.found ? STORE_DONE : STORE_MISSING;
}

enum store_outcome letter_save(struct store *store, struct letter *letter, struct error *error)
{
    enum store_outcome outcome = write(store, STORE_REPLACE, letter, error);
    letter->version += outcome == STORE_DONE;
    return outcome;
}

enum store_outcome letter_delete(struct store *store, const struct letter *letter,
                                 struct error *error)
{
    return versioned_delete(store, &letter_collection, letter->id, letter->version, error);
}
