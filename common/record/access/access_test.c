/* Sessions, grants, tickets, second factors, claims and events in the store. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/access/claim.h"
#include "record/access/event.h"
#include "record/access/factor.h"
#include "record/access/grant.h"
#include "record/access/keys.h"
#include "record/access/session.h"
#include "record/access/ticket.h"

#include <stdio.h>
#include <string.h>

static struct store *fresh(void)
{
    struct error error;
    struct store *store = store_fake_create();
    assert_true(access_declare(store, &error));
    return store;
}

static struct session session_of(uint64_t account, unsigned number)
{
    struct session session = { .account_id = account,
                               .generation = number,
                               .created_ms = 1000,
                               .used_ms = 2000,
                               .expires_ms = 3000,
                               .factor_given = true,
                               .client = "203.0.113.9" };
    snprintf(session.id, sizeof session.id, "%032x", number);
    memset(session.refresh, (int)number, sizeof session.refresh);
    return session;
}

static void a_session_is_kept_whole_and_saved_over_what_was_read(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct session session = session_of(7, 1), read, theirs, listed[8];
    size_t count;
    assert_int_equal(session_insert(store, &session, &error), STORE_DONE);
    assert_int_equal(session_insert(store, &session, &error), STORE_EXISTS);
    assert_int_equal(session_get(store, session.id, &read, &error), STORE_DONE);
    assert_memory_equal(&read, &session, sizeof read);
    theirs = read;
    read.generation = 2;
    assert_int_equal(session_save(store, &read, &error), STORE_DONE);
    assert_int_equal(session_save(store, &theirs, &error), STORE_CONFLICT);
    assert_int_equal(session_delete(store, &theirs, &error), STORE_CONFLICT);
    for (unsigned i = 2; i < 5; i++) {
        session = session_of(i == 4 ? 8 : 7, i);
        assert_int_equal(session_insert(store, &session, &error), STORE_DONE);
    }
    assert_int_equal(session_list(store, 7, 8, listed, &count, &error), STORE_DONE);
    assert_int_equal(count, 3);
    assert_int_equal(session_list(store, 7, 2, listed, &count, &error), STORE_DONE);
    assert_int_equal(count, 2);
    assert_int_equal(session_delete(store, &read, &error), STORE_DONE);
    assert_int_equal(session_get(store, read.id, &read, &error), STORE_MISSING);
    store_close(store);
}

static void a_session_counts_until_it_expires_and_its_account_says_so(void **state)
{
    (void)state;
    struct session session = session_of(7, 1);
    assert_true(session_is_live(&session, 0, 2999));
    assert_false(session_is_live(&session, 0, 3000));
    assert_true(session_is_live(&session, 1000, 2000));
    assert_false(session_is_live(&session, 1001, 2000));
}

static void grants_are_of_one_account(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct grant grant = { .id = "0011223344556677", .account_id = 7, .kind = GRANT_KEY }, read;
    struct grant listed[4];
    size_t count;
    strcpy(grant.name, "büro");
    grant.scopes = 5;
    assert_int_equal(grant_insert(store, &grant, &error), STORE_DONE);
    assert_int_equal(grant_get(store, grant.id, &read, &error), STORE_DONE);
    assert_memory_equal(&read, &grant, sizeof read);
    grant.used_ms = 9;
    assert_int_equal(grant_save(store, &grant, &error), STORE_DONE);
    assert_int_equal(grant_save(store, &read, &error), STORE_CONFLICT);
    assert_int_equal(grant_list(store, 8, 4, listed, &count, &error), STORE_DONE);
    assert_int_equal(count, 0);
    assert_int_equal(grant_list(store, 7, 4, listed, &count, &error), STORE_DONE);
    assert_int_equal(count, 1);
    assert_int_equal(listed[0].used_ms, 9);
    assert_int_equal(grant_delete(store, &listed[0], &error), STORE_DONE);
    assert_int_equal(grant_get(store, grant.id, &read, &error), STORE_MISSING);
    store_close(store);
}

static void of_one_kind_an_account_has_one_ticket_which_is_used_once(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct ticket first = { .account_id = 7, .kind = TICKET_RESET, .expires_ms = 5 }, read;
    strcpy(first.email, "a@b.cd");
    assert_int_equal(ticket_get(store, 7, TICKET_RESET, &read, &error), STORE_MISSING);
    assert_int_equal(ticket_put(store, &first, &error), STORE_DONE);
    struct ticket old;
    assert_int_equal(ticket_get(store, 7, TICKET_RESET, &old, &error), STORE_DONE);
    assert_string_equal(old.email, "a@b.cd");
    first.secret[0] = 9;
    assert_int_equal(ticket_put(store, &first, &error), STORE_DONE);
    assert_int_equal(ticket_use(store, &old, &error), STORE_CONFLICT);
    assert_int_equal(ticket_get(store, 7, TICKET_EMAIL, &read, &error), STORE_MISSING);
    assert_int_equal(ticket_get(store, 7, TICKET_RESET, &read, &error), STORE_DONE);
    assert_int_equal(read.secret[0], 9);
    assert_int_equal(ticket_use(store, &read, &error), STORE_DONE);
    assert_int_equal(ticket_use(store, &read, &error), STORE_CONFLICT);
    store_close(store);
}

static void of_two_who_change_a_factor_one_does(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    struct factor mine, theirs;
    assert_int_equal(factor_get(store, 7, &mine, &error), STORE_DONE);
    assert_int_equal(mine.state, FACTOR_OFF);
    theirs = mine;
    mine.state = FACTOR_ON;
    mine.step = 12;
    mine.recovery[9][15] = 3;
    mine.sealed[59] = 4;
    assert_int_equal(factor_save(store, &mine, &error), STORE_DONE);
    assert_int_equal(factor_save(store, &theirs, &error), STORE_CONFLICT);
    assert_int_equal(factor_get(store, 7, &theirs, &error), STORE_DONE);
    assert_memory_equal(&mine, &theirs, sizeof mine);
    store_close(store);
}

static void a_look_is_one_account_s_for_ever(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    const char *look = "00112233445566778899aabbccddeeff";
    for (int i = 0; i < 3; i++)
        assert_int_equal(claim_bind(store, look, 7, &error), ACCOUNT_BOUND);
    assert_int_equal(claim_bind(store, look, 8, &error), ACCOUNT_TAKEN);
    store_fake_away(store, true);
    assert_int_equal(claim_bind(store, look, 8, &error), ACCOUNT_FAILED);
    store_close(store);
}

static bool gather(void *context, const struct event *event)
{
    char *text = context;
    strcat(text, event->kind);
    return true;
}

static void an_account_sees_its_own_events_the_newest_first(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    for (uint64_t i = 0; i < 10; i++) {
        struct event event = { .account_id = 6 + i % 3, .time_ms = 100 + i, .actor = "owner" };
        snprintf(event.kind, sizeof event.kind, "%c", (char)('a' + i));
        for (int j = 0; j < 2; j++) /* the second time is the first */
            assert_int_equal(access_event_append(store, &event, 5, &error), STORE_DONE);
    }
    const struct {
        uint64_t account;
        bool all;
        uint64_t before;
        size_t limit;
        const char *kinds;
    } cases[] = {
        { 6, false, 0, 0, "jgda" },      { 7, false, 0, 0, "heb" },  { 7, false, 0, 2, "he" },
        { 7, false, 104, 2, "b" },       { 7, false, 101, 2, "" },   { 9, false, 0, 0, "" },
        { 0, true, 0, 0, "jihgfedcba" }, { 0, true, 105, 3, "edc" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char kinds[64] = "";
        assert_int_equal(access_event_walk(store, cases[i].account, cases[i].all, cases[i].before,
                                           NULL, cases[i].limit, gather, kinds, &error),
                         STORE_DONE);
        assert_string_equal(kinds, cases[i].kinds);
    }
    store_close(store);
}

