/* What an owner does with an account: address, e-mail, passwords, second factor, keys, its end; and
 * what nobody else can. */
#include "services/auth/testing/people_world.h"

#include "base/test_random.h"
#include "record/access/event.h"
#include "record/access/factor.h"
#include "record/account/account.h"
#include "services/auth/guessable.h"
#include "services/auth/recovery.h"
#include "services/auth/totp.h"

#include <stdio.h>
#include <stdlib.h>

#define OTHER_ADDRESS "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
#define EMAIL "gertrude@example.org"

static char token[TOKEN_TEXT_BYTES]; /* gertrude's */

static void keep_token(void)
{
    snprintf(token, sizeof token, "%s", text_of("access_token"));
    assert_int_not_equal(token[0], 0);
}

static int setup_gertrude(void **state)
{
    (void)setup(state);
    enrol(GERTRUDE);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    keep_token();
    return 0;
}

/* As gertrude; body NULL: none. */
static int mine(enum exchange_method method, const char *path, const char *body)
{
    return ask_as(token, method, path, body);
}

static int change(const char *path, const char *body)
{
    return mine(EXCHANGE_POST, path, body);
}

static struct account stored(void)
{
    struct account account;
    struct error error;
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    return account;
}

/* Where the pool's coin is paid. */
static struct account_payout payout(void)
{
    const struct account account = stored();
    return account_payout(&account, coin_profile_find(span_text("bitcoin-regtest")));
}

static void save(struct account *account)
{
    struct error error;
    assert_int_equal(account_save(f->store, account, &error), STORE_DONE);
}

static size_t events_of(const char *kind)
{
    return events_counted(stored().id, kind);
}

#define ADDRESS_CHANGE(password, address)                                                          \
    "{\"password\":\"" password "\",\"payout_address\":\"" address "\"}"

static void a_new_address_wants_the_password_locks_payouts_and_tells_the_owner(void **state)
{
    (void)state;
    uint64_t before_ms = loop_unix_ms();
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE("wrong", OTHER_ADDRESS)), 403);
    assert_string_equal(text_of("field"), "password");
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, "nowhere")), 400);
    assert_string_equal(text_of("field"), "payout_address");
    assert_int_equal(change("/api/v1/me/address",
                            ADDRESS_CHANGE(PASSWORD, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")),
                     400); /* another network's */
    assert_string_equal(payout().address, ADDRESS);
    assert_int_equal(payout().lock_until_ms, 0);
    /* The same as before is no change. */
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, ADDRESS)), 204);
    assert_int_equal(payout().lock_until_ms, 0);
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, OTHER_ADDRESS)), 204);
    struct account account = stored();
    struct account_payout fresh = payout();
    assert_string_equal(fresh.address, OTHER_ADDRESS);
    assert_int_equal(fresh.script.length, 34);
    assert_true(fresh.lock_until_ms >= before_ms + (uint64_t)48 * 3600000);
    assert_false(account_is_payable(&account, &fresh, loop_unix_ms()));
    UNTIL(has_letter(EMAIL, "Your payout address was changed", NULL));
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_int_equal(json_integer_value(json_object_get(f->document, "payouts_locked_until")),
                     fresh.lock_until_ms / 1000);
    assert_int_equal(events_of("address"), 1);
    assert_int_equal(events_of("password.wrong"), 1);
    assert_int_equal(
        ask_as(NULL, EXCHANGE_POST, "/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, ADDRESS)), 401);
}

static json_t *payout_of(const char *coin)
{
    json_t *list = json_object_get(f->document, "payouts");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(list, i), "coin")), coin) == 0)
            return json_array_get(list, i);
    return NULL;
}

