/* What an account chooses to be told, and by which channel; its webhook; a notice to try it out;
 * and what became of those it was sent. */
#include "services/auth/endpoint.h"
#include "services/auth/letters.h"

#include "record/notice/notice_record.h"
#include "record/notice/preference.h"
#include "record/notice/route.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OFFLINE_MOST_S = 7 * 86400,
    OFFLINE_USUAL_S = 600,
    LOG_SHOWN = 50,
    TESTS = 3, /* that an account may ask for, per LIMITER_WINDOW_S */
    WEBHOOKS_SET = 20,
    STOPS = 60,
    LIST_BYTES = 200,
};

static json_t *list_of(uint32_t kinds)
{
    json_t *list = json_array();
    for (int kind = 1; kind <= NOTICE_CHOICES; kind++)
        if ((kinds & notice_bit((enum notice_kind)kind)) != 0)
            json_array_append_new(list, json_string(notice_type((enum notice_kind)kind)));
    return list;
}

static json_t *seconds_of(uint64_t time_ms)
{
    return time_ms != 0 ? json_integer((json_int_t)(time_ms / 1000)) : json_null();
}

static const char *state_of(const struct notice_preference *preference,
                            const struct notice_route *route)
{
    return preference->url[0] == '\0' ? "none"
           : preference->off_ms != 0  ? "off"
           : route->failures > 0      ? "failing"
                                      : "on";
}

static uint64_t after_s(const struct settings *settings, const struct notice_preference *preference)
{
    uint64_t least = (uint64_t)settings->notices_offline_least_s;
    uint64_t chosen = preference->after_ms != 0 ? preference->after_ms / 1000 : OFFLINE_USUAL_S;
    return chosen < least ? least : chosen;
}

static json_t *show(const struct visit *visit, const struct notice_preference *preference,
                    const struct notice_route *route)
{
    const struct settings *settings = visit->people->options.settings;
    const struct account *account = &visit->account;
    return json_pack(
        "{s:o, s:o, s:o, s:I, s:I, s:i, s:s, s:b, s:b, s:s, s:s, s:o}", "kinds",
        list_of(UINT32_MAX), "email", list_of(preference->letters), "webhook",
        list_of(preference->webhooks), "offline_after_s", (json_int_t)after_s(settings, preference),
        "offline_least_s", (json_int_t)settings->notices_offline_least_s, "offline_most_s",
        OFFLINE_MOST_S, "address", account->email, "address_confirmed", account->email_confirmed,
        "letters", settings->auth_mail[0] != '\0', "webhook_url", preference->url, "webhook_state",
        state_of(preference, route), "webhook_failing_since", seconds_of(route->failing_since_ms));
}

static bool act_show(struct visit *visit, struct store *store, struct error *error)
{
    struct notice_preference preference;
    struct notice_route_record route;
    uint64_t id = visit->account.id;
    if (notice_preference_get(store, id, &preference, error) != STORE_DONE ||
        notice_route_get(store, id, NOTICE_WEBHOOK, &route, error) != STORE_DONE)
        return false;
    visit->reply = show(visit, &preference, &route.route);
    return true;
}

void people_notices(void *context, struct http_exchange *exchange)
{
    static const struct endpoint see = { .what = "notices",
                                         .needs = ENDPOINT_TOKEN,
                                         .scopes = TOKEN_SCOPE_ACCOUNT,
                                         .client_max = ENDPOINT_CLIENT_MAX,
                                         .account_max = ENDPOINT_ACCOUNT_MAX,
                                         .act = act_show };
    endpoint_begin(context, exchange, &see);
}

enum { EMAIL, WEBHOOK, AFTER, CHOICES };

/* Types with commas between them, into bits. */
static bool read_kinds(struct visit *visit, size_t field, uint32_t *kinds_r)
{
    struct span rest = visit->form.values[field];
    *kinds_r = 0;
    while (rest.length > 0) {
        const uint8_t *comma = memchr(rest.data, ',', rest.length);
        size_t length = comma != NULL ? (size_t)(comma - rest.data) : rest.length;
        enum notice_kind kind;
        if (!notice_choice(span_of(rest.data, length), &kind))
            return visit_trouble(visit, 400, "Bad request",
                                 "kinds of notices are meant, with commas between them",
                                 visit->endpoint->fields[field].name);
        *kinds_r |= notice_bit(kind);
        size_t used = comma != NULL ? length + 1 : length;
        rest = span_of(rest.data + used, rest.length - used);
    }
    return true;
}

