/* Sessions: they begin with a login, go on by refresh tokens, each of which is good once, and end
 * by logout, by age, or when a token is shown a second time: then somebody has a copy, and nobody
 * can say who of the two is the thief. */
#include "services/auth/session.h"

#include "service/log.h"
#include "services/auth/cookie.h"
#include "services/auth/endpoint.h"

#include <jansson.h>
#include <sodium.h>

enum { ATTEMPTS = 3, LISTED_MAX = 2 * SESSIONS_MAX };

static uint64_t life_ms(const struct people *people)
{
    return (uint64_t)people->options.settings->auth_session_days * 86400000;
}

/* The answer's refresh token. The access token is added on the loop's thread (session_finish),
 * which alone may look at the ring of keys. */
static void give_refresh(struct visit *visit)
{
    char text[SECRETS_TEXT_BYTES];
    secrets_refresh_make(&visit->people->secrets, &visit->session, text);
    visit->reply = json_pack("{s:s, s:I}", "refresh_token", text, "refresh_expires_in",
                             (json_int_t)(life_ms(visit->people) / 1000));
    sodium_memzero(text, sizeof text);
}

void session_finish(struct visit *visit)
{
    const struct people *people = visit->people;
    uint64_t now_s = loop_unix_ms() / 1000;
    uint64_t life_s = (uint64_t)people->options.settings->auth_token_minutes * 60;
    bool operator_too = (visit->account.roles & ACCOUNT_ROLE_OPERATOR) != 0;
    struct token_claims claims = {
        .scopes = TOKEN_SCOPE_READ | TOKEN_SCOPE_ACCOUNT | TOKEN_SCOPE_WITHDRAW_PROPOSE |
                  (operator_too ? TOKEN_SCOPE_OPERATOR : 0u),
        .second_factor_on = visit->factor.state == FACTOR_ON,
        .second_factor_given = visit->session.factor_given,
        .account_id = visit->account.id,
        .issued_s = now_s,
        .not_before_s = now_s,
        .expires_s = now_s + life_s,
    };
    char token[TOKEN_TEXT_BYTES];
    memcpy(claims.session, visit->session.id, sizeof claims.session);
    token_sign(token_ring_signer(people->ring, now_s), &claims, token);
    json_object_set_new(visit->reply, "access_token", json_string(token));
    json_object_set_new(visit->reply, "token_type", json_string("Bearer"));
    json_object_set_new(visit->reply, "expires_in", json_integer((json_int_t)life_s));
    sodium_memzero(token, sizeof token);
    if (visit->by_cookie)
        cookie_give(visit);
}

/* Makes room: those that count no more go, and of too many the longest unused. */
static bool tidy(struct visit *visit, struct store *store, uint64_t now_ms, struct error *error)
{
    static _Thread_local struct session listed[LISTED_MAX];
    size_t count, live = 0;
    if (session_list(store, visit->account.id, LISTED_MAX, listed, &count, error) != STORE_DONE)
        return false;
    struct session *oldest = NULL;
    for (size_t i = 0; i < count; i++) {
        struct session *one = &listed[i];
        if (!session_is_live(one, visit->account.sessions_from_ms, now_ms)) {
            if (session_delete(store, one, error) == STORE_FAILED)
                return false;
            continue;
        }
        live++;
        if (oldest == NULL || one->used_ms < oldest->used_ms)
            oldest = one;
    }
    return live < SESSIONS_MAX || session_delete(store, oldest, error) != STORE_FAILED;
}

bool session_begin(struct visit *visit, struct store *store, bool factor_given, struct error *error)
{
    struct session *session = &visit->session;
    uint64_t now_ms = loop_unix_ms();
    if (!tidy(visit, store, now_ms, error))
        return false;
    memset(session, 0, sizeof *session);
    secrets_random_id(session->id, SESSION_ID_BYTES - 1);
    session->account_id = visit->account.id;
    session->generation = 1;
    session->created_ms = session->used_ms = now_ms;
    session->expires_ms = now_ms + life_ms(visit->people);
    session->factor_given = factor_given;
    memcpy(session->client, visit->client, sizeof session->client);
    give_refresh(visit);
    /* Not known to be written, it opens nothing: the login is tried again. */
    return session_insert(store, session, error) == STORE_DONE;
}