static void every_coin_has_an_address_and_a_lock_of_its_own(void **state)
{
    (void)state;
#define COIN_CHANGE(coin, address)                                                                 \
    "{\"password\":\"" PASSWORD "\",\"coin\":\"" coin "\",\"payout_address\":\"" address "\"}"
#define BITCOIN "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    assert_int_equal(change("/api/v1/me/address", COIN_CHANGE("dogecoin", BITCOIN)), 400);
    assert_string_equal(text_of("field"), "coin");
    assert_int_equal(change("/api/v1/me/address", COIN_CHANGE("litecoin", BITCOIN)), 400);
    assert_string_equal(text_of("field"), "payout_address");
    assert_int_equal(change("/api/v1/me/address", COIN_CHANGE("bitcoin", BITCOIN)), 204);
    assert_int_equal(change("/api/v1/me/threshold", "{\"threshold\":\"7\",\"coin\":\"bitcoin\"}"),
                     204);
    assert_string_equal(payout().address, ADDRESS);
    assert_int_equal(payout().threshold, 0);
    assert_int_equal(payout().lock_until_ms, 0); /* the other coin's is locked */
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_string_equal(text_of("coin"), "bitcoin-regtest");
    assert_string_equal(text_of("payout_address"), ADDRESS);
    assert_true(json_is_null(json_object_get(f->document, "payouts_locked_until")));
    const json_t *other = payout_of("bitcoin");
    assert_string_equal(json_string_value(json_object_get(other, "address")), BITCOIN);
    assert_string_equal(json_string_value(json_object_get(other, "threshold")), "7");
    assert_true(json_is_integer(json_object_get(other, "locked_until")));
    assert_true(json_is_null(json_object_get(payout_of("bitcoin-regtest"), "locked_until")));
    /* Taken away, which is a change like any other. */
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, "")), 204);
    assert_string_equal(payout().address, "");
    assert_int_equal(payout().script.length, 0);
    assert_true(payout().lock_until_ms > loop_unix_ms());
    assert_int_equal(events_of("address"), 2);
}

static void a_password_is_not_guessed_through_a_session(void **state)
{
    (void)state;
    for (int i = 0; i < PEOPLE_NAME_FAILURES; i++)
        assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE("wrong", OTHER_ADDRESS)), 403);
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, OTHER_ADDRESS)), 429);
    assert_string_equal(payout().address, ADDRESS);
}

static void thresholds_are_whole_numbers(void **state)
{
    (void)state;
    assert_int_equal(change("/api/v1/me/threshold", "{\"threshold\":\"123456\"}"), 204);
    assert_int_equal(payout().threshold, 123456);
    static const char *const bad[] = { "\"-1\"", "\"1.5\"", "\"0x10\"",
                                       "\" 1\"", "\"\"",    "\"12345678901234567\"",
                                       "5" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"threshold\":%s}", bad[i]);
        assert_int_equal(change("/api/v1/me/threshold", body), 400);
        assert_string_equal(text_of("field"), "threshold");
    }
    assert_int_equal(payout().threshold, 123456);
}

static void an_address_of_e_mail_is_confirmed_by_what_was_sent_there(void **state)
{
    (void)state;
    char sent[TOKEN_LETTER_BYTES] = "", body[256];
    assert_true(stored().email_confirmed); /* by its registration */
    /* Another address is not confirmed, and the one before is told. */
    forget_letters();
    assert_int_equal(
        change("/api/v1/me/email", "{\"password\":\"" PASSWORD "\",\"email\":\"New@Example.org\"}"),
        204);
    assert_string_equal(stored().email, "new@example.org");
    assert_false(stored().email_confirmed);
    UNTIL(has_letter(EMAIL, "Your e-mail address was changed", NULL));
    UNTIL(has_letter("new@example.org", "Confirm your address", sent));
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", sent);
    /* A token for an address of before is nothing for the one of now. */
    struct account account = stored();
    strcpy(account.email, "third@example.org");
    save(&account);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 400);
    forget_letters();
    assert_int_equal(mine(EXCHANGE_POST, "/api/v1/me/email/confirmation", NULL), 202);
    UNTIL(has_letter("third@example.org", "Confirm your address", sent));
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", sent);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 204);
    assert_true(stored().email_confirmed);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 400); /* once */
    assert_string_equal(text_of("field"), "token");
}

static void a_forgotten_password_is_set_anew_once_by_letter(void **state)
{
    (void)state;
    char sent[TOKEN_LETTER_BYTES] = "", body[320], known[256], unknown[256];
    assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"gertrude\"}"), 202);
    snprintf(known, sizeof known, "%s", text_of("detail"));
    assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"nobody\"}"), 202);
    snprintf(unknown, sizeof unknown, "%s", text_of("detail"));
    assert_string_equal(known, unknown);
    UNTIL(has_letter(EMAIL, "Set a new password", sent));
    snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"iloveyou\"}", sent);
    assert_int_equal(post("/api/v1/auth/password/reset", body), 400);
    assert_string_equal(text_of("field"), "password");
    snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"a new one altogether\"}", sent);
    assert_int_equal(post("/api/v1/auth/password/reset", body), 204);
    assert_int_equal(post("/api/v1/auth/password/reset", body), 400);
    /* Whoever was logged in is not any more, and the old password opens nothing. */
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me", NULL), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "a new one altogether")), 200);
    UNTIL(has_letter(EMAIL, "Your password was changed", NULL));
    assert_true(stored().email_confirmed);
    assert_int_equal(events_of("password"), 1);
}