static bool read_after(struct visit *visit, uint64_t *after_s_r)
{
    const struct span text = visit->form.values[AFTER];
    uint64_t least = (uint64_t)visit->people->options.settings->notices_offline_least_s;
    u128 value;
    bool good = u128_parse((const char *)text.data, text.length, &value) && value >= least &&
                value <= OFFLINE_MOST_S;
    *after_s_r = good ? (uint64_t)value : 0;
    return good || visit_trouble(visit, 400, "Bad request",
                                 "seconds between offline_least_s and offline_most_s are meant",
                                 "offline_after_s");
}

static bool read_choice(struct visit *visit)
{
    uint32_t kinds;
    uint64_t seconds;
    return read_kinds(visit, EMAIL, &kinds) && read_kinds(visit, WEBHOOK, &kinds) &&
           read_after(visit, &seconds);
}

/* What fell silent before it was asked for is not told. */
static void choose(struct visit *visit, struct notice_preference *preference)
{
    memcpy(preference->name, visit->account.name, sizeof preference->name);
    const uint32_t offline = notice_bit(NOTICE_WORKER_OFFLINE);
    uint32_t before = preference->letters | preference->webhooks;
    uint64_t seconds = 0;
    bool good = read_kinds(visit, EMAIL, &preference->letters) &&
                read_kinds(visit, WEBHOOK, &preference->webhooks) && read_after(visit, &seconds);
    ASSERT(good); /* it was read before */
    preference->after_ms = seconds * 1000;
    if ((before & offline) == 0 && ((preference->letters | preference->webhooks) & offline) != 0)
        preference->from_ms = loop_unix_ms();
}

static bool act_choose(struct visit *visit, struct store *store, struct error *error)
{
    struct notice_preference preference;
    struct notice_route_record route;
    char detail[EVENT_DETAIL_BYTES];
    uint64_t id = visit->account.id;
    if (notice_preference_get(store, id, &preference, error) != STORE_DONE ||
        notice_route_get(store, id, NOTICE_WEBHOOK, &route, error) != STORE_DONE)
        return false;
    choose(visit, &preference);
    if (!visit_wrote(visit, notice_preference_save(store, &preference, error)))
        return visit->trouble.status != 0;
    snprintf(detail, sizeof detail, "email %02x, webhook %02x, offline after %llu s",
             preference.letters, preference.webhooks,
             (unsigned long long)preference.after_ms / 1000);
    visit_note(visit, "notices", "owner", detail);
    visit->reply = show(visit, &preference, &route.route);
    return true;
}

void people_choose_notices(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[CHOICES] = {
        [EMAIL] = { "email", 0, LIST_BYTES, false },
        [WEBHOOK] = { "webhook", 0, LIST_BYTES, false },
        [AFTER] = { "offline_after_s", 1, 8, false },
    };
    static const struct endpoint set = { .what = "notices.choose",
                                         .needs = ENDPOINT_TOKEN,
                                         .scopes = TOKEN_SCOPE_ACCOUNT,
                                         .client_max = ENDPOINT_CLIENT_MAX,
                                         .account_max = ENDPOINT_ACCOUNT_MAX,
                                         .fields = fields,
                                         .field_count = CHOICES,
                                         .read = read_choice,
                                         .act = act_choose };
    endpoint_begin(context, exchange, &set);
}

static bool read_url(struct visit *visit)
{
    struct error error;
    char url[NOTICE_URL_BYTES];
    const struct span text = visit->form.values[0];
    snprintf(url, sizeof url, "%.*s", (int)text.length, (const char *)text.data);
    return strlen(url) == text.length &&
                   webhook_check(url, visit->people->options.settings->notices_webhook_plain,
                                 &error)
               ? true
               : visit_trouble(visit, 400, "Bad request",
                               "https://host[:port][/path] is meant, without a user or a part "
                               "behind a #, on port 443 or one from 1024 on",
                               "url");
}

