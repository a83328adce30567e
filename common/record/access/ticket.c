#include "record/access/ticket.h"

#include <stdio.h>

enum ticket_field { SECRET, EXPIRES_MS, EMAIL, FIELDS };
enum { ID_BYTES = ACCOUNT_ID_BYTES + 4, ATTEMPTS = 3 };

static const struct store_field fields[FIELDS] = {
    [SECRET] = { "secret", STORE_BYTES, false },
    [EXPIRES_MS] = { "expires_ms", STORE_INT, false },
    [EMAIL] = { "email", STORE_TEXT, false },
};

const struct store_collection ticket_collection = { "tickets", fields, FIELDS };

static void id_of(uint64_t account_id, enum ticket_kind kind, char id_r[ID_BYTES])
{
    snprintf(id_r, ID_BYTES, "%016llx:%u", (unsigned long long)account_id, (unsigned)kind % 100);
}

enum store_outcome ticket_get(struct store *store, uint64_t account_id, enum ticket_kind kind,
                              struct ticket *ticket_r, struct error *error)
{
    char id[ID_BYTES];
    uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    id_of(account_id, kind, id);
    memset(ticket_r, 0, sizeof *ticket_r);
    enum store_outcome outcome = store_get(store, &ticket_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    ticket_r->account_id = account_id;
    ticket_r->kind = kind;
    ticket_r->version = record.version;
    if (field_bytes(&record.values[SECRET], ticket_r->secret, sizeof ticket_r->secret) &&
        field_number(&record.values[EXPIRES_MS], &ticket_r->expires_ms) &&
        field_text(&record.values[EMAIL], ticket_r->email, sizeof ticket_r->email))
        return STORE_DONE;
    (void)field_damaged(error, "ticket", id);
    return STORE_FAILED;
}

enum store_outcome ticket_put(struct store *store, const struct ticket *ticket, struct error *error)
{
    char id[ID_BYTES];
    struct ticket last;
    id_of(ticket->account_id, ticket->kind, id);
    struct store_record record = { .id = id };
    record.values[SECRET] = store_bytes(span_of(ticket->secret, sizeof ticket->secret));
    record.values[EXPIRES_MS] = store_int((int64_t)ticket->expires_ms);
    record.values[EMAIL] = store_text(ticket->email);
    enum store_outcome outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && (outcome == STORE_CONFLICT || outcome == STORE_EXISTS); i++) {
        outcome = ticket_get(store, ticket->account_id, ticket->kind, &last, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return outcome;
        record.version = last.version;
        outcome = versioned_write(store, outcome == STORE_DONE ? STORE_REPLACE : STORE_INSERT,
                                  &ticket_collection, &record, error);
    }
    return outcome;
}

enum store_outcome ticket_use(struct store *store, const struct ticket *ticket, struct error *error)
{
    char id[ID_BYTES];
    id_of(ticket->account_id, ticket->kind, id);
    return versioned_delete(store, &ticket_collection, id, ticket->version, error);
}