static void a_second_letter_makes_the_first_one_s_token_void_and_age_does_too(void **state)
{
    (void)state;
    char first[TOKEN_LETTER_BYTES] = "", second[TOKEN_LETTER_BYTES] = "", body[320];
    assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"gertrude\"}"), 202);
    UNTIL(has_letter(EMAIL, "Set a new password", first));
    forget_letters();
    assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"Gertrude\"}"), 202);
    UNTIL(has_letter(EMAIL, "Set a new password", second));
    assert_string_not_equal(first, second);
#define RESET "{\"token\":\"%s\",\"password\":\"a new one altogether\"}"
    snprintf(body, sizeof body, RESET, first);
    assert_int_equal(post("/api/v1/auth/password/reset", body), 400);
    /* It sets passwords, and confirms no address. */
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", second);
    assert_int_equal(post("/api/v1/auth/email/confirm", body), 400);
    second[strlen(second) - 1] ^= 1;
    snprintf(body, sizeof body, RESET, second);
    assert_int_equal(post("/api/v1/auth/password/reset", body), 400);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    /* Five letters of a name in a quarter of an hour, and no more. */
    int status = 0;
    for (int i = 0; i < 5 && status != 429; i++)
        status = post("/api/v1/auth/password/forgot", "{\"name\":\"gertrude\"}");
    assert_int_equal(status, 429);
}

static void a_password_is_changed_by_who_knows_it(void **state)
{
    (void)state;
#define CHANGE(old, new) "{\"password\":\"" old "\",\"new_password\":\"" new "\"}"
    assert_int_equal(change("/api/v1/me/password", CHANGE("wrong", "another, and longer")), 403);
    assert_int_equal(change("/api/v1/me/password", CHANGE(PASSWORD, "Password123")), 400);
    assert_string_equal(text_of("field"), "new_password");
    assert_int_equal(change("/api/v1/me/password", CHANGE(PASSWORD, "short")), 400);
    assert_int_equal(change("/api/v1/me/password", CHANGE(PASSWORD, "another, and longer")), 204);
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me", NULL), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "another, and longer")), 200);
}

static void a_closed_account_opens_nothing_and_keeps_its_name(void **state)
{
    (void)state;
    assert_int_equal(change("/api/v1/me/links", "{\"name\":\"all\"}"), 201);
    char body[256];
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", text_of("link"));
    assert_int_equal(post("/api/v1/auth/token", body), 200);
    assert_int_equal(change("/api/v1/me/close", "{\"password\":\"wrong\"}"), 403);
    assert_int_equal(change("/api/v1/me/close", "{\"password\":\"" PASSWORD "\"}"), 204);
    assert_int_equal(stored().state, ACCOUNT_CLOSED);
    assert_string_equal(payout().address, ADDRESS); /* what it is owed is still paid */
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me", NULL), 401);
    assert_int_equal(post("/api/v1/auth/token", body), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 403);
    UNTIL(has_letter(EMAIL, "Your account is closed", NULL));
    assert_int_equal(post("/api/v1/register", GERTRUDE), 202);
    UNTIL(has_letter(EMAIL, "Choose another name", NULL));
}

/* RFC 4648, section 6. */
static size_t from_base32(const char *text, uint8_t *bytes_r)
{
    size_t length = 0;
    uint32_t held = 0;
    unsigned bits = 0;
    for (; *text != '\0'; text++) {
        held = held << 5 | (uint32_t)(*text >= 'A' ? *text - 'A' : *text - '2' + 26);
        if ((bits += 5) >= 8)
            bytes_r[length++] = (uint8_t)(held >> (bits -= 8));
    }
    return length;
}

static uint8_t secret[32];
static size_t secret_bytes;

/* A code that was not used: of the step after the last. */
static const char *code_at(int64_t drift)
{
    static char code[8];
    snprintf(code, sizeof code, "%06u",
             totp_code(span_of(secret, secret_bytes),
                       (uint64_t)((int64_t)(loop_unix_ms() / 1000 / 30) + drift), 6));
    return code;
}

/* Codes are for one use in their window: lets the next one of now be taken again. */
static void let_time_pass(void)
{
    struct factor factor;
    struct error error;
    assert_int_equal(factor_get(f->store, stored().id, &factor, &error), STORE_DONE);
    factor.step = 0;
    factor.wrong = 0;
    assert_int_equal(factor_save(f->store, &factor, &error), STORE_DONE);
}

