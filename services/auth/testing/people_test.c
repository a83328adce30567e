/* People's accounts by themselves: registration, login and what a token opens. */
#include "services/auth/testing/people_world.h"

#include "record/account/account.h"
#include "services/auth/password.h"

#include <stdio.h>
#include <stdlib.h>

static void expect_field(const char *body, int status, const char *field)
{
    int got = post("/api/v1/register", body);
    if (got != status || strcmp(text_of("field"), field) != 0)
        fail_msg("%s: %d, field \"%s\": %s", body, got, text_of("field"), text_of("detail"));
}

/* Everything of an answer but its time. */
static void whole_answer(const struct http_exchange *exchange, char *text_r, size_t bytes)
{
    int used = snprintf(text_r, bytes, "%d %s %.*s", exchange->status, exchange->content_type,
                        (int)exchange->answer_length, (const char *)exchange->answer);
    for (size_t i = 0; i < exchange->answer_header_count; i++)
        used += snprintf(text_r + used, bytes - (size_t)used, " %s=%s",
                         exchange->answer_headers[i].name, exchange->answer_headers[i].value);
}

static void who_registered_logs_in_and_sees_the_account(void **state)
{
    (void)state;
    char authorization[TOKEN_TEXT_BYTES + 16], id[32];
    struct identity_account identity = { .kind = IDENTITY_KIND_ACCOUNT, .canonical = "gertrude" };
    enrol(GERTRUDE);
    account_id_text(identity_account_id(&people_test_key, &identity), id);
    assert_int_equal(post("/api/v1/login", LOGIN("GERTRUDE", PASSWORD)), 200);
    assert_string_equal(text_of("token_type"), "Bearer");
    assert_int_equal(json_integer_value(json_object_get(f->document, "expires_in")), 900);
    snprintf(authorization, sizeof authorization, "bearer %s", text_of("access_token"));
    assert_int_equal(get_me(authorization), 200);
    assert_string_equal(text_of("id"), id);
    assert_string_equal(text_of("name"), "gertrude");
    assert_string_equal(text_of("email"), "gertrude@example.org");
    assert_string_equal(text_of("payout_address"), ADDRESS);
    assert_string_equal(text_of("state"), "active");
    assert_null(json_object_get(f->document, "password"));
    struct account account;
    struct error error;
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    assert_non_null(strstr(account.password, "$argon2id$"));
    assert_int_equal(account.payout_count, 1);
    assert_string_equal(account.payouts[0].coin, "bitcoin-regtest");
    assert_int_equal(account.payouts[0].script.length, 22);
    assert_int_equal(account.id, identity_account_id(&people_test_key, &identity));
}

static void only_the_letter_tells_whether_a_name_is_free(void **state)
{
    INSIDE_ALONE();
    (void)state;
    char first[1024], other[1024];
    static const char *const bodies[] = {
        PERSON("free-one", "a@b.cd"), PERSON("GERTRUDE", "b@b.cd"), PERSON("gertrude", "c@b.cd"),
        PERSON("gertrvde", "d@b.cd"), /* no look-alike of it, and free */
    };
    enrol(GERTRUDE);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        uint64_t hashed = metric_of("adit_auth_password_seconds_count ");
        size_t writes = store_fake_writes(f->store);
        struct http_exchange *exchange = begin_post("/api/v1/register", "10.0.0.1", bodies[i]);
        assert_int_equal(wait_for(exchange), 202);
        whole_answer(exchange, i == 0 ? first : other, sizeof first);
        if (i > 0)
            assert_string_equal(other, first);
        assert_int_equal(metric_of("adit_auth_password_seconds_count "), hashed + 1);
        UNTIL(letters_are_sent());
        assert_int_equal(store_fake_writes(f->store), writes + 3 + 2); /* taken, crossed out */
    }
    UNTIL(has_letter("a@b.cd", "Confirm your registration", NULL));
    UNTIL(has_letter("b@b.cd", "Choose another name", NULL));
    UNTIL(has_letter("c@b.cd", "Choose another name", NULL));
    UNTIL(has_letter("d@b.cd", "Confirm your registration", NULL));
    /* Until it is confirmed nobody has it: not to log in with, not to mine with. */
    assert_int_equal(post("/api/v1/login", LOGIN("free-one", PASSWORD)), 401);
    struct account account;
    struct error error;
    assert_int_equal(account_find(f->store, "free-one", &account, &error), STORE_MISSING);
}