enum { REFRESH_TOKEN, REFRESH_FIELDS };
static const struct form_field refresh_fields[REFRESH_FIELDS] = {
    [REFRESH_TOKEN] = { "refresh_token", 1, SECRETS_TEXT_BYTES, true },
};

/* Left out, it is in the browser's cookie. */
static bool read_refresh(struct visit *visit)
{
    struct span *token = &visit->form.values[REFRESH_TOKEN];
    if (token->data != NULL)
        return true;
    visit->by_cookie = cookie_read(visit, visit->cookie);
    *token = span_text(visit->cookie);
    return visit->by_cookie ||
           visit_trouble(visit, 401, "Unauthorized",
                         "no refresh token was shown, nor a cookie of one from a page of this pool",
                         "refresh_token");
}

static void say_ended(struct visit *visit)
{
    if (visit->by_cookie)
        cookie_end(visit);
    (void)visit_trouble(visit, 401, "Unauthorized", "the session has ended: log in again",
                        "refresh_token");
}

/* The session a refresh token is of, on the store's thread; *generation_r and hash_r are the
 * token's. In trouble where it has ended, or the token is not one of ours. */
static bool find_session(struct visit *visit, struct store *store, uint64_t *generation_r,
                         uint8_t hash_r[ACCESS_HASH_BYTES], struct error *error)
{
    char id[SESSION_ID_BYTES];
    if (!secrets_refresh_read(&visit->people->secrets, visit->form.values[REFRESH_TOKEN], id,
                              generation_r, hash_r)) {
        say_ended(visit);
        return true;
    }
    enum store_outcome outcome = session_get(store, id, &visit->session, error);
    if (outcome == STORE_DONE)
        outcome = account_get(store, visit->session.account_id, &visit->account, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    if (outcome == STORE_MISSING || visit->account.state != ACCOUNT_ACTIVE ||
        !session_is_live(&visit->session, visit->account.sessions_from_ms, loop_unix_ms()))
        say_ended(visit);
    return true;
}

/* Ends it, whatever it is just being refreshed to. */
static bool end(struct store *store, struct session *session, struct error *error)
{
    enum store_outcome outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_CONFLICT; i++) {
        outcome = session_delete(store, session, error);
        if (outcome == STORE_CONFLICT &&
            session_get(store, session->id, session, error) == STORE_MISSING)
            outcome = STORE_DONE;
    }
    return outcome == STORE_DONE ||
           (outcome == STORE_CONFLICT &&
            error_set(error, ERROR_UNAVAILABLE, "the session is being changed all the time"));
}

/* Its tokens are known to two: none of them is good any more. */
static bool end_reused(struct visit *visit, struct store *store, struct error *error)
{
    metric_add(visit->people->metrics.reused, 1);
    visit_note(visit, "session.reused", "unknown", "a refresh token was shown twice");
    say_ended(visit);
    return end(store, &visit->session, error);
}

static bool act_refresh(struct visit *visit, struct store *store, struct error *error)
{
    uint64_t generation;
    uint8_t hash[ACCESS_HASH_BYTES];
    enum store_outcome outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_CONFLICT; i++) {
        if (!find_session(visit, store, &generation, hash, error))
            return false;
        if (visit->trouble.status != 0)
            return true;
        struct session *session = &visit->session;
        if (generation != session->generation || !secrets_same(hash, session->refresh, sizeof hash))
            return end_reused(visit, store, error);
        session->generation++;
        session->used_ms = loop_unix_ms();
        session->expires_ms = session->used_ms + life_ms(visit->people);
        json_decref(visit->reply);
        give_refresh(visit);
        outcome = session_save(store, session, error);
    }
    return outcome == STORE_DONE &&
           factor_get(store, visit->account.id, &visit->factor, error) == STORE_DONE;
}