static void turn_on(char recovery_r[RECOVERY_TEXT_BYTES])
{
    char body[64];
    assert_int_equal(change("/api/v1/me/factor", "{\"password\":\"" PASSWORD "\"}"), 200);
    secret_bytes = from_base32(text_of("secret"), secret);
    assert_int_equal(secret_bytes, 20);
    assert_non_null(strstr(text_of("uri"), "otpauth://totp/adit:gertrude?secret="));
    snprintf(body, sizeof body, "{\"code\":\"%s\"}", code_at(0));
    assert_int_equal(change("/api/v1/me/factor/confirm", body), 200);
    const json_t *codes = json_object_get(f->document, "recovery_codes");
    assert_int_equal(json_array_size(codes), FACTOR_RECOVERY_CODES);
    snprintf(recovery_r, RECOVERY_TEXT_BYTES, "%s", json_string_value(json_array_get(codes, 3)));
}

static int log_in_with(const char *code)
{
    char body[160];
    snprintf(body, sizeof body,
             "{\"name\":\"gertrude\",\"password\":\"" PASSWORD "\",\"code\":\"%s\"}", code);
    return post("/api/v1/login", body);
}

static void with_a_second_factor_a_login_wants_a_code_once(void **state)
{
    (void)state;
    char recovery[RECOVERY_TEXT_BYTES], used[8];
    turn_on(recovery);
    UNTIL(has_letter(EMAIL, "A second factor is on", NULL));
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 403);
    assert_string_equal(text_of("field"), "code");
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401); /* says no more */
    let_time_pass();
    snprintf(used, sizeof used, "%s", code_at(0));
    assert_int_equal(log_in_with(used), 200);
    keep_token();
    assert_int_equal(log_in_with(used), 403);        /* the same again, in its window */
    assert_int_equal(log_in_with(code_at(-1)), 403); /* nor one of before */
    let_time_pass();
    assert_int_equal(log_in_with(code_at(5)), 403);
    assert_int_equal(log_in_with(recovery), 200);
    assert_int_equal(log_in_with(recovery), 403);
    assert_int_equal(events_of("code.recovery"), 1);
    assert_true(events_of("code.wrong") >= 4);
}

static void codes_are_not_guessed_from_many_addresses(void **state)
{
    (void)state;
    char recovery[RECOVERY_TEXT_BYTES];
    turn_on(recovery);
    let_time_pass();
    for (int i = 0; i < 10; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "10.3.0.%d", i);
        assert_int_equal(wait_for(begin_post("/api/v1/login", peer,
                                             "{\"name\":\"gertrude\",\"password\":\"" PASSWORD
                                             "\",\"code\":\"00000x\"}")),
                         403);
    }
    assert_int_equal(log_in_with(code_at(0)), 429);
    assert_int_equal(log_in_with(recovery), 429);
    let_time_pass();
    assert_int_equal(log_in_with(code_at(0)), 200);
}

static void with_a_second_factor_a_new_address_wants_a_code(void **state)
{
    (void)state;
    char recovery[RECOVERY_TEXT_BYTES], body[320];
    turn_on(recovery);
    let_time_pass();
    assert_int_equal(change("/api/v1/me/address", ADDRESS_CHANGE(PASSWORD, OTHER_ADDRESS)), 403);
    assert_string_equal(text_of("field"), "code");
    assert_string_equal(payout().address, ADDRESS);
#define WITH_CODE                                                                                  \
    "{\"password\":\"" PASSWORD "\",\"code\":\"%s\",\"payout_address\":\"" OTHER_ADDRESS "\"}"
    snprintf(body, sizeof body, WITH_CODE, "000000");
    assert_int_equal(change("/api/v1/me/address", body), 403);
    snprintf(body, sizeof body, WITH_CODE, recovery);
    assert_int_equal(change("/api/v1/me/address", body), 204);
    assert_string_equal(payout().address, OTHER_ADDRESS);
    /* Off only with both; then the password alone does. */
    assert_int_equal(change("/api/v1/me/factor/remove", "{\"password\":\"" PASSWORD "\"}"), 403);
    let_time_pass();
    snprintf(body, sizeof body, "{\"password\":\"" PASSWORD "\",\"code\":\"%s\"}", code_at(0));
    assert_int_equal(change("/api/v1/me/factor/remove", body), 204);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
}