static void of_several_who_ask_for_a_name_the_first_to_confirm_has_it(void **state)
{
    (void)state;
    char tokens[2][TOKEN_LETTER_BYTES], body[TOKEN_LETTER_BYTES + 16], first[512];
    static const char *const emails[] = { "a@b.cd", "c@b.cd" };
    assert_int_equal(post("/api/v1/register", PERSON("alice", "a@b.cd")), 202);
    assert_int_equal(post("/api/v1/register", PERSON("Alice", "c@b.cd")), 202);
    for (size_t i = 0; i < 2; i++)
        UNTIL(has_letter(emails[i], "Confirm your registration", tokens[i]));
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", tokens[1]);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 204);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 400); /* once */
    snprintf(first, sizeof first, "%s", text_of("detail"));
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", tokens[0]);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 400);
    assert_string_equal(text_of("detail"), first); /* not even now */
    tokens[1][strlen(tokens[1]) - 1] ^= 1;
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", tokens[1]);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 400);
    struct account account;
    struct error error;
    assert_int_equal(account_find(f->store, "alice", &account, &error), STORE_DONE);
    assert_string_equal(account.email, "c@b.cd");
    assert_true(account.email_confirmed);
    assert_int_equal(post("/api/v1/login", LOGIN("alice", PASSWORD)), 200);
}

/* Where no letters are sent, who can log in has the name. */
static void without_letters_the_first_who_asks_has_the_name_and_no_answer_tells(void **state)
{
    INSIDE_ALONE();
    (void)state;
    static const char again[] = "{\"name\":\"gertrude\",\"email\":\"a@b.cd\",\"password\":"
                                "\"two gates 4 cows\",\"payout_address\":\"" ADDRESS "\"}";
    const char *const bodies[] = { GERTRUDE, again, PERSON("g3rtrude", "a@b.cd"), again };
    char first[1024], other[1024];
    f->settings.auth_mail[0] = '\0';
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        uint64_t hashed = metric_of("adit_auth_password_seconds_count ");
        size_t writes = store_fake_writes(f->store);
        struct http_exchange *exchange = begin_post("/api/v1/register", "10.0.0.1", bodies[i]);
        assert_int_equal(wait_for(exchange), 202);
        assert_string_equal(text_of("next"), "login");
        whole_answer(exchange, i == 0 ? first : other, sizeof first);
        if (i > 0)
            assert_string_equal(other, first);
        assert_int_equal(metric_of("adit_auth_password_seconds_count "), hashed + 1);
        assert_int_equal(store_fake_writes(f->store), writes + 3);
    }
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "two gates 4 cows")), 401);
    assert_int_equal(metric_of("adit_auth_registrations_total{outcome=\"made\"} "), 2);
}

#define FORM(name, email, password, address)                                                       \
    "{\"name\":" name ",\"email\":" email ",\"password\":" password ",\"payout_address\":" address \
    "}"
#define N "\"alice\""
#define E "\"a@example.org\""
#define P "\"two gates 4 cows\""
#define A "\"" ADDRESS "\""

