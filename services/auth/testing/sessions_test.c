/* Sessions: what refresh tokens give, once; and everything that ends a session. */
#include "services/auth/testing/people_world.h"

#include "record/access/session.h"
#include "record/account/account.h"
#include "base/test_random.h"

#include <stdio.h>
#include <stdlib.h>

struct tokens {
    char access[TOKEN_TEXT_BYTES], refresh[160];
};

static void keep_tokens(struct tokens *tokens_r)
{
    snprintf(tokens_r->access, sizeof tokens_r->access, "%s", text_of("access_token"));
    snprintf(tokens_r->refresh, sizeof tokens_r->refresh, "%s", text_of("refresh_token"));
    assert_int_not_equal(tokens_r->access[0], 0);
    assert_int_not_equal(tokens_r->refresh[0], 0);
}

static void log_in(struct tokens *tokens_r)
{
    assert_int_equal(post("/api/v1/login", LOGIN("gertrude", PASSWORD)), 200);
    keep_tokens(tokens_r);
}

static int refresh(const char *token)
{
    char body[256];
    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", token);
    return post("/api/v1/auth/refresh", body);
}

static int setup_gertrude(void **state)
{
    (void)setup(state);
    enrol(GERTRUDE);
    return 0;
}

static void a_refresh_token_is_good_once_and_gives_the_next(void **state)
{
    (void)state;
    struct tokens at[4];
    log_in(&at[0]);
    assert_int_equal(json_integer_value(json_object_get(f->document, "refresh_expires_in")),
                     30 * 86400);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(refresh(at[i - 1].refresh), 200);
        keep_tokens(&at[i]);
        assert_string_not_equal(at[i].refresh, at[i - 1].refresh);
        assert_string_not_equal(at[i].access, at[i - 1].access);
        assert_int_equal(ask_as(at[i].access, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    }
    /* An access token of before is good until it dies. */
    assert_int_equal(ask_as(at[0].access, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_int_equal(events_counted(0, "session.reused"), 0);
}

static void a_refresh_token_shown_twice_ends_the_session(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        struct tokens at[4], other;
        log_in(&other);
        log_in(&at[0]);
        for (size_t i = 1; i < 4; i++) {
            assert_int_equal(refresh(at[i - 1].refresh), 200);
            keep_tokens(&at[i]);
        }
        assert_int_equal(refresh(at[which].refresh), 401);
        assert_string_equal(text_of("field"), "refresh_token");
        /* Neither the newest, nor any access token of it, opens anything here. */
        assert_int_equal(refresh(at[3].refresh), 401);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(ask_as(at[i].access, EXCHANGE_GET, "/api/v1/me", NULL), 401);
        assert_int_equal(events_counted(0, "session.reused"), which + 1);
        /* Another session of the same account goes on. */
        assert_int_equal(refresh(other.refresh), 200);
    }
    assert_int_equal(metric_of("\nadit_auth_refresh_reused_total "), 3);
}

static void of_two_who_refresh_at_once_at_most_one_goes_on(void **state)
{
    (void)state;
    struct tokens tokens;
    struct http_exchange *asked[4];
    char body[256];
    size_t given = 0;
    log_in(&tokens);
    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", tokens.refresh);
    for (size_t i = 0; i < 4; i++)
        asked[i] = begin_post("/api/v1/auth/refresh", "10.0.0.1", body);
    for (size_t i = 0; i < 4; i++)
        given += wait_for(asked[i]) == 200;
    assert_int_equal(given, 1);
    assert_int_equal(ask_as(tokens.access, EXCHANGE_GET, "/api/v1/me", NULL), 401);
}

static void no_text_of_a_stranger_is_a_refresh_token(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("sessions");
    struct tokens tokens;
    log_in(&tokens);
    size_t length = strlen(tokens.refresh);
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.";
    for (int i = 0; i < 300; i++) {
        char text[160];
        strcpy(text, tokens.refresh);
        size_t place = test_random_below(&random, length);
        char letter = letters[test_random_below(&random, sizeof letters - 1)];
        if (text[place] == letter)
            continue;
        text[place] = letter;
        assert_int_equal(refresh(text), 401);
    }
    assert_int_equal(refresh("x"), 401);
    assert_int_equal(post("/api/v1/auth/refresh", "{\"refresh_token\":\"\"}"), 400);
    assert_int_equal(post("/api/v1/auth/refresh", "{}"), 401);
    /* None of them ended the session, because none was of it. */
    assert_int_equal(refresh(tokens.refresh), 200);
    assert_int_equal(events_counted(0, "session.reused"), 0);
}

static void logout_ends_the_session_at_once(void **state)
{
    (void)state;
    struct tokens tokens, other;
    char body[256];
    log_in(&tokens);
    log_in(&other);
    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", tokens.refresh);
    assert_int_equal(post("/api/v1/auth/logout", body), 204);
    assert_null(f->document);
    assert_int_equal(post("/api/v1/auth/logout", body), 401);
    assert_int_equal(refresh(tokens.refresh), 401);
    assert_int_equal(ask_as(tokens.access, EXCHANGE_GET, "/api/v1/me", NULL), 401);
    assert_int_equal(ask_as(other.access, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_int_equal(events_counted(0, "logout"), 1);
}

static void sessions_are_seen_and_ended_by_their_owner_alone(void **state)
{
    (void)state;
    struct tokens mine, other, stranger;
    char id[64], path[128];
    enrol(PERSON("alice", "a@b.cd"));
    assert_int_equal(post("/api/v1/login", LOGIN("alice", PASSWORD)), 200);
    keep_tokens(&stranger);
    log_in(&other);
    log_in(&mine);
    assert_int_equal(ask_as(mine.access, EXCHANGE_GET, "/api/v1/me/sessions", NULL), 200);
    const json_t *list = json_object_get(f->document, "sessions");
    assert_int_equal(json_array_size(list), 2);
    id[0] = '\0';
    for (size_t i = 0; i < 2; i++) {
        const json_t *one = json_array_get(list, i);
        assert_string_equal(json_string_value(json_object_get(one, "address")), "10.0.0.1");
        if (!json_is_true(json_object_get(one, "current")))
            snprintf(id, sizeof id, "%s", json_string_value(json_object_get(one, "id")));
    }
    snprintf(path, sizeof path, "/api/v1/me/sessions/%s", id);
    assert_int_equal(ask_as(stranger.access, EXCHANGE_DELETE, path, NULL), 404);
    assert_int_equal(ask_as(NULL, EXCHANGE_DELETE, path, NULL), 401);
    assert_int_equal(ask_as(mine.access, EXCHANGE_DELETE, path, NULL), 204);
    assert_int_equal(ask_as(mine.access, EXCHANGE_DELETE, path, NULL), 404);
    assert_int_equal(ask_as(mine.access, EXCHANGE_DELETE, "/api/v1/me/sessions/x", NULL), 404);
    assert_int_equal(refresh(other.refresh), 401);
    assert_int_equal(ask_as(mine.access, EXCHANGE_GET, "/api/v1/me", NULL), 200);
    assert_int_equal(ask_as(mine.access, EXCHANGE_DELETE, "/api/v1/me/sessions", NULL), 204);
    assert_int_equal(ask_as(mine.access, EXCHANGE_GET, "/api/v1/me", NULL), 401);
    assert_int_equal(refresh(mine.refresh), 401);
    assert_int_equal(ask_as(stranger.access, EXCHANGE_GET, "/api/v1/me", NULL), 200);
}

static void the_longest_unused_session_makes_room(void **state)
{
    (void)state;
    struct tokens first, second, last;
    log_in(&first);
    log_in(&second);
    for (int i = 0; i < 31; i++)
        log_in(&last);
    assert_int_equal(refresh(first.refresh), 401);
    assert_int_equal(refresh(second.refresh), 200);
    assert_int_equal(refresh(last.refresh), 200);
}

static void sessions_die_of_age_and_with_their_account(void **state)
{
    (void)state;
    struct tokens tokens, other;
    struct error error;
    struct session listed[8];
    struct account account;
    size_t count;
    assert_int_equal(account_find(f->store, "gertrude", &account, &error), STORE_DONE);
    log_in(&tokens);
    assert_int_equal(session_list(f->store, account.id, 8, listed, &count, &error), STORE_DONE);
    assert_int_equal(count, 1);
    listed[0].expires_ms = loop_unix_ms() - 1;
    assert_int_equal(session_save(f->store, &listed[0], &error), STORE_DONE);
    assert_int_equal(refresh(tokens.refresh), 401);
    assert_int_equal(ask_as(tokens.access, EXCHANGE_GET, "/api/v1/me", NULL), 401);
    log_in(&other); /* and the dead one is cleared away */
    assert_int_equal(session_list(f->store, account.id, 8, listed, &count, &error), STORE_DONE);
    assert_int_equal(count, 1);
    account.state = ACCOUNT_LOCKED;
    assert_int_equal(account_save(f->store, &account, &error), STORE_DONE);
    assert_int_equal(refresh(other.refresh), 401);
    assert_int_equal(ask_as(other.access, EXCHANGE_GET, "/api/v1/me", NULL), 403);
}

static void while_the_store_fails_no_token_is_used_up_unseen(void **state)
{
    INSIDE_ALONE();
    (void)state;
    struct tokens tokens;
    log_in(&tokens);
    store_fake_away(f->store, true);
    assert_int_equal(refresh(tokens.refresh), 503);
    store_fake_away(f->store, false);
    UNTIL(!f->away);
    store_fake_inject(f->store, STORE_FAKE_FAIL, 0, 1);
    assert_int_equal(refresh(tokens.refresh), 503);
    UNTIL(!f->away);
    assert_int_equal(refresh(tokens.refresh), 200);
}

/* What a browser keeps of an answer's Set-Cookie, as it sends it: "name=value"; "" once it was told
 * to forget. */
static void keep_cookie(const struct http_exchange *asked, char *cookie_r, size_t bytes)
{
    const char *set = answer_header(asked, "Set-Cookie");
    assert_non_null(set);
    snprintf(cookie_r, bytes, "%.*s", (int)strcspn(set, ";"), set);
    if (strstr(set, "Max-Age=0;") != NULL)
        cookie_r[0] = '\0';
    assert_non_null(strstr(set, "; HttpOnly"));
    assert_non_null(strstr(set, "; SameSite=Strict"));
    assert_non_null(strstr(set, "; Secure"));
    assert_non_null(strstr(set, "; Path=/api/v1/auth;"));
}

static const struct http_exchange *with_cookie(const char *path, const char *cookie,
                                               const char *origin, const char *host)
{
    const struct header headers[] = { { "Content-Type", "application/json" },
                                      { "Cookie", cookie },
                                      { "Host", host },
                                      { origin != NULL ? "Origin" : NULL, origin },
                                      { NULL, NULL } };
    return begin(EXCHANGE_POST, path, "10.0.0.1", span_text("{}"), headers);
}

static void a_browser_keeps_its_refresh_token_where_no_script_reads_it(void **state)
{
    (void)state;
    static const char ours[] = "https://pool.example", host[] = "auth.pool.example";
    static const char with_keep[] =
        "{\"name\":\"gertrude\",\"password\":\"" PASSWORD "\",\"keep\":\"cookie\"}";
    char cookie[256], others[512], before[256];
    const struct http_exchange *asked = begin_post("/api/v1/login", "10.0.0.1", with_keep);
    assert_int_equal(wait_for(asked), 200);
    assert_string_equal(text_of("refresh_token"), "");
    assert_int_not_equal(text_of("access_token")[0], 0);
    keep_cookie(asked, cookie, sizeof cookie);
    assert_int_equal(strncmp(cookie, "__Secure-adit-refresh=", 22), 0);
    /* Pages of others get nothing by it, and end nothing. */
    static const char *const strangers[] = {
        "https://evil.org", "https://pool.example.evil.org", "http://pool.example", "null", "", NULL
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_int_equal(wait_for(with_cookie("/api/v1/auth/refresh", cookie, strangers[i], host)),
                         401);
    /* The next token comes the same way, also among other cookies, also by the host's own name. */
    snprintf(others, sizeof others, "a=b; %s; __Secure-adit-refres=x", cookie);
    snprintf(before, sizeof before, "%s", cookie);
    asked = with_cookie("/api/v1/auth/refresh", others, ours, host);
    assert_int_equal(wait_for(asked), 200);
    assert_string_equal(text_of("refresh_token"), "");
    keep_cookie(asked, cookie, sizeof cookie);
    assert_string_not_equal(cookie, before);
    asked = with_cookie("/api/v1/auth/refresh", cookie, "https://auth.pool.example", host);
    assert_int_equal(wait_for(asked), 200);
    keep_cookie(asked, cookie, sizeof cookie);
    asked = with_cookie("/api/v1/auth/logout", cookie, ours, host);
    assert_int_equal(wait_for(asked), 204);
    snprintf(before, sizeof before, "%s", cookie);
    keep_cookie(asked, cookie, sizeof cookie);
    assert_string_equal(cookie, "");
    asked = with_cookie("/api/v1/auth/refresh", before, ours, host);
    assert_int_equal(wait_for(asked), 401);
    keep_cookie(asked, cookie, sizeof cookie);
    assert_string_equal(cookie, "");
    assert_int_equal(post("/api/v1/login", "{\"name\":\"gertrude\",\"password\":\"" PASSWORD
                                           "\",\"keep\":\"memory\"}"),
                     400);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gertrude, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refresh_token_is_good_once_and_gives_the_next),
        TEST(a_refresh_token_shown_twice_ends_the_session),
        TEST(of_two_who_refresh_at_once_at_most_one_goes_on),
        TEST(no_text_of_a_stranger_is_a_refresh_token),
        TEST(logout_ends_the_session_at_once),
        TEST(sessions_are_seen_and_ended_by_their_owner_alone),
        TEST(the_longest_unused_session_makes_room),
        TEST(sessions_die_of_age_and_with_their_account),
        TEST(while_the_store_fails_no_token_is_used_up_unseen),
        TEST(a_browser_keeps_its_refresh_token_where_no_script_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