static void what_tokens_say_of_the_second_factor_is_so(void **state)
{
    (void)state;
    struct token_verifier verifier = { .count = 0 };
    struct token_claims claims;
    struct error error;
    char path[96], recovery[RECOVERY_TEXT_BYTES], body[256];
    snprintf(path, sizeof path, "%s/auth.pub", f->folder);
    assert_true(token_verifier_read(&verifier, path, &error));
    uint64_t now_s = loop_unix_ms() / 1000;
    assert_int_equal(token_verify(&verifier, span_text(token), now_s, &claims), TOKEN_OK);
    assert_false(claims.second_factor_on || claims.second_factor_given);
    assert_int_equal(claims.scopes,
                     TOKEN_SCOPE_READ | TOKEN_SCOPE_ACCOUNT | TOKEN_SCOPE_WITHDRAW_PROPOSE);
    assert_int_equal(change("/api/v1/me/keys",
                            "{\"password\":\"" PASSWORD
                            "\",\"name\":\"bot\",\"scopes\":\"withdraw-propose read\"}"),
                     201);
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", text_of("key"));
    turn_on(recovery);
    let_time_pass();
    assert_int_equal(log_in_with(code_at(0)), 200);
    assert_int_equal(token_verify(&verifier, span_text(text_of("access_token")), now_s, &claims),
                     TOKEN_OK);
    assert_true(claims.second_factor_on && claims.second_factor_given);
    /* A key shows none, whoever made it: payout then takes no withdrawal by it. */
    assert_int_equal(post("/api/v1/auth/token", body), 200);
    assert_int_equal(token_verify(&verifier, span_text(text_of("access_token")), now_s, &claims),
                     TOKEN_OK);
    assert_true(claims.second_factor_on);
    assert_false(claims.second_factor_given);
    assert_int_equal(claims.scopes, TOKEN_SCOPE_WITHDRAW_PROPOSE | TOKEN_SCOPE_READ);
    assert_int_equal(claims.session[0], 0);
}

#define KEY(name, scopes)                                                                          \
    "{\"password\":\"" PASSWORD "\",\"name\":\"" name "\",\"scopes\":\"" scopes "\"}"

static void keys_and_links_are_shown_once_and_open_what_they_are_for(void **state)
{
    (void)state;
    char key[160], link[160], path[96], body[256], given[TOKEN_TEXT_BYTES];
    assert_int_equal(change("/api/v1/me/keys", KEY("a", "operator")), 403);
    assert_int_equal(change("/api/v1/me/keys", KEY("a", "everything")), 400);
    assert_string_equal(text_of("field"), "scopes");
    assert_int_equal(
        change("/api/v1/me/keys", "{\"password\":\"wrong\",\"name\":\"a\",\"scopes\":\"read\"}"),
        403);
    assert_int_equal(change("/api/v1/me/keys", KEY("office", "read")), 201);
    snprintf(key, sizeof key, "%s", text_of("key"));
    snprintf(path, sizeof path, "/api/v1/me/keys/%s", text_of("id"));
    assert_int_equal(change("/api/v1/me/links", "{\"name\":\"wall\"}"), 201);
    snprintf(link, sizeof link, "%s", text_of("link"));
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me/keys", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(f->document, "keys")), 1);
    assert_int_equal(json_array_size(json_object_get(f->document, "links")), 1);
    char *shown = json_dumps(f->document, 0);
    assert_null(strstr(shown, key + 22));
    assert_null(strstr(shown, link + 22));
    assert_non_null(strstr(shown, "\"used\": null"));
    free(shown);
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", key);
    assert_int_equal(post("/api/v1/auth/token", body), 200);
    snprintf(given, sizeof given, "%s", text_of("access_token"));
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_string_equal(text_of("email"), EMAIL);
    assert_int_equal(ask_as(given, EXCHANGE_POST, "/api/v1/me/threshold", "{\"threshold\":\"1\"}"),
                     403);
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/me/sessions", NULL), 403);
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/auth/events", NULL), 403);
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", link);
    assert_int_equal(post("/api/v1/auth/token", body), 200);
    snprintf(given, sizeof given, "%s", text_of("access_token"));
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_string_equal(text_of("name"), "gertrude");
    assert_string_equal(text_of("email"), "");
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/me/events", NULL), 403);
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me/keys", NULL), 200);
    shown = json_dumps(f->document, 0);
    assert_null(strstr(shown, "\"used\": null")); /* both were used */
    free(shown);
    /* Taken away, it opens nothing; and not by others. */
    assert_int_equal(mine(EXCHANGE_DELETE, "/api/v1/me/keys/0011223344556677", NULL), 404);
    assert_int_equal(mine(EXCHANGE_DELETE, path, NULL), 204);
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", key);
    assert_int_equal(post("/api/v1/auth/token", body), 401);
    key[strlen(key) - 2] ^= 2;
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", key);
    assert_int_equal(post("/api/v1/auth/token", body), 401);
    assert_int_equal(post("/api/v1/auth/token", "{\"key\":\"adit_\"}"), 401);
    assert_int_equal(events_of("key.made"), 1);
    assert_int_equal(events_of("key.removed"), 1);
    UNTIL(has_letter(EMAIL, "An API key was made", NULL));
}