static void what_is_wrong_with_a_form_is_said_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *body, *field;
    } cases[] = {
        { "", "body" },
        { "x", "body" },
        { "[]", "body" },
        { "\"name\"", "body" },
        { "null", "body" },
        { FORM(N, E, P, A) "x", "body" },
        { "{\"name\":\"\xff\xfe\"}", "body" },
        { "{\"name\":\"a\\u0000b\"}", "body" },
        { "{}", "name" },
        { FORM("7", E, P, A), "name" },
        { FORM("null", E, P, A), "name" },
        { FORM("{\"a\":[1]}", E, P, A), "name" },
        { FORM("\"ab\"", E, P, A), "name" },
        { FORM("\"abcdefghijklmnopqrstuvwxy\"", E, P, A), "name" },
        { FORM("\"al ice\"", E, P, A), "name" },
        { FORM("\"alice.rig\"", E, P, A), "name" },
        { FORM("\"-alice\"", E, P, A), "name" },
        { FORM("\"al\xd0\xb0"
               "ce\"",
               E, P, A),
          "name" },
        { FORM("\"bcrt1abc\"", E, P, A), "name" },
        { FORM(N, "\"\"", P, A), "email" },
        { FORM(N, "\"a\"", P, A), "email" },
        { FORM(N, "\"a@b\"", P, A), "email" },
        { FORM(N, "\"@b.c\"", P, A), "email" },
        { FORM(N, "\"a@@b.c\"", P, A), "email" },
        { FORM(N, "\"a b@b.c\"", P, A), "email" },
        { FORM(N, "\"a@b..c\"", P, A), "email" },
        { FORM(N, "\"a@-b.c\"", P, A), "email" },
        { FORM(N, "\"a@b-.c\"", P, A), "email" },
        { FORM(N, "\"a@b.c.\"", P, A), "email" },
        { FORM(N, "\".a@b.c\"", P, A), "email" },
        { FORM(N, "\"a\\nb@b.c\"", P, A), "email" },
        { FORM(N, E, "\"1234567\"", A), "password" },
        { FORM(N, E, "12345678", A), "password" },
        { FORM(N, E, P, "\"\""), "payout_address" },
        { FORM(N, E, P, "\"alice\""), "payout_address" },
        { FORM(N, E, P, "\"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\""), "payout_address" },
        { FORM(N, E, P, "\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt08p\""), "payout_address" },
        { "{\"name\":" N ",\"name\":" N "}", "name" },
        { FORM(N, E, P ",\"password\":" P, A), "password" },
        { FORM(N, E, P, A ",\"x\":1,\"x\":2"), "body" },
        { FORM(N, E, P, A ",\"admin\":true"), "admin" },
        { FORM(N, E, P, A ",\"Name\":\"b\""), "Name" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_field(cases[i].body, 400, cases[i].field);
    /* Nothing of what was sent is said back, and nothing was stored. */
    assert_int_equal(post("/api/v1/login", "{\"name\":\"alice\",\"password\":\"hunter22\" oops"),
                     400);
    assert_null(strstr(text_of("detail"), "hunter"));
#ifndef OUTSIDE
    assert_int_equal(store_fake_writes(f->store), 0);
#endif
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    static char body[70000], long_text[65000];
    memset(long_text, 'p', sizeof long_text - 1);
    long_text[0] = 'q'; /* not one letter alone, which is refused */
    for (size_t length = 1022; length <= 1026; length++) {
        snprintf(body, sizeof body,
                 "{\"name\":\"n%zu\",\"email\":\"a@b.c\",\"password\":\"%.*s\","
                 "\"payout_address\":\"" ADDRESS "\"}",
                 length, (int)length, long_text);
        expect_field(body, length <= 1024 ? 202 : 400, length <= 1024 ? "" : "password");
    }
    snprintf(body, sizeof body, "{\"name\":\"%s\"}", long_text);
    expect_field(body, 413, "body");
    snprintf(body, sizeof body, "{\"%.200s\":1}", long_text + 1);
    expect_field(body, 400,
                 "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp");
    memset(body, '[', 15000);
    body[15000] = '\0';
    expect_field(body, 400, "body");
    /* many-byte characters are not cut in two */
    char *at = body + sprintf(body, "{\"x");
    for (int i = 0; i < 60; i++)
        at += sprintf(at, "\xc3\xa9");
    strcpy(at, "\":1}");
    assert_int_equal(post("/api/v1/register", body), 400);
    assert_int_equal(strlen(text_of("field")), 71);
    static const struct header none[] = { { NULL, NULL } };
    static const struct header form[] = { { "content-type", "application/x-www-form-urlencoded" },
                                          { NULL, NULL } };
    static const struct header utf8[] = { { "content-type", "Application/JSON; charset=utf-8" },
                                          { NULL, NULL } };
    const struct span login = span_text(LOGIN("n", "p"));
    assert_int_equal(wait_for(begin(EXCHANGE_POST, "/api/v1/login", "::1", login, none)), 415);
    assert_int_equal(wait_for(begin(EXCHANGE_POST, "/api/v1/login", "::1", login, form)), 415);
    assert_int_equal(wait_for(begin(EXCHANGE_POST, "/api/v1/login", "::1", login, utf8)), 401);
}

static void a_wrong_password_and_an_unknown_name_are_answered_alike_and_cost_alike(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        LOGIN("gertrude", "wrong password"), LOGIN("nobody", PASSWORD), LOGIN(ADDRESS, PASSWORD),
        LOGIN("no/name at all", PASSWORD),   LOGIN("gertrude", "x"),    LOGIN("a", "x"),
    };
    char first[1024], other[1024];
    enrol(GERTRUDE);
    /* an address that mined has an account, and no password */
    struct account account, bound;
    struct identity_account identity;
    struct error error;
    assert_int_equal(identity_resolve(coin_profile_find(span_text("bitcoin-regtest")),
                                      span_text(ADDRESS), &identity, NULL),
                     IDENTITY_OK);
    account_of_address(identity_account_id(&people_test_key, &identity),
                       coin_profile_find(span_text("bitcoin-regtest")), &identity, 1, &account);
    assert_int_equal(account_bind(f->store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        uint64_t before = metric_of("adit_auth_password_seconds_count ");
        struct http_exchange *exchange = begin_post("/api/v1/login", "10.0.0.1", bodies[i]);
        assert_int_equal(wait_for(exchange), 401);
        whole_answer(exchange, i == 0 ? first : other, sizeof first);
        if (i > 0)
            assert_string_equal(other, first);
        assert_int_equal(metric_of("adit_auth_password_seconds_count "), before + 1);
    }
    assert_non_null(strstr(first, "WWW-Authenticate"));
}

static void a_forgotten_password_costs_alike_for_names_that_are_not_there(void **state)
{
    INSIDE_ALONE();
    (void)state;
    static const char *const bodies[] = { "{\"name\":\"gertrude\"}", "{\"name\":\"nobody\"}",
                                          "{\"name\":\"no/name at all\"}",
                                          "{\"name\":\"" ADDRESS "\"}" };
    char first[1024], other[1024];
    size_t cost = 0;
    enrol(GERTRUDE);
    /* Once for each, so that the ticket is one in place of another from then on. */
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(post("/api/v1/auth/password/forgot", bodies[i]), 202);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        UNTIL(letters_are_sent());
        size_t writes = store_fake_writes(f->store);
        struct http_exchange *exchange =
            begin_post("/api/v1/auth/password/forgot", "10.0.0.1", bodies[i]);
        assert_int_equal(wait_for(exchange), 202);
        UNTIL(letters_are_sent());
        whole_answer(exchange, i == 0 ? first : other, sizeof first);
        if (i > 0)
            assert_string_equal(other, first);
        if (i == 0)
            cost = store_fake_writes(f->store) - writes;
        assert_int_equal(store_fake_writes(f->store) - writes, cost);
    }
    assert_true(cost >= 3); /* ticket, letter, event */
}