static struct access_keys keys_of(uint64_t generation, uint8_t first, size_t count)
{
    struct access_keys keys = { .generation = generation, .said_s = 5000 + first, .count = count };
    for (size_t i = 0; i < count; i++)
        memset(keys.keys[i], (int)(first + i), ACCESS_KEY_BYTES);
    return keys;
}

static void keys_are_said_whole_and_a_later_generation_stays(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    const struct identity_key secret = { .bytes = { 1 } };
    struct access_keys read;
    assert_int_equal(access_keys_read(store, &secret, &read, &error), STORE_MISSING);
    for (size_t count = 1; count <= ACCESS_KEYS_MAX; count++) {
        const struct access_keys keys = keys_of(7, (uint8_t)count, count);
        assert_int_equal(access_keys_say(store, &secret, &keys, &error), STORE_DONE);
        assert_int_equal(access_keys_read(store, &secret, &read, &error), STORE_DONE);
        assert_memory_equal(&read, &keys, sizeof keys);
    }
    const struct access_keys later = keys_of(8, 99, 1), earlier = keys_of(7, 1, 2);
    assert_int_equal(access_keys_say(store, &secret, &later, &error), STORE_DONE);
    assert_int_equal(access_keys_say(store, &secret, &earlier, &error), STORE_EXISTS);
    assert_int_equal(access_keys_read(store, &secret, &read, &error), STORE_DONE);
    assert_memory_equal(&read, &later, sizeof later);
    store_close(store);
}