/* By a letter: whoever had the account may have made them. By the owner: unless it is asked. */
static void a_reset_voids_keys_and_links_unless_they_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        bool by_letter, kept;
    } cases[] = {
        { ",\"keys\":\"keep\"", true, true },
        { "", false, true },
        { "", true, false },
        { ",\"keys\":\"revoke\"", false, false },
        { ",\"keys\":\"revoke\"", true, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[400], key[256], sent[TOKEN_LETTER_BYTES], given[TOKEN_TEXT_BYTES];
        forget_letters();
        assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
        keep_token();
        assert_int_equal(change("/api/v1/me/keys", KEY("bot", "read")), 201);
        snprintf(key, sizeof key, "{\"key\":\"%s\"}", text_of("key"));
        assert_int_equal(post("/api/v1/auth/token", key), 200);
        snprintf(given, sizeof given, "%s", text_of("access_token"));
        if (cases[i].by_letter) {
            assert_int_equal(post("/api/v1/auth/password/forgot", "{\"name\":\"gertrude\"}"), 202);
            UNTIL(has_letter(EMAIL, "Set a new password", sent));
            snprintf(body, sizeof body, "{\"token\":\"%s\",\"password\":\"" PASSWORD "\"%s}", sent,
                     cases[i].more);
            assert_int_equal(post("/api/v1/auth/password/reset", body), 204);
        } else {
            snprintf(body, sizeof body,
                     "{\"password\":\"" PASSWORD "\",\"new_password\":\"" PASSWORD "\"%s}",
                     cases[i].more);
            assert_int_equal(change("/api/v1/me/password", body), 204);
        }
        assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me", NULL), 401); /* no session is left */
        assert_int_equal(post("/api/v1/auth/token", key), cases[i].kept ? 200 : 401);
        if (cases[i].kept)
            assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    }
    assert_int_equal(events_of("keys.revoked"), 3);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    keep_token();
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me/keys", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(f->document, "keys")), 0);
    assert_int_equal(change("/api/v1/me/password", "{\"password\":\"" PASSWORD
                                                   "\",\"new_password\":\"a new one altogether\","
                                                   "\"keys\":\"all\"}"),
                     400);
    assert_string_equal(text_of("field"), "keys");
}

static void an_operator_s_key_is_one_only_while_the_account_is(void **state)
{
    (void)state;
    char key[160], body[256], given[TOKEN_TEXT_BYTES];
    struct account account = stored();
    account.roles |= ACCOUNT_ROLE_OPERATOR;
    save(&account);
    assert_int_equal(change("/api/v1/me/keys", KEY("ops", "operator")), 201);
    snprintf(key, sizeof key, "%s", text_of("key"));
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", key);
    assert_int_equal(post("/api/v1/auth/token", body), 200);
    snprintf(given, sizeof given, "%s", text_of("access_token"));
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/auth/events", NULL), 200);
    assert_true(json_array_size(json_object_get(f->document, "events")) > 1);
    account = stored();
    account.roles &= ~(uint32_t)ACCOUNT_ROLE_OPERATOR;
    save(&account);
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/auth/events", NULL), 403);
    assert_int_equal(post("/api/v1/auth/token", body), 200);
    snprintf(given, sizeof given, "%s", text_of("access_token"));
    assert_int_equal(ask_as(given, EXCHANGE_GET, "/api/v1/auth/events", NULL), 403);
}

static void an_account_sees_its_own_events_and_only_operators_all(void **state)
{
    (void)state;
    enrol(PERSON("alice", "a@b.cd"));
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", "wrong")), 401);
    assert_int_equal(post("/api/v1/login", LOGIN("nobody", "wrong")), 401);
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me/events", NULL), 200);
    const json_t *events = json_object_get(f->document, "events");
    assert_int_equal(json_array_size(events), 3); /* registered, logged in, failed */
    const json_t *newest = json_array_get(events, 0);
    assert_string_equal(json_string_value(json_object_get(newest, "event")), "login.failed");
    assert_string_equal(json_string_value(json_object_get(newest, "address")), "10.0.0.1");
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/auth/events", NULL), 403);
    struct account account = stored();
    account.roles |= ACCOUNT_ROLE_OPERATOR;
    save(&account);
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/auth/events", NULL), 403); /* the token is older */
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    keep_token();
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/auth/events", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(f->document, "events")), 8);
}