static void failed_logins_are_limited_by_name_and_address(void **state)
{
    (void)state;
    enrol(GERTRUDE);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PEOPLE_NAME_FAILURES - 1; i++)
            assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
        /* who logs in starts anew */
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    }
    for (int i = 0; i < PEOPLE_NAME_FAILURES; i++)
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
    struct http_exchange *exchange =
        begin_post("/api/v1/login", "10.0.0.1", LOGIN("GertrudE", PASSWORD));
    assert_int_equal(wait_for(exchange), 429);
    int wait_s = atoi(answer_header(exchange, "Retry-After"));
    assert_true(wait_s > 800 && wait_s <= 900);
    /* A name nobody has is limited in the same way. */
    for (int i = 0; i < PEOPLE_NAME_FAILURES; i++)
        assert_int_equal(post("/api/v1/login", LOGIN("nobody", "wrong")), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("nobody", "wrong")), 429);
    /* Elsewhere gertrude may log in. */
    assert_int_equal(wait_for(begin_post("/api/v1/login", "10.0.0.2", LOGIN("gertrude", PASSWORD))),
                     200);
    assert_int_equal(metric_of("adit_auth_logins_total{outcome=\"limited\"} "), 2);
}

static void all_failures_of_an_address_are_limited_too_and_a_burst_counts(void **state)
{
    (void)state;
    struct http_exchange *exchanges[PEOPLE_ADDRESS_FAILURES + 20];
    size_t counts[600] = { 0 };
    for (size_t i = 0; i < PEOPLE_ADDRESS_FAILURES + 20; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"name\":\"name-%zu\",\"password\":\"p\"}", i);
        /* two addresses of one customer */
        exchanges[i] =
            begin_post("/api/v1/login", i % 2 == 0 ? "2001:db8::1" : "2001:db8::2:3", body);
        if (i % 10 == 9)
            for (size_t j = 0; j <= i; j++)
                UNTIL(exchanges[j]->status != 0);
    }
    for (size_t i = 0; i < PEOPLE_ADDRESS_FAILURES + 20; i++)
        counts[wait_for(exchanges[i])]++;
    assert_int_equal(counts[401], PEOPLE_ADDRESS_FAILURES);
    assert_int_equal(counts[429], 20);
    assert_int_equal(wait_for(begin_post("/api/v1/login", "2001:db8:0:1::1", LOGIN("name", "p"))),
                     401);
}