static void keys_are_believed_only_under_the_deployment_s_seal(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    const struct identity_key secret = { .bytes = { 1 } }, another = { .bytes = { 2 } };
    const struct access_keys keys = keys_of(7, 1, 2);
    struct access_keys read;
    assert_int_equal(access_keys_say(store, &secret, &keys, &error), STORE_DONE);
    assert_int_equal(access_keys_read(store, &another, &read, &error), STORE_FAILED);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_int_equal(read.count, 0);
    /* Each byte of the record counts, and so does its length. */
    _Alignas(max_align_t) uint8_t memory[2048], bytes[512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    assert_int_equal(store_get(store, &access_keys_collection, "auth", &arena, &record, &error),
                     STORE_DONE);
    struct span whole = record.values[0].bytes;
    assert_true(whole.length < sizeof bytes);
    for (size_t i = 0; i <= whole.length; i++) {
        memcpy(bytes, whole.data, whole.length);
        if (i < whole.length)
            bytes[i] ^= 0x10;
        struct store_write write = { .verb = STORE_REPLACE,
                                     .collection = &access_keys_collection,
                                     .record = record };
        write.record.version += i;
        write.record.values[0] =
            store_bytes(span_of(bytes, i < whole.length ? whole.length : whole.length - 1));
        assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
        assert_int_equal(access_keys_read(store, &secret, &read, &error), STORE_FAILED);
    }
    /* auth says them again over whatever stands there. */
    assert_int_equal(access_keys_say(store, &secret, &keys, &error), STORE_DONE);
    assert_int_equal(access_keys_read(store, &secret, &read, &error), STORE_DONE);
    store_close(store);
}

static void keys_are_said_through_every_fault_of_the_store(void **state)
{
    (void)state;
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE,
                                                    STORE_FAKE_CONFLICT };
    const struct identity_key secret = { .bytes = { 1 } };
    for (size_t i = 0; i < 2 * sizeof faults / sizeof *faults; i++) {
        struct store *store = fresh();
        struct error error;
        struct access_keys keys = keys_of(1, 1, 1), read;
        if (i % 2 == 1)
            assert_int_equal(access_keys_say(store, &secret, &keys, &error), STORE_DONE);
        keys = keys_of(2, 5, 3);
        store_fake_inject(store, faults[i / 2], 0, 1);
        enum store_outcome outcome = access_keys_say(store, &secret, &keys, &error);
        if (outcome != STORE_DONE)
            outcome = access_keys_say(store, &secret, &keys, &error);
        assert_int_equal(outcome, STORE_DONE);
        assert_int_equal(access_keys_read(store, &secret, &read, &error), STORE_DONE);
        assert_memory_equal(&read, &keys, sizeof keys);
        store_fake_away(store, true);
        assert_int_equal(access_keys_say(store, &secret, &keys, &error), STORE_FAILED);
        store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_kept_whole_and_saved_over_what_was_read),
        cmocka_unit_test(a_session_counts_until_it_expires_and_its_account_says_so),
        cmocka_unit_test(grants_are_of_one_account),
        cmocka_unit_test(of_one_kind_an_account_has_one_ticket_which_is_used_once),
        cmocka_unit_test(of_two_who_change_a_factor_one_does),
        cmocka_unit_test(a_look_is_one_account_s_for_ever),
        cmocka_unit_test(an_account_sees_its_own_events_the_newest_first),
        cmocka_unit_test(keys_are_said_whole_and_a_later_generation_stays),
        cmocka_unit_test(keys_are_believed_only_under_the_deployment_s_seal),
        cmocka_unit_test(keys_are_said_through_every_fault_of_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