/* Failures of the one before are not held against it. */
static bool forget_failures(struct store *store, uint64_t account, struct error *error)
{
    struct notice_route_record route;
    if (notice_route_get(store, account, NOTICE_WEBHOOK, &route, error) != STORE_DONE)
        return false;
    if (route.route.failures == 0)
        return true;
    route.route.failures = route.route.failing_since_ms = route.route.not_before_ms = 0;
    enum store_outcome outcome = notice_route_save(store, &route, error);
    return outcome == STORE_DONE || outcome == STORE_CONFLICT;
}

static bool act_webhook(struct visit *visit, struct store *store, struct error *error)
{
    struct notice_preference preference;
    uint8_t secret[NOTICE_SECRET_BYTES];
    char text[80] = "whsec_";
    const struct span url = visit->form.values[0];
    if (notice_preference_get(store, visit->account.id, &preference, error) != STORE_DONE ||
        !forget_failures(store, visit->account.id, error))
        return false;
    snprintf(preference.url, sizeof preference.url, "%.*s", (int)url.length,
             (const char *)url.data);
    randombytes_buf(secret, sizeof secret);
    secrets_seal_webhook(&visit->people->secrets, visit->account.id, secret, preference.sealed);
    memcpy(preference.name, visit->account.name, sizeof preference.name);
    preference.url_ms = loop_unix_ms();
    preference.off_ms = 0;
    bool wrote = visit_wrote(visit, notice_preference_save(store, &preference, error));
    if (wrote) {
        size_t head = strlen(text);
        sodium_bin2base64(text + head, sizeof text - head, secret, sizeof secret,
                          sodium_base64_VARIANT_ORIGINAL);
        visit->status = 201;
        visit->reply = json_pack("{s:s, s:s}", "url", preference.url, "secret", text);
        visit_note(visit, "webhook.set", "owner", "");
        letters_tell(visit, store, LETTER_WEBHOOK, NULL);
    }
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
    return wrote || visit->trouble.status != 0;
}

void people_set_webhook(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { { "url", 1, NOTICE_URL_BYTES - 1, false } };
    static const struct endpoint set = { .what = "webhook",
                                         .needs = ENDPOINT_TOKEN,
                                         .scopes = TOKEN_SCOPE_ACCOUNT,
                                         .client_max = ENDPOINT_CLIENT_MAX,
                                         .account_max = WEBHOOKS_SET,
                                         .fields = fields,
                                         .field_count = 1,
                                         .read = read_url,
                                         .act = act_webhook };
    endpoint_begin(context, exchange, &set);
}

static bool act_no_webhook(struct visit *visit, struct store *store, struct error *error)
{
    struct notice_preference preference;
    if (notice_preference_get(store, visit->account.id, &preference, error) != STORE_DONE)
        return false;
    if (preference.url[0] == '\0')
        return true;
    memset(preference.url, 0, sizeof preference.url);
    memset(preference.sealed, 0, sizeof preference.sealed);
    preference.off_ms = 0;
    if (!visit_wrote(visit, notice_preference_save(store, &preference, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "webhook.removed", "owner", "");
    return true;
}

void people_remove_webhook(void *context, struct http_exchange *exchange)
{
    static const struct endpoint remove = { .what = "webhook.remove",
                                            .needs = ENDPOINT_TOKEN,
                                            .scopes = TOKEN_SCOPE_ACCOUNT,
                                            .client_max = ENDPOINT_CLIENT_MAX,
                                            .account_max = ENDPOINT_ACCOUNT_MAX,
                                            .act = act_no_webhook };
    endpoint_begin(context, exchange, &remove);
}

static bool is_letter(const struct visit *visit)
{
    return span_equal(visit->form.values[0], span_text("email"));
}

static bool read_channel(struct visit *visit)
{
    return is_letter(visit) || span_equal(visit->form.values[0], span_text("webhook")) ||
           visit_trouble(visit, 400, "Bad request", "email or webhook", "channel");
}

static bool act_test(struct visit *visit, struct store *store, struct error *error)
{
    struct notice notice = { .account = visit->account.id,
                             .kind = NOTICE_TEST,
                             .channel = is_letter(visit) ? NOTICE_LETTER : NOTICE_WEBHOOK,
                             .created_ms = loop_unix_ms() };
    char random[33], cause[NOTICE_CAUSE_BYTES];
    secrets_random_id(random, sizeof random - 1);
    snprintf(cause, sizeof cause, "test:%s", random);
    notice_name(&notice, cause);
    json_t *data = json_pack("{s:s}", "account", visit->account.name);
    size_t length = json_dumpb(data, notice.body, sizeof notice.body - 1, JSON_COMPACT);
    json_decref(data);
    ASSERT(length < sizeof notice.body);
    visit->status = 202;
    visit->reply = json_pack("{s:s}", "detail", "it is on its way; the log says what became of it");
    return notice_insert(store, &notice, error) == STORE_DONE;
}

static void after_test(struct visit *visit)
{
    notifier_kick(visit->people->notifier);
}

void people_test_notice(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { { "channel", 1, 16, false } };
    static const struct endpoint test = { .what = "notices.test",
                                          .needs = ENDPOINT_TOKEN,
                                          .scopes = TOKEN_SCOPE_ACCOUNT,
                                          .client_max = ENDPOINT_CLIENT_MAX,
                                          .account_max = TESTS,
                                          .fields = fields,
                                          .field_count = 1,
                                          .read = read_channel,
                                          .act = act_test,
                                          .after = after_test };
    endpoint_begin(context, exchange, &test);
}

static json_t *entry_of(const struct notice *notice)
{
    const char *type = notice_type(notice->kind);
    bool waits = notice->state == NOTICE_WAITING;
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:s, s:o}", "time",
                     (json_int_t)(notice->created_ms / 1000), "kind", type != NULL ? type : "",
                     "channel", notice_channel_name(notice->channel), "state",
                     notice_state_name(notice->state), "tries", (json_int_t)notice->tries, "result",
                     notice->result, "next", seconds_of(waits ? notice->due_ms : 0));
}