static void registrations_of_an_address_are_limited(void **state)
{
    (void)state;
    char body[256];
    for (int i = 0; i <= PEOPLE_REGISTRATIONS; i++) {
        snprintf(body, sizeof body, PERSON("name-%d", "e%d@example.org"), i, i);
        assert_int_equal(post("/api/v1/register", body), i < PEOPLE_REGISTRATIONS ? 202 : 429);
    }
}

/* Whoever asks from wherever: a stranger's mailbox is not filled. */
static void letters_to_one_mailbox_are_limited(void **state)
{
    (void)state;
    char body[256], peer[32];
    for (int i = 0; i <= PEOPLE_REGISTRATIONS_EMAIL; i++) {
        snprintf(body, sizeof body, PERSON("name-%d", "a@b.cd"), i);
        snprintf(peer, sizeof peer, "10.1.0.%d", i);
        assert_int_equal(wait_for(begin_post("/api/v1/register", peer, body)),
                         i < PEOPLE_REGISTRATIONS_EMAIL ? 202 : 429);
    }
}

static void more_passwords_than_the_queue_holds_are_told_to_come_back(void **state)
{
    INSIDE_ALONE();
    (void)state;
    enum { BURST = 120 };
    struct http_exchange *exchanges[BURST];
    size_t wrong = 0, busy = 0;
    f->settings.auth_argon2_memory_kib = 32768;
    stop();
    start();
    for (size_t i = 0; i < BURST; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "10.1.0.%zu", i);
        exchanges[i] = begin_post("/api/v1/login", peer, LOGIN("nobody", "p"));
    }
    for (size_t i = 0; i < BURST; i++) {
        int status = wait_for(exchanges[i]);
        wrong += status == 401;
        busy += status == 503;
        if (status == 503)
            assert_non_null(answer_header(exchanges[i], "Retry-After"));
    }
    assert_int_equal(wrong + busy, BURST);
    assert_true(busy > 0);
    assert_true(wrong >= PEOPLE_QUEUE_MAX);
}