/* Every event once, however many share a time, while others happen. */
static void walk_trail(const char *path, unsigned limit, json_t *whole)
{
    char asked[512];
    json_t *rows = json_array();
    snprintf(asked, sizeof asked, "%s?limit=%u", path, limit);
    for (unsigned pages = 0; asked[0] != '\0'; pages++) {
        assert_true(pages <= 100);
        assert_int_equal(mine(EXCHANGE_GET, asked, NULL), 200);
        const json_t *events = json_object_get(f->document, "events"),
                     *next = json_object_get(f->document, "next");
        assert_true(json_array_size(events) <= limit);
        assert_int_equal(json_array_extend(rows, (json_t *)events), 0);
        asked[0] = '\0';
        if (json_is_string(next))
            snprintf(asked, sizeof asked, "%s?limit=%u&page=%s", path, limit,
                     json_string_value(next));
        static uint64_t newest_ms = 4000000000000;
        struct error error;
        struct event newer = {
            .account_id = stored().id, .time_ms = newest_ms++, .kind = "login", .actor = "owner"
        };
        if (pages == 1)
            assert_int_equal(access_event_append(f->store, &newer, limit, &error), STORE_DONE);
    }
    if (!json_equal(rows, whole))
        fail_msg("%s by %u is another list", path, limit);
    json_decref(rows);
}

static void a_trail_is_the_same_by_pages_of_any_size(void **state)
{
    (void)state;
    static const char *const paths[] = { "/api/v1/me/events", "/api/v1/auth/events" };
    static const unsigned limits[] = { 7, 2, 1 };
    struct error error;
    struct account account = stored();
    account.roles |= ACCOUNT_ROLE_OPERATOR;
    save(&account);
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    keep_token();
    for (uint64_t i = 0; i < 20; i++) {
        struct event event = { .account_id = account.id + i % 2,
                               .time_ms = 1000 + i / 10,
                               .kind = "login",
                               .actor = "owner" };
        assert_int_equal(access_event_append(f->store, &event, i * 77 % 64, &error), STORE_DONE);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(mine(EXCHANGE_GET, paths[i / 3], NULL), 200);
        assert_true(json_is_null(json_object_get(f->document, "next")));
        json_t *whole = json_deep_copy(json_object_get(f->document, "events"));
        assert_true(json_array_size(whole) >= 10);
        walk_trail(paths[i / 3], limits[i % 3], whole);
        json_decref(whole);
    }
    static const char *const broken[] = { "page=",   "page=7",    "page=7-zz",
                                          "limit=0", "limit=101", "before=x" };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char asked[64];
        snprintf(asked, sizeof asked, "/api/v1/me/events?%s", broken[i]);
        assert_int_equal(mine(EXCHANGE_GET, asked, NULL), 400);
        assert_int_equal(strncmp(text_of("field"), broken[i], strlen(text_of("field"))), 0);
    }
    /* Another's place leads to none of another's events. */
    assert_int_equal(mine(EXCHANGE_GET, "/api/v1/me/events?page=9999999999999-7a7a", NULL), 200);
    json_t *event;
    size_t index;
    json_array_foreach(json_object_get(f->document, "events"), index, event)
    {
        char own[ACCOUNT_ID_BYTES];
        account_id_text(account.id, own);
        assert_string_equal(json_string_value(json_object_get(event, "account")), own);
    }
}

static void names_that_look_alike_are_taken_and_spellings_are_one(void **state)
{
    (void)state;
#define NAMED(name) PERSON(name, "a@b.cd")
    enrol(NAMED("J\xc3\xbcrgen"));
    assert_int_equal(post("/api/v1/register", PERSON("ju\xcc\x88rgen", "c@b.cd")), 202);
    UNTIL(has_letter("c@b.cd", "Choose another name", NULL));
    assert_int_equal(post("/api/v1/login", LOGIN("JU\xcc\x88RGEN", PASSWORD)), 200);
    assert_int_equal(post("/api/v1/register", NAMED("Gertrud\xd0\xb5")), 400); /* Cyrillic e */
    enrol(NAMED("satosh1"));
    assert_int_equal(post("/api/v1/register", PERSON("satoshl", "d@b.cd")), 202);
    UNTIL(has_letter("d@b.cd", "Choose another name", NULL));
    assert_int_equal(post("/api/v1/register", NAMED("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb")), 400);
    assert_int_equal(
        post("/api/v1/register", NAMED("fifty-characters-are-many-but-this-name-has-them-a")), 202);
    assert_int_equal(
        post("/api/v1/register", NAMED("fifty-characters-are-many-but-this-name-has-them-ab")),
        400);
}