static bool act_log(struct visit *visit, struct store *store, struct error *error)
{
    struct notice *notices = calloc(LOG_SHOWN, sizeof *notices);
    size_t count;
    ASSERT(notices != NULL);
    bool read =
        notice_list(store, visit->account.id, LOG_SHOWN, notices, &count, error) == STORE_DONE;
    if (read) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, entry_of(&notices[i]));
        visit->reply = json_pack("{s:o}", "notices", list);
    }
    free(notices);
    return read;
}

void people_notices_log(void *context, struct http_exchange *exchange)
{
    static const struct endpoint see = { .what = "notices.log",
                                         .needs = ENDPOINT_TOKEN,
                                         .scopes = TOKEN_SCOPE_ACCOUNT,
                                         .client_max = ENDPOINT_CLIENT_MAX,
                                         .account_max = ENDPOINT_ACCOUNT_MAX,
                                         .act = act_log };
    endpoint_begin(context, exchange, &see);
}

/* The token was made of the address its letter went to: one of before stops nothing. Who shows a
 * wrong one is told the same as who shows a right one for nobody. */
static bool act_stop(struct visit *visit, struct store *store, struct error *error)
{
    struct notice_preference preference;
    char token[SECRETS_TEXT_BYTES];
    const char *shown = http_segment(visit->exchange, 0);
    uint64_t id = 0;
    enum store_outcome outcome = STORE_MISSING;
    if (secrets_stop_read(span_text(shown), &id))
        outcome = account_get(store, id, &visit->account, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    bool good = outcome == STORE_DONE;
    if (good) {
        secrets_stop_make(&visit->people->secrets, id, visit->account.email, token);
        good = strlen(token) == strlen(shown) &&
               secrets_same((const uint8_t *)token, (const uint8_t *)shown, strlen(token));
    }
    if (!good) {
        (void)visit_trouble(visit, 404, "Not found", "this link stops no letters", "token");
        return true;
    }
    if (notice_preference_get(store, id, &preference, error) != STORE_DONE)
        return false;
    if (preference.letters == 0)
        return true;
    preference.letters = 0;
    if (!visit_wrote(visit, notice_preference_save(store, &preference, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "notices", "letter", "no more letters, by the link in one");
    return true;
}

/* Its body, "List-Unsubscribe=One-Click" (RFC 8058), says nothing more. */
void people_stop_letters(void *context, struct http_exchange *exchange)
{
    static const struct endpoint stop = { .what = "notices.stop",
                                          .client_max = STOPS,
                                          .act = act_stop };
    endpoint_begin(context, exchange, &stop);
}