static void while_the_store_is_away_people_are_told_to_come_back(void **state)
{
    INSIDE_ALONE();
    (void)state;
    char authorization[TOKEN_TEXT_BYTES + 16];
    enrol(GERTRUDE);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    snprintf(authorization, sizeof authorization, "Bearer %s", text_of("access_token"));
    store_fake_away(f->store, true);
    /* what failed for our sake counts against nobody */
    for (int i = 0; i < 2 * PEOPLE_NAME_FAILURES; i++)
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 503);
    assert_true(f->away);
    assert_int_equal(post("/api/v1/register", FORM(N, E, P, A)), 503);
    assert_int_equal(get_me(authorization), 503);
    store_fake_away(f->store, false);
    UNTIL(!f->away);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    assert_int_equal(get_me(authorization), 200);
    assert_int_equal(post("/api/v1/register", FORM(N, E, P, A)), 202);
}

static void a_write_that_may_have_happened_is_settled(void **state)
{
    INSIDE_ALONE();
    (void)state;
    static const struct {
        enum store_fake_fault fault;
        int status;
    } cases[] = {
        { STORE_FAKE_UNKNOWN_DONE, 204 },
        { STORE_FAKE_UNKNOWN_NOT_DONE, 204 },
        { STORE_FAKE_FAIL, 503 },
    };
    char body[256], token[TOKEN_LETTER_BYTES], email[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, PERSON("name-%zu", "e%zu@example.org"), i, i);
        snprintf(email, sizeof email, "e%zu@example.org", i);
        store_fake_inject(f->store, cases[i].fault, 0, 1);
        assert_int_equal(post("/api/v1/register", body), 503); /* no letter: said so */
        UNTIL(!f->away);
        assert_int_equal(post("/api/v1/register", body), 202);
        UNTIL(has_letter(email, "Confirm your registration", token));
        snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
        store_fake_inject(f->store, cases[i].fault, 0, 1);
        assert_int_equal(post("/api/v1/auth/email/confirm", body), cases[i].status);
        UNTIL(!f->away);
        if (cases[i].status == 503)
            assert_int_equal(post("/api/v1/auth/email/confirm", body), 204);
        snprintf(body, sizeof body, LOGIN("name-%zu", PASSWORD), i);
        assert_int_equal(post("/api/v1/login", body), 200);
    }
}

static void a_locked_account_is_told_so_only_with_its_password(void **state)
{
    (void)state;
    struct account account;
    struct error error;
    enrol(GERTRUDE);
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    account.state = ACCOUNT_LOCKED;
    assert_int_equal(account_save(f->store, &account, &error), STORE_DONE);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 403);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
}

static void a_hash_of_another_cost_is_made_anew_at_login(void **state)
{
    INSIDE_ALONE();
    (void)state;
    struct account before, after;
    struct error error;
    enrol(GERTRUDE);
    assert_int_equal(account_find(f->store, "gertrude", &before, &error), STORE_DONE);
    f->settings.auth_argon2_passes = 2;
    stop();
    start();
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
    assert_int_equal(account_find(f->store, "gertrude", &after, &error), STORE_DONE);
    assert_string_equal(after.password, before.password);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
        assert_int_equal(account_find(f->store, "gertrude", &after, &error), STORE_DONE);
        assert_non_null(strstr(after.password, ",t=2,"));
        assert_int_equal(after.version, before.version + 1);
    }
}