static void passwords_that_are_guessed_first_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *password, *name;
        bool guessable;
    } cases[] = {
        { "password", "", true },
        { "PassWord", "", true },
        { "password!!", "", true },
        { "password123", "", true },
        { "12345678", "", true },
        { "123456789", "", true },
        { "qwertyuiop", "", true },
        { "iloveyou1", "", true },
        { "aaaaaaaaaaaaaa", "", true },
        { "gertrude", "gertrude", true },
        { "Gertrude1", "gertrude", true },
        { "xgertrudex", "gertrude", true },
        { "gertrude counts sheep", "gertrude", false },
        { "correct horse battery", "", false },
        { "xkq7-vvpe", "", false },
        { "passwordless night", "", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (password_is_guessable(span_text(cases[i].password), span_text(cases[i].name)) !=
            cases[i].guessable)
            fail_msg("%s", cases[i].password);
}

/* RFC 6238, appendix B, SHA-1, eight digits; RFC 4226, appendix D, six. */
static void one_time_codes_are_those_of_the_rfcs(void **state)
{
    (void)state;
    const struct span rfc = span_text("12345678901234567890");
    static const struct {
        uint64_t time_s;
        uint32_t code;
    } times[] = { { 59, 94287082 },         { 1111111109, 7081804 },  { 1111111111, 14050471 },
                  { 1234567890, 89005924 }, { 2000000000, 69279037 }, { 20000000000, 65353130 } };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_int_equal(totp_code(rfc, times[i].time_s / 30, 8), times[i].code);
    static const uint32_t counted[] = { 755224, 287082, 359152, 969429, 338314,
                                        254676, 287922, 162583, 399871, 520489 };
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(totp_code(rfc, i, 6), counted[i]);
    /* Each code is good in its step and the ones beside it, and once. */
    struct test_random random = test_random_begin("totp");
    for (int i = 0; i < 1000; i++) {
        uint64_t step = 100 + test_random_below(&random, 1u << 30), found;
        char code[16];
        snprintf(code, sizeof code, "%06u", totp_code(rfc, step, 6));
        for (int64_t drift = -3; drift <= 3; drift++) {
            uint64_t now_s = (uint64_t)((int64_t)step + drift) * 30 + 7;
            bool taken = totp_check(rfc, span_text(code), now_s, 0, &found);
            if (drift >= -1 && drift <= 1) {
                assert_true(taken);
                assert_false(totp_check(rfc, span_text(code), now_s, found, &found) &&
                             found <= step - 2);
            }
        }
        assert_false(totp_check(rfc, span_of(code, 5), step * 30, 0, &found));
    }
    char text[64];
    totp_base32(span_text("foobar"), text, sizeof text); /* RFC 4648, section 10 */
    assert_string_equal(text, "MZXW6YTBOI");
    totp_base32(span_text("foob"), text, sizeof text);
    assert_string_equal(text, "MZXW6YQ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gertrude, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_address_wants_the_password_locks_payouts_and_tells_the_owner),
        TEST(every_coin_has_an_address_and_a_lock_of_its_own),
        TEST(a_password_is_not_guessed_through_a_session),
        TEST(thresholds_are_whole_numbers),
        TEST(an_address_of_e_mail_is_confirmed_by_what_was_sent_there),
        TEST(a_forgotten_password_is_set_anew_once_by_letter),
        TEST(a_second_letter_makes_the_first_one_s_token_void_and_age_does_too),
        TEST(a_password_is_changed_by_who_knows_it),
        TEST(a_closed_account_opens_nothing_and_keeps_its_name),
        TEST(with_a_second_factor_a_login_wants_a_code_once),
        TEST(codes_are_not_guessed_from_many_addresses),
        TEST(with_a_second_factor_a_new_address_wants_a_code),
        TEST(what_tokens_say_of_the_second_factor_is_so),
        TEST(keys_and_links_are_shown_once_and_open_what_they_are_for),
        TEST(a_reset_voids_keys_and_links_unless_they_are_kept),
        TEST(an_operator_s_key_is_one_only_while_the_account_is),
        TEST(an_account_sees_its_own_events_and_only_operators_all),
        TEST(a_trail_is_the_same_by_pages_of_any_size),
        TEST(names_that_look_alike_are_taken_and_spellings_are_one),
        cmocka_unit_test(passwords_that_are_guessed_first_are_refused),
        cmocka_unit_test(one_time_codes_are_those_of_the_rfcs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