static void after_refresh(struct visit *visit)
{
    metric_add(visit->people->metrics.refreshed, 1);
    session_finish(visit);
}

void people_refresh(void *context, struct http_exchange *exchange)
{
    static const struct endpoint refresh = { .what = "refresh",
                                             .fields = refresh_fields,
                                             .field_count = REFRESH_FIELDS,
                                             .client_max = 1000,
                                             .read = read_refresh,
                                             .act = act_refresh,
                                             .after = after_refresh };
    endpoint_begin(context, exchange, &refresh);
}

/* Any token of the session will do, also one that was used: it ends. */
static bool act_logout(struct visit *visit, struct store *store, struct error *error)
{
    uint64_t generation;
    uint8_t hash[ACCESS_HASH_BYTES];
    if (!find_session(visit, store, &generation, hash, error))
        return false;
    if (visit->trouble.status != 0)
        return true;
    if (visit->by_cookie)
        cookie_end(visit);
    visit_note(visit, "logout", "owner", "");
    return end(store, &visit->session, error);
}

void people_logout(void *context, struct http_exchange *exchange)
{
    static const struct endpoint logout = { .what = "logout",
                                            .fields = refresh_fields,
                                            .field_count = REFRESH_FIELDS,
                                            .client_max = 1000,
                                            .read = read_refresh,
                                            .act = act_logout };
    endpoint_begin(context, exchange, &logout);
}

static bool act_list(struct visit *visit, struct store *store, struct error *error)
{
    static _Thread_local struct session listed[LISTED_MAX];
    size_t count;
    json_t *list = json_array();
    if (session_list(store, visit->account.id, LISTED_MAX, listed, &count, error) != STORE_DONE) {
        json_decref(list);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct session *one = &listed[i];
        if (session_is_live(one, visit->account.sessions_from_ms, loop_unix_ms()))
            json_array_append_new(
                list, json_pack("{s:s, s:I, s:I, s:I, s:s, s:b, s:b}", "id", one->id, "created",
                                (json_int_t)(one->created_ms / 1000), "used",
                                (json_int_t)(one->used_ms / 1000), "expires",
                                (json_int_t)(one->expires_ms / 1000), "address", one->client,
                                "second_factor", one->factor_given, "current",
                                strcmp(one->id, visit->claims.session) == 0));
    }
    visit->reply = json_pack("{s:o}", "sessions", list);
    return true;
}

void people_sessions(void *context, struct http_exchange *exchange)
{
    static const struct endpoint list = ENDPOINT_OF_OWNER("sessions", act_list);
    endpoint_begin(context, exchange, &list);
}

static bool act_end(struct visit *visit, struct store *store, struct error *error)
{
    const char *id = http_segment(visit->exchange, 0);
    struct session session;
    enum store_outcome outcome = strlen(id) == SESSION_ID_BYTES - 1
                                     ? session_get(store, id, &session, error)
                                     : STORE_MISSING;
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    if (outcome == STORE_MISSING || session.account_id != visit->account.id) {
        (void)visit_trouble(visit, 404, "Not found", "there is no such session", "id");
        return true;
    }
    visit_note(visit, "session.ended", "owner", "");
    return end(store, &session, error);
}

void people_end_session(void *context, struct http_exchange *exchange)
{
    static const struct endpoint end = ENDPOINT_OF_OWNER("sessions", act_end);
    endpoint_begin(context, exchange, &end);
}

static bool act_end_all(struct visit *visit, struct store *store, struct error *error)
{
    visit->account.sessions_from_ms = loop_unix_ms() + 1;
    if (!visit_wrote(visit, account_save(store, &visit->account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "session.ended", "owner", "all");
    return true;
}

void people_end_sessions(void *context, struct http_exchange *exchange)
{
    static const struct endpoint end = ENDPOINT_OF_OWNER("sessions", act_end_all);
    endpoint_begin(context, exchange, &end);
}