static void only_a_token_of_ours_opens_the_account(void **state)
{
    (void)state;
    char path[64], token[TOKEN_TEXT_BYTES], authorization[TOKEN_TEXT_BYTES + 16];
    struct error error;
    uint64_t now_s = loop_unix_ms() / 1000;
    snprintf(path, sizeof path, "%s/auth.key", f->folder);
    struct token_ring *ring = token_ring_open(path, now_s, &error);
    assert_non_null(ring);
    const struct token_signer *signer = token_ring_signer(ring, now_s);
    struct token_claims expired = { .account_id = 7,
                                    .issued_s = now_s - 900,
                                    .not_before_s = now_s - 900,
                                    .expires_s = now_s - 61 };
    struct token_claims nobody = { .account_id = 7,
                                   .issued_s = now_s,
                                   .not_before_s = now_s,
                                   .expires_s = now_s + 60,
                                   .scopes = TOKEN_SCOPE_READ };
    assert_int_equal(get_me(NULL), 401);
    assert_int_equal(get_me("Basic Zm9vOmJhcg=="), 401);
    assert_int_equal(get_me("Bearer"), 401);
    assert_int_equal(get_me("Bearer "), 401);
    assert_int_equal(get_me("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIwMSJ9."), 401);
    token_sign(signer, &expired, token);
    snprintf(authorization, sizeof authorization, "Bearer %s", token);
    assert_int_equal(get_me(authorization), 401);
    assert_non_null(strstr(text_of("detail"), "expired"));
    token_sign(signer, &nobody, token);
    snprintf(authorization, sizeof authorization, "Bearer %s", token);
    assert_int_equal(get_me(authorization), 401);
    snprintf(authorization, sizeof authorization, "Bearer %s x", token);
    assert_int_equal(get_me(authorization), 401);
    token_ring_close(ring);
}

static void the_address_behind_a_proxy_of_ours_is_the_one_that_counts(void **state)
{
    INSIDE_ALONE();
    (void)state;
    static const struct {
        const char *peer, *forwarded;
        bool counts_as_attacker;
    } cases[] = {
        { "127.0.0.1", "203.0.113.9", true },
        { "127.0.0.1", "10.9.9.9, 203.0.113.9", true },      /* said by the client itself */
        { "127.0.0.1", "203.0.113.9 ,  192.168.0.1", true }, /* through both our proxies */
        { "127.0.0.1", "::ffff:203.0.113.9", true },
        { "203.0.113.9", "10.9.9.9", true }, /* no proxy of ours */
        { "127.0.0.1", "203.0.113.8", false },
        { "127.0.0.1", "203.0.113.9, nonsense", false },
        { "127.0.0.1", "", false },
        { "192.168.0.7", "203.0.113.9", false },
        { "172.18.5.6", "203.0.113.9", true }, /* of a network of ours */
        { "172.18.5.6", "203.0.113.9, 172.18.0.1, 127.0.0.1", true },
        { "172.19.5.6", "203.0.113.9", false },
        { "fd00::1", "203.0.113.9", true },
        { "fd00::2", "203.0.113.9", false }, /* a neighbour of it */
    };
    char *proxies[] = { (char[]){ "127.0.0.1" }, (char[]){ "192.168.0.1" },
                        (char[]){ "172.18.0.0/16" }, (char[]){ "fd00::1" } };
    struct settings_list kept = f->settings.auth_proxies;
    f->settings.auth_proxies = (struct settings_list){ proxies, 4 };
    for (int i = 0; i < PEOPLE_NAME_FAILURES; i++)
        assert_int_equal(wait_for(begin_post("/api/v1/login", "203.0.113.9", LOGIN("nobody", "p"))),
                         401);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct header headers[] = { { "Content-Type", "application/json" },
                                          { "X-Forwarded-For", cases[i].forwarded },
                                          { NULL, NULL } };
        int status = wait_for(begin(EXCHANGE_POST, "/api/v1/login", cases[i].peer,
                                    span_text(LOGIN("nobody", "p")), headers));
        if (status != (cases[i].counts_as_attacker ? 429 : 401))
            fail_msg("%s for %s: %d", cases[i].peer, cases[i].forwarded, status);
    }
    f->settings.auth_proxies = kept;
}

static void pages_of_the_dashboard_alone_may_read_and_no_page_shows_an_answer(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        bool may;
    } cases[] = {
        { "https://pool.example", true },
        { "https://pool.example.evil.org", false },
        { "http://pool.example", false },
        { "https://evil.org", false },
        { "https://pool.example:8443", false },
        { "null", false },
        { "", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct header headers[] = { { "Origin", cases[i].origin },
                                          { "Content-Type", "application/json" },
                                          { NULL, NULL } };
        const struct http_exchange *asked =
            begin(EXCHANGE_OPTIONS, "/api/v1/me", "10.0.0.1", span_of(NULL, 0), headers);
        assert_int_equal(wait_for(asked), 204);
        assert_int_equal(answer_header(asked, "Access-Control-Allow-Origin") != NULL, cases[i].may);
        assert_int_equal(answer_header(asked, "Access-Control-Allow-Methods") != NULL,
                         cases[i].may);
        asked = begin(EXCHANGE_GET, "/api/v1/me", "10.0.0.1", span_of(NULL, 0), headers);
        assert_int_equal(wait_for(asked), 401);
        const char *allowed = answer_header(asked, "Access-Control-Allow-Origin");
        assert_int_equal(allowed != NULL, cases[i].may);
        /* the cookie that /api/v1/auth gives */
        assert_int_equal(answer_header(asked, "Access-Control-Allow-Credentials") != NULL,
                         cases[i].may);
        if (allowed != NULL)
            assert_string_equal(allowed, cases[i].origin);
        static const char *const always[] = { "Content-Security-Policy", "X-Content-Type-Options",
                                              "Referrer-Policy", "X-Frame-Options", "Vary" };
        for (size_t j = 0; j < sizeof always / sizeof *always; j++)
            assert_non_null(answer_header(asked, always[j]));
        assert_string_equal(answer_header(asked, "Cache-Control"), "no-store");
    }
}

static void every_request_is_described_and_every_description_is_served(void **state)
{
    (void)state;
    static const char *const methods[] = { "get", "post", "put", "delete" };
    size_t count = 0;
    for (const struct http_route *route = people_routes; route->path != NULL; route++, count++) {
        char path[128] = "";
        for (const char *at = route->path; *at != '\0'; at++) /* {} stands for something */
            if (*at != '{')
                snprintf(path + strlen(path), sizeof path - strlen(path), "%c",
                         *at == '}' ? 'x' : *at);
        if (!contract_has(f->contract, methods[route->method], path))
            fail_msg("%s %s is not in docs/api/openapi.yaml", methods[route->method], path);
    }
    assert_int_equal(contract_count(f->contract, "auth"), count);
}

static void at_the_end_everybody_is_answered(void **state)
{
    INSIDE_ALONE();
    (void)state;
    for (int i = 0; i < 20; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "10.1.0.%d", i);
        (void)begin_post("/api/v1/login", peer, LOGIN("nobody", "p"));
        (void)begin_post("/api/v1/register", peer, GERTRUDE);
        if (i == 10)
            UNTIL(f->answered > 0);
    }
    stop();
    assert_int_equal(f->answered, f->asked_count);
    start();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_registered_logs_in_and_sees_the_account),
        TEST(only_the_letter_tells_whether_a_name_is_free),
        TEST(of_several_who_ask_for_a_name_the_first_to_confirm_has_it),
        TEST(without_letters_the_first_who_asks_has_the_name_and_no_answer_tells),
        TEST(what_is_wrong_with_a_form_is_said_by_field),
        TEST(lengths_are_bounded),
        TEST(a_wrong_password_and_an_unknown_name_are_answered_alike_and_cost_alike),
        TEST(a_forgotten_password_costs_alike_for_names_that_are_not_there),
        TEST(failed_logins_are_limited_by_name_and_address),
        TEST(all_failures_of_an_address_are_limited_too_and_a_burst_counts),
        TEST(registrations_of_an_address_are_limited),
        TEST(letters_to_one_mailbox_are_limited),
        TEST(more_passwords_than_the_queue_holds_are_told_to_come_back),
        TEST(while_the_store_is_away_people_are_told_to_come_back),
        TEST(a_write_that_may_have_happened_is_settled),
        TEST(a_locked_account_is_told_so_only_with_its_password),
        TEST(a_hash_of_another_cost_is_made_anew_at_login),
        TEST(only_a_token_of_ours_opens_the_account),
        TEST(the_address_behind_a_proxy_of_ours_is_the_one_that_counts),
        TEST(pages_of_the_dashboard_alone_may_read_and_no_page_shows_an_answer),
        TEST(every_request_is_described_and_every_description_is_served),
        TEST(at_the_end_everybody_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
